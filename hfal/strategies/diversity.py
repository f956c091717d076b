"""Select functions that spread a query over the embedding space.

All of them see embeddings at length one, so that distances are those of cosine similarity, and count on one thread:
then the number of cores changes no bit of a result, and threads that wait for each other on a busy machine do not
take ten times as long (measured, for the seeding of k-means).
"""

import math
import warnings
from dataclasses import dataclass
from itertools import islice, zip_longest
from typing import ClassVar

import numpy as np
from sklearn.cluster import KMeans, kmeans_plusplus
from sklearn.exceptions import ConvergenceWarning

from hfal.errors import ArgumentError
from hfal.strategies.selection import Signals, needs
from hfal.strategies.vectors import BLOCK, UnitRows, row_blocks, square_distances
from hfal.utils.single_thread import single_thread


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
    with single_thread():
        return _farthest(UnitRows(signals.embeddings), UnitRows(signals.labeled_embeddings), k)


def _farthest(candidates: UnitRows, centers: UnitRows, k: int) -> np.ndarray:
    """The k rows of `candidates` that k-center greedy picks, int64[k]."""
    picked = np.empty(k, np.int64)
    square = np.concatenate([np.vecdot(block, block) for _, block in candidates.blocks()])
    distance = np.full(len(candidates), np.inf, np.float32)

    def distances(center: np.ndarray) -> np.ndarray:
        return square + center @ center - 2 * candidates.products(center)

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
    with single_thread():
        centers = _centers(candidates, k, rng)
        cluster, distance = _assign(candidates, centers)
    order = np.lexsort((distance, cluster))  # stable: ties by row
    picked = order[np.unique(cluster[order], return_index=True)[1]]
    others = np.setdiff1d(np.arange(len(candidates)), picked)
    return np.concatenate([picked, rng.choice(others, size=k - len(picked), replace=False)])


def _centers(rows: UnitRows, k: int, rng: np.random.Generator, more: UnitRows | None = None) -> np.ndarray:
    """The centers of k clusters, float32[k, D]: k-means++ seeds from 20 k rows, then at most 50 of Lloyd's steps.

    Seeding from a sample and not from all rows costs 0.2% of the inertia and saves two thirds of the time, more steps
    improve it by less than 0.1%.

    Args:
        rows: What is clustered.
        k: At most as many as there are rows.
        rng: The source of chance.
        more: Rows that are clustered with the others.
    """
    total = len(rows) + (len(more) if more else 0)
    n = max(k, min(total, max(BLOCK, min(256 * k, 10 * BLOCK))))
    chosen = np.sort(rng.choice(total, n, replace=False)) if n < total else np.arange(total)
    sample = rows[chosen[chosen < len(rows)]]
    if more:
        sample = np.concatenate([sample, more[chosen[chosen >= len(rows)] - len(rows)]])
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


FEW = 5
"""A cluster of fewer waits for the others."""
NEIGHBORS = 20
MOST_CLUSTERS = 500
MOST_COMPARED = 5000


@needs("embeddings", "labeled_embeddings")
def typiclust(signals: Signals, k: int, rng: np.random.Generator) -> np.ndarray:
    """The most typical candidate of each of the largest clusters in which nothing is labeled: TypiClust.

    Hacohen, Dekel & Weinshall, "Active Learning on a Budget: Opposite Strategies Suit High and Low Budgets" (ICML
    2022), variant TPC_RP. Candidates and labeled examples together are put into M + k clusters by k-means, at most
    500 as in the paper, unless k is more. The clusters with the fewest labeled examples come first, of these the
    largest; those of fewer than 5 come last. The typicality of a candidate is one over the mean distance from its 20
    nearest neighbors among the candidates of its cluster, or from all of a smaller one. When every cluster was
    visited, the second most typical candidate of each is taken, and so on. In a cluster of more than 5,000 candidates
    a random 5,000 of them are compared, so that the time is linear in N.

    Args:
        signals: `embeddings`, float[N, D], and `labeled_embeddings`, float[M, D] or `None`.
        k: How many to pick, at most N.
        rng: Seeds the clustering.

    Returns:
        Rows, int64[k], none twice.
    """
    candidates, labeled = UnitRows(signals.embeddings), UnitRows(signals.labeled_embeddings)
    n = min(max(k, min(len(labeled) + k, MOST_CLUSTERS)), len(candidates) + len(labeled))
    with single_thread():
        centers = _centers(candidates, n, rng, labeled)
        cluster = _assign(candidates, centers)[0]
        members = np.split(np.argsort(cluster, kind="stable"), np.bincount(cluster, minlength=n).cumsum()[:-1])
        known = np.bincount(_assign(labeled, centers)[0], minlength=n)
        size = known + [len(rows) for rows in members]
        queue = [c for c in np.lexsort((-size, known, size < FEW)) if len(members[c])]
        typical = [_by_typicality(candidates, members[c], rng) for c in queue[:k]]
    turns = (row for turn in zip_longest(*typical) for row in turn if row is not None)
    return np.fromiter(islice(turns, k), np.int64, k)


def _by_typicality(candidates: UnitRows, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The rows of a cluster, the most typical first; those not compared last."""
    compared = np.sort(rng.choice(rows, MOST_COMPARED, replace=False)) if len(rows) > MOST_COMPARED else rows
    block = candidates[compared]
    neighbors = min(NEIGHBORS, len(compared) - 1)
    mean = np.zeros(len(compared), np.float32)  # of the distances: that of a row from itself is 0 and counts not
    for part in row_blocks(len(compared) if neighbors else 0, 1000):
        distances = square_distances(block[part], block)
        distances[np.arange(len(distances)), np.arange(part.start, part.stop)] = 0
        nearest = np.partition(distances, neighbors, axis=1)[:, : neighbors + 1]
        mean[part] = np.sqrt(nearest).sum(axis=1) / neighbors
    order = compared[np.argsort(mean, kind="stable")]
    return np.concatenate([order, np.setdiff1d(rows, compared)])


COVERED = 20_000
"""Of more candidates a random sample of this size is covered; which ball holds whom are so many bits squared."""


@dataclass(frozen=True)
class ProbCover:
    """Again and again the candidate whose ball holds most candidates that are in no ball yet.

    Yehuda, Dekel, Hacohen & Weinshall, "Active Learning Through a Covering Lens" (NeurIPS 2022): the greedy algorithm
    for the largest number of candidates within `delta` of what is labeled or picked. What the balls of the labeled
    examples hold is covered from the start. When all are covered, the farthest candidates follow, as in `kcenter`.

    Without labels, `delta` is chosen by the paper's rule: the largest one at which 95% of the balls are pure, which
    is to say that all they hold is in the cluster of their center. A ball is pure up to the distance from the nearest
    candidate of another cluster, so that delta is a quantile of these distances, taken over 2,000 candidates. The
    paper makes a cluster for each class; here there are k of them, at least 2, since nobody may know the classes yet.
    On sentence embeddings the rule gives a small delta whatever the number of clusters, about 0.8 (MiniLM, TREC
    questions and movie reviews), with which ProbCover did worse than random from 25 to 125 labels. With
    `ProbCover(delta=1.15)`, a value found by trying, it did better than random on the questions and worse on the
    reviews.

    Which ball holds whom takes N * N bits: 50 MB for 20,000 candidates. Of more, a random sample of 20,000 is
    covered and picked from.

    Args:
        delta: The radius of a ball, a distance between vectors of length one, from 0 to 2; `None` to choose it.
    """

    delta: float | None = None
    name: ClassVar[str] = "probcover"
    needs: ClassVar[frozenset[str]] = frozenset({"embeddings", "labeled_embeddings"})

    def __post_init__(self) -> None:
        if self.delta is not None and not 0 < self.delta <= 2:
            raise ArgumentError(f"delta={self.delta}, expected a distance above 0 and up to 2")

    @property
    def settings(self) -> dict[str, float]:
        """The radius, if it is given."""
        return {} if self.delta is None else {"delta": self.delta}

    def __call__(self, signals: Signals, k: int, rng: np.random.Generator) -> np.ndarray:
        """The rows that are picked, int64[k], none twice, in the order of picking; ties by row.

        Args:
            signals: `embeddings`, float[N, D], and `labeled_embeddings`, float[M, D] or `None`.
            k: How many to pick, at most N.
            rng: Draws the samples, and seeds the clustering that chooses `delta`.
        """
        candidates, labeled = UnitRows(signals.embeddings), UnitRows(signals.labeled_embeddings)
        n = min(len(candidates), max(k, COVERED))
        chosen = np.sort(rng.choice(len(candidates), n, replace=False)) if n < len(candidates) else np.arange(n)
        with single_thread():
            rows = candidates[chosen]
            delta = _pure_delta(rows, max(k, 2), rng) if self.delta is None else self.delta
            return chosen[_cover(rows, labeled, delta, k)]


def _pure_delta(rows: np.ndarray, k: int, rng: np.random.Generator, purity: float = 0.95) -> float:
    """The largest delta at which that share of balls lie each within one of k clusters; infinite for one cluster."""
    all_rows = UnitRows(rows)
    cluster = _assign(all_rows, _centers(all_rows, min(k, len(rows)), rng))[0]
    sample = np.sort(rng.choice(len(rows), min(len(rows), 2000), replace=False))
    pure_up_to = np.full(len(sample), np.inf)
    for part in row_blocks(len(sample), 200):
        distances = square_distances(rows[sample[part]], rows)
        distances[cluster[sample[part], None] == cluster] = np.inf
        pure_up_to[part] = np.sqrt(distances.min(axis=1))
    return float(np.sort(pure_up_to)[math.floor(len(sample) * (1 - purity) + 1e-9)])


def _cover(rows: np.ndarray, labeled: UnitRows, delta: float, k: int) -> np.ndarray:
    """The k of n rows that the greedy algorithm picks, int64[k]."""
    n = len(rows)
    # Less than delta apart. Rounding must not push a row out of its own ball, nor its nearest stranger into it.
    square = max(delta**2 - TIE, TIE)
    uncovered = np.ones(n, bool)
    for _, some in labeled.blocks(1000):
        for part in row_blocks(n):
            uncovered[part] &= square_distances(rows[part], some).min(axis=1) >= square
    held = np.empty((n, -(-n // 8)), np.uint8)  # bit j of row i: the ball of j holds i
    degree = np.zeros(n, np.int64)
    for part in row_blocks(n, 1000):
        near = square_distances(rows[part], rows) < square
        held[part] = np.packbits(near, axis=1)
        degree += near[uncovered[part]].sum(axis=0)
    picked: list[int] = []
    while len(picked) < k and uncovered.any():
        best = int(degree.argmax())
        picked.append(best)
        new = uncovered & (held[:, best // 8] >> (7 - best % 8) & 1).astype(bool)
        uncovered &= ~new
        for some_new in np.array_split(np.flatnonzero(new), new.sum() // 1000 + 1):
            degree -= np.unpackbits(held[some_new], axis=1, count=n).sum(axis=0, dtype=np.int64)
    if len(picked) == k:
        return np.array(picked)
    rest = np.setdiff1d(np.arange(n), picked)
    centers = UnitRows(np.concatenate([labeled[:], rows[picked]]) if labeled else rows[picked])
    return np.concatenate([picked, rest[_farthest(UnitRows(rows[rest]), centers, k - len(picked))]]).astype(np.int64)


probcover = ProbCover()
