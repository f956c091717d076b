"""Queries for entities at the terminal, what was answered, and how somebody marks words."""

from collections.abc import Sequence
from typing import Any

from hfal.store.records import Queried, Query
from hfal.store.store import Store
from hfal.tasks.tags import entities
from support.person import ENTER, Person


TYPES = ["PER", "ORG", "LOC", "MISC"]
EU = ["EU", "rejects", "German", "call", "to", "boycott", "British", "lamb", "."]
PETER = ["Peter", "Blackburn", "of", "Reuters"]
RAIN = ["It", "rains", "."]


def add_query(
    store: Store,
    sentences: Sequence[str | list[str]],
    suggestions: Sequence[list[str] | None] = (),
    purpose: str = "round",
) -> Query:
    """Record a query; ids are a, b, c, … in all queries."""
    taken = sum(len(query.examples) for query in store.queries())
    examples = []
    for position, sentence in enumerate(sentences):
        suggestion = suggestions[position] if position < len(suggestions) else None
        example_id = chr(ord("a") + taken + position)
        confidence = None if suggestion is None else 0.8731
        content = f"content of {example_id}"
        examples.append(Queried(example_id, content, {"tokens": sentence}, None, suggestion, confidence))
    return store.add_query(Query(2, purpose, "random", 0, tuple(examples)))


def said(store: Store) -> dict[str, Any]:
    """What holds: the entities of each sentence, or what was done instead."""
    return {
        example_id: answer.action if answer.label is None else [tuple(entity) for entity in entities(answer.label)]
        for example_id, answer in store.current_answers().items()
    }


def mark(person: Person, key: str, words: str) -> None:
    """Mark words as a careful person does, who looks before they type."""
    person.press(key)
    person.sees("words:")
    person.press(words + ENTER)
    person.sees(without="words:")
    person.look(0.15)  # Enter, held down, would not count
