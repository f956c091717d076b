"""One label from several opinions: by majority, or by how reliable each annotator turns out to be.

Opinions are int[N, A] with -1 for no opinion; `hfal.tasks.agreement` says how sets of labels and tags of words are
brought to this form.
"""

from dataclasses import dataclass

import numpy as np

from hfal.tasks.agreement import count_opinions


_LEAST = 1e-10
"""No probability is lower that a logarithm is taken of, as in crowd-kit."""

_TIED = 1e-9
"""Probabilities that are closer count as equal: more than rounding, and less than what an opinion changes."""


@dataclass(frozen=True)
class Aggregate:
    """One label for each example, from several opinions.

    Attributes:
        labels: int64[N], the likeliest class of each example; -1 for an example without opinions.
        posterior: float64[N, C], the probability of each class; of an example without opinions `priors`.
        priors: float64[C], the mean posterior of the examples that have opinions.
        accuracy: float64[A], the share of this annotator's opinions that are right, by the posterior, which rests on
            these opinions too; NaN without opinions.
        confusion: float64[A, C, C], the probability [a, c, d] that annotator a says d of an example of class c; NaN
            without opinions.
    """

    labels: np.ndarray
    posterior: np.ndarray
    priors: np.ndarray
    accuracy: np.ndarray
    confusion: np.ndarray


def majority_vote(opinions: np.ndarray, classes: int, seed: int = 0) -> Aggregate:
    """Take the class that most annotators have given; its probability is its share of the votes.

    Ties are drawn: by `seed` and the example's row, so that no class is preferred, and that the same table, with or
    without more rows below it, gives the same labels.

    Args:
        opinions: int[N, A], -1 for no opinion.
        classes: The number of classes C.
        seed: Of the draws between tied classes.

    Example:
        >>> votes = majority_vote(np.array([[0, 0, 1], [1, 1, -1], [-1, -1, -1]]), classes=2)
        >>> votes.labels.tolist(), votes.posterior.round(2).tolist()
        ([0, 1, -1], [[0.67, 0.33], [0.0, 1.0], [0.33, 0.67]])
    """
    return _aggregate(_Opinions(opinions, classes), one_coin=False, iterations=0, tolerance=0, seed=seed)


def dawid_skene(
    opinions: np.ndarray,
    classes: int,
    one_coin: bool = False,
    iterations: int = 100,
    tolerance: float = 1e-5,
    seed: int = 0,
) -> Aggregate:
    """Estimate classes and the reliability of annotators together, by expectation maximization.

    Dawid & Skene, "Maximum Likelihood Estimation of Observer Error-Rates Using the EM Algorithm" (1979). Each person
    has a confusion matrix, C x C; with `one_coin` only an accuracy, and all wrong classes are equally likely (Zhang et
    al., "Spectral Methods Meet EM", JMLR 2016), which takes fewer opinions to tell. Annotators are taken to err
    independently of each other.

    It starts from the shares of votes, and each step is that of crowd-kit's `DawidSkene` and `OneCoinDawidSkene`. Only
    the last step may be another one: crowd-kit's lower bound counts the priors once for each opinion, this one once
    for each example. Nothing is smoothed but by a floor of 1e-10 below counts and probabilities, so that somebody with
    a handful of opinions may be taken for perfect, or for useless. A step takes time linear in opinions and classes.

    Args:
        opinions: int[N, A], -1 for no opinion.
        classes: The number of classes C.
        one_coin: One number for each annotator in the place of a matrix.
        iterations: At most so many steps.
        tolerance: Stop when a step raises the lower bound of the log likelihood by less, per opinion.
        seed: Of the draws between tied classes, as in `majority_vote`.

    Example:
        >>> table = np.array([[0, 0, 1], [1, 1, 0], [0, 0, 0], [1, 1, 1], [1, 0, 0], [-1, 1, 1]])
        >>> found = dawid_skene(table, classes=2, one_coin=True)
        >>> found.labels.tolist(), found.accuracy.round(2).tolist()
        ([0, 1, 0, 1, 0, 1], [0.8, 1.0, 0.67])
    """
    return _aggregate(_Opinions(opinions, classes), one_coin, iterations, tolerance, seed)


class _Opinions:
    """A table of opinions as a list of them, of which sums are taken."""

    def __init__(self, opinions: np.ndarray, classes: int):
        self.counts = count_opinions(opinions, classes)
        opinions = np.asarray(opinions)
        self.annotators = opinions.shape[1]
        self.classes = classes
        self.example, self.annotator = np.nonzero(opinions >= 0)
        self.given = opinions[self.example, self.annotator].astype(np.int64)
        self.cell = self.annotator * classes + self.given
        """Of the rows of annotators' matrices, which are [A x given, true] here."""

    def likelihoods(self, confusion: np.ndarray) -> np.ndarray:
        """The log probability of each example's opinions, float64[N, C], given float64[A, given, true]."""
        logs = np.log(np.maximum(confusion.reshape(-1, self.classes)[self.cell], _LEAST))
        return _sums(logs, self.example, len(self.counts))

    def expected(self, posterior: np.ndarray) -> np.ndarray:
        """How often each annotator has given each class to each class, float64[A, given, true]."""
        sums = _sums(posterior[self.example], self.cell, self.annotators * self.classes)
        return sums.reshape(self.annotators, self.classes, self.classes)


def _sums(rows: np.ndarray, groups: np.ndarray, size: int) -> np.ndarray:
    """Sum the rows float64[M, C] of each group, to float64[size, C]."""
    return np.stack([np.bincount(groups, column, size) for column in rows.T], axis=1)


def _aggregate(table: _Opinions, one_coin: bool, iterations: int, tolerance: float, seed: int) -> Aggregate:
    votes = table.counts.sum(axis=1, keepdims=True)
    answered = votes[:, 0] > 0
    posterior = table.counts / np.maximum(votes, 1)
    priors, accuracy, confusion = _maximize(table, posterior, answered, one_coin)
    joint, last = _joint(table, priors, confusion), -np.inf
    for _ in range(iterations if answered.any() else 0):
        posterior = np.exp(joint - joint.max(axis=1, keepdims=True))
        posterior /= posterior.sum(axis=1, keepdims=True)
        priors, accuracy, confusion = _maximize(table, posterior, answered, one_coin)
        joint = _joint(table, priors, confusion)
        p = posterior[answered]
        bound = float((p * (joint[answered] - np.log(np.maximum(p, _LEAST)))).sum() / len(table.cell))
        if bound - last < tolerance:
            break
        last = bound
    posterior[~answered] = priors
    labels = np.where(answered, _likeliest(posterior, seed), -1)
    return Aggregate(labels, posterior, priors, accuracy, confusion.swapaxes(1, 2))


def _joint(table: _Opinions, priors: np.ndarray, confusion: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(priors, _LEAST)) + table.likelihoods(confusion)


def _maximize(
    table: _Opinions, posterior: np.ndarray, answered: np.ndarray, one_coin: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The likeliest priors float64[C], accuracy float64[A] and confusion float64[A, given, true]."""
    priors = posterior[answered].mean(axis=0) if answered.any() else np.full(table.classes, 1 / table.classes)
    counts = table.expected(posterior)
    given = counts.sum(axis=2, keepdims=True)
    with np.errstate(invalid="ignore"):  # 0 / 0 for an annotator without opinions
        accuracy = np.trace(counts, axis1=1, axis2=2) / given[:, :, 0].sum(axis=1)
        if one_coin:
            wrong = (1 - accuracy) / max(table.classes - 1, 1)
            same = np.eye(table.classes, dtype=bool)
            confusion = np.where(same, accuracy[:, None, None], wrong[:, None, None]).clip(_LEAST, 1 - _LEAST)
        else:
            # No floor below a class that the annotator has never given: nor has crowd-kit.
            confusion = np.where(given > 0, np.maximum(counts, _LEAST), 0)
            confusion /= confusion.sum(axis=1, keepdims=True)
    return priors, accuracy, confusion


def _likeliest(posterior: np.ndarray, seed: int) -> np.ndarray:
    """The class with the highest probability, int64[N]; one drawn from those that are tied."""
    tied = posterior >= posterior.max(axis=1, keepdims=True) - _TIED
    return np.where(tied, np.random.default_rng(seed).random(posterior.shape), -1).argmax(axis=1)
