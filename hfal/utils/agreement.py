"""How far integer predictions agree: kappa, F measures, and the entropy of the probabilities behind them."""

import numpy as np


def cohen_kappa(one: np.ndarray, other: np.ndarray) -> float:
    """The agreement of two raters beyond chance, Cohen (1960): from -1 to 1; NaN if both give all the same class.

    Args:
        one: int[n], from 0.
        other: The same.
    """
    classes = int(max(one.max(), other.max())) + 1
    shares = np.stack([np.bincount(rater, minlength=classes) for rater in (one, other)]) / len(one)
    by_chance = float(shares.prod(axis=0).sum())
    agreement = float((one == other).mean())
    return (agreement - by_chance) / (1 - by_chance) if by_chance < 1 else float("nan")


def f_of_classes(found: np.ndarray, right: np.ndarray) -> float:
    """Macro F1: the mean over the classes that occur in either. Of two classes none is the positive one.

    Args:
        found: int[N].
        right: int[N].
    """
    return float(np.mean([_f1(found == c, right == c) for c in np.union1d(found, right)]))


def f_of_sets(found: np.ndarray, right: np.ndarray) -> float:
    """Micro F1 over all texts and labels; of two of which neither has any label it is 1.

    Args:
        found: int[N, L], 0 or 1.
        right: The same.
    """
    return _f1(found == 1, right == 1)


def _f1(found: np.ndarray, right: np.ndarray) -> float:
    total = int(found.sum()) + int(right.sum())
    return 2 * int((found & right).sum()) / total if total else 1.0


def mean_entropy(probabilities: np.ndarray) -> float:
    """The mean entropy of distributions float[..., C], divided by the largest that there can be, ln C: from 0 to 1."""
    classes = probabilities.shape[-1]
    if classes < 2:
        return 0.0
    p = probabilities.astype(np.float64)
    entropies = -(p * np.log(np.where(p > 0, p, 1))).sum(axis=-1)
    return min(float(entropies.mean() / np.log(classes)), 1.0)  # rounding may say a little more
