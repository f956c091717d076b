"""Metrics, and what the rounds of a run brought."""
