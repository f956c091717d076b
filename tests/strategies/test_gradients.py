"""Strategies on factorised gradients against the gradients themselves, by autograd and by brute force."""

import tracemalloc
from contextlib import nullcontext

import numpy as np
import pytest
import torch

from hfal.strategies import Signals
from hfal.strategies.gradients import badge
from support.chance import rng


def random_signals(n: int, classes: int, features: int, seed: int = 0) -> Signals:
    generator = np.random.default_rng(seed)
    probabilities = generator.dirichlet(np.full(classes, 0.5), size=n).astype(np.float32)
    return Signals(n, probabilities=probabilities, features=generator.normal(size=(n, features)).astype(np.float32))


def materialized(signals: Signals) -> np.ndarray:
    """The gradients of the loss of the likeliest label in the last layer's weights, by autograd, float64[N, C * H]."""
    gradients = []
    for p, h in zip(signals.probabilities, signals.features, strict=True):
        weights = torch.zeros(len(p), len(h), dtype=torch.float64, requires_grad=True)
        # a last layer that gives exactly these probabilities
        logits = weights @ torch.tensor(h, dtype=torch.float64) + torch.tensor(p, dtype=torch.float64).log()
        torch.nn.functional.cross_entropy(logits, torch.tensor(int(np.argmax(p)))).backward()
        gradients.append(weights.grad.numpy().ravel())
    return np.array(gradients)


def sampled_seeds(points: np.ndarray, k: int, generator: np.random.Generator) -> list[int]:
    """k-means++ as the paper's algorithm says it, on the points themselves."""
    picked = [int(np.linalg.norm(points, axis=1).argmax())]
    while len(picked) < k:
        nearest = [min(float(np.sum((x - points[j]) ** 2)) for j in picked) for x in points]
        threshold, reached = generator.random() * sum(nearest), 0.0
        for row, distance in enumerate(nearest):
            reached += distance
            if reached > threshold:
                picked.append(row)
                break
    return picked


class Watched:
    """Records the distribution that each pick is drawn from, and draws."""

    def __init__(self):
        self.generator, self.given = rng(), []

    def choice(self, n, p=None):
        self.given.append(p)
        return self.generator.choice(n, p=p)


@pytest.fixture
def many_calls(monkeypatch):
    """Without looking for thread pools, which takes milliseconds."""
    monkeypatch.setattr("hfal.strategies.gradients.single_thread", lambda *_: nullcontext())


@pytest.mark.usefixtures("many_calls")
@pytest.mark.parametrize("classes", [2, 5])
def test_badge_draws_as_kmeans_plus_plus_does_among_the_materialized_gradients(classes):
    signals = random_signals(8, classes, 3)
    points = materialized(signals)
    repeats = 2000
    generator = rng()
    # ordered pairs of the second and the third pick: the second depends on the distances, the third on the nearest
    ours, theirs = np.zeros((2, 8, 8))
    for counts, seeds in (
        (ours, lambda: badge(signals, 3, generator)),
        (theirs, lambda: sampled_seeds(points, 3, generator)),
    ):
        for _ in range(repeats):
            first, second, third = seeds()
            assert first == np.linalg.norm(points, axis=1).argmax()
            counts[second, third] += 1
    spread = np.sqrt(np.maximum(ours + theirs, 1))  # standard deviation of the difference of two counts
    assert (np.abs(ours - theirs) / spread).max() < 4.5


@pytest.mark.parametrize("classes", [2, 3, 20])
def test_badge_draws_by_the_squared_distances_of_the_gradients(classes):
    signals = random_signals(60, classes, 16)
    points = materialized(signals)
    watched = Watched()
    picked = badge(signals, 20, watched)  # type: ignore[arg-type]
    assert picked[0] == np.linalg.norm(points, axis=1).argmax()
    for i, p in enumerate(watched.given, start=1):
        nearest = np.square(points[:, None] - points[None, picked[:i]]).sum(axis=2).min(axis=1)
        np.testing.assert_allclose(p, nearest / nearest.sum(), atol=1e-5)


def test_badge_for_two_classes_sees_the_direction_of_the_gradient():
    # Equal features: k-means++ on them would see no difference at all, and lengths would prefer the undecided.
    # The gradients of rows 0 and 1 point in opposite directions, those of 2 to 9 are all but zero.
    probabilities = np.array([[0.51, 0.49], [0.49, 0.51]] + [[0.999, 0.001]] * 8, np.float32)
    signals = Signals(10, probabilities=probabilities, features=np.ones((10, 4), np.float32))
    seconds = [badge(signals, 2, rng(seed)) for seed in range(50)]
    assert all(first == 1 for first, _ in seconds) or all(first == 0 for first, _ in seconds)
    opposite = sum(sorted(pair.tolist()) == [0, 1] for pair in seconds)
    # (2 * 0.49)^2 against 8 * 0.49^2 = 4 : 8
    assert 8 <= opposite <= 28


def test_badge_takes_the_likeliest_class_of_each_row_itself():
    # With another row's class, or class 0, the confident rows would have the longest gradients of all.
    probabilities = np.array([[0.02, 0.98, 0.0], [0.0, 0.01, 0.99], [0.98, 0.02, 0.0], [0.3, 0.4, 0.3]], np.float32)
    signals = Signals(4, probabilities=probabilities, features=np.ones((4, 5), np.float32))
    assert all(badge(signals, 1, rng(seed)).tolist() == [3] for seed in range(5))


@pytest.mark.parametrize("case", ["identical", "zero features", "certain", "one class", "two points"])
@pytest.mark.parametrize("k", [1, 7, 40])
def test_badge_never_picks_a_row_twice(case, k):
    signals = random_signals(40, 3, 5)
    probabilities, features = signals.probabilities.copy(), signals.features.copy()
    if case == "identical":
        probabilities[:], features[:] = probabilities[0], features[0]
    elif case == "zero features":
        features[:] = 0
    elif case == "certain":
        probabilities[:] = np.eye(3)[np.arange(40) % 3]
    elif case == "one class":
        probabilities = np.ones((40, 1), np.float32)
    else:
        probabilities[:20], features[:20] = probabilities[0], features[0]
        probabilities[20:], features[20:] = probabilities[20], features[20]
    picked = badge(Signals(40, probabilities=probabilities, features=features), k, rng())
    assert picked.dtype == np.int64
    assert len(set(picked.tolist())) == k
    if case == "two points" and k > 1:
        assert len(set((picked[:2] < 20).tolist())) == 2  # a copy is no new gradient, rounding or not


@pytest.mark.usefixtures("many_calls")
def test_badge_draws_the_rest_evenly_where_no_gradient_differs():
    signals = Signals(6, probabilities=np.full((6, 2), 0.5, np.float32), features=np.ones((6, 3), np.float32))
    generator = rng()
    counts = np.bincount(np.concatenate([badge(signals, 2, generator)[1:] for _ in range(2000)]), minlength=6)
    assert counts[0] == 0
    assert np.abs(counts[1:] - 400).max() < 100  # standard deviation 18


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("offset", [0.0, 30.0])
def test_badge_keeps_its_distances_where_products_cancel(scale, offset):
    # copies of a few gradients far from the origin: distances are small differences of big squares
    signals = random_signals(5, 4, 300)
    copies = np.repeat(np.arange(5), 50)
    features = ((signals.features + offset) * scale).astype(np.float32)[copies]
    watched = Watched()
    copied = Signals(250, probabilities=signals.probabilities[copies], features=features)
    picked = badge(copied, 8, watched)  # type: ignore[arg-type]
    assert sorted(copies[picked[:5]]) == list(range(5))
    assert [p is None for p in watched.given] == [False] * 4 + [True] * 3  # rounding is no distance to draw by


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_badge_takes_other_floats(dtype):
    signals = random_signals(30, 4, 6)
    as_dtype = Signals(
        30, probabilities=signals.probabilities.astype(dtype), features=(signals.features * 100).astype(dtype)
    )
    picked = badge(as_dtype, 10, rng())
    rounded = Signals(
        30,
        probabilities=as_dtype.probabilities.astype(np.float32),
        features=as_dtype.features.astype(np.float32),
    )
    assert picked.tolist() == badge(rounded, 10, rng()).tolist()


def test_badge_reads_memory_mapped_files_and_repeats_with_its_seed(tmp_path):
    signals = random_signals(100, 4, 6)
    np.save(tmp_path / "probabilities.npy", signals.probabilities)
    np.save(tmp_path / "features.npy", signals.features)
    mapped = Signals(
        100,
        probabilities=np.load(tmp_path / "probabilities.npy", mmap_mode="r"),
        features=np.load(tmp_path / "features.npy", mmap_mode="r"),
    )
    probabilities, features = signals.probabilities.copy(), signals.features.copy()
    picked = badge(signals, 20, rng())
    assert picked.tolist() == badge(mapped, 20, rng()).tolist()
    assert picked.tolist() != badge(signals, 20, rng(8)).tolist()
    assert (signals.probabilities == probabilities).all()
    assert (signals.features == features).all()


def test_badge_edges():
    assert badge(random_signals(1, 3, 4), 1, rng()).tolist() == [0]
    assert sorted(badge(random_signals(25, 3, 4), 25, rng())) == list(range(25))
    assert badge.needs == {"probabilities", "features"}


def test_badge_does_not_form_the_gradients():
    signals = random_signals(2000, 50, 256)  # 102 MB of gradients
    tracemalloc.start()
    badge(signals, 5, rng())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4e6
