"""The fields of dataclasses that are options: their types, their defaults, and lists of words."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from hfal.errors import ArgumentError


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


def split_words(name: str, text: str) -> list[str]:
    """Split a value at its commas; the blanks around the words are left out.

    Args:
        name: The option, for a message.
        text: The value.

    Raises:
        ArgumentError: There is nothing between two commas.
    """
    items = [item.strip() for item in text.strip().strip(",").split(",")]
    if "" in items:
        raise ArgumentError(f"--{name} has an empty item: {text!r}")
    return items
