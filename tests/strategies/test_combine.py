"""Ranks, subsets, schedules, hybrids: what they are made of and what they refuse."""

from functools import partial

import numpy as np
import pytest
import torch

from hfal import Hybrid, Ranks, Schedule, Signals, Subset, TokenScore, needs
from hfal.errors import ArgumentError, StrategyError
from hfal.strategies import (
    bald,
    density,
    entropy,
    kmeans,
    least_confidence,
    margin,
    power,
    resolve_schedule,
    resolve_strategy,
    softmax,
    top_k,
)
from hfal.strategies.scores import call_score, reads, reads_draws
from hfal.tasks.kinds import TASK_OF_FAMILY


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


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


@pytest.mark.parametrize("scores", [np.zeros(2), np.zeros((3, 1)), np.array([0, np.nan, 1]), np.array([0, np.inf, 1])])
def test_scores_that_are_none_are_refused(scores):
    def wrong(signals: Signals) -> np.ndarray:
        return scores

    with pytest.raises(StrategyError, match="expected 3 finite numbers"):
        resolve_strategy(wrong).scored(Signals(3), rng())


def test_what_a_score_reads_is_told_by_the_names_of_its_parameters():
    assert not reads_draws(entropy)
    assert reads_draws(bald)
    assert reads_draws(TokenScore("bald"))
    assert not reads_draws(TokenScore("entropy"))
    assert reads(resolve_strategy(Ranks("bald", "vote_entropy")).score) == {"draws"}
    assert reads(resolve_strategy(Ranks("bald", "entropy")).score) == {"draws", "probabilities"}
    assert reads(TokenScore("bald", sure_outside=0.9)) == {"draws", "probabilities"}
    assert resolve_strategy("batchbald").draws
    assert not resolve_strategy("badge").draws
    p, d = torch.tensor([[0.5, 0.5]]), torch.tensor([[[0.4, 0.6]]])
    assert call_score(lambda anything: anything, p, d) is p
    assert call_score(lambda draws: draws, p, d) is d


def test_an_error_in_a_users_function_says_which_signals_it_was_given():
    @needs("probabilities")
    def forgot(signals: Signals, k: int, rng: np.random.Generator) -> np.ndarray:
        return np.argsort(signals.embeddings[:, 0])[:k]

    def misspelt(signals: Signals) -> np.ndarray:
        return signals.embedings[:, 0]

    known = Signals(3, probabilities=np.ones((3, 2)))
    for call in (
        lambda: resolve_strategy(forgot).pick(known, 1, rng()),
        lambda: resolve_strategy(misspelt).scored(known, rng()),
    ):
        with pytest.raises((TypeError, AttributeError)) as caught:
            call()
        assert "was given the signals probabilities; what it reads of scores, embeddings" in caught.value.__notes__[0]
    with pytest.raises(StrategyError, match="returned nothing, expected 1 integer rows"):
        resolve_strategy(lambda signals, k, rng: None).pick(known, 1, rng())
    with pytest.raises(ArgumentError, match="write their names"):
        needs(forgot)


# -- hybrids -------------------------------------------------------------------------------------------------------


def test_a_selection_that_reads_scores_sees_all_candidates_unless_told_otherwise():
    scores = np.linspace(0.1, 1, 100).astype(np.float32)
    seen = []

    @needs("scores")
    def watch(signals: Signals, k: int, rng: np.random.Generator) -> np.ndarray:
        seen.append(signals.size)
        return top_k(signals, k, rng)

    for hybrid in (Hybrid("margin", watch), Hybrid("margin", watch, candidate_factor=3)):
        resolve_strategy(hybrid).pick(Signals(100, scores=scores), 5, rng())
    assert seen == [100, 15]
    assert resolve_strategy("margin+density").select is density
    assert resolve_strategy("margin+power").select is power
    assert resolve_strategy("margin+kmeans").settings == {"candidate_factor": 10}


def test_a_subset_of_signals_keeps_what_is_known_of_the_labeled():
    known = Signals(3, scores=np.arange(3.0), embeddings=np.eye(3), labeled_embeddings=np.ones((7, 3)))
    some = known.rows(np.array([2, 0]))
    assert (some.size, some.scores.tolist(), some.labeled_embeddings.shape) == (2, [2, 0], (7, 3))
    assert some.embeddings.tolist() == [[0, 0, 1], [1, 0, 0]]
    assert some.probabilities is None


def test_functions_may_have_more_parameters_that_are_filled_already():
    def tempered(probabilities: torch.Tensor, temperature: float = 1.0) -> torch.Tensor:
        return probabilities[:, 0] ** temperature

    def both(probabilities: torch.Tensor, draws: torch.Tensor) -> torch.Tensor:
        return probabilities[:, 0] + draws[:, 0, 0]

    def of_words(probabilities: torch.Tensor, draws: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return probabilities[..., 0].sum(-1) + draws[..., 0, 0].sum(-1) + mask.sum(-1)

    p, d = torch.tensor([[0.25, 0.75]]), torch.tensor([[[0.5, 0.5]]])
    assert call_score(resolve_strategy(tempered).score, p, d).item() == 0.25
    squared = resolve_strategy(partial(tempered, temperature=2))
    assert (call_score(squared.score, p, d).item(), squared.name, squared.settings) == (
        0.0625,
        "tempered",
        {"temperature": 2},
    )
    strategy = resolve_strategy(both)
    assert strategy.draws
    assert call_score(strategy.score, p, d).item() == 0.75
    strategy = resolve_strategy(of_words, "words")
    assert call_score(strategy.score, p[None], d[None], torch.tensor([[True]])).item() == 1.75
    cold = resolve_strategy(Hybrid("margin", partial(softmax, beta=1e6)))
    assert (cold.name, cold.settings) == ("margin+softmax", {"beta": 1e6})
    scores = np.arange(30, dtype=np.float32) / 30
    assert cold.pick(Signals(30, scores=scores), 3, rng()).tolist() == [29, 28, 27]
    with pytest.raises(ArgumentError, match="takes 3 arguments"):
        resolve_strategy(of_words)  # of texts, which have no mask


@pytest.mark.parametrize(
    ("strategy", "message"),
    [("kmeans+margin", "'kmeans' selects, which stands behind the \\+, as in 'margin\\+kmeans'"),
     ("coreset", "Did you mean 'kcenter'"), ("PowerBALD", "Did you mean 'bald\\+power'"),
     ("breaking-ties", "Did you mean 'margin'"),
     (Hybrid(Subset("margin", 9), "kmeans"), "score is a Subset, expected a score function"),
     (Hybrid(Hybrid("margin", "kmeans"), "kcenter"), "score is a Hybrid, expected a score function"),
     (Hybrid(None, "kmeans"), "score is a NoneType, expected a score function"),
     (Hybrid("margin", None), "select is a NoneType, expected a select function"),
     (Ranks("margin", "kcenter"), "'kcenter' selects, which stands behind the"),
     ("margin+power+kmeans", "has 2 '\\+', expected one")],
)  # fmt: skip
def test_what_stands_in_the_wrong_place_is_told_where_it_belongs(strategy, message):
    with pytest.raises(ArgumentError, match=message):
        resolve_strategy(strategy)


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


def test_a_schedule_names_the_first_round_of_each_strategy():
    strategies = resolve_schedule(Schedule({4: "margin+kmeans", 1: Subset("typiclust", 900)}))
    assert [(number, strategy.name) for number, strategy in strategies.items()] == [
        (1, "typiclust"),
        (4, "margin+kmeans"),
    ]
    assert [*resolve_schedule("margin")] == [1]
    with pytest.raises(ArgumentError, match="put Subsets into it"):
        Subset(Schedule({1: "margin"}), 10)
    for wrong in (["margin"], {"1": "margin"}):
        with pytest.raises(ArgumentError, match="a dict of the number of a round"):
            Schedule(wrong)
    for rounds in ({2: "margin"}, {0: "margin", 1: "margin"}, {}):
        with pytest.raises(ArgumentError, match="expected one to be 1"):
            Schedule(rounds)
    with pytest.raises(ArgumentError, match="within a Schedule"):
        Schedule({1: Schedule({1: "margin"})})


# -- tasks ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["badge", "cluster_margin", "batchbald", "entropy+class_balanced", "epig", "cal", "cal+kmeans"]
)
def test_strategies_of_classes_are_refused_for_words_with_what_to_use_instead(name):
    with pytest.raises(ArgumentError, match=r"is for text_classification, and this is token_classification: '"):
        resolve_strategy(name, "words", called=TASK_OF_FAMILY)


def test_a_users_function_that_needs_classes_is_refused_for_words():
    @needs("probabilities", "features")
    def mine(signals: Signals, k: int, rng: np.random.Generator) -> np.ndarray:
        return np.arange(k)

    with pytest.raises(
        ArgumentError, match="'mine' needs features, probabilities, but what a model says of the words"
    ):
        resolve_strategy(mine, "words")


def test_functions_stand_for_themselves():
    assert resolve_strategy(margin).score is margin
    assert resolve_strategy(kmeans).select is kmeans
    assert resolve_strategy(Hybrid(least_confidence, kmeans)).name == "least_confidence+kmeans"
