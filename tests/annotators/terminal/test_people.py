"""Several people at one terminal, each in turn: what each is asked, and for whom the rest waits."""

import getpass

import pytest

from hfal.annotators.asking import ask, open_query
from hfal.annotators.terminal.annotator import TerminalAnnotator
from hfal.annotators.web.annotator import WebAnnotator
from hfal.errors import AnswersPending, ArgumentError
from hfal.store.records import Answer, Queried, Query
from hfal.store.run_info import RunPlan
from hfal.store.store import Store
from support.label_queries import first_words
from support.person import ENTER


AT_THE_TERMINAL = """
import sys
from hfal.annotators.asking import ask, open_query
from hfal.annotators.terminal.annotator import TerminalAnnotator
from hfal.annotators.web.annotator import WebAnnotator
from hfal.store.store import Store
run_dir, name, *people = sys.argv[1:]
ask(Store(run_dir), TerminalAnnotator(name, annotators=people))
print("The run goes on.")
"""
TEAM = ["anna", "ben", "carl"]


def ask_several(store: Store, texts: list[str], opinions, purpose: str = "round", team=TEAM) -> list[str]:
    taken = sum(len(query.examples) for query in store.queries())
    ids = [f"t{number}" for number in range(taken, taken + len(texts))]
    examples = tuple(Queried(i, f"content {i}", {"text": text}) for i, text in zip(ids, texts, strict=True))
    each = opinions if isinstance(opinions, int) else dict(zip(ids, opinions, strict=True))
    store.add_query(Query(2, purpose, "random", 0, examples, settings={"opinions": each}))
    store.set_plan(RunPlan(rounds=10, budget=500, annotators=team))
    return ids


def waiting(store: Store, name: str, team=TEAM) -> str:
    """What is said where there is no terminal; pytest has none."""
    with pytest.raises(AnswersPending) as stop:
        ask(store, TerminalAnnotator(name, annotators=team))
    return stop.value.message


def said(store: Store) -> list[tuple[str, str, str | None]]:
    return [(a.example_id, str(a.annotator), a.label) for a in store.answers()]


def test_each_is_asked_what_they_have_not_answered_and_the_rest_waits_for_others(store, texts, sit_down):
    ids = ask_several(store, texts[:3], [2, 2, 1], team=["anna", "ben"])
    anna = sit_down("anna", "anna", "ben", script=AT_THE_TERMINAL)
    anna.sees("Round 2 of 10 | 0/3 answered", first_words(texts[0]))
    anna.press("1", "1")
    anna.sees(first_words(texts[2]))
    anna.press("2")
    anna.sees("You have answered all that this query has for you.", "3 of 500 labels bought", "[Enter] goes on")
    anna.press(ENTER)
    assert anna.leaves() == 75
    assert "Query 1 (of round 2): 2 texts wait to be labeled: 2 for ben." in anna.screen
    assert f"`hfal label '{store.run_dir}' --annotator_name ben` in a terminal".encode() in anna.raw.replace(
        b"\r\n", b""
    )
    assert "The run goes on." not in anna.screen

    again = sit_down("anna", "anna", "ben", script=AT_THE_TERMINAL)  # there is nothing for her: no screen opens
    assert again.leaves() == 75
    assert b"answered" not in again.raw
    assert "2 texts wait to be labeled: 2 for ben." in again.screen

    ben = sit_down("ben", "anna", "ben", script=AT_THE_TERMINAL)
    ben.sees(first_words(texts[0]), "3 of 500")
    ben.press("u")
    ben.sees("There is nothing to undo.")  # of his own
    ben.press("2")
    ben.sees(first_words(texts[1]))
    ben.press("u")
    ben.sees("Taken back: positive", first_words(texts[0]))
    ben.press("2")
    ben.sees(first_words(texts[1]))
    ben.press("s")
    ben.sees("You have answered all that this query has for you.")  # not the third text, which Anna has
    ben.press(ENTER)
    assert ben.leaves() == 0
    assert "The run goes on." in ben.screen
    assert store.open_queries() == []
    opinions = {i: {name: a.label for name, a in of.items()} for i, of in store.opinions().items()}
    assert opinions == {
        ids[0]: {"anna": "negative", "ben": "positive"},
        ids[1]: {"anna": "negative", "ben": None},
        ids[2]: {"anna": "positive"},
    }


def test_who_quits_goes_on_later_and_who_is_done_goes_on_with_the_next_query(store, texts, sit_down):
    ids = ask_several(store, texts[:1], 2, "holdout", ["anna", "ben"])
    ids += ask_several(store, texts[1:3], 2, team=["anna", "ben"])
    anna = sit_down("anna", "anna", "ben", script=AT_THE_TERMINAL)
    anna.sees("Held-out examples", first_words(texts[0]))
    anna.press("1", ENTER)
    anna.sees("Round 2 of 10 | 0/2 answered", first_words(texts[1]))
    anna.press("1")
    anna.sees("1/2 answered")
    anna.press("q")
    assert anna.leaves() == 75
    screen = anna.raw.decode().replace("\r\n", "\n")
    saved = "\n    All answers are saved.\n    Next: "
    assert "Query 1 (held-out examples): 1 text waits to be labeled: 1 for ben.\n    Next: " in screen
    assert f"2 texts wait to be labeled: 1 for ben, 1 for anna and ben.{saved}" in screen
    command = f"`hfal label '{store.run_dir}' --annotator_name anna`"
    assert command in screen  # of the second query, which she has left
    assert [i for i, _, _ in said(store)] == ids[:2]


@pytest.mark.parametrize(
    ("team", "opinions", "answered", "message"),
    [
        (TEAM, [1, 1], {}, "2 texts wait to be labeled: 2 for one of anna, ben, carl."),
        (TEAM, [3, 3], {}, "2 texts wait to be labeled: 2 for anna, ben and carl."),
        (TEAM, [3, 1], {0: "anna"}, "2 texts wait to be labeled: 1 for ben and carl, 1 for one of anna, ben, carl."),
        (TEAM, [2, 2], {0: "anna", 1: "ben"}, "2 texts wait to be labeled: 1 for one of ben, carl, "
         "1 for one of anna, carl."),
        (TEAM, [2, 2], {}, "2 texts wait to be labeled: 2 for 2 of anna, ben, carl."),
        (["anybody"], [2, 2], {0: "anna"}, "2 texts wait to be labeled: 2 for anybody who has not labeled them."),
    ],
)  # fmt: skip
def test_for_whom_texts_wait(store, texts, team, opinions, answered, message):
    ids = ask_several(store, texts[:2], opinions, team=team)
    for place, name in answered.items():
        store.record(Answer(ids[place], "positive", annotator=name, query=1))
    said = waiting(store, "anna", team)
    assert said.startswith(f"Query 1 (of round 2): {message}\n")
    next_one = "NAME" if team == ["anybody"] else "anna"
    command = f"`hfal label '{store.run_dir}' --annotator_name {next_one}`"
    assert f"Next: {command} in a terminal, and when all have labeled, start the run again." in said


def test_what_nobody_of_the_team_can_answer_is_waited_for_no_more(store, texts):
    ids = ask_several(store, texts[:2], 3, team=["anna", "ben"])
    for name in ("anna", "ben"):
        store.record(Answer(ids[0], "positive", annotator=name, query=1))
    assert "1 for anna and ben" in waiting(store, "anna", ["anna", "ben"])
    for name in ("anna", "ben"):
        store.record(Answer(ids[1], "positive", annotator=name, query=1))
    ask(store, TerminalAnnotator("anna", annotators=["anna", "ben"]))
    assert store.open_queries() == []


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("ana", r"is 'ana', but the people who label are: anna, ben\. Did you mean 'anna'\?$"),
        ("Ben", r"is 'Ben', but the people who label are: anna, ben\. Did you mean 'ben'\?$"),
        ("zoe", r"is 'zoe', but the people who label are: anna, ben\.$"),
        (None, r"is missing: say who you are, one of: anna, ben$"),
    ],
)
def test_who_is_not_in_the_list_is_refused(name, complaint):
    with pytest.raises(ArgumentError, match=rf"^name \(--annotator_name\) {complaint}"):
        TerminalAnnotator(name, annotators=["anna", "ben"])


def test_the_login_name_is_who_it_is_where_it_is_in_the_list(monkeypatch):
    monkeypatch.setattr(getpass, "getuser", lambda: "ben")
    assert TerminalAnnotator(annotators=["anna", "ben"]).name == "ben"
    assert TerminalAnnotator(annotators=["anybody"]).name == "ben"
    assert TerminalAnnotator("zoe", annotators=["Anybody"]).annotators == ["anybody"]


@pytest.mark.parametrize("annotator", [TerminalAnnotator, WebAnnotator])
def test_who_labels_alone_now_does_not_wait_for_the_people_who_were_asked_once(store: Store, annotator) -> None:
    first, second = ask_several(store, ["a film", "another"], 2, team=[])
    store.record(Answer(first, "positive", annotator="anna", query=1))
    (query,) = store.queries()
    assert annotator("me").waiting_for(open_query(store, query)).startswith("2 texts wait to be labeled")
    store.record(Answer(second, "positive", annotator="me", query=1))
    assert annotator("me").waiting_for(open_query(store, query)).startswith("1 text waits to be labeled")
    store.record(Answer(first, "negative", annotator="me", query=1))
    assert annotator("me").waiting_for(open_query(store, query)) is None  # though the second has one opinion of two
