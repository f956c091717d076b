"""What is read from the stores of a comparison."""

import math
from pathlib import Path

import pytest

from hfal.comparison.results import read_results
from hfal.errors import ArgumentError, RunDirectoryError
from hfal.store.records import HEAD
from support.made_grid import OPTIONS, make_run, write_options


def test_rounds_are_read_as_the_run_left_them(grid: Path) -> None:
    results = read_results(grid)
    (run,) = [r for r in results.runs if r.cell.strategy == "margin" and r.cell.seed == 9]
    assert run.costs == [10, 20, 30, 40]
    assert run.values == [0.48, 0.74, 0.86, 0.88]
    assert [r.words for r in run.rounds] == [30, 60, 90, 120]  # texts of three words
    assert [(r.training, r.scoring) for r in run.rounds] == [(10, 2), (10, 2), (10, 2), (10, 0)]
    assert (results.metric, results.unit, results.pool_size) == ("accuracy", "labels", 500)
    assert results.versions == {"hfal": "0.1.0"}
    assert run.began == "2026-01-02T03:04:10+00:00"
    assert [r.state for r in results.runs] == ["finished"] * 7


def test_the_queries_of_a_head_are_scoring_too(tmp_path: Path) -> None:
    write_options(tmp_path, {**OPTIONS, "strategies": ["random"], "seeds": 1, "full_runs": 0, "comparison": None})
    make_run(tmp_path / "runs" / "random" / "random" / "seed-7", [0.5, 0.6], asked_by=HEAD)
    assert [(r.training, r.scoring) for r in read_results(tmp_path).runs[0].rounds] == [(10, 2), (10, 0)]


def test_a_run_without_the_metric_has_failed(changed: Path) -> None:
    write_options(changed, {**OPTIONS, "metric": "f1_macro"})
    results = read_results(changed)
    assert {r.state for r in results.runs} == {"failed"}
    assert results.runs[0].note == "round 1 has no metric 'f1_macro'; it has: accuracy, loss"
    write_options(changed, {**OPTIONS, "metric": "eval_loss"})
    with pytest.raises(ArgumentError, match="metric='loss'"):
        read_results(changed)


def test_a_metric_that_is_no_number_counts_for_nothing(tmp_path: Path) -> None:
    write_options(tmp_path, {**OPTIONS, "strategies": ["random"], "seeds": 1, "full_runs": 0, "comparison": None})
    make_run(tmp_path / "runs" / "random" / "random" / "seed-7", [0.5, math.nan])
    assert read_results(tmp_path).runs[0].note == "accuracy of round 2 is nan"


def test_no_comparison_is_there(tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryError, match=r"no comparison in .*compare\.yaml"):
        read_results(tmp_path)
