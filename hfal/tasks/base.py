"""The protocol of a task, as pool, scoring and loop use it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import datasets
import numpy as np
import pyarrow as pa
import torch

from hfal.tasks.kinds import Kind


class Task(Protocol):
    """A task on one data set: its labels, what a pass of the model says of them, what is suggested."""

    @property
    def name(self) -> str:
        """The name of the task."""
        ...

    @property
    def kind(self) -> Kind:
        """The kind of its answers."""
        ...

    @property
    def head(self) -> str:
        """What a model needs to have, for messages."""
        ...

    @property
    def wrong_model(self) -> str:
        """How the names of model classes end that were made for another task."""
        ...

    @property
    def collator_hint(self) -> str:
        """What to do about a data collator that does not fit."""
        ...

    @property
    def how_to_tokenize(self) -> str:
        """The lines of code that make the columns which the model takes."""
        ...

    @property
    def label_names(self) -> tuple[str, ...]:
        """The names of the labels; empty where an answer may be any string."""
        ...

    @property
    def words(self) -> np.ndarray | None:
        """How many words each example has, int32[N]; `None` where they are not counted."""
        ...

    @property
    def outside(self) -> int:
        """The index of the tag `O`, -1 if there is none; 0 where words are not tagged."""
        ...

    @property
    def scheme(self) -> str | None:
        """How tags say where an entity begins; `None` where words are not tagged."""
        ...

    @property
    def thresholds(self) -> Mapping[str, float] | None:
        """From which probability on each label is suggested; `None` where that does not matter."""
        ...

    @property
    def suggestion_signals(self) -> frozenset[str]:
        """What a pass has to keep for `suggestions`."""
        ...

    @property
    def prediction_signals(self) -> frozenset[str]:
        """What a pass has to keep for `predictions`; empty where they cannot be compared between rounds."""
        ...

    @property
    def prediction_score(self) -> Callable[..., torch.Tensor] | None:
        """The score of such a pass, if it needs one."""
        ...

    @property
    def label_columns(self) -> tuple[str, ...]:
        """What the usual collator takes for the labels; the first is what labels of another column are called."""
        ...

    # -- labels of the data set itself -----------------------------------------------------------------------------

    def indices(self) -> np.ndarray:
        """Return the labels in the data set itself, as indices into `label_names`, int64[N]; -1 where it gives none.

        Raises:
            ArgumentError: An example has no single label.
        """
        ...

    def given(self) -> np.ndarray:
        """Return which examples have a label in the data set itself, bool[N]."""
        ...

    def label_bytes(self) -> bytes:
        """Return all labels in the data set itself, for a hash of them."""
        ...

    def label_at(self, row: int) -> Any:
        """Return the label that the data set itself gives to an example, or `None`."""
        ...

    # -- checks ----------------------------------------------------------------------------------------------------

    def check_problem_type(self, problem_type: str | None) -> None:
        """Check that the model's configuration does not say that its labels are something else.

        Raises:
            ArgumentError: It does, or would be taken to.
        """
        ...

    def check_tokens(self, lengths: np.ndarray) -> None:
        """Check the tokens, beside what the pool checks by itself.

        Args:
            lengths: Tokens of each example, int32[N].

        Raises:
            ArgumentError: They do not fit the labels.
        """
        ...

    def check_evaluation(self, dataset: datasets.Dataset, column: str) -> None:
        """Check the labels of an evaluation set that the model gets as they are.

        Args:
            dataset: The evaluation set.
            column: Its column with labels.

        Raises:
            ArgumentError: They are numbered in another way than the pool's.
        """
        ...

    # -- training --------------------------------------------------------------------------------------------------

    def training_labels(self, rows: pa.Table, labels: Sequence[Any]) -> tuple[pa.Array, Any]:
        """Return what the Trainer takes for the labels of some rows, and the column's feature."""
        ...

    def with_labels(self, dataset: datasets.Dataset, column: str) -> datasets.Dataset:
        """Return another data set with its labels as the Trainer takes them, in `column`.

        Raises:
            ArgumentError: A row has no label, or one of other names.
        """
        ...

    # -- a pass of the model ---------------------------------------------------------------------------------------

    def columns_to_score(self, columns: Sequence[str]) -> list[str]:
        """Return the columns that a scoring pass reads: those that the model takes, and what else is needed."""
        ...

    def collator(self, collate_fn: Callable[[list[Any]], Any], columns: Sequence[str]) -> Callable[[list[Any]], Any]:
        """Return what makes the batches of a scoring pass.

        Args:
            collate_fn: The Trainer's collator.
            columns: The columns that it takes beside the labels.
        """
        ...

    def check_batch(self, batch: Mapping[str, Any], rows: Sequence[int]) -> None:
        """Check that a batch of some rows has what `signals` needs.

        Raises:
            ArgumentError: The collator lost it.
        """
        ...

    def signals(
        self,
        logits: torch.Tensor | None,
        drawn: torch.Tensor | None,
        words: torch.Tensor | None,
        keep: frozenset[str],
        score: Callable[..., torch.Tensor] | None,
    ) -> dict[str, torch.Tensor]:
        """Return what a batch's logits say.

        Args:
            logits: float[B, ...]; `None` where all that is asked for is of draws.
            drawn: Those of T draws of the model's parameters, if there are any.
            words: The number of the word that each token begins, int[B, L], negative for other tokens; `None` where
                the collator gives no labels.
            keep: Names of what is wanted: those of the strategy's signals and of the task's own.
            score: The acquisition score, of probabilities or draws, and of a mask where words are tagged.

        Returns:
            What is in `keep`, float[B, ...], and `finite`, bool[B].

        Raises:
            ArgumentError: The model has another head.
            ScoringError: The score function did not return one number for each example.
        """
        ...

    # -- what the model would answer -------------------------------------------------------------------------------

    def suggestions(self, arrays: Mapping[str, np.ndarray], rows: np.ndarray) -> Sequence[tuple[Any, float]]:
        """Return what the model would answer to each example, and how sure it is of that.

        Args:
            arrays: What a pass gave for `suggestion_signals`, [n, ...].
            rows: The examples, int[n].
        """
        ...

    def predictions(self, arrays: Mapping[str, np.ndarray]) -> tuple[np.ndarray, float]:
        """Return the predictions to compare between rounds, int[n, ...], and the mean uncertainty, from 0 to 1.

        Args:
            arrays: What a pass gave for `prediction_signals`, [n, ...].
        """
        ...

    @property
    def f_measure(self) -> Callable[[np.ndarray, np.ndarray], float]:
        """The F measure of some predictions, were others right."""
        ...
