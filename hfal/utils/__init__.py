"""What knows nothing of active learning."""
