"""Select functions over embeddings, each against a reference that is written another way."""

import itertools
import warnings

import numpy as np
import pytest

from hfal.strategies import Signals, kmeans
from hfal.strategies.diversity import kcenter
from hfal.strategies.vectors import BLOCK, UnitRows, square_distances


pytestmark = pytest.mark.filterwarnings("error")
EVERY = [kcenter, kmeans]
DETERMINISTIC = [kcenter]
COMPARING = [kcenter]


def rng(seed: int = 7) -> np.random.Generator:
    return np.random.default_rng(seed)


def points(n: int, dimensions: int = 8, seed: int = 0) -> np.ndarray:
    return rng(seed).normal(size=(n, dimensions)).astype(np.float32)


def clustered(clusters: int, per_cluster: int, spread: float = 0.02) -> tuple[np.ndarray, np.ndarray]:
    """Points around well separated directions in a random order, and the cluster of each."""
    cluster = rng(2).permutation(np.repeat(np.arange(clusters), per_cluster))
    return (np.eye(clusters, 16)[cluster] + spread * points(len(cluster), 16)).astype(np.float32), cluster


def directions(*degrees: float) -> np.ndarray:
    """Points of a circle."""
    return np.stack([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], axis=1).astype(np.float32)


def signals(embeddings: np.ndarray, labeled: np.ndarray | None = None) -> Signals:
    return Signals(len(embeddings), embeddings=embeddings, labeled_embeddings=labeled)


def distances(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Distances between directions, in float64 and by subtraction."""
    rows, others = (a / np.linalg.norm(a, axis=1, keepdims=True) for a in (rows.astype(float), others.astype(float)))
    return np.sqrt(((rows[:, None] - others[None]) ** 2).sum(axis=2))


# Whatever selects


@pytest.mark.parametrize("select", EVERY)
@pytest.mark.parametrize(
    ("n", "k", "m"), [(1, 1, 0), (1, 1, 3), (7, 7, 0), (7, 7, 2), (60, 9, 0), (60, 9, 5), (60, 59, 5), (20, 5, 70)]
)
def test_k_different_rows_come_back_and_the_same_ones_for_the_same_seed(select, n, k, m):
    known = signals(points(n), points(m, seed=1) if m else None)
    first, again = select(known, k, rng()), select(known, k, rng())
    assert first.shape == (k,)
    assert first.dtype == np.int64
    assert len(set(first.tolist())) == k
    assert 0 <= first.min() <= first.max() < n
    assert first.tolist() == again.tolist()


@pytest.mark.parametrize("select", EVERY)
@pytest.mark.parametrize("labeled", [None, points(0), points(4, seed=1), np.zeros((3, 8), np.float32)])
@pytest.mark.parametrize("distinct", [np.zeros((1, 8)), np.ones((1, 8)), np.eye(2, 8) * [[0], [3]], points(3)],
                         ids=["zero", "identical", "two", "three"])  # fmt: skip
def test_where_embeddings_coincide_k_different_rows_still_come_back(select, distinct, labeled):
    embeddings = np.resize(distinct, (30, 8)).astype(np.float32)
    picked = select(signals(embeddings, labeled), 12, rng())
    assert len(set(picked.tolist())) == 12


@pytest.mark.parametrize("select", EVERY)
def test_what_coincides_is_picked_once_before_any_is_picked_twice(select):
    embeddings = np.repeat(points(6, seed=3), 8, axis=0)[rng().permutation(48)]
    kind = np.unique(embeddings, axis=0, return_inverse=True)[1]
    assert sorted(kind[select(signals(embeddings), 6, rng())]) == list(range(6))


@pytest.mark.parametrize("select", EVERY)
def test_half_precision_double_precision_and_a_memory_mapped_file_give_the_same_and_stay_as_they_are(select, tmp_path):
    half, labeled = points(80).astype(np.float16), points(6, seed=1).astype(np.float16)
    np.save(tmp_path / "half.npy", half.astype(np.float32))
    arrays = [half, half.astype(float), np.load(tmp_path / "half.npy", mmap_mode="r")]
    before = [array.copy() for array in [*arrays, labeled]]
    picks = [select(signals(array, labeled), 9, rng()).tolist() for array in arrays]
    assert picks[0] == picks[1] == picks[2]
    assert all(np.array_equal(a, b) for a, b in zip(before, [*arrays, labeled], strict=True))


@pytest.mark.parametrize("select", EVERY)
def test_the_length_of_an_embedding_is_not_seen(select):
    embeddings, labeled = points(90), points(5, seed=1)
    scaled = embeddings * 2.0 ** rng().integers(-10, 10, size=(90, 1)).astype(np.float32)
    picks = [select(signals(e, 4 * labeled), 10, rng()).tolist() for e in (embeddings, scaled)]
    assert picks[0] == picks[1]


@pytest.mark.parametrize("select", EVERY)
def test_in_blocks_it_is_the_same_as_at_once(select, monkeypatch):
    embeddings, cluster = clustered(5, 40)
    labeled = embeddings[cluster == 0][:3] + np.float32(0.001)
    at_once = select(signals(embeddings, labeled), 5, rng())
    monkeypatch.setattr("hfal.strategies.vectors.BLOCK", 64)
    monkeypatch.setattr("hfal.strategies.vectors.row_blocks.__defaults__", (64,))
    in_blocks = select(signals(embeddings, labeled), 5, rng())
    assert cluster[at_once].tolist() == cluster[in_blocks].tolist()


@pytest.mark.parametrize("select", DETERMINISTIC)
@pytest.mark.parametrize("m", [0, 6])
def test_permuted_rows_give_permuted_picks(select, m):
    embeddings, labeled = points(100), points(m, seed=1)
    order = rng().permutation(100)
    picked = select(signals(embeddings, labeled), 15, rng(1))
    assert order[select(signals(embeddings[order], labeled), 15, rng(2))].tolist() == picked.tolist()


@pytest.mark.parametrize("select", COMPARING)
def test_no_candidate_beside_a_labeled_example_is_picked_while_another_cluster_has_none(select):
    embeddings, cluster = clustered(8, 30)
    labeled = np.concatenate([embeddings[cluster == c][:2] for c in (1, 4, 6)])
    assert sorted(cluster[select(signals(embeddings, labeled), 5, rng())]) == [0, 2, 3, 5, 7]


# Rows


def test_squared_distances_are_those_of_subtraction_and_never_negative():
    a, b = points(50, 16).astype(float), points(30, 16, seed=1).astype(float)
    assert np.allclose(square_distances(a, b), ((a[:, None] - b) ** 2).sum(axis=2))
    unit = UnitRows(points(500, 384))[:]
    assert square_distances(unit, unit).min() >= 0  # whose root is no NaN


def test_unit_rows_are_normalized_copies_whether_kept_or_not():
    embeddings = points(BLOCK + 5, 3)
    embeddings[7] = 0
    before = embeddings.copy()
    expected = embeddings / np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), 1e-30)
    for some in (embeddings, embeddings[: BLOCK - 1]):
        rows = UnitRows(some)
        assert np.allclose(np.concatenate([block for _, block in rows.blocks()]), expected[: len(some)])
        assert np.allclose(rows[np.array([5, 7])], expected[[5, 7]])
    assert np.array_equal(embeddings, before)


# k-center


def greedy_centers(embeddings: np.ndarray, labeled: np.ndarray, k: int, first: int | None) -> list[int]:
    """K-center greedy by angles, all of them anew for each pick."""
    unit = [a.astype(float) / np.linalg.norm(a.astype(float), axis=1, keepdims=True) for a in (embeddings, labeled)]
    picked = [] if first is None else [first]
    while len(picked) < k:
        centers = np.concatenate([unit[1], unit[0][picked]])
        angle = [min(np.arccos(np.clip(c @ x, -1, 1)) for c in centers) for x in unit[0]]
        picked.append(max((i for i in range(len(angle)) if i not in picked), key=lambda i: angle[i]))
    return picked


@pytest.mark.parametrize("seed", range(5))
def test_kcenter_is_the_greedy_algorithm(seed):
    embeddings, labeled = points(40, seed=seed), points(5, seed=seed + 10)
    assert kcenter(signals(embeddings, labeled), 12, rng()).tolist() == greedy_centers(embeddings, labeled, 12, None)
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    first = int(np.linalg.norm(unit - unit.mean(axis=0), axis=1).argmin())
    assert kcenter(signals(embeddings), 12, rng()).tolist() == greedy_centers(embeddings, labeled[:0], 12, first)


def test_kcenter_on_a_circle():
    # Nearest to the mean direction is 50 degrees; then the farthest, ties by row, each time halving a gap.
    assert kcenter(signals(directions(0, 10, 50, 90, 100)), 5, rng()).tolist() == [2, 0, 4, 1, 3]
    assert kcenter(signals(directions(0, 10, 50, 90, 100), directions(120)), 3, rng()).tolist() == [0, 2, 3]


@pytest.mark.parametrize("seed", range(10))
def test_kcenter_is_within_twice_the_optimum(seed):
    embeddings = points(11, 3, seed=seed)
    between = distances(embeddings, embeddings)
    best = min(between[:, list(centers)].min(axis=1).max() for centers in itertools.combinations(range(11), 3))
    assert between[:, kcenter(signals(embeddings), 3, rng())].min(axis=1).max() <= 2 * best


def test_kcenter_breaks_ties_by_row_although_rounding_differs():
    twins = np.tile(points(50, 384, seed=5), (2, 1))
    assert kcenter(signals(twins), 50, rng()).max() < 50
    assert kcenter(signals(np.ones((30, 7), np.float32)), 30, rng()).tolist() == list(range(30))


# k-means


def test_kmeans_takes_the_point_nearest_to_the_mean_of_each_cluster():
    embeddings, cluster = clustered(6, 40)
    picked = kmeans(signals(embeddings), 6, rng())
    assert sorted(cluster[picked]) == list(range(6))
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    for row in picked:
        members = np.flatnonzero(cluster == cluster[row])
        distance = np.square(unit[members] - unit[members].mean(axis=0)).sum(axis=1)
        assert members[distance.argmin()] == row


@pytest.mark.parametrize("seed", range(3))
def test_kmeans_finds_the_best_partition_of_few_points(seed):
    centers = np.eye(3, 5)[[0, 0, 0, 1, 1, 1, 2, 2]]
    embeddings = (centers + 0.15 * points(8, 5, seed=seed)).astype(np.float32)
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)

    def inertia(partition: tuple[int, ...]) -> float:
        groups = [unit[np.array(partition) == c] for c in set(partition)]
        return sum(np.square(group - group.mean(axis=0)).sum() for group in groups)

    best = min((p for p in itertools.product(range(3), repeat=8) if len(set(p)) == 3), key=inertia)
    picked = kmeans(signals(embeddings), 3, rng())
    assert {best[row] for row in picked} == {0, 1, 2}
    for row in picked:
        members = np.flatnonzero(np.array(best) == best[row])
        distance = np.square(unit[members] - unit[members].mean(axis=0)).sum(axis=1)
        assert distance[members == row] <= distance.min() + 1e-6  # of two members both are as near


def test_kmeans_of_a_sample_of_a_memory_mapped_file_finds_the_clusters(tmp_path):
    embeddings, cluster = clustered(5, 5000)  # above the size up to which all are clustered
    np.save(tmp_path / "points.npy", embeddings)
    mapped = np.load(tmp_path / "points.npy", mmap_mode="r")
    assert sorted(cluster[kmeans(signals(mapped), 5, rng())]) == list(range(5))


def test_kmeans_does_not_hide_what_others_warn_of():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        kmeans(signals(np.ones((30, 8))), 3, rng())
        warnings.warn("mine", stacklevel=1)
    assert [str(w.message) for w in caught] == ["mine"]
