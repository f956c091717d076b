"""Options of recipes and commands: parse and keep them, and load the data that they name."""
