"""The help, the configurations of the repository, and the options that a run directory keeps."""

import dataclasses
import logging
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from transformers import TrainingArguments
from transformers.debug_utils import DebugOption
from transformers.trainer_utils import IntervalStrategy

from hfal import ActiveLearningCallback, Pool
from hfal.config.arguments import GROUPS, ActiveLearningArguments, TrainingOptions
from hfal.config.kept_config import help_text, keep_options, parse_arguments, portable_options, write_options
from hfal.errors import RunDirectoryBusyError
from hfal.store.run_info import PublishedOptions
from support.options import BOTH


CONFIGS = sorted(p for p in (Path(__file__).parents[2] / "configs").glob("*.yaml") if "compare" not in p.name)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_config_of_the_repository_parses(path: Path, tmp_path: Path) -> None:
    al, args = parse_arguments(BOTH, [str(path), "--output_dir", str(tmp_path / "run")])
    assert al.model
    assert al.data
    assert al.rounds or al.budget or al.target_metric
    assert args.output_dir == str(tmp_path / "run")


def test_there_are_configs() -> None:
    assert {"sentiment_demo.yaml", "sst2.yaml"} <= {path.name for path in CONFIGS}


# -- help ----------------------------------------------------------------------------------------------------------


def test_help_shows_every_option_of_ours_once() -> None:
    shown = [name for names in GROUPS.values() for name in names.split()]
    assert len(set(shown)) == len(shown)
    ours = {field.name for field in dataclasses.fields(ActiveLearningArguments) if field.init}
    assert ours <= set(shown)
    assert set(shown) - ours <= {field.name for field in dataclasses.fields(TrainingOptions)}
    text = help_text()
    for name in shown:
        assert f"  --{name} " in text or f"  --{name}\n" in text, name
    for word in (
        "Default: 10.",
        "Default: 0.0001.",
        "Default: runs/ and",
        "--help-all",
        "hfal run --data reviews.csv",
    ):
        assert word in " ".join(text.split())
    assert "Default: ." not in help_text()  # of a list that is empty


def test_help_needs_no_import_that_takes_long() -> None:
    code = """
import sys
from hfal.config.kept_config import help_text, parse_arguments
try:
    parse_arguments((), ["--help"])
except SystemExit as stop:
    assert stop.code == 0
slow = {"torch", "transformers", "datasets", "numpy", "pandas"} & set(sys.modules)
assert not slow, slow
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "usage: hfal run --data FILE" in result.stdout


def test_all_options_of_transformers_are_listed_on_demand(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        parse_arguments(BOTH, ["--help-all"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    for field in (*dataclasses.fields(TrainingArguments), *dataclasses.fields(ActiveLearningArguments)):
        assert not field.init or f"--{field.name}" in text


# -- what a run was started with -----------------------------------------------------------------------------------


def test_a_run_directory_is_a_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pool: Pool) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reviews.csv").touch()
    argv = ["--data", "reviews.csv", "--text", "a,b", "--labels", "好", "no", "--query_size", "7", "--learning_rate"]
    al, _ = parse_arguments(
        BOTH, [*argv, "1e-3", "--hub_token", "hf_secret", "--token_budget", "512", "--bf16_scoring"]
    )
    keep_options(al, pool)
    assert "secret" not in (pool.run_dir / "config.yaml").read_text(encoding="utf-8")
    assert [path.name for path in pool.run_dir.glob("config*")] == ["config.yaml"]

    monkeypatch.chdir("/")  # paths are kept in full
    again, args = parse_arguments(BOTH, [str(pool.run_dir), "--query_size", "8"])
    assert (again.data, again.text, again.labels) == (str(tmp_path / "reviews.csv"), ["a", "b"], ["好", "no"])
    assert (again.query_size, again.token_budget, again.bf16_scoring) == (8, 512, True)
    assert (args.learning_rate, args.hub_token) == (1e-3, None)
    assert args.output_dir == str(pool.run_dir)
    moved = pool.run_dir.rename(tmp_path / "moved")
    assert parse_arguments(BOTH, [str(moved)])[1].output_dir == str(moved)


def test_embeddings_of_the_trained_model_are_no_folder(tmp_path: Path, monkeypatch, pool: Pool) -> None:
    for name in ("model", "mine"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    for model, embeddings in (("model", "model"), ("mine", "entities")):
        argv = ["--data", "me/reviews", "--model", model, "--embeddings", embeddings]
        keep_options(parse_arguments(BOTH, argv)[0], pool)
        again, _ = parse_arguments(BOTH, [str(pool.run_dir)])
        assert (again.data, again.model, again.embeddings) == ("me/reviews", str(tmp_path / model), embeddings)


def test_what_changed_since_the_last_start_is_said_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pool: Pool, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reviews.csv").touch()
    caplog.set_level(logging.INFO, logger="hfal")
    argv = ["--data", "reviews.csv", "--query_size", "7", "--rounds", "3"]
    for more in ([], [], ["--strategy", "entropy", "--text", "text", "--learning_rate", "1e-3"]):
        keep_options(parse_arguments(BOTH, [*argv, *more])[0], pool)
    keep_options(parse_arguments(BOTH, [str(pool.run_dir), "--query_size", "50"])[0], pool)
    keep_options(parse_arguments(BOTH, ["--data", str(tmp_path / "reviews.csv"), "--strategy", "entropy"])[0], pool)
    assert [record.getMessage() for record in caplog.records] == [
        "changed since the last start: strategy is 'entropy', was 'margin+kmeans'; learning_rate is 0.001, was not "
        "given",
        "changed since the last start: query_size is 50, was 7",
        "changed since the last start: query_size is not given, was 50; rounds is not given, was 3; learning_rate is "
        "not given, was 0.001",
    ]


def test_options_of_a_run_that_another_process_works_on_stay(tmp_path: Path, pool: Pool) -> None:
    keep_options(parse_arguments(BOTH, ["--data", "some/set"])[0], pool)
    al, _ = parse_arguments(BOTH, ["--data", "other/set"])
    code = "import sys; from hfal import Store\nwith Store(sys.argv[1]).own():\n  print('owned', flush=True); input()"
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(pool.run_dir)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "owned\n"
        with pytest.raises(RunDirectoryBusyError):
            keep_options(al, pool)
    finally:
        other.communicate("\n")
    assert yaml.safe_load((pool.run_dir / "config.yaml").read_text()) == {"data": "some/set"}


def test_a_configuration_that_somebody_has_written_into_the_run_directory_stays(tmp_path: Path, pool: Pool) -> None:
    own = "# mine\ndata: some/set\noutput_dir: run\n"
    (pool.run_dir / "config.yaml").write_text(own)
    keep_options(parse_arguments(BOTH, ["--data", "other/set"])[0], pool)
    assert (pool.run_dir / "config.yaml").read_text() == own


def test_the_store_gets_what_others_may_see_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pool: Pool
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret.csv").touch()
    argv = ["--data", "secret.csv", "--annotator_name", "Anna", "--query_size", "7", "--weight_decay", "0.01"]
    al, _ = parse_arguments(BOTH, [*argv, "--hub_token", "hf_secret", "--data_filter", "client=secret"])
    keep_options(al, pool)
    kept = pool.store.published_options
    assert (dict(kept.shown), list(kept.left_out)) == ({"query_size": 7}, ["data", "data_filter", "weight_decay"])
    assert not any(private in (pool.run_dir / "labels.sqlite").read_bytes() for private in (b"secret", b"Anna"))

    (pool.run_dir / "config.yaml").write_text("# mine\ndata: some/set\nstrategy: entropy\n")
    keep_options(al, pool)
    assert dict(pool.store.published_options.shown) == {"data": "some/set", "strategy": "entropy"}
    (pool.run_dir / "config.yaml").write_text("# mine, and of another program\n- some\n")
    keep_options(al, pool)
    assert pool.store.published_options == PublishedOptions()


@pytest.mark.parametrize(
    "own", ["strategy: 2020-01-01", "model: 2020-01-01\ndata: 5", "- some", "labels: [2020-01-01]"]
)
def test_a_file_of_ones_own_never_stops_a_run(pool: Pool, own: str) -> None:
    (pool.run_dir / "config.yaml").write_text(f"# mine\n{own}\n")
    al, _ = parse_arguments(BOTH, ["--data", "some/set"])
    keep_options(al, pool)
    assert (pool.run_dir / "config.yaml").read_text() == f"# mine\n{own}\n"


def test_options_of_a_seed_set_that_is_made_stay_as_they_are_kept_and_published(
    pool: Pool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="hfal")
    data = ["--data", "me/reviews"]
    keep_options(parse_arguments(BOTH, [*data, "--seed_size", "5"])[0], pool)
    keep_options(parse_arguments(BOTH, [*data, "--seed_size", "6"])[0], pool)
    assert "changed since the last start: seed_size is 6, was 5" in caplog.text
    ActiveLearningCallback(pool, query_size=6).acquisition.first.propose_seed_set()
    caplog.clear()
    keep_options(parse_arguments(BOTH, [*data, "--seed_size", "9", "--seed_strategy", "random"])[0], pool)
    assert [record.getMessage() for record in caplog.records] == [
        "--seed_size is 9, but the seed set has been made: that stays as it is",
        "--seed_strategy is random, but the seed set has been made: that stays as it is",
    ]
    assert pool.store.published_options.shown["seed_size"] == 6
    assert parse_arguments(BOTH, [str(pool.run_dir)])[0].seed_size == 6


def test_members_of_enumerations_are_kept_as_words(tmp_path: Path) -> None:
    given = {"debug": [DebugOption.UNDERFLOW_OVERFLOW], "eval_strategy": IntervalStrategy.EPOCH, "rounds": 3}
    write_options(tmp_path / "config.yaml", portable_options(given))
    kept = yaml.safe_load((tmp_path / "config.yaml").read_text("utf-8"))
    assert kept == {"debug": ["underflow_overflow"], "eval_strategy": "epoch", "rounds": 3}
