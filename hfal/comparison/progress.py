"""Show the progress of a comparison, and forecast how long the rest takes."""

import math
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from typing import TextIO

import numpy as np

from hfal.comparison.plan import Cell
from hfal.store.records import RoundRecord, seconds_between, utc_now
from hfal.utils.output import shown_line


_SECONDS_BETWEEN_LINES = 60


def seconds_of_rounds(measured: Sequence[tuple[float, float]], costs: Sequence[float]) -> float | None:
    """How long rounds will take, by a straight line through those that were measured.

    Args:
        measured: Of each finished round, how much it was trained on, and how many seconds it took.
        costs: How much the rounds to come are trained on.

    Returns:
        Seconds for all of these together; `None` if nothing was measured.
    """
    if not measured:
        return None
    sizes, seconds = np.array(measured, float).T
    spread = ((sizes - sizes.mean()) ** 2).sum()
    slope = max(((sizes - sizes.mean()) * seconds).sum() / spread, 0.0) if spread else 0.0
    start = seconds.mean() - slope * sizes.mean()
    return float(np.maximum(start + slope * np.asarray(costs, float), 0.0).sum())


def about(seconds: float | None) -> str:
    """How long that is, in words: `"about 14 min left"`."""
    if seconds is None:
        return "time left not known yet"
    if seconds < 60:
        return "less than a minute left"
    if seconds < 90 * 60:
        return f"about {math.ceil(seconds / 60)} min left"
    return f"about {seconds / 3600:.1f} h left"


class Forecast:
    """From the rounds that were made to the time that the others take.

    What earlier sessions measured is left out: a round that was cut off there seems to have lasted until it was ended.

    Args:
        plans: What each run has bought when each of its rounds begins.
        of_words: Whether that counts words.
    """

    def __init__(self, plans: Mapping[Cell, Sequence[int]], of_words: bool):
        self._plans = plans
        self._of_words = of_words
        self._since = utc_now()
        self._measured: list[tuple[float, float]] = []
        self._between: list[float] = []

    def learn(self, records: Sequence[RoundRecord], seconds: float) -> None:
        """Take a run into account that has ended: its rounds, and how long it took in all."""
        found = self._measure(records)
        self._measured += found
        if found and len(found) == len(records):  # no part of it was made in an earlier session
            self._between.append(max(seconds - sum(taken for _, taken in found), 0.0))

    def seconds_left(
        self, under_way: Mapping[Cell, Sequence[RoundRecord]], waiting: Sequence[Cell], workers: int
    ) -> float | None:
        """How long all that is left takes.

        Args:
            under_way: The rounds so far of the runs that are being made.
            waiting: The runs that have not begun.
            workers: How many are made at a time.
        """
        measured = [*self._measured, *(pair for records in under_way.values() for pair in self._measure(records))]
        costs = [cost for cell in waiting for cost in self._plans[cell]]
        for cell, records in under_way.items():
            costs += self._plans[cell][sum(record.finished is not None for record in records) :]
        of_rounds = seconds_of_rounds(measured, costs)
        if of_rounds is None:
            return None
        between = float(np.mean(self._between)) if self._between else 0.0
        left = len(waiting) + len(under_way)
        return (of_rounds + between * (len(waiting) + len(under_way) / 2)) / max(min(workers, left), 1)

    def _measure(self, records: Sequence[RoundRecord]) -> list[tuple[float, float]]:
        return [
            (float((r.words if self._of_words else r.labels) or 0), seconds_between(r.started, r.finished))
            for r in records
            if r.finished is not None and r.started >= self._since
        ]


class ProgressLine:
    """One line on a terminal that is written over again and again; elsewhere a line a minute.

    Args:
        stream: Where to write; the process's stderr by default.
    """

    def __init__(self, stream: TextIO | None = None):
        self._stream = sys.stderr if stream is None else stream
        self._is_terminal = self._stream.isatty()
        self._written = -math.inf

    def show(self, line: str) -> None:
        """Show how far it is."""
        if self._is_terminal:
            width = shutil.get_terminal_size().columns - 1
            self._write(f"\r\x1b[K{shown_line(line)[:width]}")
        elif time.monotonic() - self._written >= _SECONDS_BETWEEN_LINES:
            self._written = time.monotonic()
            self._write(f"{shown_line(line)}\n")

    def say(self, line: str) -> None:
        """Write a line that stays."""
        line = shown_line(line)
        self._write(f"\r\x1b[K{line}\n" if self._is_terminal else f"{line}\n")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
