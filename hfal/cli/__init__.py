"""The command `hfal`, one file for each subcommand."""
