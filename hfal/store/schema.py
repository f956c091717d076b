"""The tables of a run."""

import sqlite3
from collections.abc import Iterator


SCHEMA_VERSION = 4

_VERSION_3 = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;

-- Of what was asked or came labeled, so that labeling and export need no data set beside this file.
CREATE TABLE texts (
    example_id TEXT NOT NULL,
    content TEXT NOT NULL,
    texts TEXT NOT NULL,
    PRIMARY KEY (example_id, content)
) STRICT;

CREATE TABLE queries (
    query INTEGER PRIMARY KEY,
    round INTEGER NOT NULL,
    purpose TEXT NOT NULL CHECK (purpose IN ('holdout', 'seed', 'round')),
    strategy TEXT NOT NULL,
    seed INTEGER NOT NULL,
    model TEXT,
    settings TEXT NOT NULL,
    versions TEXT NOT NULL,
    time TEXT NOT NULL,
    closed INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE queried (
    query INTEGER NOT NULL REFERENCES queries (query),
    rank INTEGER NOT NULL,
    example_id TEXT NOT NULL,
    content TEXT NOT NULL,
    score REAL,
    suggestion TEXT,
    confidence REAL,
    PRIMARY KEY (query, rank),
    UNIQUE (query, example_id)
) STRICT;

CREATE TABLE answers (
    answer INTEGER PRIMARY KEY AUTOINCREMENT,
    example_id TEXT NOT NULL,
    annotator TEXT NOT NULL,
    action TEXT NOT NULL CHECK (action IN ('label', 'skip', 'unsure', 'correct', 'undo')),
    label TEXT,
    comment TEXT,
    time TEXT NOT NULL,
    query INTEGER REFERENCES queries (query),
    content TEXT NOT NULL,
    CHECK ((label IS NULL) = (action IN ('skip', 'unsure', 'undo')))
) STRICT;
CREATE INDEX answers_by_example ON answers (example_id);
CREATE TRIGGER answers_are_append_only_update BEFORE UPDATE ON answers
    BEGIN SELECT RAISE(ABORT, 'answers are append-only'); END;
CREATE TRIGGER answers_are_append_only_delete BEFORE DELETE ON answers
    BEGIN SELECT RAISE(ABORT, 'answers are append-only'); END;

CREATE TABLE rounds (
    round INTEGER PRIMARY KEY,
    seed INTEGER NOT NULL,
    answers_seen INTEGER NOT NULL,
    labels INTEGER NOT NULL,
    words INTEGER,
    train_size INTEGER NOT NULL,
    started TEXT NOT NULL,
    trained TEXT,
    metrics TEXT,
    finished TEXT
) STRICT;
"""

_STABILITY = """
-- What a round's model said of the stop set, and how it differs from what the round before said.
CREATE TABLE stability (round INTEGER PRIMARY KEY, figures TEXT NOT NULL, predictions BLOB) STRICT;
"""

SCHEMA = _VERSION_3 + _STABILITY

UPGRADES = {3: _STABILITY}
"""What a store of an older version lacks."""


def set_schema(db: sqlite3.Connection, script: str) -> None:
    """Run a script within the open transaction, and set the version of the schema."""
    for statement in _split_statements(script):
        db.execute(statement)
    db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _split_statements(script: str) -> Iterator[str]:
    """Split a script into statements: `executescript` would commit the transaction it runs in."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
