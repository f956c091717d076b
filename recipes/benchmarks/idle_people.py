"""How much of their time do people wait, with queries that go on while a round trains and without?

    python recipes/benchmarks/idle_people.py                          # about an hour on two cores
    python recipes/benchmarks/idle_people.py --labels 40 --seconds 1  # does it run?

Movie-review sentences and a real fine-tuning of all-MiniLM-L6-v2, 100 steps a round, on 2,000 texts. A simulated
person needs four seconds for each label, and has the right one. Three ways, ten texts a query:

- wait, model: the model that is trained makes the queries, one after each training;
- wait, head: a head on the frozen encoder makes them, and a round trains after every third;
- ask, head: so do queries while rounds train (`when_idle="ask"`), a round as soon as thirty labels are new.

Waiting is the time between an answer, which is on the disk, and the next text; what comes before the first text is not
in it, nor what is trained after the last one. The share is waiting in waiting and labeling.
"""

import argparse
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from transformers import AutoModelForSequenceClassification, AutoTokenizer, Trainer, TrainingArguments

from hfal import ActiveLearningCallback, Answer, OpenQuery, Pool
from hfal.data.references import resolve_model
from hfal.recipes.benchmarks.round_overhead import MODEL, load_data


WAYS: dict[str, dict[str, Any]] = {
    "wait, model": {},
    "wait, head": {"select_with": "head", "queries_per_round": 3},
    "ask, head": {"select_with": "head", "when_idle": "ask", "train_after": 30},
}
QUERY = 10  # texts


class SteadyPerson:
    """Labels a text in a fixed time, and notes how long each one was waited for.

    Args:
        labels: The right labels, by example.
        seconds: How long a label takes.

    Attributes:
        waits: Seconds between an answer and the next text.
    """

    name = "steady"

    def __init__(self, labels: dict[str, str], seconds: float):
        self.labels = labels
        self.seconds = seconds
        self.waits: list[float] = []
        self._answered: float | None = None
        self._released = threading.Event()

    def annotate(self, query: OpenQuery) -> Iterator[Answer]:
        """Answer each question after the time that it takes."""
        for question in query.questions:
            if self._answered is not None:
                self.waits.append(time.perf_counter() - self._answered)
            if self._released.wait(self.seconds):
                return
            yield Answer(question.example_id, self.labels[question.example_id])
            self._answered = time.perf_counter()

    def release(self, stopped: bool) -> None:
        """End `annotate`, which another thread runs."""
        self._released.set()

    def waiting_for(self, query: OpenQuery) -> str | None:
        """Leave nothing."""
        return None


def run(way: str, labels: int, seconds: float) -> tuple[list[float], int]:
    """Run a whole run.

    Returns:
        Seconds between each answer and the next text, and the number of trainings.
    """
    tokenizer = AutoTokenizer.from_pretrained(resolve_model(MODEL))
    with tempfile.TemporaryDirectory() as folder:
        pool = Pool(load_data(2000, tokenizer), Path(folder, "run"), "text", "label")
        right = dict(
            zip(pool.ids.to_pylist(), pool.dataset.features["label"].int2str(pool.dataset["label"][:]), strict=True)
        )
        person = SteadyPerson(right, seconds)
        active = ActiveLearningCallback(
            pool,
            annotator=person,
            query_size=QUERY,
            budget=labels,
            embeddings=resolve_model(MODEL),
            min_steps=100,
            **WAYS[way],
        )
        args = TrainingArguments(
            str(Path(folder, "trainer")),
            learning_rate=1e-4,
            per_device_train_batch_size=16,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            dataloader_pin_memory=False,
        )
        trainer = Trainer(
            model_init=lambda: AutoModelForSequenceClassification.from_pretrained(resolve_model(MODEL), num_labels=2),
            args=args,
            processing_class=tokenizer,
            callbacks=[active],
        )
        active.run(trainer)
        return person.waits, len(active.history)


def main() -> None:
    """Measure, and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ways", nargs="+", default=[*WAYS], choices=[*WAYS])
    parser.add_argument("--labels", type=int, default=150)
    parser.add_argument("--seconds", type=float, default=4.0, help="for a label")
    args = parser.parse_args()
    rows = []
    for way in args.ways:
        waits, rounds = run(way, args.labels, args.seconds)
        total = sum(waits)
        share = total / (total + args.labels * args.seconds)
        rows.append(f"| {way} | {rounds} | {total:.0f} | {share:.1%} | {np.max(waits):.1f} |")
    print(f"{args.labels} labels at {args.seconds:g} seconds each\n")
    print(
        "| | trainings | seconds waited | share of people's time | longest wait |", "|---|---|---|---|---|", sep="\n"
    )
    print(*rows, sep="\n")


if __name__ == "__main__":
    main()
