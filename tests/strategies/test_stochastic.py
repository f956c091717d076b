"""Drawing a query at random by its scores: the distributions of the paper, in closed form."""

from itertools import permutations

import numpy as np
import pytest

from hfal.errors import StrategyError
from hfal.strategies import Signals, power, softmax, softrank


SCORES = np.array([0.0, 0.5, 0.125, 0.25], np.float32)
WEIGHTS = {
    power: SCORES,
    softmax: np.exp(SCORES),
    softrank: 1 / np.array([4, 1, 3, 2]),
}


@pytest.mark.parametrize("select", WEIGHTS)
def test_pairs_come_as_often_as_drawing_without_replacement_in_proportion_gives_them(select):
    weights = WEIGHTS[select].astype(float)
    rng = np.random.default_rng(0)
    draws = 6_000
    counts = dict.fromkeys(permutations(range(4), 2), 0)
    for _ in range(draws):
        first, second = select(Signals(4, scores=SCORES), 2, rng).tolist()
        counts[first, second] += 1
    for (first, second), count in counts.items():
        expected = weights[first] / weights.sum() * weights[second] / (weights.sum() - weights[first])
        # five standard deviations
        assert abs(count / draws - expected) <= 5 * np.sqrt(expected * (1 - expected) / draws)


@pytest.mark.parametrize("select", WEIGHTS)
@pytest.mark.parametrize("scores", [np.zeros(6), np.ones(6), np.array([0, 0, 0, 0, 0, 1e-30])])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_equal_and_zero_scores_still_give_k_rows(select, scores, dtype):
    known = Signals(6, scores=scores.astype(dtype))
    assert sorted(select(known, 6, np.random.default_rng(0)).tolist()) == list(range(6))
    first = [select(known, 3, np.random.default_rng(seed)).tolist() for seed in range(20)]
    assert len({tuple(rows) for rows in first}) > 10  # and not always the same ones
    assert first[3] == select(known, 3, np.random.default_rng(3)).tolist()


def test_power_takes_scores_of_use_before_those_of_none():
    scores = np.array([0, 1e-6, 0, 0, 2e-6, 0], np.float32)
    for seed in range(20):
        assert set(power(Signals(6, scores=scores), 4, np.random.default_rng(seed))[:2]) == {1, 4}


def test_power_refuses_what_is_no_weight():
    with pytest.raises(StrategyError, match=r"the lowest is -0.5: use softmax or softrank"):
        power(Signals(2, scores=np.array([-0.5, 1])), 1, np.random.default_rng(0))
