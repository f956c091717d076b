"""Metrics of label sets against counts that are made here one decision at a time."""

import numpy as np
import pytest
from transformers import EvalPrediction

from hfal.tasks.metrics import label_set_metrics


NAMES = ["LOC", "ORG", "PER"]


def counted(probabilities, wanted, least):
    """The same numbers by counting, in plain Python."""
    right, found, there, wrong, whole = [0] * 3, [0] * 3, [0] * 3, 0, 0
    for row, truth in zip(probabilities, wanted, strict=True):
        said = [p >= t for p, t in zip(row, least, strict=True)]
        whole += said == [bool(t) for t in truth]
        for label in range(3):
            right[label] += said[label] and truth[label] == 1
            found[label] += said[label]
            there[label] += truth[label] == 1
            wrong += said[label] != (truth[label] == 1)

    def f1(r, f, t):
        return 2 * r / (f + t) if f + t else 0.0

    of_labels = [f1(*counts) for counts in zip(right, found, there, strict=True)]
    return {
        "f1_micro": f1(sum(right), sum(found), sum(there)),
        "f1_macro": sum(of_labels) / 3,
        "subset_accuracy": whole / len(wanted),
        "hamming_loss": wrong / (3 * len(wanted)),
        **{f"f1_{name}": value for name, value in zip(NAMES, of_labels, strict=True)},
    }


@pytest.mark.parametrize(
    ("thresholds", "least"),
    [(None, [0.5, 0.5, 0.5]), (0.3, [0.3, 0.3, 0.3]), ({"ORG": 0.8, "PER": 0.35}, [0.5, 0.8, 0.35])],
)
@pytest.mark.parametrize("seed", range(3))
def test_random_predictions(thresholds, least, seed):
    rng = np.random.default_rng(seed)
    wanted = (rng.random((80, 3)) < [0.5, 0.1, 0.3]).astype(np.float32)
    logits = (rng.normal(size=(80, 3)) + 1.5 * wanted - 0.7).astype(np.float32)
    expected = counted(1 / (1 + np.exp(-logits.astype(np.float64))), wanted, least)
    for predictions in (logits, (logits, "hidden states")):
        found = label_set_metrics(NAMES, thresholds)(EvalPrediction(predictions, wanted))
        assert found == pytest.approx(expected)
        assert list(found) == list(expected)
    assert 0.2 < found["f1_micro"] < 0.9


def test_labels_that_never_occur_and_single_labels():
    logits = np.array([[9.0, -9.0], [-9.0, -9.0]])
    found = label_set_metrics(["a", "b"])(EvalPrediction(logits, np.array([[1.0, 0.0], [1.0, 0.0]])))
    assert found["f1_a"] == pytest.approx(2 / 3)
    assert found["f1_b"] == 0
    assert found["f1_macro"] == pytest.approx(1 / 3)
    one = label_set_metrics(["a"])(EvalPrediction(logits[:, :1], np.array([[1.0], [1.0]])))
    assert one == pytest.approx(
        {"f1_micro": 2 / 3, "f1_macro": 2 / 3, "subset_accuracy": 0.5, "hamming_loss": 0.5, "f1_a": 2 / 3}
    )


def test_a_label_called_as_an_average_does_not_replace_it():
    logits = np.array([[9.0, 9.0], [-9.0, 9.0]])
    found = label_set_metrics(["micro", "b"])(EvalPrediction(logits, np.array([[1.0, 0.0], [0.0, 1.0]])))
    assert found["f1_micro"] == pytest.approx(4 / 5)
