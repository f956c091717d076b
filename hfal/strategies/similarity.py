"""Strategies that ask what is near in the embedding space: of the pool, or of the labeled examples."""

import numpy as np
from sklearn.neighbors import NearestNeighbors

from hfal.errors import StrategyError
from hfal.strategies.selection import Signals, needs
from hfal.strategies.vectors import BLOCK, row_blocks, unit_length


_NEIGHBORS = 10  # of `cal`, as in the paper
_COPY = 1 - 1e-5  # the cosine above which texts are alike but for rounding
_SIMILARITIES = 4_000_000  # of a block of candidates to the labeled examples: 16 MB


def best_distinct(scores: np.ndarray, embeddings: np.ndarray, count: int, least: int) -> np.ndarray:
    """The highest scores of which no two are copies: near-duplicates would fill the candidates of a batch strategy.

    A copy has nearly the same embedding (a cosine above 1 - 1e-5) as an example with a higher score.

    Args:
        scores: float[N].
        embeddings: float[N, D].
        count: How many, at most.
        least: How many at least, with copies where there are not as many without; at most N.

    Returns:
        Rows, int64, from `least` to `count`, in their order.
    """
    order = np.argsort(-scores, kind="stable")
    kept = np.empty((0, embeddings.shape[1]), np.float32)
    found = np.empty(0, np.int64)
    for block in row_blocks(len(order), 1024):
        unit = unit_length(embeddings[order[block]])
        copies = np.tril(unit @ unit.T > _COPY, -1).any(axis=1)
        if len(kept):
            copies |= (unit @ kept.T).max(axis=1) > _COPY
        kept = np.concatenate([kept, unit[~copies]])
        found = np.concatenate([found, order[block][~copies]])
        if len(found) >= count:
            return np.sort(found[:count])
    others = order[~np.isin(order, found)]
    return np.sort(np.concatenate([found, others[: max(least - len(found), 0)]]))


@needs("scores", "embeddings")
def density(signals: Signals, k: int, rng: np.random.Generator, beta: float = 1.0) -> np.ndarray:
    """Uncertain, and no outlier: the score times the mean similarity to the pool.

    Information density: Settles & Craven, "An Analysis of Active Learning Strategies for Sequence
    Labeling Tasks" (EMNLP 2008), section 3.4. The mean cosine to N examples is the dot product with their mean, so
    that it takes N products and not N². Negative means count as 0.

    Args:
        signals: `scores`, float[N], none negative; `embeddings`, float[N, D].
        k: How many to pick, at most N.
        rng: Not used.
        beta: The power of the similarity.

    Returns:
        Rows, int64[k], the highest product first, ties in the order of rows.

    Raises:
        StrategyError: A score is negative.
    """
    assert signals.scores is not None
    if (signals.scores < 0).any():
        raise StrategyError(
            f"'density' multiplies the scores, and the lowest is {signals.scores.min():.4g}: use one that is never "
            "below 0, or join the ranks of two scores (Ranks)"
        )
    weighted = signals.scores * np.clip(mean_similarity(signals.embeddings), 0, None) ** beta
    return np.argsort(-weighted, kind="stable")[:k]


def mean_similarity(embeddings: np.ndarray | None) -> np.ndarray:
    """The mean cosine of each embedding to all of them, itself included.

    Args:
        embeddings: float[N, D].

    Returns:
        float64[N].
    """
    assert embeddings is not None
    mean = np.zeros(embeddings.shape[1])
    for rows in row_blocks(len(embeddings)):
        mean += unit_length(embeddings[rows]).sum(axis=0, dtype=np.float64)
    mean /= len(embeddings)
    return np.concatenate([unit_length(embeddings[rows]) @ mean for rows in row_blocks(len(embeddings))])


@needs("probabilities", "embeddings", "labeled_probabilities", "labeled_embeddings")
def cal(signals: Signals) -> np.ndarray:
    """Where the model predicts something else than for the nearest labeled examples, though they are alike.

    Contrastive active learning: Margatina et al., "Active Learning by Acquiring Contrastive Examples" (EMNLP 2021):
    the mean Kullback-Leibler divergence of the prediction from those for the 10 nearest labeled examples (fewer where
    there are not as many), as KL(labeled || candidate). Near is meant by the cosine of the embeddings.

    Args:
        signals: `probabilities`, float[N, C]; `embeddings`, float[N, D]; `labeled_probabilities`, float[M, C];
            `labeled_embeddings`, float[M, D].

    Returns:
        float64[N], 0 where nothing is labeled.
    """
    assert signals.probabilities is not None
    assert signals.embeddings is not None
    assert signals.labeled_probabilities is not None
    assert signals.labeled_embeddings is not None
    labeled = signals.labeled_probabilities.astype(np.float64)
    if len(labeled) == 0:
        return np.zeros(signals.size)
    smallest = np.finfo(np.float32).tiny  # a probability of 0 would make the divergence infinite
    entropy = -(labeled * np.log(np.maximum(labeled, smallest))).sum(axis=1)
    search = NearestNeighbors(n_neighbors=min(_NEIGHBORS, len(labeled)), algorithm="brute")
    search.fit(unit_length(signals.labeled_embeddings))
    scores = np.empty(signals.size)
    for rows in row_blocks(signals.size):
        nearest = search.kneighbors(unit_length(signals.embeddings[rows]), return_distance=False)
        logarithms = np.log(np.maximum(signals.probabilities[rows].astype(np.float64), smallest))
        cross_entropy = -np.einsum("nc,nc->n", labeled[nearest].mean(axis=1), logarithms)
        scores[rows] = cross_entropy - entropy[nearest].mean(axis=1)
    return np.maximum(scores, 0)  # what is below is rounding


@needs("embeddings", "labeled_embeddings")
def neighbors(signals: Signals, k: int, rng: np.random.Generator) -> np.ndarray:
    """The nearest neighbors of each labeled example: candidates for a `Subset`, with their share of rare classes.

    SEALS: Coleman et al., "Similarity Search for Efficient Active Learning and Search of Rare Concepts" (AAAI 2022).
    The neighbors are searched anew in the embeddings at hand, by blocks of exact products, so that no index is left
    over from an earlier model.

    Args:
        signals: `embeddings`, float[N, D]; `labeled_embeddings`, float[M, D].
        k: How many to pick, at most N.
        rng: Draws them at random where nothing is labeled.

    Returns:
        Rows, int64[k], none twice: first the nearest neighbor of each labeled example, then the second nearest, and so
        on; the nearest to any of them where these lists of 4 k / M neighbors overlap so much that they hold fewer.
    """
    assert signals.embeddings is not None
    n, labeled = signals.size, signals.labeled_embeddings
    if labeled is None or len(labeled) == 0:
        return rng.choice(n, k, replace=False)
    targets = unit_length(labeled).T
    length = min(n, -(-4 * k // len(labeled)))
    similarity: np.ndarray = np.empty((0, len(labeled)), np.float32)
    found: np.ndarray = np.empty((0, len(labeled)), np.int64)
    closest = np.empty(n, np.float32)
    for rows in row_blocks(n, max(1, min(BLOCK, _SIMILARITIES // len(labeled)))):
        block = unit_length(signals.embeddings[rows]) @ targets
        closest[rows] = block.max(axis=1)
        similarity = np.concatenate([similarity, block])
        found = np.concatenate([found, np.broadcast_to(np.arange(n)[rows, None], block.shape)])
        if len(found) > length:
            best = np.argpartition(-similarity, length - 1, axis=0)[:length]
            similarity, found = (np.take_along_axis(a, best, axis=0) for a in (similarity, found))
    order = np.argsort(-similarity, axis=0, kind="stable")
    similarity, found = (np.take_along_axis(a, order, axis=0) for a in (similarity, found))
    place = np.broadcast_to(np.arange(len(found))[:, None], found.shape)
    listed = found.ravel()[np.lexsort((found.ravel(), -similarity.ravel(), place.ravel()))]
    in_order = np.concatenate([listed, np.argsort(-closest, kind="stable")])
    _, first = np.unique(in_order, return_index=True)
    return in_order[np.sort(first)[:k]]
