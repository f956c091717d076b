"""The file annotator, and how it reads what people write."""
