"""Scores for asking again, against cleanlab and what is counted by hand."""

import numpy as np
import pytest

from hfal.errors import ArgumentError
from hfal.tasks.asking_again import ask_again_scores
from support.noisy_people import correct_counts, of_cleanlab


def drawn(seed: int, classes: int, opinions_each: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Opinions int[60, 5] and a model's probabilities; 20 rows have no opinions, and one annotator shares no row."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(classes, size=60)
    right = rng.random((60, 5)) < rng.uniform(0, 1, 5)
    opinions = np.where(right, truth[:, None], rng.integers(classes, size=(60, 5)))
    order = rng.random((60, 5)).argsort(axis=1)
    opinions[order >= (opinions_each or rng.integers(1, 6, size=(60, 1)))] = -1
    opinions[35:40, :4] = opinions[:35, 4] = opinions[40:] = -1
    opinions[35:40, 4] = truth[35:40]
    probabilities = rng.dirichlet(np.full(classes, 2), 60) + np.eye(classes)[truth] / 2
    return opinions, probabilities / probabilities.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("seed", range(5))
def test_scores_are_those_of_cleanlab(seed, classes, monkeypatch):
    correct_counts(monkeypatch)
    opinions, probabilities = drawn(seed, classes)
    assert ask_again_scores(opinions, probabilities) == pytest.approx(of_cleanlab(opinions, probabilities), abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_scores_are_those_of_cleanlab_where_nothing_was_asked_twice(seed):
    opinions, probabilities = drawn(seed, 3, opinions_each=1)
    assert ask_again_scores(opinions, probabilities) == pytest.approx(of_cleanlab(opinions, probabilities), abs=1e-9)


def test_one_opinion_each_by_hand():
    """Model, annotator and the opinion to come weigh the same; the model says 0.9 and 0.2 of the classes given."""
    scores = ask_again_scores(np.array([[0, -1], [-1, 0], [-1, -1]]), np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]]))
    wanted = [1 - (2 * 0.9 + 0.5) / 3, 1 - (2 * 0.2 + 0.5) / 3, 1 - (0.7 + 0.5) / 2]
    assert scores == pytest.approx(wanted)


def test_the_disputed_come_before_the_settled_and_the_new_by_what_the_model_says():
    agreed = np.repeat([[0, 0, 0], [1, 1, 1]], 10, axis=0)
    opinions = np.vstack([agreed, [[0, 1, -1], [0, 0, 1], [-1, -1, -1], [-1, -1, -1]]])
    known = np.repeat([[0.7, 0.3], [0.3, 0.7]], 10, axis=0)
    probabilities = np.vstack([known, [[0.5, 0.5], [0.5, 0.5], [0.5, 0.5], [0.8, 0.2]]])
    *settled, disputed, two_to_one, new, easy = ask_again_scores(opinions, probabilities)
    assert new > two_to_one > max(settled)
    assert disputed > two_to_one
    assert new > easy


def test_permuting_permutes():
    opinions, probabilities = drawn(7, 3)
    rng = np.random.default_rng(7)
    rows, people, names = rng.permutation(60), rng.permutation(5), rng.permutation(3)
    other = ask_again_scores(np.append(names, -1)[opinions][rows][:, people], probabilities[rows][:, names.argsort()])
    assert other == pytest.approx(ask_again_scores(opinions, probabilities)[rows], abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_an_annotator_without_opinions_changes_nothing(seed):
    opinions, probabilities = drawn(seed, 3)
    more = np.insert(opinions, 2, -1, axis=1)
    assert (ask_again_scores(more, probabilities) == ask_again_scores(opinions, probabilities)).all()


def test_scores_without_any_opinion_are_by_the_model_alone():
    probabilities = np.array([[0.6, 0.3, 0.1], [0.0, 1.0, 0.0]])
    for annotators in (0, 2):
        scores = ask_again_scores(np.full((2, annotators), -1), probabilities)
        assert scores == pytest.approx([1 - (0.6 + 1 / 3) / 2, 1 - (1 + 1 / 3) / 2])


def test_certain_models_and_single_classes_have_finite_scores():
    opinions = np.array([[0, 1], [1, 1], [0, -1], [-1, -1]])
    scores = ask_again_scores(opinions, np.eye(2)[[0, 1, 1, 0]])
    assert np.isfinite(scores).all()
    assert ask_again_scores(opinions.clip(max=0), np.ones((4, 1))).tolist() == pytest.approx([0] * 4)


def test_probabilities_of_other_examples_are_refused():
    with pytest.raises(ArgumentError, match=r"probabilities are \[3, 2\], opinions \[2, 2\]: expected"):
        ask_again_scores(np.zeros((2, 2), int), np.full((3, 2), 0.5))
