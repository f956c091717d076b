"""What differs between the tasks. So far there is one: one label for each text (or pair of texts)."""

from collections.abc import Sequence

import numpy as np
import torch

from hfal.errors import ArgumentError


LABEL_COLUMNS = ("label", "labels", "label_ids")
"""What the Trainer and its collators call the labels."""


def class_probabilities(logits: torch.Tensor) -> torch.Tensor:
    """Softmax over the classes, in float32 whatever the logits' precision.

    Args:
        logits: float[B, C].

    Returns:
        float32[B, C].

    Raises:
        ValueError: The model's output has another shape, so it is no sequence classifier.
    """
    if logits.ndim != 2:
        raise ArgumentError(
            f"the model's logits have shape {list(logits.shape)}, expected [batch, classes]: "
            "use a model with a sequence classification head (AutoModelForSequenceClassification)"
        )
    return logits.float().softmax(dim=-1)


def suggestions(probabilities: np.ndarray, label_names: Sequence[str]) -> list[tuple[str, float]]:
    """The most likely label of each example, and its probability.

    Args:
        probabilities: float[N, C].
        label_names: The C names.
    """
    best = probabilities.argmax(axis=1)
    return [(label_names[c], float(probabilities[row, c])) for row, c in enumerate(best)]
