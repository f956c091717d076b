"""Settling what people disagree about: which questions are asked, and on the page over HTTP."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hfal.annotators.settling import settle, settling_query
from hfal.annotators.web.annotator import WebAnnotator
from hfal.export.agreement import measure_agreement
from hfal.export.agreement_report import holds
from hfal.store.records import Answer
from hfal.store.store import Store
from support.settling import Settling
from support.team_runs import NAMES, SETS, TAGS, TEXT, make_team_run


A, B = NAMES[TEXT]
OPINIONS = [{"anna": A, "ben": B, "carl": A}, {"anna": B, "ben": B}, {"anna": A, "ben": A, "carl": A, "dora": B}]


@pytest.fixture
def settle_on_page(tmp_path: Path) -> Iterator[Callable[..., tuple[Store, Settling]]]:
    """A function that makes a run, and serves the page on which "ann" settles."""
    begun: list[tuple[Store, Settling]] = []

    def begin(*arguments: Any, **options: Any) -> tuple[Store, Settling]:
        store = make_team_run(tmp_path / "run", *arguments, method="majority", **options)
        begun.append((store, Settling(store)))
        return begun[-1]

    yield begin
    for store, settling in begun:
        settling.stands_up()
        store.close()


def test_the_questions_are_the_disagreements(tmp_path: Path) -> None:
    store = make_team_run(tmp_path / "run", TEXT, OPINIONS, method="majority")
    store.set_shown(["date", "ben"], {"t0": {"date": "1 May", "ben": "a column"}})
    query = settling_query(store)
    assert query is not None
    assert (query.settles, query.size, query.label_names) == (True, 2, (A, B))
    first, second = query.questions
    assert (first.example_id, first.suggestion, first.confidence) == ("t0", A, pytest.approx(2 / 3))
    assert dict(first.shown) == {"anna": A, "ben": B, "carl": A, "date": "1 May", "ben (column)": "a column"}
    assert query.shown_columns == ("anna", "ben", "carl", "dora", "date", "ben (column)")
    assert (second.example_id, dict(second.shown)) == ("t2", {"anna": A, "ben": A, "carl": A, "dora": B})
    assert query.answers() == []
    store.record(Answer("t0", B, "settle", "ben"))
    query = settling_query(store)
    assert query is not None
    assert [one.example_id for one in query.questions] == ["t2"]
    assert [(one.example_id, one.annotator) for one in query.answers()] == [("t0", "ben")]
    assert query.shown_of("t0")["anna"] == A  # who looks back sees it, too
    store.record(Answer("t2", A, "settle", "carl"))
    assert settling_query(store) is None
    store.close()


def test_labels_on_the_page(settle_on_page: Callable[..., tuple[Store, Settling]]) -> None:
    store, page = settle_on_page(TEXT, OPINIONS)
    state = page.waits_for("asking")
    shown = state["shown"]
    assert shown["beside"] == [{"name": name, "value": value} for name, value in OPINIONS[0].items()]
    assert shown["suggestion"] == {"label": A, "confidence": pytest.approx(2 / 3)}
    progress = state["progress"]
    assert (progress["title"], progress["size"], progress["bought"]) == ("Disagreements", 2, 9)
    assert state["about"] == "People have labeled these texts differently. What you answer holds."

    state = page.does("answer", state, action="skip")  # which records nothing
    assert (state["shown"]["example"], state["turn"], state["notice"]) == ("t2", 0, "Left for later.")
    state = page.answers(state, B, comment="ironic")
    assert (state["shown"]["example"], state["progress"]["bought"]) == ("t0", 9)
    state = page.does("undo", state)
    assert (state["shown"]["example"], state["shown"]["answer"]) == ("t2", None)
    state = page.answers(state, A)
    state = page.answers(state, B)
    assert state["shown"] is None
    state = page.does("show", state, step=-1)
    assert state["shown"]["answer"] == {"action": "label", "label": B}
    assert [one["name"] for one in state["shown"]["beside"]] == ["anna", "ben", "carl"]
    state = page.does("show", state, open=True)
    page.does("close", state)
    assert page.ends() is None
    assert page.counts == (2, 0)
    log = [(a.example_id, a.action, a.label, a.annotator) for a in store.answers()[9:]]
    assert log == [
        ("t2", "settle", B, "ann"),
        ("t2", "undo", None, "ann"),
        ("t2", "settle", A, "ann"),
        ("t0", "settle", B, "ann"),
    ]
    assert store.answers()[9].comment == "ironic"
    assert {i: answer.label for i, answer in store.current_answers().items()} == {"t0": B, "t1": B, "t2": A}


def test_it_is_settled_that_a_made_up_text_makes_no_sense(
    settle_on_page: Callable[..., tuple[Store, Settling]],
) -> None:
    opinions = [{"anna": A, "ben": B, "carl": "nonsense"}, {"anna": A, "ben": B}]
    store, page = settle_on_page(TEXT, opinions, origin="synthesis")
    state = page.waits_for("asking")
    assert [one["value"] for one in state["shown"]["beside"]] == [A, B, "makes no sense"]
    state = page.does("answer", state, action="nonsense")
    assert (state["notice"], state["shown"]["example"]) == ("Saved: makes no sense", "t1")
    state = page.does("show", page.does("answer", state, action="nonsense"), step=-1)
    assert state["shown"]["answer"] == {"action": "nonsense", "label": None}
    assert page.does("answer", state, action="nonsense")["notice"] == "That is the answer already: makes no sense"
    assert page.does("answer", state, action="skip")["notice"] == "This is settled: choose another label, or undo."
    state = page.answers(state, B)
    page.does("close", page.does("show", state, open=True))
    assert page.ends() is None
    assert page.counts == (2, 0)
    assert store.training_answers().keys() == {"t1"}
    found = measure_agreement(store)
    assert [holds(found, one) for one in found.disagreements] == [
        "makes no sense (settled by ann)",
        f"{B} (settled by ann)",
    ]


def test_the_page_says_that_all_is_settled(settle_on_page: Callable[..., tuple[Store, Settling]]) -> None:
    _, page = settle_on_page(TEXT, OPINIONS[:1])
    state = page.answers(page.waits_for("asking"), A)
    seen: list[dict[str, Any]] = []
    waiting = threading.Thread(target=lambda: seen.append(page.state(after=state["version"])))
    waiting.start()
    time.sleep(0.2)
    page.does("close", state)
    waiting.join()
    assert page.ends() is None
    assert seen[0]["phase"] in ("waiting", "ended")
    assert "query" not in seen[0]["message"]


def test_sets_and_entities_on_the_page(settle_on_page: Callable[..., tuple[Store, Settling]], tmp_path: Path) -> None:
    store, page = settle_on_page(SETS, [{"anna": ["law"], "ben": [], "carl": ["law"]}])
    state = page.waits_for("asking")
    assert [one["value"] for one in state["shown"]["beside"]] == ["law", "none of them", "law"]
    assert state["shown"]["suggestion"]["label"] == ["law"]
    page.does("leave", page.answers(state, ["law", "money"]))
    assert page.ends() is None
    assert store.current_answers()["t0"].label == ["law", "money"]


def test_entities_on_the_page(settle_on_page: Callable[..., tuple[Store, Settling]]) -> None:
    opinions = [{"anna": ["B-PER", "I-PER", "O"], "ben": ["O", "B-LOC", "O"]}]
    store, page = settle_on_page(TAGS, opinions, texts=[["Ann", "Lee", "sings"]])
    state = page.waits_for("asking")
    assert [one["value"] for one in state["shown"]["beside"]] == ["[Ann Lee]PER", "[Lee]LOC"]
    state = page.answers(state, [{"first": 0, "last": 1, "label": "PER"}])
    page.does("close", state)
    assert page.ends() is None
    ((answer,),) = [[one for one in store.answers() if one.action == "settle"]]
    assert (answer.label, answer.query) == (["B-PER", "I-PER", "O"], 1)


def test_a_page_that_nobody_visits_settles_nothing(tmp_path: Path) -> None:
    store = make_team_run(tmp_path / "run", TEXT, OPINIONS)
    annotator = WebAnnotator("ann", open_browser=False, idle_minutes=0.002)
    assert settle(store, annotator) == (2, 2)
    assert annotator.has_left
    store.close()
