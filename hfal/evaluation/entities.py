"""Precision, recall and F1 of entities, by the rules of conlleval; `evaluate.load("seqeval")` needs the Hub."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import datasets
import evaluate
import numpy as np
from transformers import EvalPrediction

from hfal.errors import ArgumentError
from hfal.tags import entities, entity_types


_TAGS = datasets.List(datasets.Value("string"))


class EntityF1(evaluate.Metric):
    """Precision, recall and F1 of whole entities, overall and for each type, as an `evaluate.Metric`.

    An entity is right if its first word, last word and type are. The entities that a sequence of tags means are read
    by the rules of `conlleval` (Tjong Kim Sang & De Meulder, CoNLL 2003; see `hfal.tags.entities`), in any scheme; no
    sequence is invalid. Where a ratio has nothing to divide by, it is 0, as in `conlleval`.

    `EntityF1().compute(predictions=[["B-PER", "O"]], references=[["B-PER", "O"]])` gives `precision`, `recall`, `f1`,
    and `f1_PER`, ... for each type that references or predictions have.
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
    """A `compute_metrics` for the Trainer: precision, recall and F1 of entities, overall and for each type.

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
        found: Any = prediction.predictions
        found = found[0] if isinstance(found, tuple) else found
        if found.ndim == 3:
            found = found.argmax(axis=-1)
        pairs = [(f[labels >= 0], labels[labels >= 0]) for f, labels in zip(found, prediction.label_ids, strict=True)]
        metrics = EntityF1().compute(
            predictions=[names[tags].tolist() for tags, _ in pairs],
            references=[names[tags].tolist() for _, tags in pairs],
        )
        return {**metrics, **{name: metrics.get(name, 0.0) for name in of_types}}  # also of types that do not occur

    return compute_metrics
