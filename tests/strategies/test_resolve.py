"""What names, functions and their combinations mean as strategies, and what is refused."""

from functools import partial

import numpy as np
import pytest
import torch

from hfal import Hybrid, LabelRank, LabelScore, Ranks, Schedule, Signals, Subset, needs
from hfal.errors import ArgumentError, StrategyError
from hfal.strategies import (
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
from hfal.strategies.scores import call_score
from support.chance import rng


@pytest.mark.parametrize("scores", [np.zeros(2), np.zeros((3, 1)), np.array([0, np.nan, 1]), np.array([0, np.inf, 1])])
def test_scores_that_are_none_are_refused(scores):
    def wrong(signals: Signals) -> np.ndarray:
        return scores

    with pytest.raises(StrategyError, match="expected 3 finite numbers"):
        resolve_strategy(wrong).scored(Signals(3), rng())


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


@pytest.mark.parametrize("family", ["classes", "words"])
@pytest.mark.parametrize("score", [LabelScore("margin"), LabelRank("margin")])
def test_scores_of_sets_are_refused_elsewhere(family, score):
    with pytest.raises(ArgumentError, match="is a score of sets of labels: take 'margin' here"):
        resolve_strategy(score, family)
