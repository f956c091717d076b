"""The door of a page for several people: who may come in, and under which name."""

from collections.abc import Iterable, Sequence
from typing import Any

from hfal.errors import ArgumentError
from hfal.store.annotator_names import ANYBODY, check_person_name
from hfal.utils.spelling import joined_names, seen, shown


_LONGEST_NAME = 60
_MOST_PEOPLE = 200  # whom a page keeps a state for


class Door:
    """Checks the names that visitors give.

    Args:
        names: Who may come in; `["anybody"]` lets in everybody who gives a name.
        known: Names under which somebody has labeled before: nobody gets one that differs in capitals alone.
        run: The run's name.
    """

    def __init__(self, names: Sequence[str], known: Iterable[str] = (), run: str = ""):
        self._run = run
        self._names = list(names)
        self._is_open = self._names == [ANYBODY]
        self._known = {_folded(name): name for name in known} if self._is_open else {}
        self._inside: set[str] = set()

    @property
    def content(self) -> dict[str, Any]:
        """Return what the page asks with: the names to choose from, or none where one is to be typed."""
        return {"run": self._run, "names": [] if self._is_open else self._names, "longest": _LONGEST_NAME}

    def check(self, name: str) -> str:
        """Return a name if it may come in.

        Raises:
            ArgumentError: It may not; the message is for whoever has given it.
        """
        if name in self._inside:
            return name
        if not name:
            raise ArgumentError("the request does not say who asks")
        if not self._is_open:
            if name not in self._names:
                raise ArgumentError(f"{shown(name)} does not label here, expected one of {joined_names(self._names)}")
            return name
        if len(name) > _LONGEST_NAME:
            raise ArgumentError(f"the name has {len(name)} characters, expected at most {_LONGEST_NAME}: shorten it")
        if name != seen(name) or name.casefold() == ANYBODY:
            raise ArgumentError(f"{shown(name)} is no name, expected one as it is read: say who you are")
        check_person_name(name, "the name")
        if len(self._inside) >= _MOST_PEOPLE:
            raise ArgumentError(f"{_MOST_PEOPLE} people have come to this page, which is full: start it again")
        other = self._known.setdefault(_folded(name), name)
        if other != name:
            raise ArgumentError(f"there is {shown(other)} already: take that name if it is you, or else another one")
        self._inside.add(name)
        return name


def _folded(name: str) -> str:
    return seen(name).casefold()
