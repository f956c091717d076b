"""Helpers that know nothing of active learning."""
