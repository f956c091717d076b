"""Names of annotators: which may be recorded with an answer, and which of these a person may have."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from hfal.errors import ArgumentError
from hfal.store.records import DATASET
from hfal.utils.spelling import did_you_mean, joined_names, shown
from hfal.utils.visible_text import one_line


SIMULATED = "simulated"
"""The name of the annotator who reveals labels of the data, by which exports know that no person has answered."""

ANYBODY = "anybody"
"""Stands in a list of annotators for all who come and give a name."""

_OF_MODELS = "model:"


def check_annotator_name(name: Any, argument: str = "annotator_name") -> str:
    """Return the name of an annotator, if it can be recorded.

    Args:
        name: The name.
        argument: What the user calls it, for messages.

    Raises:
        ArgumentError: It is no text, is blank, has characters that are not seen, or means labels of the data.
    """
    problem = name_problem(name)
    if problem is not None:
        raise ArgumentError(f"{argument} is {shown(name)}, {problem}")
    return str(name)


def check_person_name(name: Any, argument: str = "annotator_name") -> str:
    """Return the name of a person who labels, if a person may have it.

    Raises:
        ArgumentError: `check_annotator_name` refuses it, or it says that no person labels.
    """
    check_annotator_name(name, argument)
    said = str(name).casefold()
    if said == SIMULATED or said.startswith(_OF_MODELS):
        kept = (
            "which means that no person labels"
            if said == SIMULATED
            else (f"but names that begin with {_OF_MODELS!r} are kept for language models")
        )
        raise ArgumentError(f"{argument} is {shown(name)}, {kept}: take another name")
    return str(name)


def check_team_names(names: Sequence[str], argument: str = "annotators") -> list[str]:
    """Return the names of several people, or `["anybody"]`.

    Raises:
        ArgumentError: A person may not have one of them, two are the same but for capitals, or there are names beside
            `"anybody"`.
    """
    names = [check_annotator_name(name, argument) for name in names]
    folded = [name.casefold() for name in names]
    for name in names:
        if folded.count(name.casefold()) > 1:
            raise ArgumentError(f"{argument} has {shown(name)} twice, or in other capitals: give each person a name")
    if ANYBODY in folded and len(names) > 1:
        raise ArgumentError(f"{argument} has {ANYBODY!r} beside names: leave one or the other out")
    if folded == [ANYBODY]:
        return [ANYBODY]
    return [check_person_name(name, argument) for name in names]


def check_is_of_team(name: str | None, names: Sequence[str], argument: str = "annotator_name") -> None:
    """Check that somebody is one of several people who label a run.

    Args:
        name: Who it is; `None` where that was not said.
        names: The names of these people; any name is right if there are none, or of `"anybody"`.
        argument: What the user calls the name, for messages.

    Raises:
        ArgumentError: It is none of them.
    """
    if not names or ANYBODY in names or name in names:
        return
    if name is None:
        raise ArgumentError(f"{argument} is missing: say who you are, one of: {joined_names(names)}")
    raise ArgumentError(
        f"{argument} is {shown(name)}, but the people who label are: {joined_names(names)}.{did_you_mean(name, names)}"
    )


def name_problem(name: Any) -> str | None:
    """Return what is wrong with the name of an annotator, and what to do; `None` if it can be recorded."""
    return _problem(name) if isinstance(name, str) else "expected a name"


@lru_cache
def _problem(name: str) -> str | None:
    if not name.strip():
        return "expected a name: say who labels"
    if name != name.strip():
        return "which begins or ends with a blank: leave it out"
    if one_line(name) != name:
        return "which has line ends or other characters that are not seen: leave them out"
    if name.casefold() == DATASET:
        return f"but {DATASET!r} is kept for labels that came with the data: take another name"
    return None
