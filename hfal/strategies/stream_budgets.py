"""Budget managers: which texts of a stream are asked, given their acquisition scores.

The texts of a pool are ranked; those of a stream arrive one by one, and each is asked or let go at once. A budget
manager decides that, so that a given share of what passes by is asked. It is a function

    decide(state, scores, draws, budget) -> (asked, thresholds, state)

with

- `state`: what the manager knows of the texts before, a mapping that JSON can hold; `{}` before the first text. The
  state that comes back goes with the next texts, and the one that was passed is left as it is.
- `scores`: acquisition scores in order of arrival, float[n], higher = ask first.
- `draws`: a random number for each text, float[n] in [0, 1). The decisions have no other source of chance.
- `budget`: the share of texts to ask, more than 0 and at most 1. It may change from call to call.
- `asked`: bool[n]. `thresholds`: float64[n], in the unit of the scores and finite, for people to look at.

Batches of any size give bit-identical decisions, also when the state was written to JSON and read back in between.

Every manager here holds a hard budget: at no time has it asked more than `budget * seen + slack` texts. With
`slack=math.inf` it does not, which leaves the managers of the papers as these define them. A user's own function of
this form works as well.
"""

import math
from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy.special import ndtri

from hfal.errors import ArgumentError
from hfal.strategies.registry import unknown_name


State = Mapping[str, Any]
Decisions = tuple[np.ndarray, np.ndarray, dict[str, Any]]
BudgetManager = Callable[[State, np.ndarray, np.ndarray, float], Decisions]

_LEAST_DRAW = 2.0**-54  # half of the smallest draw that is not zero, which has no normal quantile
_ROUNDING = 1e-6  # of float32 probabilities


@dataclass(frozen=True)
class _HardBudget:
    """Base of the managers: checks, counts, and the hard budget.

    A subclass has `_start`, which makes the memory of one call out of a state, and `_decide`, which decides on one
    text and updates that memory. Names in the memory that begin with an underscore are not kept in the state.
    """

    _: KW_ONLY
    slack: float = 10.0

    def __post_init__(self) -> None:
        if not self.slack > 0:
            raise ArgumentError(f"slack={self.slack!r}, expected a number of texts above 0")

    def __call__(self, state: State, scores: np.ndarray, draws: np.ndarray, budget: float) -> Decisions:
        """Decide on texts in order of arrival; see the module.

        Raises:
            ArgumentError: Scores are not finite, or not as many as the draws; a draw or the budget is out of range.
        """
        scores, draws = _check(scores, draws, budget)
        memory = {"seen": 0, "asked": 0, **self._start(state)}
        asked, thresholds = np.zeros(len(scores), dtype=bool), np.zeros(len(scores))
        for row, (score, draw) in enumerate(zip(scores.tolist(), draws.tolist(), strict=True)):
            left = memory["asked"] + 1 <= budget * (memory["seen"] + 1) + self.slack
            asked[row], thresholds[row] = self._decide(memory, score, draw, budget, left)
            memory["seen"] += 1
            memory["asked"] += int(asked[row])
        kept = {
            name: [*value] if isinstance(value, deque) else value
            for name, value in memory.items()
            if not name.startswith("_")
        }
        return asked, thresholds, kept

    def _start(self, state: State) -> dict[str, Any]:
        """Return the memory of one call, which may be changed."""
        return dict(state)

    def _decide(
        self, memory: dict[str, Any], score: float, draw: float, budget: float, left: bool
    ) -> tuple[bool, float]:
        """Return whether the text is asked, and the threshold; `left` says whether the hard budget allows it."""
        raise NotImplementedError


@dataclass(frozen=True)
class QuantileThreshold(_HardBudget):
    """Ask what scores among the highest of the last texts: the default, `"quantile"`.

    The threshold is the (1 - rate) quantile of the last `window` scores. The text's rank among these is its smoothed
    p-value (Vovk, Gammerman & Shafer, "Algorithmic Learning in a Random World", 2005), (higher scores + draw * (equal
    scores + 1)) / (window + 1), and it is asked if that is below the rate. For scores in random order this asks at
    exactly that rate from the first text on, whatever their distribution: equal scores are drawn from, and so are the
    first texts, which have nothing to be compared with (the very first one is asked with the probability of the rate).

    The rate is the budget times exp(deficit / slack), at most 1, where the deficit is the number of texts that the
    budget allows so far and that were not asked. So a stream whose scores fall, of which few texts reach the quantile
    of the last ones, is nevertheless asked about: with a budget of 5% all texts are taken once 30 are missing.

    Args:
        window: How many scores the text is compared with. 1,000 have 50 above the threshold of a budget of 5%, so that
            the rate is known to a seventh of its value, less than the deficit corrects; and a drift is followed within
            as many texts.
        slack: How many texts more than `budget * seen` may have been asked at any time.

    Raises:
        ArgumentError: A parameter is out of range.
    """

    _: KW_ONLY
    window: int = 1000

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_window(self.window)

    def _start(self, state: State) -> dict[str, Any]:
        last = deque(state.get("last", ()))
        return {**state, "last": last, "_ordered": sorted(last)}

    def _decide(
        self, memory: dict[str, Any], score: float, draw: float, budget: float, left: bool
    ) -> tuple[bool, float]:
        last, ordered = memory["last"], memory["_ordered"]
        deficit = budget * memory["seen"] - memory["asked"]
        rate = math.exp(min(0.0, math.log(budget) + deficit / self.slack))
        count = len(ordered)
        not_higher = bisect_right(ordered, score)
        equal = not_higher - bisect_left(ordered, score)
        asked = left and count - not_higher + draw * (equal + 1) < rate * (count + 1)
        threshold = ordered[max(count - 1 - int(rate * (count + 1)), 0)] if count else score

        last.append(score)
        insort(ordered, score)
        if len(last) > self.window:
            del ordered[bisect_left(ordered, last.popleft())]
        return asked, threshold


@dataclass(frozen=True)
class _RecentBudget(_HardBudget):
    """Base of the managers of Žliobaitė et al. (2014): they also estimate what was asked lately.

    The estimate is u = u * (window - 1) / window + asked, and nothing is asked while u / window reaches the budget.
    """

    _: KW_ONLY
    window: int = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_window(self.window)

    def _start(self, state: State) -> dict[str, Any]:
        return {"lately": 0.0, **state}

    def _decide(
        self, memory: dict[str, Any], score: float, draw: float, budget: float, left: bool
    ) -> tuple[bool, float]:
        left = left and memory["lately"] / self.window < budget
        asked, threshold = self._compare(memory, score, draw, left)
        memory["lately"] = memory["lately"] * ((self.window - 1) / self.window) + asked
        return asked, threshold

    def _compare(self, memory: dict[str, Any], score: float, draw: float, left: bool) -> tuple[bool, float]:
        """Return whether the text is asked, and the threshold; `left` says whether both budgets allow it."""
        raise NotImplementedError


@dataclass(frozen=True)
class FixedThreshold(_RecentBudget):
    """Ask what scores at least as high as a given number: `"fixed"`.

    Žliobaitė, Bifet, Pfahringer & Holmes, "Active Learning With Drifting Streaming Data" (TNNLS 2014), fixed
    uncertainty, with a threshold that the user gives. If many texts reach it, the first ones of them are asked, as
    long as the budget lasts; if few do, less than the budget is asked.

    Args:
        threshold: The lowest score that is asked, in the unit of the strategy.
        window: How many texts the estimate of what was asked lately looks back.
        slack: How many texts more than `budget * seen` may have been asked at any time.

    Raises:
        ArgumentError: A parameter is out of range.
    """

    threshold: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if not math.isfinite(self.threshold):
            raise ArgumentError(f"threshold={self.threshold!r}, expected a finite number, a score of the strategy")

    def _compare(self, memory: dict[str, Any], score: float, draw: float, left: bool) -> tuple[bool, float]:
        return left and score >= self.threshold, self.threshold


@dataclass(frozen=True)
class VariableUncertainty(_RecentBudget):
    """Ask below a bound of confidence that falls with each text asked and rises with each let go.

    Žliobaitė, Bifet, Pfahringer & Holmes, "Active Learning With Drifting Streaming Data" (TNNLS 2014): variable
    uncertainty, `"variable_uncertainty"`, and with `delta` uncertainty with randomization,
    `"random_variable_uncertainty"`. The confidence is one minus the score, so scores are to lie between 0 and 1, as
    those of margin and least confidence do. In the paper it is the probability of the likeliest class; the score is
    then least confidence.

    Args:
        start: The first bound of confidence, above 0.
        step: By which share the bound falls or rises, between 0 and 1.
        delta: The standard deviation of a normal variable with mean 1 that the bound is multiplied by for each text;
            the paper takes 1. With 0 nothing is drawn.
        window: How many texts the estimate of what was asked lately looks back.
        slack: How many texts more than `budget * seen` may have been asked at any time.

    Raises:
        ArgumentError: A parameter is out of range; when called, a score is below 0 or above 1.
    """

    _: KW_ONLY
    start: float = 1.0
    step: float = 0.01
    delta: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.start < math.inf:
            raise ArgumentError(f"start={self.start!r}, expected a finite number above 0")
        if not 0 < self.step < 1:
            raise ArgumentError(f"step={self.step!r}, expected a number between 0 and 1")
        if not 0 <= self.delta < math.inf:
            raise ArgumentError(f"delta={self.delta!r}, expected a standard deviation, or 0 for a bound without noise")

    def _start(self, state: State) -> dict[str, Any]:
        return {"bound": self.start, **super()._start(state)}

    def _compare(self, memory: dict[str, Any], score: float, draw: float, left: bool) -> tuple[bool, float]:
        if not -_ROUNDING <= score <= 1 + _ROUNDING:
            raise ArgumentError(
                f"score {score:.6g} cannot be made a confidence, expected one between 0 and 1: take the strategy "
                "'margin' or 'least_confidence', or another budget manager"
            )
        noise = 1 + self.delta * float(ndtri(max(draw, _LEAST_DRAW))) if self.delta else 1.0
        bound = memory["bound"] * noise
        asked = left and 1 - score < bound
        if left:
            memory["bound"] *= 1 - self.step if asked else 1 + self.step
        return asked, 1 - bound


@dataclass(frozen=True)
class BalancedQuantile(_HardBudget):
    """Ask above a quantile of the last scores that moves with what is left of the budget: `"balanced_quantile"`.

    Kottke, Krempl & Spiliopoulou, "Probabilistic Active Learning in Datastreams" (IDA 2015), the balanced incremental
    quantile filter. The threshold is the (1 - budget) quantile of the last `window` scores, this one included, less
    their range times the texts that the budget allows and that were not asked, over `tolerance`. It knows no draws:
    of equal scores it asks all, as far as the hard budget goes.

    Args:
        window: How many scores the quantile and the range are taken of.
        tolerance: In how many texts the budget is to be kept.
        slack: How many texts more than `budget * seen` may have been asked at any time.

    Raises:
        ArgumentError: A parameter is out of range.
    """

    _: KW_ONLY
    window: int = 100
    tolerance: float = 50.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_window(self.window)
        if not self.tolerance > 0:
            raise ArgumentError(f"tolerance={self.tolerance!r}, expected a number of texts above 0")

    def _start(self, state: State) -> dict[str, Any]:
        return {**state, "last": deque(state.get("last", ()), maxlen=self.window)}

    def _decide(
        self, memory: dict[str, Any], score: float, draw: float, budget: float, left: bool
    ) -> tuple[bool, float]:
        memory["last"].append(score)
        last = np.array(memory["last"])
        deficit = budget * (memory["seen"] + 1) - memory["asked"]
        threshold = float(np.quantile(last, 1 - budget) - (last.max() - last.min()) * (deficit / self.tolerance))
        return left and score >= threshold, threshold


MANAGERS: dict[str, Callable[..., BudgetManager]] = {
    "quantile": QuantileThreshold,
    "fixed": FixedThreshold,
    "variable_uncertainty": VariableUncertainty,
    "random_variable_uncertainty": partial(VariableUncertainty, delta=1.0),
    "balanced_quantile": BalancedQuantile,
}
"""What makes a budget manager of its parameters, by name."""


def resolve_budget_manager(manager: str | BudgetManager) -> BudgetManager:
    """Return the budget manager of a name with its default parameters, and a function as it is.

    Args:
        manager: One of `MANAGERS` but `"fixed"`, whose threshold nobody but the user knows; or a function of the
            module's form, such as `FixedThreshold(0.6)`.

    Raises:
        ArgumentError: The name is unknown, or `"fixed"`; or it is neither a name nor a function.
    """
    if not isinstance(manager, str):
        if not callable(manager):
            raise ArgumentError(
                f"manager={manager!r}, expected a name ({', '.join(MANAGERS)}) or a function of state, scores, draws "
                "and budget"
            )
        return manager
    if manager == "fixed":
        raise ArgumentError("manager='fixed' has no threshold: pass FixedThreshold(0.6), with the lowest score to ask")
    if manager not in MANAGERS:
        raise ArgumentError(unknown_name("budget manager", manager, list(MANAGERS)))
    return MANAGERS[manager]()


def _check(scores: np.ndarray, draws: np.ndarray, budget: float) -> tuple[np.ndarray, np.ndarray]:
    """Return scores and draws as float64[n].

    Raises:
        ArgumentError: See `_HardBudget.__call__`.
    """
    scores = np.asarray(scores, dtype=np.float64)
    draws = np.asarray(draws, dtype=np.float64)
    if scores.ndim != 1 or scores.shape != draws.shape:
        raise ArgumentError(f"scores{[*scores.shape]} and draws{[*draws.shape]}, expected one of each for a text")
    if not np.isfinite(scores).all():
        raise ArgumentError(f"score {scores[~np.isfinite(scores)][0]}, expected finite ones: the model has diverged")
    if not ((draws >= 0) & (draws < 1)).all():
        raise ArgumentError("draws outside of [0, 1), expected those of a generator's random()")
    if not 0 < budget <= 1:
        raise ArgumentError(f"budget={budget!r}, expected the share of texts to ask, such as 0.05")
    return scores, draws


def _check_window(window: int) -> None:
    """Check the length of a window.

    Raises:
        ArgumentError: It is no whole number above 0.
    """
    if not isinstance(window, int) or window < 1:
        raise ArgumentError(f"window={window!r}, expected a whole number of texts, 1 or more")
