"""Metrics of sets of labels, counted by scikit-learn."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import expit
from sklearn.metrics import accuracy_score, f1_score, hamming_loss
from transformers import EvalPrediction

from hfal.thresholds import thresholds_of


def label_set_metrics(
    label_names: Sequence[str], thresholds: float | Mapping[str, float] | None = None
) -> Callable[[EvalPrediction], dict[str, float]]:
    """A `compute_metrics` for the Trainer, where a text may have several labels.

    - `f1_micro`: F1 over all decisions, one for each text and label;
    - `f1_macro`: the plain mean of the labels' F1, and `f1_LOC`, ... for each label;
    - `subset_accuracy`: the share of texts whose whole set is right;
    - `hamming_loss`: the share of decisions that are wrong.

    An F1 that has nothing to count, of a label that is neither there nor predicted, is 0.

    Args:
        label_names: The names of the labels (`pool.label_names`).
        thresholds: From which probability on a label is predicted: `pool.thresholds`, one for all, or by name; 0.5 by
            default.

    Returns:
        A function of predictions, logits float[N, L] (or a tuple that begins with them), and labels float[N, L], 1 or
        0.
    """
    least = np.array([*thresholds_of(thresholds, label_names).values()])

    def compute_metrics(prediction: EvalPrediction) -> dict[str, float]:
        logits: Any = prediction.predictions
        logits = logits[0] if isinstance(logits, tuple) else logits
        found = expit(np.asarray(logits, np.float64)) >= least
        wanted = np.asarray(prediction.label_ids) > 0.5
        # Column by column, since scikit-learn takes a single column for classes of which 0 is one too.
        of_labels = [float(f1_score(w, f, zero_division=0)) for w, f in zip(wanted.T, found.T, strict=True)]
        metrics = {
            "f1_micro": float(f1_score(wanted.ravel(), found.ravel(), zero_division=0)),
            "f1_macro": float(np.mean(of_labels)),
            "subset_accuracy": float(accuracy_score(wanted, found)),
            "hamming_loss": float(hamming_loss(wanted.ravel(), found.ravel())),
        }
        named = {f"f1_{name}": f1 for name, f1 in zip(label_names, of_labels, strict=True)}
        return metrics | named | metrics  # also where a label is called "micro"

    return compute_metrics
