"""What a label is: the only package that knows a task by its name."""
