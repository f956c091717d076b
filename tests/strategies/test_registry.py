"""The names of strategies, the families that have them, and what is said of a name that is none."""

import pytest

from hfal import LabelScore, TokenScore
from hfal.errors import ArgumentError
from hfal.strategies import SCORES, SELECTIONS, Hybrid, badge, entropy, kmeans, needs, power, random, resolve_strategy
from hfal.strategies.registry import FAMILIES, Family
from hfal.strategies.selection import SIGNALS
from hfal.tasks.kinds import TASK_OF_FAMILY


@pytest.mark.parametrize(
    "name", ["badge", "cluster_margin", "batchbald", "entropy+class_balanced", "epig", "cal", "cal+kmeans"]
)
def test_strategies_of_classes_are_refused_for_words_with_what_to_use_instead(name):
    with pytest.raises(ArgumentError, match=r"is for text_classification, and this is token_classification: '"):
        resolve_strategy(name, "words", called=TASK_OF_FAMILY)


@pytest.mark.parametrize(
    ("name", "near"),
    [("entropi", "entropy"), ("Margin", "margin"), ("least-confidence", "least_confidence"),
     ("margn+kmeans", "margin"), ("margin+kmean", "kmeans"), ("k-means", "kmeans")],
)  # fmt: skip
def test_an_unknown_name_offers_the_nearest(name, near):
    with pytest.raises(ValueError, match=f"unknown .* Did you mean '{near}'"):
        resolve_strategy(name)


def test_names_are_those_of_the_functions():
    for family, scores in SCORES.items():
        for name, score in scores.items():
            assert isinstance(score, TokenScore | LabelScore) or score.__name__ == name
            assert resolve_strategy(name, family).name in (name, f"{name}(mean)")
        for name, select in SELECTIONS[family].items():
            assert getattr(select, "name", None) == name or select.__name__ == name


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        (
            "bald",
            "'bald' is for text_classification and token_classification, .* 'entropy' takes each label by itself",
        ),
        ("vote_entropy", "'entropy' takes each label by itself"),
        ("mean_kl", "'entropy' takes each label by itself"),
        ("epig", "'entropy' takes each label by itself"),
        ("cal", r"this is multi_label_classification: 'entropy\+kmeans'"),
        ("badge", r"this is multi_label_classification: 'entropy\+kmeans'"),
        ("cluster_margin", r"this is multi_label_classification: 'entropy\+kmeans'"),
        ("entropy+batchbald", r"this is multi_label_classification: 'entropy\+kmeans'"),
        ("entropy+class_balanced", r"this is multi_label_classification: 'entropy\+kmeans'"),
        ("mnlp", "'mnlp' is for token_classification, .*: 'least_confidence'"),
        ("entrophy", "Did you mean 'entropy'"),
        (entropy, "'entropy' is for text_classification, .* which one of the classes is right; 'entropy' takes each"),
        (badge, r"'badge' is for text_classification, and this is multi_label_classification: 'entropy\+kmeans'"),
        (Hybrid("entropy", badge), "'badge' is for text_classification"),
        (TokenScore("margin"), "is a score of words: take 'margin' here"),
        (needs("labels")(lambda signals, k, rng: None), "needs labels, one class for each labeled example"),
        (lambda probabilities, mask: None, r"takes 2 arguments, expected score\(probabilities\) with one"),
    ],
)
def test_what_is_of_classes_or_words_is_refused_with_what_to_use_instead(strategy, message):
    with pytest.raises(ArgumentError, match=message):
        resolve_strategy(strategy, "labels", called=TASK_OF_FAMILY)


# -- families --------------------------------------------------------------------------------------------------------


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
