"""Queries, answers and rounds of a run on disk.

One SQLite file, `RUN_DIR/labels.sqlite`, in which an answer that was acknowledged is never lost. The answers are a log
that is only ever appended to; what is labeled now is derived from it.
"""

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from hfal.errors import AnnotationError, ArgumentError, NoRunError, RunDirectoryError
from hfal.store.added_examples import AddedExamples
from hfal.store.answer_log import (
    SETTLE,
    by_annotator,
    check_answer,
    check_given_by_annotator,
    entry_for,
    latest,
    opinions_in,
)
from hfal.store.records import DATASET, Answer, Origin, Query, RoundRecord, utc_now
from hfal.store.rows import (
    insert_answer,
    insert_meta,
    insert_query,
    insert_round,
    insert_stability,
    insert_texts,
    load,
    read_answers,
    read_contents,
    read_opinions_wanted,
    read_predictions,
    read_queries,
    read_rounds,
    read_shown,
    update_shown,
)
from hfal.store.run_info import RunInfo, RunPlan
from hfal.store.stream_log import StreamLog
from hfal.tasks.words import Texts


_LARGEST_INTEGER = 2**63 - 1  # of SQLite


class Store(AddedExamples, StreamLog):
    """The queries, answers and rounds of one run directory; see `StoreFile` for how it is opened and owned."""

    # -- queries ---------------------------------------------------------------------------------------------------

    def add_query(self, query: Query) -> Query:
        """Record a query, all of it or nothing, and return it with its number and time."""
        with self.at_once():
            number = insert_query(self._db, query, utc_now())
        return read_queries(self._db, "query = ?", number)[0]

    def queries(self) -> list[Query]:
        """Return all queries, oldest first."""
        return read_queries(self._db, "TRUE")

    def open_queries(self) -> list[Query]:
        """Return the queries that are still being asked, oldest first."""
        return read_queries(self._db, "NOT closed")

    def query_of_round(self, round_number: int) -> Query | None:
        """Return the query that this round's model made, or `None`."""
        return next(iter(read_queries(self._db, "round = ? AND purpose = 'round'", round_number)), None)

    def count_queries(self, round_number: int, purpose: str) -> int:
        """Return how many queries of a purpose have a round's number."""
        rows = "SELECT count(*) FROM queries WHERE round = ? AND purpose = ?"
        number: int = self._db.read(rows, round_number, purpose)[0][0]
        return number

    def close_query(self, number: int) -> None:
        """Close a query; its unanswered examples go back to the unlabeled ones."""
        with self.at_once():
            self._db.write("UPDATE queries SET closed = 1 WHERE query = ?", number)

    def holdout_ids(self) -> set[str]:
        """Return the ids of the examples that are held out."""
        rows = self._db.read("SELECT example_id FROM queried JOIN queries USING (query) WHERE purpose = 'holdout'")
        return {row["example_id"] for row in rows}

    # -- answers ---------------------------------------------------------------------------------------------------

    def record(
        self,
        answer: Answer,
        content: str | None = None,
        texts: Texts | None = None,
        shown: Mapping[str, str] | None = None,
    ) -> Answer | None:
        """Append one answer to the log. On return it is on the disk.

        What the same annotator already said of the example is not recorded again (`None` is returned), and another
        answer than this annotator gave before is recorded as a correction, if it is a label. The query of an answer
        that is taken back is open again, but not where a settled label is: the opinions remain.

        Args:
            answer: What was said; `annotator` must be set.
            content: Hash of the texts that the annotator saw; those that were asked about by default.
            texts: These texts, by column.
            shown: Values of other columns, as text, which exports have beside the texts; none where they are known.

        Raises:
            AnnotationError: Nobody was asked about this example, the label is none of the run's, the action is none
                of `ACTIONS`, there is nothing to undo, or the answer names no annotator.
        """
        check_answer(answer)
        check_given_by_annotator(answer)
        with self.at_once():  # what was said before, too, is read in it: another thread may be saying the same
            if content is None or texts is None:
                known = self._known_texts(answer.example_id)
                if known is None:
                    raise AnnotationError(f"nobody was asked about an example with the id {answer.example_id!r}")
                content, texts = content or known[0], texts or known[1]
            label = None if answer.label is None else self._label(answer.label, texts)
            said = self.answers_by_annotator(example_id=answer.example_id)
            before = said.get((answer.example_id, str(answer.annotator)))
            entry = entry_for(replace(answer, label=label, time=utc_now()), before)
            if entry is None:
                return None
            insert_texts(self._db, entry.example_id, content, texts, shown=shown)
            number = insert_answer(self._db, entry, content)
            if entry.action == "undo" and before is not None and before.action != SETTLE:
                self._db.write("UPDATE queries SET closed = 0 WHERE query = ?", before.query)
        return replace(entry, number=number)

    def _label(self, label: Any, texts: Texts) -> str | list[str]:
        try:
            return self.kind.check(label, texts, self.meta("label_names") or [])
        except ArgumentError as error:
            raise AnnotationError(str(error)) from None

    def record_given(self, answers: Iterable[tuple[Answer, str, Texts]]) -> None:
        """Append the labels that came with the data, as `(answer, content, texts)`: all of them or none."""
        now = utc_now()
        with self.at_once():
            for answer, content, texts in answers:
                insert_texts(self._db, answer.example_id, content, texts)
                insert_answer(self._db, replace(answer, time=now), content)

    def _known_texts(self, example_id: str) -> tuple[str, dict[str, str | list[str]]] | None:
        """Return content and texts, by column, of an example that was queried or came with a label."""
        known = "SELECT content, texts FROM texts WHERE example_id = ? ORDER BY rowid DESC LIMIT 1"
        try:
            example_id.encode()
        except UnicodeEncodeError:  # half of a surrogate pair, as JSON may have it
            return None
        with self._db.decoding():
            return next(((row["content"], load(row["texts"])) for row in self._db.read(known, example_id)), None)

    def texts(self, example_id: str) -> dict[str, str | list[str]]:
        """Return the texts, by column, of an example that was queried or came with a label.

        Raises:
            KeyError: There is no such example.
        """
        known = self._known_texts(example_id)
        if known is None:
            raise KeyError(example_id)
        return known[1]

    @property
    def shown_columns(self) -> list[str]:
        """The columns of the data whose values are shown beside the texts, and exported, in this order."""
        with self._db.decoding():
            columns = self.meta("shown_columns") or []
            if not isinstance(columns, list) or not all(isinstance(column, str) for column in columns):
                raise TypeError(f"shown_columns is {columns!r}")
        return columns

    def shown_values(self, example_id: str | None = None) -> dict[str, dict[str, str]]:
        """Return what is known of `shown_columns`, by example and by column, of all examples or of one.

        An example without any such value is left out.
        """
        columns = self.shown_columns
        if not columns:
            return {}
        known = read_shown(self._db, "? IS NULL OR example_id = ?", example_id, example_id)
        found = {i: {column: of[column] for column in columns if column in of} for i, of in known.items()}
        return {i: of for i, of in found.items() if of}

    def shown(self, example_id: str) -> dict[str, str]:
        """Return the values of `shown_columns` that an example has, by column; empty for an unknown example."""
        return self.shown_values(example_id).get(example_id, {})

    def columns_ever_shown(self) -> list[str]:
        """Return `shown_columns`, and others of which there are values from earlier starts."""
        known = read_shown(self._db, "TRUE").values()
        return list(dict.fromkeys([*self.shown_columns, *(column for of in known for column in of)]))

    def set_shown(self, columns: Sequence[str], values: Mapping[str, Mapping[str, str]]) -> None:
        """Set `shown_columns`, and the values of these of some examples; those of other columns are kept.

        Args:
            columns: The columns.
            values: Values by example and by column; a column that an example lacks has none there.
        """
        with self.at_once():
            if self.shown_columns != list(columns):
                insert_meta(self._db, "shown_columns", list(columns))
            known = read_shown(self._db, "TRUE")
            for example_id, of in values.items():
                before = known.get(example_id, {})
                now = {column: value for column, value in before.items() if column not in columns} | dict(of)
                if now != before:
                    update_shown(self._db, example_id, now)

    def answers(self, until: int | None = None, example_id: str | None = None) -> list[Answer]:
        """Return the log, oldest first, up to and including answer number `until`, or of one example."""
        return read_answers(
            self._db,
            "answer <= ? AND (? IS NULL OR example_id = ?)",
            _LARGEST_INTEGER if until is None else until,
            example_id,
            example_id,
        )

    def last_answer(self) -> int:
        """Return the number of the newest answer; 0 if there is none."""
        number: int = self._db.read("SELECT coalesce(max(answer), 0) FROM answers")[0][0]
        return number

    def why_ended(self) -> str | None:
        """Return why the run ended; `None` if it has not, or if an answer was given since."""
        ended = self.ended
        return None if ended is None or ended.answer != self.last_answer() else ended.reason

    def entries_of(self, annotator: str) -> int:
        """Return how many entries of the log are of one annotator, with what was taken back since."""
        number: int = self._db.read("SELECT count(*) FROM answers WHERE annotator = ?", annotator)[0][0]
        return number

    def answers_by_annotator(
        self, until: int | None = None, example_id: str | None = None
    ) -> dict[tuple[str, str], Answer]:
        """Return each annotator's valid answers: `(example_id, annotator)` to the last answer that was not undone."""
        return by_annotator(self.answers(until, example_id))

    def opinions(self, until: int | None = None) -> dict[str, dict[str, Answer]]:
        """Return what each person says of each example, by example and by annotator, both in the order of the log.

        What was settled is no opinion, and what came with the data is not a person's.
        """
        return opinions_in(self.answers(until))

    def current_answers(self, until: int | None = None) -> dict[str, Answer]:
        """Return example id to valid answer (a label, skip, unsure or nonsense), in the order of the first answers.

        Where several annotators answered one example, what was settled holds; else what `RunPlan.aggregate_labels`
        makes of their labels, with its probability; else the latest answer.
        """
        log, method = self.answers(until), (self.plan or RunPlan()).aggregate_labels
        if method == "latest":
            return latest(by_annotator(log))
        from hfal.store.label_aggregation import answers_that_hold  # which loads NumPy

        return answers_that_hold(log, self.kind, self.info.label_names, method)

    def training_answers(self, until: int | None = None) -> dict[str, Answer]:
        """Return example id to answer of the examples to train on: what is labeled and not held out."""
        holdout = self.holdout_ids()
        return {i: a for i, a in self.current_answers(until).items() if a.label is not None and i not in holdout}

    def opinions_left(self, query: Query) -> dict[str, int]:
        """Return how many people are still to answer each example of a query, without those that nobody has to."""
        return self._left(query, latest(self.answers_by_annotator()), self.opinions())

    def _left(
        self, query: Query, held: Mapping[str, Answer], opinions: Mapping[str, Mapping[str, Answer]]
    ) -> dict[str, int]:
        left = {}
        for asked in query.examples:
            wanted = query.opinions_on(asked.example_id)
            if asked.example_id in held and held[asked.example_id].action == SETTLE:
                continue
            given = len(opinions.get(asked.example_id, {})) if wanted > 1 else int(asked.example_id in held)
            if given < wanted:
                left[asked.example_id] = wanted - given
        return left

    def opinions_asked(self) -> dict[str, int]:
        """Return the number of opinions that open queries still ask for, by example: what of a budget is taken."""
        held, opinions = latest(self.answers_by_annotator()), self.opinions()
        asked: dict[str, int] = {}
        for query in self.open_queries():
            for example_id, left in self._left(query, held, opinions).items():
                asked[example_id] = max(asked.get(example_id, 0), left)
        return asked

    def labels_bought(self, until: int | None = None) -> int:
        """Return the number of labels bought from annotators, held-out ones included, without those of the data.

        Where an example was asked of several people, the label of each of them counts.
        """
        return len(self._bought(until))

    def words_bought(self, until: int | None = None) -> int:
        """Return the number of words in the sentences that annotators tagged, held-out ones included."""
        kind = self.kind
        return sum(kind.words(label) for label in self._bought(until)) if kind.of_words else 0

    def _bought(self, until: int | None) -> list[Any]:
        """Return the labels that were paid for."""
        labels = []
        wanted = read_opinions_wanted(self._db)
        aggregates = (self.plan or RunPlan()).aggregate_labels != "latest"
        opinions = self.opinions(until) if wanted or aggregates else {}
        for example_id, answer in latest(self.answers_by_annotator(until)).items():
            of_people = [one for one in opinions.get(example_id, {}).values() if one.label is not None]
            if wanted.get(example_id, 1) > 1:
                labels += [one.label for one in of_people]
                continue
            # What is made of several has as many words, and is a label where anybody has given one: that will do.
            held = of_people[-1] if aggregates and answer.label is None and of_people else answer
            labels += [held.label] * (held.label is not None and held.annotator != DATASET)
        return labels

    def restore(
        self,
        info: RunInfo,
        queries: Iterable[Query],
        rounds: Iterable[RoundRecord],
        answers: Iterable[tuple[Answer, str, Texts]],
        exported_rounds: int = 0,
        plan: RunPlan | None = None,
        origins: Mapping[str, Origin] | None = None,
    ) -> None:
        """Fill an empty store with what another one had, numbers and times included: all of it or nothing.

        Args:
            info: What the run is.
            queries: With their numbers and times.
            rounds: As `rounds` gives them.
            answers: The log, as `(answer, content, texts)`.
            exported_rounds: How many of the first rounds have no models.
            plan: What is known of its plan, such as how one label is made of several.
            origins: Where the examples come from that are none of the user's data, by id.

        Raises:
            RunDirectoryError: The store is not empty.
            ArgumentError: A query has an unknown purpose.
            AnnotationError: An answer has an unknown action, or a label where none belongs.
        """
        with self.at_once():
            if self.info != RunInfo() or self.has_begun:
                raise RunDirectoryError(f"{self.path} has a run already")
            for key, value in {**asdict(info), "exported_rounds": exported_rounds}.items():
                insert_meta(self._db, key, value)
            if plan is not None:
                insert_meta(self._db, "plan", asdict(plan))
            if origins:
                insert_meta(self._db, "origins", origins)
            for query in queries:
                insert_query(self._db, query, query.time, query.number, query.closed)
            for record in rounds:
                insert_round(self._db, record)
            for answer, content, texts in answers:
                insert_texts(self._db, answer.example_id, content, texts)
                insert_answer(self._db, answer, content)

    def contents(self) -> dict[str, str]:
        """Return example id to the hash of its text as last queried or answered."""
        return read_contents(self._db)

    # -- rounds ----------------------------------------------------------------------------------------------------

    def start_round(self, number: int, seed: int, train_size: int | None = None) -> RoundRecord:
        """Record that a round begins on the answers given so far; a round that had begun stays as it was.

        The labels, the words and the size are those of the very answers that are recorded as seen.

        Args:
            number: The round.
            seed: What seeds its training.
            train_size: How many examples it is trained on, where these are not the labeled ones.
        """
        with self.at_once():
            begun = self.round(number)
            if begun is not None:
                return begun
            seen = self.last_answer()
            labels = self.labels_bought(seen)
            words = self.words_bought(seen) if self.kind.of_words else None
            size = len(self.training_answers(seen)) if train_size is None else train_size
            record = RoundRecord(number, seed, seen, labels, size, utc_now(), None, None, None, words)
            insert_round(self._db, record)
        return record

    def finish_training(self, number: int) -> None:
        """Record that a round's final model is on the disk."""
        with self.at_once():
            self._db.write("UPDATE rounds SET trained = ? WHERE round = ?", utc_now(), number)

    def forget_training(self, number: int) -> None:
        """Record that a round has to be trained again, on the answers that it was trained on before."""
        with self.at_once():
            self._db.write("UPDATE rounds SET trained = NULL, metrics = NULL, finished = NULL WHERE round = ?", number)
            self._db.write("DELETE FROM stability WHERE round = ?", number)

    def finish_round(self, number: int, metrics: Mapping[str, float]) -> None:
        """Record a round's metrics, and that it is over but for the answers to its query."""
        with self.at_once():
            self._db.write(
                "UPDATE rounds SET metrics = ?, finished = ? WHERE round = ?",
                json.dumps(dict(metrics)),
                utc_now(),
                number,
            )

    def round(self, number: int) -> RoundRecord | None:
        """Return the record of one round, or `None` if it has not begun."""
        return next(iter(read_rounds(self._db, "round = ?", number)), None)

    def last_finished(self) -> int:
        """Return the number of the last round that is finished; 0 if there is none."""
        number: int = self._db.read("SELECT coalesce(max(round), 0) FROM rounds WHERE finished IS NOT NULL")[0][0]
        return number

    def rounds(self) -> list[RoundRecord]:
        """Return all rounds that have begun, first to last."""
        return read_rounds(self._db, "TRUE")

    # -- the stop set ----------------------------------------------------------------------------------------------

    def set_stop_set(self, example_ids: Sequence[str], seed: int) -> None:
        """Record the examples of the stop set, and remove the predictions for another one."""
        with self.at_once():
            insert_meta(self._db, "stop_set", {"seed": seed, "examples": list(example_ids)})
            self._db.write("UPDATE stability SET predictions = NULL")

    def stop_set(self) -> list[str]:
        """Return the ids of the examples of the stop set, in its order; empty before it is drawn."""
        kept: dict[str, Any] = self.meta("stop_set") or {}
        return list(kept.get("examples", []))

    def record_stability(self, number: int, figures: Mapping[str, float], predictions: bytes) -> None:
        """Record the predictions of a round's model for the stop set.

        Args:
            number: The round.
            figures: By the names of `hfal.stopping.stability`.
            predictions: As `hfal.stopping.stability.pack` gives them.
        """
        with self.at_once():
            insert_stability(self._db, number, figures, predictions)

    def predictions(self, number: int) -> bytes | None:
        """Return a round's predictions for the stop set; `None` if there are none, or they are of another stop set."""
        return read_predictions(self._db, number)


@contextlib.contextmanager
def reading(run_dir: str | os.PathLike[str]) -> Iterator[Store]:
    """Open a copy of a run's store, as it is at one instant, beside a process that may be writing.

    Raises:
        NoRunError: There is no run in `run_dir`, or nothing was asked yet.
    """
    store = Store(run_dir, read_only=True)
    try:
        copied = store.copy()
    finally:
        store.close()
    try:
        if not copied.last_answer():  # labels that came with the data may be read
            copied.check_has_begun()
        yield copied
    finally:
        copied.close()


def has_begun(run_dir: str | os.PathLike[str]) -> bool:
    """Whether anything was asked in a directory, where there need be no run."""
    try:
        store = Store(run_dir, read_only=True)
    except NoRunError:
        return False
    try:
        return store.has_begun
    finally:
        store.close()
