"""The tables of a run: made in one transaction, append-only where they say so, and those of the versions before."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from hfal.errors import RunDirectoryBusyError
from hfal.store.database import prepare_database
from hfal.store.records import Answer, Queried, Query
from hfal.store.schema import SCHEMA, SCHEMA_VERSION, UPGRADES, set_schema
from hfal.store.store import Store
from support.crash_run import trace_statements
from support.forks import FORKS
from support.stores import say


TESTS = Path(__file__).parents[1]
OLDER = {3: TESTS / "store" / "made_with_schema_3", 4: TESTS / "made_by_0_1" / "runs" / "reports"}
WITHOUT_GROWTH = """
ALTER TABLE texts DROP COLUMN method;
DROP TABLE added;
DROP TABLE stream_ids;
DROP TABLE stream_decisions;
PRAGMA user_version = 6;
"""
TEXTS_OF_5 = """
CREATE TABLE texts_5 (example_id TEXT NOT NULL, content TEXT NOT NULL, texts TEXT NOT NULL, origin TEXT, parent TEXT,
    PRIMARY KEY (example_id, content)) STRICT;
INSERT INTO texts_5 SELECT example_id, content, texts, origin, parent FROM texts ORDER BY rowid;
DROP TABLE texts;
ALTER TABLE texts_5 RENAME TO texts;
PRAGMA user_version = 5;
"""


@pytest.fixture(params=[*OLDER, 5, 6])
def older(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The directory of a run that an older hfal has made."""
    shutil.copy(OLDER[min(request.param, 4)] / "labels.sqlite", tmp_path)
    if request.param >= 5:
        prepare_database(tmp_path / "labels.sqlite")
        db = sqlite3.connect(tmp_path / "labels.sqlite", isolation_level=None)
        db.executescript(WITHOUT_GROWTH)
        if request.param == 5:
            db.executescript(TEXTS_OF_5)
        db.close()
    assert version(tmp_path) == request.param
    return tmp_path


def version(run_dir: Path) -> int:
    db = sqlite3.connect(f"{(run_dir / 'labels.sqlite').as_uri()}?mode=ro", uri=True)
    (number,) = db.execute("PRAGMA user_version").fetchone()
    db.close()
    return number


def raw(run_dir: Path) -> dict[str, list[tuple]]:
    """All rows of the tables that every version has, of the columns that every version has."""
    db = sqlite3.connect(run_dir / "labels.sqlite")
    columns = {
        "texts": "rowid, example_id, content, texts",
        "answers": "answer, example_id, annotator, action, label, comment, time, query, content",
        **dict.fromkeys(["queries", "queried", "rounds", "sqlite_sequence"], "*"),
    }
    rows = {table: db.execute(f"SELECT {names} FROM {table}").fetchall() for table, names in columns.items()}
    rows["meta"] = db.execute("SELECT * FROM meta WHERE key <> 'owner'").fetchall()
    db.close()
    return rows


def known(store: Store) -> tuple:
    """All that a store gives of its run."""
    answers, rounds = store.answers(), store.rounds()
    return store.info, store.queries(), answers, rounds, store.contents(), store.holdout_ids(), store.draw, store.plan


def test_tables_are_made_in_the_transaction_of_the_caller():
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.execute("BEGIN")
    set_schema(db.execute, SCHEMA)
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert {"meta", "texts", "queries", "queried", "answers", "rounds", "stability"} <= tables
    assert db.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
    db.execute("ROLLBACK")
    assert db.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    assert db.execute("PRAGMA user_version").fetchone() == (0,)
    db.close()


def test_the_log_is_append_only(tmp_path):
    store = Store(tmp_path)
    say(store, "a", "positive")
    for statement in ("UPDATE answers SET label = '\"negative\"'", "DELETE FROM answers"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            store._db.execute(statement)
    assert [a.label for a in store.answers()] == ["positive"]


def test_what_later_versions_record_comes_back(tmp_path):
    store = Store(tmp_path)
    store.set_meta("label_names", ["negative", "positive"])
    made = Queried("b", "content", {"text": "b"}, origin="synthesized", parent="a")
    query = store.add_query(Query(0, "seed", "random", 1, (Queried("a", "content", {"text": "a"}), made)))
    store.record(Answer("b", "positive", annotator="model", probability=0.75))
    assert store.record(Answer("b", "positive", annotator="model", probability=0.75)) is None
    again = Store(tmp_path, read_only=True)
    assert again.queries() == [query]
    assert again.shown_values() == {}
    assert [(e.origin, e.parent) for e in query.examples] == [(None, None), ("synthesized", "a")]
    assert [answer.probability for answer in again.answers()] == [0.75]


def test_an_older_run_is_read_and_left_as_it_is(older):
    before = (older / "labels.sqlite").read_bytes()
    reader = Store(older, read_only=True)
    _, queries, answers, rounds, *_ = known(reader)
    assert len(queries) > 1
    assert len(answers) == len(raw(older)["answers"]) > 5
    assert all(answer.probability is None for answer in answers)
    assert len(rounds) == 1
    assert (reader.stop_set(), reader.predictions(1)) == ([], None)
    assert (reader.shown_columns, reader.shown_values(), reader.columns_ever_shown()) == ([], {}, [])
    assert all(e.shown == {} for query in queries for e in query.examples)
    assert known(reader.copy()) == known(reader)
    assert (older / "labels.sqlite").read_bytes() == before
    assert os.listdir(older) == ["labels.sqlite"]


def test_an_older_run_is_migrated_whole(older):
    rows, reader = raw(older), Store(older, read_only=True)
    before, owner = known(reader), reader.owner
    store = Store(older)
    assert (version(older), raw(older)) == (SCHEMA_VERSION, rows)
    assert known(store) == known(reader) == before  # also who had it open
    assert store.owner == owner
    assert owner.startswith("pid ")
    assert store._db.read("PRAGMA foreign_key_check") == []
    assert [tuple(row) for row in store._db.read("PRAGMA integrity_check")] == [("ok",)]
    for statement in ("UPDATE answers SET label = '\"negative\"'", "DELETE FROM answers"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            store._db.execute(statement)

    asked = store.queries()[-1]
    shown = {asked.examples[0].example_id: {"date": "2024-05-01"}}
    store.set_shown(["date"], shown)
    assert reader.shown_values() == Store(older).shown_values() == shown

    last = store.last_answer()
    store.record(Answer(asked.examples[-1].example_id, action="skip", annotator="ann", query=asked.number))
    store.record_stability(1, {"kappa": 0.5}, b"what it said")
    store.add_query(Query(2, "round", "margin", 1, ()))
    for opened in (store, reader, Store(older), Store(older, read_only=True)):
        assert [answer.number for answer in opened.answers()][-2:] == [last, last + 1]
        assert opened.round(1).stability == {"kappa": 0.5}
        assert opened.predictions(1) == b"what it said"
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"), store.at_once():
        store.record(Answer(asked.examples[0].example_id, action="skip", annotator="bob", query=99))


def test_a_migrated_store_has_the_tables_of_a_new_one(older):
    def tables(run_dir: Path) -> tuple:
        db = Store(run_dir)._db
        names = [row["name"] for row in db.read("SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite%'")]
        about = ("table_xinfo", "foreign_key_list", "index_list")
        return sorted(names), {n: [list(map(tuple, db.read(f"PRAGMA {a}({n})"))) for a in about] for n in names}

    assert tables(older) == tables(older / "new")


def test_a_run_that_works_is_not_migrated_under_its_feet(older):
    rows = raw(older)
    script = (
        "import sys; from filelock import FileLock\n"
        "with FileLock(sys.argv[1] + '/run.lock'): print('owned', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, older], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "owned\n"
        db = sqlite3.connect(older / "labels.sqlite", isolation_level=None)
        owner = json.dumps(f"pid {process.pid} on {os.uname().nodename}")  # as an older hfal wrote it
        db.execute("INSERT OR REPLACE INTO meta VALUES ('owner', ?)", (owner,))
        with pytest.raises(RunDirectoryBusyError, match=rf"in use by another process \(pid {process.pid} on "):
            Store(older)
        assert version(older) < SCHEMA_VERSION
        assert raw(older) == rows
        assert len(Store(older, read_only=True).answers()) == len(rows["answers"])
        db.execute("INSERT INTO texts (example_id, content, texts) VALUES ('x', 'content', '{}')")
        columns = "example_id, annotator, action, time, content"
        time = "2026-01-01T00:00:00+00:00"
        db.execute(f"INSERT INTO answers ({columns}) VALUES ('x', 'ann', 'skip', ?, 'content')", (time,))
        db.close()
    finally:
        process.communicate()
    assert Store(older).answers()[-1].example_id == "x"


def die_at(run_dir: Path, number: int) -> None:
    """Migrate a store, and die before the n-th statement of the transaction."""
    left = number

    def count(statement: str) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def trace(event: str, arguments: tuple) -> None:
        if event == "sqlite3.connect/handle":
            trace_statements(count)

    sys.addaudithook(trace)
    prepare_database(run_dir / "labels.sqlite")


def test_killed_at_any_statement_it_is_of_the_old_version_or_the_new_one(older, tmp_path_factory):
    rows, read = raw(older), known(Store(older, read_only=True))
    found: Counter[int] = Counter()
    number = 0
    while True:
        run_dir = tmp_path_factory.mktemp("killed")
        shutil.copy(older / "labels.sqlite", run_dir)
        process = FORKS.Process(target=die_at, args=(run_dir, number))
        process.start()
        process.join()
        reader = Store(run_dir, read_only=True)
        assert known(reader) == read
        found[version(run_dir)] += 1
        store = Store(run_dir)
        assert (version(run_dir), raw(run_dir)) == (SCHEMA_VERSION, rows)
        assert known(store) == read
        assert store._db.read("PRAGMA foreign_key_check") == []
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
        number += 1
    assert number > (15 if min(found) < 5 else 4)
    assert found.keys() <= {*UPGRADES, SCHEMA_VERSION}
    assert found[SCHEMA_VERSION] < 5  # it is of the old version until the commit
