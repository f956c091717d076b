"""The statistics of a comparison: pure functions of arrays.

Every interval and the test are Student's, on a mean over seeds. They say what to expect of another seed on the same
pool and the same held-out data; they say nothing of other data.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hfal.errors import ArgumentError


LEVEL = 0.95
"""Of every confidence interval and band."""


class Interval(NamedTuple):
    """A mean with its confidence interval; `low` and `high` are NaN where one value says nothing of the spread."""

    mean: float
    low: float
    high: float


class Band(NamedTuple):
    """A mean curve with its confidence band, each float[P], as `Interval` has it point by point."""

    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


class PairedTest(NamedTuple):
    """The mean of paired differences with its interval, and what Student's paired test says of it.

    Attributes:
        difference: Mean of `a - b` with its interval.
        t: Mean by its standard error; NaN where the differences do not vary.
        p: Two-sided p-value; NaN where `t` is.
        pairs: How many pairs.
    """

    difference: Interval
    t: float
    p: float
    pairs: int


def confidence_band(values: ArrayLike) -> Band:
    """The mean of several curves, and point by point Student's 95% interval of this mean.

    The half width is `t(0.975, S - 1) * s / sqrt(S)`, with the standard deviation `s` of the S seeds (divided by
    S - 1). It holds at each point by itself, not for all of the curve at once; it is not cut off at 0 or 1.

    Args:
        values: float[S, P], the metric of each seed at each point; S is at least one. With one seed there is no
            band: its bounds are NaN.
    """
    array = np.asarray(values, np.float64)
    if array.ndim != 2 or not len(array):
        raise ArgumentError(f"values has the shape {array.shape}: expected one row for each seed, at least one")
    mean = array.mean(axis=0)
    if len(array) == 1:
        nothing = np.full_like(mean, np.nan)
        return Band(mean, nothing, nothing)
    half = _quantile(len(array)) * array.std(axis=0, ddof=1) / np.sqrt(len(array))
    return Band(mean, mean - half, mean + half)


def confidence_interval(values: ArrayLike) -> Interval:
    """The mean of some numbers, and Student's 95% interval of this mean, as in `confidence_band`.

    Args:
        values: float[S], at least one.
    """
    band = confidence_band(np.asarray(values, np.float64).reshape(-1, 1))
    return Interval(float(band.mean[0]), float(band.low[0]), float(band.high[0]))


def paired_difference(a: ArrayLike, b: ArrayLike) -> Interval:
    """The mean of `a - b` over pairs, with its 95% interval.

    Args:
        a: float[S], a number for each seed.
        b: float[S], of the same seeds in the same order.
    """
    first, second = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if first.shape != second.shape or first.ndim != 1 or not len(first):
        raise ArgumentError(
            f"a has the shape {first.shape}, b {second.shape}: expected one number of each seed in both"
        )
    return confidence_interval(first - second)


def paired_test(a: ArrayLike, b: ArrayLike) -> PairedTest:
    """Student's paired test of whether the mean of `a - b` is 0, two-sided.

    Why this and not Wilcoxon's signed-rank test, which Demšar (JMLR 2006) recommends for one score on each of several
    data sets: here the pairs are seeds on one data set. With five pairs the signed-rank test cannot have a p-value
    below 2/32, whatever the differences. An AULC is itself a mean over a curve, so that its differences are closer to
    normal than single scores are. And the test agrees with the interval that is shown: p is below 0.05 where the 95%
    interval leaves out 0, and nowhere else.

    Args:
        a: float[S], a number for each seed; S is at least two.
        b: float[S], of the same seeds in the same order.
    """
    from scipy.stats import t as student

    difference = paired_difference(a, b)
    differences = np.asarray(a, np.float64) - np.asarray(b, np.float64)
    pairs = len(differences)
    if pairs < 2:
        raise ArgumentError(f"a and b have {pairs} pair: expected two or more for a test")
    error = differences.std(ddof=1) / np.sqrt(pairs)
    if error < 1e-12:  # all the same, but for rounding
        return PairedTest(difference, np.nan, np.nan, pairs)
    t = difference.mean / error
    return PairedTest(difference, float(t), float(2 * student.sf(abs(t), pairs - 1)), pairs)


def _quantile(count: int) -> float:
    from scipy.stats import t as student

    return float(student.ppf((1 + LEVEL) / 2, count - 1))


# -- curves --------------------------------------------------------------------------------------------------------


def common_points(costs: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    """The points at which curves can be compared.

    Where all curves begin with the same purchases, these are the points, as far as the shortest goes. Else (queries
    that are counted in words end with a whole sentence) they are evenly spaced between the last of the beginnings and
    the first of the ends, as many as the shortest curve has.

    Args:
        costs: What each curve had bought at its points, increasing.

    Returns:
        float[P]; empty where the curves have no stretch in common.
    """
    if not costs:
        return np.empty(0)
    count = min(map(len, costs))
    begun = {tuple(of_curve[:count]) for of_curve in costs}
    if len(begun) == 1:
        return np.array(begun.pop(), np.float64)
    first, last = max(of_curve[0] for of_curve in costs), min(of_curve[-1] for of_curve in costs)
    return np.linspace(first, last, count) if first < last and count > 1 else np.empty(0)


def read_off(points: ArrayLike, costs: ArrayLike, values: ArrayLike) -> NDArray[np.float64]:
    """A learning curve at other points, straight lines between its own.

    Args:
        points: float[P], between the first and the last of `costs`.
        costs: float[R], increasing.
        values: float[R], the metric there.
    """
    return np.interp(np.asarray(points, np.float64), np.asarray(costs, np.float64), np.asarray(values, np.float64))


def reached(values: Sequence[float], target: float) -> int | None:
    """Which purchase was the first to reach a target and to hold it.

    That is the first one at which the curve is at the target or above, and is so at the next purchase, too: a curve
    that touches the target once, by luck, and falls below it again has not reached it. Of the last purchase, which
    has no next one, it is asked to be there.

    By what the baseline needs, this is the data utilization ratio of Melville and Mooney (ICML 2004), who read it off
    at the first touch and take the baseline's mean over its last purchases for a target. To ask for a second purchase
    favors nobody, and spares the luckiest point of a noisy curve.

    Args:
        values: float[P], the metric at each purchase.
        target: What is to be reached.

    Returns:
        The purchase's place, 0 for the first; `None` where the target is not reached.
    """
    # A mean of equal scores may come out a rounding error below the score.
    there = np.asarray(values, np.float64) >= target - 1e-9
    held = there & np.append(there[1:], True)
    return int(held.argmax()) if held.any() else None


def cost_to_reach(costs: Sequence[float], values: Sequence[float], target: float) -> float:
    """What had been bought when a target was reached, as `reached` defines it; infinite where it was not.

    Nothing is interpolated: labels are bought a query at a time. Where the first purchase reaches the target, fewer
    might have done.

    Args:
        costs: float[P], bought at each purchase.
        values: float[P], the metric there.
        target: What is to be reached.
    """
    place = reached(values, target)
    return np.inf if place is None else float(costs[place])


def share_saved(needed: float, needed_by_baseline: float) -> float:
    """The share of the baseline's labels that were not needed: 1 - needed / needed by the baseline.

    Negative where more were needed; NaN where either did not reach the target (infinite).
    """
    if not np.isfinite(needed) or not np.isfinite(needed_by_baseline):
        return np.nan
    return 1 - needed / needed_by_baseline


def standard_error_of_share(share: float, count: int) -> float:
    """The standard error of a share, such as an accuracy, that was counted on `count` random examples.

    `sqrt(share * (1 - share) / count)`, that of a binomial.
    """
    if count < 1 or not 0 <= share <= 1:
        raise ArgumentError(f"share={share} of count={count}: expected a share from 0 to 1, of at least one")
    return float(np.sqrt(share * (1 - share) / count))


def area_under_curve(costs: Sequence[float], values: Sequence[float]) -> float:
    """The area under a learning curve (AULC) by the trapezoidal rule, divided by the width of what it covers.

    It is the mean of the metric over what was bought, between the first point and the last.

    Args:
        costs: Labels or words bought at each point, increasing; at least two.
        values: The metric there.
    """
    if len(costs) != len(values) or len(costs) < 2 or any(b <= a for a, b in pairwise(costs)):
        raise ArgumentError(
            f"costs={list(costs)}: expected two or more, increasing, one for each of {len(values)} values"
        )
    pieces = ((b - a) * (v + w) / 2 for (a, b), (v, w) in zip(pairwise(costs), pairwise(values), strict=True))
    return sum(pieces) / (costs[-1] - costs[0])
