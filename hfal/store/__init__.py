"""Queries, answers and rounds on disk: the only package that knows SQL."""
