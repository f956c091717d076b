"""The pool: every example, labeled or not. The data never changes; its labels do."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets.table import InMemoryTable

from hfal.data.given_dataset import check_dataset, check_tokenized
from hfal.data.identity import Examples
from hfal.data.run_checks import check_run_directory, record_shown, wait_for_store
from hfal.data.shown_columns import check_shown_columns
from hfal.errors import AnnotationError, ArgumentError
from hfal.store.records import Answer
from hfal.store.run_info import UNITS
from hfal.store.store import Store
from hfal.tasks.label_column import LABEL_COLUMNS
from hfal.tasks.registry import make_task
from hfal.tasks.unused_labels import warn_of_unused_labels
from hfal.tasks.words import Texts
from hfal.utils.arrow import tables_of
from hfal.utils.distributed import is_main, on_main, rank_and_size
from hfal.utils.html import html_table
from hfal.utils.output import get_logger
from hfal.utils.spelling import counted, joined_names


logger = get_logger(__name__)

HOLDOUT = "held out by hfal"
"""Description of the held-out view, by which the loop knows it again in a Trainer's `eval_dataset`."""

EMBEDDING = "embedding"
"""The column with embeddings of the texts, for a head on a frozen encoder (`hfal.training.frozen_encoder`)."""

STATES = "token_states"
"""The same of the tokens, for entities."""


class Pool:
    """A data set and what is known about its labels.

    Args:
        dataset (`datasets.Dataset`):
            All examples, with their text beside the tokenized columns. It stays where it is (memory-mapped) and is
            never changed.
        run_dir (`str` or `os.PathLike`):
            Where queries, answers, rounds and models are kept. The same pool with the same `run_dir` goes on.
        text_column (`str` or sequence of `str`):
            The column, or columns of a text pair, that annotators read. For token classification the one column with
            sentences, in words (`List(string)`) or as raw text.
        label_column (`str`, *optional*):
            The column with labels: `ClassLabel`, integers, booleans, or strings; for a text that may have several a
            list of these (but for booleans), which may be empty; for words a list with a tag for each, or a list of
            character spans (`start`, `end`, `label`). Missing labels are `None`, blank, or -1 where no label is called
            that. If every example has a label they stay hidden until a `SimulatedAnnotator` reveals them; if only some
            have one, these are known from the start.
        label_names (sequence of `str`, *optional*):
            The labels' names; needed only where the column does not say them. Numbers in the column are names that
            stand here, or else count these from 0; without `label_names` numbers are names (1 and 2 are two labels).
            Names of entity types (`PER`) stand for their tags (`O`, `B-PER`, `I-PER`). No two may look alike, and
            where a text has one label there have to be two of them.
        id_column (`str`, *optional*):
            A column of unique ids. Without it an id is made from a hash of the text and an occurrence number, so
            rows may be reordered and appended.
        task (`str`, *optional*):
            `"text_classification"`, `"multi_label_classification"` or `"token_classification"`; by default what the
            columns are made for. Needed for raw text that has no labels yet, unless each is to get one.
        thresholds (`float` or mapping of `str` to `float`, *optional*):
            For multi-label classification, from which probability on a label is suggested: for all labels, or by
            name; 0.5 by default. The attribute of this name has it for every label, for
            `hfal.tasks.metrics.label_set_metrics`.
        show_columns (sequence of `str`, *optional*):
            Other columns (a date, an author, a number), whose values annotators see beside the texts and exports
            have. They are no texts: no model sees them, and they may change. By default those that the run was
            started with before, if there are any; `()` for none.

    Raises:
        TypeError: `dataset` is not a `datasets.Dataset`.
        ValueError: An argument does not fit the data; the message says which and what to do.
        RunDirectoryError: `run_dir` belongs to another pool, or a text that was queried or labeled has changed.
    """

    def __init__(
        self,
        dataset: datasets.Dataset,
        run_dir: str | os.PathLike[str],
        text_column: str | Sequence[str],
        label_column: str | None = None,
        label_names: Sequence[str] | None = None,
        id_column: str | None = None,
        task: str | None = None,
        thresholds: float | Mapping[str, float] | None = None,
        show_columns: Sequence[str] | None = None,
    ):
        check_dataset(dataset)
        if len(dataset) == 0:
            raise ArgumentError("dataset is empty: a pool needs at least one example")
        self.dataset = dataset
        self.text_columns = (text_column,) if isinstance(text_column, str) else tuple(text_column)
        self.label_column = label_column
        self.id_column = id_column
        for argument, column in [*(("text_column", c) for c in self.text_columns), ("label_column", label_column)]:
            self._check_column(argument, column)
        self._check_column("id_column", id_column)
        if len(set(self.text_columns)) < len(self.text_columns):
            raise ArgumentError(f"text_column={list(self.text_columns)!r} names a column twice")
        self.task = make_task(task, dataset, self.text_columns, label_column, label_names, thresholds)
        self.label_names = self.task.label_names
        self.thresholds = self.task.thresholds
        if show_columns is not None:
            check_shown_columns(dataset, show_columns, self.text_columns, label_column)
        self._examples = Examples(
            dataset, self.text_columns, id_column, self.task.words is not None, show_columns or ()
        )
        self.ids: pa.Array = self._examples.ids
        self.run_dir = Path(os.path.realpath(run_dir))
        if is_main():
            if show_columns is None and set(before := self.store.shown_columns) <= set(dataset.column_names):
                self._examples.show_columns = before
            check_run_directory(self.store, self._examples, self.task, label_column)
            if show_columns is not None or self.show_columns:
                record_shown(self.store, self._examples)
            if label_column is None:
                used = (*self.text_columns, id_column, *self.show_columns)
                warn_of_unused_labels(dataset, self.label_names, used)
            if rank_and_size()[1] > 1 and self.store.pool_fingerprint != self.fingerprint:
                with self.store.own():
                    self.store.set_pool_fingerprint(self.fingerprint)  # for which the others wait

    @classmethod
    def from_export(
        cls,
        source: str | os.PathLike[str],
        run_dir: str | os.PathLike[str],
        prepare: Callable[[datasets.Dataset], datasets.Dataset] | None = None,
        thresholds: float | Mapping[str, float] | None = None,
        revision: str | None = None,
        token: str | None = None,
    ) -> "Pool":
        """Go on where an export stopped, in a new run directory.

        With the same Trainer and the same arguments of the callback, the next queries are those that the exported run
        would have made. The export has no models: a last round that has made no query yet is trained again, and
        where `retrain="continue"` or a committee takes models of earlier rounds, the run refuses to start until
        `rounds/NNN/model` was copied from the run that trained them. What models said of the
        stop set is not in it, so the first new round has no kappa, and `stop` may end the run later. Nor does it have
        labels that nobody was shown, so a `SimulatedAnnotator` cannot answer. Called again, it opens the same run.

        Args:
            source: A folder that `export_labels(..., unlabeled=pool, answers=True)` has written, or the name of a data
                set on the Hub with these files, also with `hub:` before it.
            run_dir: The new run directory.
            prepare: Gets the examples, with `id`, the text columns and those that are shown beside them, and returns
                them with the columns that the model takes: `lambda rows: rows.map(tokenize, batched=True)`.
            thresholds: As for `Pool`.
            revision: Of a data set on the Hub.
            token: For the Hub.

        Raises:
            ArgumentError: `source` is no export, or lacks what it takes to go on.
            HubError: The data set cannot be had from the Hub.
            RunDirectoryError: `run_dir` has something else in it, or a text was edited in the export.
        """
        from hfal.export.restore import load_export, restored

        rows, history = load_export(source, revision, token)
        dataset = rows if prepare is None else prepare(rows)
        if not isinstance(dataset, datasets.Dataset) or len(dataset) != len(rows):
            raise ArgumentError(f"prepare has to return a Dataset with all {len(rows)} rows; it returned {dataset!r}")
        columns = history.text_columns

        def open_in(folder: str | os.PathLike[str]) -> "Pool":
            return cls(dataset, folder, columns, None, history.label_names, "id", history.task, thresholds)

        if is_main():
            with restored(history, rows, run_dir) as folder:
                open_in(folder).store.close()  # which checks that the texts are those that were labeled
        return open_in(run_dir)

    @cached_property
    def store(self) -> Store:
        """The run's store; of several processes only the main one writes to it."""
        if is_main():
            return Store(self.run_dir)
        return wait_for_store(self.run_dir, self.fingerprint)

    @property
    def show_columns(self) -> list[str]:
        """The columns whose values are shown beside the texts."""
        return self._examples.show_columns

    def _check_column(self, argument: str, column: str | None) -> None:
        if column is not None and column not in self.dataset.column_names:
            raise ArgumentError(
                f"{argument}={column!r} is no column of the dataset; it has: {joined_names(self.dataset.column_names)}"
            )

    def __len__(self) -> int:
        return len(self.dataset)

    def __repr__(self) -> str:
        names = f"labels {joined_names(self.label_names)}, " if self.label_names else ""
        return f"Pool({len(self)} examples, {len(self.labels())} labeled, {names}run_dir={str(self.run_dir)!r})"

    def _repr_html_(self) -> str:
        labels = self.labels()
        counts = self.task.kind.count(labels.values(), self.label_names)
        of_labels = [("none of them" if name is None else name, count) for name, count in counts.items()]
        held_out = len(self.store.holdout_ids() & labels.keys())
        rows = [("examples", len(self)), ("labeled", len(labels)), ("of these held out", held_out)]
        return html_table([*rows, *of_labels, ("run_dir", self.run_dir)], has_head=False)

    # -- identity --------------------------------------------------------------------------------------------------

    @cached_property
    def fingerprint(self) -> str:
        """A hash of all texts, ids and given labels, in the order of the rows."""
        return self._examples.fingerprint(self.task.label_bytes())

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

    # -- labels ----------------------------------------------------------------------------------------------------

    def given_labels(self) -> np.ndarray:
        """Return the labels in the dataset itself, as indices into `label_names`, int64[N]; -1 where it gives none.

        Raises:
            ArgumentError: An example has no single label.
        """
        return self.task.indices()

    def with_labels(self, dataset: datasets.Dataset) -> datasets.Dataset:
        """Give another dataset labels as `labeled` has them, numbered alike, for the Trainer's `eval_dataset`.

        Args:
            dataset: Has the pool's `label_column`; where the labels are of words, tokenized as the pool's is.

        Raises:
            TypeError: `dataset` is not a `datasets.Dataset`.
            ArgumentError: A label is missing, or is none of the pool's.
        """
        check_dataset(dataset)
        if self.label_column is None or self.label_column not in dataset.column_names:
            raise ArgumentError(f"label_column={self.label_column!r}: the dataset needs it to have labels")
        return self.task.with_labels(dataset, self._labels_name)

    def hidden_label(self, example_id: str) -> str | list[str] | None:
        """Return the label, labels or tags that the dataset gives to an example, for a `SimulatedAnnotator`."""
        return self.task.label_at(self.position(example_id))

    def labels(self, until: int | None = None) -> dict[str, Any]:
        """Return example id to label of every example that is labeled now, or was after answer number `until`."""
        return {i: a.label for i, a in self.store.current_answers(until).items() if a.label is not None}

    def training_labels(self, until: int | None = None) -> dict[str, Any]:
        """Return example id to label of the examples to train on: those of `labels` that are not held out."""
        return {i: answer.label for i, answer in self.store.training_answers(until).items()}

    def labels_bought(self, until: int | None = None) -> int:
        """Return the number of labels bought from annotators, held-out ones included, without those of the data."""
        return self.store.labels_bought(until)

    def costs(self, unit: str) -> np.ndarray:
        """Return the cost of each example, int[N]: 1 where `unit` is `"examples"`, its words where it is `"words"`.

        Raises:
            ArgumentError: Labels are not of words.
        """
        if unit not in UNITS:
            raise ArgumentError(f"unit={unit!r}, expected one of {', '.join(UNITS)}")
        if unit == "examples":
            return np.ones(len(self), np.int8)
        if self.task.words is None:
            raise ArgumentError("unit='words' is for token classification: count 'examples' here")
        return self.task.words

    def words_bought(self) -> int | None:
        """Return the number of words that annotators tagged; `None` but for token classification."""
        return None if self.task.words is None else self.store.words_bought()

    @property
    def labeled(self) -> datasets.Dataset:
        """The labeled examples, without those held out, in the order in which they were first answered.

        Their label is in the pool's `label_column` if the Trainer's usual collator knows that name, else in `labels`.
        Where a text may have several it is a float for each label, 1 or 0. Tags are always in `labels`, and there for
        tokens, not for words: -100 on all tokens but the first of each word.
        """
        return self.labeled_until(None)

    def labeled_until(self, answer: int | None) -> datasets.Dataset:
        """Return the labeled view as it was after an answer of the log, by its number."""
        return self._labeled_view(*_columns(self.training_labels(answer)))

    def labeled_with(self, pseudo_labels: Mapping[str, str], answer: int, repeats: np.ndarray) -> datasets.Dataset:
        """Return the labeled view as it was after an answer of the log, followed by examples with pseudo-labels.

        Args:
            pseudo_labels: What stands for a label of these examples, by id.
            answer: The number of the answer.
            repeats: How often each labeled example is in the view, int[L].
        """
        ids, labels = _columns(self.training_labels(answer))
        rows = np.repeat(np.arange(len(ids)), repeats)
        return self._labeled_view(
            [*(ids[row] for row in rows), *pseudo_labels], [*(labels[row] for row in rows), *pseudo_labels.values()]
        )

    def with_made_up_labels(self, positions: Sequence[int] | np.ndarray) -> datasets.Dataset:
        """Return some rows as `labeled` would have them, with labels that nobody has given, to try a training on."""
        words, make = self.task.words, self.task.kind.made_up
        labels = [
            make(place, 1 if words is None else int(words[position]), self.label_names)
            for place, position in enumerate(positions)
        ]
        return self._labeled_view(self.ids.take(pa.array(positions)).to_pylist(), labels)

    @property
    def holdout(self) -> datasets.Dataset:
        """The labeled examples that are held out for evaluation and never trained on."""
        return self.holdout_until(None)

    def holdout_until(self, answer: int | None) -> datasets.Dataset:
        """Return the held-out view as it was after an answer of the log, by its number."""
        holdout = self.store.holdout_ids()
        view = self._labeled_view(*_columns({i: v for i, v in self.labels(answer).items() if i in holdout}))
        view.info.description = HOLDOUT
        return view

    @property
    def unlabeled(self) -> datasets.Dataset:
        """The examples that may still be asked about, in the order of the dataset, without any label column."""
        positions = np.sort(self.unlabeled_positions())
        return self.dataset.select_columns(self.columns_without_labels).select(positions)

    def unlabeled_positions(self) -> np.ndarray:
        """Return the rows of the examples that may still be asked about, int64[U], in the order of their ids.

        That leaves out whatever is labeled, skipped, unsure, held out, part of a query that is still being asked, or
        has the same text as a held-out example.
        """
        taken = set(self.store.current_answers())
        taken.update(e.example_id for query in self.store.open_queries() for e in query.examples)
        return self._positions_without(taken)

    def unanswered_positions(self, until: int) -> np.ndarray:
        """Return these rows as they were after answer number `until`, those of open queries included."""
        return self._positions_without(set(self.store.current_answers(until)))

    def _positions_without(self, taken: set[str]) -> np.ndarray:
        holdout = sorted(self.store.holdout_ids())
        taken.update(holdout)
        free = np.ones(len(self), bool)
        if taken:
            free[self.positions(sorted(taken))] = False
        if holdout:
            free &= ~self.has_text_of(self.positions(holdout))
        by_id = self._examples.by_id
        positions: np.ndarray = by_id[free[by_id]]
        return positions

    def has_text_of(self, positions: np.ndarray) -> np.ndarray:
        """Return whether each example of the pool has the text of one of those at some positions, bool[N]."""
        return self._examples.has_text_of(positions)

    @property
    def _labels_name(self) -> str:
        known = self.task.label_columns
        return self.label_column if self.label_column in known else known[0]

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

    def _labeled_view(self, ids: Sequence[str], labels: Sequence[Any]) -> datasets.Dataset:
        rows = self.dataset.select_columns(self.columns_without_labels).with_format("arrow")[self.positions(ids)]
        answers, feature = self.task.training_labels(rows, labels)
        features = datasets.Features(
            {**{c: self.dataset.features[c] for c in rows.column_names}, self._labels_name: feature}
        )
        # Built of Arrow columns: `add_column` would first copy the rows to the disk, with a progress bar.
        view = datasets.Dataset(
            InMemoryTable(rows.append_column(self._labels_name, answers)), datasets.DatasetInfo(features=features)
        )
        kind = self.dataset.format
        return view.with_format(kind["type"], **kind["format_kwargs"])

    def record(self, answer: Answer) -> Answer | None:
        """Record one answer to any example of the pool; see `Store.record`.

        Raises:
            AnnotationError: The id is no example's, the label is none of `label_names`, or the answer is incomplete.
        """
        try:
            position = self.position(answer.example_id)
        except KeyError as error:
            raise AnnotationError(str(error.args[0])) from None
        (texts,), (shown,) = self.texts([position]), self.shown([position])
        return self.store.record(answer, self.content(position), texts, shown)

    def push_to_hub(self, repo_id: str, *, unlabeled: bool = False, **options: Any) -> str:
        """Publish the labels as a data set on the Hub, in one commit, with a card that says how they were made.

        Args:
            repo_id: `"owner/name"`; the owner is you or an organization.
            unlabeled: Whether to publish the examples without a label too, as a split of their own.
            **options: `private`, `token`, `license`, `language`, `model_repo_id`, and what `export_labels` takes
                beside: see `hfal.export.hub.push_to_hub`, by which comments of annotators stay out.

        Returns:
            The address of the commit.

        Raises:
            HfalError: As `hfal.export.hub.push_to_hub` does.
        """
        from hfal.export.hub import push_to_hub

        return on_main(lambda: push_to_hub(self.run_dir, repo_id, unlabeled=self if unlabeled else None, **options))


def _columns(labels: Mapping[str, Any]) -> tuple[list[str], list[Any]]:
    return list(labels), list(labels.values())
