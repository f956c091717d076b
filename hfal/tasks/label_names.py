"""Names of labels: what they may be, and which of them people could not tell apart. Nothing here loads `datasets`."""

import re
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from numbers import Integral
from typing import Any

from hfal.errors import ArgumentError
from hfal.utils.output import get_logger
from hfal.utils.spelling import counted, seen, shown


logger = get_logger(__name__)

_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")


def given_names(names: Any, argument: str = "label_names") -> tuple[str, ...]:
    """Return the names that the user gives, numbers as strings.

    Raises:
        ArgumentError: They are no sequence of names, there are none, or one is twice.
    """
    if isinstance(names, str | bytes | set | frozenset | Mapping) or not isinstance(names, Iterable):
        raise ArgumentError(
            f"{argument} is {shown(names)}, expected a list of names, in their order: {_as_list(names)}"
        )
    names = list(names)
    for name in names:
        if isinstance(name, bool) or not isinstance(name, str | Integral) or _is_member(name):
            members = ": pass [one.name for one in E], or their values, of an Enum" if isinstance(name, Enum) else ""
            raise ArgumentError(f"{argument} has {shown(name)} among {shown(names)}, expected names{members}")
    # `str` of a class E(str, Enum) would be "E.member".
    names = [str(name.value if isinstance(name, Enum) else name) for name in names]
    if len(set(names)) != len(names) or not names:
        raise ArgumentError(f"{argument}={names!r}: expected at least one name and none twice")
    return tuple(names)


def _is_member(name: Any) -> bool:
    """Whether it is of an Enum and no text, so that its name might be meant as well as its value."""
    return isinstance(name, Enum) and not isinstance(name, str)


def _as_list(names: Any) -> list[str]:
    """The list that was probably meant, or one of the form to write."""
    meant: list[Any] = []
    if isinstance(names, Mapping):  # id2label, or label2id
        meant = list(names.values())
        if set(meant) == set(range(len(names))):
            meant = sorted(names, key=names.__getitem__)
    elif isinstance(names, set | frozenset):
        meant = sorted(names, key=str)
    elif not isinstance(names, str | bytes):
        meant = getattr(names, "names", [])  # of a ClassLabel
    is_of_names = isinstance(meant, list) and meant and all(isinstance(name, str) for name in meant)
    return meant if is_of_names else ["no", "yes"]


def in_order(names: Iterable[str]) -> list[str]:
    """Sort names: by value if all are numbers, so that 10 comes after 2, else as texts."""
    names = list(names)
    are_numbers = all(_NUMBER.fullmatch(name) for name in names)
    return sorted(names, key=lambda name: (float(name) if are_numbers else 0, name))


def check_label_names(names: Sequence[str], least: int = 1, argument: str = "label_names") -> None:
    """Check that people can tell all labels apart, and that there are enough to choose from.

    Names that differ in capitals alone are two labels.

    Args:
        names: The names of all labels.
        least: How many there have to be.
        argument: Where they come from, for messages.

    Raises:
        ArgumentError: A name is blank, two look alike, or there are too few; the message says which.
    """
    found: dict[str, str] = {}
    for name in names:
        look = seen(name)
        if not look:
            raise ArgumentError(f"{argument} has the name {name!a}, of which nothing is seen: give it another one")
        if re.search("[\ud800-\udfff]", name):  # as Python has what a terminal of another encoding says
            raise ArgumentError(f"{argument} has the name {name!a} with half a surrogate pair, which no file can have")
        other = found.setdefault(look, name)
        if other != name:
            raise ArgumentError(
                f"{argument} has two names that look alike, {other!a} and {name!a}: make them one, or tell "
                "them apart by other names"
            )
    if len(names) < least:
        raise ArgumentError(
            f"{argument} is {shown(list(names))}, expected at least {counted(least, 'name')} to choose from"
        )


def without_capitals(name: str) -> str:
    """Return what a name has in common with others that differ in capitals and blanks alone."""
    return "".join(seen(name).casefold().split())


def warn_of_capitals(names: Iterable[str], where: str) -> None:
    """Warn of two names, found in data, that differ in capitals or blanks alone.

    Args:
        names: The names.
        where: Where they were found, for the message: "column 'label'".
    """
    found: dict[str, str] = {}
    for name in names:
        other = found.setdefault(without_capitals(name), name)
        if other != name:
            logger.warning(
                "%s has labels that differ in capitals or blanks alone, such as %r and %r: each is a label of its "
                "own; where they are one, write them alike",
                where,
                other,
                name,
            )
            return


def look_alike_hint(value: Any, names: Sequence[str]) -> str:
    """Return a hint for a value that looks like one of the names but is another text; empty if it does not."""
    alike = [name for name in names if isinstance(value, str) and name != value and seen(name) == seen(value)]
    return f" ({value!a} looks like {alike[0]!a}: write it with the same characters)" if alike else ""
