"""Options from a YAML file and the command line."""

import inspect
from pathlib import Path
from typing import Any

import pytest
from transformers import TrainingArguments

from hfal import ActiveLearningCallback
from hfal.config import ActiveLearningArguments, parse_arguments
from hfal.errors import ArgumentError


CONFIGS = sorted((Path(__file__).parents[1] / "configs").glob("*.yaml"))
NEEDED = "model: some-model\ndata: reviews.csv\n"


@pytest.fixture
def parse(tmp_path: Path) -> Any:
    """A function that parses a YAML text and more arguments, as `hfal run` does."""

    def parse(yaml: str, *more: str) -> tuple[ActiveLearningArguments, TrainingArguments]:
        path = tmp_path / "config.yaml"
        path.write_text(yaml, encoding="utf-8")
        return parse_arguments((ActiveLearningArguments, TrainingArguments), [str(path), *more])

    return parse


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_config_of_the_repository_parses(path: Path, tmp_path: Path) -> None:
    al, args = parse_arguments(
        (ActiveLearningArguments, TrainingArguments), [str(path), "--output_dir", str(tmp_path / "run")]
    )
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
    al, _ = parse_arguments((ActiveLearningArguments, TrainingArguments), argv)
    assert (al.query_size, al.rounds) == (7, 5)


def test_command_line_alone_is_enough() -> None:
    argv = ["--model", "m", "--data", "d", "--text_column", "a", "b"]
    al, _ = parse_arguments((ActiveLearningArguments, TrainingArguments), argv)
    assert (al.model, al.data, al.text_column) == ("m", "d", ["a", "b"])


def test_every_option_of_the_callback_can_be_set(parse: Any) -> None:
    al, _ = parse(NEEDED + "query_size: 7\nbudget: 70\n")
    options = al.callback_options()
    wanted = set(inspect.signature(ActiveLearningCallback).parameters) - {"pool", "annotator", "seed"}
    assert set(options) == wanted  # seed is TrainingArguments'
    assert (options["query_size"], options["budget"]) == (7, 70)


def test_numbers_that_yaml_reads_as_strings(parse: Any) -> None:
    # YAML 1.1 takes 5e-5 for a string: only 5.0e-5 is a number.
    al, args = parse(NEEDED + "learning_rate: 5e-5\nweight_decay: 1e-2\nquery_size: '12'\ntarget: 9e-1\n")
    assert args.learning_rate == pytest.approx(5e-5)
    assert args.weight_decay == pytest.approx(1e-2)
    assert (al.query_size, al.target) == (12, pytest.approx(0.9))
    assert parse(NEEDED + "learning_rate: 5.0e-5\n")[1].learning_rate == pytest.approx(5e-5)


def test_lists(parse: Any) -> None:
    al, _ = parse(NEEDED + "text_column: [premise, hypothesis]\nlabels:\n  - negative\n  - positive\n")
    assert al.text_column == ["premise", "hypothesis"]
    assert al.labels == ["negative", "positive"]
    al, _ = parse(NEEDED + "text_column: [premise, hypothesis]\n", "--text_column", "sentence")
    assert al.text_column == ["sentence"]


def test_single_value_where_a_list_is_expected(parse: Any) -> None:
    al, _ = parse(NEEDED + "text_column: sentence\n")
    assert al.text_column == ["sentence"]  # and not a column for each letter


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
    [("stratgy", "strategy"), ("query-size", "query_size"), ("learning_rat", "learning_rate"), ("Rounds", "rounds")],
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
    with pytest.raises(ArgumentError, match="--stratgy"):
        parse(NEEDED, "--stratgy", "entropy")


def test_value_that_transformers_refuses_is_an_error_of_ours(parse: Any) -> None:
    # Without its quotes YAML 1.1 takes this for false.
    with pytest.raises(ArgumentError, match=r"(?i)save_?strategy"):
        parse(NEEDED + "save_strategy: no\n")


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
        parse_arguments((ActiveLearningArguments, TrainingArguments), [str(path)])


def test_yaml_cannot_run_code(parse: Any, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="no valid YAML"):
        parse(NEEDED + f"strategy: !!python/object/apply:os.mkdir [{tmp_path / 'made'}]\n")
    assert not (tmp_path / "made").exists()


def test_missing_file_is_named_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for argv in (["missing.yaml"], ["--config", "missing.yaml"], [str(tmp_path)]):
        with pytest.raises(FileNotFoundError, match=f"there is no configuration {tmp_path}"):
            parse_arguments((ActiveLearningArguments, TrainingArguments), argv)


@pytest.mark.parametrize(
    ("yaml", "more", "named"),
    [
        ("data: reviews.csv\n", [], "--model"),
        ("model: some-model\n", [], "--data"),
        (NEEDED + "query_size: many\n", [], "--query_size"),
        (NEEDED, ["--retrain", "sometimes"], "--retrain"),
    ],
    ids=["no model", "no data", "no number", "no choice"],
)
def test_missing_and_impossible_values_are_named(parse: Any, yaml: str, more: list[str], named: str) -> None:
    with pytest.raises(ArgumentError, match=named):
        parse(yaml, *more)
