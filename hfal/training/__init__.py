"""Everything that touches the user's Trainer."""
