"""Scores by two models at once, for `label_savings.py`: the model that is trained, and a head on the frozen encoder.

The head is fitted to the labels bought so far, as that of `--select_with head`. The embeddings have to be the frozen
encoder's (`--embeddings`).
"""

from collections.abc import Callable

import numpy as np
from scipy.special import softmax
from scipy.stats import rankdata

from hfal.strategies.selection import Signals, needs
from hfal.strategies.vectors import unit_length
from hfal.training.probe import fit_head


def probabilities_of_head(signals: Signals) -> np.ndarray:
    """The class probabilities of the candidates by a head on the frozen encoder, float[N, C]."""
    assert signals.embeddings is not None
    assert signals.probabilities is not None
    assert signals.labels is not None
    assert signals.labeled_embeddings is not None
    size = signals.embeddings.shape[1]
    both = (signals.labeled_embeddings, signals.embeddings)
    labeled, candidates = (unit_length(vectors).astype(np.float64) * size**0.5 for vectors in both)
    weight, bias = fit_head(labeled, signals.labels, signals.probabilities.shape[1])
    return softmax(candidates @ weight.T + bias, axis=1)


def margins(probabilities: np.ndarray) -> np.ndarray:
    """One minus the difference of the two likeliest classes, float[N]."""
    best = np.sort(probabilities, axis=1)
    return 1 - best[:, -1] + best[:, -2]


@needs("probabilities", "embeddings", "labels", "labeled_embeddings")
def margin_of_mean(signals: Signals) -> np.ndarray:
    """The margin of the mean of both models' probabilities, float[N]."""
    assert signals.probabilities is not None
    return margins((signals.probabilities + probabilities_of_head(signals)) / 2)


@needs("probabilities", "embeddings", "labels", "labeled_embeddings")
def mean_rank_of_margins(signals: Signals) -> np.ndarray:
    """The mean of the ranks by both models' margins, from 0 (certain) to 1, float[N]."""
    assert signals.probabilities is not None
    both = [margins(signals.probabilities), margins(probabilities_of_head(signals))]
    return sum(rankdata(one) for one in both) / (2 * signals.size)


SCORES: dict[str, Callable[[Signals], np.ndarray]] = {"mean": margin_of_mean, "ranks": mean_rank_of_margins}
"""By the word that names who picks, in an arm of `label_savings.py`."""
