"""The numbers that are made of a comparison, against cases worked out by hand."""

import json
import math
import shutil
from pathlib import Path

import pytest

from hfal.comparison.results import read_results
from hfal.comparison.summary import Summary, summarize
from support.made_grid import OPTIONS, make_run, write_options


@pytest.fixture(scope="module")
def summary(grid: Path) -> Summary:
    return summarize(read_results(grid))


def test_area_is_the_mean_over_the_width(summary: Summary) -> None:
    random, margin = summary.arms
    assert summary.points == (10, 20, 30, 40)
    assert random.areas == pytest.approx([1.95 / 3, 1.93 / 3, 1.97 / 3])  # (half of both ends + the middle) / 3
    assert margin.areas == pytest.approx([2.18 / 3, 2.20 / 3, 2.28 / 3])
    # s = 0.02 / 3 and t(0.975, 2) = 4.302653
    half = 4.302653 * (0.02 / 3) / math.sqrt(3)
    assert random.area == pytest.approx((0.65, 0.65 - half, 0.65 + half))
    assert margin.curve.mean.tolist() == pytest.approx([0.50, 0.72, 0.82, 0.86])
    assert margin.last.mean == pytest.approx(0.86)


def test_the_named_comparison_is_tested_over_pairs_of_seeds(summary: Summary) -> None:
    random, margin = summary.arms
    assert random.difference is None
    assert margin.differences == pytest.approx([0.23 / 3, 0.27 / 3, 0.31 / 3])
    assert summary.test is not None
    t = 0.09 / ((0.04 / 3) / math.sqrt(3))
    assert summary.test.t == pytest.approx(t)
    assert summary.test.p == pytest.approx(1 - t / math.sqrt(2 + t * t))  # of two degrees of freedom
    assert summary.test.difference == pytest.approx(margin.difference)


def test_labels_to_reach_the_targets(summary: Summary) -> None:
    random, margin = summary.arms
    assert [(t.share, t.score) for t in summary.targets] == [
        (0.8, pytest.approx(0.72)),
        (0.9, pytest.approx(0.81)),
        (0.95, pytest.approx(0.855)),
        (None, pytest.approx(0.80)),
    ]
    assert [r.cost for r in random.reached] == [40, math.inf, math.inf, 40]
    assert [r.cost for r in margin.reached] == [20, 30, 40, 30]
    # Random got nowhere near 0.81 with 40 labels, so 30 save a quarter of them or more.
    assert [(r.saved, r.saved_at_least) for r in margin.reached] == [
        (pytest.approx(0.5), False),
        (pytest.approx(0.25), True),
        (0, True),
        (pytest.approx(0.25), False),
    ]
    assert random.reached[-1].by_seed == (40, 40, math.inf)
    assert random.reached[-1].median == 40
    assert margin.reached[-1].by_seed == (30, 30, 30)


def test_costs(summary: Summary) -> None:
    _, margin = summary.arms
    assert (margin.cost.labels, margin.cost.words) == (40, 120)
    assert margin.cost.minutes == pytest.approx(40 * 6 / 60)
    assert margin.cost.money == pytest.approx(4 / 60 * 30)
    # The quarter of an hour in which one of the runs lay dead is not in the medians.
    assert (margin.cost.training, margin.cost.scoring) == (40, 6)
    assert margin.cost_to_last is not None
    assert (margin.cost_to_last.labels, margin.cost_to_last.words) == (30, 90)
    assert (margin.cost_to_last.training, margin.cost_to_last.scoring) == (30, 4)
    assert summary.full_cost is not None
    assert (summary.full_cost.labels, summary.full_cost.words, summary.full_cost.training) == (500, 1500, 60)


def test_a_rate_by_the_word_and_no_rate(changed: Path) -> None:
    given = {name: value for name, value in OPTIONS.items() if name not in ("seconds_per_label", "hourly_rate")}
    write_options(changed, {**given, "seconds_per_word": 2})
    cost = summarize(read_results(changed)).arms[1].cost
    assert (cost.minutes, cost.money) == (120 * 2 / 60, None)
    write_options(changed, {**OPTIONS, "seconds_per_word": 2})
    assert summarize(read_results(changed)).arms[1].cost.minutes == (40 * 6 + 120 * 2) / 60
    write_options(changed, given)
    assert summarize(read_results(changed)).arms[1].cost.minutes is None


def test_arms_that_were_left_out_are_not_reported(changed: Path) -> None:
    write_options(changed, {**OPTIONS, "starts": ["random", "kmeans"], "arms": ["random/random", "margin/kmeans"]})
    (changed / "runs" / "margin" / "random").rename(changed / "runs" / "margin" / "kmeans")
    summary = summarize(read_results(changed))
    assert [arm.name for arm in summary.arms] == ["random/random", "margin/kmeans"]
    assert summary.unfinished == ()


def test_runs_that_are_not_finished_do_not_count(changed: Path) -> None:
    runs = changed / "runs"
    shutil.rmtree(runs / "margin" / "random" / "seed-9")
    shutil.rmtree(runs / "random" / "random" / "seed-8")
    make_run(runs / "random" / "random" / "seed-8", [0.1, 0.1, 0.1], ended=False, unfinished_rounds=1)
    shutil.rmtree(runs / "full")
    (runs / "full" / "seed-7").mkdir(parents=True)
    (runs / "full" / "seed-7" / "error.txt").write_text("ValueError: no such model\n")
    summary = summarize(read_results(changed))
    assert summary.unfinished == (
        ("full/seed 7", "failed", "ValueError: no such model"),
        ("random/random/seed 8", "in progress", "2 rounds done"),
        ("margin/random/seed 9", "not started", ""),
    )
    random, margin = summary.arms
    assert random.curve.mean.tolist() == pytest.approx([0.49, 0.61, 0.71, 0.79])  # of seeds 7 and 9
    assert (random.seeds, margin.seeds, margin.paired) == ((7, 9), (7, 8), 1)
    assert margin.differences == pytest.approx([0.23 / 3])  # seed 7 alone is in both
    assert summary.test is None
    assert [t.share for t in summary.targets] == [None]


def test_nothing_is_finished(tmp_path: Path) -> None:
    write_options(tmp_path, OPTIONS)
    summary = summarize(read_results(tmp_path))
    assert (summary.arms, summary.points, summary.targets) == ((), (), ())
    assert len(summary.unfinished) == 7


def test_words_are_compared_where_all_curves_are(tmp_path: Path) -> None:
    write_options(tmp_path, {**OPTIONS, "seeds": 1, "full_runs": 0})
    of_words = {"random": ([100, 200, 300], [0.2, 0.4, 0.6]), "margin": ([110, 190, 310], [0.2, 0.5, 0.8])}
    for strategy, (words, values) in of_words.items():
        run_dir = tmp_path / "runs" / strategy / "random" / "seed-7"
        make_run(run_dir, values, (10, 20, 30), words=words, metric="eval_f1")
    summary = summarize(read_results(tmp_path))
    random, margin = summary.arms
    assert (summary.metric, summary.unit, summary.points) == ("f1", "words", (110, 205, 300))
    assert random.curve.mean.tolist() == pytest.approx([0.22, 0.41, 0.60])
    assert margin.curve.mean.tolist() == pytest.approx([0.2, 0.5 + 0.3 * 15 / 120, 0.5 + 0.3 * 110 / 120])
    assert math.isnan(margin.area.low)  # one seed
    assert margin.reached[-1].cost == 300
    assert margin.cost.labels == pytest.approx(20 + 10 * 110 / 120)


def test_a_first_purchase_that_is_enough(tmp_path: Path) -> None:
    write_options(tmp_path, {**OPTIONS, "seeds": 2, "full_runs": 1})
    for seed in (7, 8):
        make_run(tmp_path / "runs" / "random" / "random" / f"seed-{seed}", [0.5, 0.7, 0.8, 0.8])
        make_run(tmp_path / "runs" / "margin" / "random" / f"seed-{seed}", [0.8, 0.9, 0.9, 0.9])
    make_run(tmp_path / "runs" / "full" / "seed-7", [0.625], costs=[500])
    random, margin = summarize(read_results(tmp_path)).arms
    assert (margin.reached[-1].cost, margin.reached[-1].at_first) == (10, True)
    assert margin.reached[-1].saved == pytest.approx(1 - 10 / 30)
    assert margin.reached[-1].saved_at_least
    assert [r.cost for r in random.reached[:2]] == [10, 20]  # 0.5 and 0.5625
    assert math.isnan(margin.reached[0].saved)  # both may have needed less than the ten


def test_seeds_that_do_not_vary_are_compared_without_a_p_value(tmp_path: Path) -> None:
    write_options(tmp_path, {**OPTIONS, "seeds": 2, "full_runs": 0})
    for strategy, seed in [("random", 7), ("random", 8), ("margin", 7), ("margin", 8)]:
        make_run(tmp_path / "runs" / strategy / "random" / f"seed-{seed}", [0.5, 0.75])
    summary = summarize(read_results(tmp_path))
    assert summary.test is not None
    assert math.isnan(summary.test.p)
    assert json.loads(json.dumps(summary.to_json(), allow_nan=False))["test"]["p"] is None


def test_json_has_what_is_not_known_as_null(summary: Summary) -> None:
    numbers = json.loads(json.dumps(summary.to_json(), allow_nan=False))
    random, margin = numbers["arms"]
    assert random["name"] == "random/random"
    assert random["reached"][1]["cost"] is None
    assert margin["curve"]["mean"] == pytest.approx([0.50, 0.72, 0.82, 0.86])
    assert numbers["test"]["difference"]["mean"] == pytest.approx(0.09)
    assert numbers["points"] == [10, 20, 30, 40]
