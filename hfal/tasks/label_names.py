"""Names of labels: what they may be, and which of them people could not tell apart. Nothing here loads `datasets`."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from hfal.errors import ArgumentError
from hfal.utils.spelling import counted, seen, shown


def given_names(names: Any, argument: str = "label_names") -> tuple[str, ...]:
    """Return the names that the user gives, numbers as strings.

    Raises:
        ArgumentError: They are no sequence of names, there are none, or one is twice.
    """
    if isinstance(names, str | bytes | Mapping):
        known = list(names.values()) if isinstance(names, Mapping) else names
        example = known if isinstance(known, list) and all(isinstance(n, str) for n in known) else ["no", "yes"]
        raise ArgumentError(f"{argument} is {shown(names)}, expected a list of names, in their order: {example}")
    names = list(names)
    for name in names:
        if isinstance(name, bool) or not isinstance(name, str | int):
            raise ArgumentError(f"{argument} has {shown(name)} among {shown(names)}, expected names")
    names = [str(name) for name in names]
    if len(set(names)) != len(names) or not names:
        raise ArgumentError(f"{argument}={names!r}: expected at least one name and none twice")
    return tuple(names)


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


def look_alike_hint(value: Any, names: Sequence[str]) -> str:
    """Return a hint for a value that looks like one of the names but is another text; empty if it does not."""
    alike = [name for name in names if isinstance(value, str) and name != value and seen(name) == seen(value)]
    return f" ({value!a} looks like {alike[0]!a}: write it with the same characters)" if alike else ""
