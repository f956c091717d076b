"""From a model to a recorded query: signals, scoring, selection, provenance."""
