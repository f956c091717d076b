"""What recipes and commands share: options, the files that keep them, and loading data by them."""
