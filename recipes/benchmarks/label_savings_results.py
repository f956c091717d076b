"""The lines of `label_savings.csv`, and the tables that are made of them; see `label_savings.py`."""

import csv
import io
import math
import statistics
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hfal.comparison.statistics import area_under_curve, cost_to_reach, paired_difference


RESULTS = Path(__file__).with_name("label_savings.csv")
CONLL = "conll"
QUERY = 25
WORDS = 360  # of 25 sentences of CoNLL-2003
PICKERS = ["head", "random", "mean", "ranks"]

Key = tuple[str, str, int, str]
"""Set, arm, seed, and when it was trained."""


class Line(NamedTuple):
    """One training, as a line of `label_savings.csv`.

    Attributes:
        set: The data set.
        arm: Who picked, and what was trained.
        seed: The seed of the run.
        trained_at: What had been asked for when the run trained, up to this training: "25 75 150" labels, or words.
        labels: What had been bought.
        score: The metric.
        seconds: Seconds of CPU of the training; empty if not known.
        commit: What ran; with a + where files had been changed, and "bf16" where matrices were multiplied in bfloat16.
    """

    set: str
    arm: str
    seed: int
    trained_at: str
    labels: int
    score: float
    seconds: float | None
    commit: str

    @property
    def key(self) -> Key:
        """What no two lines share."""
        return self[:4]


def read_lines(path: Path) -> dict[Key, Line]:
    """The lines of the file by their keys; of two with the same key the first."""
    lines: dict[Key, Line] = {}
    if path.exists():
        with path.open(encoding="utf-8", newline="") as file:
            for name, arm, seed, at, labels, score, seconds, code in [*csv.reader(file)][1:]:
                known = float(seconds) if seconds else None
                line = Line(name, arm, int(seed), at, int(labels), float(score), known, code)
                lines.setdefault(line.key, line)
    return lines


def append_line(line: Line, path: Path) -> None:
    """Append a line in one write, so that lines of several processes do not mix."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(line)
    with path.open("ab", buffering=0) as file:
        file.write(text.getvalue().encode())


def commit(bf16: bool) -> str:
    """The commit of the code, with a + where files have been changed since, and whether it runs in bfloat16."""

    def git(*words: str) -> str:
        command = ["git", "--no-optional-locks", *words]
        return subprocess.run(command, cwd=RESULTS.parent, capture_output=True, text=True, check=True).stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "--", ":/", f":(exclude){RESULTS.name}")
    return git("rev-parse", "--short", "HEAD") + ("+" if changed else "") + (" bf16" if bf16 else "")


# -- when an arm is trained -------------------------------------------------------------------------------------------


def amount(name: str, labels: int) -> int:
    """How many labels of a set are asked for: of CoNLL-2003 as many words as so many sentences have."""
    return labels * WORDS // QUERY if name == CONLL else labels


def parts_of(arm: str) -> tuple[str, str]:
    """Who picks, empty for the model that is trained, and what is trained."""
    first, _, rest = arm.partition(", ")
    return (first, rest) if first in PICKERS else ("", arm)


def trained_at(name: str, arm: str, sizes: Sequence[int]) -> list[int]:
    """The amounts at which an arm is trained, so that it is at all of the sizes."""
    picker, training = parts_of(arm)
    if picker == "random" or training.startswith("setfit"):
        at = list(sizes)
    elif picker == "head":
        step = math.gcd(*sizes)
        at = list(range(step, sizes[-1] + 1, step))
    else:
        at = list(range(QUERY, sizes[-1] + 1, QUERY)) if training == "frozen" else sorted({QUERY, *sizes})
    return [amount(name, labels) for labels in at]


def keys_of(name: str, arm: str, seed: int, sizes: Sequence[int]) -> list[Key]:
    """The keys of the lines that have the scores of a run at some sizes."""
    at = trained_at(name, arm, sizes)
    ends = [at.index(amount(name, size)) + 1 for size in sizes]
    return [(name, arm, seed, " ".join(map(str, at[:end]))) for end in ends]


# -- tables ----------------------------------------------------------------------------------------------------------


class Tables:
    """The tables of the lines that there are, in Markdown.

    Args:
        lines: All that there are.
        sizes: The labels at which scores are compared.
        sets: The data sets.
        arms: The rows.
    """

    def __init__(self, lines: dict[Key, Line], sizes: Sequence[int], sets: Sequence[str], arms: Sequence[str]):
        self.lines, self.sizes, self.arms = lines, sizes, arms
        self.sets = [name for name in sets if any(line.set == name for line in lines.values())]

    def scores(self, name: str, arm: str, size: int | None) -> dict[int, float]:
        """The scores of each seed that has one at a size; without a size the areas of those that have all of them."""
        curves = self.curves(name, arm, self.sizes if size is None else [size])
        asked = [amount(name, size) for size in self.sizes]
        return {seed: area_under_curve(asked, of) if size is None else of[0] for seed, of in curves.items()}

    def curves(self, name: str, arm: str, sizes: Sequence[int]) -> dict[int, list[float]]:
        """The scores at some sizes of each seed that has all of them."""
        curves = {}
        for seed in sorted({line.seed for line in self.lines.values() if (line.set, line.arm) == (name, arm)}):
            keys = dict(zip(self.sizes, keys_of(name, arm, seed, self.sizes), strict=True))
            if all(keys[size] in self.lines for size in sizes):
                curves[seed] = [self.lines[keys[size]].score for size in sizes]
        return curves

    def means(self) -> Iterator[str]:
        """Mean and standard deviation over the seeds, and how many there are; the seconds of CPU of a training."""
        yield from self._head("arm", "seconds of CPU of a training, median")
        for arm in self.arms:
            cells = [mean(self.scores(name, arm, size)) for name, size in self._columns]
            found = [line.seconds for line in self.lines.values() if line.arm == arm and line.set in self.sets]
            seconds = [value for value in found if value is not None]
            yield f"| {' | '.join([arm, *cells, f'{statistics.median(seconds):.1f}' if seconds else ''])} |"

    def differences(self, other: str) -> Iterator[str]:
        """Mean differences to another arm, paired by seeds, with Student's 95% interval and the number of pairs."""
        yield from self._head(f"minus {other}")
        for arm in [arm for arm in self.arms if arm != other]:
            both = [[self.scores(name, one, size) for one in (arm, other)] for name, size in self._columns]
            yield f"| {' | '.join([arm, *(difference(*pair) for pair in both)])} |"

    def reached(self, other: str) -> Iterator[str]:
        """With how much the mean curve has another arm's last score for good, both of the seeds that both have."""
        yield f"| {other}'s last score reached with | {' | '.join(self.sets)} |"
        yield "|---" * (1 + len(self.sets)) + "|"
        for arm in self.arms:
            cells = []
            for name in self.sets:
                curves, others = (self.curves(name, one, self.sizes) for one in (arm, other))
                seeds = sorted(curves.keys() & others.keys())
                if not seeds:
                    cells.append("")
                    continue
                target = float(np.mean([others[seed][-1] for seed in seeds]))
                mean_curve = np.mean([curves[seed] for seed in seeds], axis=0)
                cost = cost_to_reach([amount(name, size) for size in self.sizes], mean_curve.tolist(), target)
                cells.append(f"{cost:.0f} {unit_of(name)}" if np.isfinite(cost) else "not reached")
            yield f"| {' | '.join([arm, *cells])} |"

    @property
    def _columns(self) -> list[tuple[str, int | None]]:
        """Set and size of each column; without a size those of the areas."""
        sizes = [*self.sizes, *([None] if len(self.sizes) > 1 else [])]
        return [(name, size) for name in self.sets for size in sizes]

    def _head(self, *titles: str) -> Iterator[str]:
        columns = [
            f"{name}, {'area' if size is None else f'{amount(name, size)} {unit_of(name)}'}"
            for name, size in self._columns
        ]
        yield f"| {' | '.join([titles[0], *columns, *titles[1:]])} |"
        yield "|---" * (len(columns) + len(titles)) + "|"


def unit_of(name: str) -> str:
    """What is counted in a set."""
    return "words" if name == CONLL else "labels"


def mean(scores: dict[int, float]) -> str:
    """Mean and standard deviation over the seeds, and their number."""
    values = [*scores.values()]
    spread = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
    return f"{np.mean(values):.3f}{spread} ({len(values)})" if values else ""


def difference(first: dict[int, float], second: dict[int, float]) -> str:
    """The mean difference over the seeds that both have, with its interval, and their number."""
    seeds = sorted(first.keys() & second.keys())
    if not seeds:
        return ""
    by, low, high = paired_difference([first[seed] for seed in seeds], [second[seed] for seed in seeds])
    interval = f" ({low:+.3f} to {high:+.3f})" if len(seeds) > 1 else ""
    return f"{by:+.3f}{interval} ({len(seeds)})"
