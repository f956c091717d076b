"""Read the results of a comparison so far, beside processes that may be working on it."""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from hfal.comparison.facts import kept_facts
from hfal.comparison.options import CompareOptions
from hfal.comparison.plan import DATA_DIR, FULL, Cell, failures, grid
from hfal.config.yaml_file import load_yaml
from hfal.errors import ArgumentError, RunDirectoryError
from hfal.stopping.criteria import is_loss
from hfal.store.learning_curve import bought
from hfal.store.records import DATASET, HEAD, RoundRecord, seconds_between
from hfal.store.run_directory import COMPARE_NAME, has_comparison, has_run
from hfal.store.store import Store
from hfal.tasks.kinds import kind_of
from hfal.tasks.words import words_of


@dataclass(frozen=True)
class RoundResult:
    """A finished round of a run.

    Attributes:
        number: 1 for the round that trains on the seed set.
        cost: What had been bought, as the learning curve counts it: labels, or words where words are tagged.
        labels: Labels bought by then.
        words: Words of the texts that these are of.
        value: The metric on the held-out data.
        training: Seconds from its beginning until its model was saved.
        scoring: Seconds from then until its query was recorded: scoring the unlabeled texts and picking some. 0 for
            the last round, which queries nothing.
    """

    number: int
    cost: int
    labels: int
    words: int
    value: float
    training: float
    scoring: float


@dataclass(frozen=True)
class RunResult:
    """One run of the grid, as far as it is.

    Attributes:
        cell: Which one.
        state: `"finished"`, `"failed"`, `"in progress"` or `"not started"`. Only finished runs count.
        note: What there is to say of a run that is not finished.
        rounds: The finished rounds; empty unless the run is finished.
        began: When its first round began, UTC in ISO 8601; `None` unless it is finished.
        ended: When its last round ended.
    """

    cell: Cell
    state: str
    note: str = ""
    rounds: tuple[RoundResult, ...] = ()
    began: str | None = None
    ended: str | None = None

    @property
    def costs(self) -> list[int]:
        """What had been bought at each round."""
        return [r.cost for r in self.rounds]

    @property
    def values(self) -> list[float]:
        """The metric of each round."""
        return [r.value for r in self.rounds]


@dataclass(frozen=True)
class Results:
    """A result directory.

    Attributes:
        options: What was compared.
        settings: All options that were given, by name.
        metric: The metric's name, without `eval_`.
        unit: What the learning curves count: `"labels"` or `"words"`.
        runs: Every run of the grid, those on all of the data too.
        pool_size: Examples in the pool; `None` where no run has begun.
        held_out_size: Examples that the runs are evaluated on; `None` where that is not known.
        versions: The packages that made the first query, by name.
        began: When its first round began; `None` where none has.
        ended: When its last round ended.
        facts: How it was started, as `hfal.comparison.facts` has kept it.
    """

    options: CompareOptions
    settings: dict[str, Any]
    metric: str
    unit: str
    runs: tuple[RunResult, ...]
    pool_size: int | None
    held_out_size: int | None
    versions: dict[str, str]
    began: str | None
    ended: str | None
    facts: dict[str, Any]

    def of(self, strategy: str, start: str | None) -> list[RunResult]:
        """The finished runs of a strategy with a start, by seed."""
        runs = [r for r in self.runs if (r.cell.strategy, r.cell.start) == (strategy, start) and r.state == "finished"]
        return sorted(runs, key=lambda run: run.cell.seed)

    @property
    def seeds(self) -> range:
        """The seeds of each arm, finished or not."""
        first = _first_seed(self.settings)
        return range(first, first + self.options.seeds)

    @property
    def full(self) -> list[RunResult]:
        """The finished runs that were trained on the whole pool, by seed."""
        return self.of(FULL, None)


def _first_seed(settings: Mapping[str, Any]) -> int:
    return int(settings.get("seed", 42))


def read_results(out: str | os.PathLike[str]) -> Results:
    """Read a result directory, be the comparison finished or not.

    Raises:
        RunDirectoryError: There is no comparison in `out`.
        ArgumentError: Less of the metric is better.
    """
    out = Path(out)
    options, settings = read_options(out)
    cells = grid(options, _first_seed(settings))
    failed = failures(out, cells)
    setup = _setup([cell.run_dir(out) for cell in cells])
    kind = kind_of(setup.get("task") or settings.get("task"))
    metric = (options.metric or kind.usual_metric).removeprefix("eval_")
    if is_loss(metric):
        raise ArgumentError(f"metric={metric!r}: expected one of which more is better; less of a loss is better")
    runs = tuple(_read_run(cell, cell.run_dir(out), metric, failed.get(cell)) for cell in cells)
    return Results(
        options=options,
        settings=settings,
        metric=metric,
        unit="words" if kind.of_words else "labels",
        runs=runs,
        pool_size=setup.get("pool_size"),
        held_out_size=_held_out_size(out),
        versions=setup.get("versions", {}),
        began=min((run.began for run in runs if run.began), default=None),
        ended=max((run.ended for run in runs if run.ended), default=None),
        facts=kept_facts(out),
    )


def read_options(out: Path) -> tuple[CompareOptions, dict[str, Any]]:
    """Read the options of a comparison from its result directory, and all that were given, by name.

    Raises:
        RunDirectoryError: There is no comparison in `out`.
    """
    if not has_comparison(out):
        raise RunDirectoryError(f"no comparison in {out.absolute()}: there is no {COMPARE_NAME}; is the path right?")
    settings = load_yaml(out / COMPARE_NAME) or {}
    if not isinstance(settings, dict):
        raise ArgumentError(f"{out / COMPARE_NAME} has no options and their values: put back what was there")
    names = {f.name for f in fields(CompareOptions)}
    given = {name: value for name, value in settings.items() if name in names}
    for name in ("strategies", "starts"):
        if isinstance(given.get(name), str):
            given[name] = [item.strip() for item in given[name].split(",")]
    return CompareOptions(**given), settings


def _held_out_size(out: Path) -> int | None:
    if not (out / DATA_DIR).is_dir():
        return None
    import datasets

    return len(datasets.load_from_disk(str(out / DATA_DIR))["test"])


def _setup(run_dirs: Sequence[Path]) -> dict[str, Any]:
    """Task, pool and packages, which are the same for all runs: those of the first that has begun."""
    for run_dir in run_dirs:
        try:
            store = Store(run_dir, read_only=True)
        except RunDirectoryError:
            continue
        try:
            if (plan := store.plan) is not None:
                versions = next((dict(query.versions) for query in store.queries()), {})
                return {"task": store.kind.task, "pool_size": plan.pool_size, "versions": versions}
        finally:
            store.close()
    return {}


# -- one run -------------------------------------------------------------------------------------------------------


def _read_run(cell: Cell, run_dir: Path, metric: str, failure: str | None) -> RunResult:
    if not has_run(run_dir):
        return RunResult(cell, "failed" if failure else "not started", failure or "")
    try:
        store = Store(run_dir, read_only=True)
    except RunDirectoryError as error:
        return RunResult(cell, "failed", failure or str(error))
    try:
        with store.snapshot():
            records = [record for record in store.rounds() if record.finished is not None]
            if store.ended is None:
                done = f"{len(records)} round{'' if len(records) == 1 else 's'} done"
                return RunResult(cell, "failed", failure) if failure else RunResult(cell, "in progress", done)
            problem = _problem(records, metric)
            if problem:
                return RunResult(cell, "failed", problem)
            rounds = _rounds(store, records, metric)
            return RunResult(cell, "finished", "", rounds, records[0].started, records[-1].finished)
    finally:
        store.close()


def _problem(records: Sequence[RoundRecord], metric: str) -> str | None:
    """Why a run that has ended says nothing."""
    for record in records:
        metrics = record.metrics or {}
        value = metrics.get(f"eval_{metric}")
        if value is None:
            there = ", ".join(name.removeprefix("eval_") for name in metrics) or "none"
            return f"round {record.number} has no metric {metric!r}; it has: {there}"
        if not math.isfinite(value):
            return f"{metric} of round {record.number} is {value}"
    return None if records else "it ended without a round"


def _rounds(store: Store, records: Sequence[RoundRecord], metric: str) -> tuple[RoundResult, ...]:
    queries = store.queries()
    words = {e.example_id: sum(len(words_of(t)) for t in e.texts.values()) for q in queries for e in q.examples}
    asked = {query.round: query.time for query in queries if query.purpose in ("round", HEAD)}
    results = []
    for record in records:
        answers = store.current_answers(record.answers_seen)
        labeled = [i for i, a in answers.items() if a.label is not None and a.annotator != DATASET]
        trained = record.trained or record.finished
        assert trained is not None
        results.append(
            RoundResult(
                number=record.number,
                cost=bought(record),
                labels=record.labels,
                words=sum(words.get(example_id, 0) for example_id in labeled),
                value=float((record.metrics or {})[f"eval_{metric}"]),
                training=seconds_between(record.started, trained),
                scoring=seconds_between(trained, asked.get(record.number) or trained),
            )
        )
    return tuple(results)
