"""How far people agree, against krippendorff, scikit-learn and what is counted by hand."""

from itertools import combinations

import krippendorff
import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from hfal.errors import ArgumentError
from hfal.tasks.agreement import (
    agreement_with_others,
    count_opinions,
    krippendorff_alpha,
    label_confusion,
    pairwise_kappa,
)


NOBODY = np.full((4, 3), -1)


def opinions_of(seed: int, examples: int = 60, annotators: int = 5, classes: int = 4) -> np.ndarray:
    """Opinions that agree more than by chance, some of them missing."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(classes, size=(examples, 1))
    right = rng.random((examples, annotators)) < rng.uniform(0.3, 0.9, annotators)
    opinions = np.where(right, truth, rng.integers(classes, size=right.shape))
    opinions[rng.random(right.shape) < 0.4] = -1
    return opinions


@pytest.mark.parametrize("seed", range(5))
def test_alpha_is_that_of_krippendorff(seed):
    opinions = opinions_of(seed)
    known = np.where(opinions >= 0, opinions, np.nan).T
    wanted = krippendorff.alpha(reliability_data=known, level_of_measurement="nominal")
    assert krippendorff_alpha(opinions) == pytest.approx(wanted, abs=1e-12)
    assert krippendorff_alpha(opinions.astype(np.int8)) == krippendorff_alpha(opinions)


def test_alpha_of_the_published_example():
    """Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011): four observers, twelve units, 0.743."""
    a = [1, 2, 3, 3, 2, 1, 4, 1, 2, 0, 0, 0]
    b = [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, 0, 3]
    c = [0, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 0]
    d = [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, 0]
    assert krippendorff_alpha(np.array([a, b, c, d]).T - 1) == pytest.approx(0.743, abs=5e-4)


def test_alpha_of_perfect_and_of_no_agreement():
    assert krippendorff_alpha(np.array([[0, 0, -1], [1, 1, 1], [-1, 2, 2]])) == 1
    assert krippendorff_alpha(np.array([[0, 1], [1, 0]])) < 0
    by_chance = np.random.default_rng(0).integers(3, size=(20_000, 3))
    assert abs(krippendorff_alpha(by_chance)) < 0.02


@pytest.mark.parametrize(
    "opinions",
    [
        pytest.param(NOBODY, id="nobody"),
        pytest.param(np.zeros((0, 3), int), id="no examples"),
        pytest.param(np.zeros((3, 0), int), id="no annotators"),
        pytest.param(np.array([[0, -1], [-1, 1], [1, -1]]), id="no example twice"),
        pytest.param(np.array([[0, 0], [0, 0], [1, -1]]), id="one class"),
    ],
)
def test_alpha_is_undefined_where_nothing_can_be_expected(opinions):
    assert np.isnan(krippendorff_alpha(opinions))


def test_kappa_of_pairs_is_that_of_scikit_learn():
    opinions = opinions_of(1)
    found = pairwise_kappa(opinions)
    for a, b in combinations(range(opinions.shape[1]), 2):
        one, other = opinions[(opinions[:, [a, b]] >= 0).all(axis=1)][:, [a, b]].T
        assert found[a, b] == found[b, a] == pytest.approx(cohen_kappa_score(one, other), abs=1e-12)
    assert np.diag(found) == pytest.approx(1)


def test_kappa_is_undefined_without_a_common_example_and_for_one_class():
    opinions = np.array([[0, -1, 0], [1, -1, 0], [-1, 1, 0], [-1, 0, -1]])
    found = pairwise_kappa(opinions)
    assert np.isnan(found[0, 1])
    assert np.isnan(found[2, 2])
    assert found[0, 2] == 0  # one class, beside somebody who uses two: no more than by chance
    assert np.isnan(pairwise_kappa(NOBODY)).all()


def test_confusion_and_agreement_count_pairs():
    opinions = opinions_of(2)
    confusion, agreed, all_pairs = np.zeros((4, 4), int), np.zeros(5), np.zeros(5)
    for row in opinions:
        for (a, one), (b, other) in combinations([(a, c) for a, c in enumerate(row) if c >= 0], 2):
            confusion[min(one, other), max(one, other)] += 1
            agreed[[a, b]] += one == other
            all_pairs[[a, b]] += 1
    found = label_confusion(opinions, classes=4)
    assert (np.triu(found) == confusion).all()
    assert (found == found.T).all()
    assert agreement_with_others(opinions) == pytest.approx(agreed / all_pairs)


def test_who_shares_no_example_has_no_agreement():
    found = agreement_with_others(np.array([[0, 0, -1, -1], [1, 0, -1, -1], [-1, -1, 1, -1]]))
    assert found[:2].tolist() == [0.5, 0.5]
    assert np.isnan(found[2:]).all()


def test_permuting_permutes():
    opinions, rng = opinions_of(3), np.random.default_rng(3)
    rows, people, names = rng.permutation(60), rng.permutation(5), rng.permutation(4)
    renamed = np.append(names, -1)[opinions]
    assert krippendorff_alpha(renamed[rows][:, people]) == pytest.approx(krippendorff_alpha(opinions), abs=1e-12)
    assert pairwise_kappa(renamed[rows][:, people]) == pytest.approx(
        pairwise_kappa(opinions)[np.ix_(people, people)], abs=1e-12
    )
    assert (label_confusion(renamed, 4)[np.ix_(names, names)] == label_confusion(opinions, 4)).all()
    assert (agreement_with_others(renamed[rows][:, people]) == agreement_with_others(opinions)[people]).all()


@pytest.mark.parametrize(
    ("opinions", "classes", "message"),
    [
        ([[0.0, 1.0]], 2, r"opinions are float64\[1, 2\]: expected whole numbers"),
        ([0, 1], 2, r"opinions are int64\[2\]: expected whole numbers, int\[examples, annotators\]"),
        ([[0, 2]], 2, "opinions have 2: expected classes from 0 to 1, and -1"),
        ([[0, -2]], None, "opinions have -2: expected classes from 0 to 0, and -1"),
    ],
)
def test_what_are_no_opinions_is_refused(opinions, classes, message):
    with pytest.raises(ArgumentError, match=message):
        count_opinions(np.array(opinions), classes)
