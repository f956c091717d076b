"""The annotator at a terminal: the only package that knows prompt_toolkit."""
