"""Seed sets: the first query, made before any model was trained."""

import numpy as np


def stratified(labels: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    """A random sample in which every class has its share, and at least one example if k allows it.

    For experiments, where the labels are known beforehand.

    Args:
        labels: Class of each candidate, int[N].
        k: How many to pick, at most N.
        rng: The source of chance.

    Returns:
        Rows, int64[k], none twice.
    """
    shuffled = rng.permutation(len(labels))
    quantile = np.empty(len(labels))
    for label in np.unique(labels):
        members = shuffled[labels[shuffled] == label]
        quantile[members] = np.arange(len(members)) / len(members)
    return shuffled[np.argsort(quantile[shuffled], kind="stable")[:k]]
