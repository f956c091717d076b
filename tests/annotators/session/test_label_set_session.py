"""The labels of a text that may have several, as somebody picks them, without a screen."""

from pathlib import Path

import pytest

from hfal.annotators.base import OpenQuery, Question
from hfal.annotators.session.label_set_session import LabelSetSession
from hfal.store.records import Answer


@pytest.fixture
def session() -> LabelSetSession:
    questions = (Question("a", {"text": "one"}, ["LOC", "PER"], 0.8), Question("b", {"text": "two"}, ["CITY"], 0.8))
    query = OpenQuery(
        number=3,
        purpose="round",
        round=1,
        sequence=0,
        size=2,
        questions=questions,
        label_names=("LOC", "ORG", "PER"),
        run_dir=Path("run"),
        texts_of={question.example_id: question.texts for question in questions}.__getitem__,
        answers=list,
        labels_bought=7,
        task="multi_label_classification",
    )
    return LabelSetSession(query, "ann", suggestions_shown=True)


def test_what_the_model_suggests_is_chosen_until_it_is_changed(session):
    assert session.draft == ("LOC", "PER")
    session.toggle("ORG")
    assert (session.draft, session.notice) == (("LOC", "ORG", "PER"), "Chosen: ORG")  # as labels are numbered
    session.toggle("LOC")
    assert (session.draft, session.notice) == (("ORG", "PER"), "No longer chosen: LOC")
    session.restore()
    assert session.draft == ("LOC", "PER")
    session.suggestions_shown = False
    assert session.draft == ()
    assert session.named(session.draft) == "none of them"


def test_an_answer_is_what_is_chosen_and_no_label_is_one_too(session):
    answer = session.accept()
    assert (answer.example_id, answer.label, answer.action, answer.annotator) == ("a", ["LOC", "PER"], "label", "ann")
    session.saved(answer)
    assert (session.answered, session.bought, session.notice) == (1, 8, "Saved: LOC, PER")
    assert (session.shown, session.draft) == ("b", ())  # CITY is of another run
    none = session.accept()
    assert none.label == []
    session.saved(none)
    assert (session.answered, session.bought, session.shown) == (2, 9, None)


def test_an_answer_is_changed_only_by_another_set(session):
    session.saved(session.accept())
    session.walk(-1)
    assert session.accept() is None
    assert session.notice == "That is the answer already: LOC, PER"
    session.toggle("LOC")
    changed = session.accept()
    assert changed.label == ["PER"]
    session.saved(changed)
    assert (session.bought, session.spoken(session.answer)) == (8, "PER")


def test_what_is_taken_back_is_chosen_still(session):
    session.toggle("ORG")
    said = session.accept()
    session.saved(said)
    undo = session.undo()
    assert undo == Answer("a", action="undo", annotator="ann", query=said.query)
    session.saved(undo)
    assert (session.shown, session.draft, session.bought) == ("a", ("LOC", "ORG", "PER"), 7)
    assert session.undo() is None
