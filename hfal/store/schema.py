"""The tables of a run, and how those of older versions become them.

No table says which purposes, actions or origins there are: `hfal.store.records` and `hfal.store.answer_log` do, so
that a new one needs no new version.
"""

import sqlite3
from collections.abc import Callable, Iterator


SCHEMA_VERSION = 7

_META = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
"""

_TEXTS = """
-- Of what was asked or came labeled, so that labeling and export need no data set beside this file. Values of other
-- columns are in `shown`, not in `texts`: whoever reads `texts` takes each of them for a text to be labeled.
CREATE TABLE texts (
    example_id TEXT NOT NULL,
    content TEXT NOT NULL,
    texts TEXT NOT NULL,
    origin TEXT,
    parent TEXT,
    shown TEXT,
    method TEXT,
    PRIMARY KEY (example_id, content)
) STRICT;
"""

_QUERIES = """
CREATE TABLE queries (
    query INTEGER PRIMARY KEY,
    round INTEGER NOT NULL,
    purpose TEXT NOT NULL,
    strategy TEXT NOT NULL,
    seed INTEGER NOT NULL,
    model TEXT,
    settings TEXT NOT NULL,
    versions TEXT NOT NULL,
    time TEXT NOT NULL,
    closed INTEGER NOT NULL DEFAULT 0
) STRICT;
"""

_QUERIED = """
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
"""

_ANSWERS = """
CREATE TABLE answers (
    answer INTEGER PRIMARY KEY AUTOINCREMENT,
    example_id TEXT NOT NULL,
    annotator TEXT NOT NULL,
    action TEXT NOT NULL,
    label TEXT,
    comment TEXT,
    time TEXT NOT NULL,
    query INTEGER REFERENCES queries (query),
    content TEXT NOT NULL,
    probability REAL
) STRICT;
"""

_APPEND_ONLY = """
CREATE INDEX answers_by_example ON answers (example_id);
CREATE TRIGGER answers_are_append_only_update BEFORE UPDATE ON answers
    BEGIN SELECT RAISE(ABORT, 'answers are append-only'); END;
CREATE TRIGGER answers_are_append_only_delete BEFORE DELETE ON answers
    BEGIN SELECT RAISE(ABORT, 'answers are append-only'); END;
"""

_ROUNDS = """
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

_ADDED = """
-- Examples of the pool that are not in the user's data, with the values of their columns.
CREATE TABLE added (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    example_id TEXT NOT NULL UNIQUE,
    content TEXT NOT NULL,
    columns TEXT NOT NULL,
    origin TEXT NOT NULL,
    parent TEXT,
    method TEXT,
    time TEXT NOT NULL
) STRICT;
"""

_STREAM = """
-- Eight bytes of the id of each text of a stream that was decided on.
CREATE TABLE stream_ids (id INTEGER PRIMARY KEY) STRICT;
-- The decisions on texts that were asked about, and on a sample of the others.
CREATE TABLE stream_decisions (
    seen INTEGER PRIMARY KEY,
    round INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    score REAL,
    threshold REAL,
    example_id TEXT,
    time TEXT NOT NULL
) STRICT;
"""

SCHEMA = _META + _TEXTS + _QUERIES + _QUERIED + _ANSWERS + _APPEND_ONLY + _ROUNDS + _STABILITY + _ADDED + _STREAM

CLEAR_GIVEN_LABELS = "DROP TABLE answers;\nDROP TABLE texts;\n" + _TEXTS + _ANSWERS + _APPEND_ONLY
"""Removes what came with the data of a run that has asked nothing; rows of the log cannot be deleted."""

# SQLite cannot drop a CHECK, so a table without it takes the place of the one that has it; `foreign_keys` has to be
# off meanwhile, or what refers to the old one would go with it.
_WITHOUT_CHECKS = f"""
{_QUERIES.replace("queries", "queries_5", 1)}
INSERT INTO queries_5 SELECT query, round, purpose, strategy, seed, model, settings, versions, time, closed
    FROM queries;
DROP TABLE queries;
ALTER TABLE queries_5 RENAME TO queries;
{_ANSWERS.replace("answers", "answers_5", 1)}
INSERT INTO answers_5
    SELECT answer, example_id, annotator, action, label, comment, time, query, content, NULL FROM answers;
UPDATE sqlite_sequence
    SET seq = max(seq, coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'answers'), 0))
    WHERE name = 'answers_5';
DROP TABLE answers;
ALTER TABLE answers_5 RENAME TO answers;
{_APPEND_ONLY}
ALTER TABLE texts ADD COLUMN origin TEXT;
ALTER TABLE texts ADD COLUMN parent TEXT;
"""

_SHOWN = "ALTER TABLE texts ADD COLUMN shown TEXT;\n"

_GROWTH = "ALTER TABLE texts ADD COLUMN method TEXT;\n" + _ADDED + _STREAM

UPGRADES = {
    3: _STABILITY + _WITHOUT_CHECKS + _SHOWN + _GROWTH,
    4: _WITHOUT_CHECKS + _SHOWN + _GROWTH,
    5: _SHOWN + _GROWTH,
    6: _GROWTH,
}
"""What makes the tables of an older version those of this one."""


def set_schema(run: Callable[[str], object], script: str) -> None:
    """Run a script within the open transaction, and set the version of the schema.

    Args:
        run: Runs a statement.
        script: The statements.
    """
    for statement in _split_statements(script):
        run(statement)
    run(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _split_statements(script: str) -> Iterator[str]:
    """Split a script into statements: `executescript` would commit the transaction it runs in."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement.strip()
            statement = ""
