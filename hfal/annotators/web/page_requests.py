"""Carry out a request of the page on a session: check it, and find the answer that is to be recorded."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hfal.annotators.session.session import Session
from hfal.annotators.web.page_state import from_page
from hfal.errors import ArgumentError
from hfal.store.answer_log import NONSENSE
from hfal.store.records import Answer
from hfal.utils.spelling import shown


ACTIONS = ("answer", "comment", "undo", "show", "close", "leave")
"""What the page may ask for by POST."""


class StaleRequestError(Exception):
    """A request about another text than the one that is shown, or another turn: nothing is recorded."""


def carry_out(session: Session, action: str, body: Mapping[str, Any], turn: int) -> Answer | None:
    """Carry out a request for an answer, a comment, an undo or another text.

    Args:
        session: What is asked.
        action: One of `ACTIONS`.
        body: The JSON object of the request.
        turn: The turn that it has to name.

    Returns:
        The answer to record, if there is any; `session.saved` is to be told when it is.

    Raises:
        StaleRequestError: It is about another turn or text.
        ArgumentError: A field has a value that it cannot have.
    """
    if action == "show":
        _show(session, body)
        return None
    if _field(body, "turn", int) != turn:
        raise StaleRequestError(f"turn is {body['turn']}, but it is {turn} now")
    if action == "undo":
        return session.undo()
    if action == "close":
        if session.shown is not None or session.open:
            raise StaleRequestError("texts of this query have no answer yet")
        return None
    if _field(body, "example", str) != session.shown:
        raise StaleRequestError(f"another text than {shown(body['example'])} is shown")
    comment = body.get("comment")
    if comment is not None and not isinstance(comment, str):
        raise ArgumentError("comment is no text")
    if action == "comment":
        return session.set_comment(comment or "")
    return _answer(session, body, comment)


def _answer(session: Session, body: Mapping[str, Any], comment: str | None) -> Answer | None:
    said = _field(body, "action", str)
    instead = ("skip", "unsure", *[NONSENSE] * session.is_synthesized)
    if said in instead:
        if body.get("label") is not None:
            raise ArgumentError(f"action is {said!r}, which has no label: leave one of the two out")
        label = None
    elif said == "label":
        label = from_page(session, str(session.shown), body.get("label"))
    else:
        expected = f"{', '.join(['label', *instead[:-1]])} or {instead[-1]}"
        raise ArgumentError(f"action is {shown(said)}, expected {expected}")
    changed = None if comment is None else session.set_comment(comment)  # kept by the session where it is no answer
    answer = session.say(said, label)
    if answer is None or changed is None:
        return answer or changed
    return replace(answer, comment=changed.comment)


def _show(session: Session, body: Mapping[str, Any]) -> None:
    if body.get("open") is True:
        session.return_to_open()
    elif type(body.get("step")) is int and body["step"] in (-1, 1):
        session.walk(body["step"])
    else:
        raise ArgumentError('expected {"step": -1}, {"step": 1} or {"open": true}')


def _field(body: Mapping[str, Any], name: str, kind: type) -> Any:
    value = body.get(name)
    if type(value) is not kind:
        raise ArgumentError(f"{name} is {'missing' if value is None else shown(value)}, expected {_NAMES[kind]}")
    return value


_NAMES = {int: "a whole number", str: "a text"}
