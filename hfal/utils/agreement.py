"""Agreement of integer predictions: kappa and F measures, and the entropy of probabilities."""

import numpy as np


def cohen_kappa(one: np.ndarray, other: np.ndarray) -> float:
    """Return the agreement of two raters beyond chance, Cohen (1960): from -1 to 1; NaN if both give one class only.

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
    """Return macro F1: the mean over the classes that occur in either. Of two classes none is the positive one.

    Args:
        found: int[N].
        right: int[N].
    """
    return float(np.mean([_f1(found == c, right == c) for c in np.union1d(found, right)]))


def f_of_sets(found: np.ndarray, right: np.ndarray) -> float:
    """Return micro F1 over all texts and labels; 1 if neither has any label.

    Args:
        found: int[N, L], 0 or 1.
        right: The same.
    """
    return _f1(found == 1, right == 1)


def _f1(found: np.ndarray, right: np.ndarray) -> float:
    total = int(found.sum()) + int(right.sum())
    return 2 * int((found & right).sum()) / total if total else 1.0


def mean_entropy(probabilities: np.ndarray) -> float:
    """Return the mean entropy of distributions float[..., C], divided by its maximum ln C: from 0 to 1."""
    classes = probabilities.shape[-1]
    if classes < 2:
        return 0.0
    p = probabilities.astype(np.float64)
    entropies = -(p * np.log(np.where(p > 0, p, 1))).sum(axis=-1)
    return min(float(entropies.mean() / np.log(classes)), 1.0)  # rounding may say a little more
