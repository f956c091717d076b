"""What no hfal has written in the tables of a run is found when they are opened, and said in one line."""

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from hfal.cli.main import main
from hfal.errors import RunDirectoryError
from hfal.store.records import Answer, Queried, Query
from hfal.store.run_info import RunInfo, RunPlan
from hfal.store.store import Store


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a query, answers, and a round."""
    run_dir = tmp_path_factory.mktemp("whole")
    store = Store(run_dir)
    with store.own(), store.at_once():
        store.set_info(RunInfo("text_classification", None, ("negative", "positive")))
        store.set_plan(RunPlan(rounds=3, strategy="margin", target=0.5))
        examples = tuple(Queried(name, f"content {name}", {"text": f"text {name}"}, 0.5, "positive") for name in "abc")
        store.add_query(Query(0, "seed", "random", 1, examples))
        for name in "ab":
            store.record(Answer(name, "positive", annotator="ann", query=1))
        store.start_round(1, 1)
    store.close()
    return run_dir


@pytest.fixture
def tampered(whole: Path, tmp_path: Path) -> Callable[..., Path]:
    """A function that runs SQL in a copy of the run."""

    def tamper(sql: str, *values: str) -> Path:
        shutil.copy(whole / "labels.sqlite", tmp_path)
        db = sqlite3.connect(tmp_path / "labels.sqlite", isolation_level=None)
        db.execute("PRAGMA foreign_keys = OFF")
        db.execute(sql, values)
        db.close()
        return tmp_path

    return tamper


ANSWER = "INSERT INTO answers (example_id, annotator, action, label, time, content) VALUES "
TIME = "'2026-01-01T00:00:00+00:00', 'content a'"


@pytest.mark.parametrize(
    ("sql", "problem"),
    [
        (f"{ANSWER} ('a', 'me', 'label', '\"other\"', {TIME})", "a label is none of the run's labels"),
        (f"{ANSWER} ('a', 'me', 'label', '5', {TIME})", "a label is none of the run's labels"),
        (f"{ANSWER} ('a', 'me', 'label', 'other', {TIME})", "a label or a suggestion is no JSON"),
        (f"{ANSWER} ('a', 'me', 'guess', '\"positive\"', {TIME})", "an answer has an unknown action"),
        (f"{ANSWER} ('z', 'me', 'label', '\"positive\"', {TIME})", "an answer is of an example without a text"),
        (f"{ANSWER} ('a', 'me', 'skip', NULL, 'now', 'content a')", "an answer has no time"),
        ("UPDATE queried SET suggestion = '7'", "a suggestion has something else than names"),
        ("DELETE FROM texts WHERE example_id = 'c'", "an example that was asked about has no text"),
        ("UPDATE texts SET texts = '5'", "a text is no text"),
        ("UPDATE texts SET texts = '{\"text\": 5}'", "a text is no text"),
        ("DELETE FROM queries", "there are examples of a query that is gone"),
        ("UPDATE queries SET settings = '5'", "the settings or the versions of a query are no objects"),
        ("UPDATE rounds SET metrics = '5'", "'int' object is not iterable"),
        ('UPDATE rounds SET metrics = \'{"loss": "x"}\'', "metrics is {'loss': 'x'}"),
        ("ALTER TABLE answers DROP COLUMN probability", "no such column: answers.probability"),
        (
            "CREATE TRIGGER t BEFORE INSERT ON answers BEGIN SELECT raise(ignore); END",
            "there is a trigger 't', which hfal has not made",
        ),
    ],
)
@pytest.mark.parametrize("read_only", [False, True])
def test_rows_that_nobody_has_written_are_damage(tampered, sql, problem, read_only):
    run_dir = tampered(sql)
    with pytest.raises(RunDirectoryError) as error:
        Store(run_dir, read_only=read_only)
    assert f"labels.sqlite is damaged ({problem}): put a backup" in str(error.value)
    assert "\n" not in str(error.value)


def test_answers_that_are_views_would_take_none(tampered):
    run_dir = tampered("ALTER TABLE answers RENAME TO others")
    db = sqlite3.connect(run_dir / "labels.sqlite")
    db.execute("CREATE VIEW answers AS SELECT * FROM others")
    db.close()
    with pytest.raises(RunDirectoryError, match=r"damaged \(no such table: answers\)"):
        Store(run_dir)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("plan", 5),
        ("plan", []),
        ("plan", {"budget": "a"}),
        ("label_names", 5),
        ("label_names", [1, 2]),
        ("ended", {}),
        ("owner", 5),
        ("owner", {"pid": "x", "host": "y"}),
    ],
)
def test_records_of_another_type_are_damage(tampered, key, value, capsys):
    run_dir = tampered("INSERT OR REPLACE INTO meta VALUES (?, ?)", key, json.dumps(value))
    with pytest.raises(RunDirectoryError, match=r"labels.sqlite is damaged \("):
        read_all(run_dir)
    assert main(["status", str(run_dir)]) in (0, 1)
    assert "Traceback" not in capsys.readouterr().err


def read_all(run_dir: Path) -> None:
    store = Store(run_dir)
    _ = store.info, store.plan, store.ended
    store.set_meta("x", 1)


def test_other_tables_and_a_whole_number_for_a_target_are_no_damage(tampered):
    run_dir = tampered("CREATE TABLE notes (note)")
    store = Store(run_dir)
    store.set_plan(RunPlan(target=1))
    assert (store.plan.target, len(store.answers())) == (1, 2)


@pytest.mark.parametrize("command", [["status"], ["label"], ["export", "--to", "x.csv"]])
def test_a_link_to_itself_is_no_run(tmp_path, command, capsys):
    os.symlink("loop", tmp_path / "loop")
    assert main([*command, str(tmp_path / "loop")]) == 1
    assert capsys.readouterr().err.startswith("hfal: error: no run in ")
