"""The task in which a text gets one label."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import torch

from hfal.errors import ArgumentError
from hfal.tasks.kinds import KINDS, LabelSet, SingleLabel
from hfal.tasks.label_column import check_numbers, label_coding, label_indices, with_label_column
from hfal.tasks.outputs import class_probabilities, finite, required, signals_of_texts
from hfal.tasks.whole_text_task import WholeTexts
from hfal.utils.agreement import f_of_classes, mean_entropy
from hfal.utils.spelling import joined_names


class TextClassification(WholeTexts):
    """One label for each text (or pair of texts); see `hfal.tasks.base.Task`.

    Args:
        dataset: The data.
        text_columns: Its columns with text.
        label_column: Its column with labels, if it has one.
        label_names: The names that the user gives, if any.
    """

    name = SingleLabel.task
    kind = KINDS[SingleLabel.task]

    def __init__(
        self,
        dataset: datasets.Dataset,
        text_columns: Sequence[str],
        label_column: str | None,
        label_names: Sequence[str] | None,
    ):
        super().__init__(dataset, text_columns, label_column)
        self._coding = label_coding(dataset, label_column, label_names)
        self.label_names = self._coding.names

    def indices(self) -> np.ndarray:
        """Return the labels in the data set itself, as indices into `label_names`, int64[N]; -1 where it has none."""
        return self._indices.copy()  # which the caller may change, but not the labels that are hidden here

    @cached_property
    def _indices(self) -> np.ndarray:
        # Read once: asking a data set for one cell takes milliseconds, and the pool may ask for each.
        if self.label_column is None:
            return np.full(len(self.dataset), -1, np.int64)
        return label_indices(self.dataset, self.label_column, self._coding)

    def given(self) -> np.ndarray:
        """Return which examples have a label in the data set itself, bool[N]."""
        return self._indices >= 0

    def label_bytes(self) -> bytes:
        """Return all labels in the data set itself, for a hash of them."""
        return self._indices.tobytes()

    def label_at(self, row: int) -> str | None:
        """Return the label that the data set itself gives to an example."""
        index = int(self._indices[row])
        return None if index < 0 else self.label_names[index]

    def check_problem_type(self, problem_type: str | None) -> None:
        """Check that the model's configuration does not say that its labels are something else.

        Raises:
            ArgumentError: It was made for several labels.
        """
        if problem_type == LabelSet.task:
            raise ArgumentError(
                f"the model's problem_type is {problem_type!r}, but the pool has one label for each text: load the "
                "model with problem_type='single_label_classification' (several labels for a text are lists in the "
                "label_column)"
            )

    def check_evaluation(self, dataset: datasets.Dataset, column: str) -> None:
        """Check that the labels of an evaluation set are the numbers of the pool's."""
        check_numbers(dataset, column, self._coding)

    def training_labels(self, rows: pa.Table, labels: Sequence[str]) -> tuple[pa.Array, Any]:
        """Return the index of each label, int64, and a `ClassLabel`."""
        index = {name: i for i, name in enumerate(self.label_names)}
        return pa.array([index[label] for label in labels], pa.int64()), datasets.ClassLabel(
            names=list(self.label_names)
        )

    def with_labels(self, dataset: datasets.Dataset, column: str) -> datasets.Dataset:
        """Return another data set with its labels as a `ClassLabel`, in `column`."""
        assert self.label_column is not None
        indices = label_indices(dataset, self.label_column, self._coding, is_other=True)
        if (indices < 0).any():
            row = int(np.flatnonzero(indices < 0)[0])
            raise ArgumentError(
                f"row {row} has the label {dataset.with_format(None)[row][self.label_column]!r}, expected one of "
                f"{joined_names(self.label_names)}"
            )
        feature = datasets.ClassLabel(names=list(self.label_names))
        return with_label_column(dataset, self.label_column, column, indices, feature)

    def suggestions(self, arrays: Mapping[str, np.ndarray], rows: np.ndarray) -> list[tuple[str, float]]:
        """Return the most likely label of each example, and its probability, from probabilities float[n, C]."""
        probabilities = arrays["probabilities"]
        best = probabilities.argmax(axis=1)
        return [(self.label_names[c], float(probabilities[row, c])) for row, c in enumerate(best)]

    def predictions(self, arrays: Mapping[str, np.ndarray]) -> tuple[np.ndarray, float]:
        """Return the classes to compare between rounds, int[n], and the mean uncertainty, from 0 to 1.

        Args:
            arrays: `probabilities`, float[n, C].
        """
        probabilities = arrays["probabilities"]
        return probabilities.argmax(axis=1), mean_entropy(probabilities)

    @property
    def f_measure(self) -> Callable[[np.ndarray, np.ndarray], float]:
        """The F measure of some predictions, were others right."""
        return f_of_classes

    @staticmethod
    def signals(
        logits: torch.Tensor | None,
        drawn: torch.Tensor | None,
        words: torch.Tensor | None,
        keep: frozenset[str],
        score: Callable[..., torch.Tensor] | None,
    ) -> dict[str, torch.Tensor]:
        """Return what a batch's logits say.

        Args:
            logits: float[B, C]; `None` where all that is asked for is of draws.
            drawn: Those of T draws of the model's parameters, float[B, T, C], if there are any.
            words: Not used.
            keep: Any of `"scores"`, `"probabilities"`, `"draws"`, and `"predictions"` with `"confidences"`, the most
                likely class and its probability.
            score: The acquisition score, of probabilities float32[B, C], or of draws float32[B, T, C].

        Returns:
            What is in `keep`, float[B, ...], and `finite`, bool[B].

        Raises:
            ArgumentError: The model is no sequence classifier.
            ScoringError: The score function did not return one number for each example.
        """
        probabilities = None if logits is None else class_probabilities(logits, 2, TextClassification.head)
        draws = None if drawn is None else class_probabilities(drawn, 3, TextClassification.head)
        found = signals_of_texts(probabilities, draws, finite(probabilities, draws), keep, score)
        if "predictions" in keep:
            found["confidences"], found["predictions"] = required(probabilities).max(dim=-1)
        return found
