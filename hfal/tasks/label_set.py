"""Sets of labels, for texts that may have several, or none: checked, ordered, and written in one cell of a table.

A set is a list of names in the order of all names, none twice. The empty one is an answer: none of the labels.
"""

from collections.abc import Sequence
from typing import Any

from hfal.errors import ArgumentError
from hfal.tasks.label_names import look_alike_hint
from hfal.utils.spelling import joined_names


SEPARATORS = "|;,"
"""What may stand between the names in a cell; never what is a part of a name."""

_NONE, _EMPTY = "none", "[]"


def check_label_set(labels: Any, names: Sequence[str]) -> list[str]:
    """The labels in the order of their names, if each is known and none is there twice.

    Args:
        labels: What is to be checked.
        names: The names of all labels.

    Raises:
        ArgumentError: It is no list of names, or one of them is unknown or there twice.
    """
    if not isinstance(labels, list | tuple) or not all(isinstance(label, str) for label in labels):
        raise ArgumentError(
            f"{str(labels)[:80]!r} is no list of labels: expected a list with any of {joined_names(names)}, which is "
            "empty for none of them"
        )
    found = [label if label in names else label.strip() for label in labels]
    for number, label in enumerate(found):
        if label not in names:
            hint = look_alike_hint(label, names)
            raise ArgumentError(f"{label[:80]!r} is no label; the labels are: {joined_names(names)}{hint}")
        if label in found[:number]:
            raise ArgumentError(f"the label {label[:80]!r} is there twice: name each label once")
    return sorted(found, key=list(names).index)


def separators(names: Sequence[str]) -> str:
    """Those of `SEPARATORS` that are a part of no name."""
    return "".join(separator for separator in SEPARATORS if not any(separator in name for name in names))


def word_for_none(names: Sequence[str]) -> str:
    """Return the word of a cell for none of the labels: `none`, or `[]` where a label is called that."""
    return _EMPTY if any(name.strip().casefold() == _NONE for name in names) else _NONE


def join_label_set(labels: Sequence[str], names: Sequence[str]) -> str:
    """A set as one cell of a table: `LOC | PER`, or `none`.

    Raises:
        ArgumentError: Every separator is a part of some name.
    """
    if not labels:
        return word_for_none(names)
    left = separators(names)
    if not left:
        raise ArgumentError(
            f"the names of the labels have each of {' '.join(SEPARATORS)} in them, so that nothing is left to "
            "separate them in a cell: take a format with lists, jsonl or parquet"
        )
    return (" | " if left[0] == "|" else f"{left[0]} ").join(labels)


def split_label_set(cell: str, names: Sequence[str]) -> list[str]:
    """The names that a cell lists, without the blanks around them; they are not checked.

    A name that is the whole cell is that name. `none` (if no label is called that) and `[]` are the empty set.

    Raises:
        ArgumentError: There is nothing between the separators.
    """
    said = cell.strip()
    if said in names:
        return [said]
    if said == _EMPTY or said.casefold() == word_for_none(names):
        return []
    pieces = [said]
    for separator in separators(names):
        pieces = [piece for part in pieces for piece in part.split(separator)]
    pieces = [piece.strip() for piece in pieces if piece.strip()]
    if not pieces:
        raise ArgumentError(
            f"{said[:80]!r} names no label: write the names, {word_for_none(names)!r} for none of the labels, or "
            "nothing while there is no answer"
        )
    return pieces
