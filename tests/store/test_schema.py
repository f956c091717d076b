"""The tables of a run: made in one transaction, append-only where they say so, and those of the version before."""

import sqlite3

import pytest

from hfal.store.schema import SCHEMA, SCHEMA_VERSION, set_schema
from hfal.store.store import Store
from support.stores import say


def test_tables_are_made_in_the_transaction_of_the_caller():
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.execute("BEGIN")
    set_schema(db, SCHEMA)
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


def as_version_3(run_dir):
    """Make a store what the hfal before this one would have left."""
    db = sqlite3.connect(run_dir / "labels.sqlite", isolation_level=None)
    db.execute("DROP TABLE stability")
    db.execute("PRAGMA user_version = 3")
    db.close()


def test_a_run_directory_of_the_version_before_can_be_read_and_gone_on_with(tmp_path):
    store = Store(tmp_path)
    say(store, "a", "positive")
    store.start_round(1, seed=43, labels=1, train_size=1)
    store.close()
    as_version_3(tmp_path)
    before = (tmp_path / "labels.sqlite").read_bytes()
    reader = Store(tmp_path, read_only=True)
    assert [(r.number, r.labels, r.stability) for r in reader.rounds()] == [(1, 1, None)]
    assert (tmp_path / "labels.sqlite").read_bytes() == before

    writer = Store(tmp_path)
    assert [answer.label for answer in writer.answers()] == ["positive"]
    writer.record_stability(1, {"kappa": 0.5}, b"what it said")
    for opened in (writer, reader, Store(tmp_path), Store(tmp_path, read_only=True)):
        assert opened.round(1).stability == {"kappa": 0.5}
        assert opened.predictions(1) == b"what it said"
