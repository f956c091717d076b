"""The statistics of a comparison, held against SciPy and against cases worked out by hand."""

import math
from itertools import product

import numpy as np
import pytest
from scipy import stats

from hfal.comparison.statistics import (
    area_under_curve,
    common_points,
    confidence_band,
    confidence_interval,
    cost_to_reach,
    paired_difference,
    paired_test,
    reached,
    read_off,
    share_saved,
    standard_error_of_share,
)
from hfal.errors import ArgumentError


@pytest.mark.parametrize("seeds", [2, 5, 10])
def test_band_agrees_with_scipy_at_each_point(seeds: int) -> None:
    values = np.random.default_rng(seeds).normal(0.7, 0.05, (seeds, 9))
    band = confidence_band(values)
    expected = stats.ttest_1samp(values, 0, axis=0).confidence_interval(0.95)
    np.testing.assert_allclose(band.mean, values.mean(axis=0))
    np.testing.assert_allclose(band.low, expected.low)
    np.testing.assert_allclose(band.high, expected.high)


def test_interval_by_hand() -> None:
    # mean 3, s = sqrt(10 / 4), t(0.975, 4) = 2.776445 from the table, half width 2.776445 * sqrt(2.5 / 5)
    mean, low, high = confidence_interval([1, 2, 3, 4, 5])
    assert (mean, low, high) == pytest.approx((3, 3 - 1.963243, 3 + 1.963243), abs=1e-6)


def test_one_seed_has_no_band() -> None:
    mean, low, high = confidence_interval([0.5])
    assert mean == 0.5
    assert math.isnan(low)
    assert math.isnan(high)
    with pytest.raises(ArgumentError, match=r"shape \(0, 1\)"):
        confidence_interval([])


def test_interval_holds_the_mean_as_often_as_it_says() -> None:
    samples = np.random.default_rng(0).normal(0.3, 2.0, (5, 20_000))  # as many intervals, of five seeds each
    band = confidence_band(samples)
    held = ((band.low <= 0.3) & (band.high >= 0.3)).mean()
    assert held == pytest.approx(0.95, abs=4 * math.sqrt(0.95 * 0.05 / 20_000))


@pytest.mark.parametrize("seeds", [2, 5, 10])
def test_paired_test_agrees_with_scipy(seeds: int) -> None:
    rng = np.random.default_rng(seeds)
    base = rng.normal(0.6, 0.1, seeds)
    better = base + rng.normal(0.02, 0.03, seeds)
    found, expected = paired_test(better, base), stats.ttest_rel(better, base)
    assert found.t == pytest.approx(expected.statistic)
    assert found.p == pytest.approx(expected.pvalue)
    interval = expected.confidence_interval(0.95)
    assert found.difference[1:] == pytest.approx((interval.low, interval.high))
    assert found.pairs == seeds
    assert paired_test(base, better).p == pytest.approx(found.p)


def test_paired_test_by_hand() -> None:
    # differences 1, 2, 3: mean 2, s 1, t = 2 * sqrt(3); with two degrees of freedom p = 1 - t / sqrt(2 + t^2)
    found = paired_test([2, 4, 6], [1, 2, 3])
    assert found.t == pytest.approx(2 * math.sqrt(3))
    assert found.p == pytest.approx(1 - math.sqrt(12) / math.sqrt(14))


def test_p_is_below_5_percent_just_where_the_interval_leaves_out_0() -> None:
    rng = np.random.default_rng(1)
    below = [paired_test(rng.normal(0.9, 1, 5), np.zeros(5)) for _ in range(200)]
    assert {(t.p < 0.05, t.difference.low > 0 or t.difference.high < 0) for t in below} == {
        (True, True),
        (False, False),
    }


def test_signed_ranks_of_five_pairs_reach_no_5_percent() -> None:  # what the docstring says of the other test
    p_values = [stats.wilcoxon(np.array(signs) * [1, 2, 3, 4, 5]).pvalue for signs in product([-1, 1], repeat=5)]
    assert min(p_values) == 2 / 32


def test_pairs_that_differ_by_the_same_have_no_p_value() -> None:
    found = paired_test([0.5, 0.75], [0.5, 0.75])
    assert found.difference == (0, 0, 0)
    assert math.isnan(found.p)
    assert math.isnan(paired_test([0.67, 0.68, 0.69], [0.57, 0.58, 0.59]).p)  # the same but for rounding
    with pytest.raises(ArgumentError, match="1 pair"):
        paired_test([1], [2])
    with pytest.raises(ArgumentError, match=r"\(2,\), b \(3,\)"):
        paired_difference([1, 2], [1, 2, 3])


def test_pairing_takes_out_what_the_seeds_share() -> None:
    hard, easy = [0.5, 0.9], [0.51, 0.92]  # by seed
    assert paired_difference(easy, hard).mean == pytest.approx(0.015)
    low, high = paired_difference(easy, hard)[1:]
    assert high - low < 0.15
    assert np.diff(confidence_interval(easy)[1:]) > 4


def test_points_are_the_purchases_where_all_made_the_same() -> None:
    assert common_points([[25, 50, 75], [25, 50, 75]]).tolist() == [25, 50, 75]
    assert common_points([[25, 50, 75], [25, 50]]).tolist() == [25, 50]


def test_points_lie_where_all_curves_are_if_purchases_differ() -> None:
    assert common_points([[100, 205, 300], [110, 190, 310]]).tolist() == [110, 205, 300]
    assert common_points([[100, 200], [300, 400]]).tolist() == []
    assert common_points([[100], [110]]).tolist() == []
    assert common_points([]).tolist() == []


def test_curve_is_read_off_on_straight_lines() -> None:
    assert read_off([10, 15, 30], [10, 20, 40], [0.5, 0.6, 1.0]).tolist() == pytest.approx([0.5, 0.55, 0.8])


def test_area_agrees_with_numpy() -> None:
    values = np.random.default_rng(0).random(7)
    costs = [25, 50, 75, 125, 150, 200, 225]
    assert area_under_curve(costs, values.tolist()) == pytest.approx(np.trapezoid(values, costs) / 200)


@pytest.mark.parametrize(
    ("values", "place"),
    [
        ([0.5, 0.7, 0.8], 1),
        ([0.8, 0.8, 0.8], 0),
        ([0.5, 0.7, 0.6, 0.7, 0.8], 3),  # touched and lost at the second purchase
        ([0.5, 0.7, 0.7, 0.6, 0.7], 1),  # held, then lost
        ([0.5, 0.6, 0.7], 2),  # the last one has no next
        ([0.7, 0.5, 0.6], None),
        ([0.5, 0.6, 0.6], None),
        ([0.7], 0),
        ([], None),
    ],
)
def test_target_is_reached_where_it_is_held(values: list[float], place: int | None) -> None:
    assert reached(values, 0.7) == place
    costs = [25.0 * (i + 1) for i in range(len(values))]
    assert cost_to_reach(costs, values, 0.7) == (math.inf if place is None else costs[place])


def test_score_is_reached_by_a_mean_of_the_very_same() -> None:
    score = np.mean([0.1, 0.2, 0.3])
    assert score > 0.2  # by rounding
    assert reached([0.1, 0.2], score) == 1


def test_share_saved_by_hand() -> None:
    assert share_saved(75, 275) == pytest.approx(200 / 275)
    assert share_saved(300, 200) == pytest.approx(-0.5)
    assert math.isnan(share_saved(math.inf, 200))
    assert math.isnan(share_saved(75, math.inf))


def test_standard_error_of_an_accuracy() -> None:
    assert standard_error_of_share(0.8, 400) == pytest.approx(0.02)
    drawn = np.random.default_rng(0).binomial(400, 0.8, 20_000) / 400
    assert standard_error_of_share(0.8, 400) == pytest.approx(drawn.std(), rel=0.03)
    with pytest.raises(ArgumentError, match=r"share=1\.2"):
        standard_error_of_share(1.2, 400)
