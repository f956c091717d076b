"""The annotator who fills in a file."""
