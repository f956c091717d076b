"""Our `evaluate.Metric` classes against a calculation of their own, alone, combined and in a real Trainer."""

import socket
from pathlib import Path
from typing import Any

import evaluate
import numpy as np
import pytest
from datasets import Dataset
from transformers import EvalPrediction

from hfal import ActiveLearningCallback, Pool, SimulatedAnnotator
from hfal.tasks.metrics import F1, Accuracy, classification_metrics
from support.models import NAMES


def count(predictions: np.ndarray, references: np.ndarray) -> dict[str, float]:
    """Accuracy and F1 as the textbook has them, from counts."""
    pairs = list(zip(predictions.tolist(), references.tolist(), strict=True))
    per_class, true, found, wanted = [], 0, 0, 0
    for c in sorted({label for pair in pairs for label in pair}):
        true_positives = sum(p == c == r for p, r in pairs)
        predicted, relevant = sum(p == c for p, _ in pairs), sum(r == c for _, r in pairs)
        # 2PR / (P + R) without dividing by zero; the class occurs, so the denominator is not 0.
        per_class.append(2 * true_positives / (predicted + relevant))
        true, found, wanted = true + true_positives, found + predicted, wanted + relevant
    return {
        "accuracy": sum(p == r for p, r in pairs) / len(pairs),
        "f1_macro": sum(per_class) / len(per_class),
        "f1_micro": 2 * true / (found + wanted),
    }


def compute(predictions: Any, references: Any) -> dict[str, float]:
    return {
        **Accuracy().compute(predictions=predictions, references=references),
        **F1().compute(predictions=predictions, references=references),
        **F1().compute(predictions=predictions, references=references, average="micro"),
    }


@pytest.mark.parametrize("seed", range(12))
def test_metrics_equal_the_count(seed: int) -> None:
    rng = np.random.default_rng(seed)
    classes, size = rng.integers(2, 9), rng.integers(1, 80)
    references = rng.integers(0, classes, size)
    right = rng.random(size) < rng.random()
    predictions = np.where(right, references, rng.integers(0, classes, size))
    assert compute(predictions, references) == pytest.approx(count(predictions, references), abs=1e-12)


@pytest.mark.parametrize(
    ("predictions", "references", "macro"),
    [
        # Class 1 is never predicted and counts as 0; classes 3 and above do not occur and do not count.
        ([0, 0, 2, 2], [0, 1, 2, 2], (2 / 3 + 0 + 1) / 3),
        ([0, 1, 2, 3], [0, 0, 0, 0], (2 / 5 + 0 + 0 + 0) / 4),  # classes that are only predicted
        ([1, 1], [0, 0], 0.0),
        ([7, 7], [7, 7], 1.0),
        ([5], [5], 1.0),
    ],
)
def test_classes_that_do_not_occur(predictions: list[int], references: list[int], macro: float) -> None:
    found = compute(predictions, references)
    assert found["f1_macro"] == pytest.approx(macro)
    assert found == pytest.approx(count(np.array(predictions), np.array(references)))
    assert all(type(value) is float for value in found.values())  # numpy's would not go into JSON


@pytest.mark.filterwarnings("error")
def test_class_without_a_prediction_makes_no_warning() -> None:
    assert F1().compute(predictions=[0, 0], references=[0, 1])["f1_macro"] == pytest.approx(1 / 3)


def test_metrics_add_up_batches_as_evaluate_does() -> None:
    rng = np.random.default_rng(1)
    predictions, references = rng.integers(0, 4, (2, 50))
    accuracy, f1 = Accuracy(), F1()
    for rows in np.array_split(np.arange(50), 7):
        accuracy.add_batch(predictions=predictions[rows], references=references[rows])
        for row in rows:
            f1.add(prediction=predictions[row], reference=references[row])
    expected = count(predictions, references)
    assert accuracy.compute()["accuracy"] == pytest.approx(expected["accuracy"])
    assert f1.compute(average="macro")["f1_macro"] == pytest.approx(expected["f1_macro"])


def test_metrics_combine() -> None:
    rng = np.random.default_rng(2)
    predictions, references = rng.integers(0, 3, (2, 40))
    found = evaluate.combine([Accuracy(), F1()]).compute(predictions=predictions, references=references)
    expected = count(predictions, references)
    assert found == pytest.approx({"accuracy": expected["accuracy"], "f1_macro": expected["f1_macro"]})


def test_metrics_need_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(*_: Any) -> None:
        raise AssertionError("a metric opened a connection")

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket, "getaddrinfo", connect)
    assert compute([0, 1], [0, 0])["accuracy"] == 0.5


@pytest.mark.parametrize("as_tuple", [False, True], ids=["logits", "logits and hidden states"])
def test_classification_metrics_take_what_a_trainer_gives(as_tuple: bool) -> None:
    rng = np.random.default_rng(3)
    logits, labels = rng.normal(size=(30, 4)).astype(np.float32), rng.integers(0, 4, 30)
    predictions = (logits, rng.normal(size=(30, 2, 8))) if as_tuple else logits
    found = classification_metrics(EvalPrediction(predictions=predictions, label_ids=labels))
    assert found == pytest.approx(count(logits.argmax(axis=1), labels))


def test_metrics_beside_the_users_own_in_a_real_trainer(
    tmp_path: Path, reviews: Dataset, eval_reviews: Dataset, make_trainer: Any
) -> None:
    def compute_metrics(prediction: EvalPrediction) -> dict[str, float]:
        share = float((prediction.predictions.argmax(axis=1) == 1).mean())
        return {**classification_metrics(prediction), "share_positive": share}

    pool = Pool(reviews.select(range(40)), tmp_path / "run", "text", label_column="label")
    active = ActiveLearningCallback(pool, strategy="entropy", annotator=SimulatedAnnotator(pool), query_size=8)
    trainer = make_trainer([active], eval_dataset=eval_reviews, compute_metrics=compute_metrics)
    (record,) = active.run(trainer, rounds=1)

    # After the loop the Trainer holds the last round's model: what it says now is what was recorded then.
    output = trainer.predict(eval_reviews)
    predictions = output.predictions.argmax(axis=1)
    expected = {**count(predictions, np.array(eval_reviews["label"])), "share_positive": float(predictions.mean())}
    assert {name: record.metrics[f"eval_{name}"] for name in expected} == pytest.approx(expected)
    assert len(NAMES) == output.predictions.shape[1]
