"""`hfal status`: what is there, and what to do next."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hfal.annotators.asking import ask
from hfal.annotators.file.annotator import FileAnnotator
from hfal.errors import AnswersPending
from hfal.store.records import Answer, Queried, Query
from hfal.store.run_info import RunPlan
from hfal.store.store import Store
from support.command import Result, answer, error_line, write_csv
from support.models import NAMES


def test_status_says_what_is_there_and_what_to_do(hfal: Callable[..., Result], run_dir: Path) -> None:
    answer(run_dir, Answer("a", "positive", annotator="x"), Answer("b", action="unsure", annotator="x"))
    before = sorted(run_dir.rglob("*"))
    with Store(run_dir).own():  # a process that works there does not keep others from looking
        status = hfal("status", run_dir)
    assert (status.code, status.stderr) == (0, "")
    assert status.stdout == (
        f"Run in {run_dir}\n"
        "Strategy margin+kmeans, 3 texts a query\n"
        "Start: random\n"
        "Labels: negative, positive\n"
        "1 label bought, 0 of them held out, 0 skipped, 1 unsure\n"
        "Pool: 20 texts, 18 without an answer; budget: 29 of 30 labels left\n"
        "Query 1: 1 of 3 answers are missing\n"
        "\nNo round has begun.\n"
        f"\nNext: hfal label {run_dir} (in a browser: hfal label {run_dir} --web)\n"
    )
    assert {path.name for path in run_dir.rglob("*")} - {path.name for path in before} <= {"run.lock"}


def test_status_counts_texts_that_make_no_sense_apart(hfal: Callable[..., Result], run_dir: Path) -> None:
    said = {"a": "nonsense", "b": "unsure", "c": "skip"}
    answer(run_dir, *(Answer(example_id, action=action, annotator="x") for example_id, action in said.items()))
    assert "\n0 labels bought, 0 of them held out, 1 skipped, 1 unsure, 1 nonsense\n" in hfal("status", run_dir).stdout


def test_status_says_how_many_queries_a_round_has(hfal: Callable[..., Result], run_dir: Path) -> None:
    store = Store(run_dir)
    store.set_plan(replace(store.plan or RunPlan(), queries_per_round=4))
    store.close()
    assert "\nStrategy margin+kmeans, 3 texts a query, 4 queries a round\n" in hfal("status", run_dir).stdout


def test_status_says_what_is_filled_in_and_not_read_yet(hfal: Callable[..., Result], run_dir: Path) -> None:
    rows = [("a", "text a", "positive"), ("b", "text b", ""), ("c", "text c", "skip")]
    file = run_dir / "query-001.csv"
    write_csv(file, ["id", "text", "label"], rows)
    said = "Query 1: 3 of 3 answers are missing\nquery-001.csv has 2 answers that are not read yet\n"
    assert said in hfal("status", run_dir).stdout
    write_csv(file, ["id", "text", "label"], [*rows[:2], ("c", "text c", "perhaps")])
    status = hfal("status", run_dir)
    assert status.code == 0
    assert f"{file} has 1 error (row 1 names the columns); nothing of it was recorded" in status.stdout
    assert "row 4: 'perhaps' is no label" in status.stdout
    write_csv(file, ["id", "text", "label"], rows)
    hfal("label", run_dir)  # which reads the file first
    status = hfal("status", run_dir).stdout
    assert "Query 1: 1 of 3 answers are missing\n" in status
    assert "not read yet" not in status


def test_status_says_why_a_run_has_ended_until_something_else_is_said(
    hfal: Callable[..., Result], run_dir: Path
) -> None:
    answer(run_dir, *(Answer(name, "positive", annotator="x") for name in "abc"))
    store = Store(run_dir)
    store.close_query(1)
    assert hfal("status", run_dir).stdout.endswith(f"Next: hfal run {run_dir}\n")
    store.set_meta("ended", {"reason": "the budget is spent", "answer": store.last_answer()})
    last = hfal("status", run_dir).stdout.splitlines()[-1]
    assert last.startswith("Finished, the budget is spent. The labels: hfal export")
    assert f"more rounds: hfal run {run_dir} --rounds 5" in last
    (run_dir / "config.yaml").unlink()
    assert "more rounds" not in hfal("status", run_dir).stdout
    answer(run_dir, Answer("a", "negative", annotator="x"))
    assert hfal("status", run_dir).stdout.endswith("Next: start the script of this run again\n")
    store.close()


def test_status_of_what_is_no_run(hfal: Callable[..., Result], folder: Path) -> None:
    line = error_line(hfal("status", "runs/missing"))
    assert f"no run in {folder / 'runs' / 'missing'}" in line
    assert not (folder / "runs").exists()  # looking makes nothing
    (folder / "no-run").mkdir()
    (folder / "no-run" / "labels.sqlite").write_bytes(b"no database, but more than a hundred bytes " * 100)
    assert "labels.sqlite is damaged (file is not a database)" in error_line(hfal("status", "no-run"))


def test_status_after_a_writer_was_killed_in_a_transaction(hfal: Callable[..., Result], folder: Path) -> None:
    store = Store(folder / "run")
    store.set_meta("label_names", NAMES)
    assert "no run in" in error_line(hfal("status", "run"))  # as after a start that was refused
    store.start_round(1, seed=1)
    store.close()
    # A cache of one page makes SQLite write before the commit, as it does for a transaction of many answers.
    code = """
import os, signal, sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("PRAGMA cache_size = 1")
db.execute("BEGIN IMMEDIATE")
db.executemany("INSERT INTO meta VALUES (?, ?)", ((f"key {n}", "x" * 500) for n in range(500)))
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", code, str(folder / "run" / "labels.sqlite")], check=False)
    assert (folder / "run" / "labels.sqlite-journal").stat().st_size  # there is something to roll back
    status = hfal("status", "run")
    assert status.code == 0, status.stderr
    assert "Labels: negative, positive" in status.stdout


def team_query(run_dir: Path, opinions: dict[str, int], people: list[str]) -> None:
    """Have a query ask for so many opinions of these people, in the place of the first."""
    store = Store(run_dir)
    store.set_plan(replace(store.plan or RunPlan(), annotators=people))
    store.close_query(1)
    asked = tuple(Queried(name, f"hash {name}", {"text": f"text {name}"}) for name in opinions)
    store.add_query(Query(1, "round", "margin", 0, asked, settings={"opinions": opinions}))
    store.close()


def test_status_says_who_of_several_people_has_given_how_many_labels(
    hfal: Callable[..., Result], run_dir: Path
) -> None:
    team_query(run_dir, {"a": 2, "b": 2, "c": 1}, ["anna", "ben", "carl"])
    answer(
        run_dir,
        Answer("a", "positive", annotator="anna"),
        Answer("a", "negative", annotator="dora"),  # who was one of them earlier
        Answer("b", "positive", annotator="anna"),
        Answer("b", action="skip", annotator="ben"),
    )
    status = hfal("status", run_dir).stdout
    assert "\nLabels by anna 2, ben 0, carl 0, dora 1; 1 opinion is missing\nPool: 20 texts" in status
    assert "budget: 27 of 30 labels left\nQuery 2: 1 of 5 answers are missing\n" in status
    label = f"hfal label {run_dir}"
    assert f"\nNext: {label} --annotator_name anna (in a browser: {label} --web)\n" in status
    answer(run_dir, Answer("c", "positive", annotator="anna"))
    status = hfal("status", run_dir).stdout
    assert "Labels by anna 3, ben 0, carl 0, dora 1; 0 opinions are missing\n" in status
    assert f"\nNext: hfal run {run_dir}\n" in status


def test_status_names_the_files_of_several_people_in_which_something_is_left(
    hfal: Callable[..., Result], run_dir: Path
) -> None:
    team_query(run_dir, {"a": 2, "b": 2, "c": 1}, ["anna", "ben"])
    store = Store(run_dir)
    with pytest.raises(AnswersPending):
        ask(store, FileAnnotator("csv", annotators=["anna", "ben"]))
    store.close()
    anna, ben = (run_dir / f"query-002.{name}.csv" for name in ("anna", "ben"))
    assert f"\nNext: fill in {anna} and {ben}, then hfal run {run_dir}\n" in hfal("status", run_dir).stdout
    rows = [(name, f"text {name}", "positive") for name in "ab"]
    write_csv(anna, ["id", "text", "label"], rows)
    write_csv(ben, ["id", "text", "label"], [("a", "text a", "perhaps")])
    status = hfal("status", run_dir).stdout
    assert "Query 2: 5 of 5 answers are missing\nquery-002.anna.csv has 2 answers that are not read yet\n" in status
    assert f"{ben} has 1 error (row 1 names the columns)" in status
    answer(run_dir, *(Answer(name, "positive", annotator="ben") for name in "abc"))
    assert f"\nNext: fill in {anna}, then hfal run {run_dir}\n" in hfal("status", run_dir).stdout


def test_status_of_whoever_comes_names_nobody_who_has_not_labeled(hfal: Callable[..., Result], run_dir: Path) -> None:
    team_query(run_dir, {"a": 2}, ["anybody"])
    status = hfal("status", run_dir).stdout
    assert "Labels by" not in status
    assert f"Next: hfal label {run_dir} --annotator_name NAME (in a browser" in status
    answer(run_dir, Answer("a", "positive", annotator="zoe"))
    assert "\nLabels by zoe 1; 1 opinion is missing\n" in hfal("status", run_dir).stdout
