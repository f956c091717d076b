"""The fields of dataclasses that are options: their types, their defaults, and lists of words."""

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

from hfal.errors import ArgumentError
from hfal.utils.spelling import shown


MISNOMERS = {"run_dir": "output_dir"}
"""Names that options have elsewhere in hfal, and what they are called here."""


def options_of(dataclass_types: Sequence[Any]) -> dict[str, dataclasses.Field]:
    """Return the options by name."""
    return {f.name: f for cls in dataclass_types for f in dataclasses.fields(cls) if f.init}


def default_of(option: dataclasses.Field) -> Any:
    """Return the default of an option, a new list where it is one; `MISSING` if it has none."""
    if option.default_factory is not dataclasses.MISSING:
        return option.default_factory()
    return option.default


def type_name(option: dataclasses.Field) -> str:
    """Return the name of an option's type without `| None`; HfArgumentParser replaces annotations by types."""
    kind = option.type
    return (kind.__name__ if isinstance(kind, type) and kind.__name__ != "list" else str(kind)).removesuffix(" | None")


def split_words(name: str, *texts: str) -> list[str]:
    """Return the words of a value: a JSON list as it is, anything else split at its commas.

    The blanks around what commas separate are left out. In a list words may have commas themselves.

    Args:
        name: The option, for a message.
        *texts: The value, on the command line maybe in several words.

    Raises:
        ArgumentError: There is nothing between two commas, or a list that is no JSON was cut at its commas.
    """
    items = []
    for text in texts:
        in_list = _json_list(text)
        found = [item.strip() for item in text.strip().strip(",").split(",")] if in_list is None else in_list
        if "" in found:
            raise ArgumentError(f"--{name} has an empty item: {text!r}")
        _check_whole(name, text, found if in_list is None else [])
        items += found
    return items


def _json_list(text: str) -> list[str] | None:
    """Return the items of a JSON list of strings and whole numbers; `None` if the text is none."""
    if not text.lstrip().startswith("["):
        return None
    try:
        items = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if any(isinstance(item, bool) or not isinstance(item, str | int) for item in items):
        return None
    return [str(item).strip() for item in items]


def _check_whole(name: str, text: str, items: Sequence[str]) -> None:
    """Find items that begin or end a list, or a word in quotes, and do not end or begin it: it was cut."""
    for item in items:
        is_open = item.startswith("[") and item.count("[") > item.count("]")
        is_quoted = len(items) > 1 and item.startswith('"') and item.count('"') == 1
        if is_open or is_quoted:
            raise ArgumentError(
                f"--{name} is {shown(text)}, of which {shown(item)} would be one word: write words with commas "
                f'between them, A,B, or in single quotes a JSON list of strings, --{name} \'["A, B", "C"]\''
            )
