"""The families of strategies, and one without any score: what is offered there, and what is refused."""

import pytest

from hfal.errors import ArgumentError
from hfal.strategies import SCORES, SELECTIONS, Hybrid, badge, entropy, kmeans, needs, power, random, resolve_strategy
from hfal.strategies.registry import FAMILIES, Family
from hfal.strategies.selection import SIGNALS


@pytest.fixture
def without_scores(monkeypatch: pytest.MonkeyPatch) -> str:
    selections = {"random": random, "kmeans": kmeans, "power": power}
    family = Family("answers", (), frozenset({"scores", "embeddings", "labeled_embeddings"}), {}, selections)
    monkeypatch.setitem(FAMILIES, "nothing", family)
    return "nothing"


def test_scores_and_selections_are_those_of_the_families():
    assert {name: (family.scores, family.selections) for name, family in FAMILIES.items()} == {
        name: (SCORES[name], SELECTIONS[name]) for name in SCORES
    }
    assert FAMILIES["classes"].signals == {*SIGNALS}


@needs("embeddings")
def first(signals, k, rng):
    return list(range(k))


@needs("embeddings")
def norm(signals):
    return abs(signals.embeddings).sum(axis=1)


@pytest.mark.parametrize("strategy", ["random", "kmeans", first, norm, Hybrid(norm, "power"), Hybrid(norm, kmeans)])
def test_a_family_without_scores_has_selections_and_scores_of_signals(strategy, without_scores):
    assert resolve_strategy(strategy, without_scores).score is None


def test_functions_that_declare_nothing_are_given_what_there_is(without_scores):
    def select(signals, k, rng):
        return list(range(k))

    assert resolve_strategy(select, without_scores).needs == {"embeddings"}
    assert resolve_strategy(select, "labels").needs == {"embeddings", "probabilities"}


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        ("entropy", "'entropy' is for classes and labels and words, and this is nothing: take one of random, kmeans$"),
        ("margin+kmeans", "'margin' is for classes and labels and words, and this is nothing: take one of random, km"),
        ("badge", "'badge' is for classes, and this is nothing: take one of random, kmeans$"),
        ("kmeens", "unknown strategy 'kmeens'. Did you mean 'kmeans'"),
        ("power", r"nothing gives them: pass Hybrid\(score, power\) with the score to use$"),
        (badge, "'badge' needs features, probabilities, which this task does not give: it can read embeddings, lab"),
        (entropy, r"strategy 'entropy' scores batches, .* expected score\(signals\) or select\(signals, k, rng\)"),
        (Hybrid(lambda draws: draws, "power"), "scores batches, but here no probabilities are to be had"),
    ],
)
def test_a_family_without_scores_refuses_what_reads_probabilities(strategy, message, without_scores):
    with pytest.raises(ArgumentError, match=message):
        resolve_strategy(strategy, without_scores)


def test_a_strategy_that_words_do_not_have_is_answered_by_those_that_they_have(monkeypatch):
    monkeypatch.setitem(FAMILIES["classes"].scores, "ratio", entropy)
    with pytest.raises(ArgumentError, match="'ratio' is for classes, and this is words: take one of entropy, least_c"):
        resolve_strategy("ratio", "words")
