"""The state of the page as JSON, and labels as the page has them.

On the page an entity is `{"first": 0, "last": 1, "label": "PER"}`, by the numbers of its words, and words are
offsets into the text, in UTF-16 units as JavaScript counts them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from hfal.annotators.session.session import Session
from hfal.errors import ArgumentError
from hfal.store.answer_log import NONSENSE, SETTLE, makes_no_sense
from hfal.store.learning_curve import bought, metric_names
from hfal.store.records import SYNTHESIS
from hfal.store.run_info import RunPlan
from hfal.store.store import Store
from hfal.tasks.kinds import Kind
from hfal.tasks.tags import Entity, entities, write_tags
from hfal.tasks.words import Texts, plain_text, word_offsets, words_of


_ABOUT = {
    "holdout": "Held out: to measure the model, not to train.",
    "seed": "Seed set: the model trains on these first.",
    SETTLE: "People have labeled these texts differently. What you answer holds.",
    SYNTHESIS: "A program made these texts up of labeled ones, where the model is unsure. Some may make no sense.",
}
"""What queries are for, by their purpose, where their title does not tell."""


def waiting_state(store: Store, annotator: str, message: str) -> dict[str, Any]:
    """Return the state while nothing is asked.

    Args:
        store: The run's store.
        annotator: Who labels.
        message: What happens meanwhile.
    """
    kind, info, plan = store.kind, store.info, store.plan or RunPlan()
    of_words = plan.unit == "words"
    return {
        "phase": "waiting",
        "message": message,
        "run": store.run_dir.name,
        "annotator": annotator,
        "screen": kind.screen,
        "labels": kind.choices(info.label_names),
        "progress": {
            "title": "",
            "answered": 0,
            "size": 0,
            "bought": store.words_bought() if of_words else store.labels_bought(),
            "budget": plan.budget,
            "unit": "words" if of_words else "labels",
        },
        "about": "",
        "settles": False,
        "curve": _curve(store),
        "turn": store.entries_of(annotator),
        "notice": "",
        "shown": None,
        "then": "",
        "command": "",
    }


def asking_state(waiting: Mapping[str, Any], session: Session, turn: int) -> dict[str, Any]:
    """Return the state while a query is asked.

    Args:
        waiting: The state before it was asked.
        session: What is asked, and what was said.
        turn: How many entries of the log are of this annotator.
    """
    progress = {"title": session.title, "answered": session.answered, "size": session.query.size}
    return {
        **waiting,
        "phase": "asking",
        "message": "",
        "progress": {**waiting["progress"], **progress, "bought": session.bought},
        "about": _ABOUT.get(session.query.purpose, ""),
        "settles": session.query.settles,
        "turn": turn,
        "notice": session.notice,
        "shown": None if session.shown is None else _shown(session, session.shown),
    }


def to_page(kind: Kind, label: Any) -> Any:
    """Return a label as the page has it."""
    if label is None or kind.screen != "entities":
        return label
    return [{"first": one.start, "last": one.end - 1, "label": one.type} for one in entities(label)]


def from_page(session: Session, example_id: str, posted: Any) -> str | list[str]:
    """Return the label that the page has posted.

    Args:
        session: What is asked.
        example_id: The example.
        posted: The label as JSON.

    Raises:
        ArgumentError: It is none of this run.
    """
    query = session.query
    texts = query.texts_of(example_id)
    if query.kind.screen == "entities":
        (text,) = texts.values()
        posted = write_tags(_entities(posted), len(words_of(text)), query.scheme)
    return query.kind.check(posted, texts, query.label_names)


def _entities(posted: Any) -> list[Entity]:
    if not isinstance(posted, list):
        raise ArgumentError("label is no list: expected one of entities")
    return [_entity(one) for one in posted]


def _entity(posted: Any) -> Entity:
    if isinstance(posted, dict):
        first, last, kind = posted.get("first"), posted.get("last"), posted.get("label")
        if type(first) is int and type(last) is int and isinstance(kind, str):
            return Entity(first, last + 1, kind)
    raise ArgumentError('label has something else than {"first": 0, "last": 1, "label": "PER"}')


def _shown(session: Session, example_id: str) -> dict[str, Any]:
    query, suggested, answer = session.query, session.suggested, session.answer
    said = None
    if answer is not None:
        action = NONSENSE if makes_no_sense(answer) else answer.action if answer.label is None else "label"
        said = {"action": action, "label": to_page(query.kind, answer.label)}
    suggestion = None
    if suggested is not None:
        label = to_page(query.kind, suggested.suggestion)
        suggestion = {"label": label, "confidence": suggested.confidence}
    back, forward = session.place
    return {
        "example": example_id,
        "texts": _texts(query.texts_of(example_id), query.kind.screen == "entities"),
        "beside": [{"name": name, "value": value} for name, value in session.beside.items()],
        "answer": said,
        "comment": session.comment,
        "suggestion": suggestion,
        "back": back,
        "forward": forward,
        **({"synthesized": True} if session.is_synthesized else {}),
    }


def _texts(texts: Texts, in_words: bool) -> list[dict[str, Any]]:
    if not in_words:
        return [{"name": name, "text": text} for name, text in texts.items()]
    ((name, text),) = texts.items()
    plain = plain_text(text)
    offsets = word_offsets(text) if isinstance(text, str) else _offsets_of_joined(text)
    return [{"name": name, "text": plain, "words": _in_utf_16(plain, offsets)}]


def _offsets_of_joined(words: Sequence[str]) -> list[tuple[int, int]]:
    """Return where words begin and end in what `plain_text` makes of them."""
    offsets, start = [], 0
    for word in words:
        offsets.append((start, start + len(word)))
        start += len(word) + 1
    return offsets


def _in_utf_16(text: str, offsets: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Return offsets into a text, which are in order, in units of UTF-16."""
    found, units, place = [], 0, 0
    for start, end in offsets:
        pair = []
        for offset in (start, end):
            units += offset - place + sum(char > "\uffff" for char in text[place:offset])
            place = offset
            pair.append(units)
        found.append(pair)
    return found


def _curve(store: Store) -> dict[str, Any] | None:
    """Return the points of the learning curve of the usual metric, or else of the first that is no loss."""
    records = [record for record in store.rounds() if record.finished is not None]
    usual, losses = f"eval_{store.kind.usual_metric}", {f"eval_{name}" for name in store.kind.losses}
    names = [name for name in metric_names(records) if name not in losses]
    if not names:
        return None
    metric = usual if usual in names else names[0]
    values = [(record, (record.metrics or {}).get(metric)) for record in records]
    points = [[bought(record), value] for record, value in values if value is not None]
    return {"metric": metric.removeprefix("eval_"), "points": points}
