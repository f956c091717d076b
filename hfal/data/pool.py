"""The pool: every example, labeled or not. Examples may be added; none changes, but for what is known of its label."""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
from datasets.table import InMemoryTable

from hfal.data.given_dataset import check_dataset
from hfal.data.pool_examples import PoolExamples
from hfal.data.run_checks import check_run_directory, record_shown, wait_for_store
from hfal.errors import AnnotationError, ArgumentError
from hfal.store.records import AddedExample, Answer
from hfal.store.run_info import UNITS
from hfal.store.store import Store
from hfal.tasks.unused_labels import warn_of_unused_labels
from hfal.utils.distributed import is_main, on_main, rank_and_size
from hfal.utils.html import html_table
from hfal.utils.output import get_logger
from hfal.utils.spelling import joined_names


logger = get_logger(__name__)

HOLDOUT = "held out by hfal"
"""Description of the held-out view, by which the loop knows it again in a Trainer's `eval_dataset`."""


class Pool(PoolExamples):
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
        prepare (`Callable`, *optional*):
            Gets rows of `dataset`, and returns them with the columns that the model takes:
            `lambda rows: rows.map(tokenize, batched=True)`. It may drop columns, but none that is named here. With it
            `dataset` need not be tokenized, and `add` can add examples.

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
        prepare: Callable[[datasets.Dataset], datasets.Dataset] | None = None,
    ):
        super().__init__(
            dataset, text_column, label_column, label_names, id_column, task, thresholds, show_columns, prepare
        )
        self.run_dir = Path(os.path.realpath(run_dir))
        if is_main():
            added = self.store.added_examples()
            if show_columns is None and set(before := self.store.shown_columns) <= set(self.dataset.column_names):
                self._examples.show_columns = before
            check_run_directory(self.store, self.given, self.task, label_column)
            if rank_and_size()[1] > 1 and self.store.pool_fingerprint != self.fingerprint:
                with self.store.own():
                    self.store.set_pool_fingerprint(self.fingerprint)  # for which the others wait
            self._take_up(added)  # together with the others, whose `prepare` may wait for this one's
            if show_columns is not None or self.show_columns:
                record_shown(self.store, self._examples)
            if label_column is None:
                used = (*self.text_columns, id_column, *self.show_columns)
                warn_of_unused_labels(dataset, self.label_names, used)
        else:
            self._take_up(self.store.added_examples())

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
        columns, names = history.text_columns, history.label_names
        once = None if prepare is None else lru_cache(maxsize=2)(prepare)  # the pool is opened twice

        def open_in(folder: str | os.PathLike[str]) -> "Pool":
            return cls(rows, folder, columns, None, names, "id", history.task, thresholds, prepare=once)

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

    # -- examples that are not in the user's data ------------------------------------------------------------------

    def add(
        self,
        rows: Sequence[Mapping[str, Any]],
        origin: str,
        parents: Sequence[str | None] | None = None,
        methods: Sequence[str | None] | None = None,
    ) -> list[str]:
        """Add examples that are not in the user's data; they are in the run directory, and there again next time.

        Not while `rounds()` is going on, but between two calls of it. Called by all processes.

        Args:
            rows: The texts of each by column, and what is shown beside them. Where every example of the data has a
                label, which is hidden, the label column may be there too, as the data has it.
            origin: `"stream"` or `"synthesis"`.
            parents: The id of the example that each was made from.
            methods: How each was made.

        Returns:
            Their ids.

        Raises:
            ArgumentError: The pool has no `prepare`, a row lacks a text, or a value does not fit its column.
        """
        if not rows:
            return []
        columns = [*self.text_columns, *self.show_columns]
        if self.label_column is not None and self.store.info.labels_are_hidden:
            columns.append(self.label_column)
        kept = [{name: row[name] for name in columns if row.get(name) is not None} for row in rows]
        prepared = self._rows_of(kept)
        ids, contents = self._new_ids(prepared)
        nothing = [None] * len(rows)
        parts = zip(ids, contents, kept, parents or nothing, methods or nothing, strict=True)
        added = [AddedExample(i, content, of, origin, parent, method) for i, content, of, parent, method in parts]
        on_main(lambda: self.store.add_examples(added))
        self._append(prepared, ids)
        return ids

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

        That leaves out whatever is labeled, skipped, unsure, nonsense, held out, part of a query that is still being
        asked, or has the same text as a held-out example.
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
