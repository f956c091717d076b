"""The store: what is acknowledged is on the disk, the answers are a log, and foreign files are refused."""

import sqlite3

import pytest

from hfal.errors import AnnotationError
from hfal.store.records import Answer, Queried, Query
from hfal.store.run_info import RunInfo
from hfal.store.store import Store
from support.stores import say


def a_query(*ids: str, round_number: int = 1) -> Query:
    examples = tuple(Queried(i, f"content of {i}", {"text": f"text of {i}"}, 0.5, "positive", 0.75) for i in ids)
    return Query(
        round_number,
        "round",
        "margin+kmeans",
        42,
        examples,
        "BertForSequenceClassification",
        {"candidate_factor": 10},
        {"hfal": "0.1.0"},
    )


def test_a_query_comes_back_as_it_was_recorded(tmp_path):
    recorded = Store(tmp_path).add_query(a_query("a", "b"))
    (again,) = Store(tmp_path).queries()
    assert again == recorded
    assert again.number == 1
    assert [e.example_id for e in again.examples] == ["a", "b"]
    assert again.examples[0].score == 0.5
    assert again.versions == {"hfal": "0.1.0"}
    assert again.settings == {"candidate_factor": 10}
    assert not again.closed
    assert Store(tmp_path).open_queries() == [again]
    Store(tmp_path).close_query(1)
    assert Store(tmp_path).open_queries() == []
    assert Store(tmp_path).queries()[0].closed


def test_a_query_with_a_repeated_example_is_recorded_not_even_in_part(tmp_path):
    store = Store(tmp_path)
    with pytest.raises(sqlite3.IntegrityError):
        store.add_query(a_query("a", "b", "a"))
    assert store.queries() == []


def test_answers_survive_without_closing(tmp_path):
    writer = Store(tmp_path)  # stays open
    say(writer, "a", "positive")
    (answer,) = Store(tmp_path).answers()
    assert (answer.example_id, answer.label, answer.action, answer.annotator, answer.number) == (
        "a",
        "positive",
        "label",
        "ann",
        1,
    )
    assert answer.time.endswith("+00:00")


def test_current_answers_follow_corrections_skips_and_undos(tmp_path):
    store = Store(tmp_path)
    say(store, "a", "positive")
    say(store, "b", "positive")
    say(store, "c", None, "skip")
    say(store, "a", "negative", "correct")
    assert {i: (a.action, a.label) for i, a in store.current_answers().items()} == {
        "a": ("correct", "negative"),
        "b": ("label", "positive"),
        "c": ("skip", None),
    }
    say(store, "a", None, "undo")
    assert store.current_answers()["a"].label == "positive"
    say(store, "a", None, "undo")
    assert "a" not in store.current_answers()
    with pytest.raises(AnnotationError, match="no answer of 'ann' to 'a' to undo"):
        say(store, "a", None, "undo")
    assert len(store.answers()) == 6


def test_a_comment_and_unsure_are_kept_and_nothing_is_recorded_twice(tmp_path):
    store = Store(tmp_path)
    say(store, "a", "positive")
    store.record(Answer("a", "positive", annotator="ann", comment="irony?"))
    assert store.record(Answer("a", "positive", annotator="ann", comment="irony?")) is None
    store.record(Answer("a", action="unsure", annotator="ann"))
    assert [(a.action, a.label, a.comment) for a in store.answers()] == [
        ("label", "positive", None),
        ("correct", "positive", "irony?"),
        ("unsure", None, None),
    ]
    assert store.labels_bought() == 0
    assert store.texts("a") == {"text": "text of a"}
    with pytest.raises(AnnotationError, match="nobody was asked about an example with the id 'b'"):
        store.record(Answer("b", "positive", annotator="ann"))


def test_a_query_whose_answer_is_taken_back_is_open_again(tmp_path):
    store = Store(tmp_path)
    store.set_meta("label_names", ["negative", "positive"])
    query = store.add_query(a_query("a", "b"))
    for example_id in ("a", "b"):
        store.record(Answer(example_id, "positive", annotator="ann", query=query.number))
    store.close_query(query.number)
    store.record(Answer("b", action="undo", annotator="ann", query=query.number))
    assert [q.number for q in store.open_queries()] == [query.number]


def test_what_no_utf8_can_hold_in_a_comment_costs_no_answer(tmp_path):
    store = Store(tmp_path)
    say(store, "a", "positive")
    store.record(Answer("a", "negative", annotator="ann", comment="caf\udce9"))
    assert [(a.label, a.comment) for a in store.answers()] == [("positive", None), ("negative", "caf?")]


def test_labels_with_blanks_around_them_can_be_given(tmp_path):
    store = Store(tmp_path)
    store.set_meta("label_names", [" bad", "good"])
    for label in (" bad", " good "):
        store.record(Answer("a", label, annotator="ann"), "content", {"text": "a"})
    assert [answer.label for answer in store.answers()] == [" bad", "good"]


def test_answers_of_several_annotators_are_kept_apart_and_the_latest_holds(tmp_path):
    store = Store(tmp_path)
    say(store, "a", "positive", annotator="ann")
    say(store, "a", "negative", annotator="bob")
    assert store.current_answers()["a"].label == "negative"
    say(store, "a", None, "undo", annotator="bob")
    assert store.current_answers()["a"].label == "positive"
    assert store.current_answers(until=2)["a"].label == "negative"


def test_the_past_can_be_asked_for(tmp_path):
    store = Store(tmp_path)
    for label in ("positive", "negative"):
        say(store, "a", label)
    assert store.current_answers(until=1)["a"].label == "positive"
    assert store.current_answers(until=0) == {}


@pytest.mark.parametrize(("action", "label"), [("label", None), ("label", "neutral"), ("delete", "positive")])
def test_senseless_answers_are_refused(tmp_path, action, label):
    with pytest.raises(AnnotationError, match=r"None is no label|'neutral' is no label|'delete' is no action"):
        say(Store(tmp_path), "a", label, action)
    assert Store(tmp_path).answers() == []


def test_a_round_that_had_begun_stays_as_it_was(tmp_path):
    store = Store(tmp_path)
    say(store, "a", "positive")
    store.start_round(1, seed=43)
    say(store, "b", "positive")
    again = Store(tmp_path).start_round(1, seed=99)
    assert (again.seed, again.answers_seen, again.labels) == (43, 1, 1)
    store.finish_round(1, {"eval_accuracy": 0.5})
    assert Store(tmp_path).round(1).metrics == {"eval_accuracy": 0.5}
    assert Store(tmp_path).round(1).trained is None
    store.finish_training(1)
    assert Store(tmp_path).round(1).trained is not None


def test_what_was_said_of_the_stop_set_goes_with_the_training_and_with_the_stop_set(tmp_path):
    store = Store(tmp_path)
    assert store.stop_set() == []
    store.set_stop_set(["b", "a"], seed=7)
    assert store.stop_set() == ["b", "a"]
    for number in (1, 2):
        store.start_round(number, seed=43)
        store.record_stability(number, {"uncertainty": 0.5}, b"said")
    store.forget_training(2)
    assert [r.stability for r in store.rounds()] == [{"uncertainty": 0.5}, None]
    assert (store.predictions(1), store.predictions(2)) == (b"said", None)
    store.set_stop_set(["c"], seed=7)
    assert store.predictions(1) is None  # it was said of others
    assert store.round(1).stability == {"uncertainty": 0.5}
    copy = Store(tmp_path / "copy")
    copy.restore(RunInfo(), [], store.rounds(), [])
    assert copy.rounds() == store.rounds()
