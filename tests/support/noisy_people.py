"""cleanlab in the place of `ask_again_scores`."""

import cleanlab.internal.multiannotator_utils
import numpy as np
import pytest
from cleanlab.multiannotator import get_active_learning_scores


def correct_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put cleanlab's counts right: 2.9.0 counts [0., 0., 2.] of three classes as [2, 1, 0], not [2, 0, 1]."""
    monkeypatch.setattr(
        cleanlab.internal.multiannotator_utils,
        "value_counts",
        lambda labels, num_classes: np.bincount(labels.astype(int), minlength=num_classes),
    )


def of_cleanlab(opinions: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """One minus its scores; it is given no annotator without opinions, and examples without opinions apart."""
    old = (opinions >= 0).any(axis=1)
    known = np.where(opinions >= 0, opinions, np.nan)[old]
    scores = np.empty(len(opinions))
    scores[old], scores[~old] = get_active_learning_scores(
        known[:, ~np.isnan(known).all(axis=0)], probabilities[old], probabilities[~old]
    )
    return 1 - scores
