"""Queries, answers and rounds on disk: the only package that knows SQL."""

from hfal.store.store import Store, reading


__all__ = ["Store", "reading"]
