"""The numbers of a comparison: what its report shows, and what `summary.json` has.

An arm is a strategy with a start, such as `margin+kmeans/kmeans`.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from hfal.comparison.results import Results, RunResult
from hfal.comparison.statistics import (
    Band,
    Interval,
    PairedTest,
    area_under_curve,
    common_points,
    confidence_band,
    confidence_interval,
    cost_to_reach,
    paired_difference,
    paired_test,
    read_off,
    share_saved,
)


SHARES_OF_FULL = (0.8, 0.9, 0.95)
"""Of the full-data score: what is to be reached."""


@dataclass(frozen=True)
class ScoreTarget:
    """A score to be reached: a share of the full-data score, or the last one of the baseline (`share` is `None`)."""

    score: float
    share: float | None = None


@dataclass(frozen=True)
class Reach:
    """The cost at which an arm reached a target.

    Attributes:
        target: The target.
        cost: Labels (or words) by which the mean curve reached it; infinite where it did not.
        at_first: Whether the first purchase reached it, so that fewer labels might have done.
        by_seed: The same of each seed's own curve, in the order of the arm's seeds.
        median: Their median, of an even number the higher of the two in the middle; infinite where half of them or
            more did not reach it.
        saved: The share of the baseline's labels that was not needed, by the mean curves; NaN where that is not known,
            as where the baseline's first purchase may have been more than it needed.
        saved_at_least: Whether more than `saved` may have been saved: the baseline did not reach the target with all
            it bought, or the arm reached it with its first purchase.
    """

    target: ScoreTarget
    cost: float
    at_first: bool
    by_seed: tuple[float, ...]
    median: float
    saved: float
    saved_at_least: bool


@dataclass(frozen=True)
class Cost:
    """What it took to buy so many labels, the mean over the seeds.

    Attributes:
        labels: Labels bought.
        words: Words of the texts that these are of.
        minutes: Of an annotator; `None` where no rate was given.
        money: The same at the hourly rate; `None` where none was given.
        training: Seconds of training.
        scoring: Seconds of scoring and picking, the last query not included.
    """

    labels: float
    words: float
    minutes: float | None
    money: float | None
    training: float
    scoring: float


@dataclass(frozen=True)
class Arm:
    """A strategy with a start: what its finished runs brought.

    Attributes:
        strategy: The query strategy.
        start: How its seed sets were picked.
        seeds: Those of the finished runs.
        curve: The mean learning curve with its band, at the points of the summary.
        areas: The normalized AULC of each seed.
        area: Their mean with its interval.
        last: The mean of the metric at the last point, with its interval.
        paired: How many seeds the baseline has, too.
        differences: The AULC minus that of the baseline's run with the same seed, for each of these seeds.
        difference: Their mean with its interval; `None` for the baseline, or where there are no pairs.
        reached: What it needed for each target.
        cost: What all of a run cost, as far as the points go.
        cost_to_last: What it cost to reach the baseline's last score; `None` where it did not.
    """

    strategy: str
    start: str
    seeds: tuple[int, ...]
    curve: Band
    areas: tuple[float, ...]
    area: Interval
    last: Interval
    paired: int
    differences: tuple[float, ...]
    difference: Interval | None
    reached: tuple[Reach, ...]
    cost: Cost
    cost_to_last: Cost | None

    @property
    def name(self) -> str:
        """Such as `margin+kmeans/kmeans`."""
        return f"{self.strategy}/{self.start}"


@dataclass(frozen=True)
class Summary:
    """The numbers of a comparison.

    Attributes:
        metric: The metric's name.
        unit: What was bought: `"labels"` or `"words"`.
        points: float[P], what had been bought at the points of the curves.
        interpolated: Whether runs had not bought that, and their curves are read off between their purchases.
        arms: Those with finished runs, starts and strategies in the order in which they were given.
        baseline: The name of the arm that the others are compared with.
        targets: The scores to be reached.
        full: The metric of each run on all of the data.
        full_cost: What that cost.
        comparison: The name of the arm that was named in advance to be tested; `None` if none was.
        test: The test of it; `None` where there is none, or less than two pairs.
        unfinished: Runs that do not count, with their state and what there is to say of them.
    """

    metric: str
    unit: str
    points: tuple[float, ...]
    interpolated: bool
    arms: tuple[Arm, ...]
    baseline: str
    targets: tuple[ScoreTarget, ...]
    full: tuple[float, ...]
    full_cost: Cost | None
    comparison: str | None
    test: PairedTest | None
    unfinished: tuple[tuple[str, str, str], ...]

    def arm(self, name: str | None) -> Arm | None:
        """The arm of this name, if it has finished runs."""
        return next((arm for arm in self.arms if arm.name == name), None)

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON has it; what is not known, or infinite, is `null`."""
        of_arms = [{"name": arm.name, **asdict(arm)} for arm in self.arms]
        return dict(_plain_values({**asdict(self), "arms": of_arms}))


def summarize(results: Results) -> Summary:
    """The numbers of what has been finished."""
    options = results.options
    names = options.pairs
    runs = {name: found for name in names if (found := results.of(*name))}
    points = common_points([run.costs for of_arm in runs.values() for run in of_arm])
    full = tuple(run.values[-1] for run in results.full)
    curves = {name: np.array([read_off(points, r.costs, r.values) for r in of_arm]) for name, of_arm in runs.items()}
    if not len(points):
        curves = {}

    base_name = next((name for name in names if "/".join(name) == options.baseline), None)
    base = None if base_name is None else curves.get(base_name)
    base_runs = [] if base_name is None else runs.get(base_name, [])
    targets = [ScoreTarget(share * float(np.mean(full)), share) for share in SHARES_OF_FULL if full]
    if base is not None:
        targets.append(ScoreTarget(float(base.mean(axis=0)[-1])))

    arms = tuple(
        _arm(results, name, runs[name], curve, points, targets, base, base_runs) for name, curve in curves.items()
    )
    return Summary(
        metric=results.metric,
        unit=results.unit,
        points=tuple(points.tolist()),
        interpolated=any(tuple(r.costs[: len(points)]) != tuple(points) for of_arm in runs.values() for r in of_arm),
        arms=arms,
        baseline=options.baseline,
        targets=tuple(targets),
        full=full,
        full_cost=_cost(results, results.full, None) if full else None,
        comparison=options.comparison,
        test=_test(arms, options.comparison, options.baseline),
        unfinished=tuple((str(r.cell), r.state, r.note) for r in results.runs if r.state != "finished"),
    )


def _arm(
    results: Results,
    name: tuple[str, str],
    runs: Sequence[RunResult],
    curves: np.ndarray,
    points: np.ndarray,
    targets: Sequence[ScoreTarget],
    base: np.ndarray | None,
    base_runs: Sequence[RunResult],
) -> Arm:
    band = confidence_band(curves)
    areas = dict(zip([run.cell.seed for run in runs], _areas(points, curves), strict=True))
    pairs: list[int] = []
    differences: list[float] = []
    if base is not None and "/".join(name) != results.options.baseline:
        base_areas = dict(zip([run.cell.seed for run in base_runs], _areas(points, base), strict=True))
        pairs = [seed for seed in areas if seed in base_areas]
        differences = [areas[seed] - base_areas[seed] for seed in pairs]
    base_mean = None if base is None else base.mean(axis=0)
    reached = tuple(_reach(points, curves, target, base_mean) for target in targets)
    to_last = next((r.cost for r in reached if r.target.share is None), math.inf)
    return Arm(
        *name,
        seeds=tuple(areas),
        curve=band,
        areas=tuple(areas.values()),
        area=confidence_interval(list(areas.values())),
        last=confidence_interval(curves[:, -1]),
        paired=len(pairs),
        differences=tuple(differences),
        difference=paired_difference(differences, np.zeros(len(differences))) if differences else None,
        reached=reached,
        cost=_cost(results, runs, float(points[-1])),
        cost_to_last=_cost(results, runs, to_last) if math.isfinite(to_last) else None,
    )


def _areas(points: np.ndarray, curves: np.ndarray) -> list[float]:
    """The AULC of each seed; of a single point the value there."""
    if len(points) == 1:
        return [float(value) for value in curves[:, 0]]
    return [area_under_curve(points.tolist(), curve.tolist()) for curve in curves]


def _reach(points: np.ndarray, curves: np.ndarray, target: ScoreTarget, base: np.ndarray | None) -> Reach:
    costs = points.tolist()
    cost = cost_to_reach(costs, curves.mean(axis=0).tolist(), target.score)
    by_seed = tuple(cost_to_reach(costs, curve.tolist(), target.score) for curve in curves)
    of_base = math.inf if base is None else cost_to_reach(costs, base.tolist(), target.score)
    only_by_arm = base is not None and not math.isfinite(of_base)
    saved = math.nan if of_base == costs[0] else share_saved(cost, costs[-1] if only_by_arm else of_base)
    return Reach(
        target=target,
        cost=cost,
        at_first=cost == costs[0],
        by_seed=by_seed,
        median=float(np.quantile(by_seed, 0.5, method="higher")),
        saved=saved,
        saved_at_least=math.isfinite(saved) and (only_by_arm or cost == costs[0]),
    )


def _cost(results: Results, runs: Sequence[RunResult], until: float | None) -> Cost:
    """What it took to have bought `until`, or all that was bought.

    Seconds are, round by round, the median over the runs: one that was killed in the middle of a round and started
    again has the time between in its record.
    """
    labels, words, rounds = [], [], []
    for run in runs:
        cost = float(run.costs[-1]) if until is None else until
        labels.append(float(read_off(cost, run.costs, [r.labels for r in run.rounds])))
        words.append(float(read_off(cost, run.costs, [r.words for r in run.rounds])))
        rounds.append([r for r, before in zip(run.rounds, [0, *run.costs], strict=False) if before < cost])
    count = max(map(len, rounds))
    training = [np.median([run[i].training for run in rounds if i < len(run)]) for i in range(count)]
    scoring = [np.median([run[i].scoring for run in rounds if i < len(run)]) for i in range(count - 1)]
    minutes, money = _rates(results, float(np.mean(labels)), float(np.mean(words)))
    return Cost(
        float(np.mean(labels)), float(np.mean(words)), minutes, money, float(np.sum(training)), float(np.sum(scoring))
    )


def _rates(results: Results, labels: float, words: float) -> tuple[float | None, float | None]:
    """An annotator's minutes and what they cost. Where both rates are given, a label takes the sum of both."""
    options = results.options
    if options.seconds_per_label is None and options.seconds_per_word is None:
        return None, None
    seconds = labels * (options.seconds_per_label or 0) + words * (options.seconds_per_word or 0)
    return seconds / 60, None if options.hourly_rate is None else seconds / 3600 * options.hourly_rate


def _test(arms: Sequence[Arm], comparison: str | None, baseline: str) -> PairedTest | None:
    by_name = {arm.name: arm for arm in arms}
    if comparison not in by_name or baseline not in by_name or by_name[comparison].paired < 2:
        return None
    differences = by_name[comparison].differences
    return paired_test(differences, np.zeros(len(differences)))


def _plain_values(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return _plain_values(value._asdict())
    if isinstance(value, dict):
        return {key: _plain_values(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return _plain_values(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain_values(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
