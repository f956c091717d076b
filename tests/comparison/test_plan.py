"""The grid of a comparison, and the options of its runs."""

from pathlib import Path
from typing import Any

import pytest

from hfal.comparison.options import CompareOptions
from hfal.comparison.plan import (
    FULL,
    Cell,
    check_metric,
    check_options,
    failures,
    grid,
    is_finished,
    planned_costs,
    rounds_of,
    run_options,
)
from hfal.config.arguments import ActiveLearningArguments
from hfal.errors import ArgumentError
from hfal.store.store import Store
from hfal.tasks.kinds import kind_of


GIVEN = {"data": "reviews.csv", "label": "sentiment", "eval_size": 100, "rounds": 3}


def check(compare: dict[str, Any] | None = None, **options: Any) -> None:
    given = {name: value for name, value in {**GIVEN, **options}.items() if value is not None}
    check_options(CompareOptions(**(compare or {})), ActiveLearningArguments(**given), given)


def test_the_grid_is_made_seed_by_seed() -> None:
    options = CompareOptions(strategies=["random", "margin"], starts=["random", "kmeans"], seeds=2, full_runs=1)
    assert [str(cell) for cell in grid(options, 7)] == [
        "random/random/seed 7",
        "margin/random/seed 7",
        "random/kmeans/seed 7",
        "margin/kmeans/seed 7",
        "full/seed 7",
        "random/random/seed 8",
        "margin/random/seed 8",
        "random/kmeans/seed 8",
        "margin/kmeans/seed 8",
    ]


def test_arms_choose_from_the_grid() -> None:
    arms = ["margin/kmeans", "random/random"]
    options = CompareOptions(
        strategies=["random", "margin"], starts=["random", "kmeans"], arms=arms, seeds=1, full_runs=0
    )
    assert [str(cell) for cell in grid(options, 7)] == ["random/random/seed 7", "margin/kmeans/seed 7"]


def test_what_is_tested_if_nothing_is_named() -> None:
    assert CompareOptions().usual_comparison == "margin+kmeans/kmeans"
    assert CompareOptions(starts=["random"]).usual_comparison is None
    assert CompareOptions(baseline="margin+kmeans/kmeans").usual_comparison is None


def test_every_run_has_a_directory_of_its_own() -> None:
    cells = [Cell("margin+kmeans", "kmeans", 42), Cell(FULL, None, 42)]
    folders = [cell.run_dir(Path("out")) for cell in cells]
    assert folders == [Path("out/runs/margin+kmeans/kmeans/seed-42"), Path("out/runs/full/seed-42")]


@pytest.mark.parametrize(
    ("options", "pool", "query", "costs"),
    [
        ({"rounds": 3}, 1000, 25, [25, 50, 75]),
        ({"rounds": 3, "seed_size": 10}, 1000, 25, [10, 35, 60]),
        ({"budget": 60}, 1000, 25, [25, 50, 60]),
        ({"budget": 60, "rounds": 2}, 1000, 25, [25, 50]),
        ({"rounds": 9}, 40, 25, [25, 40]),
        ({"rounds": 2}, 20, 25, [20]),
    ],
)
def test_what_runs_have_bought_at_each_round(options: dict, pool: int, query: int, costs: list[int]) -> None:
    assert planned_costs(ActiveLearningArguments(data="reviews.csv", **options), pool, query) == costs


def test_a_run_gets_the_options_of_all_but_its_own_strategy_start_and_seed() -> None:
    given = {**GIVEN, "strategies": ["random"], "workers": 2, "seed": 42, "learning_rate": 0.01, "query_size": 25}
    data = {"data": "/out/data", "split": "train", "eval_split": "test", "task": "text_classification"}
    options = run_options(given, Cell("margin", "kmeans", 43), data, 500)
    assert options == {
        "label": "sentiment",
        "rounds": 3,
        "learning_rate": 0.01,
        "query_size": 25,
        **data,
        "annotator": "simulated",
        "seed": 43,
        "disable_tqdm": True,
        "strategy": "margin",
        "seed_strategy": "kmeans",
        "record_stability": True,
    }
    full = run_options({**given, "budget": 100, "candidates": 50}, Cell(FULL, None, 42), data, 500)
    assert (full["seed_size"], full["rounds"], full["strategy"], full["seed_strategy"]) == (500, 1, "random", "random")
    assert not {"query_size", "budget", "candidates"} & set(full)
    assert (full["learning_rate"], full["data"], full["seed"]) == (0.01, "/out/data", 42)
    assert "show" not in run_options({**given, "show": ["date"]}, Cell("margin", "kmeans", 43), data, 500)


def test_options_that_fit_pass() -> None:
    check()
    check({"comparison": "margin+kmeans/random"})
    check(annotator="simulated", rounds=None, budget=100, eval_size=None, eval_split="test")


@pytest.mark.parametrize(
    ("compare", "options", "named"),
    [
        ({}, {"strategy": "margin"}, "--strategy is 'margin'.*--strategies"),
        ({}, {"seed_strategy": "kmeans"}, "--seed_strategy is 'kmeans'.*--starts"),
        ({}, {"holdout": 50}, "--holdout is 50.*--eval_size"),
        ({}, {"target_metric": "accuracy", "target": 0.9}, "--target_metric is 'accuracy'"),
        ({}, {"export": "labels.csv"}, r"--export is 'labels\.csv'"),
        ({}, {"annotator": "terminal"}, "--annotator is 'terminal'"),
        ({}, {"eval_size": None}, "--eval_size is missing"),
        ({}, {"rounds": None}, "--rounds is missing"),
        ({"seeds": 0}, {}, "--seeds is 0, expected at least 1"),
        ({"workers": 0}, {}, "--workers is 0, expected at least 1"),
        ({"full_runs": -1}, {}, "--full_runs is -1, expected at least 0"),
        ({"seeds": 2, "full_runs": 3}, {}, "--full_runs is 3, but there are 2 --seeds"),
        ({"seconds_per_label": 0.0}, {}, r"--seconds_per_label is 0\.0, expected a positive number"),
        (
            {"hourly_rate": 30.0, "seconds_per_label": None},
            {},
            "--hourly_rate is 30, but nothing says how long a label",
        ),
        ({"hourly_rate": float("nan")}, {}, "--hourly_rate is nan, expected a positive number"),
        ({"strategies": ["random", "margin", "random"]}, {}, "--strategies has 'random' twice"),
        ({"starts": ["random", "kmean"]}, {}, "--starts has 'kmean', expected some of random, stratified, kmeans"),
        (
            {"comparison": "badge/random"},
            {},
            r"--comparison is 'badge/random'.*not among.*margin\+kmeans/.*add to --strategies and --starts",
        ),
        ({"strategies": ["margin", "badge"]}, {}, "--baseline is 'random/random', which is not among"),
        (
            {"arms": ["random/random", "margin/random"]},
            {},
            r"--arms has 'margin/random', which is no STRATEGY/START in",
        ),
        ({"arms": ["margin+kmeans/random"]}, {}, "--baseline is 'random/random', which is not among.*add to --arms"),
        ({"arms": ["random/random", "random/random"]}, {}, "--arms has 'random/random' twice"),
        ({"arms": []}, {}, "--arms is empty"),
        ({"arms": ["random/random"]}, {}, r"--strategies has 'margin\+kmeans', which is in none of --arms"),
        ({"comparison": "random/random"}, {}, "--comparison is 'random/random', which is the baseline itself"),
    ],
    ids=str,
)
def test_options_that_do_not_fit_are_named(compare: dict, options: dict, named: str) -> None:
    with pytest.raises(ArgumentError, match=named):
        check(compare, **options)


def test_metrics_that_there_are_not_are_named() -> None:
    tags = ["O", "B-PER", "I-PER"]
    for metric, task, names in [
        (None, "text_classification", []),
        ("accuracy", "text_classification", ["no", "yes"]),
        ("eval_f1_macro", "text_classification", ["no", "yes"]),
        ("f1_sports", "multi_label_classification", ["sports", "money"]),
        ("f1_PER", "token_classification", tags),
    ]:
        check_metric(metric, kind_of(task).metrics(names))
    with pytest.raises(ArgumentError, match="--metric is 'loss', expected one of accuracy, f1_macro, f1_micro"):
        check_metric("loss", kind_of("text_classification").metrics(["no", "yes"]))
    with pytest.raises(ArgumentError, match="--metric is 'accuracy', expected one of f1, precision, recall, f1_PER"):
        check_metric("accuracy", kind_of("token_classification").metrics(tags))


def test_what_is_on_the_disk_says_how_far_a_run_is(tmp_path: Path) -> None:
    assert not is_finished(tmp_path / "a")
    assert rounds_of(tmp_path / "a") == []
    assert not (tmp_path / "a").exists()  # looking makes nothing
    store = Store(tmp_path / "a")
    store.start_round(1, 43)
    assert [record.number for record in rounds_of(tmp_path / "a")] == [1]
    assert not is_finished(tmp_path / "a")
    store.set_meta("ended", {"reason": "3 rounds were asked for", "answer": 8})
    assert is_finished(tmp_path / "a")
    store.close()
    (tmp_path / "b").mkdir()
    for there in (b"", b"no database, but more than a hundred bytes " * 100):
        (tmp_path / "b" / "labels.sqlite").write_bytes(there)
        assert not is_finished(tmp_path / "b")
        assert rounds_of(tmp_path / "b") == []


def test_failures_are_what_was_written_down(tmp_path: Path) -> None:
    cells = [Cell("margin", "random", 42), Cell("margin", "random", 43)]
    cells[1].run_dir(tmp_path).mkdir(parents=True)
    (cells[1].run_dir(tmp_path) / "error.txt").write_text("DivergedError: it diverged\n")
    assert failures(tmp_path, cells) == {cells[1]: "DivergedError: it diverged"}
    store = Store(cells[1].run_dir(tmp_path))
    store.set_meta("ended", {"reason": "3 rounds were asked for", "answer": 8})
    store.close()
    assert failures(tmp_path, cells) == {}  # what failed then is no part of the run
