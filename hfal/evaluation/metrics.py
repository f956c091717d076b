"""Metrics that need no network: `evaluate.load("accuracy")` fetches a script from the Hub, these are here."""

from typing import Any

import datasets
import evaluate
import numpy as np
from sklearn.metrics import accuracy_score, f1_score
from transformers import EvalPrediction


_FEATURES = datasets.Features({"predictions": datasets.Value("int32"), "references": datasets.Value("int32")})
_INPUTS = "predictions (list of int): predicted classes; references (list of int): true classes"


class Accuracy(evaluate.Metric):
    """The share of predictions that equal the reference, as an `evaluate.Metric`.

    `Accuracy().compute(predictions=[0, 1], references=[0, 0])` gives `{"accuracy": 0.5}`.
    """

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="Share of predictions that equal the reference.",
            citation="",
            inputs_description=_INPUTS,
            features=_FEATURES,
        )

    def _compute(self, predictions: list[int], references: list[int]) -> dict[str, float]:
        return _accuracy(predictions, references)


class F1(evaluate.Metric):
    """F1, averaged over classes, as an `evaluate.Metric`.

    `F1().compute(predictions=..., references=..., average="macro")` gives `{"f1_macro": ...}`: the plain mean over the
    classes that occur in predictions or references; a class without a true positive counts as 0. `average="micro"`
    counts over all classes together, which for one label per text equals the accuracy.
    """

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="F1 score, macro or micro average.",
            citation="",
            inputs_description=_INPUTS,
            features=_FEATURES,
        )

    def _compute(self, predictions: list[int], references: list[int], average: str = "macro") -> dict[str, float]:
        return _f1(predictions, references, average)


def classification_metrics(prediction: EvalPrediction) -> dict[str, float]:
    """A `compute_metrics` for the Trainer: accuracy, macro and micro F1 of one label per text.

    Args:
        prediction: Logits float[N, C] (or a tuple that begins with them) and labels int[N].
    """
    logits: Any = prediction.predictions[0] if isinstance(prediction.predictions, tuple) else prediction.predictions
    found, wanted = np.argmax(logits, axis=-1), prediction.label_ids
    # Not through `evaluate`, which takes a tenth of a second to keep a thousand numbers in a file.
    return {**_accuracy(found, wanted), **_f1(found, wanted, "macro"), **_f1(found, wanted, "micro")}


def _accuracy(predictions: Any, references: Any) -> dict[str, float]:
    return {"accuracy": float(accuracy_score(references, predictions))}


def _f1(predictions: Any, references: Any, average: str) -> dict[str, float]:
    return {f"f1_{average}": float(f1_score(references, predictions, average=average, zero_division=0))}
