"""The names of strategies, and what is said of a name that is none."""

import pytest

from hfal import Hybrid, LabelScore, TokenScore, needs
from hfal.errors import ArgumentError
from hfal.strategies import SCORES, SELECTIONS, badge, entropy, resolve_strategy
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
