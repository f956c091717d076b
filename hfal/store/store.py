"""Queries, answers and rounds on disk: the only rooms that know SQL.

One SQLite file, `RUN_DIR/labels.sqlite`. A transaction is on the disk when its call returns (`synchronous=EXTRA`),
so an answer that was acknowledged survives `kill -9` and a power cut. The answers are a log that is only ever
appended to; what is labeled now is derived from it.
"""

import contextlib
import copy
import json
import os
import socket
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from hfal.errors import AnnotationError, ArgumentError, RunDirectoryBusyError, RunDirectoryError
from hfal.store.records import DATASET, Answer, Query, RoundRecord, Texts, utc_now
from hfal.store.rows import (
    insert_answer,
    insert_query,
    insert_round,
    insert_texts,
    load,
    read_answers,
    read_queries,
    read_rounds,
)
from hfal.store.run_directory import STORE_NAME, check_no_comparison
from hfal.store.schema import SCHEMA, SCHEMA_VERSION, UPGRADES, set_schema
from hfal.tasks.kinds import Kind, kind_of


ACTIONS = ("label", "skip", "unsure", "correct", "undo")
_WITHOUT_LABEL = ("skip", "unsure", "undo")
_LARGEST_INTEGER = 2**63 - 1  # of SQLite


class Store:
    """The SQLite file of one run directory.

    Args:
        run_dir: The run directory; made if it is missing (not when `read_only`).
        read_only: Open an existing store for reading, beside a process that may be writing.
        wait: How many seconds to wait for another process to make the store that is to be read.

    Raises:
        RunDirectoryError: The file is of a schema version that this hfal does not know, is not hfal's, or is missing
            when `read_only`. One of an older version that it knows is brought up to date, if it may be written.
    """

    def __init__(self, run_dir: str | os.PathLike[str], read_only: bool = False, wait: float = 0):
        self.run_dir = Path(run_dir).resolve()
        self.path = self.run_dir / STORE_NAME
        deadline = time.monotonic() + wait
        while not self._exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        if read_only and not self.path.exists():
            raise RunDirectoryError(f"no run in {self.run_dir}: there is no {self.path.name}; is the path right?")
        if not read_only:
            check_no_comparison(self.run_dir)
            self.run_dir.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(self.run_dir / "run.lock")
        # A killed process may leave a transaction to roll back, which SQLite does only where it may write.
        mode = "rwc" if not read_only else "rw" if os.access(self.path, os.W_OK) else "ro"
        uri = f"{self.path.as_uri()}?mode={mode}"
        try:
            self._db = sqlite3.connect(uri, uri=True, timeout=30, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise RunDirectoryError(f"{self.path} cannot be opened ({error})") from error
        self._db.row_factory = sqlite3.Row
        self._at_once = False
        try:
            self._db.execute("PRAGMA synchronous = EXTRA")
            self._db.execute("PRAGMA foreign_keys = ON")
            self._db.execute(f"PRAGMA query_only = {'ON' if read_only else 'OFF'}")
            self._check_schema(read_only)
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise RunDirectoryError(f"{self.path} cannot be used as a store of hfal ({error})") from error
        except RunDirectoryError:
            self._db.close()
            raise

    def _check_schema(self, read_only: bool) -> None:
        with contextlib.nullcontext() if read_only else self._transaction():
            (version,) = self._db.execute("PRAGMA user_version").fetchone()
            tables = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            if version == 0 and tables == 0:
                if read_only:
                    raise RunDirectoryError(f"no run in {self.run_dir} yet: {self.path.name} is empty")
                set_schema(self._db, SCHEMA)
            elif version in UPGRADES:
                if not read_only:
                    set_schema(self._db, UPGRADES[version])
            elif version != SCHEMA_VERSION:
                raise RunDirectoryError(
                    f"{self.path} has schema version {version}, this hfal reads version {SCHEMA_VERSION}: "
                    "use the hfal that made it, or another run_dir"
                )

    def _exists(self) -> bool:
        """Whether the file is there with its tables, which are made in one transaction."""
        return self.path.exists() and self.path.stat().st_size > 0

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        if self._at_once:
            yield
            return
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except BaseException as error:
            if self._db.in_transaction:  # a full disk has ended it
                self._db.execute("ROLLBACK")
            if isinstance(error, sqlite3.OperationalError):
                raise RunDirectoryError(
                    f"{self.path} cannot be written ({error}), and what was to be recorded now is not; all that was "
                    "recorded before is safe"
                ) from error
            raise

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        """What is written in a `with` block is on the disk when it ends: all of it, or nothing after an error."""
        with self._transaction():
            self._at_once = True
            try:
                yield
            finally:
                self._at_once = False

    def copy(self) -> "Store":
        """What the store knows now, in memory: it stays so whatever others record, who need not wait."""
        other = copy.copy(self)
        other._db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        other._db.row_factory = sqlite3.Row
        self._db.backup(other._db)
        other._db.execute("PRAGMA query_only = ON")
        return other

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """What is read in a `with` block is the state of one instant; others who write wait until it ends."""
        self._db.execute("BEGIN")
        try:
            yield
        finally:
            self._db.execute("ROLLBACK")

    def close(self) -> None:
        """Close the file. The store cannot be used afterwards."""
        self._db.close()

    @contextlib.contextmanager
    def own(self) -> Iterator[None]:
        """Own the run directory for the length of a `with` block; may be nested within one process.

        The lock is the kernel's: it goes when the process dies, however it dies.

        Raises:
            RunDirectoryBusyError: Another living process owns it.
        """
        try:
            # Worker processes of a killed run hold its lock for the seconds that they need to notice.
            self._lock.acquire(timeout=0 if self._owner_is_alive() else 20)
        except Timeout:
            raise RunDirectoryBusyError(
                f"run directory {self.run_dir} is in use by another process ({self.owner}): "
                "wait for it or stop it, or use another run_dir"
            ) from None
        try:
            self.set_meta("owner", f"pid {os.getpid()} on {socket.gethostname()}")
            yield
        finally:
            self._lock.release()

    @property
    def owner(self) -> str:
        """The process that owns, or last owned, the run directory."""
        return self.meta("owner") or "nobody yet"

    def _owner_is_alive(self) -> bool:
        words = self.owner.split(" ", 3)
        if len(words) < 4 or words[3] != socket.gethostname():
            return True
        try:
            os.kill(int(words[1]), 0)
        except ProcessLookupError:
            return False
        except OSError:
            pass
        return True

    # -- meta ------------------------------------------------------------------------------------------------------

    def meta(self, key: str) -> Any:
        """The JSON value stored under `key`, or `None`."""
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else json.loads(row["value"])

    def set_meta(self, key: str, value: Any) -> None:
        """Store a JSON value under `key`."""
        with self._transaction():
            self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, json.dumps(value)))

    @property
    def kind(self) -> Kind:
        """The kind of answers that the run's task has."""
        return kind_of(self.meta("task"))

    # -- queries ---------------------------------------------------------------------------------------------------

    def add_query(self, query: Query) -> Query:
        """Record a query, all of it or nothing; returns it with its number and time."""
        with self._transaction():
            number = insert_query(self._db, query, utc_now())
        return read_queries(self._db, "query = ?", number)[0]

    def queries(self) -> list[Query]:
        """All queries, oldest first."""
        return read_queries(self._db, "TRUE")

    def open_queries(self) -> list[Query]:
        """The queries that are still being asked, oldest first."""
        return read_queries(self._db, "NOT closed")

    def query_of_round(self, round_number: int) -> Query | None:
        """The query that this round's model made, or `None`."""
        return next(iter(read_queries(self._db, "round = ? AND purpose = 'round'", round_number)), None)

    def close_query(self, number: int) -> None:
        """Ask this query no more; its unanswered examples go back to the unlabeled ones."""
        with self._transaction():
            self._db.execute("UPDATE queries SET closed = 1 WHERE query = ?", (number,))

    def holdout_ids(self) -> set[str]:
        """Ids of the examples that are held out."""
        rows = self._db.execute("SELECT example_id FROM queried JOIN queries USING (query) WHERE purpose = 'holdout'")
        return {row["example_id"] for row in rows}

    # -- answers ---------------------------------------------------------------------------------------------------

    def record(self, answer: Answer, content: str | None = None, texts: Texts | None = None) -> Answer | None:
        """Append one answer to the log. On return it is on the disk.

        What the same annotator already said of the example is not recorded again (`None` is returned), and another
        answer than this annotator gave before is recorded as a correction, if it is a label. The query of an answer
        that is taken back is open again.

        Args:
            answer: What was said; `annotator` must be set.
            content: Hash of the texts that the annotator saw; those that were asked about by default.
            texts: These texts, by column.

        Raises:
            AnnotationError: Nobody was asked about this example, the label is none of the run's, the action is none
                of `ACTIONS`, there is nothing to undo, or the answer names no annotator.
        """
        if answer.action not in ACTIONS:
            raise AnnotationError(f"{answer.action!r} is no action; the actions are: {', '.join(ACTIONS)}")
        if not answer.annotator:
            raise AnnotationError(f"the answer to {answer.example_id!r} does not say who the annotator is")
        if content is None:
            row = self._texts_row(answer.example_id)
            if row is None:
                raise AnnotationError(f"nobody was asked about an example with the id {answer.example_id!r}")
            content = row["content"]
        action = answer.action
        if texts is None:
            texts = self.texts(answer.example_id)
        label = None if action in _WITHOUT_LABEL else self._label(answer.label, texts)
        said = self.answers_by_annotator(example_id=answer.example_id).get((answer.example_id, answer.annotator))
        if said is None and action == "undo":
            raise AnnotationError(f"there is no answer of {answer.annotator!r} to {answer.example_id!r} to undo")
        if said is not None and action != "undo":
            same_kind = action == said.action or {action, said.action} <= {"label", "correct"}
            if same_kind and said.label == label and said.comment == answer.comment:
                return None
            if label is not None:
                action = "correct"
        comment = answer.comment and answer.comment.encode("utf-8", "replace").decode()  # no half surrogate pairs
        answer = replace(answer, label=label, action=action, comment=comment, time=utc_now())
        with self._transaction():
            insert_texts(self._db, answer.example_id, content, texts)
            number = insert_answer(self._db, answer, content)
            if action == "undo" and said is not None:
                self._db.execute("UPDATE queries SET closed = 0 WHERE query = ?", (said.query,))
        return replace(answer, number=number)

    def _label(self, label: Any, texts: Texts) -> str | list[str]:
        try:
            return self.kind.check(label, texts, self.meta("label_names") or [])
        except ArgumentError as error:
            raise AnnotationError(str(error)) from None

    def record_given(self, answers: Iterable[tuple[Answer, str, Texts]]) -> None:
        """Append the labels that came with the data, as `(answer, content, texts)`: all of them or none."""
        now = utc_now()
        with self._transaction():
            for answer, content, texts in answers:
                insert_texts(self._db, answer.example_id, content, texts)
                insert_answer(self._db, replace(answer, time=now), content)

    def _texts_row(self, example_id: str) -> sqlite3.Row | None:
        known = "SELECT content, texts FROM texts WHERE example_id = ? ORDER BY rowid DESC LIMIT 1"
        try:
            row: sqlite3.Row | None = self._db.execute(known, (example_id,)).fetchone()
        except UnicodeEncodeError:  # half of a surrogate pair, as JSON may have it
            return None
        return row

    def texts(self, example_id: str) -> dict[str, str | list[str]]:
        """The texts, by column, of an example that somebody was asked about or that came with a label.

        Raises:
            KeyError: There is no such example.
        """
        row = self._texts_row(example_id)
        if row is None:
            raise KeyError(example_id)
        texts: dict[str, str | list[str]] = load(row["texts"])
        return texts

    def answers(self, until: int | None = None, example_id: str | None = None) -> list[Answer]:
        """The log, oldest first; up to and including answer number `until`, and of one example, if these are given."""
        return read_answers(
            self._db,
            "answer <= ? AND (? IS NULL OR example_id = ?)",
            _LARGEST_INTEGER if until is None else until,
            example_id,
            example_id,
        )

    def last_answer(self) -> int:
        """Number of the newest answer; 0 if there is none."""
        number: int = self._db.execute("SELECT coalesce(max(answer), 0) FROM answers").fetchone()[0]
        return number

    def answers_by_annotator(
        self, until: int | None = None, example_id: str | None = None
    ) -> dict[tuple[str, str], Answer]:
        """What each annotator now says: `(example_id, annotator)` to the last answer that was not undone."""
        said: dict[tuple[str, str], list[Answer]] = {}
        for answer in self.answers(until, example_id):
            history = said.setdefault((answer.example_id, str(answer.annotator)), [])
            if answer.action != "undo":
                history.append(answer)
            elif history:
                history.pop()
        return {key: history[-1] for key, history in said.items() if history}

    def current_answers(self, until: int | None = None) -> dict[str, Answer]:
        """What holds now: example id to its valid answer (a label, skip or unsure), in the order of the first answers.

        Where several annotators answered one example, the latest answer holds.
        """
        current: dict[str, Answer] = {}
        for (example_id, _), answer in self.answers_by_annotator(until).items():
            held = current.get(example_id)
            if held is None or (answer.number or 0) > (held.number or 0):
                current[example_id] = answer
        return current

    def labels_bought(self, until: int | None = None) -> int:
        """How many labels annotators gave, the held-out ones included; not those that came with the data."""
        return sum(a.label is not None and a.annotator != DATASET for a in self.current_answers(until).values())

    def words_bought(self, until: int | None = None) -> int:
        """How many words the sentences have that annotators tagged, the held-out ones included."""
        kind = self.kind
        if not kind.of_words:
            return 0
        answers = self.current_answers(until).values()
        return sum(kind.words(a.label) for a in answers if a.annotator != DATASET)

    def restore(
        self,
        meta: Mapping[str, Any],
        queries: Iterable[Query],
        rounds: Iterable[RoundRecord],
        answers: Iterable[tuple[Answer, str, Texts]],
    ) -> None:
        """Fill an empty store with what another one had, numbers and times included: all of it or nothing.

        Args:
            meta: JSON values by key.
            queries: With their numbers and times.
            rounds: As `rounds` gives them.
            answers: The log, as `(answer, content, texts)`.

        Raises:
            RunDirectoryError: The store is not empty.
        """
        with self._transaction():
            if self._db.execute("SELECT count(*) FROM meta").fetchone()[0]:
                raise RunDirectoryError(f"{self.path} has a run already")
            self._db.executemany("INSERT INTO meta VALUES (?, ?)", [(key, json.dumps(v)) for key, v in meta.items()])
            for query in queries:
                insert_query(self._db, query, query.time, query.number, query.closed)
            for record in rounds:
                insert_round(self._db, record)
            for answer, content, texts in answers:
                insert_texts(self._db, answer.example_id, content, texts)
                insert_answer(self._db, answer, content)

    def contents(self) -> dict[str, str]:
        """Example id to the hash of its text as last queried or answered."""
        rows = self._db.execute(
            "SELECT example_id, content FROM queried UNION ALL SELECT example_id, content FROM answers"
        )
        return {row["example_id"]: row["content"] for row in rows}

    # -- rounds ----------------------------------------------------------------------------------------------------

    def start_round(
        self, number: int, seed: int, labels: int, train_size: int, words: int | None = None
    ) -> RoundRecord:
        """Record that a round begins on the answers given so far; a round that had begun stays as it was."""
        with self._transaction():
            self._db.execute(
                "INSERT OR IGNORE INTO rounds VALUES (?, ?, ?, ?, ?, ?, ?, NULL, NULL, NULL)",
                (number, seed, self.last_answer(), labels, words, train_size, utc_now()),
            )
        record = self.round(number)
        assert record is not None
        return record

    def finish_training(self, number: int) -> None:
        """Record that a round's final model is on the disk."""
        with self._transaction():
            self._db.execute("UPDATE rounds SET trained = ? WHERE round = ?", (utc_now(), number))

    def forget_training(self, number: int) -> None:
        """Record that a round has to be trained again, on the answers that it was trained on before."""
        with self._transaction():
            self._db.execute(
                "UPDATE rounds SET trained = NULL, metrics = NULL, finished = NULL WHERE round = ?", (number,)
            )
            self._db.execute("DELETE FROM stability WHERE round = ?", (number,))

    def finish_round(self, number: int, metrics: Mapping[str, float]) -> None:
        """Record a round's metrics, and that it is over but for the answers to its query."""
        with self._transaction():
            self._db.execute(
                "UPDATE rounds SET metrics = ?, finished = ? WHERE round = ?",
                (json.dumps(dict(metrics)), utc_now(), number),
            )

    def round(self, number: int) -> RoundRecord | None:
        """The record of one round, or `None` if it has not begun."""
        return next(iter(read_rounds(self._db, "round = ?", number)), None)

    def rounds(self) -> list[RoundRecord]:
        """All rounds that have begun, first to last."""
        return read_rounds(self._db, "TRUE")

    # -- the stop set ----------------------------------------------------------------------------------------------

    def set_stop_set(self, example_ids: Sequence[str], seed: int) -> None:
        """Record which examples are the stop set; what was predicted of another one says nothing about it."""
        with self._transaction():
            kept = json.dumps({"seed": seed, "examples": list(example_ids)})
            self._db.execute("INSERT OR REPLACE INTO meta VALUES ('stop_set', ?)", (kept,))
            self._db.execute("UPDATE stability SET predictions = NULL")

    def stop_set(self) -> list[str]:
        """The ids of the examples of the stop set, in its order; empty before it is drawn."""
        kept: dict[str, Any] = self.meta("stop_set") or {}
        return list(kept.get("examples", []))

    def record_stability(self, number: int, figures: Mapping[str, float], predictions: bytes) -> None:
        """Record what a round's model said of the stop set.

        Args:
            number: The round.
            figures: By the names of `hfal.stopping.stability`.
            predictions: As `hfal.stopping.stability.pack` gives them.
        """
        with self._transaction():
            self._db.execute(
                "INSERT OR REPLACE INTO stability VALUES (?, ?, ?)", (number, json.dumps(dict(figures)), predictions)
            )

    def predictions(self, number: int) -> bytes | None:
        """What `record_stability` was given for a round; `None` if it is not there, or is of another stop set."""
        row = self._db.execute("SELECT predictions FROM stability WHERE round = ?", (number,)).fetchone()
        return None if row is None else row["predictions"]


@contextlib.contextmanager
def reading(run_dir: str | os.PathLike[str]) -> Iterator[Store]:
    """What a run knows at one instant, for all that is read in a `with` block, beside a process that may be writing.

    Raises:
        RunDirectoryError: There is no run in `run_dir`.
    """
    store = Store(run_dir, read_only=True)
    try:
        copied = store.copy()
    finally:
        store.close()
    try:
        yield copied
    finally:
        copied.close()
