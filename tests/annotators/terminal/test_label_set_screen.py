"""Sets of labels in the terminal annotator: keys choose them, Enter saves, in a real pseudo-terminal."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from hfal.store.records import Queried, Query
from hfal.store.store import Store
from support.person import ENTER, ESC, LEFT, RIGHT, Person, assert_harmless


TYPES = ["LOC", "MISC", "ORG", "PER"]
TEXTS = ["EU rejects German call", "Peter Blackburn", "It rains .", "BRUSSELS 1996-08-22"]


def add_query(store: Store, texts: Sequence[str], suggestions: Sequence[Any] = (), purpose: str = "round") -> Query:
    """Record a query; ids are a, b, c, … in all queries."""
    taken = sum(len(query.examples) for query in store.queries())
    examples = []
    for position, text in enumerate(texts):
        suggestion = suggestions[position] if position < len(suggestions) else None
        example_id = chr(ord("a") + taken + position)
        confidence = None if suggestion is None else 0.8731
        examples.append(Queried(example_id, f"content of {example_id}", {"text": text}, None, suggestion, confidence))
    return store.add_query(Query(2, purpose, "random", 0, tuple(examples)))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "my run")
    store.set_meta("task", "multi_label_classification")
    store.set_meta("label_names", TYPES)
    store.set_meta("plan", {"budget": 500, "rounds": 10})
    return store


def said(store: Store) -> dict[str, Any]:
    return {
        i: answer.action if answer.label is None else answer.label for i, answer in store.current_answers().items()
    }


def enter(person: Person) -> None:
    """Press Enter as a person does who has not just pressed it: held down, it would count once."""
    person.look(0.15)
    person.press(ENTER)


def test_keys_choose_labels_and_enter_saves_them(store, sit_down):
    add_query(store, TEXTS[:3])
    person = sit_down()
    person.sees(
        "0/3 answered | 0 of 500 labels bought",
        "[1] ( ) LOC  [2] ( ) MISC  [3] ( ) ORG  [4] ( ) PER",
        "[Enter] saves none of them",
    )
    person.press("3", "2")
    person.sees("[2] (x) MISC  [3] (x) ORG", "[Enter] saves MISC, ORG", "Chosen: MISC")
    person.press("4")
    person.sees("saves MISC, ORG, PER")
    person.press("3")
    person.sees("[3] ( ) ORG  [4] (x) PER", "saves MISC, PER", "No longer chosen: ORG")
    enter(person)
    person.sees("1/3 answered | 1 of 500 labels bought", "Saved: MISC, PER", "Peter Blackburn", "saves none of them")
    enter(person)  # which is an answer
    person.sees("2/3 answered | 2 of 500 labels bought", "Saved: none of them")
    person.press("s")
    person.sees("closes the query")
    enter(person)
    assert person.leaves() == 0
    assert said(store) == {"a": ["MISC", "PER"], "b": [], "c": "skip"}
    assert store.queries()[0].closed


def test_a_key_held_down_counts_once(store, sit_down):
    add_query(store, TEXTS[:1])
    person = sit_down()
    person.sees("0/1 answered")
    person.process.send("1111111111")
    person.sees("Held down, [1] counts once.", "[1] (x) LOC")
    person.press("q")
    assert person.leaves() == 75
    assert said(store) == {}


def test_the_suggestion_is_chosen_from_the_start_and_can_be_put_back(store, sit_down):
    add_query(store, TEXTS, [["LOC", "ORG"], [], ["PER"], ["CITY"]])
    person = sit_down()
    person.sees("[1] (x) LOC", "[3] (x) ORG", "[Enter] saves LOC, ORG  as the model suggests (87%)")
    person.press("1")
    person.sees("saves ORG  [r] chooses what the model suggests (87%)")
    person.press("r")
    person.sees("saves LOC, ORG  as the model suggests", "Chosen as the model suggests.")
    enter(person)
    person.sees("1/4 answered", "saves none of them  as the model suggests")
    enter(person)
    person.sees("2/4 answered", "saves PER  as the model suggests")
    person.press("h")
    person.sees("saves none of them  [h] shows what the model suggests", "[4] ( ) PER")
    person.press("2")
    person.sees("saves MISC")
    enter(person)
    person.sees("3/4 answered", "saves none of them", without="shows what")  # CITY is of another run
    person.press("q")
    assert person.leaves() == 75
    assert said(store) == {"a": ["LOC", "ORG"], "b": [], "c": ["MISC"]}


def test_hidden_suggestions_choose_nothing(store, sit_down):
    add_query(store, TEXTS[:1], [["LOC"]])
    person = sit_down("hidden")
    person.sees("saves none of them  [h] shows what the model suggests")
    person.press("h")
    person.sees("[1] (x) LOC", "saves LOC  as the model suggests")
    person.press("q")
    person.leaves()


def test_undo_and_corrections(store, sit_down):
    add_query(store, TEXTS[:3])
    person = sit_down()
    person.sees("0/3 answered")
    person.press("1")
    enter(person)
    person.sees("1/3 answered", "Saved: LOC")
    person.press("2", "4")
    enter(person)
    person.sees("2/3 answered", "Saved: MISC, PER")
    person.press("u")
    person.sees(
        "Taken back: MISC, PER", "[2] (x) MISC", "[4] (x) PER", "1/3 answered"
    )  # to be changed and saved again
    person.press("2")
    enter(person)
    person.sees("Saved: PER", "It rains")
    person.press("3")  # which waits while one looks back
    person.press(LEFT, LEFT)
    person.sees("Your answer 1/2: LOC", "EU rejects", without="[Enter] ")
    enter(person)
    person.sees("That is the answer already: LOC")
    person.press("1")
    person.sees("[Enter] changes it to none of them")
    enter(person)
    person.sees("Saved: none of them", "Your answer 1/2: none of them")
    person.press("c", "odd", ENTER)
    person.sees("Comment: odd", "The comment is saved.")
    person.press(RIGHT, "n")
    person.sees("Your answer 2/2: unsure")
    enter(person)
    person.sees("That is the answer already: unsure; choose labels to change it")
    person.press(ESC)
    person.sees("It rains", "saves ORG")
    person.press("q")
    assert person.leaves() == 75
    assert said(store) == {"a": [], "b": "unsure"}
    log = [(answer.example_id, answer.action, answer.label) for answer in store.answers()]
    assert log == [
        ("a", "label", ["LOC"]),
        ("b", "label", ["MISC", "PER"]),
        ("b", "undo", None),
        ("b", "label", ["PER"]),
        ("a", "correct", []),
        ("a", "correct", []),  # with a comment
        ("b", "unsure", None),
    ]


def test_labels_without_a_key_are_chosen_by_name_and_seen(store, sit_down):
    names = [f"label {i}" for i in range(40)]
    store.set_meta("label_names", names)
    add_query(store, TEXTS[:1])
    person = sit_down()
    person.sees("0/1 answered", "more, by name")
    person.press("/")
    person.sees("Label:")
    person.press("bel 39" + ENTER)
    person.sees("Chosen: label 39", "[Enter] saves label 39", without="Label:")
    person.look(0.15)
    person.press("/")
    person.sees("Label:")
    person.press("nothing" + ENTER)
    person.sees("No labels are called that: nothing")
    person.press(ESC)
    person.sees(without="Label:")
    person.press("1")
    person.sees("[1] (x) label 0", "[Enter] saves label 0, label 39")
    enter(person)
    person.sees("closes the query")
    enter(person)
    assert person.leaves() == 0
    assert said(store) == {"a": ["label 0", "label 39"]}


def test_hostile_names_are_seen_and_not_obeyed(store, sit_down):
    names = ["\x1b[31mred", "\u202egnorw", "two\nlines", "plain"]
    store.set_meta("label_names", names)
    add_query(store, TEXTS[:1], [[names[0], names[1]]])
    person = sit_down()
    person.sees("[1] (x) <U+001B>[31mred", "(x) <U+202E>gnorw", "saves <U+001B>[31mred, <U+202E>gnorw")
    person.press("3")
    person.sees("Chosen: two")
    enter(person)
    person.sees("closes the query")
    enter(person)
    assert person.leaves() == 0
    assert_harmless(person.raw)
    assert said(store) == {"a": names[:3]}


def test_the_help_page_and_a_small_terminal(store, sit_down):
    add_query(store, TEXTS[:1], [["LOC"]])
    person = sit_down(rows=10, columns=40)
    person.sees("(x) LOC", "saves LOC", "EU rejects German call")
    person.press("?")
    person.sees("Choose the labels of the text")
    person.press("?")
    person.sees("EU rejects German call")
    person.press("q")
    assert person.leaves() == 75
