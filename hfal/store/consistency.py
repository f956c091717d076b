"""Check what the tables of a run hold when they are opened, so that no damage is found in the middle of a run.

SQLite itself finds pages that are damaged. Here are rows, columns and triggers that no hfal has written: a run that
went on with them would train on labels that nobody gave, or lose those that are given.
"""

import contextlib
import functools
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from hfal.store.answer_log import ACTIONS
from hfal.store.database import Database, damaged
from hfal.store.rows import read_rounds
from hfal.store.schema import SCHEMA, SCHEMA_VERSION


_PROBLEMS = {
    "there are examples of a query that is gone": """
        SELECT 1 FROM queried LEFT JOIN queries USING (query) WHERE queries.query IS NULL""",
    "an example that was asked about has no text": """
        SELECT 1 FROM queried LEFT JOIN texts USING (example_id, content) WHERE texts.texts IS NULL""",
    "an answer is of an example without a text": """
        SELECT 1 FROM answers LEFT JOIN texts USING (example_id, content) WHERE texts.texts IS NULL""",
    "the settings or the versions of a query are no objects": """
        SELECT 1 FROM queries WHERE substr(settings, 1, 1) <> '{' OR substr(versions, 1, 1) <> '{'""",
    "a text is no text": """
        SELECT 1 FROM texts WHERE NOT json_valid(texts) OR json_type(texts) <> 'object'
            OR EXISTS (SELECT 1 FROM json_each(texts.texts) WHERE type NOT IN ('text', 'array'))""",
    "an answer has an unknown action": f"""
        SELECT 1 FROM answers WHERE action NOT IN {ACTIONS}""",
    "an answer has no time": """
        SELECT 1 FROM answers WHERE time NOT LIKE '____-__-__T%' OR datetime(time) IS NULL""",
    "a label or a suggestion is no JSON": """
        SELECT 1 FROM (SELECT label AS said FROM answers UNION ALL SELECT suggestion FROM queried)
            WHERE said IS NOT NULL AND NOT json_valid(said)""",
    "a suggestion has something else than names": """
        SELECT 1 FROM queried WHERE suggestion IS NOT NULL
            AND EXISTS (SELECT 1 FROM json_each(suggestion) WHERE type <> 'text')""",
    "a label is none of the run's labels": """
        WITH names AS MATERIALIZED (SELECT each.value AS name FROM meta, json_each(meta.value) AS each
            WHERE meta.key = 'label_names' AND json_valid(meta.value) AND json_type(meta.value) = 'array')
        SELECT 1 FROM answers
            WHERE label IS NOT NULL AND EXISTS (SELECT 1 FROM names)
                AND EXISTS (SELECT 1 FROM json_each(label) WHERE value NOT IN (SELECT name FROM names))""",
}

_SHOWN_PROBLEM = """
    SELECT 1 FROM texts WHERE shown IS NOT NULL AND (NOT json_valid(shown) OR json_type(shown) <> 'object'
        OR EXISTS (SELECT 1 FROM json_each(shown) WHERE type <> 'text')) LIMIT 1"""


def check_consistency(db: Database) -> None:
    """Check that the tables hold what hfal writes.

    Raises:
        RunDirectoryError: They do not.
    """
    with db.snapshot():
        problem = next(_problems(db), None)
    if problem is not None:
        raise damaged(db.path, problem)


def _problems(db: Database) -> Iterator[str]:
    if db.read("PRAGMA user_version")[0][0] == SCHEMA_VERSION:
        columns, triggers = _layout(db.read)
        columns_made, triggers_made = _layout_made()
        there = {table for table, _ in columns}
        yield from (
            f"no such column: {table}.{column}" if table in there else f"no such table: {table}"
            for table, column in sorted(columns_made - columns)
        )
        yield from (f"there is a trigger {name!r}, which hfal has not made" for name in triggers - triggers_made)
        if not columns_made - columns and db.read(_SHOWN_PROBLEM):
            yield "what is shown beside a text is no text"
    for problem, rows in _PROBLEMS.items():
        if db.read(f"{rows} LIMIT 1"):
            yield problem
    read_rounds(db, "TRUE")  # whose numbers are checked where they are read


@functools.cache
def _layout_made() -> tuple[set[tuple[str, str]], set[str]]:
    """Return the layout of tables that are made anew."""
    with contextlib.closing(sqlite3.connect(":memory:")) as db:
        db.executescript(SCHEMA)
        return _layout(lambda sql: db.execute(sql).fetchall())


def _layout(read: Callable[[str], Sequence[Any]]) -> tuple[set[tuple[str, str]], set[str]]:
    """Return the columns of all tables, and the names of all triggers."""
    columns = read(
        "SELECT made.name, info.name FROM sqlite_master AS made, pragma_table_info(made.name) AS info "
        "WHERE made.type = 'table'"
    )
    triggers = read("SELECT name FROM sqlite_master WHERE type = 'trigger'")
    return {(table, column) for table, column in columns}, {name for (name,) in triggers}
