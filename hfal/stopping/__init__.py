"""Stopping: criteria, the expressions that join them, and how predictions change from round to round."""
