"""The stopping table: where each criterion would have ended finished runs, and at what cost."""

import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from hfal.stopping.criteria import (
    Change,
    Criterion,
    FChange,
    Kappa,
    Plateau,
    Uncertainty,
    is_loss,
    metric_of,
    metric_value,
    replay,
)
from hfal.store.learning_curve import bought, metric_names
from hfal.store.records import RoundRecord
from hfal.store.store import Store


@dataclass(frozen=True)
class StoppingRow:
    """The outcome of one stopping criterion, on average over some runs.

    Where it would not have ended a run, that counts with its last round.

    Attributes:
        criterion: As an expression.
        runs: How many runs there are.
        stopped: How many of them it would have ended before their last round, or at it.
        labels: The mean of what had been bought, in labels, or in words where words are tagged.
        metric: The mean of the metric.
        from_last: The mean difference to the metric of the run's last round: negative where stopping cost something.
        from_best: The mean difference to the best metric that the run ever had; of a loss, to the lowest.
        saved: The mean share of what the run bought by its last round that would not have been bought.
    """

    criterion: str
    runs: int
    stopped: int
    labels: float
    metric: float
    from_last: float
    from_best: float
    saved: float


def usual_criteria(metric: str) -> list[Criterion]:
    """The criteria as they are without arguments, and two ways to join the most usual of them.

    Args:
        metric: What `plateau` looks at.
    """
    kappa, plateau = Kappa(), Plateau(metric)
    return [plateau, kappa, Change(), FChange(), Uncertainty(), kappa | plateau, kappa & plateau]


def stopping_table(
    run_dirs: Iterable[str | os.PathLike[str]], metric: str, criteria: Iterable[Criterion] | None = None
) -> list[StoppingRow]:
    """The rows for some run directories; see `stopping_rows`. Reads beside processes that may be working there.

    Args:
        run_dirs: Run directories.
        metric: Which metric to show, with or without `eval_`.
        criteria: `usual_criteria` by default.

    Raises:
        RunDirectoryError: There is no run in one of them.
        ArgumentError: A run has no such metric.
    """
    histories = []
    for run_dir in run_dirs:
        store = Store(run_dir, read_only=True)
        try:
            histories.append(store.rounds())
        finally:
            store.close()
    return stopping_rows(histories, metric, usual_criteria(metric) if criteria is None else criteria)


def stopping_rows(
    histories: Iterable[Sequence[RoundRecord]], metric: str, criteria: Iterable[Criterion]
) -> list[StoppingRow]:
    """Return the outcome of each criterion on some runs.

    Args:
        histories: The rounds of each run, first to last. Rounds that are not finished are left out, and runs that
            have no other.
        metric: Which metric to show, with or without `eval_`.
        criteria: The criteria.

    Returns:
        A row for each criterion; none for one that reads what no run has recorded, and none at all without runs.

    Raises:
        ArgumentError: A run has no such metric.
    """
    finished = [[record for record in history if record.finished is not None] for history in histories]
    runs = [history for history in finished if history]
    for history in runs:
        metric_value(dict.fromkeys(metric_names(history), 0.0), metric, "metric")
    recorded = any(record.stability for history in runs for record in history)
    criteria = [criterion for criterion in criteria if recorded or not criterion.needs_stability]
    ends = zip(*(replay(criteria, history) for history in runs), strict=True)  # by criterion; nothing without runs
    return [_row(criterion, runs, of_runs, metric) for criterion, of_runs in zip(criteria, ends, strict=False)]


def _row(
    criterion: Criterion, runs: Sequence[Sequence[RoundRecord]], ends: Sequence[int | None], metric: str
) -> StoppingRow:
    there, last, best, cost, in_all = [], [], [], [], []
    for history, end in zip(runs, ends, strict=True):
        record = next((record for record in history if record.number == end), history[-1])
        values = [metric_of(r, metric) for r in history]
        known = [value for value in values if not math.isnan(value)]
        there.append(metric_of(record, metric))
        last.append(values[-1])
        best.append((min if is_loss(metric) else max)(known, default=math.nan))
        cost.append(bought(record))
        in_all.append(bought(history[-1]))  # nothing, where all labels came with the data
    return StoppingRow(
        criterion=str(criterion),
        runs=len(runs),
        stopped=sum(end is not None for end in ends),
        labels=float(np.mean(cost)),
        metric=float(np.mean(there)),
        from_last=float(np.mean(np.subtract(there, last))),
        from_best=float(np.mean(np.subtract(there, best))),
        saved=float(np.mean(np.subtract(in_all, cost) / np.maximum(in_all, 1))),
    )
