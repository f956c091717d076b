"""Time and memory of the query strategies, on arrays alone, without a model.

    python recipes/benchmarks/strategies.py            # 1,000, 10,000 and 100,000 candidates, and the exponent
    python recipes/benchmarks/strategies.py --limits   # at 20,000, beside what was promised
    python recipes/benchmarks/strategies.py --million  # 1,000,000 candidates

Candidates have 20 classes and embeddings of 384 numbers around 200 directions, 10 draws, and the query has 100; 200
examples are labeled. Timed is what hfal does between the scoring pass and the query: scores of arrays and selecting
(and scores of batches of 1,000, which in a run are made as these stream by). Each strategy has a process of its own,
each measurement is repeated (the median counts), and its memory is the peak of what is the process's own (`RssAnon`,
sampled every 5 ms) above what it was with the inputs at hand. Inputs of over 256 MiB are mapped from a file, as in a
run.
"""

import argparse
import ctypes
import multiprocessing
import os
import platform
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import sklearn
import torch

from hfal.strategies import SCORES, SELECTIONS, Signals, Strategy, resolve_strategy
from hfal.strategies.scores import call_score


FAMILY = "classes"
MAPPED = 256 * 2**20
BLOCK = 1000
SIZES = (1_000, 10_000, 100_000)


@dataclass(frozen=True)
class Setting:
    """What is measured."""

    strategy: str
    n: int
    d: int = 384
    classes: int = 20
    passes: int = 10
    labeled: int = 200
    query: int = 100


# The setting, and the limits of seconds and of MB (if there is one) that issue 5 names.
LIMITS = [
    (Setting("kcenter", 20_000), 1, None),
    (Setting("kmeans", 20_000), 4, None),
    (Setting("badge", 20_000, d=768, classes=100), 2, 200),
    (Setting("batchbald", 20_000, classes=4), 30, None),
]
# What takes longer than minutes with a million candidates, and why.
TOO_MUCH = {
    "epig": "N x 200 targets x C² logarithms: some nine minutes with 20 classes, by what 100,000 take",
    "batchbald": "100 picks, each of 256 x T x C products for many candidates: some twelve minutes with 20 classes",
}


def strategies() -> list[str]:
    """Every name, behind `entropy` where scores are needed."""
    selections = [
        f"entropy+{name}" if "scores" in getattr(select, "needs", ()) else name
        for name, select in SELECTIONS[FAMILY].items()
    ]
    return [*SCORES[FAMILY], *selections, "margin+kmeans"]


def array(folder: Path, name: str, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Probabilities or vectors, in memory, or mapped if they are large."""
    large = int(np.prod(shape)) * 4 > MAPPED
    found = (
        np.lib.format.open_memmap(folder / f"{name}.npy", "w+", np.float32, shape)
        if large
        else np.empty(shape, np.float32)
    )
    centers = rng.normal(size=(200, shape[-1]))
    for start in range(0, shape[0], 10_000):
        part = (min(10_000, shape[0] - start), *shape[1:])
        if name.endswith(("embeddings", "features")):
            rows = centers[rng.integers(200, size=part[0])] + rng.normal(size=part)
        else:
            rows = rng.standard_gamma(0.3, part) + 1e-6
            if name == "draws":  # which agree more or less, as those of a model do
                rows = rows + rng.standard_gamma(0.3, (part[0], 1, part[2])) * rng.gamma(1, 5, (part[0], 1, 1))
            rows /= rows.sum(axis=-1, keepdims=True)
        found[start : start + part[0]] = rows
    if not isinstance(found, np.memmap):
        return found
    found.flush()
    return np.load(folder / f"{name}.npy", mmap_mode="r")


def inputs(setting: Setting, strategy: Strategy, folder: Path) -> dict[str, np.ndarray]:
    """What the strategy needs, and what its score reads."""
    rng = np.random.default_rng(0)
    shapes = {
        "probabilities": (setting.n, setting.classes),
        "embeddings": (setting.n, setting.d),
        "features": (setting.n, setting.d),
        "draws": (setting.n, setting.passes, setting.classes),
        "labeled_probabilities": (setting.labeled, setting.classes),
        "labeled_embeddings": (setting.labeled, setting.d),
    }
    wanted = set(strategy.needs)
    if strategy.score is not None:
        wanted |= {"draws"} if strategy.draws else {"probabilities"}
    arrays = {name: array(folder, name, shape, rng) for name, shape in shapes.items() if name in wanted}
    if "labels" in wanted:
        arrays["labels"] = rng.integers(setting.classes, size=setting.labeled)
    return arrays


def batches(strategy: Strategy, arrays: dict[str, np.ndarray], n: int) -> Iterator[np.ndarray]:
    """The scores of batches, as the pass makes them."""
    assert strategy.score is not None
    for start in range(0, n, BLOCK):
        p, d = (
            torch.tensor(np.asarray(arrays[name][start : start + BLOCK])) if name in arrays else None
            for name in ("probabilities", "draws")
        )
        yield call_score(strategy.score, p, d).numpy()


def query(strategy: Strategy, arrays: dict[str, np.ndarray], setting: Setting) -> np.ndarray:
    """From the arrays to the rows that are asked."""
    known = Signals(setting.n, **{name: found for name, found in arrays.items() if name in strategy.needs})
    if strategy.score is not None:
        known = replace(known, scores=np.concatenate([*batches(strategy, arrays, setting.n)]))
    known = strategy.scored(known, np.random.default_rng(1))
    return strategy.pick(known, setting.query, np.random.default_rng(2))


def own_memory() -> int:
    """Bytes of the process that are no file's."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) * 1024
    raise OSError("/proc/self/status has no RssAnon: this benchmark needs Linux")


def measure(setting: Setting, repeats: int) -> tuple[float, float]:
    """Seconds, and MB above the inputs, of one strategy; runs in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        strategy = resolve_strategy(setting.strategy)
        arrays = inputs(setting, strategy, Path(folder))
        few = replace(setting, n=500, query=10)
        query(strategy, inputs(few, strategy, Path(folder)), few)  # what is loaded and made once
        done = threading.Event()
        ctypes.CDLL(None).malloc_trim(0)  # or memory that is free already would serve, and not be seen
        before = peak = own_memory()

        def watch() -> None:
            nonlocal peak
            while not done.wait(0.005):
                peak = max(peak, own_memory())

        watcher = threading.Thread(target=watch)
        watcher.start()
        seconds = []
        for _ in range(repeats):
            start = time.perf_counter()
            query(strategy, arrays, setting)
            seconds.append(time.perf_counter() - start)
        done.set()
        watcher.join()
        return float(np.median(seconds)), (peak - before) / 1e6


def in_new_process(repeats: int, *settings: Setting) -> list[tuple[float, float]]:
    """`measure` of each of these settings."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return [pool.submit(measure, setting, repeats).result() for setting in settings]


def grid(names: list[str], repeats: int) -> None:
    """Print the table of sizes."""
    print(f"| | {' | '.join(f'{n:,}: s' for n in SIZES)} | exponent | {SIZES[-1]:,}: MB |")
    print(f"|---|{'---|' * (len(SIZES) + 2)}")
    for name in names:
        found = in_new_process(repeats, *(Setting(name, n) for n in SIZES))
        seconds = [s for s, _ in found]
        exponent = np.log(seconds[-1] / seconds[-2]) / np.log(SIZES[-1] / SIZES[-2])
        shown = " | ".join(f"{s:.3f}" for s in seconds)
        print(f"| {name} | {shown} | {exponent:.2f} | {found[-1][1]:.0f} |", flush=True)


def limits(repeats: int) -> None:
    """Print the table of what was promised at 20,000 candidates."""
    print("| | seconds | at most | MB | at most |\n|---|---|---|---|---|")
    for setting, most_seconds, most_mb in LIMITS:
        ((seconds, mb),) = in_new_process(repeats, setting)
        what = f"{setting.strategy}, d = {setting.d}, {setting.classes} classes"
        print(f"| {what} | {seconds:.2f} | {most_seconds} | {mb:.0f} | {most_mb or ''} |", flush=True)


def million(names: list[str]) -> None:
    """Print the table of a million candidates, measured once each."""
    print("| | seconds | MB |\n|---|---|---|")
    for name in names:
        if name in TOO_MUCH:
            print(f"| {name} | {TOO_MUCH[name]} | |", flush=True)
            continue
        ((seconds, mb),) = in_new_process(1, Setting(name, 1_000_000))
        print(f"| {name} | {seconds:.1f} | {mb:.0f} |", flush=True)


def main() -> None:
    """Measure, and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limits", action="store_true", help="at 20,000 candidates, beside what was promised")
    parser.add_argument("--million", action="store_true", help="1,000,000 candidates")
    parser.add_argument("--strategies", nargs="+", default=strategies(), metavar="NAME")
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    if args.limits:
        limits(args.repeats)
    elif args.million:
        million(args.strategies)
    else:
        grid(args.strategies, args.repeats)
    print(f"\n{os.cpu_count()} cores {platform.machine()}, load {os.getloadavg()[0]:.1f} at the end")
    print(f"numpy {np.__version__}, scikit-learn {sklearn.__version__}, torch {torch.__version__}")


if __name__ == "__main__":
    main()
