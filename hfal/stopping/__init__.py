"""When a run ends: criteria, the expressions that join them, and how predictions change."""
