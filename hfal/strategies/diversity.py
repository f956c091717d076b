"""Select functions that spread a query over the embedding space.

All of them see embeddings at length one, so that distances are those of cosine similarity, and count on one thread:
then the number of cores changes no bit of a result, and threads that wait for each other on a busy machine do not
take ten times as long (measured, for the seeding of k-means).
"""

import warnings

import numpy as np
from sklearn.cluster import KMeans, kmeans_plusplus
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from hfal.strategies.selection import Signals, needs
from hfal.strategies.vectors import BLOCK, UnitRows, row_blocks, square_distances


TIE = 1e-6
"""Squared distances that differ by less are equal but for rounding: the lower row counts as the farther one."""


@needs("embeddings", "labeled_embeddings")
def kcenter(signals: Signals, k: int, rng: np.random.Generator) -> np.ndarray:
    """Again and again the candidate farthest from all that is labeled or picked: k-center greedy, or core-set.

    Sener & Savarese, "Active Learning for Convolutional Neural Networks: A Core-Set Approach" (ICLR 2018), algorithm
    1; the largest distance from any candidate to its nearest center is at most twice the smallest possible one.

    Where nothing is labeled, the first pick is the candidate nearest to the mean of all: any start keeps the bound,
    and this one needs no chance and is no outlier. One pass over the candidates per pick.

    Args:
        signals: `embeddings`, float[N, D], and `labeled_embeddings`, float[M, D] or `None`.
        k: How many to pick, at most N.
        rng: Not used.

    Returns:
        Rows, int64[k], none twice, in the order in which they were picked; ties by row.
    """
    with threadpool_limits(1):
        return _farthest(UnitRows(signals.embeddings), UnitRows(signals.labeled_embeddings), k)


def _farthest(candidates: UnitRows, centers: UnitRows, k: int) -> np.ndarray:
    """The k rows of `candidates` that k-center greedy picks, int64[k]."""
    picked = np.empty(k, np.int64)
    square = np.concatenate([np.vecdot(block, block) for _, block in candidates.blocks()])
    distance = np.full(len(candidates), np.inf, np.float32)

    def distances(center: np.ndarray) -> np.ndarray:
        products = np.concatenate([block @ center for _, block in candidates.blocks()])
        return square + center @ center - 2 * products

    for _, some in centers.blocks(1000):
        for rows, block in candidates.blocks():
            np.minimum(distance[rows], square_distances(block, some).min(axis=1), out=distance[rows])
    for i in range(k):
        if len(centers) or i:
            picked[i] = np.argmax(distance >= distance.max() - TIE)
        else:
            total = sum(block.sum(axis=0, dtype=np.float64) for _, block in candidates.blocks())
            from_mean = distances((total / len(candidates)).astype(np.float32))
            picked[i] = np.argmax(from_mean <= from_mean.min() + TIE)
        np.minimum(distance, distances(candidates[picked[i : i + 1]][0]), out=distance)
        distance[picked[: i + 1]] = -np.inf
    return picked


@needs("embeddings")
def kmeans(signals: Signals, k: int, rng: np.random.Generator) -> np.ndarray:
    """One example from each of k clusters: the nearest to the cluster's center.

    Bodó et al., "Active Learning with Clustering" (2011); behind an uncertainty score it is the unweighted form of
    Zhdanov, "Diverse mini-batch Active Learning" (2019). Of more than 20,000 candidates a random sample is clustered,
    of 256 for each cluster, from 20,000 to 200,000 in all; every candidate is then given to its nearest center.

    Args:
        signals: `embeddings`, float[N, D].
        k: How many to pick, at most N.
        rng: Seeds the clustering.

    Returns:
        Rows, int64[k], none twice: where embeddings coincide there are fewer clusters than k, and the rest are drawn
        from the other candidates at random.
    """
    candidates = UnitRows(signals.embeddings)
    if k >= len(candidates):
        return np.arange(len(candidates))
    with threadpool_limits(1):
        centers = _centers(candidates, k, rng)
        cluster, distance = _assign(candidates, centers)
    order = np.lexsort((distance, cluster))  # stable: ties by row
    picked = order[np.unique(cluster[order], return_index=True)[1]]
    others = np.setdiff1d(np.arange(len(candidates)), picked)
    return np.concatenate([picked, rng.choice(others, size=k - len(picked), replace=False)])


def _centers(rows: UnitRows, k: int, rng: np.random.Generator) -> np.ndarray:
    """The centers of k clusters, float32[k, D]: k-means++ seeds from 20 k rows, then at most 50 of Lloyd's steps.

    Seeding from a sample and not from all rows costs 0.2% of the inertia and saves two thirds of the time, more steps
    improve it by less than 0.1%.
    """
    n = max(k, min(len(rows), max(BLOCK, min(256 * k, 10 * BLOCK))))
    sample = rows[np.sort(rng.choice(len(rows), n, replace=False)) if n < len(rows) else slice(None)]
    seed = int(rng.integers(2**31))
    seeds = sample[np.sort(rng.choice(n, min(n, 20 * k), replace=False))]
    with warnings.catch_warnings():
        # Coinciding embeddings have fewer clusters than k; what calls this can do with fewer.
        warnings.simplefilter("ignore", ConvergenceWarning)
        init, _ = kmeans_plusplus(seeds, k, random_state=seed)
        clustering = KMeans(k, init=init, n_init=1, max_iter=50, random_state=seed).fit(sample)
    return clustering.cluster_centers_


def _assign(rows: UnitRows, centers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nearest center of each row, int64[N], and the squared distance from it, float32[N]."""
    cluster, distance = np.empty(len(rows), np.int64), np.empty(len(rows), np.float32)
    for part in row_blocks(len(rows), max(1, 2_000_000 // len(centers))):
        distances = square_distances(rows[part], centers)
        cluster[part] = distances.argmin(axis=1)
        distance[part] = distances.min(axis=1)
    return cluster, distance
