"""The figures of the stop set, against scikit-learn, SciPy and what is counted by hand."""

import numpy as np
import pytest
from scipy.stats import entropy
from sklearn.metrics import cohen_kappa_score, f1_score

from hfal.stopping.stability import compare_predictions, pack, unpack
from hfal.tasks.metrics import EntityF1
from hfal.tasks.tags import f_of_entities
from hfal.utils.agreement import cohen_kappa, f_of_classes, f_of_sets, mean_entropy


TAGS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]


def two_rounds(shape: int | tuple[int, ...], classes: int, same: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    before = rng.choice(classes, shape, p=rng.dirichlet(np.ones(classes)))
    return before, np.where(rng.random(shape) < same, before, rng.integers(classes, size=shape))


@pytest.mark.parametrize("classes", [2, 3, 20])
@pytest.mark.parametrize("same", [0.0, 0.5, 0.99])
@pytest.mark.parametrize("seed", range(5))
def test_of_classes_they_are_what_scikit_learn_says(classes, same, seed):
    before, now = two_rounds(200, classes, same, seed)
    figures = compare_predictions(before, now, f_of_classes)
    assert figures["kappa"] == pytest.approx(cohen_kappa_score(before, now), abs=1e-12)
    assert figures["changed"] == pytest.approx(1 - np.mean(before == now), abs=1e-12)
    assert figures["f_change"] == pytest.approx(1 - f1_score(now, before, average="macro"), abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_of_sets_each_label_of_each_text_is_a_decision_and_each_text_an_example(seed):
    before, now = two_rounds((100, 6), 2, 0.9, seed)
    figures = compare_predictions(before, now, f_of_sets)
    assert figures["kappa"] == pytest.approx(cohen_kappa_score(before.ravel(), now.ravel()), abs=1e-12)
    assert figures["changed"] == np.mean([not np.array_equal(*pair) for pair in zip(before, now, strict=True)])
    assert figures["f_change"] == pytest.approx(1 - f1_score(now, before, average="micro"), abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_of_words_padding_does_not_count(seed):
    before, now = two_rounds((40, 12), len(TAGS), 0.8, seed)
    lengths = np.random.default_rng(seed).integers(1, 13, 40)
    for tags in (before, now):
        tags[np.arange(12) >= lengths[:, None]] = -1
    figures = compare_predictions(before, now, f_of_entities(TAGS))
    words = now >= 0
    assert figures["kappa"] == pytest.approx(cohen_kappa_score(before[words], now[words]), abs=1e-12)
    rows = [[[TAGS[tag] for tag in row[:n]] for row, n in zip(tags, lengths, strict=True)] for tags in (before, now)]
    f1 = EntityF1().compute(predictions=rows[0], references=rows[1])["f1"]
    assert figures["f_change"] == pytest.approx(1 - f1, abs=1e-12)
    assert figures["changed"] == np.mean([a != b for a, b in zip(*rows, strict=True)])


def test_the_change_of_f_by_hand():
    """Altschuler & Bloodgood: a agree on the positive class, b and c on one side only: 1 - 2a / (2a + b + c)."""
    a, b, c, d = 7, 2, 1, 90
    before = np.repeat([1, 1, 0, 0], [a, b, c, d])
    now = np.repeat([1, 0, 1, 0], [a, b, c, d])
    of_positive, of_negative = 1 - 2 * a / (2 * a + b + c), 1 - 2 * d / (2 * d + b + c)
    assert 1 - f_of_sets(before[:, None], now[:, None]) == pytest.approx(of_positive)
    assert of_positive == pytest.approx(3 / 17)
    assert 1 - f_of_classes(before, now) == pytest.approx((of_positive + of_negative) / 2)


def test_kappa_by_hand():
    # Of 50 both say yes to 20 and no to 15: agreement 0.7, by chance 0.5 * 0.6 + 0.5 * 0.4 = 0.5.
    one, other = np.repeat([1, 1, 0, 0], [20, 5, 10, 15]), np.repeat([1, 0, 1, 0], [20, 5, 10, 15])
    assert cohen_kappa(one, other) == pytest.approx(0.4)
    assert np.isnan(cohen_kappa(one * 0, one * 0))
    assert cohen_kappa(one, 1 - one) < 0


def test_two_models_that_say_the_same_of_everything_have_not_settled():
    none = np.zeros((5, 3), int)
    assert compare_predictions(none[:, 0], none[:, 0], f_of_classes) == {}
    assert compare_predictions(none, none, f_of_sets) == {}
    assert compare_predictions(none, none, f_of_entities(TAGS)) == {}
    one = none.copy()
    one[0, 0] = 1
    assert compare_predictions(one, one, f_of_sets) == {"kappa": 1, "changed": 0, "f_change": 0}
    assert compare_predictions(one, none, f_of_sets) == {"kappa": 0, "changed": 0.2, "f_change": 1}


def test_what_cannot_be_compared_is_not():
    before = np.array([[0, 1, -1], [1, 1, 2]])
    assert compare_predictions(before, before[:1], f_of_entities(TAGS)) == {}
    assert (
        compare_predictions(before, np.array([[0, 1, 1], [1, 1, 2]]), f_of_entities(TAGS)) == {}
    )  # another tokenizer
    assert compare_predictions(before[:0], before[:0], f_of_entities(TAGS)) == {}


def test_uncertainty_is_the_mean_entropy_as_a_share_of_the_largest():
    rng = np.random.default_rng(0)
    for classes in (2, 7):
        p = rng.dirichlet(np.ones(classes), 50)
        assert mean_entropy(p) == pytest.approx(np.mean(entropy(p, base=classes, axis=1)))
    assert mean_entropy(np.full((4, 3), 1 / 3)) == pytest.approx(1)
    assert mean_entropy(np.eye(3, dtype=np.float32)) == 0
    assert mean_entropy(np.ones((4, 1))) == 0


def test_predictions_come_back_as_they_were_stored():
    for predictions in (np.arange(300), np.array([[0, 1], [1, -1]]), np.zeros((0, 4), int)):
        again = unpack(pack(predictions))
        assert np.array_equal(again, predictions)
        assert again.shape == predictions.shape
