"""Strategies by the gradient that an example would give, in the weights of the model's last layer.

For a label y it is the outer product of p - e_y, C numbers, and what goes into the layer, H numbers. The product of C
x H numbers is never formed: its lengths and distances follow from the factors.
"""

import numpy as np

from hfal.strategies.selection import Signals, needs
from hfal.strategies.vectors import row_blocks
from hfal.utils.single_thread import single_thread


ROUNDING = 1e-5
"""Squared distances below this part of the squared lengths are taken for the rounding of float32."""


@needs("probabilities", "features")
def badge(signals: Signals, k: int, rng: np.random.Generator) -> np.ndarray:
    """Examples whose gradients are long and unlike each other: where the model is unsure, each time in another way.

    Ash et al., "Deep Batch Active Learning by Diverse, Uncertain Gradient Lower Bounds" (ICLR 2020). The gradient is
    that of the label which the model finds most likely; the examples are the seeds of k-means++ among the gradients:
    the longest first, as in the authors' code, then each drawn in proportion to its squared distance from the nearest
    one picked so far.

    The squared distance of a (x) h and a' (x) h' is |a|^2 |h|^2 + |a'|^2 |h'|^2 - 2 (a . a') (h . h'), so a pick costs
    N x (C + H) multiplications, and the memory is that of another array of probabilities.

    Args:
        signals: `probabilities`, float[N, C], and `features`, float[N, H].
        k: How many to pick, at most N.
        rng: The source of chance.

    Returns:
        Rows, int64[k], none twice: where no gradient differs from those picked, the rest are drawn from the other
        candidates at random.
    """
    assert signals.probabilities is not None
    assert signals.features is not None
    features = signals.features
    residuals = np.array(signals.probabilities, np.float32)
    n = len(residuals)
    residuals[np.arange(n), residuals.argmax(axis=1)] -= 1
    squared_lengths = _products(residuals, residuals) * _products(features, features)
    # A product of a matrix and a vector waits for memory: a second thread does not help, and may add up differently.
    with single_thread("blas"):
        return _kmeans_plus_plus(residuals, features, squared_lengths, k, rng)


def _kmeans_plus_plus(
    residuals: np.ndarray, features: np.ndarray, squared_lengths: np.ndarray, k: int, rng: np.random.Generator
) -> np.ndarray:
    n = len(residuals)

    picked = np.empty(k, np.int64)
    distances = np.full(n, np.inf)  # squared, from the nearest one picked
    free = np.ones(n, bool)
    for i in range(k):
        if i == 0:
            row = int(squared_lengths.argmax())
        elif (total := distances.sum()) > 0:
            row = int(rng.choice(n, p=distances / total))
        else:
            row = int(rng.choice(np.flatnonzero(free)))
        picked[i] = row
        free[row] = False
        both = squared_lengths + squared_lengths[row]
        new = both - 2 * _products(residuals, residuals[row]) * _products(features, features[row])
        new[new < ROUNDING * both] = 0
        np.minimum(distances, new, out=distances)
        distances[row] = 0  # whatever the rounding: no row twice
    return picked


def _products(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Dot products of N rows with one other row, or each with its own, in blocks; float64[N]."""
    products = np.empty(len(rows))
    for block in row_blocks(len(rows)):
        here = rows[block].astype(np.float32, copy=False)
        if others.ndim == 1:
            products[block] = here @ others.astype(np.float32, copy=False)
        else:
            products[block] = np.einsum("nd,nd->n", here, others[block].astype(np.float32, copy=False))
    return products
