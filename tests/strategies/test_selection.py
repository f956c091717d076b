"""Select functions, hybrids and the names that users write."""

import numpy as np
import pytest
import torch

from hfal.errors import StrategyError
from hfal.strategies import Hybrid, Signals, entropy, margin, needs, resolve_strategy, stratified, top_k
from hfal.strategies import random as random_selection


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def clustered(clusters: int, per_cluster: int, spread: float = 0.02) -> tuple[np.ndarray, np.ndarray]:
    """Points around well separated directions, and the cluster of each."""
    generator = np.random.default_rng(1)
    centres = np.eye(clusters, 16)
    cluster = np.repeat(np.arange(clusters), per_cluster)
    points = centres[cluster] + spread * generator.normal(size=(len(cluster), 16))
    return points.astype(np.float32), cluster


def test_top_k_is_a_stable_descending_sort():
    scores = np.array([0.1, 0.9, 0.5, 0.9, 0.5], np.float32)
    assert top_k(Signals(5, scores=scores), 4, rng()).tolist() == [1, 3, 2, 4]


def test_random_draws_without_replacement_and_repeats_with_its_seed():
    first, second = (random_selection(Signals(50), 20, rng()) for _ in range(2))
    assert first.tolist() == second.tolist()
    assert len(set(first.tolist())) == 20


def test_random_is_uniform():
    generator = rng()
    counts = np.zeros(10)
    for _ in range(3000):
        counts[random_selection(Signals(10), 3, generator)] += 1
    # 900 expected each, standard deviation 25: five of them
    assert np.abs(counts - 900).max() < 125


def test_a_hybrid_selects_among_the_best_candidates_and_asks_the_best_first():
    points, cluster = clustered(10, 30)
    scores = np.random.default_rng(3).random(300).astype(np.float32)
    strategy = resolve_strategy(Hybrid("margin", "kmeans", candidate_factor=5))
    picked = strategy.pick(Signals(300, scores=scores, embeddings=points), 10, rng())
    assert set(picked) <= set(np.argsort(-scores)[:50])
    assert scores[picked].tolist() == sorted(scores[picked], reverse=True)
    # spread over the clusters, which the ten highest scores alone are not
    assert len(set(cluster[picked])) > len(set(cluster[np.argsort(-scores)[:10]]))


def test_names_stand_for_functions_and_declare_what_they_need():
    assert resolve_strategy("entropy").score is entropy
    assert resolve_strategy("entropy").needs == {"scores"}
    assert resolve_strategy("random").needs == set()
    assert resolve_strategy("kmeans").needs == {"embeddings"}
    assert resolve_strategy("margin+kmeans").needs == {"scores", "embeddings"}
    assert resolve_strategy("margin+kmeans").score is margin
    assert resolve_strategy("entropy + kmeans").name == "entropy+kmeans"


def test_a_users_own_functions_need_no_registration():
    def doubt(probabilities: torch.Tensor) -> torch.Tensor:
        return 1 - probabilities[:, 0]

    def first(signals: Signals, k: int, rng: np.random.Generator) -> np.ndarray:
        return np.arange(k)

    assert resolve_strategy(doubt).name == "doubt"
    assert resolve_strategy(doubt).needs == {"scores"}
    assert resolve_strategy(first).needs == {"probabilities", "embeddings"}
    assert resolve_strategy(needs("probabilities")(first)).needs == {"probabilities"}
    assert resolve_strategy(Hybrid(doubt, first)).name == "doubt+first"


@pytest.mark.parametrize(
    ("name", "near"),
    [("entropi", "entropy"), ("Margin", "margin"), ("least-confidence", "least_confidence"),
     ("margn+kmeans", "margin"), ("margin+kmean", "kmeans"), ("k-means", "kmeans")],
)  # fmt: skip
def test_an_unknown_name_offers_the_nearest(name, near):
    with pytest.raises(ValueError, match=f"unknown .* Did you mean '{near}'"):
        resolve_strategy(name)


def test_what_is_no_strategy_is_refused():
    with pytest.raises(TypeError, match="expected a name, a function or a Hybrid"):
        resolve_strategy(3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="takes 2 arguments"):
        resolve_strategy(lambda signals, k: None)
    with pytest.raises(ValueError, match=r"pass Hybrid\(score, top_k\)"):
        resolve_strategy(top_k)
    with pytest.raises(ValueError, match="score 'top_k' takes 3 arguments"):
        resolve_strategy(Hybrid(top_k, "kmeans"))
    with pytest.raises(ValueError, match="select 'margin' takes 1 arguments"):
        resolve_strategy(Hybrid("margin", margin))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="candidate_factor=0"):
        Hybrid("margin", "kmeans", candidate_factor=0)
    with pytest.raises(ValueError, match="unknown signals"):
        needs("embedings")


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [([0, 0, 1], "more than once"), ([0, 1], "expected 3 integer rows"), ([0, 1, 10], "the signals have 10 rows"),
     ([-1, 0, 1], "the signals have 10 rows"), ([0.0, 1.0, 2.0], "expected 3 integer rows")],
)  # fmt: skip
def test_a_strategy_that_returns_no_query_is_an_error(answer, complaint):
    def faulty(signals, k, rng):
        return np.array(answer)

    with pytest.raises(StrategyError, match=complaint):
        resolve_strategy(faulty).pick(Signals(10), 3, rng())


def test_stratified_gives_every_class_its_share_and_rare_ones_one():
    labels = np.array([0] * 70 + [1] * 27 + [2] * 3)
    picked = stratified(labels, 20, rng())
    assert len(set(picked.tolist())) == 20
    counts = np.bincount(labels[picked], minlength=3)
    assert counts[2] == 1
    assert abs(counts[0] - 14) <= 1
    assert abs(counts[1] - 5.4) <= 1
    assert sorted(labels[stratified(labels, 3, rng())]) == [0, 1, 2]
    assert sorted(stratified(labels, 100, rng())) == list(range(100))
