"""Cross-validation of a head, against scikit-learn's."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score

from hfal.training.cross_validation import cross_validate, draw_folds
from support.head_oracle import reference, rng, vectors


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


# -- folds -----------------------------------------------------------------------------------------------------------


def test_folds_are_of_one_size_and_have_their_share_of_each_label() -> None:
    labels = rng().permutation(np.repeat([0, 1, 2], [43, 21, 3]))
    each = np.arange(len(labels))
    folds = draw_folds(labels, each, each, rng(1))
    assert {*np.bincount(folds, minlength=10)} == {6, 7}
    for label in range(3):
        counts = np.bincount(folds[labels == label], minlength=10)
        assert counts.max() - counts.min() <= 1
    assert (folds == draw_folds(labels, each, each, rng(1))).all()
    assert (folds != draw_folds(labels, each, each, rng(2))).any()
    few = draw_folds(labels[:4], each[:4], each[:4], rng())  # no more folds than examples
    assert sorted(few) == [0, 1, 2, 3]


def test_examples_of_one_group_and_words_of_one_sentence_are_in_one_fold() -> None:
    each, groups = np.arange(60), np.arange(60) // 3
    folds = draw_folds(each % 2, each, groups, rng())
    assert all(len({*folds[groups == group]}) == 1 for group in range(20))
    assert {*np.bincount(folds)} == {6}
    rows = np.repeat(np.arange(20), np.arange(20) % 4)  # some have no word
    folds = draw_folds(np.zeros(len(rows), int), rows, np.arange(20) // 2, rng())
    assert all(len({*folds[rows // 2 == group]}) == 1 for group in {*(rows // 2)})
    assert len({*folds}) == 10


# -- predictions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [2, 4])
def test_predictions_are_those_of_scikit_learn(classes: int) -> None:
    labels = rng().integers(0, classes, 80)
    x, each = vectors(labels), np.arange(80)
    folds = draw_folds(labels, each, each, rng())
    found = cross_validate(x.astype(np.float32), labels, folds, classes)
    expected = reference(x, labels, folds)
    np.testing.assert_allclose(softmax(found), expected, atol=1e-4)
    assert 1 / classes < accuracy_score(labels, found.argmax(axis=1)) < 1


def test_each_label_of_sets_is_predicted_for_itself() -> None:
    kinds = rng().integers(0, 4, 50)
    sets = np.stack([kinds % 2, kinds // 2, np.zeros(50)], axis=1).astype(float)
    folds = draw_folds(sets, np.arange(50), np.arange(50), rng())
    found = cross_validate(vectors(kinds), sets, folds, 3)
    for label in (0, 1):
        expected = reference(vectors(kinds), sets[:, label], folds)[:, 1]
        np.testing.assert_allclose(1 / (1 + np.exp(-found[:, label])), expected, atol=1e-6)
    assert (found[:, 2] < 0).all()


def test_a_class_with_one_example_is_never_right_and_one_class_alone_is_predicted() -> None:
    labels = np.array([1] * 8 + [2])
    each = np.arange(9)
    found = cross_validate(vectors(labels), labels, draw_folds(labels, each, each, rng()), 3).argmax(axis=1)
    assert found[8] == 1  # the head that is asked about it knows class 1 alone
    assert 0 not in found
    assert cross_validate(vectors(labels)[:8], labels[:8], each[:8], 3) is None
    assert cross_validate(vectors(labels)[7:8], labels[7:8], each[:1], 3) is None
    assert cross_validate(np.empty((0, 12)), np.empty(0, int), np.empty(0, int), 3) is None
