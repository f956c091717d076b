"""Strategies that look at predicted classes."""

import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, linkage

from hfal.strategies import Signals, class_balanced, cluster_margin


def rng(seed: int = 7) -> np.random.Generator:
    return np.random.default_rng(seed)


# -- class-balanced ------------------------------------------------------------------------------------------------


def signals_of(n: int, rare: int, labels: list[int]) -> Signals:
    """Two classes, of which `rare` examples seem to be of the second."""
    positive = np.full(n, 0.1, np.float32)
    positive[:rare] = 0.9
    return Signals(
        n,
        scores=rng(1).random(n).astype(np.float32),
        probabilities=np.stack([1 - positive, positive], axis=1),
        labels=np.array(labels, np.int64),
    )


def test_classes_are_evened_out_with_the_best_of_each():
    known = signals_of(100, 20, [0] * 12 + [1] * 4)
    picked = class_balanced(known, 12, rng())
    rare = picked[picked < 20]
    assert len(rare) == 10  # 12 + 2 and 4 + 10
    common = picked[picked >= 20]
    assert rare.tolist() == np.argsort(-known.scores[:20])[:10].tolist()
    assert common.tolist() == (20 + np.argsort(-known.scores[20:])[:2]).tolist()
    assert (picked[:8] < 20).all()  # until there are as many


def test_a_class_that_runs_out_leaves_the_rest_to_the_others():
    assert (class_balanced(signals_of(100, 3, []), 20, rng()) < 3).sum() == 3
    assert sorted(class_balanced(signals_of(30, 3, [1]), 30, rng())) == list(range(30))


def test_random_counts_never_end_further_apart_than_the_best_choice():
    """Against the best of all choices, by brute force over how many of each class are taken."""
    generator = rng(3)
    for _ in range(50):
        classes, n = 3, 30
        predicted = generator.integers(classes, size=n)
        labels = generator.integers(classes, size=int(generator.integers(0, 15)))
        known = Signals(
            n,
            scores=generator.random(n),
            probabilities=np.eye(classes)[predicted] * 0.8 + 0.1,
            labels=labels,
        )
        k = int(generator.integers(1, 15))
        picked = class_balanced(known, k, rng())
        before = np.bincount(labels, minlength=classes)
        available = np.bincount(predicted, minlength=classes)
        reachable = [
            np.square(before + np.array([a, b, k - a - b])).sum()
            for a in range(min(k, available[0]) + 1)
            for b in range(min(k - a, available[1]) + 1)
            if k - a - b <= available[2]
        ]
        assert np.square(before + np.bincount(predicted[picked], minlength=classes)).sum() == min(reachable)


def test_one_class():
    known = Signals(5, scores=np.arange(5.0), probabilities=np.ones((5, 1)), labels=np.zeros(2, np.int64))
    assert class_balanced(known, 3, rng()).tolist() == [4, 3, 2]


# -- Cluster-Margin ------------------------------------------------------------------------------------------------


def test_candidates_are_the_smallest_margins_and_small_clusters_come_first():
    generator = rng(2)
    centers = np.eye(6, 16)
    cluster = np.repeat(np.arange(6), [2, 3, 5, 10, 15, 25])  # 60 uncertain ones: 10 k for k = 6
    points = np.concatenate(
        [centers[cluster] + 0.01 * generator.normal(size=(60, 16)), generator.normal(size=(300, 16))]
    )
    hesitation = np.concatenate([np.full(60, 0.01), np.full(300, 0.9)])
    p = np.stack([(1 + hesitation) / 2, (1 - hesitation) / 2], axis=1)
    order = generator.permutation(360)
    known = Signals(360, probabilities=p[order].astype(np.float32), embeddings=points[order].astype(np.float32))
    picked = order[cluster_margin(known, 6, rng())]
    assert cluster[picked].tolist() == [0, 1, 2, 3, 4, 5]


def test_round_robin_over_clusters_that_scipy_finds_too():
    points = rng(4).normal(size=(80, 3)).astype(np.float32)
    p = np.full((80, 2), 0.5, np.float32)
    k = 8
    picked = cluster_margin(Signals(80, probabilities=p, embeddings=points), k, rng())
    unit = points / np.linalg.norm(points, axis=1, keepdims=True)
    cluster = fcluster(linkage(unit.astype(float), "average"), k, "maxclust")
    sizes = [np.sum(cluster == cluster[row]) for row in picked]
    assert len(set(cluster[picked])) == k
    assert sizes == sorted(sizes)


def test_when_there_are_fewer_clusters_than_examples_asked_the_clusters_have_a_second_turn():
    points = np.repeat(np.eye(2, 4, dtype=np.float32), [1, 29], axis=0)
    p = np.full((30, 2), 0.5, np.float32)
    picked = cluster_margin(Signals(30, probabilities=p, embeddings=points), 5, rng())
    assert 0 in picked
    assert len(set(picked.tolist())) == 5


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_identical_embeddings_and_certain_predictions_give_k_rows(value):
    for dtype in (np.float32, np.float16):
        known = Signals(30, probabilities=np.eye(2, dtype=dtype)[[0] * 30], embeddings=np.full((30, 4), value, dtype))
        assert len(set(cluster_margin(known, 7, rng()).tolist())) == 7
        assert sorted(cluster_margin(known, 30, rng())) == list(range(30))
    one = Signals(1, probabilities=np.ones((1, 1)), embeddings=np.ones((1, 4)))
    assert cluster_margin(one, 1, rng()).tolist() == [0]
