"""Budget managers of streams: like scikit-activeml's, the same in any batches, and never over the budget."""

import json
import math
from functools import partial
from statistics import NormalDist

import numpy as np
import pytest

from hfal.errors import ArgumentError
from hfal.strategies.stream_budgets import (
    MANAGERS,
    BalancedQuantile,
    FixedThreshold,
    QuantileThreshold,
    VariableUncertainty,
    resolve_budget_manager,
)


SIZE = 20_000
BUDGETS = (0.01, 0.05, 0.2)


def kinds_of_scores(size: int) -> dict[str, np.ndarray]:
    """Scores between 0 and 1: constant in distribution, with ties, with outliers, and drifting."""
    rng = np.random.default_rng(5)
    time, noise = np.arange(size) / size, rng.random(size)
    return {
        "uniform": noise,
        "outliers": 1 / (1 + np.abs(rng.standard_cauchy(size)) ** -2),
        "two values": (noise < 0.5) * 0.7,
        "rare": (noise < 0.02) * 1.0,
        "constant": np.full(size, 0.3),
        "rising": time,
        "falling": 1 - time,
        "rising with noise": 0.8 * time + 0.2 * noise,
        "falling with noise": 0.8 * (1 - time) + 0.2 * noise,
        "steps": np.repeat([0.5, 0.1, 0.9, 0.2, 0.0], size // 5) + 0.1 * noise,
    }


KINDS = [*kinds_of_scores(10)]
CONFIGURED = {name: make(0.6) if name == "fixed" else make() for name, make in MANAGERS.items()}


@pytest.mark.parametrize("name", CONFIGURED)
def test_batches_of_any_size_and_a_state_read_back_decide_bit_identically(name):
    decide, rng = CONFIGURED[name], np.random.default_rng(0)
    if name == "quantile":
        decide = QuantileThreshold(window=150)  # a state of 1,000 numbers takes JSON its time
    scores = np.concatenate([*(one[:150] for one in kinds_of_scores(2_000).values())])
    scores[::50] = -0.0
    draws = rng.random(len(scores))
    draws[7] = 0.0
    asked, thresholds, end = decide({}, scores, draws, 0.1)
    assert 0 < asked.sum() < len(scores)
    assert np.isfinite(thresholds).all()
    for largest in (1, 7, 900):
        state, found, begin = {}, [], 0
        while begin < len(scores):
            part = slice(begin, begin + int(rng.integers(0, largest + 1)) + (largest == 1))
            before = json.dumps(state, allow_nan=False)
            *decisions, after = decide(state, scores[part], draws[part], 0.1)
            assert json.dumps(state) == before  # which is not changed
            state = json.loads(json.dumps(after, allow_nan=False))
            found.append(decisions)
            begin = min(part.stop, len(scores))
        assert np.array_equal(np.concatenate([one for one, _ in found]), asked)
        assert np.concatenate([one for _, one in found]).tobytes() == thresholds.tobytes()
        assert json.dumps(state) == json.dumps(end)


def most_over(asked: np.ndarray, budget: float) -> float:
    return round((np.cumsum(asked) - budget * np.arange(1, len(asked) + 1)).max(), 6)


@pytest.mark.parametrize("kind", KINDS)
def test_the_share_is_within_half_a_point_of_the_budget_and_never_over_it(kind):
    scores, draws = kinds_of_scores(SIZE)[kind], np.random.default_rng(1).random(SIZE)
    for budget in BUDGETS:
        asked, _, state = QuantileThreshold()({}, scores, draws, budget)
        assert abs(asked.mean() - budget) < 0.005, budget
        assert (state["seen"], state["asked"], len(state["last"])) == (SIZE, asked.sum(), 1000)
        assert most_over(asked, budget) <= 10
    for name, decide in CONFIGURED.items():
        assert most_over(decide({}, scores[:3000], draws[:3000], 0.05)[0], 0.05) <= 10, name


def test_quantile_asks_by_the_smoothed_rank_among_the_last_scores():
    rng, window, slack, budget = np.random.default_rng(2), 40, 4.0, 0.1
    scores = np.concatenate([rng.random(600), rng.integers(0, 3, 600) / 2, np.full(300, 0.1)])
    draws = rng.random(len(scores))
    asked, thresholds, _ = QuantileThreshold(window=window, slack=slack)({}, scores, draws, budget)
    expected: list[bool] = []
    for row, score in enumerate(scores):
        last = scores[max(0, row - window) : row]
        rank = (last > score).sum() + draws[row] * ((last == score).sum() + 1)
        rate = min(1, budget * np.exp((budget * row - sum(expected)) / slack))
        left = sum(expected) + 1 <= budget * (row + 1) + slack
        expected.append(bool(left and rank / (len(last) + 1) < rate))
        if len(last):
            never_asked = (
                last.max() if rate * (len(last) + 1) < 1 else np.sort(last)[-int(rate * (len(last) + 1)) - 1 :][0]
            )
            assert thresholds[row] == never_asked, row
            assert not asked[row] or score >= thresholds[row] or rate == 1
    assert asked.tolist() == expected


def test_quantile_asks_the_highest_scores_and_draws_the_first_texts():
    rng = np.random.default_rng(3)
    scores = rng.normal(size=SIZE)
    asked = QuantileThreshold()({}, scores, rng.random(SIZE), 0.05)[0]
    ideal = np.sort(scores)[-asked.sum() :].mean()
    assert scores[asked].mean() > ideal - 0.1  # which is 2.06, and what is asked at random has 0
    firsts = [QuantileThreshold()({}, rng.random(5), rng.random(5), 0.05)[0] for _ in range(2_000)]
    assert np.allclose(np.mean(firsts, axis=0), 0.05, atol=0.02)  # at each place; four standard errors


class Injected(np.random.RandomState):
    """The generator of scikit-activeml's manager, which gets its normal variable from the test."""

    draw = 0.0

    def __deepcopy__(self, memory):
        return self  # which would be a RandomState

    def normal(self, mean, deviation):
        return NormalDist(mean, deviation).inv_cdf(self.draw)


def assert_like_scikit_activeml(scores: np.ndarray, budget: float) -> None:
    """The decisions of its managers on the same scores, with the same draws, and without the hard budget."""
    from skactiveml.stream import budgetmanager as theirs  # which takes seconds

    draws, classes, unlimited = np.random.default_rng(4).random(len(scores)), [0, 1, 2], math.inf
    bound = 1 / 3 + budget * (1 - 1 / 3)  # of the confidence, as they make it of the budget
    for decide, manager in [
        (FixedThreshold(1 - bound, slack=unlimited), theirs.FixedUncertaintyBudgetManager(classes, budget=budget)),
        (VariableUncertainty(slack=unlimited), theirs.VariableUncertaintyBudgetManager(budget=budget)),
        (
            VariableUncertainty(start=0.4, step=0.05, window=30, slack=unlimited),
            theirs.VariableUncertaintyBudgetManager(theta=0.4, s=0.05, w=30, budget=budget),
        ),
        (BalancedQuantile(slack=unlimited), theirs.BalancedIncrementalQuantileFilter(budget=budget)),
        (
            BalancedQuantile(window=37, tolerance=200, slack=unlimited),
            theirs.BalancedIncrementalQuantileFilter(w=37, w_tol=200, budget=budget),
        ),
    ]:
        asked = decide({}, scores, draws, budget)[0]
        assert np.flatnonzero(asked).tolist() == manager.query_by_utility(scores), decide

    asked = VariableUncertainty(delta=0.3, slack=unlimited)({}, scores, draws, budget)[0]
    manager = theirs.RandomVariableUncertaintyBudgetManager(delta=0.3, random_state=Injected(0), budget=budget)
    found = []
    for score, draw in zip(scores, draws, strict=True):
        Injected.draw = draw
        queried = manager.query_by_utility(np.array([score]))
        manager.update([[0]], queried)
        found.append(queried == [0])
    assert asked.tolist() == found


@pytest.mark.parametrize("budget", BUDGETS)
def test_decisions_are_those_of_scikit_activeml(budget):
    scores = np.random.default_rng(6).permutation([*kinds_of_scores(1_000).values()])  # drift after drift
    assert_like_scikit_activeml(scores[:, :100].ravel(), budget)


@pytest.mark.slow
@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("kind", KINDS)
def test_thousands_of_decisions_are_those_of_scikit_activeml(kind, budget):
    assert_like_scikit_activeml(kinds_of_scores(5_000)[kind], budget)


def test_managers_have_names():
    assert resolve_budget_manager("quantile") == QuantileThreshold()
    assert resolve_budget_manager("random_variable_uncertainty") == VariableUncertainty(delta=1.0)
    assert resolve_budget_manager(FixedThreshold(0.6)) == FixedThreshold(0.6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (partial(resolve_budget_manager, "quantil"), "unknown budget manager 'quantil'. Did you mean 'quantile'"),
        (partial(resolve_budget_manager, "fixed"), r"has no threshold: pass FixedThreshold\(0.6\)"),
        (partial(resolve_budget_manager, 0.5), r"manager=0.5, expected a name \(quantile, .*\) or a function"),
        (partial(QuantileThreshold, slack=0), "slack=0, expected"),
        (partial(QuantileThreshold, window=0), "window=0, expected"),
        (partial(BalancedQuantile, window=2.5), "window=2.5, expected"),
        (partial(BalancedQuantile, tolerance=0), "tolerance=0, expected"),
        (partial(FixedThreshold, math.nan), "threshold=nan, expected"),
        (partial(VariableUncertainty, start=0), "start=0, expected"),
        (partial(VariableUncertainty, step=1), "step=1, expected"),
        (partial(VariableUncertainty, delta=-1), "delta=-1, expected"),
        (partial(VariableUncertainty(), {}, [0.5, 1.2], [0, 0], 0.1), "score 1.2 cannot .* 'margin' or 'least_conf"),
        (partial(QuantileThreshold(), {}, [0.5, math.inf], [0, 0], 0.1), "score inf, expected finite ones"),
        (partial(QuantileThreshold(), {}, [0.5], [0, 0], 0.1), r"scores\[1\] and draws\[2\], expected one"),
        (partial(QuantileThreshold(), {}, [0.5], [1.0], 0.1), r"draws outside of \[0, 1\)"),
        (partial(QuantileThreshold(), {}, [0.5], [0.5], 5), "budget=5, expected the share"),
    ],
)
def test_what_cannot_be_is_refused(call, message):
    with pytest.raises(ArgumentError, match=message):
        call()
