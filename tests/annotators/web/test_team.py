"""Several people at one page: real requests to a real server, and the log on the disk."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from hfal.annotators.base import Steps
from hfal.annotators.web.annotator import WebAnnotator
from hfal.annotators.web.leases import read_leases
from hfal.errors import AnswersPending, ArgumentError
from hfal.store.store import Store
from support.label_queries import add_query
from support.web_page import Client
from support.web_team import LabelingTeam, TeamClient


TEXTS = ["a fine film", "what a bore", "it has its moments", "in Klingon"]
TeamOnPage = Callable[..., LabelingTeam]


def given(store: Store) -> list[tuple[str, str, str | None]]:
    return [(answer.example_id, str(answer.annotator), answer.label) for answer in store.answers()]


def example_of(state: dict[str, Any]) -> str:
    return str(state["shown"]["example"])


def test_each_text_is_with_one_person(store: Store, team_on_page: TeamOnPage) -> None:
    add_query(store, TEXTS)
    page = team_on_page("anna", "ben")
    anna, ben = page.person("anna"), page.person("ben")
    hers, his = anna.gets_a_text(), ben.gets_a_text()
    assert (example_of(hers), example_of(his)) == ("a", "b")
    assert (hers["annotator"], his["annotator"], hers["turn"], his["turn"]) == ("anna", "ben", 0, 0)
    progress = {"title": "Round 2 of 10", "answered": 0, "size": 4, "bought": 0, "counts": "texts"}
    assert his["progress"].items() >= progress.items()
    his = ben.answers(his, "positive")
    assert example_of(his) == "c"
    assert anna.state()["progress"].items() >= {"answered": 1, "bought": 1}.items()
    his = ben.answers(his, "negative")
    his = ben.answers(his, "negative")
    assert (his["phase"], his["shown"]) == ("asking", None)
    assert his["message"] == "Waiting for others: 1 text is with anna"
    assert his["then"] == "3 of 4 opinions are in. This page goes on by itself."
    his = ben.does("close", his)  # which does nothing, as somebody is at it
    assert his["phase"] == "asking"
    assert sorted(read_leases(store.run_dir)) == [("anna", "a")]
    last = anna.answers(hers, "positive")
    assert last["phase"] in ("waiting", "ended")  # nobody has to press Enter
    assert page.ends() is None
    assert given(store) == [
        ("b", "ben", "positive"),
        ("c", "ben", "negative"),
        ("d", "ben", "negative"),
        ("a", "anna", "positive"),
    ]
    assert not store.open_queries()
    assert read_leases(store.run_dir) == []


@pytest.mark.parametrize("overlap", [2, 3])
def test_as_many_people_as_are_asked_for_label_a_text_and_nobody_twice(
    overlap: int, store: Store, team_on_page: TeamOnPage
) -> None:
    query = add_query(store, [f"text {n}" for n in range(12)], opinions=overlap)
    page = team_on_page("anna", "ben", "carl", "dora")
    seen: dict[str, list[str]] = {}
    at_once: list[int] = []

    def label(name: str) -> None:
        person = page.person(name)
        state = person.state()
        while state["phase"] != "ended":
            if state["phase"] == "asking" and state["shown"] is not None:
                seen.setdefault(name, []).append(example_of(state))
                at_once.append(state["progress"]["answered"])
                label = "negative" if name < "c" else "positive"
                state = person.answers(state, label)
            else:
                state = person.state(after=state["version"])

    threads = [threading.Thread(target=label, args=[name]) for name in ("anna", "ben", "carl", "dora")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert page.ends() is None
    answers = [(example, name) for example, name, _ in given(store)]
    assert Counter(example for example, _ in answers) == {one.example_id: overlap for one in query.examples}
    assert max(Counter(answers).values()) == 1
    assert sorted((example, name) for name, examples in seen.items() for example in examples) == sorted(answers)
    assert store.opinions_left(store.queries()[0]) == {}


def test_some_texts_are_for_several_people(store: Store, team_on_page: TeamOnPage) -> None:
    add_query(store, TEXTS[:3], opinions={"b": 2})
    page = team_on_page("anna", "ben")
    anna, ben = page.person("anna"), page.person("ben")
    hers = anna.gets_a_text()
    assert hers["progress"].items() >= {"size": 4, "counts": "opinions"}.items()
    hers = anna.answers(hers, "positive")
    assert (example_of(hers), example_of(ben.gets_a_text())) == ("b", "b")
    hers = anna.answers(hers, "positive")
    hers = anna.answers(hers, "positive")
    assert hers["message"] == "Waiting for others: 1 text is with ben"
    ben.answers(ben.state(), "negative")
    assert page.ends() is None
    assert [name for example, name, _ in given(store) if example == "b"] == ["anna", "ben"]


def test_a_lease_runs_out_and_the_text_goes_to_somebody_else(store: Store, team_on_page: TeamOnPage) -> None:
    add_query(store, TEXTS[:2])
    page = team_on_page("anna", "ben", lease_minutes=5)
    anna, ben = page.person("anna"), page.person("ben")
    hers = anna.gets_a_text()
    his = ben.answers(ben.gets_a_text(), "positive")
    assert his["shown"] is None
    page.seconds_ahead += 299
    his = ben.state(does=True)
    assert his["shown"] is None
    page.seconds_ahead += 2
    his = ben.gets_a_text()
    assert example_of(his) == "a"
    hers_now = anna.until(lambda state: state["shown"] is None)
    assert hers_now["message"] == "Are you still there?"
    assert hers_now["goes_on"] == "Go on"
    status, refused = anna.post("answer", {"turn": 0, "example": "a", "action": "label", "label": "negative"})
    assert (status, refused["is_lost"]) == (409, True)
    assert refused["error"] == "this text was given to ben, as you had it for long"
    assert refused["state"]["message"] == "Waiting for others: 1 text is with ben"  # and she is back
    assert refused["state"]["then"].startswith("Nothing was recorded: this text was given to ben, as you had it for l")
    assert given(store) == [("b", "ben", "positive")]
    ben.answers(his, "positive")
    assert page.ends() is None
    assert given(store) == [("b", "ben", "positive"), ("a", "ben", "positive")]
    assert hers["shown"]["example"] == "a"


def test_a_late_answer_that_is_still_needed_is_taken(store: Store, team_on_page: TeamOnPage) -> None:
    add_query(store, TEXTS[:1], opinions=2)
    page = team_on_page("anna", "ben", "carl", lease_minutes=5)
    anna, ben = page.person("anna"), page.person("ben")
    hers, his = anna.gets_a_text(), ben.gets_a_text()
    page.seconds_ahead += 200
    his = ben.does("comment", his, comment="hard")  # which renews his
    page.seconds_ahead += 200
    carl = page.person("carl")
    assert example_of(carl.gets_a_text()) == "a"  # in the place of anna
    assert anna.until(lambda state: state["shown"] is None)["message"] == "Are you still there?"
    page.seconds_ahead += 200  # ben's is over, carl's not
    carl.state(does=True)
    assert anna.state()["shown"] is None  # she does nothing, and is given nothing
    hers = anna.answers({**hers, "turn": 0}, "positive")
    assert hers["phase"] == "asking"
    status, refused = ben.post("answer", {"turn": 0, "example": "a", "action": "label", "label": "negative"})
    assert (status, refused["is_lost"]) == (409, True)
    carl.answers(carl.state(), "negative")
    assert page.ends() is None
    assert given(store) == [("a", "anna", "positive"), ("a", "carl", "negative")]


def test_who_is_away_gets_nothing_more_until_they_do_something(store: Store, team_on_page: TeamOnPage) -> None:
    add_query(store, TEXTS[:2])
    add_query(store, TEXTS[2:])
    page = team_on_page("anna", "ben", lease_minutes=5)
    anna, ben = page.person("anna"), page.person("ben")
    anna.gets_a_text()
    his = ben.gets_a_text()
    page.seconds_ahead += 200
    his = ben.answers(his, "positive")
    page.seconds_ahead += 200
    his = ben.answers(ben.gets_a_text(), "positive")  # hers
    his = ben.gets_a_text()  # of the next query
    hers = anna.until(lambda state: state["phase"] == "asking" and state["progress"]["answered"] == 0)
    assert (hers["shown"], hers["message"]) == (None, "Are you still there?")
    assert sorted(read_leases(store.run_dir)) == [("ben", "c")]
    hers = anna.does("close", hers)
    assert example_of(hers) == "d"


def test_one_may_go_on_where_nobody_else_is_there(store: Store, team_on_page: TeamOnPage) -> None:
    add_query(store, TEXTS[:2], opinions=2)
    page = team_on_page("anna", "ben")
    anna = page.person("anna")
    state = anna.answers(anna.answers(anna.gets_a_text(), "positive"), "negative")
    assert state["message"] == "2 texts need somebody else, who is not here"
    assert state["goes_on"] == "Go on without them"
    ben = page.person("ben")
    his = ben.gets_a_text()
    state = anna.does("close", state)
    assert (state["phase"], state["goes_on"]) == ("asking", "")
    his = ben.answers(his, "negative")
    assert ben.post("leave")[1]["message"] == "You have left. All answers are saved."
    state = anna.until(lambda state: state["goes_on"])
    assert state["message"] == "1 text needs somebody else, who is not here"
    anna.does("close", state)
    assert page.ends() is None
    assert given(store) == [("a", "anna", "positive"), ("b", "anna", "negative"), ("a", "ben", "negative")]
    assert not store.open_queries()


def test_one_person_leaves_and_comes_back_and_when_all_have_left_it_ends(
    store: Store, team_on_page: TeamOnPage
) -> None:
    add_query(store, TEXTS)
    page = team_on_page("anna", "ben")
    anna, ben = page.person("anna"), page.person("ben")
    anna.gets_a_text()
    his = ben.gets_a_text()
    status, hers = anna.post("leave")
    assert (status, hers["phase"], hers["then"]) == (200, "ended", "Load it again to come back.")
    assert anna.state()["phase"] == "ended"
    his = ben.answers(his, "positive")
    assert example_of(his) == "a"  # what she had
    anna.opens_the_page()
    hers = anna.gets_a_text()
    assert example_of(hers) == "c"
    anna.answers(hers, "positive")
    assert ben.post("leave")[0] == 200
    status, hers = anna.post("leave")
    assert (hers["phase"], hers["message"]) == ("ended", "You have left. All answers are saved.")
    assert hers["command"].startswith("hfal label")
    assert isinstance(page.ends(), AnswersPending)
    assert "2 of 4 texts are left" in str(page.ended)
    assert given(store) == [("b", "ben", "positive"), ("c", "anna", "positive")]


def test_who_gives_the_place_to_somebody_else_gives_back_the_text(store: Store, team_on_page: TeamOnPage) -> None:
    add_query(store, TEXTS)
    page = team_on_page("anna", "ben")
    anna, ben = page.person("anna"), page.person("ben")
    anna.gets_a_text()
    assert anna.post("away")[1]["phase"] == "ended"
    assert anna.state()["phase"] == "ended"  # the page asks once more before it begins anew
    assert example_of(ben.gets_a_text()) == "a"
    assert page.ended is None
    anna.opens_the_page()
    assert example_of(anna.gets_a_text()) == "b"
    assert Client(page.port).post("away")[0] == 403


def test_undo_goes_back_through_ones_own_answers(store: Store, team_on_page: TeamOnPage) -> None:
    add_query(store, TEXTS[:2], "holdout")
    add_query(store, TEXTS[2:])
    page = team_on_page("anna", "ben")
    anna, ben = page.person("anna"), page.person("ben")
    hers, his = anna.gets_a_text(), ben.gets_a_text()
    assert ben.does("undo", his)["notice"] == "There is nothing to undo."
    anna.answers(hers, "positive")
    ben.answers(his, "positive")  # with which the next query begins
    hers, his = anna.gets_a_text(), ben.gets_a_text()
    shared = {example_of(hers), example_of(his)}
    assert shared == {"c", "d"}
    hers = anna.does("undo", hers)
    assert (example_of(hers), hers["notice"], hers["progress"]["bought"]) == ("a", "Taken back: positive", 1)
    his = ben.answers(his, "negative")
    assert his["message"].startswith("Waiting for others: 1 text is with anna")
    hers = anna.answers(hers, "negative")
    hers = anna.answers(hers, "negative")
    assert page.ends() is None
    log = [(answer.example_id, answer.annotator, answer.action, answer.query) for answer in store.answers()]
    assert ("a", "anna", "undo", 1) in log
    assert log.count(("a", "anna", "label", 1)) == 2
    assert [store.opinions_left(query) for query in store.queries()] == [{}, {}]


def test_an_answer_that_was_taken_back_goes_to_others_when_its_person_is_away(
    store: Store, team_on_page: TeamOnPage
) -> None:
    add_query(store, TEXTS[:2])
    page = team_on_page("anna", "ben", lease_minutes=5)
    anna, ben = page.person("anna"), page.person("ben")
    hers, his = anna.gets_a_text(), ben.gets_a_text()
    hers = anna.answers(hers, "positive")
    assert hers["shown"] is None
    hers = anna.does("undo", hers)
    assert example_of(hers) == "a"
    page.seconds_ahead += 200
    his = ben.answers(his, "positive")
    assert his["message"] == "Waiting for others: 1 text is with anna"
    page.seconds_ahead += 200
    his = ben.gets_a_text()
    assert example_of(his) == "a"
    ben.answers(his, "negative")
    assert page.ends() is None


def test_a_request_without_a_name_is_sent_to_the_door(store: Store, team_on_page: TeamOnPage) -> None:
    add_query(store, TEXTS)
    page = team_on_page("anna", "ben")
    page.person("anna").gets_a_text()
    body = {"turn": 0, "example": "a", "action": "label", "label": "positive"}
    nobody = Client(page.port)
    door = {"run": "my run", "names": ["anna", "ben"], "longest": 60}
    status, _, found = nobody.request("GET", "/api/state")
    assert (status, json.loads(found)["door"]) == (403, door)
    assert nobody.post("answer", body)[0] == 403
    for name in ("carl", "Anna", "anna ", "", "simulated", "<script>alert(1)</script>", "x" * 5000, "\u202eanna"):
        for status, found in (TeamClient(page.port, name).post(action, body) for action in ("answer", "leave")):
            assert (status, found["door"]) == (403, door)
            assert "state" not in found
    assert given(store) == []
    assert page.person("anna").post("nothing", body)[0] == 404


def test_hostile_names_are_data(store: Store, team_on_page: TeamOnPage) -> None:
    add_query(store, TEXTS[:1], opinions=2)
    page = team_on_page("anybody")
    names = ["<img src=x onerror=alert(1)>", "'; DROP TABLE answers; --"]
    people = [page.person(name) for name in names]
    for person, name in zip(people, names, strict=True):
        state = person.gets_a_text()
        assert state["annotator"] == name
        last = person.answers(state, "positive")
    assert last["phase"] in ("waiting", "ended")
    assert page.ends() is None
    assert [name for _, name, _ in given(store)] == names


def test_a_training_beside_the_asking_is_told_to_everybody(store: Store, team_on_page: TeamOnPage) -> None:
    add_query(store, TEXTS)
    page = team_on_page("anna", "ben")
    anna, ben = page.person("anna"), page.person("ben")
    hers = anna.gets_a_text()
    ben.gets_a_text()
    page.annotator.note("Round 2 trains", Steps(3, 12, 4.5))
    for person in (anna, ben):
        state = person.until(lambda state: state["noted"] == "Round 2 trains")
        assert (state["phase"], state["steps"]["done"]) == ("asking", 3)
    page.annotator.note("Round 2 is trained")
    assert anna.state()["shown"] == hers["shown"]
    page.annotator.release()
    assert anna.until(lambda state: state["phase"] != "asking")["phase"] in ("waiting", "ended")
    assert page.ends() is None
    assert not store.open_queries()


def test_it_ends_when_nobody_has_done_anything_for_long(store: Store, team_on_page: TeamOnPage) -> None:
    add_query(store, TEXTS)
    page = team_on_page("anna", "ben", idle_minutes=1 / 60)
    anna = page.person("anna")
    anna.gets_a_text()
    state = anna.until(lambda state: state["phase"] == "ended")
    assert "Nobody has labeled for 0.0166667 minutes" in state["message"]
    assert isinstance(page.ends(), AnswersPending)


def test_who_leaves_while_nothing_is_asked_is_waited_for_no_more(store: Store) -> None:
    query = add_query(store, TEXTS[:2])
    annotator = WebAnnotator(annotators=["anna", "ben"], open_browser=False)
    with annotator.serve(store):
        port = int(str(annotator.address).rpartition(":")[2].strip("/"))
        anna, ben = TeamClient(port, "anna"), TeamClient(port, "ben")
        assert anna.state()["phase"] == ben.state()["phase"] == "waiting"
        assert anna.post("leave")[1]["phase"] == "ended"
        left = ben.post("leave")[1]
        assert left["phase"] == "waiting"
        assert "You leave when that has ended" in left["message"]
        assert anna.opens_the_page()["phase"] == "waiting"  # she is back
        assert not annotator._exchange.is_left
    assert query.number == 1


def test_arguments_are_checked() -> None:
    for minutes in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ArgumentError, match=f"lease_minutes={minutes}, expected a number above 0"):
            WebAnnotator(lease_minutes=minutes)
    with pytest.raises(ArgumentError, match="annotators has 'anna' twice"):
        WebAnnotator(annotators=["anna", "Anna"])
    assert WebAnnotator().annotators == []
    assert WebAnnotator(annotators=("anybody",)).annotators == ["anybody"]
    assert time.monotonic() - WebAnnotator()._clock() < 1
