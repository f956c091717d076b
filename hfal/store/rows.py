"""Queries, answers, texts and rounds as rows of the tables. Callers that write have a transaction open.

What an older hfal has made may be read as it is: columns and tables that it lacks are `None`.
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from hfal.store.answer_log import check_answer
from hfal.store.database import Database
from hfal.store.records import AddedExample, Answer, Origin, Queried, Query, RoundRecord, check_added, check_query
from hfal.tasks.words import Texts


T = TypeVar("T")

_DECISION = {"seen": int, "round": int, "outcome": str, "time": str}


def insert_meta(db: Database, key: str, value: Any) -> None:
    """Write a JSON value under a key, in the place of the one that is there."""
    db.write("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", key, json.dumps(value))


def read_meta(db: Database, key: str) -> Any:
    """Read the JSON value under a key; `None` if there is none."""
    with db.decoding():
        return next((json.loads(row["value"]) for row in db.read("SELECT value FROM meta WHERE key = ?", key)), None)


def insert_query(db: Database, query: Query, time: str, number: int | None = None, closed: bool = False) -> int | None:
    """Write a query with its examples and their texts, under the next number if none is given.

    Raises:
        ArgumentError: Its purpose is none of `PURPOSES`.
    """
    check_query(query)
    number = db.write(
        "INSERT INTO queries (query, round, purpose, strategy, seed, model, settings, versions, time, closed) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        number,
        query.round,
        query.purpose,
        query.strategy,
        query.seed,
        query.model,
        json.dumps(dict(query.settings)),
        json.dumps(dict(query.versions)),
        time,
        int(closed),
    )
    for example in query.examples:
        e = example
        insert_texts(db, e.example_id, e.content, e.texts, e.origin, e.parent, e.shown, e.method)
    db.write_many(
        "INSERT INTO queried (query, rank, example_id, content, score, suggestion, confidence) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (number, rank, e.example_id, e.content, e.score, dump(e.suggestion), e.confidence)
            for rank, e in enumerate(query.examples)
        ],
    )
    return number


def read_queries(db: Database, condition: str, *values: Any) -> list[Query]:
    """Read the queries that fulfill an SQL condition, oldest first."""
    examples = "SELECT * FROM queried JOIN texts USING (example_id, content) WHERE query = ? ORDER BY rank"
    with db.decoding():
        return [
            Query(
                round=_get(row, "round", int),
                purpose=_get(row, "purpose", str),
                strategy=_get(row, "strategy", str),
                seed=_get(row, "seed", int),
                model=row["model"],
                settings=json.loads(row["settings"]),
                versions=json.loads(row["versions"]),
                number=_get(row, "query", int),
                time=_get(row, "time", str),
                closed=bool(row["closed"]),
                examples=tuple(
                    Queried(
                        _get(e, "example_id", str),
                        _get(e, "content", str),
                        load(e["texts"]),
                        e["score"],
                        load(e["suggestion"]),
                        e["confidence"],
                        _if_there(e, "origin"),
                        _if_there(e, "parent"),
                        load(_if_there(e, "shown")) or {},
                        _if_there(e, "method"),
                    )
                    for e in db.read(examples, row["query"])
                ),
            )
            for row in db.read(f"SELECT * FROM queries WHERE {condition} ORDER BY query", *values)
        ]


def read_opinions_wanted(db: Database) -> dict[str, int]:
    """Read how many people were to label an example, by id, where queries asked for more than one."""
    wanted: dict[str, int] = {}
    with db.decoding():
        for row in db.read("SELECT query, settings FROM queries WHERE settings LIKE '%\"opinions\":%'"):
            asked = db.read("SELECT example_id FROM queried WHERE query = ?", row["query"])
            query = Query(0, "", "", 0, (), settings=json.loads(row["settings"]))
            for example_id in (one["example_id"] for one in asked):
                wanted[example_id] = max(wanted.get(example_id, 1), query.opinions_on(example_id))
    return wanted


def insert_answer(db: Database, answer: Answer, content: str) -> int | None:
    """Append an answer to the log, under the next number if it has none.

    Raises:
        AnnotationError: It is not complete, or has a label where none belongs.
    """
    check_answer(answer)
    return db.write(
        "INSERT INTO answers (answer, example_id, annotator, action, label, comment, time, query, content, "
        "probability) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        answer.number,
        answer.example_id,
        answer.annotator,
        answer.action,
        dump(answer.label),
        answer.comment,
        answer.time,
        answer.query,
        content,
        answer.probability,
    )


def read_answers(db: Database, condition: str, *values: Any) -> list[Answer]:
    """Read the answers that fulfill an SQL condition, oldest first."""
    with db.decoding():
        return [
            Answer(
                example_id=_get(row, "example_id", str),
                label=load(row["label"]),
                action=_get(row, "action", str),
                annotator=_get(row, "annotator", str),
                query=row["query"],
                time=_get(row, "time", str),
                number=_get(row, "answer", int),
                comment=row["comment"],
                probability=_if_there(row, "probability"),
            )
            for row in db.read(f"SELECT * FROM answers WHERE {condition} ORDER BY answer", *values)
        ]


def insert_round(db: Database, record: RoundRecord) -> None:
    """Write a round, but for the predictions of its model."""
    db.write(
        "INSERT INTO rounds (round, seed, answers_seen, labels, words, train_size, started, trained, metrics, "
        "finished) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        record.number,
        record.seed,
        record.answers_seen,
        record.labels,
        record.words,
        record.train_size,
        record.started,
        record.trained,
        dump(record.metrics),
        record.finished,
    )
    if record.stability is not None:
        insert_stability(db, record.number, record.stability, None)


def read_rounds(db: Database, condition: str, *values: Any) -> list[RoundRecord]:
    """Read the rounds that fulfill an SQL condition, first to last."""
    figures = "SELECT round, figures FROM stability" if _has_stability(db) else "SELECT NULL AS round, NULL AS figures"
    rounds = f"SELECT * FROM rounds LEFT JOIN ({figures}) USING (round) WHERE {condition} ORDER BY round"
    with db.decoding():
        return [
            RoundRecord(
                number=_get(row, "round", int),
                seed=_get(row, "seed", int),
                answers_seen=_get(row, "answers_seen", int),
                labels=_get(row, "labels", int),
                train_size=_get(row, "train_size", int),
                started=_get(row, "started", str),
                trained=row["trained"],
                metrics=_numbers(row, "metrics"),
                finished=row["finished"],
                words=row["words"],
                stability=_numbers(row, "figures"),
            )
            for row in db.read(rounds, *values)
        ]


def insert_stability(db: Database, number: int, figures: Any, predictions: bytes | None) -> None:
    """Write what a round's model said of the stop set, in the place of what is there."""
    db.write(
        "INSERT OR REPLACE INTO stability (round, figures, predictions) VALUES (?, ?, ?)",
        number,
        json.dumps(dict(figures)),
        predictions,
    )


def read_predictions(db: Database, number: int) -> bytes | None:
    """Read what a round's model said of the stop set; `None` if that is not there."""
    if not _has_stability(db):
        return None
    rows = db.read("SELECT predictions FROM stability WHERE round = ?", number)
    return rows[0]["predictions"] if rows else None


def insert_texts(
    db: Database,
    example_id: str,
    content: str,
    texts: Texts,
    origin: str | None = None,
    parent: str | None = None,
    shown: Mapping[str, str] | None = None,
    method: str | None = None,
) -> None:
    """Write the texts of an example, unless they are there, and what is shown beside them, if anything is given."""
    db.write(
        "INSERT INTO texts (example_id, content, texts, origin, parent, shown, method) VALUES (?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (example_id, content) DO UPDATE SET shown = coalesce(excluded.shown, shown)",
        example_id,
        content,
        dump(dict(texts)),
        origin,
        parent,
        dump(dict(shown)) if shown else None,
        method,
    )


def update_shown(db: Database, example_id: str, shown: Mapping[str, str]) -> None:
    """Write what is shown beside the texts of an example, in the place of what is there."""
    db.write("UPDATE texts SET shown = ? WHERE example_id = ?", dump(dict(shown)) if shown else None, example_id)


def read_shown(db: Database, condition: str, *values: Any) -> dict[str, dict[str, str]]:
    """Read what is shown beside the texts of examples that fulfill an SQL condition, by id; not where nothing is.

    Raises:
        TypeError: It is something else than texts by name.
    """
    if _version(db) < 6:
        return {}
    rows = f"SELECT example_id, shown FROM texts WHERE shown IS NOT NULL AND ({condition}) ORDER BY rowid"
    with db.decoding():
        return {_get(row, "example_id", str): _texts_by_name(row["shown"]) for row in db.read(rows, *values)}


def read_contents(db: Database) -> dict[str, str]:
    """Read the hash of the text of each example, by id, as it was last queried or answered."""
    rows = "SELECT example_id, content FROM queried UNION ALL SELECT example_id, content FROM answers"
    with db.decoding():
        return {_get(row, "example_id", str): _get(row, "content", str) for row in db.read(rows)}


def insert_added(db: Database, example: AddedExample, time: str) -> None:
    """Write an example that is not in the user's data.

    Raises:
        ArgumentError: Its origin is none of `ORIGINS`.
    """
    check_added(example)
    db.write(
        "INSERT INTO added (example_id, content, columns, origin, parent, method, time) VALUES (?, ?, ?, ?, ?, ?, ?)",
        example.example_id,
        example.content,
        dump(dict(example.columns)),
        example.origin,
        example.parent,
        example.method,
        time,
    )


def read_added(db: Database) -> list[AddedExample]:
    """Read the examples that are not in the user's data, in the order in which they were added."""
    if _version(db) < 7:
        return []
    with db.decoding():
        return [
            AddedExample(
                example_id=_get(row, "example_id", str),
                content=_get(row, "content", str),
                columns=dict(load(row["columns"])),
                origin=_get(row, "origin", str),
                parent=row["parent"],
                method=row["method"],
            )
            for row in db.read("SELECT * FROM added ORDER BY number")
        ]


def has_added(db: Database) -> bool:
    """Return whether there are examples that are not in the user's data."""
    return _version(db) >= 7 and bool(db.read("SELECT EXISTS (SELECT 1 FROM added)")[0][0])


def read_origins(db: Database, example_ids: Sequence[str] | None = None) -> dict[str, Origin]:
    """Read origin, parent and method of the examples that are none of the user's, by id: of all, or of some.

    These are in the table of what was added, and, once they were asked about, in that of texts.
    """
    found: dict[str, Origin] = {}
    some = None if example_ids is None else dump(list(example_ids))
    for table, since in (("texts", 5), ("added", 7)):
        if _version(db) < since:
            continue
        condition = "origin IS NOT NULL AND (? IS NULL OR example_id IN (SELECT value FROM json_each(?)))"
        with db.decoding():
            for row in db.read(f"SELECT * FROM {table} WHERE {condition} ORDER BY rowid", some, some):
                origin = Origin(_get(row, "origin", str), row["parent"], _if_there(row, "method"))
                found[_get(row, "example_id", str)] = origin
    return found


def insert_decisions(db: Database, rows: Iterable[Sequence[Any]]) -> None:
    """Write decisions on texts of a stream, the values of each in the order of the columns."""
    columns = "seen, round, outcome, score, threshold, example_id, time"
    db.write_many(f"INSERT INTO stream_decisions ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)", rows)


def read_decisions(db: Database) -> list[dict[str, Any]]:
    """Read the decisions on texts of a stream, by column, in the order of the stream."""
    if _version(db) < 7:
        return []
    with db.decoding():
        return [
            {**dict(row), **{name: _get(row, name, kind) for name, kind in _DECISION.items()}}
            for row in db.read("SELECT * FROM stream_decisions ORDER BY seen")
        ]


def dump(value: Any) -> str | None:
    """Write a value as JSON, and `None` as NULL."""
    return None if value is None else json.dumps(value, ensure_ascii=False)


def load(text: str | None) -> Any:
    """Read what `dump` has written."""
    return None if text is None else json.loads(text)


def _get(row: sqlite3.Row, column: str, kind: type[T]) -> T:
    """Return a value that is never NULL.

    Raises:
        TypeError: It is of another kind, which no transaction has written.
    """
    value = row[column]
    if not isinstance(value, kind):
        raise TypeError(f"{column} is {value!r}")
    return value


def _numbers(row: sqlite3.Row, column: str) -> Any:
    """Return numbers by name, or `None`.

    Raises:
        TypeError: It is something else.
    """
    value = load(row[column])
    if value is not None and not all(isinstance(one, int | float | None) for one in dict(value).values()):
        raise TypeError(f"{column} is {value!r}")
    return value


def _texts_by_name(text: str) -> dict[str, str]:
    value = load(text)
    if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
        raise TypeError(f"shown is {value!r}")
    return value


def _if_there(row: sqlite3.Row, column: str) -> Any:
    """Return a column that stores of an older schema lack."""
    return row[column] if column in row.keys() else None  # noqa: SIM118, a Row has values, not keys


def _has_stability(db: Database) -> bool:
    """Whether the store has the table that one of schema 3 lacks."""
    return _version(db) > 3


def _version(db: Database) -> int:
    (version,) = db.read("PRAGMA user_version")[0]
    return int(version)
