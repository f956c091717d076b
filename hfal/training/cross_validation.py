"""Cross-validation of a linear head on the labels bought: what heads say of texts that they were not fitted to."""

from typing import TYPE_CHECKING

import numpy as np

from hfal.training.probe import fit_head


if TYPE_CHECKING:
    from hfal.training.frozen_head import FrozenHead


FOLDS = 10
"""Folds of the labeled examples, where there are so many of these."""


def draw_folds(
    labels: np.ndarray, rows: np.ndarray, groups: np.ndarray, rng: np.random.Generator, folds: int = FOLDS
) -> np.ndarray:
    """Divide labeled examples into folds of about the same size, at random, and no group between two of them.

    Where each example has one label, the examples of a label are spread evenly over the folds. So no head that is
    asked about an example has seen its label if it is the only one with that label.

    Args:
        labels: Classes int[n], or sets float[n, C] of 1 and 0.
        rows: int[n], the example that each label belongs to; several have the same where words are tagged.
        groups: int[R], for each example the number of its group.
        rng: Draws them.
        folds: How many there are; no more than groups.

    Returns:
        The number of the fold of each label, int64[n].
    """
    _, member = np.unique(groups[rows], return_inverse=True)
    count = int(member.max(initial=-1)) + 1
    order = rng.permutation(count)
    if labels.ndim == 1 and len(np.unique(rows)) == len(rows):
        label_of = np.empty(count, np.int64)
        label_of[member[::-1]] = labels[::-1]  # of equal texts with different labels that of the first
        order = order[np.argsort(label_of[order], kind="stable")]
    fold_of = np.empty(count, np.int64)
    fold_of[order] = np.arange(count) % min(folds, max(count, 1))
    return fold_of[member]


def cross_validate(inputs: np.ndarray, labels: np.ndarray, folds: np.ndarray, classes: int) -> np.ndarray | None:
    """Return what heads say of each labeled text, or word, that were fitted without the fold it is in.

    Args:
        inputs: float[n, D].
        labels: Classes int[n], or sets float[n, C] of 1 and 0.
        folds: The number of the fold of each, int[n].
        classes: How many classes there are in all, C.

    Returns:
        Logits float64[n, C]; `None` if there are fewer than two folds, or all labels are the same.
    """
    numbers = np.unique(folds)
    if len(numbers) < 2 or (labels == labels[0]).all():
        return None
    inputs = np.asarray(inputs, np.float64)
    logits = np.empty((len(inputs), classes))
    for number in numbers:
        held_out = folds == number
        seen = labels[~held_out]
        if labels.ndim == 1 and (seen == seen[0]).all():
            logits[held_out] = np.arange(classes) == seen[0]  # `fit_head` prefers no class then
            continue
        weight, bias = fit_head(inputs[~held_out], seen, classes)
        logits[held_out] = inputs[held_out] @ weight.T + bias
    return logits


def out_of_fold(
    head: "FrozenHead", until: int, rng: np.random.Generator
) -> tuple[np.ndarray | None, np.ndarray, np.ndarray]:
    """Return what heads say of each labeled text, or word, that were fitted without it and those of the same text.

    Args:
        head: The head.
        until: The number of the last answer to see.
        rng: Draws the folds.

    Returns:
        What `cross_validate` returns; and the labels and the rows of the labeled view, as `FrozenHead.labeled` does.
    """
    pool = head.pool
    inputs, labels, rows = head.labeled(until)
    positions = pool.positions(list(pool.training_labels(until)))
    _, groups = np.unique([pool.content(int(position)) for position in positions], return_inverse=True)
    folds = draw_folds(labels, rows, groups, rng)
    return cross_validate(inputs, labels, folds, len(pool.label_names)), labels, rows
