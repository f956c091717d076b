"""The task in which a text gets a set of labels."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import torch

from hfal.errors import ArgumentError, RowError
from hfal.tasks.kinds import KINDS, LabelSet
from hfal.tasks.label_column import with_label_column
from hfal.tasks.label_set_column import label_set_coding, read_label_sets
from hfal.tasks.outputs import finite, label_probabilities, signals_of_texts
from hfal.tasks.thresholds import thresholds_of
from hfal.tasks.whole_text_task import WholeTexts
from hfal.utils.agreement import f_of_sets, mean_entropy


class MultiLabelClassification(WholeTexts):
    """A set of labels for each text (or pair of texts); see `hfal.tasks.base.Task`.

    Args:
        dataset: The data.
        text_columns: Its columns with text.
        label_column: Its column with lists of labels, if it has one.
        label_names: The names that the user gives, if any.
        thresholds: From which probability on a label is suggested; see `hfal.tasks.thresholds`.
    """

    name = LabelSet.task
    kind = KINDS[LabelSet.task]

    def __init__(
        self,
        dataset: datasets.Dataset,
        text_columns: Sequence[str],
        label_column: str | None,
        label_names: Sequence[str] | None,
        thresholds: float | Mapping[str, float] | None,
    ):
        super().__init__(dataset, text_columns, label_column)
        self._coding = label_set_coding(dataset, label_column, label_names)
        self.label_names = self._coding.names
        self.thresholds: dict[str, float] = thresholds_of(thresholds, self.label_names)
        self.sets = read_label_sets(dataset, label_column, self._coding)

    def indices(self) -> np.ndarray:
        """Refuse, since a text has no single label."""
        raise ArgumentError("seed_strategy='stratified' is for text classification: take 'random' or 'kmeans'")

    def given(self) -> np.ndarray:
        """Return which texts have a set of labels in the data set itself, bool[N]; it may be empty."""
        return self.sets.given

    def label_bytes(self) -> bytes:
        """Return all sets in the data set itself, for a hash of them."""
        return self.sets.indices.tobytes() + self.sets.offsets.tobytes() + self.sets.given.tobytes()

    def label_at(self, row: int) -> list[str] | None:
        """Return the labels that the data set itself gives to a text."""
        return self.sets.of(row)

    def check_problem_type(self, problem_type: str | None) -> None:
        """Check that the model will be trained with a binary cross-entropy for each label.

        Raises:
            ArgumentError: Its configuration says something else, or would be taken to say so.
        """
        if problem_type is None and len(self.label_names) > 1:
            return  # transformers tells it by the labels, which are floats
        if problem_type != self.name:
            why = " (with one label and no problem_type it would be a regression)" if problem_type is None else ""
            raise ArgumentError(
                f"the model's problem_type is {problem_type!r}, but the pool has sets of labels: load the model with "
                f"problem_type={self.name!r}{why}"
            )

    def training_labels(self, rows: pa.Table, labels: Sequence[Sequence[str]]) -> tuple[pa.Array, Any]:
        """Return float32[L] for each set, 1 for the labels in it and 0 for the others, and the feature."""
        hot = np.zeros((len(labels), len(self.label_names)), np.float32)
        index = {name: i for i, name in enumerate(self.label_names)}
        for row, names in enumerate(labels):
            hot[row, [index[name] for name in names]] = 1
        return pa.array(list(hot), pa.list_(pa.float32())), datasets.List(datasets.Value("float32"))

    def with_labels(self, dataset: datasets.Dataset, column: str) -> datasets.Dataset:
        """Return another data set with its labels as `training_labels` has them, in `column`."""
        sets = read_label_sets(dataset, self.label_column, self._coding, is_other=True)
        if not sets.given.all():
            row = int(np.flatnonzero(~sets.given)[0])
            raise RowError(
                row, f"no labels in column {self.label_column!r}: drop such rows; an empty list is none of them"
            )
        rows = [sets.of(row) or [] for row in range(len(dataset))]
        labels, feature = self.training_labels(dataset.data, rows)
        return with_label_column(dataset, self.label_column, column, labels, feature)

    def suggestions(self, arrays: Mapping[str, np.ndarray], rows: np.ndarray) -> list[tuple[list[str], float]]:
        """Return the labels whose probability reaches their threshold, and how sure the model is of the whole set.

        That is the geometric mean, over all labels, of the probability of what was decided: of the label if it is
        suggested, of its absence if it is not.

        Args:
            arrays: `probabilities`, float[n, L].
            rows: Not used.
        """
        probabilities = arrays["probabilities"].astype(np.float64)
        chosen = self._chosen(probabilities)
        confidences = np.exp(np.log(np.where(chosen, probabilities, 1 - probabilities)).mean(axis=1))
        names = np.array(self.label_names, object)
        return [(names[row].tolist(), float(sure)) for row, sure in zip(chosen, confidences, strict=True)]

    def _chosen(self, probabilities: np.ndarray) -> np.ndarray:
        """The labels whose probability reaches their threshold, bool[n, L]."""
        chosen: np.ndarray = probabilities >= np.array([*self.thresholds.values()])
        return chosen

    def predictions(self, arrays: Mapping[str, np.ndarray]) -> tuple[np.ndarray, float]:
        """Return the decisions to compare between rounds, 0 or 1, int[n, L], and the mean uncertainty, from 0 to 1.

        Args:
            arrays: `probabilities`, float[n, L].
        """
        probabilities = arrays["probabilities"].astype(np.float64)
        return self._chosen(probabilities).astype(int), mean_entropy(np.stack([probabilities, 1 - probabilities], -1))

    @property
    def f_measure(self) -> Callable[[np.ndarray, np.ndarray], float]:
        """The F measure of some predictions, were others right."""
        return f_of_sets

    @staticmethod
    def signals(
        logits: torch.Tensor | None,
        drawn: torch.Tensor | None,
        words: torch.Tensor | None,
        keep: frozenset[str],
        score: Callable[..., torch.Tensor] | None,
    ) -> dict[str, torch.Tensor]:
        """Return what a batch's logits say, each of one label by itself.

        Args:
            logits: float[B, L]; `None` where all that is asked for is of draws.
            drawn: Those of T draws of the model's parameters, float[B, T, L], if there are any.
            words: Not used.
            keep: Any of `"scores"`, `"probabilities"` and `"draws"`.
            score: The acquisition score, of probabilities float32[B, L], or of draws float32[B, T, L].

        Returns:
            What is in `keep`, float[B, ...], and `finite`, bool[B].

        Raises:
            ArgumentError: The model is no sequence classifier.
            ScoringError: The score function did not return one number for each example.
        """
        head = MultiLabelClassification.head
        probabilities = None if logits is None else label_probabilities(logits, 2, head)
        draws = None if drawn is None else label_probabilities(drawn, 3, head)
        is_finite = finite(logits, drawn)  # of the logits: the sigmoid of infinity is 1
        return signals_of_texts(probabilities, draws, is_finite, keep, score)
