"""Queries, answers, texts and rounds as rows of the tables. Callers that write have a transaction open."""

import json
import sqlite3
from typing import Any

from hfal.store.records import Answer, Queried, Query, RoundRecord
from hfal.tasks.words import Texts


def insert_meta(db: sqlite3.Connection, key: str, value: Any) -> None:
    """Write a JSON value under a key, in the place of the one that is there."""
    db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, json.dumps(value)))


def insert_query(
    db: sqlite3.Connection, query: Query, time: str, number: int | None = None, closed: bool = False
) -> int | None:
    """Write a query with its examples and their texts, under the next number if none is given."""
    number = db.execute(
        "INSERT INTO queries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
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
        ),
    ).lastrowid
    for example in query.examples:
        insert_texts(db, example.example_id, example.content, example.texts)
    db.executemany(
        "INSERT INTO queried VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (number, rank, e.example_id, e.content, e.score, dump(e.suggestion), e.confidence)
            for rank, e in enumerate(query.examples)
        ],
    )
    return number


def read_queries(db: sqlite3.Connection, condition: str, *values: Any) -> list[Query]:
    """Read the queries that fulfill an SQL condition, oldest first."""
    rows = db.execute(f"SELECT * FROM queries WHERE {condition} ORDER BY query", values).fetchall()
    examples = "SELECT * FROM queried JOIN texts USING (example_id, content) WHERE query = ? ORDER BY rank"
    return [
        Query(
            round=row["round"],
            purpose=row["purpose"],
            strategy=row["strategy"],
            seed=row["seed"],
            model=row["model"],
            settings=json.loads(row["settings"]),
            versions=json.loads(row["versions"]),
            number=row["query"],
            time=row["time"],
            closed=bool(row["closed"]),
            examples=tuple(
                Queried(
                    e["example_id"],
                    e["content"],
                    load(e["texts"]),
                    e["score"],
                    load(e["suggestion"]),
                    e["confidence"],
                )
                for e in db.execute(examples, (row["query"],))
            ),
        )
        for row in rows
    ]


def insert_answer(db: sqlite3.Connection, answer: Answer, content: str) -> int | None:
    """Append an answer to the log, under the next number if it has none."""
    return db.execute(
        "INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            answer.number,
            answer.example_id,
            answer.annotator,
            answer.action,
            dump(answer.label),
            answer.comment,
            answer.time,
            answer.query,
            content,
        ),
    ).lastrowid


def read_answers(db: sqlite3.Connection, condition: str, *values: Any) -> list[Answer]:
    """Read the answers that fulfill an SQL condition, oldest first."""
    rows = db.execute(f"SELECT * FROM answers WHERE {condition} ORDER BY answer", values)
    return [
        Answer(
            example_id=row["example_id"],
            label=load(row["label"]),
            action=row["action"],
            annotator=row["annotator"],
            query=row["query"],
            time=row["time"],
            number=row["answer"],
            comment=row["comment"],
        )
        for row in rows
    ]


def insert_round(db: sqlite3.Connection, record: RoundRecord) -> None:
    """Write a round, but for the predictions of its model."""
    db.execute(
        "INSERT INTO rounds VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
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
        ),
    )
    if record.stability is not None:
        db.execute("INSERT INTO stability VALUES (?, ?, NULL)", (record.number, dump(record.stability)))


def read_rounds(db: sqlite3.Connection, condition: str, *values: Any) -> list[RoundRecord]:
    """Read the rounds that fulfill an SQL condition, first to last."""
    known = db.execute("SELECT 1 FROM sqlite_master WHERE name = 'stability'").fetchone()  # since schema 4
    figures = "SELECT round, figures FROM stability" if known else "SELECT NULL AS round, NULL AS figures"
    rows = db.execute(
        f"SELECT * FROM rounds LEFT JOIN ({figures}) USING (round) WHERE {condition} ORDER BY round", values
    )
    return [
        RoundRecord(
            number=row["round"],
            seed=row["seed"],
            answers_seen=row["answers_seen"],
            labels=row["labels"],
            train_size=row["train_size"],
            started=row["started"],
            trained=row["trained"],
            metrics=load(row["metrics"]),
            finished=row["finished"],
            words=row["words"],
            stability=load(row["figures"]),
        )
        for row in rows
    ]


def insert_texts(db: sqlite3.Connection, example_id: str, content: str, texts: Texts) -> None:
    """Write the texts of an example, unless they are there."""
    db.execute("INSERT OR IGNORE INTO texts VALUES (?, ?, ?)", (example_id, content, dump(dict(texts))))


def dump(value: Any) -> str | None:
    """Write a value as JSON, and `None` as NULL."""
    return None if value is None else json.dumps(value, ensure_ascii=False)


def load(text: str | None) -> Any:
    """Read what `dump` has written."""
    return None if text is None else json.loads(text)
