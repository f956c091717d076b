"""People answer on the page: real requests to a real server, and the log on the disk."""

import concurrent.futures
import json
import shlex
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from hfal.annotators.asking import ask, open_query
from hfal.annotators.base import Steps
from hfal.annotators.file.annotator import FileAnnotator
from hfal.annotators.web.annotator import WebAnnotator
from hfal.errors import AnnotationError, AnswersPending, ArgumentError, HfalError
from hfal.store.store import Store
from support import entity_queries
from support.entity_queries import EU, PETER, TYPES
from support.label_queries import add_query, labels, log
from support.person import ESC, LEFT, Person
from support.web_page import Client, Labeling


TEXTS = ["a fine film", "what a bore", "it has its moments"]
LabelOnPage = Callable[..., Labeling]


def test_texts_are_labeled_one_after_the_other(store: Store, label_on_page: LabelOnPage) -> None:
    add_query(store, TEXTS, suggestion="positive")
    page = label_on_page()
    state = page.waits_for("asking")
    assert state["shown"] == {
        "example": "a",
        "texts": [{"name": "text", "text": "a fine film"}],
        "beside": [],
        "answer": None,
        "comment": None,
        "suggestion": {"label": "positive", "confidence": 0.8731},
        "back": 0,
        "forward": 0,
    }
    assert (state["screen"], state["labels"], state["annotator"]) == ("label", ["negative", "positive"], "ann")
    assert (state["run"], state["turn"], state["curve"], state["guidelines"]) == ("my run", 0, None, None)
    progress = {"title": "Round 2 of 10", "answered": 0, "size": 3, "bought": 0, "budget": 500, "unit": "labels"}
    assert state["progress"] == progress
    state = page.answers(state, "positive")
    assert log(store) == [("a", "label", "positive")]  # before the response
    assert (state["notice"], state["turn"], state["shown"]["example"]) == ("Saved: positive", 1, "b")
    state = page.does("answer", state, action="skip")
    state = page.does("answer", state, action="unsure", comment="  hard \n to say ")
    assert (state["phase"], state["shown"]) == ("asking", None)
    assert state["progress"] == {**progress, "answered": 3, "bought": 1}
    state = page.does("undo", state)  # also of the last text of a query
    assert (state["notice"], state["shown"]["comment"]) == ("Taken back: unsure", "hard to say")
    state = page.answers(state, "negative")
    assert page.does("close", state)["phase"] == "waiting"
    assert page.ends() is None
    said = [(a.example_id, a.action, a.label, a.comment, a.annotator, a.query) for a in store.answers()]
    assert said == [
        ("a", "label", "positive", None, "ann", 1),
        ("b", "skip", None, None, "ann", 1),
        ("c", "unsure", None, "hard to say", "ann", 1),
        ("c", "undo", None, None, "ann", 1),
        ("c", "label", "negative", "hard to say", "ann", 1),
    ]
    assert not store.open_queries()


def test_one_looks_back_changes_comments_and_undoes_to_the_first(store: Store, label_on_page: LabelOnPage) -> None:
    add_query(store, TEXTS)
    page = label_on_page()
    state = page.answers(page.answers(page.waits_for("asking"), "positive"), "negative")
    assert (state["shown"]["back"], state["shown"]["forward"]) == (2, 0)
    for step, example, place in ((-1, "b", (1, 1)), (-1, "a", (0, 2)), (-1, "a", (0, 2)), (1, "b", (1, 1))):
        state = page.post("show", {"step": step})[1]
        assert (state["shown"]["example"], (state["shown"]["back"], state["shown"]["forward"])) == (example, place)
    assert state["shown"]["answer"] == {"action": "label", "label": "negative"}
    state = page.answers(state, "negative")
    assert (state["notice"], state["turn"]) == ("That is the answer already: negative", 2)
    state = page.answers(state, "positive", comment="on second thought")
    assert (state["shown"]["example"], state["shown"]["answer"]["label"]) == ("b", "positive")
    state = page.does("comment", state, comment="")
    assert (state["notice"], state["shown"]["comment"]) == ("The comment is saved.", None)
    state = page.answers(state, "positive", comment="after all")  # the same label with a comment
    assert state["shown"]["comment"] == "after all"
    state = page.post("show", {"open": True})[1]
    assert state["shown"]["example"] == "c"
    state = page.does("comment", state, comment="a pity")
    assert (state["turn"], state["shown"]["comment"]) == (5, "a pity")  # saved with the answer
    for _ in range(5):
        state = page.does("undo", state)
    assert (state["shown"]["example"], state["shown"]["comment"], state["progress"]["answered"]) == ("a", None, 0)
    assert page.does("undo", state)["notice"] == "There is nothing to undo."
    assert labels(store) == {}
    assert [a.comment for a in store.answers()][:5] == [None, None, "on second thought", None, "after all"]


def test_a_request_of_another_turn_or_text_records_nothing(store: Store, label_on_page: LabelOnPage) -> None:
    add_query(store, TEXTS)
    page = label_on_page()
    first = page.waits_for("asking")
    body = {"turn": 0, "example": "a", "action": "label", "label": "positive"}
    assert page.post("answer", body)[0] == 200
    for stale in (body, {**body, "turn": 1}, {**body, "turn": 7, "example": "b"}, {**body, "turn": -1}):
        status, found = page.post("answer", stale)  # a lost response, an old tab, what was made up
        assert (status, found["state"]["turn"], found["state"]["shown"]["example"]) == (409, 1, "b")
    assert page.post("answer", {**body, "turn": 1, "example": "../z'; DROP TABLE answers"})[0] == 409
    assert page.post("comment", {"turn": 1, "example": "a", "comment": "x"})[0] == 409
    assert page.post("undo", {"turn": 0})[0] == 409
    status, found = page.post("close", {"turn": 1})
    assert (status, found["error"]) == (409, "texts of this query have no answer yet")
    assert first["version"] < found["state"]["version"]
    assert log(store) == [("a", "label", "positive")]


@pytest.mark.parametrize(
    ("action", "change", "error"),
    [
        ("answer", {"label": "postive"}, "'postive' is no label; the labels are"),
        ("answer", {"label": None}, "None is no label"),
        ("answer", {"label": ["positive"]}, "['positive'] is no label"),
        ("answer", {"label": {"a": 1}}, "{'a': 1} is no label"),
        ("answer", {"label": "\ud800"}, "is no label"),
        ("answer", {"action": "skip"}, "action is 'skip', which has no label"),
        ("answer", {"action": "undo"}, "action is 'undo', expected label, skip or unsure"),
        ("answer", {"action": "nonsense", "label": None}, "action is 'nonsense', expected label, skip or unsure"),
        ("answer", {"action": None}, "action is missing, expected a text"),
        ("answer", {"turn": "0"}, "turn is '0', expected a whole number"),
        ("answer", {"turn": True}, "turn is True, expected a whole number"),
        ("answer", {"turn": None}, "turn is missing"),
        ("answer", {"example": ["a"]}, "example is ['a'], expected a text"),
        ("answer", {"comment": 5}, "comment is no text"),
        ("show", {"step": 5}, 'expected {"step": -1}'),
        ("show", {"step": 1.0}, 'expected {"step": -1}'),
        ("undo", {"turn": 1e400}, "turn is inf"),
    ],
)
def test_a_request_with_a_wrong_field_is_refused_in_one_line(
    action: str, change: dict, error: str, store: Store, label_on_page: LabelOnPage
) -> None:
    add_query(store, TEXTS)
    page = label_on_page()
    page.waits_for("asking")
    body = {"turn": 0, "example": "a", "action": "label", "label": "positive"}
    status, found = page.post(action, {**body, **change})
    assert status == 400
    assert error in found["error"]
    assert "\n" not in found["error"]
    assert log(store) == []
    assert page.post("answer", body)[0] == 200  # it goes on


def test_sets_of_labels(tmp_path: Path, label_on_page: LabelOnPage, store: Store) -> None:
    store.set_meta("task", "multi_label_classification")
    store.set_meta("label_names", ["LOC", "ORG", "PER"])
    add_query(store, TEXTS, suggestion=["PER", "LOC"])  # type: ignore[arg-type]
    page = label_on_page()
    state = page.waits_for("asking")
    assert (state["screen"], state["shown"]["suggestion"]["label"]) == ("label_set", ["PER", "LOC"])
    for wrong in ("LOC", ["CITY"], ["LOC", "LOC"], [["LOC"]], None):
        refused = page.post("answer", {"turn": 0, "example": "a", "action": "label", "label": wrong})
        assert refused[0] == 400, refused
    state = page.answers(state, ["PER", "LOC"])
    assert state["notice"] == "Saved: LOC, PER"
    state = page.answers(state, [])
    assert labels(store) == {"a": ["LOC", "PER"], "b": []}  # type: ignore[comparison-overlap]
    state = page.post("show", {"step": -1})[1]
    assert state["shown"]["answer"] == {"action": "label", "label": []}


def test_entities(store: Store, label_on_page: LabelOnPage) -> None:
    store.set_meta("task", "token_classification")
    store.set_meta("label_names", ["O", *(f"{prefix}-{kind}" for kind in TYPES for prefix in "BI")])
    raw = "\U0001f600 Zo\u00e9 met U.N. 日本"
    suggested = ["B-ORG", "O", "B-MISC", *["O"] * 6]
    entity_queries.add_query(store, [EU, PETER, raw], [suggested])
    page = label_on_page()
    state = page.waits_for("asking")
    assert (state["screen"], state["labels"]) == ("entities", TYPES)
    (text,) = state["shown"]["texts"]
    assert [text["text"][start:end] for start, end in text["words"]] == EU
    org, misc = ({"first": n, "last": n, "label": kind} for n, kind in ((0, "ORG"), (2, "MISC")))
    assert state["shown"]["suggestion"]["label"] == [org, misc]
    wrong = [
        "ORG",
        [org, org],
        [{"first": 0, "last": 2, "label": "ORG"}, misc],
        [{"first": 8, "last": 9, "label": "ORG"}],
        [{"first": -1, "last": 0, "label": "ORG"}],
        [{"first": 3, "last": 2, "label": "ORG"}],
        [{"first": 0, "last": 0, "label": "CITY"}],
        [{"first": 0.0, "last": 0, "label": "ORG"}],
        [{"first": 0, "label": "ORG"}],
        [[0, 0, "ORG"]],
    ]
    for label in wrong:
        refused = page.post("answer", {"turn": 0, "example": "a", "action": "label", "label": label})
        assert refused[0] == 400, refused
    state = page.answers(state, [misc, org])
    assert state["notice"] == "Saved: [EU]ORG, [German]MISC"
    state = page.answers(state, [{"first": 0, "last": 1, "label": "PER"}, {"first": 3, "last": 3, "label": "ORG"}])
    (text,) = state["shown"]["texts"]
    units = text["text"].encode("utf-16-le")  # as JavaScript counts
    words = [units[2 * start : 2 * end].decode("utf-16-le") for start, end in text["words"]]
    assert words == ["\U0001f600", "Zo\u00e9", "met", "U", ".", "N", ".", "日", "本"]
    state = page.answers(state, [])
    said = {"a": [(0, 1, "ORG"), (2, 3, "MISC")], "b": [(0, 2, "PER"), (3, 4, "ORG")], "c": []}
    assert entity_queries.said(store) == said
    state = page.post("show", {"step": -1})[1]
    assert state["shown"]["answer"] == {"action": "label", "label": []}


def test_tags_that_mark_no_entities_are_for_files(store: Store) -> None:
    store.set_meta("task", "token_classification")
    store.set_meta("label_names", ["NOUN", "VERB"])
    entity_queries.add_query(store, [PETER])
    with pytest.raises(AnnotationError, match="on the page only entities can be marked: take the file annotator"):
        ask(store, WebAnnotator("ann"))


def test_what_was_said_is_there_when_the_page_is_served_again(store: Store, label_on_page: LabelOnPage) -> None:
    add_query(store, TEXTS)
    page = label_on_page()
    page.answers(page.waits_for("asking"), "positive")
    status, state = page.post("leave")
    assert (status, state["phase"], state["message"]) == (200, "ended", "You have left. All answers are saved.")
    ended = page.ends()
    assert isinstance(ended, AnswersPending)
    assert ended.exit_code == 75
    assert "2 of 3 texts are left; all answers are saved." in str(ended)
    assert f"`hfal label '{store.run_dir}' --web`" in str(ended)
    again = label_on_page()
    state = again.waits_for("asking")
    assert (state["turn"], state["shown"]["example"], state["progress"]["answered"]) == (1, "b", 1)
    state = again.does("undo", state)
    assert (state["shown"]["example"], state["notice"]) == ("a", "Taken back: positive")


def test_nothing_done_for_long_ends_it(store: Store, label_on_page: LabelOnPage) -> None:
    add_query(store, TEXTS)
    page = label_on_page(idle_minutes=1 / 60)
    state = page.waits_for("asking")
    time.sleep(0.6)
    state = page.answers(state, "positive")  # from which the time begins anew
    begin = time.monotonic()
    state = page.state(after=state["version"])  # looking on is doing nothing
    assert 0.8 < time.monotonic() - begin < 10
    assert state["phase"] == "ended"
    assert "Nobody has labeled for 0.0166667 minutes" in state["message"]
    assert isinstance(page.ends(), AnswersPending)
    assert labels(store) == {"a": "positive"}


def test_two_tabs_of_one_person(store: Store, label_on_page: LabelOnPage) -> None:
    texts = [f"text {n}" for n in range(20)]
    add_query(store, texts)
    page = label_on_page()
    page.waits_for("asking")

    def tab(label: str) -> int:
        recorded = 0
        while (state := page.state())["shown"] is not None:
            about = {"turn": state["turn"], "example": state["shown"]["example"]}
            status, found = page.post("answer", {**about, "action": "label", "label": label})
            assert status in (200, 409), found
            recorded += status == 200
        return recorded

    with concurrent.futures.ThreadPoolExecutor(2) as tabs:
        counts = list(tabs.map(tab, ["negative", "positive"]))
    assert sum(counts) == len(texts)
    asked = [chr(ord("a") + n) for n in range(20)]
    assert [(a.example_id, a.action) for a in store.answers()] == [(example, "label") for example in asked]


def test_a_poll_ends_with_what_another_tab_has_done(store: Store, label_on_page: LabelOnPage) -> None:
    add_query(store, TEXTS)
    page = label_on_page()
    state = page.waits_for("asking")
    with concurrent.futures.ThreadPoolExecutor(1) as other:
        polled = other.submit(page.state, state["version"])
        time.sleep(0.2)
        assert not polled.done()
        page.answers(state, "positive")
        assert polled.result(5)["turn"] == 1
    assert page.state(after=5)["turn"] == 1  # a version of another start of the server


def test_the_next_query_follows_on_the_same_page(store: Store, label_on_page: LabelOnPage) -> None:
    add_query(store, TEXTS[:1], "holdout")
    add_query(store, TEXTS[1:2], "seed")
    page = label_on_page()
    state = page.answers(page.waits_for("asking"), "positive")
    page.does("close", state)
    state = page.waits_for("asking")
    assert (state["progress"]["title"], state["progress"]["bought"], state["turn"]) == ("Seed set", 1, 1)
    state = page.does("undo", state)  # which opens the query before again
    state = page.answers(page.answers(state, "negative"), "negative")
    page.does("close", state)
    assert page.ends() is None
    assert labels(store) == {"a": "negative", "b": "negative"}


def test_who_leaves_while_a_round_trains_is_asked_nothing_more(store: Store) -> None:
    asked = add_query(store, TEXTS)
    annotator = WebAnnotator("ann", open_browser=False)
    with annotator.serve(store), annotator.serve(store):  # nested, it is one server
        annotator.note("Round 1 trains on 6 labeled texts")
        page = Client(int(urlsplit(str(annotator.address)).port or 0))
        state = page.state()
        assert (state["phase"], state["message"]) == ("waiting", "Round 1 trains on 6 labeled texts")
        status, found = page.post("answer", {"turn": 0, "example": "a", "action": "label", "label": "positive"})
        assert (status, found["error"], found["state"]) == (409, "nothing is asked now", state)
        status, left = page.post("leave")
        assert (status, left["phase"]) == (200, "waiting")
        assert left["message"].startswith("Round 1 trains on 6 labeled texts. You leave when that has ended")
        assert page.state(after=state["version"]) == left
        annotator.note("Round 1 trains on 6 labeled texts", Steps(3, 12, 4.5))
        left = page.state(after=left["version"])
        assert left["steps"] == {"done": 3, "total": 12, "seconds_left": 4.5}
        assert left["message"].startswith("Round 1 trains on 6 labeled texts. You leave when that has ended")
        annotator.note("Round 1 is trained, and picks the next texts")
        assert page.state(after=left["version"])["steps"] is None
        assert list(annotator.annotate(open_query(store, asked))) == []
        assert annotator.has_left
        ended = page.state()
        assert (ended["phase"], ended["then"]) == ("ended", "To go on:")
        assert shlex.split(ended["command"]) == ["hfal", "label", str(store.run_dir), "--web"]
        annotator.note("Round 2 trains on 8 labeled texts", Steps(3, 12, 4.5))  # as a training beside would
        annotator.note("Round 2 is trained, and is evaluated")
        assert page.state() == ended
    assert annotator.address is None
    annotator.note("nobody is there")  # and nothing happens
    with pytest.raises(OSError, match="refused"):
        page.state()


def test_one_goes_on_from_files_to_the_page_to_the_terminal_and_back(
    store: Store, label_on_page: LabelOnPage, sit_down: Callable[..., Person]
) -> None:
    add_query(store, [*TEXTS, "not for me"])
    with pytest.raises(AnswersPending):
        ask(store, FileAnnotator("jsonl"))
    file = store.run_dir / "query-001.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    file.write_text("".join(json.dumps({**row, "label": {"a": "positive"}.get(row["id"])}) + "\n" for row in rows))
    page = label_on_page()
    state = page.waits_for("asking")
    assert (state["shown"]["example"], state["turn"], state["progress"]["answered"]) == ("b", 0, 1)
    page.answers(state, "negative", comment="said on the page")
    page.post("leave")
    page.ends()
    person = sit_down()
    person.sees("2/4 answered", "it has its moments")
    person.press(LEFT)
    person.sees("Your answer 1/1: negative", "Comment: said on the page")
    person.press(ESC)
    person.sees("it has its moments", without="Your answer")
    person.press("2")
    person.sees("3/4 answered")
    person.press("q")
    assert person.leaves() == 75
    again = label_on_page()
    state = again.waits_for("asking")
    assert (state["shown"]["example"], state["turn"], state["shown"]["back"]) == ("d", 2, 2)
    state = again.does("undo", state)
    assert (state["shown"]["example"], state["notice"]) == ("c", "Taken back: positive")
    said = [(a.example_id, a.action, a.label, a.annotator) for a in store.answers()]
    assert said == [
        ("a", "label", "positive", "file"),
        ("b", "label", "negative", "ann"),
        ("c", "label", "positive", "ann"),
        ("c", "undo", None, "ann"),
    ]


def test_texts_are_data_and_never_markup(store: Store, label_on_page: LabelOnPage) -> None:
    hostile = "<script>alert(1)</script><img src=x onerror=alert(1)> \u202e \x1b[31m \u2028 </html>"
    store.set_meta("label_names", ["<b>a</b>", "b"])
    add_query(store, [hostile])
    page = label_on_page()
    status, headers, body = page.request("GET", "/api/state")
    assert (status, headers["content-type"], headers["x-content-type-options"]) == (200, "application/json", "nosniff")
    assert body.isascii()
    assert page.waits_for("asking")["shown"]["texts"][0]["text"] == hostile
    for path in ("/", "/static/page.js"):
        assert b"alert(1)" not in page.request("GET", path)[2]


def test_what_the_data_has_beside_the_texts_is_shown(store: Store, label_on_page: LabelOnPage) -> None:
    add_query(store, TEXTS[:1])
    store.set_shown(["date", "author"], {"a": {"author": "Ann <b>", "date": "2024-05-01"}})
    beside = label_on_page().waits_for("asking")["shown"]["beside"]
    assert beside == [{"name": "date", "value": "2024-05-01"}, {"name": "author", "value": "Ann <b>"}]


def test_a_failure_to_record_ends_the_command_and_tells_the_page(store: Store, label_on_page: LabelOnPage) -> None:
    add_query(store, TEXTS)
    page = label_on_page()
    state = page.waits_for("asking")
    store._db.execute("PRAGMA query_only = ON")  # the disk is not to be written any more
    body = {"turn": 0, "example": state["shown"]["example"], "action": "label", "label": "positive"}
    status, found = page.post("answer", body)
    assert (status, found["error"]) == (500, "this was not recorded; the command says why")
    assert isinstance(page.ends(), HfalError)
    store._db.execute("PRAGMA query_only = OFF")
    assert log(store) == []


def test_arguments_are_checked() -> None:
    for minutes in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ArgumentError, match=f"idle_minutes={minutes}, expected a number above 0"):
            WebAnnotator("ann", idle_minutes=minutes)
    with pytest.raises(ArgumentError, match=r"guidelines='nowhere.md' cannot be read \(No such file"):
        WebAnnotator("ann", guidelines="nowhere.md")
    with pytest.raises(ArgumentError, match="which means that no person labels"):
        WebAnnotator("simulated")
    with pytest.raises(HfalError, match="the page is not served"):
        list(WebAnnotator("ann").annotate(_open_query()))


def test_a_port_that_is_taken_is_told(store: Store, label_on_page: LabelOnPage) -> None:
    add_query(store, TEXTS)
    page = label_on_page()
    with pytest.raises(ArgumentError, match=rf"port={page.port} cannot be listened on .*: take another port, or 0"):
        ask(store, WebAnnotator("ben", port=page.port))
    with pytest.raises(ArgumentError, match="is no address to listen on"):
        ask(store, WebAnnotator("ben", host="no such host"))


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name in ("nh3", "uvicorn") else object())
    with pytest.raises(ArgumentError, match=r'^the page needs uvicorn, nh3: pip install "hfal\[web\]"$'):
        WebAnnotator("ann")


def _open_query():  # type: ignore[no-untyped-def]
    from hfal.annotators.base import OpenQuery, Question

    question = Question("a", {"text": "one"})
    texts = {"a": question.texts}
    return OpenQuery(1, "round", 1, 0, 1, (question,), ("x", "y"), Path("run"), texts.__getitem__, list)
