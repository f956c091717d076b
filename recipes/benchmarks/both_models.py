"""Scores by two models at once, for `label_savings.py`: the model that is trained, and a head on the frozen encoder.

The head is fitted to the labels bought so far, as that of `--select_with head`. The embeddings have to be the frozen
encoder's (`--embeddings`).
"""

from collections.abc import Callable

import numpy as np
import torch
from scipy.special import softmax
from scipy.stats import rankdata

from hfal.strategies.selection import Signals, needs
from hfal.strategies.uncertainty import margin
from hfal.training.frozen_head import head_inputs
from hfal.training.probe import fit_head


def probabilities_of_head(signals: Signals) -> np.ndarray:
    """The class probabilities of the candidates by a head on the frozen encoder, float[N, C]."""
    assert signals.embeddings is not None
    assert signals.probabilities is not None
    assert signals.labels is not None
    assert signals.labeled_embeddings is not None
    labeled, classes = head_inputs(signals.labeled_embeddings), signals.probabilities.shape[1]
    weight, bias = fit_head(labeled, signals.labels, classes)
    return softmax(head_inputs(signals.embeddings) @ weight.T + bias, axis=1)


@needs("probabilities", "embeddings", "labels", "labeled_embeddings")
def margin_of_mean(signals: Signals) -> np.ndarray:
    """The margin of the mean of both models' probabilities, float[N]."""
    assert signals.probabilities is not None
    mean = (signals.probabilities + probabilities_of_head(signals)) / 2
    return margin(torch.from_numpy(mean)).numpy()


@needs("probabilities", "embeddings", "labels", "labeled_embeddings")
def mean_rank_of_margins(signals: Signals) -> np.ndarray:
    """The mean of the ranks by both models' margins, from 0 (certain) to 1, float[N]."""
    assert signals.probabilities is not None
    both = (signals.probabilities, probabilities_of_head(signals))
    return sum(rankdata(margin(torch.from_numpy(one)).numpy()) for one in both) / (2 * signals.size)


SCORES: dict[str, Callable[[Signals], np.ndarray]] = {"mean": margin_of_mean, "ranks": mean_rank_of_margins}
"""By the word that names who picks, in an arm of `label_savings.py`."""
