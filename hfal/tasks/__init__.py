"""Tasks, and the kinds of answers they have: the only package that knows a task by its name."""
