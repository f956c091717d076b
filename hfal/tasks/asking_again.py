"""When one more opinion on an old example is worth more than the first one on a new example."""

from itertools import pairwise

import numpy as np

from hfal.errors import ArgumentError
from hfal.tasks.agreement import agreement_with_others, count_opinions


_LEAST_WEIGHT = 1e-6
_LEAST_PROBABILITY = 1e-30
_TEMPERATURES = np.array([0.1, 0.2, 0.5, 0.8, 1, 2, 3, 5, 8])


def ask_again_scores(opinions: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Score old and new examples alike by how little is known of their class: one minus the score of ActiveLab.

    Goh & Mueller, "ActiveLab: Active Learning with Re-Labeling by Multiple Annotators" (2023), with the weights of
    CROWDLAB (Goh, Tkachenko & Mueller, 2022). The model's probabilities and the annotators' votes are averaged, and
    one more opinion that says 1/C, as the one to come might. An annotator weighs as much as the agreement with others,
    the model as much as its agreement with the consensus, both beyond that of calling everything by the most frequent
    class. As long as no example has two opinions, all weigh the same.

    For examples with opinions, take the probabilities of a model that was not trained on them (cross-validation): a
    model is too sure of its own training examples, and would weigh too much. Once an example has two opinions, all
    probabilities are brought to the temperature at which they fit the opinions best.

    The scores are those of cleanlab's `get_active_learning_scores`, but for this temperature: cleanlab 2.9.0 counts an
    opinion for another class where not every class is among the opinions on the example.

    Args:
        opinions: int[N, A], -1 for no opinion; the rows of new examples are -1 throughout.
        probabilities: The model's, float[N, C].

    Returns:
        float64[N], from 0 to 1; higher = ask first.

    Raises:
        ArgumentError: The two are not of these forms.

    Example:
        >>> table = np.array([[0, 0], [0, 1], [1, 1], [0, -1], [-1, -1], [-1, -1]])
        >>> p = np.array([[0.9, 0.1], [0.5, 0.5], [0.3, 0.7], [0.4, 0.6], [0.6, 0.4], [0.9, 0.1]])
        >>> ask_again_scores(table, p).round(2).tolist()
        [0.03, 0.5, 0.21, 0.35, 0.35, 0.03]
    """
    probabilities = np.asarray(probabilities, np.float64)
    if probabilities.ndim != 2 or len(probabilities) != len(opinions):
        raise ArgumentError(
            f"probabilities are {list(probabilities.shape)}, opinions {list(np.shape(opinions))}: expected "
            "probabilities [examples, classes] of the same examples"
        )
    classes = probabilities.shape[1]
    votes = count_opinions(opinions, classes)
    opinions = np.asarray(opinions)
    opinions = opinions[:, (opinions >= 0).any(axis=0)]
    posterior, of_model, weights = probabilities, 1.0, np.ones(opinions.shape[1])
    consensus = (votes + posterior / 2).argmax(axis=1)  # ties of votes, and examples without one, by the model
    if (votes.sum(axis=1) > 1).any():
        probabilities = _calibrated(probabilities, votes)
        consensus = (votes + probabilities / 2).argmax(axis=1)
        posterior, of_model, weights = _crowdlab(opinions, votes, probabilities, consensus)
        consensus = posterior.argmax(axis=1)
        posterior, of_model, weights = _crowdlab(opinions, votes, probabilities, consensus)
    certainty = posterior[np.arange(len(posterior)), consensus]
    now = (opinions >= 0) @ weights + of_model
    to_come = weights.mean() if weights.size else 1.0
    return 1 - (now * certainty + to_come / classes) / (now + to_come)


def _crowdlab(
    opinions: np.ndarray, votes: np.ndarray, probabilities: np.ndarray, consensus: np.ndarray
) -> tuple[np.ndarray, float, np.ndarray]:
    """The posterior float64[N, C] of CROWDLAB, the weight of the model and those of annotators float64[A]."""
    classes = votes.shape[1]
    numbers = votes.sum(axis=1)
    several = numbers > 1
    agreed = consensus[several]
    right = float((votes[several, agreed] / numbers[several]).mean())
    wrong = (1 - right) / max(classes - 1, 1)
    error_of_frequent = max(1 - float(np.bincount(agreed).max()) / len(agreed), _LEAST_WEIGHT)

    agreement = agreement_with_others(opinions)
    agreement = np.where(np.isnan(agreement), np.nanmean(agreement), agreement)
    weights = np.maximum(1 - (1 - agreement) / error_of_frequent, _LEAST_WEIGHT)
    error_of_model = float((probabilities[several].argmax(axis=1) != agreed).mean())
    of_model = max(1 - error_of_model / error_of_frequent, _LEAST_WEIGHT) * float(np.sqrt(numbers[numbers > 0].mean()))

    examples, annotators = np.nonzero(opinions >= 0)
    cells = examples * classes + opinions[examples, annotators]
    given = np.bincount(cells, weights[annotators], minlength=votes.size).reshape(votes.shape)
    of_votes = given.sum(axis=1, keepdims=True)
    posterior = (of_model * probabilities + right * given + wrong * (of_votes - given)) / (of_model + of_votes)
    return posterior, of_model, weights


def _calibrated(probabilities: np.ndarray, votes: np.ndarray) -> np.ndarray:
    """The probabilities at that temperature, of two grids, at which they fit the shares of votes best."""
    old = votes.any(axis=1)
    shares = votes[old] / votes[old].sum(axis=1, keepdims=True)

    def best(temperatures: np.ndarray) -> int:
        logs = [np.log(np.maximum(_at(t, probabilities[old]), _LEAST_PROBABILITY)) for t in temperatures]
        return int(np.argmin([-(shares * log).sum() for log in logs]))

    i = best(_TEMPERATURES)
    around = _TEMPERATURES[max(i - 1, 0) : i + 2]
    finer = np.unique([np.linspace(low, high, 5) for low, high in pairwise(around)])
    return _at(finer[best(finer)], probabilities)


def _at(temperature: float, probabilities: np.ndarray) -> np.ndarray:
    logs = np.log(np.maximum(probabilities, _LEAST_PROBABILITY)) / temperature
    scaled = np.exp(logs - logs.max(axis=1, keepdims=True))
    return scaled / scaled.sum(axis=1, keepdims=True)
