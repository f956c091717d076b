"""Queries for labels at the terminal, and what was answered."""

from collections.abc import Container, Sequence

from hfal.store.records import SYNTHESIS, Queried, Query
from hfal.store.store import Store


LABELS = ["negative", "positive"]


def add_query(
    store: Store,
    texts: Sequence[str | dict[str, str]],
    purpose: str = "round",
    suggestion: str | None = None,
    opinions: int | dict[str, int] = 1,
    made_up: Container[str] = (),
) -> Query:
    """Record a query as a round's model, or nobody, would have made it; ids are a, b, c, … in all queries.

    So many people are to label each text, or each of some texts by id; some are made up by a program.
    """
    taken = sum(len(query.examples) for query in store.queries())
    examples = []
    for position, text in enumerate(texts, start=taken):
        example_id = chr(ord("a") + position) if position < 26 else f"z{position}"
        columns = {"text": text} if isinstance(text, str) else text
        confidence = None if suggestion is None else 0.8731
        origin = SYNTHESIS if example_id in made_up else None
        examples.append(Queried(example_id, f"content of {example_id}", columns, None, suggestion, confidence, origin))
    settings = {} if opinions == 1 else {"opinions": opinions}
    number = 2 if purpose == "round" else 0
    return store.add_query(Query(number, purpose, "random", 0, tuple(examples), settings=settings))


def log(store: Store) -> list[tuple[str, str, str | None]]:
    return [(answer.example_id, answer.action, answer.label) for answer in store.answers()]


def labels(store: Store) -> dict[str, str | None]:
    return {example_id: answer.label for example_id, answer in store.current_answers().items()}


def first_words(text: str) -> str:
    return " ".join(text.split()[:5])
