"""Types and ranges of the values in an export's JSON and tables, which may come from a stranger."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from typing import Any

from hfal.errors import ArgumentError
from hfal.store.answer_log import ACTIONS
from hfal.store.records import ORIGINS, PURPOSES
from hfal.store.run_info import AGGREGATIONS, UNITS
from hfal.tasks.kinds import KINDS
from hfal.tasks.tags import SCHEMES
from hfal.utils.spelling import shown


_LIMIT = 2**63  # of the integers of SQLite and Arrow
_DEPTH = 32  # of the settings of a strategy


@dataclass(frozen=True)
class Field:
    """A value of JSON, or a cell of a table.

    Attributes:
        expected: What it has to be, for messages.
        fits: Whether a value is that.
        optional: Whether it may be missing, as what an older hfal did not write.
    """

    expected: str
    fits: Callable[[Any], bool]
    optional: bool = False


def _is_text(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return True


def is_whole(value: Any, least: int = 0) -> bool:
    """Whether a value of JSON is a whole number of at least this much that SQLite and Arrow can hold."""
    return isinstance(value, int) and not isinstance(value, bool) and least <= value < _LIMIT


def _is_number(value: Any) -> bool:
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LIMIT**8 and isfinite(value)
    )


def _is_time(value: Any) -> bool:
    try:
        return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


def _is_flat(value: Any) -> bool:
    """Whether a value of JSON is not nested so deep that reading it again may fail."""
    level, depth = [value], 0
    while level and depth <= _DEPTH:
        inner = [one for one in level if isinstance(one, dict | list)]
        level = [v for one in inner for v in (one.values() if isinstance(one, dict) else one)]
        depth += 1
    return depth <= _DEPTH


def _is_table_of(value: Any, fits: Callable[[Any], bool]) -> bool:
    return isinstance(value, dict) and all(_is_text(name) and fits(one) for name, one in value.items())


def _is_list_of(value: Any, fits: Callable[[Any], bool]) -> bool:
    return isinstance(value, list) and all(map(fits, value)) and len(set(value)) == len(value)


def _or_null(field: Field) -> Field:
    return Field(f"{field.expected}, or null", lambda v: v is None or field.fits(v), field.optional)


_TEXT = Field("a text", _is_text)
_NAME = Field("a name", lambda v: _is_text(v) and bool(v))
_WHOLE = Field("a whole number from 0 to 2**63 - 1", is_whole)
_COUNTED = Field("a whole number from 1 to 2**63 - 1", lambda v: is_whole(v, 1))
_TIME = Field("a time in ISO 8601 with its offset from UTC", _is_time)
_NUMBERS = Field("finite numbers by name", lambda v: _is_table_of(v, lambda one: one is None or _is_number(one)))

HISTORY_FIELDS = {
    "task": Field(f"one of {', '.join(KINDS)}", lambda v: isinstance(v, str) and v in KINDS),
    "scheme": _or_null(Field(f"one of {', '.join(SCHEMES)}", lambda v: isinstance(v, str) and v in SCHEMES)),
    "label_names": Field("a list of different names", lambda v: _is_list_of(v, _is_text)),
    "text_columns": Field("a list of different names", lambda v: bool(v) and _is_list_of(v, _NAME.fits)),
    "shown_columns": Field("a list of different names", lambda v: _is_list_of(v, _is_text), optional=True),
    "pool_size": _or_null(_WHOLE),
    "queries": Field("a list", lambda v: isinstance(v, list)),
    "rounds": Field("a list", lambda v: isinstance(v, list)),
    "plan": Field("an object", lambda v: isinstance(v, dict), optional=True),
    "origins": Field("objects by id", lambda v: _is_table_of(v, lambda one: isinstance(one, dict)), optional=True),
    "contents": Field("hashes of texts by id", lambda v: _is_table_of(v, _NAME.fits)),
}
ORIGIN_FIELDS = {
    "origin": Field(f"one of {', '.join(ORIGINS)}", lambda v: isinstance(v, str) and v in ORIGINS),
    "parent": _or_null(_NAME),
    "method": _or_null(_TEXT),
}
PLAN_FIELDS = {
    "strategy": _TEXT,
    "query_size": _WHOLE,
    "unit": Field(f"one of {', '.join(UNITS)}", lambda v: v in UNITS),
    "budget": _or_null(_COUNTED),
    "pool_size": _WHOLE,
    "queries_per_round": _COUNTED,
    "aggregate_labels": Field(f"one of {', '.join(AGGREGATIONS)}", lambda v: v in AGGREGATIONS),
    "annotators": Field("a list of different names", lambda v: _is_list_of(v, _NAME.fits)),
}
QUERY_FIELDS = {
    "number": _COUNTED,
    "round": _WHOLE,
    "purpose": Field(f"one of {', '.join(PURPOSES)}", lambda v: isinstance(v, str) and v in PURPOSES),
    "strategy": _NAME,
    "seed": _WHOLE,
    "model": _or_null(_TEXT),
    "settings": Field(f"an object, at most {_DEPTH} deep", lambda v: isinstance(v, dict) and _is_flat(v)),
    "versions": Field("texts by name", lambda v: _is_table_of(v, _is_text)),
    "time": _TIME,
    "closed": Field("true or false", lambda v: isinstance(v, bool)),
    "examples": Field("a list", lambda v: isinstance(v, list)),
}
EXAMPLE_FIELDS = {
    "id": _NAME,
    "score": _or_null(Field("a finite number", _is_number)),
    "confidence": _or_null(Field("a number from 0 to 1", lambda v: _is_number(v) and -1e-6 <= v <= 1 + 1e-6)),
    "suggestion": Field("labels, or null", lambda v: v is None or isinstance(v, str | list)),
}
ROUND_FIELDS = {
    "number": _COUNTED,
    "seed": _WHOLE,
    "answers_seen": _WHOLE,
    "labels": _WHOLE,
    "train_size": _WHOLE,
    "started": _TIME,
    "trained": _or_null(_TIME),
    "metrics": _or_null(_NUMBERS),
    "finished": _or_null(_TIME),
    "words": _or_null(Field(_WHOLE.expected, is_whole, optional=True)),
    "stability": _or_null(Field(_NUMBERS.expected, _NUMBERS.fits, optional=True)),
}
ANSWER_FIELDS = {
    "answer": _COUNTED,
    "id": _NAME,
    "annotator": _NAME,
    "action": Field(f"one of {', '.join(ACTIONS)}", lambda v: v in ACTIONS),
    "comment": _or_null(_TEXT),
    "time": Field("a time", lambda v: isinstance(v, datetime)),
    "query": _or_null(_COUNTED),
    "probability": _or_null(Field("a number from 0 to 1", lambda v: _is_number(v) and 0 <= v <= 1, optional=True)),
}


def check_fields(place: str, row: Any, fields: Mapping[str, Field]) -> None:
    """Check the values of an object, or the cells of a row.

    Args:
        place: The file, and the row in it.
        row: The object.
        fields: What has to be in it.

    Raises:
        ArgumentError: A value is missing, or has another type or range.
    """
    if not isinstance(row, dict):
        raise ArgumentError(f"{place} is {shown(row)}, expected an object")
    for name, field in fields.items():
        if name not in row and not field.optional:
            raise ArgumentError(f"{place}: {name} is missing, expected {field.expected}")
        if name in row and not field.fits(row[name]):
            raise wrong(place, name, row[name], field.expected)


def wrong(place: str, field: str, value: Any, expected: str) -> ArgumentError:
    """Return the error about a value.

    Args:
        place: The file, and the row in it.
        field: What the value is called there.
        value: The value.
        expected: What was expected instead.
    """
    return ArgumentError(f"{place}: {field} is {shown(value)}, expected {expected}")
