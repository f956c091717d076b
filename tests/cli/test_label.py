"""`hfal label`: asks in the terminal what is open."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from hfal.store.records import HEAD, Answer, Queried, Query
from hfal.store.run_info import RunPlan
from hfal.store.store import Store
from support import forks
from support.command import HFAL, Result, answer, error_line, write_csv
from support.person import ENTER, Person


def test_label_asks_in_the_terminal_and_says_how_to_go_on(run_dir: Path, folder: Path) -> None:
    label = ["label", "runs/small", "--annotator_name", "ann", "--hide-suggestions"]
    person = Person(HFAL, *label, cwd=folder)
    person.sees("text a", without="Model suggests")
    person.press("2")
    person.sees("Saved: positive", "text b")
    person.press("q")
    assert person.leaves() == 75

    person = Person(forks.hfal, *label[:-1], cwd=folder)
    person.sees("text b", "Model suggests (87%): positive")
    person.press("1")
    person.sees("text c")
    person.press("s")
    person.sees("3/3 answered")
    person.press(ENTER)
    assert person.leaves() == 0
    assert "Every text that was asked has an answer.\nNext: hfal run runs/small" in person.screen
    store = Store(run_dir, read_only=True)
    found = [(a.example_id, a.label, a.action, a.annotator) for a in store.answers()]
    assert found == [("a", "positive", "label", "ann"), ("b", "negative", "label", "ann"), ("c", None, "skip", "ann")]
    assert not store.open_queries()
    store.close()


def test_label_says_which_query_of_a_head_it_asks(folder: Path, run_dir: Path) -> None:
    answer(run_dir, *(Answer(name, action="skip", annotator="x") for name in "abc"))
    store = Store(run_dir)
    asked = (Queried("d", "hash d", {"text": "text d"}),)
    store.add_query(Query(0, HEAD, "margin", 0, asked, settings={"sequence": 2, "answers_seen": 3}))
    store.close()
    person = Person(forks.hfal, "label", "runs/small", cwd=folder)
    person.sees("Query 2 for round 1 of 3", "text d")
    person.press("1")
    person.sees("1/1 answered")
    person.press("q")
    assert person.leaves() == 0


def test_who_quits_when_all_is_answered_has_left_nothing(folder: Path, run_dir: Path) -> None:
    person = Person(forks.hfal, "label", "runs/small", cwd=folder)
    person.sees("text a")
    for count, key in enumerate("12s", start=1):
        person.press(key)
        person.sees(f"{count}/3 answered")
    person.press("q")
    assert person.leaves() == 0
    assert "Every text that was asked has an answer.\nNext: hfal run runs/small" in person.screen


def test_label_takes_in_what_is_filled_in_in_a_file_before_it_asks(hfal: Callable[..., Result], run_dir: Path) -> None:
    rows = [
        (name, f"text {name}", "", "", label, "") for name, label in zip("abc", ["positive", "", "skip"], strict=True)
    ]
    write_csv(run_dir / "query-001.csv", ["id", "text", "suggestion", "confidence", "label", "comment"], rows)
    waiting = hfal("label", run_dir)
    assert waiting.code == 75
    assert "1 text waits to be labeled" in waiting.stderr
    answer(run_dir, Answer("b", "negative", annotator="ann"))
    assert hfal("label", run_dir).code == 0
    store = Store(run_dir, read_only=True)
    found = [(a.example_id, a.label, a.annotator) for a in store.answers()]
    assert found == [("a", "positive", "file"), ("c", None, "file"), ("b", "negative", "ann")]
    store.close()


def test_label_without_questions_or_without_a_run(hfal: Callable[..., Result], run_dir: Path, folder: Path) -> None:
    waiting = hfal("label", run_dir)  # pytest has no terminal
    assert waiting.code == 75
    assert "3 texts wait to be labeled" in waiting.stderr
    answer(run_dir, *(Answer(name, action="skip", annotator="x") for name in "abc"))
    done = hfal("label", run_dir)
    assert (done.code, done.stdout) == (0, f"No text waits for an answer.\nNext: hfal run {run_dir}\n")
    store = Store(run_dir)
    with store.own():
        assert f"is in use by another Store of this process (pid {os.getpid()} on " in error_line(
            hfal("label", run_dir)
        )
    store.close()
    assert "no run in" in error_line(hfal("label", "runs/missing"))
    assert not (folder / "runs" / "missing").exists()


def test_label_refuses_a_name_that_no_person_may_have(hfal: Callable[..., Result], run_dir: Path) -> None:
    for name in ("dataset", "", "model:gpt"):
        refused = error_line(hfal("label", run_dir, "--annotator_name", name))
        assert refused.startswith(f"hfal: error: --annotator_name is {name!r}, ")
    write_csv(run_dir / "query-001.csv", ["id", "text", "label"], [("a", "text a", "positive")])
    hfal("label", run_dir)
    store = Store(run_dir, read_only=True)
    assert [(a.example_id, a.annotator) for a in store.answers()] == [("a", "file")]
    store.close()


def make_team(run_dir: Path, *people: str, opinions: int = 2) -> None:
    """Have each text of the run be labeled by so many of these people."""
    store = Store(run_dir)
    store.set_plan(replace(store.plan or RunPlan(), annotators=list(people)))
    store.close_query(1)
    asked = tuple(Queried(name, f"hash {name}", {"text": f"text {name}"}) for name in "abc")
    store.add_query(Query(1, "round", "margin", 0, asked, settings={"opinions": opinions}))
    store.close()


def test_people_label_in_turn_under_their_names(hfal: Callable[..., Result], run_dir: Path, folder: Path) -> None:
    make_team(run_dir, "anna", "ben")
    answer(run_dir, *(Answer(name, "positive", annotator="anna", query=2) for name in "abc"))
    waits = hfal("label", "runs/small", "--annotator_name", "anna")
    assert waits.code == 75
    assert "Query 2 (of round 1): 3 texts wait to be labeled: 3 for ben.\n" in waits.stderr
    ben = Person(forks.hfal, "label", "runs/small", "--annotator_name", "ben", cwd=folder)
    for text, key in zip("abc", "12s", strict=True):
        ben.sees(f"text {text}")
        ben.press(key)
    ben.sees("You have answered all that this query has for you.")
    ben.press(ENTER)
    assert ben.leaves() == 0
    assert "Every text that was asked has an answer.\nNext: hfal run runs/small" in ben.screen
    store = Store(run_dir, read_only=True)
    assert {i: {name: a.label for name, a in of.items()} for i, of in store.opinions().items()} == {
        "a": {"anna": "positive", "ben": "negative"},
        "b": {"anna": "positive", "ben": "positive"},
        "c": {"anna": "positive", "ben": None},
    }
    store.close()


def test_who_is_none_of_the_people_is_refused(hfal: Callable[..., Result], run_dir: Path) -> None:
    make_team(run_dir, "anna", "ben")
    (run_dir / "config.yaml").write_text("data: reviews.csv\nannotator_name: anna\n")  # who began it is not who it is
    names = "the people who label are: anna, ben"
    refused = error_line(hfal("label", run_dir, "--annotator_name", "bem"))
    assert refused == f"hfal: error: --annotator_name is 'bem', but {names}. Did you mean 'ben'?"
    missing = error_line(hfal("label", run_dir))
    assert missing == "hfal: error: --annotator_name is missing: say who you are, one of: anna, ben"
