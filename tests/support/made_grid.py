"""Result directories of comparisons with figures that one knows, in stores as runs leave them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from hfal.store.records import Answer, Queried, Query, RoundRecord
from hfal.store.run_info import Ended, RunInfo, RunPlan
from hfal.store.store import Store


BEGAN = datetime.fromisoformat("2026-01-02T03:04:05.000000+00:00")

# What tests/comparison/ works out by hand: metric of each round, with 10, 20, 30 and 40 labels, by seed.
RANDOM = {7: [0.50, 0.60, 0.70, 0.80], 8: [0.52, 0.58, 0.68, 0.82], 9: [0.48, 0.62, 0.72, 0.78]}
MARGIN = {7: [0.50, 0.70, 0.80, 0.86], 8: [0.52, 0.72, 0.80, 0.84], 9: [0.48, 0.74, 0.86, 0.88]}
OPTIONS = {
    "data": "reviews.csv",
    "strategies": ["random", "margin"],
    "starts": ["random"],
    "seeds": 3,
    "seed": 7,
    "comparison": "margin/random",
    "seconds_per_label": 6,
    "hourly_rate": 30,
}


def make_run(
    run_dir: Path,
    values: Sequence[float],
    costs: Sequence[int] = (10, 20, 30, 40),
    training: Sequence[float] | None = None,
    words: Sequence[int] | None = None,
    metric: str = "eval_accuracy",
    ended: bool = True,
    unfinished_rounds: int = 0,
    asked_by: str = "round",
) -> None:
    """A run of texts of three words, whose rounds train 10 seconds, if nothing else is said, and score 2.

    Args:
        run_dir: Its directory.
        values: The metric of each round.
        costs: Labels bought at each round.
        training: Seconds of training of each round.
        words: Words bought at each round, in token classification.
        metric: The metric's name.
        ended: Whether the run is over.
        unfinished_rounds: How many of the last rounds have begun, and no more.
        asked_by: The purpose of all queries but the first.
    """
    queries, answers, rounds = [], [], []
    time, bought = BEGAN, 0

    def now(seconds: float = 0) -> str:
        nonlocal time
        time += timedelta(seconds=seconds)
        return time.isoformat()

    for number, (cost, value) in enumerate(zip(costs, values, strict=False), start=1):
        examples = tuple(Queried(f"x{i}", "content", {"text": f"review {i} here"}) for i in range(bought, cost))
        purpose, strategy = ("seed", "random") if number == 1 else (asked_by, "margin")
        queries.append(
            Query(number - 1, purpose, strategy, 1, examples, versions={"hfal": "0.1.0"}, number=number, time=now())
        )
        label: Any = ["O", "O", "O"] if words else "good"
        for example in examples:
            answer = Answer(example.example_id, label, "label", "simulated", number, now(), len(answers) + 1)
            answers.append((answer, "content", example.texts))
        bought = cost
        seconds = 10 if training is None else training[number - 1]
        started, trained = now(5), now(seconds)  # 5 seconds that are neither training nor scoring
        of_words = None if words is None else words[number - 1]
        over = number <= len(values) - unfinished_rounds
        metrics = {metric: value, "eval_loss": 0.5} if over else None
        finished = (time + timedelta(seconds=3)).isoformat() if over else None  # after the query
        rounds.append(RoundRecord(number, 1, len(answers), cost, cost, started, trained, metrics, finished, of_words))
        time += timedelta(seconds=2)  # of scoring, at the end of which stands the next query
    store = Store(run_dir)
    info = RunInfo(
        "token_classification" if words else "text_classification", label_names=("O",) if words else ("good", "bad")
    )
    store.restore(info, queries, rounds, answers)
    store.set_plan(RunPlan(pool_size=500))
    store.set_ended(Ended("the rounds were made", len(answers)) if ended else None)
    store.close()


def write_options(out: Path, options: dict[str, Any]) -> None:
    """Write `compare.yaml`."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "compare.yaml").write_text(yaml.safe_dump(options))


def make_grid(out: Path) -> Path:
    """A finished comparison of margin with random, three seeds each, and one run on all of the data."""
    write_options(out, OPTIONS)
    for strategy, runs in {"random": RANDOM, "margin": MARGIN}.items():
        for seed, values in runs.items():
            # One was killed in its second round, and started again after a quarter of an hour.
            training = [10, 900, 10, 10] if (strategy, seed) == ("margin", 8) else None
            make_run(out / "runs" / strategy / "random" / f"seed-{seed}", values, training=training)
    make_run(out / "runs" / "full" / "seed-7", [0.90], costs=[500], training=[60])
    return out
