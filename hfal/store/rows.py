"""Queries, answers and texts as rows of the tables. Who writes has a transaction open."""

import json
import sqlite3
from typing import Any

from hfal.records import Answer, Queried, Query, Texts


def insert_query(
    db: sqlite3.Connection, query: Query, time: str, number: int | None = None, closed: bool = False
) -> int | None:
    """Write a query with its examples and their texts; the next number is found where there is none."""
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
    """The queries of which an SQL condition holds, oldest first."""
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
    """Append an answer to the log; the next number is found where it has none."""
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


def insert_texts(db: sqlite3.Connection, example_id: str, content: str, texts: Texts) -> None:
    """Write the texts of an example, unless they are there."""
    db.execute("INSERT OR IGNORE INTO texts VALUES (?, ?, ?)", (example_id, content, dump(dict(texts))))


def dump(value: Any) -> str | None:
    """A value as JSON; nothing is NULL."""
    return None if value is None else json.dumps(value, ensure_ascii=False)


def load(text: str | None) -> Any:
    """What `dump` has written."""
    return None if text is None else json.loads(text)
