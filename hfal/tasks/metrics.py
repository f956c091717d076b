"""Metrics as `evaluate` has them, for each kind of label, and the `compute_metrics` functions that call them.

`evaluate.load("accuracy")` fetches a script from the Hub; these need no network. `evaluate.combine` takes them beside
metrics of one's own.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import datasets
import evaluate
import numpy as np
from scipy.special import expit
from sklearn.metrics import accuracy_score, f1_score, hamming_loss
from transformers import EvalPrediction

from hfal.errors import ArgumentError
from hfal.tasks.tags import entities, entity_types
from hfal.tasks.thresholds import thresholds_of


_CLASSES = datasets.Features({"predictions": datasets.Value("int64"), "references": datasets.Value("int64")})
_LABELS = datasets.List(datasets.Value("int32"))
_TAGS = datasets.List(datasets.Value("string"))


class _Metric(evaluate.Metric):
    """A metric that makes no folder in the cache of `evaluate` where it keeps its numbers in memory."""

    def _build_data_dir(self) -> str:
        # Else a home directory that cannot be written would end a run when its first round has been trained.
        return "" if self.keep_in_memory else str(super()._build_data_dir())


# -- one label -----------------------------------------------------------------------------------------------------


class Accuracy(_Metric):
    """The share of predictions that equal the reference, as an `evaluate.Metric`.

    Example:
        >>> Accuracy().compute(predictions=[0, 1], references=[0, 0])
        {'accuracy': 0.5}
    """

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="Share of predictions that equal the reference.",
            citation="",
            inputs_description="predictions (list of int): predicted classes; references (list of int): true classes",
            features=_CLASSES,
        )

    def _compute(self, predictions: list[Any], references: list[Any]) -> dict[str, float]:
        return {"accuracy": float(accuracy_score(references, predictions))}


class F1(_Metric):
    """F1, averaged over classes, as an `evaluate.Metric`.

    `average="macro"` gives `f1_macro`, the plain mean over the classes that occur in predictions or references; a
    class without a true positive counts as 0. `average="micro"` gives `f1_micro`, counted over all classes together,
    which for one label per text equals the accuracy. Several averages may be named.

    Example:
        >>> F1().compute(predictions=[0, 1, 1], references=[0, 1, 1], average="macro")
        {'f1_macro': 1.0}
    """

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="F1 score, macro or micro average.",
            citation="",
            inputs_description="predictions (list of int): predicted classes; references (list of int): true classes",
            features=_CLASSES,
        )

    def _compute(
        self, predictions: list[Any], references: list[Any], average: str | Sequence[str] = "macro"
    ) -> dict[str, float]:
        averages = [average] if isinstance(average, str) else average
        return {f"f1_{a}": float(f1_score(references, predictions, average=a, zero_division=0)) for a in averages}


def classification_metrics(prediction: EvalPrediction) -> dict[str, float]:
    """Compute `accuracy`, `f1_macro` and `f1_micro` of one label per text: a `compute_metrics` for the Trainer.

    Args:
        prediction: Logits float[N, C] (or a tuple that begins with them) and labels int[N], or int[N, 1].

    Raises:
        ArgumentError: Labels are no whole numbers.
    """
    labels = np.ravel(prediction.label_ids)
    if labels.dtype.kind not in "biuf" or (labels.dtype.kind == "f" and (labels != np.trunc(labels)).any()):
        raise ArgumentError(f"label_ids are {labels.dtype}, such as {labels[:3].tolist()}: expected classes, int[N]")
    inputs = {"predictions": np.argmax(_logits(prediction), axis=-1), "references": labels.astype(np.int64)}
    return {
        **_in_memory(Accuracy).compute(**inputs),
        **_in_memory(F1).compute(**inputs, average=("macro", "micro")),
    }


# -- sets of labels ------------------------------------------------------------------------------------------------


class LabelSetF1(_Metric):
    """Metrics of sets of labels, as an `evaluate.Metric`: each example is a list of 1 and 0, one for each label.

    - `f1_micro`: F1 over all decisions, one for each text and label;
    - `f1_macro`: the plain mean of the labels' F1, and, with `label_names`, `f1_LOC`, ... for each label;
    - `subset_accuracy`: the share of texts whose whole set is right;
    - `hamming_loss`: the share of decisions that are wrong.

    An F1 that has nothing to count, of a label that is neither there nor predicted, is 0.

    Example:
        >>> found = LabelSetF1().compute(predictions=[[1, 0], [1, 1]], references=[[1, 0], [0, 1]])
        >>> found["subset_accuracy"], found["hamming_loss"]
        (0.5, 0.25)
    """

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="F1 of sets of labels, the share of sets that are right, and of decisions that are wrong.",
            citation="",
            inputs_description="predictions, references (lists of lists of int): 1 for the labels in the set, else 0",
            features=datasets.Features({"predictions": _LABELS, "references": _LABELS}),
        )

    def _compute(
        self, predictions: list[Any], references: list[Any], label_names: Sequence[str] = ()
    ) -> dict[str, float]:
        found, wanted = np.array(predictions) > 0, np.array(references) > 0
        # Column by column, since scikit-learn takes a single column for classes of which 0 is one too.
        of_labels = [float(f1_score(w, f, zero_division=0)) for w, f in zip(wanted.T, found.T, strict=True)]
        metrics = {
            "f1_micro": float(f1_score(wanted.ravel(), found.ravel(), zero_division=0)),
            "f1_macro": float(np.mean(of_labels)),
            "subset_accuracy": float(accuracy_score(wanted, found)),
            "hamming_loss": float(hamming_loss(wanted.ravel(), found.ravel())),
        }
        named = {f"f1_{name}": f1 for name, f1 in zip(label_names, of_labels, strict=bool(label_names))}
        return metrics | named | metrics  # also where a label is called "micro"


def label_set_metrics(
    label_names: Sequence[str], thresholds: float | Mapping[str, float] | None = None
) -> Callable[[EvalPrediction], dict[str, float]]:
    """Return a `compute_metrics` for the Trainer, where a text may have several labels: those of `LabelSetF1`.

    Args:
        label_names: The names of the labels (`pool.label_names`).
        thresholds: From which probability on a label is predicted: `pool.thresholds`, one for all, or by name; 0.5 by
            default.

    Returns:
        A function of predictions, logits float[N, L] (or a tuple that begins with them), and labels float[N, L], 1 or
        0.
    """
    least = np.array([*thresholds_of(thresholds, label_names).values()])

    def compute_metrics(prediction: EvalPrediction) -> dict[str, float]:
        found = expit(np.asarray(_logits(prediction), np.float64)) >= least
        wanted = np.asarray(prediction.label_ids) > 0.5
        return _in_memory(LabelSetF1).compute(
            predictions=found.astype(np.int32), references=wanted.astype(np.int32), label_names=label_names
        )

    return compute_metrics


# -- entities ------------------------------------------------------------------------------------------------------


class EntityF1(_Metric):
    """Precision, recall and F1 of whole entities, overall and for each type, as an `evaluate.Metric`.

    An entity is right if its first word, last word and type are. The entities that a sequence of tags means are read
    by the rules of `conlleval` (Tjong Kim Sang & De Meulder, CoNLL 2003; see `hfal.tasks.tags.entities`), in any
    scheme; no sequence is invalid. Where a ratio has nothing to divide by, it is 0, as in `conlleval`.

    It gives `precision`, `recall`, `f1`, and `f1_PER`, ... for each type that references or predictions have.

    Example:
        >>> EntityF1().compute(predictions=[["B-PER", "O"]], references=[["B-PER", "O"]])
        {'precision': 1.0, 'recall': 1.0, 'f1': 1.0, 'f1_PER': 1.0}
    """

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="Precision, recall and F1 of whole entities, as conlleval counts them.",
            citation="",
            inputs_description="predictions, references (lists of lists of str): the tags of each sentence's words",
            features=datasets.Features({"predictions": _TAGS, "references": _TAGS}),
        )

    def _compute(self, predictions: list[list[str]], references: list[list[str]]) -> dict[str, float]:
        wanted, found, right = Counter[str](), Counter[str](), Counter[str]()
        for row, (prediction, reference) in enumerate(zip(predictions, references, strict=True)):
            if len(prediction) != len(reference):
                raise ArgumentError(
                    f"predictions[{row}] has {len(prediction)} tags, references[{row}] {len(reference)}: expected one "
                    "for each word in both"
                )
            expected, got = set(entities(reference)), set(entities(prediction))
            wanted.update(entity.type for entity in expected)
            found.update(entity.type for entity in got)
            right.update(entity.type for entity in expected & got)
        precision, recall, f1 = _ratios(right.total(), found.total(), wanted.total())
        of_types = {f"f1_{t}": _ratios(right[t], found[t], wanted[t])[2] for t in sorted(wanted | found)}
        return {"precision": precision, "recall": recall, "f1": f1, **of_types}


def _ratios(right: int, found: int, wanted: int) -> tuple[float, float, float]:
    """Precision, recall and F1."""
    return (
        right / found if found else 0.0,
        right / wanted if wanted else 0.0,
        2 * right / (found + wanted) if found + wanted else 0.0,
    )


def entity_metrics(label_names: Sequence[str]) -> Callable[[EvalPrediction], dict[str, float]]:
    """Return a `compute_metrics` for the Trainer: precision, recall and F1 of entities, overall and for each type.

    Words that the tokenizer cut off or dropped are in neither predictions nor references.

    Args:
        label_names: The names of the tags (`pool.label_names`).

    Returns:
        A function of predictions, logits float[N, L, C] or the tags themselves int[N, L] (of
        `preprocess_logits_for_metrics`, which spares the memory of the logits), and labels int[N, L], negative where
        no word begins.
    """
    names = np.array(label_names)
    of_types = [f"f1_{t}" for t in sorted(entity_types(label_names))]

    def compute_metrics(prediction: EvalPrediction) -> dict[str, float]:
        found = _logits(prediction)
        if found.ndim == 3:
            found = found.argmax(axis=-1)
        pairs = [(f[labels >= 0], labels[labels >= 0]) for f, labels in zip(found, prediction.label_ids, strict=True)]
        metrics = _in_memory(EntityF1).compute(
            predictions=[names[tags].tolist() for tags, _ in pairs],
            references=[names[tags].tolist() for _, tags in pairs],
        )
        return {**metrics, **{name: metrics.get(name, 0.0) for name in of_types}}  # also of types that do not occur

    return compute_metrics


def _logits(prediction: EvalPrediction) -> Any:
    """What a model predicts first, before hidden states and attentions."""
    return prediction.predictions[0] if isinstance(prediction.predictions, tuple) else prediction.predictions


def _in_memory(metric: type[evaluate.Metric]) -> evaluate.Metric:
    """Return a metric for one `compute` that keeps its numbers in memory, which is faster than in a file."""
    return metric(keep_in_memory=True)
