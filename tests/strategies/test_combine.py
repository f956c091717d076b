"""Ranks, hybrids and subsets: what they are made of and what they refuse."""

import numpy as np
import pytest
import torch

from hfal import Hybrid, Ranks, Signals, Subset, TokenScore, needs
from hfal.errors import ArgumentError
from hfal.strategies import bald, entropy, resolve_strategy
from hfal.strategies.scores import call_score
from support.chance import rng


# -- ranks ---------------------------------------------------------------------------------------------------------


@needs("embeddings")
def first_coordinate(signals: Signals) -> np.ndarray:
    return signals.embeddings[:, 0]


def test_a_sum_of_ranks_by_hand():
    strategy = resolve_strategy(Ranks("entropy", "margin", weights=(3, 1)))
    assert strategy.name == "ranks(entropy, margin)"
    assert strategy.settings == {"weights": [3.0, 1.0], "combine": "sum"}
    scores = np.array([[0.1, 30], [0.5, 20], [0.5, 10], [0.9, 0]], np.float32)
    known = strategy.scored(Signals(4, scores=scores), rng())
    # Ranks by the first: 4, 2.5, 2.5, 1; by the second: 1, 2, 3, 4; of four.
    expected = 1 - (3 * np.array([4, 2.5, 2.5, 1]) + np.array([1, 2, 3, 4])) / 16
    np.testing.assert_allclose(known.scores, expected)
    assert strategy.pick(known, 2, rng()).tolist() == [3, 1]


def test_a_product_of_ranks_by_hand():
    strategy = resolve_strategy(Ranks("entropy", "margin", combine="product"))
    known = strategy.scored(Signals(3, scores=np.array([[3, 1], [2, 2], [1, 3]], np.float32)), rng())
    np.testing.assert_allclose(known.scores, 1 - np.sqrt([1 * 3, 2 * 2, 3 * 1]) / 3)
    assert strategy.pick(known, 1, rng()).tolist() == [0]  # near the top of one list rather than in the middle of both


def test_ranks_join_scores_of_batches_of_draws_and_of_arrays_in_one_pass():
    strategy = resolve_strategy(Ranks("entropy", first_coordinate, "bald"))
    assert strategy.needs == {"scores", "embeddings"}
    assert strategy.draws
    p = torch.tensor([[0.5, 0.5], [0.9, 0.1], [0.8, 0.2]])
    draws = torch.tensor([[[0.5, 0.5], [0.5, 0.5]], [[0.9, 0.1], [0.1, 0.9]], [[0.8, 0.2], [0.8, 0.2]]])
    streamed = call_score(strategy.score, p, draws)
    assert torch.equal(streamed, torch.stack([entropy(p), bald(draws)], dim=1))
    known = Signals(3, scores=streamed.numpy(), embeddings=np.array([[3.0], [1.0], [2.0]]))
    # entropy: 1, 3, 2; coordinate: 1, 3, 2; bald: rows 0 and 2 tie
    np.testing.assert_allclose(
        strategy.scored(known, rng()).scores, 1 - np.array([1 + 1 + 2.5, 3 + 3 + 1, 2 + 2 + 2.5]) / 9, atol=1e-6
    )


def test_ranks_may_stand_before_a_selection():
    strategy = resolve_strategy(Hybrid(Ranks("entropy", "least_confidence"), "kmeans", candidate_factor=2))
    assert strategy.name == "ranks(entropy, least_confidence)+kmeans"
    scores = np.stack([np.arange(40.0), np.arange(40.0)], axis=1)
    known = strategy.scored(Signals(40, scores=scores, embeddings=rng().normal(size=(40, 4))), rng())
    assert strategy.pick(known, 5, rng()).min() >= 30


def test_ranks_of_words():
    strategy = resolve_strategy(Ranks("mnlp", TokenScore("bald", "max")), "words")
    assert strategy.draws
    p = torch.rand(2, 3, 4).softmax(-1)
    draws = torch.rand(2, 3, 5, 4).softmax(-1)
    assert call_score(strategy.score, p, draws, torch.ones(2, 3, dtype=torch.bool)).shape == (2, 2)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [((), {}, "no scores"), (("entropy",), {"weights": (1, 2)}, "expected 1 positive"),
     (("entropy", "margin"), {"weights": (1, 0)}, "expected 2 positive"),
     (("entropy", "margin"), {"weights": (1, float("nan"))}, "expected 2 positive"),
     (("entropy",), {"combine": "max"}, "expected 'sum' or 'product'"),
     (("entropy", Ranks("margin")), {}, "write one with all scores"),
     ((["entropy", "margin"],), {}, "is a list, expected a score function or its name"),
     (("entropy", Hybrid("margin", "kmeans")), {}, "is a Hybrid, expected a score function or its name")],
)  # fmt: skip
def test_ranks_that_make_no_sense(arguments, options, message):
    with pytest.raises(ArgumentError, match=message):
        Ranks(*arguments, **options)


# -- scores of arrays ----------------------------------------------------------------------------------------------


def test_a_score_of_arrays_may_stand_alone_and_before_a_selection():
    alone = resolve_strategy(first_coordinate)
    assert (alone.name, alone.score, alone.needs) == ("first_coordinate", None, {"embeddings"})
    known = alone.scored(Signals(3, embeddings=np.array([[1.0], [3.0], [2.0]])), rng())
    assert alone.pick(known, 2, rng()).tolist() == [1, 2]
    assert resolve_strategy(Hybrid(first_coordinate, "power")).needs == {"embeddings"}
    assert resolve_strategy(Hybrid("cal", "kmeans")).needs == {
        "probabilities",
        "embeddings",
        "labeled_probabilities",
        "labeled_embeddings",
    }


# -- subsets and schedules -----------------------------------------------------------------------------------------


def test_a_subset_says_how_candidates_are_chosen():
    strategy = resolve_strategy(Subset("margin+kmeans", 500, by="neighbors"))
    assert strategy.name == "margin+kmeans"
    assert strategy.settings == {"candidate_factor": 10, "subset": 500, "subset_by": "neighbors"}
    assert (strategy.among.size, strategy.among.needs) == (500, {"embeddings", "labeled_embeddings"})
    assert resolve_strategy(Subset("margin", 500)).among.needs == set()
    for size in (0, 0.5):
        with pytest.raises(ArgumentError, match=f"size={size}, expected a whole number"):
            Subset("margin", size)
    with pytest.raises(ArgumentError, match="Subset of a Subset"):
        Subset(Subset("margin", 10), 5)
    with pytest.raises(ArgumentError, match="by='power' reads scores"):
        resolve_strategy(Subset("margin", 10, by="power"))


def clustered(clusters: int, per_cluster: int, spread: float = 0.02) -> tuple[np.ndarray, np.ndarray]:
    """Points around well separated directions, and the cluster of each."""
    generator = np.random.default_rng(1)
    centres = np.eye(clusters, 16)
    cluster = np.repeat(np.arange(clusters), per_cluster)
    points = centres[cluster] + spread * generator.normal(size=(len(cluster), 16))
    return points.astype(np.float32), cluster


def test_a_hybrid_selects_among_the_best_candidates_and_asks_the_best_first():
    points, cluster = clustered(10, 30)
    scores = np.random.default_rng(3).random(300).astype(np.float32)
    strategy = resolve_strategy(Hybrid("margin", "kmeans", candidate_factor=5))
    picked = strategy.pick(Signals(300, scores=scores, embeddings=points), 10, rng())
    assert set(picked) <= set(np.argsort(-scores)[:50])
    assert scores[picked].tolist() == sorted(scores[picked], reverse=True)
    # spread over the clusters, which the ten highest scores alone are not
    assert len(set(cluster[picked])) > len(set(cluster[np.argsort(-scores)[:10]]))
