"""Leases: which open texts are with whom, and until when."""

import contextlib
import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from hfal.utils.files import atomic_write


LEASES_NAME = "leases.json"
"""In a run's directory while people label on the page: the leases, so that a killed command goes on with them."""


class Leases:
    """The texts that people have been given to answer, each for a time.

    A lease counts until `expire` has ended it: whatever is done between two calls sees the same leases.

    Args:
        seconds: How long a lease lasts.
        clock: Seconds that never go back.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic):
        self._seconds = seconds
        self._clock = clock
        self._ends: dict[tuple[str, str], float] = {}  # by person and example, in the order in which they were given

    def give(self, person: str, example: str) -> None:
        """Give a person a text, or lengthen the lease that they have on it."""
        self._ends[person, example] = self._clock() + self._seconds

    def renew(self, person: str) -> None:
        """Lengthen all leases of a person."""
        for example in self.of(person):
            self.give(person, example)

    def end(self, person: str, example: str | None = None) -> None:
        """End a person's lease on a text, or all that they have."""
        for key in [key for key in self._ends if key[0] == person and example in (None, key[1])]:
            del self._ends[key]

    def expire(self) -> list[tuple[str, str]]:
        """End the leases whose time is over, and return their people and texts."""
        now = self._clock()
        over = [key for key, end in self._ends.items() if end <= now]
        for key in over:
            del self._ends[key]
        return over

    def of(self, person: str) -> list[str]:
        """Return the texts that a person has."""
        return [example for holder, example in self._ends if holder == person]

    def holders(self, example: str | None = None) -> list[str]:
        """Return who has a text, or any text."""
        return list(dict.fromkeys(holder for holder, held in self._ends if example in (None, held)))

    def pairs(self) -> list[tuple[str, str]]:
        """Return the people and texts of all leases."""
        return list(self._ends)


def read_leases(run_dir: Path) -> list[tuple[str, str]]:
    """Return the people and texts of the leases that a killed command has left; none where nothing can be read."""
    try:
        found = json.loads((run_dir / LEASES_NAME).read_bytes())
        return [(str(person), str(example)) for person, example in found]
    except (OSError, ValueError, TypeError):
        return []


def write_leases(run_dir: Path, pairs: Iterable[tuple[str, str]]) -> None:
    """Keep the people and texts of all leases, or remove the file where there are none."""
    path, kept = run_dir / LEASES_NAME, list(pairs)
    with contextlib.suppress(OSError):  # without it only a killed command forgets who had which text
        if not kept:
            path.unlink(missing_ok=True)
            return
        with atomic_write(path) as part:
            part.write_text(json.dumps(kept))
