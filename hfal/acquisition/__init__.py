"""Turn a model into a recorded query: signals, scoring, selection, provenance."""
