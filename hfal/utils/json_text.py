"""Read JSON in which no key is there twice; `json` would take the last one without a word."""

import json
from typing import Any


def read_json(text: str | bytes) -> Any:
    """Read JSON.

    Raises:
        ValueError: It is none, or an object has a key twice.
        RecursionError: Objects or lists are nested a thousand deep.
    """
    return json.loads(text, object_pairs_hook=_unique)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)[:80]!r} is there twice")
    return found
