"""How far people agree who have labeled the same examples.

Opinions are whole numbers int[N, A]: example n's class by annotator a, from 0 to C - 1, and -1 where that annotator
has given no opinion. Other kinds of labels are brought to this form:

- Sets of labels are one such problem for each label: 1 where the annotator's set has the label, 0 where it has not.
- Tags of words are one problem whose examples are words: those of all sentences, one after another.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from hfal.errors import ArgumentError
from hfal.utils.agreement import cohen_kappa


def count_opinions(opinions: np.ndarray, classes: int | None = None) -> np.ndarray:
    """Count the opinions on each example, by class.

    Args:
        opinions: int[N, A], -1 for no opinion.
        classes: The number of classes C; by default as many as occur.

    Returns:
        int64[N, C].

    Raises:
        ArgumentError: Opinions are not of this form, or there are fewer classes than opinions name.

    Example:
        >>> count_opinions(np.array([[0, 0, 1], [1, -1, -1]])).tolist()
        [[2, 1], [0, 1]]
    """
    opinions = np.asarray(opinions)
    if opinions.ndim != 2 or opinions.dtype.kind != "i":
        raise ArgumentError(
            f"opinions are {opinions.dtype}{list(opinions.shape)}: expected whole numbers, int[examples, annotators], "
            "-1 for no opinion"
        )
    if classes is None:
        classes = int(opinions.max(initial=-1)) + 1
    wrong = opinions[(opinions < -1) | (opinions >= classes)]
    if wrong.size:
        raise ArgumentError(
            f"opinions have {wrong[0]}: expected classes from 0 to {classes - 1}, and -1 for no opinion"
        )
    rows = np.nonzero(opinions >= 0)[0]
    cells = rows * classes + opinions[opinions >= 0]
    return np.bincount(cells, minlength=len(opinions) * classes).reshape(len(opinions), classes)


def krippendorff_alpha(opinions: np.ndarray) -> float:
    """Measure the agreement of all annotators beyond chance: Krippendorff's alpha for classes without an order.

    Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011). Examples with fewer than two opinions do not
    count, and annotators need not have labeled the same examples.

    Args:
        opinions: int[N, A], -1 for no opinion.

    Returns:
        1 for perfect agreement, 0 for that of chance, less where people differ more than by chance. NaN where it is
        undefined: no example has two opinions, or all opinions on those that have are of one class.

    Example:
        >>> krippendorff_alpha(np.array([[0, 0, -1], [1, 1, 1], [0, -1, -1], [2, 2, 0]])).__round__(3)
        0.667
    """
    counts = count_opinions(opinions)
    counts = counts[counts.sum(axis=1) >= 2]
    of_examples, of_classes = counts.sum(axis=1), counts.sum(axis=0)
    total = int(of_classes.sum())
    # n (n - 1) times the disagreement of two opinions drawn at random
    by_chance = total**2 - int((of_classes**2).sum())
    if not by_chance:
        return float("nan")
    disagreeing = ((of_examples**2 - (counts**2).sum(axis=1)) / (of_examples - 1)).sum()
    return float(1 - (total - 1) * disagreeing / by_chance)


def pairwise_kappa(opinions: np.ndarray) -> np.ndarray:
    """Measure the agreement of each pair of annotators beyond chance: Cohen's kappa (1960).

    A pair is compared on the examples on which both have an opinion. The time grows with the square of the number of
    annotators.

    Args:
        opinions: int[N, A], -1 for no opinion.

    Returns:
        float64[A, A], symmetric, from -1 to 1. NaN where kappa is undefined: there is no example on which both have an
        opinion, or both have given one and the same class to all of these. So the diagonal is 1, or NaN for an
        annotator who has used less than two classes.

    Example:
        >>> pairwise_kappa(np.array([[0, 0, -1], [1, 1, -1], [0, 1, -1], [1, 1, 1]])).round(2)
        array([[1. , 0.5, nan],
               [0.5, 1. , nan],
               [nan, nan, nan]])
    """
    count_opinions(opinions)
    columns = np.asarray(opinions).T
    kappa = np.full((len(columns), len(columns)), np.nan)
    for a, one in enumerate(columns):
        for b, other in enumerate(columns[: a + 1]):
            both = (one >= 0) & (other >= 0)
            if both.any():
                kappa[a, b] = kappa[b, a] = cohen_kappa(one[both], other[both])
    return kappa


def label_confusion(opinions: np.ndarray, classes: int) -> np.ndarray:
    """Count the pairs of opinions on one example by the two classes that they name.

    Args:
        opinions: int[N, A], -1 for no opinion.
        classes: The number of classes C.

    Returns:
        int64[C, C], symmetric: in [c, d] the pairs of which one opinion is c and the other d. The upper triangle with
        the diagonal sums to the number of pairs.

    Example:
        >>> label_confusion(np.array([[0, 0, 1], [1, 1, -1]]), classes=2).tolist()
        [[1, 2], [2, 1]]
    """
    counts = count_opinions(opinions, classes)
    pairs = counts.T @ counts
    pairs[np.diag_indices(classes)] = (counts * (counts - 1)).sum(axis=0) // 2
    return pairs


def agreement_with_others(opinions: np.ndarray) -> np.ndarray:
    """Measure how often each annotator agrees with another: the share of pairs of opinions on one example.

    Args:
        opinions: int[N, A], -1 for no opinion.

    Returns:
        float64[A], from 0 to 1; NaN for an annotator who shares no example with another.

    Example:
        >>> agreement_with_others(np.array([[0, 0, 1], [1, 1, -1]])).round(2).tolist()
        [0.67, 0.67, 0.0]
    """
    counts = count_opinions(opinions)
    opinions = np.asarray(opinions)
    examples, annotators = np.nonzero(opinions >= 0)
    same = counts[examples, opinions[examples, annotators]] - 1
    others = counts.sum(axis=1)[examples] - 1
    same, others = (np.bincount(annotators, n, minlength=opinions.shape[1]) for n in (same, others))
    return np.divide(same, others, out=np.full(len(others), np.nan), where=others > 0)


def mean_of_defined(values: Sequence[Any]) -> np.ndarray:
    """Return the mean over the first axis of the figures that are defined; NaN where none is.

    Args:
        values: Figures of several tables, such as one for each label: float[T, ...], NaN where one is not defined.

    Example:
        >>> mean_of_defined([[0.2, np.nan], [0.4, np.nan]]).round(2).tolist()
        [0.3, nan]
    """
    found = np.asarray(values, float)
    is_known = ~np.isnan(found)
    count = is_known.sum(axis=0)
    return np.where(count > 0, np.where(is_known, found, 0).sum(axis=0) / np.maximum(count, 1), np.nan)
