"""Make the session of a query, for a person whose name is known or guessed."""

import getpass

from hfal.annotators.base import OpenQuery
from hfal.annotators.session.entity_session import EntitySession
from hfal.annotators.session.label_set_session import LabelSetSession
from hfal.annotators.session.session import LabelSession, Session
from hfal.errors import AnnotationError, ArgumentError
from hfal.store.annotator_names import check_person_name
from hfal.tasks.tags import OUTSIDE
from hfal.utils.spelling import joined_names


_SESSIONS: dict[str, type[Session]] = {
    "label": LabelSession,
    "label_set": LabelSetSession,
    "entities": EntitySession,
}
"""The session of each kind of answers, by `hfal.tasks.kinds.Kind.screen`."""


def make_session(query: OpenQuery, name: str, suggestions_shown: bool) -> Session:
    """Return a session in which one person answers a query.

    Args:
        query: The query, with at least one question.
        name: Who answers.
        suggestions_shown: Whether what the model suggests is shown at first.
    """
    return _SESSIONS[str(query.kind.screen)](query, name, suggestions_shown)


def check_screen(query: OpenQuery, where: str) -> None:
    """Check that the answers to a query can be given by keys and marks.

    Args:
        query: The query.
        where: What the person sits at: `"in the terminal"`.

    Raises:
        AnnotationError: There is no screen for such answers, or the tags mark no entities.
    """
    screen = query.kind.screen
    if screen is None:
        raise AnnotationError(
            f"{query.kind.answers} cannot be given {where}: take the file annotator (`--annotator "
            f'{query.kind.formats[0]}`; in code FileAnnotator("{query.kind.formats[0]}"))'
        )
    if screen == "entities" and OUTSIDE not in query.label_names:
        names = joined_names(query.label_names[:8]) + ", ..." * (len(query.label_names) > 8)
        raise AnnotationError(
            f"the tags ({names}) have no {OUTSIDE!r} for words outside of entities, so that every word needs one, and "
            f"{where} only entities can be marked: take the file annotator (`--annotator jsonl`; in code "
            'FileAnnotator("jsonl"))'
        )


def login_name(otherwise: str) -> str:
    """Return the login name; another one where there is none, or no person may have it."""
    try:
        return check_person_name(getpass.getuser())
    except (OSError, KeyError, ImportError, ArgumentError):  # a user id without a name, as in containers
        return otherwise
