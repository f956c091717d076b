"""Read JSON in which no key is there twice; `json` would take the last one without a word."""

import json
from typing import Any


def read_json(text: str | bytes, finite: bool = False) -> Any:
    """Read JSON.

    Args:
        text: The JSON.
        finite: Whether NaN and infinity are errors, as they are by the standard.

    Raises:
        ValueError: It is none, or an object has a key twice.
        RecursionError: Objects or lists are nested thousands deep.
    """
    return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse if finite else None)


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no number of JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)[:80]!r} is there twice")
    return found
