"""What a log of answers says."""

from hfal.store.answer_log import by_annotator, entry_for, latest
from hfal.store.records import Answer


def test_what_was_undone_is_not_said_and_the_answer_before_it_is():
    log = [
        Answer("a", "yes", "label", "ann", number=1),
        Answer("a", "no", "correct", "ann", number=2),
        Answer("a", None, "undo", "ann", number=3),
        Answer("b", "no", "label", "ann", number=4),
        Answer("b", None, "undo", "ann", number=5),
    ]
    assert by_annotator(log) == {("a", "ann"): log[0]}


def test_the_latest_of_several_annotators_holds_in_the_order_of_the_first_answers():
    said = {
        ("a", "ann"): Answer("a", "yes", annotator="ann", number=1),
        ("b", "bob"): Answer("b", "yes", annotator="bob", number=2),
        ("a", "bob"): Answer("a", "no", annotator="bob", number=3),
    }
    assert latest(said) == {"a": said["a", "bob"], "b": said["b", "bob"]}
    assert list(latest(said)) == ["a", "b"]


def test_another_label_is_a_correction_and_the_same_one_is_no_entry():
    said = Answer("a", "yes", "label", "ann")
    assert entry_for(Answer("a", "yes", "label", "ann"), said) is None
    assert entry_for(Answer("a", "yes", "correct", "ann"), said) is None
    assert entry_for(Answer("a", "no", "label", "ann"), said).action == "correct"
    assert entry_for(Answer("a", None, "skip", "ann"), said).action == "skip"
    assert entry_for(Answer("a", "yes", "label", "ann", comment="why"), said).action == "correct"
