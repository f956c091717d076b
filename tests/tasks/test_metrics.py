"""Our `evaluate.Metric` classes against calculations of their own, alone, combined and in a real Trainer."""

import random
import socket
from itertools import pairwise
from pathlib import Path
from typing import Any

import evaluate
import numpy as np
import pytest
from datasets import Dataset, Features
from transformers import EvalPrediction

from hfal import ActiveLearningCallback, Pool, SimulatedAnnotator
from hfal.errors import ArgumentError
from hfal.tasks.metrics import (
    F1,
    Accuracy,
    EntityF1,
    LabelSetF1,
    classification_metrics,
    entity_metrics,
    label_set_metrics,
)
from support.models import NAMES


# -- one label -----------------------------------------------------------------------------------------------------


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


def test_labels_in_a_column_are_classes_and_fractions_are_refused() -> None:
    rng = np.random.default_rng(4)
    logits, labels = rng.normal(size=(20, 3)), rng.integers(0, 3, 20)
    expected = count(logits.argmax(axis=1), labels)
    for given in (labels.reshape(-1, 1), labels.astype(np.float32), labels.astype(np.uint8)):
        found = classification_metrics(EvalPrediction(predictions=logits, label_ids=given))
        assert found == pytest.approx(expected, abs=1e-12)
    for given in (labels + 0.5, labels.astype(str), labels.astype(object)):
        with pytest.raises(ValueError, match=r"label_ids are .*expected classes"):
            classification_metrics(EvalPrediction(predictions=logits, label_ids=given))


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


# -- sets of labels ------------------------------------------------------------------------------------------------


TYPES = ["LOC", "ORG", "PER"]


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
        **{f"f1_{name}": value for name, value in zip(TYPES, of_labels, strict=True)},
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
        found = label_set_metrics(TYPES, thresholds)(EvalPrediction(predictions, wanted))
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


def test_label_set_f1_alone_and_in_batches() -> None:
    rng = np.random.default_rng(4)
    references = rng.integers(0, 2, (50, 3))
    predictions = np.where(rng.random((50, 3)) < 0.7, references, 1 - references)
    expected = counted(predictions, references, [0.5] * 3)
    found = LabelSetF1().compute(predictions=predictions, references=references, label_names=TYPES)
    assert found == pytest.approx(expected, abs=1e-12)
    without_names = LabelSetF1().compute(predictions=predictions.tolist(), references=references.tolist())
    assert without_names == {name: found[name] for name in ("f1_micro", "f1_macro", "subset_accuracy", "hamming_loss")}
    in_batches = LabelSetF1()
    for rows in np.array_split(np.arange(50), 7):
        in_batches.add_batch(predictions=predictions[rows], references=references[rows])
    assert in_batches.compute(label_names=TYPES) == found


# -- entities ------------------------------------------------------------------------------------------------------


def spans(tags: list[str]) -> set[tuple[int, int, str]]:
    """Entities by looking at each pair of words: does the second one belong to the entity of the first?"""
    parts = [("O", "") if tag == "O" else tuple(tag.split("-", 1)) for tag in tags]
    joined = [a[0] in ("B", "I") and b[0] in ("I", "E") and a[1] == b[1] for a, b in pairwise(parts)]
    found, start = set(), 0
    for word, (prefix, kind) in enumerate(parts):
        if word == 0 or not joined[word - 1]:
            start = word
        if prefix != "O" and not (word < len(joined) and joined[word]):
            found.add((start, word, kind))
    return found


@pytest.mark.parametrize("prefixes", ["BI", "BIES"])
@pytest.mark.parametrize("seed", range(5))
def test_random_valid_and_invalid_tags(prefixes, seed):
    chance = random.Random(seed)
    tags = ["O", "O", *(f"{p}-{t}" for p in prefixes for t in ("PER", "LOC", "A-B"))]
    references = [[chance.choice(tags) for _ in range(chance.randrange(0, 15))] for _ in range(60)]
    predictions = [[tag if chance.random() < 0.7 else chance.choice(tags) for tag in row] for row in references]
    found = EntityF1().compute(predictions=predictions, references=references)

    of = {"PER", "LOC", "A-B"}
    for types, f1 in [(of, found["f1"]), *(({t}, found[f"f1_{t}"]) for t in of)]:
        wanted = {(i, *s) for i, row in enumerate(references) for s in spans(row) if s[2] in types}
        got = {(i, *s) for i, row in enumerate(predictions) for s in spans(row) if s[2] in types}
        precision, recall = len(wanted & got) / len(got), len(wanted & got) / len(wanted)
        assert f1 == pytest.approx(2 * precision * recall / (precision + recall))
        if types == of:
            assert (found["precision"], found["recall"]) == pytest.approx((precision, recall))
            assert 0.2 < f1 < 0.95


@pytest.mark.parametrize(
    ("reference", "prediction", "precision", "recall"),
    [
        ("B-PER I-PER O", "B-PER I-PER O", 1, 1),
        ("B-PER I-PER O", "B-PER O O", 0, 0),  # wrong boundary
        ("B-PER I-PER O", "B-LOC I-LOC O", 0, 0),  # wrong type
        ("B-PER I-PER O B-LOC", "B-PER I-LOC O B-LOC", 1 / 3, 1 / 2),  # the type changes: two entities
        ("B-PER I-PER O", "I-PER I-PER O", 1, 1),  # an I- after nothing begins an entity
        ("O B-PER O", "O I-PER O", 1, 1),
        ("B-PER B-PER O", "B-PER I-PER O", 0, 0),  # adjacent entities of one type are two
        ("B-PER B-PER O", "B-PER B-PER O", 1, 1),
        ("B-PER B-PER O", "I-PER B-PER O", 1, 1),  # as IOB1 writes it
        ("B-PER B-PER O", "S-PER S-PER O", 1, 1),  # as BIOES writes it
        ("B-PER I-PER I-PER", "B-PER I-PER E-PER", 1, 1),
        ("O O O", "O B-PER O", 0, 0),
        ("O O O", "O O O", 0, 0),  # nothing to find: 0, as in conlleval
        ("O B-PER O", "O O O", 0, 0),
    ],
)
def test_cases_of_conlleval(reference, prediction, precision, recall):
    found = EntityF1().compute(predictions=[prediction.split()], references=[reference.split()])
    assert (found["precision"], found["recall"]) == pytest.approx((precision, recall))


def test_types_that_only_one_side_has():
    found = EntityF1().compute(predictions=[["B-X", "O"]], references=[["O", "B-Y"]])
    assert found == {"precision": 0, "recall": 0, "f1": 0, "f1_X": 0, "f1_Y": 0}
    with pytest.raises(ArgumentError, match=r"predictions\[0\] has 1 tags, references\[0\] 2"):
        EntityF1().compute(predictions=[["O"]], references=[["O", "O"]])


def test_of_a_trainers_logits_and_of_their_argmax():
    names = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]  # of which one type does not occur
    labels = np.array([[-100, 1, 2, -100, 0], [-100, 0, -100, 1, -100]])
    tags = np.array([[2, 1, 2, 0, 1], [0, 0, 1, 1, 2]])  # one too many: word 3 of the first sentence
    logits = np.eye(5)[tags] * 5
    for predictions in (tags, logits, (logits, "hidden states")):
        found = entity_metrics(names)(EvalPrediction(predictions, labels))
        assert found == pytest.approx({"precision": 2 / 3, "recall": 1, "f1": 0.8, "f1_LOC": 0, "f1_PER": 0.8})


# -- beside a metric of one's own, and on the disk -----------------------------------------------------------------


class ExactMatches(evaluate.Metric):
    """A user's own metric: how many predictions equal their reference."""

    def __init__(self, features: Features) -> None:
        self.own_features = features
        super().__init__()

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo("", citation="", inputs_description="", features=self.own_features)

    def _compute(self, predictions: Any, references: Any) -> dict[str, int]:
        return {"exact_matches": sum(p == r for p, r in zip(predictions, references, strict=True))}


def combined(metrics: list[evaluate.Metric], predictions: list[Any], references: list[Any]) -> dict[str, Any]:
    """What metrics say together with one of one's own: at once, which is the same as in batches."""
    together = evaluate.combine([*metrics, ExactMatches(metrics[0].features)])
    found = together.compute(predictions=predictions, references=references)
    for start in range(0, len(predictions), 7):
        rows = slice(start, start + 7)
        together.add_batch(predictions=predictions[rows], references=references[rows])
    assert together.compute() == found
    return found


def test_classes_beside_a_metric_of_ones_own() -> None:
    rng = np.random.default_rng(5)
    predictions, references = rng.integers(0, 3, (2, 40))
    expected = count(predictions, references)
    assert combined([Accuracy(), F1()], predictions.tolist(), references.tolist()) == pytest.approx(
        {
            "accuracy": expected["accuracy"],
            "f1_macro": expected["f1_macro"],
            "exact_matches": round(40 * expected["accuracy"]),
        },
        abs=1e-12,
    )


def test_sets_beside_a_metric_of_ones_own() -> None:
    rng = np.random.default_rng(6)
    predictions, references = rng.integers(0, 2, (2, 40, 3))
    expected = counted(predictions, references, [0.5] * 3)
    averages = {name: value for name, value in expected.items() if name.removeprefix("f1_") not in TYPES}
    assert combined([LabelSetF1()], predictions.tolist(), references.tolist()) == pytest.approx(
        {**averages, "exact_matches": round(40 * expected["subset_accuracy"])}, abs=1e-12
    )


def test_entities_beside_a_metric_of_ones_own() -> None:
    chance = random.Random(7)
    tags = ["O", "B-PER", "I-PER"]
    references = [[chance.choice(tags) for _ in range(chance.randrange(1, 6))] for _ in range(40)]
    predictions = [[tag if chance.random() < 0.8 else chance.choice(tags) for tag in row] for row in references]
    wanted = {(i, *span) for i, row in enumerate(references) for span in spans(row)}
    got = {(i, *span) for i, row in enumerate(predictions) for span in spans(row)}
    f1 = 2 * len(wanted & got) / (len(wanted) + len(got))
    assert combined([EntityF1()], predictions, references) == pytest.approx(
        {
            "precision": len(wanted & got) / len(got),
            "recall": len(wanted & got) / len(wanted),
            "f1": f1,
            "f1_PER": f1,
            "exact_matches": sum(p == r for p, r in zip(predictions, references, strict=True)),
        },
        abs=1e-12,
    )


def test_metrics_of_a_trainer_make_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "metrics"
    monkeypatch.setattr("evaluate.config.HF_METRICS_CACHE", cache)
    classification_metrics(EvalPrediction(np.eye(2), np.array([0, 1])))
    label_set_metrics(["a", "b"])(EvalPrediction(np.eye(2), np.eye(2)))
    entity_metrics(["O", "B-PER"])(EvalPrediction(np.array([[0, 1]]), np.array([[0, 1]])))
    assert not cache.exists()
    Accuracy()
    assert cache.exists()  # where those that keep their numbers in files would have made it
