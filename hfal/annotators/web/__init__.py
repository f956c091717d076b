"""The web annotator: people answer on a page that the command serves."""
