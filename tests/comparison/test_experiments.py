"""`hfal compare`: small grids, made in processes of their own as a user's are."""

import contextlib
import io
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import pytest
import yaml
from transformers import BertModel, PreTrainedTokenizerBase

from hfal.cli.main import main
from hfal.comparison.plan import Cell, rounds_of
from hfal.comparison.shared_data import changed_since
from hfal.errors import RunDirectoryError
from hfal.store.store import Store
from support.command import FAST, HFAL, Result, environment, error_line, write_csv
from support.comparisons import GRID, SMALL
from support.models import NAMES, tiny_config
from support.texts import CONLL, load_reviews


def hfal(*argv: str | Path) -> Result:
    """The command in this process; what a comparison runs is in others all the same."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(word) for word in argv])
    return Result(code, out.getvalue(), err.getvalue())


@dataclass
class Grid:
    """A comparison of which one run has failed."""

    out: Path
    said: Result
    errors: dict[str, str]

    def store(self, strategy: str, start: str | None, seed: int) -> Store:
        return Store(Cell(strategy, start, seed).run_dir(self.out), read_only=True)


BROKEN = Cell("random", "random", 43)


@pytest.fixture(scope="module")
def made(home: Path) -> Grid:
    out = home / "out"
    broken = BROKEN.run_dir(out)
    broken.mkdir(parents=True)
    (broken / "labels.sqlite").write_bytes(b"no database, but more than a hundred bytes " * 100)
    with pytest.MonkeyPatch.context() as patch, one_core():
        patch.chdir(home)
        said = hfal(*GRID)
    return Grid(out, said, {path.name: path.read_text("utf-8") for path in broken.glob("*.txt")})


@contextlib.contextmanager
def one_core() -> Iterator[None]:
    """A worker that is started meanwhile has one thread, as this process has."""
    if not hasattr(os, "sched_getaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def test_a_run_that_fails_is_recorded_and_stops_no_other(made: Grid) -> None:
    assert made.said.code == 1
    assert "labels.sqlite is damaged" in made.errors["error.txt"]
    assert "Traceback" in made.errors["output.txt"]
    assert "random/random/seed 43 has failed: RunDirectoryError: " in made.said.stderr
    assert "1 of 5 runs have failed" in made.said.stderr
    finished = sorted(str(path.parent.relative_to(made.out)) for path in made.out.glob("runs/**/learning_curve.png"))
    assert finished == [
        "runs/full/seed-42",
        "runs/margin/random/seed-42",
        "runs/margin/random/seed-43",
        "runs/random/random/seed-42",
    ]
    report = (made.out / "report.md").read_text("utf-8")
    assert "margin/random" in report
    assert "labels.sqlite is damaged" in report
    assert all((made.out.parent / path).stat().st_size for path in made.said.stdout.split())


def test_strategies_share_the_seed_set_the_pool_and_the_held_out_texts(made: Grid) -> None:
    seed_sets, pools = [], set()
    for strategy, seed in [("random", 42), ("margin", 42), ("margin", 43)]:
        store = made.store(strategy, "random", seed)
        assert [query.purpose for query in store.queries()] == ["seed", "round", "round"]
        assert [query.strategy for query in store.queries()] == ["random", strategy, strategy]
        seed_sets.append([example.example_id for example in store.queries()[0].examples])
        pools.add((store.meta("plan")["pool_size"], store.meta("task"), tuple(store.meta("label_names"))))
        assert [record.labels for record in store.rounds()] == [6, 12, 18]
        assert all("eval_accuracy" in record.metrics for record in store.rounds())
        store.close()
    assert seed_sets[0] == seed_sets[1] != seed_sets[2]
    assert pools == {(55, "text_classification", tuple(NAMES))}
    parts = datasets.load_from_disk(str(made.out / "data"))
    assert {name: len(part) for name, part in parts.items()} == {"train": 55, "test": 30}
    assert not set(parts["train"]["review"][:]) & set(parts["test"]["review"][:])
    config = yaml.safe_load((Cell("margin", "random", 43).run_dir(made.out) / "config.yaml").read_text())
    assert (config["data"], config["split"], config["eval_split"]) == (str(made.out / "data"), "train", "test")
    assert len(list((made.out / "data" / "train").glob("cache-*.arrow"))) == 1  # tokenized once for all runs


def test_all_of_the_data_is_trained_on_once(made: Grid) -> None:
    store = made.store("full", None, 42)
    assert [(record.number, record.labels) for record in store.rounds()] == [(1, 55)]
    assert len(store.queries()) == 1
    store.close()


def test_a_run_of_the_grid_is_one_that_hfal_run_makes(made: Grid, folder: Path) -> None:
    """The same queries and metrics, by `hfal run` with the options that stand in the run's directory."""
    run_dir = Cell("margin", "random", 43).run_dir(made.out)
    again = hfal("run", shutil.copy(run_dir / "config.yaml", folder / "config.yaml"), "--output_dir", "run")
    assert again.code == 0, again.stderr
    of_grid, alone = made.store("margin", "random", 43), Store("run", read_only=True)
    asked = [[[e.example_id for e in query.examples] for query in store.queries()] for store in (of_grid, alone)]
    assert asked[0] == asked[1]
    for record, other in zip(of_grid.rounds(), alone.rounds(), strict=True):
        assert record.metrics == pytest.approx(other.metrics)
    of_grid.close()
    alone.close()
    assert "Finished, 3 rounds were asked for" in hfal("status", run_dir).stdout
    assert not (run_dir / "rounds").exists()  # no grid's worth of models


def test_what_the_comparison_was_started_with_is_kept(made: Grid) -> None:
    kept = yaml.safe_load((made.out / "compare.yaml").read_text("utf-8"))
    assert (kept["strategies"], kept["seeds"], kept["starts"]) == (["random", "margin"], 2, ["random"])
    assert (kept["baseline"], kept["comparison"], kept["full_runs"]) == ("random/random", None, 1)
    assert kept["data"] == str(made.out.parent / "labeled.csv")


def test_status_says_how_far_a_comparison_is(made: Grid, tmp_path: Path) -> None:
    status = hfal("status", made.out)
    assert (status.code, status.stderr) == (0, "")
    assert "\nrandom/random, margin/random; 2 seeds\n" in status.stdout
    assert "\n4 of 5 runs are finished; failed: 1; begun: 0\n" in status.stdout
    assert "\nrandom/random/seed 43 has failed: RunDirectoryError: " in status.stdout
    assert status.stdout.endswith(f"\nNext: hfal compare {made.out}\n")
    (tmp_path / "compare.yaml").write_bytes((made.out / "compare.yaml").read_bytes())
    assert "\n0 of 5 runs are finished; failed: 0" in hfal("status", tmp_path).stdout


@pytest.mark.parametrize(
    ("more", "named"),
    [
        (["--seeds", "1"], "--seeds is 1, but .* began with 2, and the grid can grow, but not shrink"),
        (["--strategies", "random"], r"--strategies is \['random'\], .* but not shrink \(margin is missing\)"),
        (["--arms", "random/random"], r"--arms is \['random/random'\], but .* began with None, and .* but not shrink"),
        (["--query_size", "7"], "--query_size is 7, but .* began with 6, and all of its runs have to be alike"),
        (["--weight_decay", "0.1"], "--weight_decay is 0.1, but .* began with 0.0"),
        (["--eval_size", "20"], "--eval_size is 20, but .* began with 30"),
        (["--comparison", "margin/random"], "--comparison is .* has to be named before there are results"),
        (["--strategies", "random,margin,mragin"], "--strategies has 'mragin': unknown .* Did you mean 'margin'"),
        (["--wrokers", "2"], "unknown option '--wrokers'. Did you mean 'workers'"),
        (["--seed", "43"], "--seed is 43, but .* began with 42"),
    ],
    ids=" ".join,
)
def test_other_options_than_those_of_the_runs_that_are_there_are_refused(
    made: Grid, more: list[str], named: str
) -> None:
    before = (made.out / "compare.yaml").read_bytes()
    assert re.search(named, error_line(hfal("compare", made.out, *more)))
    assert (made.out / "compare.yaml").read_bytes() == before


@pytest.mark.slow
def test_what_is_finished_stays_when_the_grid_grows_and_what_has_failed_is_tried_again(
    made: Grid, tmp_path: Path
) -> None:
    out = shutil.copytree(made.out, tmp_path / "moved")
    (BROKEN.run_dir(out) / "labels.sqlite").unlink()
    then = {path: path.stat().st_mtime_ns for path in out.glob("runs/**/labels.sqlite")}
    assert len(then) == 4
    grown = hfal("compare", out, "--strategies", "random,margin,entropy", "--seconds_per_label", "5")
    assert grown.code == 0, grown.stderr
    assert "7 runs on 55 texts, evaluated on 30 others; 4 are finished" in grown.stderr
    assert "has failed" not in grown.stderr
    assert then == {path: path.stat().st_mtime_ns for path in then}
    assert len(list(out.glob("runs/*/random/seed-*/labels.sqlite"))) == 6
    assert not list(out.glob("runs/**/error.txt"))
    assert "entropy/random" in (out / "report.md").read_text("utf-8")

    (out / "report.md").unlink()
    again = hfal("compare", out)
    assert again.code == 0, again.stderr
    assert "7 are finished" in again.stderr
    assert "of 7 runs, round" not in again.stderr  # nothing was run
    assert (out / "report.md").stat().st_size


# -- what cannot be ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "named"),
    [
        (["--strategies", "random,margn"], "--strategies has 'margn': unknown strategy .* Did you mean 'margin'"),
        (["--strategies", "random,mnlp"], "--strategies has 'mnlp': strategy 'mnlp' is for token_classification"),
        (["--comparison", "badge/random"], "--comparison is 'badge/random', which is not among"),
        (["--metric", "loss"], "--metric is 'loss', expected one of accuracy"),
        (["--stop", "plateau(accurcy)"], r"stop='plateau\(accurcy\)': .*accurcy"),
        (["--eval_size", "90"], "--eval_size is 90 of 90 rows"),
        (
            ["--rounds", "11"],
            "--rounds is 11, but with 6 examples a query the pool of 55 examples is used up in round 10",
        ),
        (["--unit", "words"], "--unit is words, which is for token classification"),
        (["--model", "./no-model"], "no-model"),
        (["--label", "sentimnt"], "has no column 'sentimnt'. Did you mean 'sentiment'"),
    ],
    ids=" ".join,
)
def test_bad_options_are_found_before_any_work(folder: Path, more: list[str], named: str) -> None:
    grid = SMALL if "--strategies" in more else GRID  # which has some
    assert re.search(named, error_line(hfal(*grid, *more)))
    assert not (folder / "out").exists()


def test_every_text_has_to_have_a_label(folder: Path) -> None:
    rows = [(row["text"], NAMES[row["label"]] if n else "") for n, row in enumerate(load_reviews(40))]
    write_csv(folder / "labeled.csv", ["review", "sentiment"], rows)
    line = error_line(hfal(*GRID, "--eval_size", "10"))
    assert "1 of 30 examples have no label in column 'sentiment'" in line
    assert rows[0][0][:20] in line


def test_the_directory_of_a_run_or_one_in_use_is_left_alone(folder: Path) -> None:
    Store(folder / "out").close()
    assert "out is the directory of a run" in error_line(hfal(*GRID))
    assert not (folder / "out" / "compare.yaml").exists()
    assert "there is no compare.yaml in it" in error_line(hfal("compare", "out"))


def test_a_run_does_not_begin_among_the_files_of_a_comparison(made: Grid) -> None:
    before = sorted(made.out.iterdir())
    data, of_run = str(made.out / "data"), ["--text", "review", "--label", "sentiment", *FAST]
    for argv in (["run", "--data", data, *of_run], ["run", "--data", data, "--eval_size", "30", *of_run]):
        assert "is the directory of a comparison (hfal compare)" in error_line(hfal(*argv, "--output_dir", made.out))
    with pytest.raises(RunDirectoryError, match="is the directory of a comparison"):
        Store(made.out)
    assert sorted(made.out.iterdir()) == before


def test_data_that_was_changed_since_is_said_not_to_be_read(made: Grid, tmp_path: Path) -> None:
    out = Path(shutil.copytree(made.out, tmp_path / "out"))
    finished = Cell("random", "random", 42).run_dir(out)
    shutil.rmtree(BROKEN.run_dir(out))
    shutil.copytree(finished, BROKEN.run_dir(out))  # there is nothing left to run
    source = made.out.parent / "labeled.csv"
    assert not changed_since(out, str(source))
    os.utime(source)
    said = hfal("compare", out).stderr
    assert f"reading {out / 'data'};" in said
    assert f"{source} was changed after this comparison had begun, which goes on with the data that it began" in said


def test_help_loads_neither_torch_nor_transformers(folder: Path) -> None:
    code = """
import sys
from hfal.cli.main import main
for words, slow in [("--help", {"torch", "transformers", "datasets", "numpy"}),
                    ("--data missing.csv --label a --eval_size 5 --rounds 1", {"torch"}),
                    ("--data labeled.csv --rounds 1", {"torch"})]:
    print(main(argv := ["compare", *words.split()]), flush=True)
    assert not slow & set(sys.modules), (argv, slow & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "usage: hfal compare CONFIG.yaml" in done.stdout
    errors = [line for line in done.stderr.splitlines() if line.startswith("hfal: error: ")]
    assert "missing.csv" in errors[0]
    assert "--eval_size is missing" in errors[1]


# -- killed and resumed; other tasks: minutes ----------------------------------------------------------------------


def figures(out: Path) -> Any:
    """What the report is made of, without what the clock measured."""

    def without_seconds(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: without_seconds(v) for k, v in value.items() if "second" not in k and k not in CLOCK}
        return [without_seconds(v) for v in value] if isinstance(value, list) else value

    return without_seconds(json.loads((out / "summary.json").read_text("utf-8")))


CLOCK = {"training", "scoring", "compute"}


def queries(out: Path, but: Cell | None = None) -> dict[str, Any]:
    """What each run asked, and what its rounds reached."""
    found = {}
    for path in sorted(out.glob("runs/**/labels.sqlite")):
        if but and path.parent == but.run_dir(out):
            continue
        store = Store(path.parent, read_only=True)
        asked = [[(e.example_id, e.score) for e in query.examples] for query in store.queries()]
        found[str(path.parent.relative_to(out))] = asked, [(r.labels, r.metrics) for r in store.rounds()]
        store.close()
    return found


def rounds_begun(out: Path) -> int:
    stores = [*out.glob("runs/*/*/seed-*/labels.sqlite"), *out.glob("runs/full/seed-*/labels.sqlite")]
    return sum(len(rounds_of(path.parent)) for path in stores)


@pytest.mark.slow
def test_killed_in_the_middle_and_started_again_it_asks_the_same(made: Grid, folder: Path) -> None:
    argv = [HFAL, *GRID, "--seeds", "1", "--output_dir", "killed"]
    with one_core():
        process = subprocess.Popen(argv, env=environment(folder), stderr=subprocess.DEVNULL)
        while rounds_begun(folder / "killed") < 2 and process.poll() is None:
            time.sleep(0.05)
        process.kill()
        assert process.wait() == -signal.SIGKILL
        done = hfal("compare", "killed")
    assert done.code == 0, done.stderr
    found, whole = queries(folder / "killed"), queries(made.out, but=BROKEN)
    assert sorted(found) == [
        "runs/full/seed-42",
        "runs/margin/random/seed-42",
        "runs/random/random/seed-42",
    ]
    assert found == {run: whole[run] for run in found}


@pytest.mark.slow
def test_killed_again_and_again_and_started_again_the_report_is_the_same(folder: Path) -> None:
    argv = [HFAL, *SMALL, "--strategies", "random,badge", "--seeds", "1", "--workers", "2"]  # after both starts
    env = environment(folder)
    subprocess.run([*argv, "--output_dir", "whole"], env=env, check=True, capture_output=True)
    rng, kills = random.Random(5), 0
    for begun in (1, 4, 7):
        process = subprocess.Popen([*argv, "--output_dir", "killed"], env=env, stderr=subprocess.DEVNULL)
        while rounds_begun(folder / "killed") < begun and process.poll() is None:
            time.sleep(0.05)
        time.sleep(rng.uniform(0, 1))
        process.kill()
        kills += process.wait() == -signal.SIGKILL
    assert kills >= 2  # on a busy machine the last one may come too late
    done = subprocess.run([HFAL, "compare", "killed"], env=env, check=True, capture_output=True, text=True)
    assert "; 0 are finished" not in done.stderr
    assert queries(folder / "killed") == queries(folder / "whole")
    assert figures(folder / "killed") == figures(folder / "whole")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("label", "strategies", "metric"),
    [("ner_tags", "random,mnlp", "f1"), ("entity_types", "random,margin", "f1_micro")],
)
def test_entities_and_sets_of_labels(
    folder: Path, tokenizer: PreTrainedTokenizerBase, label: str, strategies: str, metric: str
) -> None:
    BertModel(tiny_config(2)).save_pretrained(folder / "encoder")
    tokenizer.save_pretrained(folder / "encoder")
    of_words = label == "ner_tags"
    sizes = ["--unit", "words", "--query_size", "150"] if of_words else ["--query_size", "10"]
    done = hfal(
        *("compare", "--data", CONLL, "--text", "tokens" if of_words else "text", "--label", label),
        *("--pool_size", "60", "--eval_split", "valid[:40]", "--rounds", "3", *sizes),
        *(
            "--strategies",
            strategies,
            "--starts",
            "random",
            "--seeds",
            "1",
            "--output_dir",
            "out",
            *FAST,
            "--model",
            "./encoder",
        ),
    )
    assert done.code == 0, done.stderr
    summary = json.loads((folder / "out" / "summary.json").read_text("utf-8"))
    assert (summary["metric"], summary["unit"]) == (metric, "words" if of_words else "labels")
    store = Store(folder / "out" / "runs" / "full" / "seed-42", read_only=True)
    assert [record.labels for record in store.rounds()] == [store.meta("plan")["pool_size"]]
    store.close()
