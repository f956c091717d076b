"""Select functions over embeddings, each against a reference that is written another way."""

import itertools
import warnings

import numpy as np
import pytest

from hfal.errors import ArgumentError
from hfal.strategies import Signals, kmeans
from hfal.strategies.diversity import ProbCover, _pure_delta, kcenter, probcover, typiclust
from hfal.strategies.vectors import UnitRows
from support.chance import points, rng


pytestmark = pytest.mark.filterwarnings("error")
EVERY = [kcenter, kmeans, probcover, ProbCover(0.5), typiclust]

COMPARING = [kcenter, probcover, ProbCover(0.5), typiclust]


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


@pytest.mark.parametrize("select", COMPARING)
def test_no_candidate_beside_a_labeled_example_is_picked_while_another_cluster_has_none(select):
    embeddings, cluster = clustered(8, 30)
    labeled = np.concatenate([embeddings[cluster == c][:2] for c in (1, 4, 6)])
    assert sorted(cluster[select(signals(embeddings, labeled), 5, rng())]) == [0, 2, 3, 5, 7]


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


@pytest.mark.parametrize("m", [0, 6])
def test_kcenter_does_not_depend_on_the_order_of_rows(m):
    embeddings, labeled = points(100), points(m, seed=1)
    order = rng().permutation(100)
    picked = kcenter(signals(embeddings, labeled), 15, rng(1))
    assert order[kcenter(signals(embeddings[order], labeled), 15, rng(2))].tolist() == picked.tolist()


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


# TypiClust


def test_typiclust_takes_the_most_typical_of_each_cluster_and_the_largest_first():
    sizes = [25, 60, 12, 40]
    cluster = rng(3).permutation(np.repeat(np.arange(4), sizes))
    embeddings = (np.eye(4, 16)[cluster] + 0.05 * points(sum(sizes), 16)).astype(np.float32)
    expected = []
    for c in (1, 3, 0, 2):
        members = np.flatnonzero(cluster == c)
        between = distances(embeddings[members], embeddings[members])
        typicality = [1 / np.mean(sorted(row)[1 : 1 + min(20, sizes[c] - 1)]) for row in between]
        expected.append(members[np.argmax(typicality)])
    assert typiclust(signals(embeddings), 4, rng()).tolist() == expected


def test_typiclust_goes_to_clusters_without_labels_then_to_large_ones_and_last_to_small_ones():
    cluster = rng(3).permutation(np.repeat(np.arange(5), [30, 20, 10, 4, 3]))
    embeddings = (np.eye(5, 16)[cluster] + 0.01 * points(67, 16)).astype(np.float32)
    labeled = np.eye(5, 16, dtype=np.float32)[:1]
    assert cluster[typiclust(signals(embeddings, labeled), 4, rng())].tolist() == [1, 2, 0, 3]
    # A labeled example counts in the size of its cluster: the one of 4 is no longer small.
    assert cluster[typiclust(signals(embeddings, np.eye(5, 16)[[3]]), 4, rng())].tolist() == [0, 1, 2, 3]


def test_typiclust_goes_round_again_when_clusters_run_out():
    kind = np.array([1] * 10 + [0] * 20)
    picked = typiclust(signals(np.eye(2, 8, dtype=np.float32)[kind]), 25, rng())
    assert kind[picked].tolist() == [0, 1] * 10 + [0] * 5


def test_typiclust_makes_at_most_500_clusters_unless_more_are_picked(monkeypatch):
    made = []
    of = "hfal.strategies.diversity"
    original = __import__(of, fromlist=["_centers"])._centers
    monkeypatch.setattr(f"{of}._centers", lambda rows, n, *more: made.append(n) or original(rows, n, *more))
    monkeypatch.setattr(f"{of}.MOST_CLUSTERS", 20)
    for k, m in ((3, 0), (3, 4), (3, 40), (30, 40), (50, 0)):
        typiclust(signals(points(50), points(m, seed=1)), k, rng())
    assert made == [3, 7, 20, 30, 50]


def test_typiclust_compares_a_sample_of_a_huge_cluster(monkeypatch):
    monkeypatch.setattr("hfal.strategies.diversity.MOST_COMPARED", 10)
    embeddings, cluster = clustered(4, 50)
    assert sorted(cluster[typiclust(signals(embeddings), 4, rng())]) == [0, 1, 2, 3]
    assert len(set(typiclust(signals(np.ones((60, 4))), 45, rng()).tolist())) == 45


# ProbCover


def greedy_cover(embeddings: np.ndarray, labeled: np.ndarray, delta: float, k: int) -> list[int]:
    """The greedy algorithm of the paper with sets; stops when all is covered. Ties by row."""
    between = distances(embeddings, embeddings)
    ball = [{int(j) for j in np.flatnonzero(row < delta)} for row in between]
    uncovered = set(range(len(embeddings)))
    if len(labeled):
        uncovered -= {int(i) for i in np.flatnonzero((distances(embeddings, labeled) < delta).any(axis=1))}
    picked: list[int] = []
    while uncovered and len(picked) < k:
        picked.append(max(range(len(ball)), key=lambda i: len(ball[i] & uncovered)))
        uncovered -= ball[picked[-1]]
    return picked


@pytest.mark.parametrize("delta", [0.3, 0.6, 0.9, 1.3])
@pytest.mark.parametrize("m", [0, 9])
def test_probcover_is_the_greedy_algorithm_and_goes_on_with_the_farthest(delta, m):
    embeddings, labeled = points(60, 4), points(m, 4, seed=1)
    picked = ProbCover(delta)(signals(embeddings, labeled), 30, rng()).tolist()
    covering = greedy_cover(embeddings, labeled, delta, 30)
    assert picked[: len(covering)] == covering
    rest = np.setdiff1d(np.arange(60), covering)
    known = np.concatenate([labeled, embeddings[covering]])
    assert picked[len(covering) :] == rest[greedy_centers(embeddings[rest], known, 30 - len(covering), None)].tolist()


def test_probcover_in_blocks_of_the_graph():
    embeddings, labeled = points(2300, 3), points(1100, 3, seed=1)
    assert ProbCover(0.1)(signals(embeddings), 40, rng()).tolist() == greedy_cover(embeddings, labeled[:0], 0.1, 40)
    covering = greedy_cover(embeddings, labeled, 0.08, 40)
    assert ProbCover(0.08)(signals(embeddings, labeled), 40, rng()).tolist() == covering


def test_probcover_where_no_ball_holds_two_repeats_nothing_and_skips_what_is_labeled():
    # Peers return the labeled example at row 0 three times over.
    assert ProbCover(0.5)(signals(np.eye(6), np.eye(6)[:1]), 3, rng()).tolist() == [1, 2, 3]
    assert ProbCover(0.5)(signals(np.eye(6), np.eye(6)), 6, rng()).tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("seed", range(5))
def test_probcover_covers_at_least_what_its_theorem_promises(seed):
    embeddings = points(14, 3, seed=seed)
    ball = distances(embeddings, embeddings) < 0.7
    best = max(ball[list(rows)].any(axis=0).sum() for rows in itertools.combinations(range(14), 3))
    assert ball[ProbCover(0.7)(signals(embeddings), 3, rng())].any(axis=0).sum() >= (1 - 1 / np.e) * best


def test_probcover_does_not_depend_on_the_order_of_rows():
    # Stars: a center, and rays that only its ball holds all of, 12, 9, ..., 3 of them.
    rays = [12, 9, 7, 5, 4, 3]
    blocks = []
    for i, n in enumerate(rays):
        star = np.zeros((n + 1, sum(rays) + 6))
        star[:, i] = 1
        star[1:, 6 + sum(rays[:i]) : 6 + sum(rays[: i + 1])] = np.eye(n)
        blocks.append(star)
    embeddings = np.concatenate(blocks)
    centers = np.cumsum([0, *(n + 1 for n in rays[:-1])])
    order = rng().permutation(len(embeddings))
    assert ProbCover(0.9)(signals(embeddings), 6, rng()).tolist() == centers.tolist()
    assert order[ProbCover(0.9)(signals(embeddings[order]), 6, rng(1))].tolist() == centers.tolist()


def test_delta_is_the_largest_at_which_95_percent_of_balls_are_pure():
    embeddings, cluster = clustered(4, 30, spread=0.3)
    unit = UnitRows(embeddings)[:]
    between = distances(embeddings, embeddings)

    def purity(delta: float) -> float:
        return float(np.mean([len(set(cluster[row < delta])) == 1 for row in between]))

    delta = _pure_delta(unit, 4, rng())
    assert purity(delta - 1e-5) >= 0.95 > purity(delta + 1e-5)


def test_delta_of_what_has_no_two_clusters_covers_all():
    assert _pure_delta(np.ones((9, 3), np.float32), 4, rng()) == np.inf


@pytest.mark.parametrize("delta", [0, -1, 2.5, np.nan])
def test_a_delta_that_is_no_distance_is_refused(delta):
    with pytest.raises(ArgumentError, match=r"delta=.*, expected a distance above 0 and up to 2"):
        ProbCover(delta)


def test_probcover_of_many_covers_a_sample(monkeypatch):
    monkeypatch.setattr("hfal.strategies.diversity.COVERED", 100)
    embeddings, cluster = clustered(4, 100)
    for select in (probcover, ProbCover(0.5)):
        assert sorted(cluster[select(signals(embeddings), 4, rng())]) == [0, 1, 2, 3]
    assert len(set(ProbCover(0.5)(signals(embeddings), 150, rng()).tolist())) == 150
