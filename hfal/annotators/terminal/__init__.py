"""The terminal annotator: the only package that knows prompt_toolkit."""
