"""Metrics and learning curves."""

from hfal.evaluation.curves import plot_learning_curve, rounds_table
from hfal.evaluation.metrics import F1, Accuracy, classification_metrics


__all__ = ["F1", "Accuracy", "classification_metrics", "plot_learning_curve", "rounds_table"]
