"""A loss in which rare classes count as much as frequent ones."""

from collections.abc import Mapping
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import torch

from hfal.tasks.label_column import LABEL_COLUMNS


def balanced_weights(labels: np.ndarray, classes: int) -> np.ndarray:
    """Return the weights of the classes with which all that occur have the same sum of weights.

    That is n / (occurring classes * count), as scikit-learn's `compute_class_weight("balanced")` has it (King & Zeng,
    "Logistic Regression in Rare Events Data", 2001); the mean over the labels is 1.

    Args:
        labels: int[n]; negative ones are none.
        classes: How many classes there are.

    Returns:
        float32[classes]; 1 for a class that does not occur.
    """
    counts = np.bincount(labels[labels >= 0], minlength=classes)
    occurring = counts > 0
    weights = np.ones(classes, np.float32)
    weights[occurring] = counts.sum() / (occurring.sum() * counts[occurring])
    return weights


def labels_of(dataset: datasets.Dataset) -> np.ndarray:
    """Return the labels of a labeled view, int64[n]; of tags those of all tokens, with -100 where there is none."""
    name = next(name for name in LABEL_COLUMNS if name in dataset.column_names)
    column = dataset.select_columns([name]).with_format("arrow")[:][name].combine_chunks()
    flat = column.flatten() if pa.types.is_nested(column.type) else column
    labels: np.ndarray = flat.to_numpy(zero_copy_only=False).astype(np.int64)
    return labels


class WeightedLoss:
    """Cross-entropy with a weight for each class: a `compute_loss_func` for the Trainer.

    Args:
        weights: float[C].
        label_smoothing: As `label_smoothing_factor` of `TrainingArguments`, which the Trainer does not apply to a loss
            of ours.
    """

    def __init__(self, weights: np.ndarray, label_smoothing: float = 0.0):
        self.weights = torch.tensor(weights, dtype=torch.float32)
        self.label_smoothing = label_smoothing

    def __call__(
        self, outputs: Mapping[str, Any], labels: torch.Tensor, num_items_in_batch: torch.Tensor | int | None = None
    ) -> torch.Tensor:
        """Return the sum over all labels by their number, of this batch or of all that one step accumulates."""
        logits = outputs["logits"].float()
        labels = labels.to(logits.device).flatten()
        total = torch.nn.functional.cross_entropy(
            logits.reshape(len(labels), -1),
            labels,
            self.weights.to(logits.device),
            reduction="sum",
            label_smoothing=self.label_smoothing,
        )
        return total / (num_items_in_batch if num_items_in_batch is not None else (labels >= 0).sum().clamp(min=1))
