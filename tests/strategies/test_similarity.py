"""What is near in the embedding space, by brute force on small inputs."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import entropy as kullback_leibler

from hfal.errors import StrategyError
from hfal.strategies import Signals, cal, density, neighbors
from hfal.strategies.similarity import best_distinct, mean_similarity
from support.chance import rng


def embeddings(n: int, seed: int = 0) -> np.ndarray:
    return rng(seed).normal(size=(n, 12)).astype(np.float32)


def probabilities(n: int, seed: int = 0, classes: int = 4) -> np.ndarray:
    return rng(seed).dirichlet(np.full(classes, 0.3), n).astype(np.float32)


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return 1 - cdist(a.astype(float), b.astype(float), "cosine")


# -- copies --------------------------------------------------------------------------------------------------------


def test_copies_are_left_out_while_there_is_something_else():
    points = embeddings(40)
    copied = np.concatenate([points, np.repeat(points[:10], 30, axis=0)]) * rng(2).uniform(0.5, 2, (340, 1))
    copied += 1e-7 * rng(3).normal(size=copied.shape)  # as padding rounds them
    scores = np.concatenate([np.linspace(1, 0, 40), np.repeat(np.linspace(1, 0, 40)[:10], 30)])
    order = rng(4).permutation(340)
    text = np.concatenate([np.arange(40), np.repeat(np.arange(10), 30)])[order]
    rows = best_distinct(scores[order], copied[order].astype(np.float32), 20, 5)
    assert sorted(text[rows]) == list(range(20))
    assert rows.tolist() == sorted(rows)
    everything = best_distinct(scores[order], copied[order].astype(np.float32), 300, 60)
    assert len(everything) == 60
    assert set(text[everything]) == set(range(40))
    assert len(best_distinct(scores[order], copied[order].astype(np.float32), 300, 5)) == 40


def test_copies_across_blocks():
    points = np.repeat(embeddings(3), 1000, axis=0)
    rows = best_distinct(np.arange(3000.0), points, 5, 2)
    assert rows.tolist() == [999, 1999, 2999]


# -- density -------------------------------------------------------------------------------------------------------


def test_mean_similarity_is_the_mean_over_all_pairs():
    points = embeddings(80)
    np.testing.assert_allclose(mean_similarity(points), cosines(points, points).mean(axis=1), atol=1e-6)


def test_density_ranks_by_the_product_and_leaves_an_uncertain_outlier():
    points = embeddings(80) + 2  # all on one side
    scores = rng(1).random(80).astype(np.float32)
    points[17] = -points[17]
    scores[17] = 1
    picked = density(Signals(80, scores=scores, embeddings=points), 10, rng())
    product = scores * np.clip(cosines(points, points).mean(axis=1), 0, None)
    assert picked.tolist() == np.argsort(-product)[:10].tolist()
    assert 17 not in density(Signals(80, scores=scores, embeddings=points), 79, rng())


def test_density_refuses_negative_scores_and_takes_a_power_of_the_similarity():
    points = embeddings(30) + 2
    with pytest.raises(StrategyError, match=r"the lowest is -0.1: use one that is never below 0"):
        density(Signals(30, scores=np.full(30, -0.1), embeddings=points), 3, rng())
    known = Signals(30, scores=rng(1).random(30), embeddings=points)
    similarity = cosines(points, points).mean(axis=1)
    assert density(known, 5, rng(), beta=3).tolist() == np.argsort(-known.scores * similarity**3)[:5].tolist()


# -- contrastive active learning -----------------------------------------------------------------------------------


def reference_cal(p, e, labeled_p, labeled_e, k=10) -> np.ndarray:
    scores = []
    for row in range(len(p)):
        nearest = np.argsort(-cosines(e[row : row + 1], labeled_e)[0])[:k]
        scores.append(np.mean([kullback_leibler(labeled_p[i].astype(float), p[row].astype(float)) for i in nearest]))
    return np.array(scores)


@pytest.mark.parametrize("labeled", [1, 6, 40])
def test_cal_is_the_mean_divergence_from_the_nearest_labeled_examples(labeled):
    p, e = probabilities(50), embeddings(50)
    labeled_p, labeled_e = probabilities(labeled, 1), embeddings(labeled, 1)
    found = cal(
        Signals(50, probabilities=p, embeddings=e, labeled_probabilities=labeled_p, labeled_embeddings=labeled_e)
    )
    np.testing.assert_allclose(found, reference_cal(p, e, labeled_p, labeled_e), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_cal_with_certain_predictions_and_zero_embeddings_is_finite(dtype):
    certain = np.eye(3, dtype=dtype)[[0, 1, 2, 0]]
    known = Signals(
        4,
        probabilities=certain,
        embeddings=np.zeros((4, 5), dtype),
        labeled_probabilities=certain[:1],
        labeled_embeddings=np.zeros((1, 5), dtype),
    )
    scores = cal(known)
    assert np.isfinite(scores).all()
    assert scores[0] == scores[3] == 0
    assert min(scores[1], scores[2]) > 10


def test_cal_without_labeled_examples_scores_nothing():
    nothing = {"labeled_probabilities": np.empty((0, 4)), "labeled_embeddings": np.empty((0, 12))}
    assert cal(Signals(5, probabilities=probabilities(5), embeddings=embeddings(5), **nothing)).tolist() == [0] * 5


# -- neighbors of the labeled --------------------------------------------------------------------------------------


def reference_neighbors(e, labeled_e, k) -> list[int]:
    similarity = cosines(e, labeled_e)
    order = np.argsort(-similarity, axis=0, kind="stable")
    picked: list[int] = []
    for place in range(len(e)):
        rows = sorted(order[place], key=lambda row: -similarity[row, list(order[place]).index(row)])
        picked += [row for row in dict.fromkeys(rows) if row not in picked]
    return picked[:k]


@pytest.mark.parametrize(("labeled", "k"), [(1, 10), (5, 20), (30, 25)])
def test_neighbors_go_from_the_nearest_of_each_to_the_next(labeled, k):
    e, labeled_e = embeddings(200), embeddings(labeled, 1)
    picked = neighbors(Signals(200, embeddings=e, labeled_embeddings=labeled_e), k, rng())
    assert picked.tolist() == reference_neighbors(e, labeled_e, k)


def test_neighbors_in_several_blocks_are_those_in_one(monkeypatch):
    e, labeled_e = embeddings(500), embeddings(8, 1)
    known = Signals(500, embeddings=e, labeled_embeddings=labeled_e)
    whole = neighbors(known, 40, rng())
    monkeypatch.setattr("hfal.strategies.similarity._SIMILARITIES", 8 * 90)
    assert neighbors(known, 40, rng()).tolist() == whole.tolist()


def test_neighbors_that_all_share_are_followed_by_the_nearest_of_the_others():
    e = embeddings(60)
    labeled_e = np.repeat(embeddings(1, 3), 20, axis=0)  # twenty times the same: lists of 4 * 30 / 20 = 6 rows
    picked = neighbors(Signals(60, embeddings=e, labeled_embeddings=labeled_e), 30, rng())
    assert picked.tolist() == np.argsort(-cosines(e, labeled_e)[:, 0], kind="stable")[:30].tolist()


def test_neighbors_follow_the_embeddings_of_the_round():
    """Not an index that was built with the first round's embeddings and is asked with the fifth's."""
    labeled = np.array([[1, 0]], np.float32)
    first = np.array([[1, 0.1], [0, 1], [-1, 0]], np.float32)
    for then in (first, first[[2, 0, 1]], first[[1, 2, 0]]):
        picked = neighbors(Signals(3, embeddings=then, labeled_embeddings=labeled), 1, rng())
        assert picked.tolist() == [int(np.argmax(cosines(then, labeled)[:, 0]))]


def test_neighbors_edges():
    e = embeddings(9)
    assert sorted(neighbors(Signals(9, embeddings=e, labeled_embeddings=e[:0]), 4, rng())) == sorted(
        neighbors(Signals(9, embeddings=e), 4, rng())
    )
    assert sorted(neighbors(Signals(9, embeddings=e, labeled_embeddings=e[:2]), 9, rng())) == list(range(9))
    zeros = np.zeros((9, 3), np.float16)
    assert len(set(neighbors(Signals(9, embeddings=zeros, labeled_embeddings=zeros[:2]), 5, rng()).tolist())) == 5
