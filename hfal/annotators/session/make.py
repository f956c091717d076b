"""What the terminal and the page share around a session: making it, who answers, and what is left in the end."""

import getpass
import shlex
from collections import Counter
from collections.abc import Sequence

from hfal.annotators.base import OpenQuery
from hfal.annotators.session.entity_session import EntitySession
from hfal.annotators.session.label_set_session import LabelSetSession
from hfal.annotators.session.session import LabelSession, Session
from hfal.errors import AnnotationError, ArgumentError
from hfal.store.annotator_names import ANYBODY, check_is_of_team, check_person_name
from hfal.tasks.tags import OUTSIDE
from hfal.utils.spelling import counted, joined_names
from hfal.utils.visible_text import one_line


_MOST_GROUPS = 5  # of people for whom the same number of opinions is missing, that a message names

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


def what_is_left(
    query: OpenQuery, has_left: bool, asked: str, options: str = "", where: str = "", name: str | None = None
) -> str | None:
    """Return how many texts of a query are left, and how to go on; `None` if there are none.

    Where nobody who labels can answer what is left, as more people were to when it was asked, there are none either.

    Args:
        query: The query, with the questions that are still open.
        has_left: Whether the person wanted to leave, and was not only out of reach.
        asked: Who was asked.
        options: What follows `hfal label RUN_DIR`: `" --web"`.
        where: Where that command is to be given: `" in a terminal"`.
        name: The same, where each of several people gives that command in turn.
    """
    if query.annotators:
        return _left_to_people(query, has_left, options, where, name)
    said = {(answer.example_id, answer.annotator) for answer in query.answers()}
    left = sum((question.example_id, asked) not in said for question in query.questions)
    if not left:
        return None
    command = f"`{_label_command(query, options)}`"
    if has_left:
        return (
            f"{left} of {counted(query.size, 'text is', 'texts are')} left; all answers are saved.\n"
            f"    Go on with {command}, or start the run again."
        )
    waiting = counted(left, "text waits", "texts wait")
    return f"{waiting} to be labeled: {command}{where}, then start the run again."


def people_asked(query: OpenQuery) -> dict[str, int]:
    """Return the people who may still answer questions of a query, each with how many of them they have not answered.

    They are in the order of `OpenQuery.annotators`, those without any left out.
    """
    said = {(answer.example_id, answer.annotator) for answer in query.answers()}
    counts = {name: sum((one.example_id, name) not in said for one in query.questions) for name in query.annotators}
    return {name: count for name, count in counts.items() if count}


def _label_command(query: OpenQuery, options: str, name: str | None = None) -> str:
    who = "" if name is None else f" --annotator_name {'NAME' if name == ANYBODY else shlex.quote(name)}"
    return one_line(f"hfal label {shlex.quote(str(query.run_dir))}{who}{options}")


def _left_to_people(query: OpenQuery, has_left: bool, options: str, where: str, name: str | None) -> str | None:
    """Return for whom texts of a query wait, where several people label."""
    people = people_asked(query)
    if not people:
        return None
    next_one = name if has_left and name in people else next(iter(people))
    command = f"`{_label_command(query, options, None if name is None else next_one)}`"
    waiting = [
        f"{counted(len(query.questions), 'text waits', 'texts wait')} to be labeled: {_for_whom(query)}.",
        "All answers are saved." * has_left,
        f"Next: {command}{where}, and when all have labeled, start the run again.",
    ]
    return "\n    ".join(filter(None, waiting))


def _for_whom(query: OpenQuery) -> str:
    """Say how many texts wait for whom: `"3 for anna and ben, 2 for one of ben, carl"`."""
    said = {(answer.example_id, answer.annotator) for answer in query.answers()}
    counts: Counter[tuple[tuple[str, ...], int]] = Counter()
    for question in query.questions:
        people = tuple(name for name in query.annotators if (question.example_id, name) not in said)
        if people:
            counts[people, min(question.opinions, len(people))] += 1
    groups = [f"{number:,} for {_some_of(*group)}" for group, number in counts.most_common(_MOST_GROUPS)]
    rest = sum(counts.values()) - sum(number for _, number in counts.most_common(_MOST_GROUPS))
    return one_line(", ".join([*groups, *([f"{rest:,} for others"] if rest else [])]))


def _some_of(people: Sequence[str], opinions: int) -> str:
    if people == (ANYBODY,):
        return "anybody who has not labeled them"
    if opinions == len(people):
        *others, last = people
        return f"{joined_names(others)} and {last}" if others else last
    return f"{'one' if opinions == 1 else opinions} of {joined_names(people)}"


def name_at_terminal(name: str | None, people: Sequence[str], argument: str) -> str:
    """Return the name of who is asked at a terminal.

    Args:
        name: What they say; `None` for the login name.
        people: The names of the people who label, where there are several.
        argument: What the user calls the name, for messages.

    Raises:
        ArgumentError: It is none of these people, or it was not said, and the login name is none of them.
    """
    login = login_name("terminal") if name is None else name
    if name is not None or login not in people:
        check_is_of_team(name, people, argument)
    return login


def login_name(otherwise: str) -> str:
    """Return the login name; another one where there is none, or no person may have it."""
    try:
        return check_person_name(getpass.getuser())
    except (OSError, KeyError, ImportError, ArgumentError):  # a user id without a name, as in containers
        return otherwise
