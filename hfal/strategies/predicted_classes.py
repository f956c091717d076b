"""Select functions that look at the classes which the model predicts."""

import numpy as np
import torch
from sklearn.cluster import AgglomerativeClustering

from hfal.strategies.selection import Signals, needs
from hfal.strategies.similarity import best_distinct
from hfal.strategies.uncertainty import margin
from hfal.strategies.vectors import row_blocks, unit_length


_CANDIDATE_FACTOR = 10  # of `cluster_margin`; the paper's k_m / k_t is 1.25 to 10
_MOST_CANDIDATES = 5000


@needs("scores", "probabilities", "labels")
def class_balanced(signals: Signals, k: int, rng: np.random.Generator) -> np.ndarray:
    """The best by the score of whatever predicted class has fewest labels so far, for rare classes.

    The greedy form of the balance that Bengar et al., "Class-Balanced Active Learning for Image Classification"
    (WACV 2022), put into a linear program: counts begin with the classes of the labeled examples, and each pick counts
    for the class that the model predicts.

    Args:
        signals: `scores`, float[N]; `probabilities`, float[N, C]; `labels`, int[M].
        k: How many to pick, at most N.
        rng: Not used.

    Returns:
        Rows, int64[k], in the order of the picks; ties between classes go to the class that comes first, ties between
        scores to the row that does.
    """
    assert signals.scores is not None
    assert signals.probabilities is not None
    assert signals.labels is not None
    classes = signals.probabilities.shape[1]
    predicted = signals.probabilities.argmax(axis=1)
    best_first = np.argsort(-signals.scores, kind="stable")
    waiting = [list(best_first[predicted[best_first] == c][:k]) for c in range(classes)]
    counts = np.bincount(signals.labels, minlength=classes).astype(float)
    picked = []
    for _ in range(k):
        open_classes = [c for c in range(classes) if waiting[c]]
        c = min(open_classes, key=lambda c: counts[c])
        picked.append(waiting[c].pop(0))
        counts[c] += 1
    return np.array(picked, np.int64)


@needs("probabilities", "embeddings")
def cluster_margin(signals: Signals, k: int, rng: np.random.Generator) -> np.ndarray:
    """Of the smallest margins without copies, one from each of k clusters, the smallest cluster first.

    Cluster-Margin: Citovsky et al., "Batch Active Learning at Scale" (NeurIPS 2021): agglomerative clustering with
    average linkage, clusters visited round-robin in the order of their sizes, an example of each drawn at random. The
    paper clusters the whole pool once and with many machines; here it is the 10 k best, so that cost grows linearly
    with the pool, and their clusters have 10 members on average, as the paper chooses its threshold. As the clustering
    itself is quadratic, of a large query it is the 5,000 best, or 2 k if that is more.

    Args:
        signals: `probabilities`, float[N, C]; `embeddings`, float[N, D].
        k: How many to pick, at most N.
        rng: Draws within the clusters.

    Returns:
        Rows, int64[k], none twice.
    """
    assert signals.probabilities is not None
    assert signals.embeddings is not None
    scores = [margin(torch.tensor(np.asarray(signals.probabilities[b]))).numpy() for b in row_blocks(signals.size)]
    count = min(_CANDIDATE_FACTOR * k, max(_MOST_CANDIDATES, 2 * k))
    candidates = best_distinct(np.concatenate(scores), signals.embeddings, count, k)
    if k >= len(candidates):
        return candidates
    clustering = AgglomerativeClustering(n_clusters=k, linkage="average")
    cluster = clustering.fit_predict(unit_length(signals.embeddings[candidates]))
    members = [rng.permutation(candidates[cluster == c]) for c in range(k)]
    members.sort(key=len)  # stable: ties in the order of the clusters
    turns = max(map(len, members))
    in_turn = [rows[turn] for turn in range(turns) for rows in members if turn < len(rows)]
    return np.array(in_turn[:k], np.int64)
