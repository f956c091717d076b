"""Annotators, and how they are asked. They know neither models nor strategies, and load no torch."""
