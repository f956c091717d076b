"""`hfal compare`: strategies and seeds side by side on labeled data."""
