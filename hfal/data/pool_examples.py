"""The examples of a pool: the rows of the user's data, and those that were added behind them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hfal.data.added_rows import added_rows, append_rows, prepare_rows
from hfal.data.given_dataset import check_dataset, check_tokenized
from hfal.data.identity import Examples
from hfal.data.shown_columns import check_shown_columns
from hfal.errors import ArgumentError
from hfal.store.records import AddedExample
from hfal.tasks.label_column import LABEL_COLUMNS
from hfal.tasks.registry import make_task
from hfal.tasks.words import Texts
from hfal.utils.arrow import tables_of
from hfal.utils.spelling import counted, joined_names


EMBEDDING = "embedding"
"""The column with embeddings of the texts, for a head on a frozen encoder (`hfal.training.frozen_encoder`)."""

STATES = "token_states"
"""The same of the tokens, for entities."""


class PoolExamples:
    """The part of `hfal.data.pool.Pool` that knows texts, ids and columns, and nothing of what people have answered.

    Args:
        dataset: As for `Pool`, like all that follows.
        text_column: The column or columns with texts.
        label_column: The column with labels.
        label_names: The labels' names.
        id_column: The column with ids.
        task: The task.
        thresholds: From which probability on a label is suggested.
        show_columns: The columns whose values are shown beside the texts.
        prepare: Makes the columns that the model takes.

    Attributes:
        dataset: All rows with all columns: those of the data, then those that were added.
        task: The task on these rows.
        ids: The id of each row, strings[N].
        given: The ids and texts of the user's data alone.
    """

    def __init__(
        self,
        dataset: datasets.Dataset,
        text_column: str | Sequence[str],
        label_column: str | None,
        label_names: Sequence[str] | None,
        id_column: str | None,
        task: str | None,
        thresholds: float | Mapping[str, float] | None,
        show_columns: Sequence[str] | None,
        prepare: Callable[[datasets.Dataset], datasets.Dataset] | None,
    ):
        check_dataset(dataset)
        if len(dataset) == 0:
            raise ArgumentError("dataset is empty: a pool needs at least one example")
        self.text_columns = (text_column,) if isinstance(text_column, str) else tuple(text_column)
        self.label_column = label_column
        self.id_column = id_column
        for argument, column in [*(("text_column", c) for c in self.text_columns), ("label_column", label_column)]:
            _check_column(dataset, argument, column)
        _check_column(dataset, "id_column", id_column)
        if len(set(self.text_columns)) < len(self.text_columns):
            raise ArgumentError(f"text_column={list(self.text_columns)!r} names a column twice")
        if show_columns is not None:
            check_shown_columns(dataset, show_columns, self.text_columns, label_column)
        self._given_features = dataset.features
        self._prepare = prepare
        self._read = [*self.text_columns, *filter(None, [label_column, id_column]), *(show_columns or ())]
        self.dataset = dataset if prepare is None else prepare_rows(prepare, dataset, self._read)
        self.task = make_task(task, self.dataset, self.text_columns, label_column, label_names, thresholds)
        self.label_names = self.task.label_names
        self.thresholds = self.task.thresholds
        of_words = self.task.words is not None
        self.given = self._examples = Examples(
            self.dataset, self.text_columns, id_column, of_words, show_columns or ()
        )
        self._given_task = self.task
        self.ids: pa.Array = self._examples.ids

    def __len__(self) -> int:
        return len(self.dataset)

    @property
    def show_columns(self) -> list[str]:
        """The columns whose values are shown beside the texts."""
        return self._examples.show_columns

    # -- rows that are not in the user's data ------------------------------------------------------------------------

    def _rows_of(self, columns: Sequence[Mapping[str, Any]]) -> datasets.Dataset:
        """Return rows to add, with all columns of `dataset`.

        Raises:
            ArgumentError: The pool has no `prepare`, or a value does not fit its column.
        """
        if self._prepare is None:
            raise ArgumentError(
                f"the pool cannot tokenize {counted(len(columns), 'text')} that its data lacks: pass the data as it "
                "is, and prepare=lambda rows: rows.map(tokenize, batched=True)"
            )
        raw = added_rows(columns, self._given_features)
        self.given.hashes_of(raw)  # a text that is missing is found before it is tokenized
        rows = prepare_rows(self._prepare, raw, self._read)
        missing = [name for name in self.dataset.column_names if name not in rows.column_names]
        if missing:
            raise ArgumentError(f"prepare gave the data the columns {joined_names(missing)}, but not the added rows")
        return rows

    @property
    def can_grow(self) -> bool:
        """Whether examples can be added: whether there is a `prepare`."""
        return self._prepare is not None

    @property
    def contents(self) -> list[str]:
        """The hash of the text in each row, by which an edited text is noticed."""
        return [self._examples.content(row) for row in range(len(self))]

    @property
    def content_numbers(self) -> np.ndarray:
        """Eight bytes of these, uint64[N]."""
        return self._examples.content_numbers

    def unseen(self, columns: Sequence[Mapping[str, Any]], prepared: bool = True) -> "PoolExamples":
        """Return texts that are not in the pool as examples of their own, without labels and with other ids.

        Args:
            columns: The texts of each by column.
            prepared: Whether they get the columns that the model takes.

        Raises:
            ArgumentError: One lacks a text, or a value does not fit its column.
        """
        texts = [{name: of.get(name) for name in self.text_columns} for of in columns]
        rows = added_rows(texts, self._given_features)
        names, prepare = list(self.label_names) or None, self._prepare if prepared else None
        return PoolExamples(rows, self.text_columns, None, names, None, self.task.name, self.thresholds, (), prepare)

    def _append(self, rows: datasets.Dataset, ids: Sequence[str]) -> None:
        """Append rows, of which each is an example from now on."""
        names, thresholds = list(self.label_names) or None, self.thresholds
        self.dataset = append_rows(self.dataset, rows)
        self.task = make_task(self.task.name, self.dataset, self.text_columns, self.label_column, names, thresholds)
        self._examples = self._examples.followed_by(self.dataset, rows, ids)
        self.ids = self._examples.ids
        self.__dict__.pop("lengths", None)

    def _new_ids(self, rows: datasets.Dataset) -> tuple[list[str], list[str]]:
        """Return ids for rows to add, which no example has, and the hashes of their texts."""
        contents = [content.tobytes().hex() for content in self.given.hashes_of(rows)]
        taken, ids = set(), []
        for content in contents:
            number, name = 1, f"added-{content}"
            while name in taken or self._examples.has(name):
                number += 1
                name = f"added-{content}-{number}"
            taken.add(name)
            ids.append(name)
        return ids, contents

    def _take_up(self, added: Sequence[AddedExample]) -> None:
        """Append the examples that were added when the run was open before.

        Raises:
            ArgumentError: The pool has no `prepare`, or an id is one of the data, too.
        """
        if not added:
            return
        ids = [example.example_id for example in added]
        twice = [example_id for example_id in ids if self._examples.has(example_id)]
        if twice:
            raise ArgumentError(f"the data has an example with the id {twice[0]!r}, which one has that was added")
        self._append(self._rows_of([example.columns for example in added]), ids)

    # -- identity --------------------------------------------------------------------------------------------------

    @cached_property
    def fingerprint(self) -> str:
        """A hash of all texts, ids and labels of the user's data, in the order of the rows."""
        return self.given.fingerprint(self._given_task.label_bytes())

    def position(self, example_id: str) -> int:
        """Return the row of an example in the dataset.

        Raises:
            KeyError: No example has this id.
        """
        return self._examples.position(example_id)

    def positions(self, example_ids: Sequence[str]) -> np.ndarray:
        """Return the rows of examples in the dataset, int64[n], in the order of the ids.

        Raises:
            KeyError: An id is no example's.
        """
        return self._examples.positions(example_ids)

    def content(self, position: int) -> str:
        """Return the hash of the text in one row, by which an edited text is noticed."""
        return self._examples.content(position)

    # -- texts and lengths -----------------------------------------------------------------------------------------

    def texts(self, positions: Sequence[int] | np.ndarray) -> list[dict[str, str | list[str]]]:
        """Return the texts, by column, of some rows."""
        return self._examples.texts(positions)

    def examples(self) -> Iterator[tuple[str, Texts]]:
        """Yield id and texts, by column, of every example, in the order of the dataset."""
        return self._examples.examples()

    def shown(self, positions: Sequence[int] | np.ndarray) -> list[dict[str, str]]:
        """Return the values of `show_columns` in some rows, by column, as text; without those that are missing."""
        return self._examples.shown(positions)

    def all_shown(self) -> Iterator[dict[str, str]]:
        """Yield what `shown` returns for every example, in the order of the dataset."""
        return self._examples.all_shown()

    @cached_property
    def lengths(self) -> np.ndarray:
        """Number of tokens of each example, int32[N]; 1 where all that the model takes is an embedding of the text.

        Raises:
            ValueError: The dataset has no `input_ids`, or an example has no token at all.
        """
        if EMBEDDING in self.dataset.column_names and self.task.words is None:
            return np.ones(len(self), np.int32)
        check_tokenized(self.dataset, self.task.how_to_tokenize)
        parts = []
        for table in tables_of(self.dataset, "input_ids"):
            parts.append(pc.list_value_length(table["input_ids"]).to_numpy())
        lengths = np.concatenate(parts).astype(np.int32)
        if (lengths == 0).any():
            empty = np.flatnonzero(lengths == 0)
            raise ArgumentError(
                f"{counted(len(empty), 'example has', 'examples have')} no token at all (ids "
                f"{self.some_ids(empty)}): let the tokenizer add its special tokens, or drop these rows"
            )
        self.task.check_tokens(lengths)
        return lengths

    def some_ids(self, positions: Sequence[int] | np.ndarray) -> str:
        """Return the first few ids of some rows, for a message."""
        return self._examples.some_ids(positions)

    @property
    def columns_without_labels(self) -> list[str]:
        """The columns of the dataset that give no label away."""
        labels = {self.label_column, *LABEL_COLUMNS}
        return [column for column in self.dataset.column_names if column not in labels]

    def rows_to_score(self, columns: Sequence[str]) -> datasets.Dataset:
        """Return the dataset with only these columns, and those that align words, all in the user's format."""
        kind = self.dataset.format
        rows = self.dataset.select_columns(self.task.columns_to_score(columns))
        return rows.with_format(kind["type"], **kind["format_kwargs"])


def _check_column(dataset: datasets.Dataset, argument: str, column: str | None) -> None:
    if column is not None and column not in dataset.column_names:
        raise ArgumentError(
            f"{argument}={column!r} is no column of the dataset; it has: {joined_names(dataset.column_names)}"
        )
