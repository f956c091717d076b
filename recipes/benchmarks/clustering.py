"""Which library clusters, and finds neighbors, fast enough? scikit-learn as it comes, as hfal calls it, and faiss.

    python recipes/benchmarks/clustering.py            # faiss is compared if it is installed (pip install faiss-cpu)

20,000 points of 384 numbers and length one, 100 clusters: points around 100 centers, and points that have none. Timed
is finding the centers; the inertia, the mean squared distance from the nearest center, says how good they are. Then
the nearest 200 of 20,000 points to each of 200: `hfal.strategies.neighbors`, and faiss, which is exact here too.
Variants are interleaved in an order drawn anew for each repetition; the median counts.
"""

import argparse
import importlib.util
import os
import platform
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import sklearn
from sklearn.cluster import KMeans, MiniBatchKMeans
from threadpoolctl import threadpool_limits

from hfal.strategies import Signals, neighbors
from hfal.strategies.diversity import _assign, _centers
from hfal.strategies.vectors import UnitRows, unit_length


N, D, K = 20_000, 384, 100
FAISS = importlib.util.find_spec("faiss") is not None


def points(clustered: bool) -> np.ndarray:
    """float32[N, D], of length one."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(N, D))
    return unit_length(rows + 2 * rng.normal(size=(K, D))[rng.integers(K, size=N)] if clustered else rows)


def hfal_centers(rows: np.ndarray, seed: int) -> np.ndarray:
    """As `kmeans` finds them."""
    with threadpool_limits(1):
        return _centers(UnitRows(rows), K, np.random.default_rng(seed))


def sklearn_centers(rows: np.ndarray, seed: int) -> np.ndarray:
    """As they come with the defaults."""
    return KMeans(K, n_init=1, random_state=seed).fit(rows).cluster_centers_


def mini_batch_centers(rows: np.ndarray, seed: int) -> np.ndarray:
    """Of small batches."""
    return MiniBatchKMeans(K, n_init=1, random_state=seed).fit(rows).cluster_centers_


def faiss_centers(rows: np.ndarray, seed: int) -> np.ndarray:
    """With faiss's own 25 steps."""
    import faiss  # type: ignore[import-not-found]

    clustering = faiss.Kmeans(D, K, seed=seed + 1, max_points_per_centroid=N)
    clustering.train(rows)
    return clustering.centroids


def faiss_neighbors(rows: np.ndarray, labeled: np.ndarray) -> None:
    """By an exact index."""
    import faiss

    index = faiss.IndexFlatIP(D)
    index.add(rows)
    index.search(labeled, N // 100)


def compare(variants: dict[str, Callable[[int], object]], repeats: int) -> dict[str, tuple[float, list[object]]]:
    """The median seconds of each, and what it returned in each repetition."""
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    found: dict[str, list[object]] = {name: [] for name in variants}
    order = np.random.default_rng(1)
    for repeat in range(repeats):
        for name in order.permutation([*variants]):
            start = time.perf_counter()
            result = variants[name](repeat)
            seconds[name].append(time.perf_counter() - start)
            found[name].append(result)
    return {name: (float(np.median(seconds[name])), found[name]) for name in variants}


def main() -> None:
    """Measure, and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    ways = {
        "scikit-learn, as hfal calls it": hfal_centers,
        "scikit-learn's KMeans": sklearn_centers,
        "scikit-learn's MiniBatchKMeans": mini_batch_centers,
        **({"faiss": faiss_centers} if FAISS else {}),
    }
    print("| | clustered: s | inertia | unclustered: s | inertia |\n|---|---|---|---|---|")
    cells: dict[str, list[str]] = {name: [] for name in ways}
    for clustered in (True, False):
        rows = points(clustered)
        done = compare({name: partial(way, rows) for name, way in ways.items()}, args.repeats)
        for name, (seconds, centers) in done.items():
            inertia = np.mean([_assign(UnitRows(rows), np.asarray(c, np.float32))[1].mean() for c in centers])
            cells[name] += [f"{seconds:.2f}", f"{inertia:.4f}"]
    for name, row in cells.items():
        print(f"| {name} | {' | '.join(row)} |")
    rows, labeled = points(False), points(True)[:200]
    known = Signals(N, embeddings=rows, labeled_embeddings=labeled)
    searches: dict[str, Callable[[int], object]] = {
        "hfal": lambda seed: neighbors(known, N // 2, np.random.default_rng(0)),
        **({"faiss": lambda seed: faiss_neighbors(rows, labeled)} if FAISS else {}),
    }
    for name, (seconds, _) in compare(searches, args.repeats).items():
        print(f"neighbors, {name}: {seconds:.3f} s")
    print(f"\n{os.cpu_count()} cores {platform.machine()}, load {os.getloadavg()[0]:.1f} at the end")
    print(f"scikit-learn {sklearn.__version__}, faiss {'installed' if FAISS else 'not installed'}")


if __name__ == "__main__":
    main()
