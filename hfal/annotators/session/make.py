"""What the terminal and the page share around a session: making it, who answers, and what is left in the end."""

import getpass
import shlex

from hfal.annotators.base import OpenQuery
from hfal.annotators.session.entity_session import EntitySession
from hfal.annotators.session.label_set_session import LabelSetSession
from hfal.annotators.session.session import LabelSession, Session
from hfal.errors import AnnotationError, ArgumentError
from hfal.store.annotator_names import check_person_name
from hfal.tasks.tags import OUTSIDE
from hfal.utils.spelling import counted, joined_names
from hfal.utils.visible_text import one_line


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


def what_is_left(query: OpenQuery, has_left: bool, options: str = "", where: str = "") -> str | None:
    """Return how many texts of a query are left, and how to go on; `None` if there are none.

    Args:
        query: The query, with the questions that are still open.
        has_left: Whether the person wanted to leave, and was not only out of reach.
        options: What follows `hfal label RUN_DIR`: `" --web"`.
        where: Where that command is to be given: `" in a terminal"`.
    """
    if not query.questions:
        return None
    left, command = len(query.questions), f"`hfal label {one_line(shlex.quote(str(query.run_dir)))}{options}`"
    if has_left:
        return (
            f"{left} of {counted(query.size, 'text is', 'texts are')} left; all answers are saved.\n"
            f"    Go on with {command}, or start the run again."
        )
    waiting = counted(left, "text waits", "texts wait")
    return f"{waiting} to be labeled: {command}{where}, then start the run again."


def login_name(otherwise: str) -> str:
    """Return the login name; another one where there is none, or no person may have it."""
    try:
        return check_person_name(getpass.getuser())
    except (OSError, KeyError, ImportError, ArgumentError):  # a user id without a name, as in containers
        return otherwise
