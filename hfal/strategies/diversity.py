"""Select functions that spread a query over the embedding space."""

import numpy as np
from sklearn.cluster import KMeans, MiniBatchKMeans
from threadpoolctl import threadpool_limits

from hfal.strategies.selection import Signals, needs
from hfal.strategies.vectors import BLOCK, row_blocks, unit_length


@needs("embeddings")
def kmeans(signals: Signals, k: int, rng: np.random.Generator) -> np.ndarray:
    """One example from each of k clusters: the nearest to the cluster's centre.

    K-means on embeddings of length one, so that distances are those of cosine similarity. Above 20,000 candidates it
    is mini-batch k-means (Sculley, WWW 2010). Bodó et al., "Active Learning with Clustering" (2011); behind an
    uncertainty score it is the unweighted form of Zhdanov, "Diverse mini-batch Active Learning" (2019).

    Args:
        signals: `embeddings`, float[N, D].
        k: How many to pick, at most N.
        rng: Seeds the clustering.

    Returns:
        Rows, int64[k], none twice: where embeddings coincide there are fewer clusters than k, and the rest are drawn
        from the other candidates at random.
    """
    embeddings = signals.embeddings
    assert embeddings is not None
    seed = int(rng.integers(2**31))
    if k >= len(embeddings):
        return np.arange(len(embeddings))
    if len(embeddings) <= BLOCK:
        clustering = KMeans(n_clusters=k, n_init=1, random_state=seed, copy_x=False)
        with threadpool_limits(1, "openmp"):  # several threads add up in no fixed order: other bits each time
            clustering.fit(unit_length(embeddings))
    else:
        clustering = MiniBatchKMeans(n_clusters=k, n_init=1, random_state=seed)
        for _ in range(3):  # passes; partial_fit lets a memory-mapped file stay on the disk
            for rows in row_blocks(len(embeddings)):
                clustering.partial_fit(unit_length(embeddings[rows]))
    centres = clustering.cluster_centers_

    nearest = np.full(k, -1, np.int64)
    nearest_distance = np.full(k, np.inf)
    for rows in row_blocks(len(embeddings)):
        block = unit_length(embeddings[rows])
        cluster = clustering.predict(block)
        distance = np.square(block - centres[cluster]).sum(axis=1)
        order = np.lexsort((np.arange(len(block)), distance))
        clusters, first = np.unique(cluster[order], return_index=True)
        for c, row in zip(clusters, order[first], strict=True):
            if distance[row] < nearest_distance[c]:
                nearest[c], nearest_distance[c] = rows.start + row, distance[row]
    picked = nearest[nearest >= 0]
    if len(picked) < k:
        others = np.setdiff1d(np.arange(len(embeddings)), picked)
        picked = np.concatenate([picked, rng.choice(others, size=k - len(picked), replace=False)])
    return picked
