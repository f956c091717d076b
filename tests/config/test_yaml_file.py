"""YAML files of options: values as options want them, words as they are written, and what is refused."""

from pathlib import Path
from typing import Any

import pytest

from hfal.config.kept_config import parse_arguments
from hfal.errors import ArgumentError
from support.options import BOTH, NEEDED


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


def test_what_yaml_makes_of_no_is_told_from_the_word(parse: Any) -> None:
    assert parse(NEEDED + "save_strategy: no\n")[1].save_strategy == "no"
    with pytest.raises(ArgumentError, match="export has False, which is what YAML makes of yes, no, on and off"):
        parse(NEEDED + "export: no\n")


@pytest.mark.parametrize(
    ("yaml", "what"),
    [
        ("", "empty"),
        ("# only a comment\n", "empty"),
        ("null\n", "empty"),
        ("- model\n- data\n", "a list"),
        ("some-model\n", "one value"),
    ],
)
def test_yaml_that_is_no_mapping(parse: Any, yaml: str, what: str) -> None:
    with pytest.raises(ArgumentError, match=rf"config\.yaml is {what}, expected options and their values"):
        parse(yaml)


def test_dates_and_numbers_are_names_as_they_are_written(parse: Any) -> None:
    al, args = parse(
        NEEDED + "labels: [2024-01-01, 1.10, -7, 2]\noutput_dir: 2024-02-30\ntext: 1.0\nself_training: 0.50\n"
    )
    assert al.labels == ["2024-01-01", "1.10", "-7", "2"]
    assert (args.output_dir, al.text, al.self_training) == ("2024-02-30", ["1.0"], 0.5)
    assert type(al.given["self_training"]) is float  # or it could not be kept
    with pytest.raises(ArgumentError, match=r"'\+1' is 1 in YAML: write that, or put it in quotes"):
        parse(NEEDED + "labels: [+1, -1]\n")


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("x" * 1_000_001, r"has 1,000,0\d\d bytes, expected options, which take less than 1,000,000$"),
        (f"strategy: {'x' * 20_000}", r"--strategy is 'x+…, of 20,000 characters: none of its values$"),
        (f"rounds: {'9' * 5000}", r"line 3\): a number of 5,000 digits is no value of an option$"),
        (f"rounds: 0x{'f' * 5000}", "a number of 5,002 digits is no value of an option$"),
        ("text: !!set {a, b}", "text has {'a', 'b'}, expected a list of words"),
        ("text: !!binary aGVsbG8=", "text has b'hello', expected a list of words"),
        ("labels: [!!binary aGVsbG8=, b]", "labels has the item b'hello', expected a list of words"),
        ("\trounds: 3", r"line 3\): found character '\\t' that cannot start any token \(indent with spaces"),
        ("rounds: 3\nrounds: 4", "'rounds' stands there twice"),
        ("~: 3", "has the unknown key 'None'"),
    ],
    ids=lambda value: value[:20],
)
def test_yaml_that_nobody_wants_to_wait_for_or_read_in_full(parse: Any, yaml: str, message: str) -> None:
    with pytest.raises(ArgumentError, match=message) as caught:
        parse(NEEDED + yaml + "\n")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_anchors_of_anchors_are_shown_in_part(parse: Any) -> None:
    yaml = "text: &a0 [x, x, x, x, x, x, x, x, x]\n"
    for n, key in enumerate(["labels", "thresholds", "report_to", "export_language", "id", "split", "export"]):
        yaml += f"{key}: &a{n + 1} [{', '.join([f'*a{n}'] * 9)}]\n"  # nine in each of nine in each of nine ...
    yaml += f"annotator: [{', '.join(['*a7'] * 9)}]\n"
    with pytest.raises(ArgumentError, match="labels has the item") as caught:
        parse(NEEDED + yaml)
    assert len(str(caught.value)) < 500


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


@pytest.mark.parametrize(
    ("yaml", "named"),
    [
        (
            "labels: {0: neg, 1: pos}",
            "labels has {0: 'neg', 1: 'pos'}, expected a list, without numbers or names: [neg, pos]",
        ),
        ("labels: [~, b]", "labels has an empty item, expected a list of words"),
        ("labels: [a, , b]", "is no valid YAML"),
        ("labels: [[a, b], c]", "labels has the item ['a', 'b'], expected a list of words"),
        ("labels:\n  - neg: 0\n  - pos: 1", "labels has the item {'neg': 0}, expected a list of words"),
        ("text: {a: b}", "text has {'a': 'b'}, expected a list"),
        ("labels: a,b\nlabels: c,d", "'labels' stands there twice"),
    ],
)
def test_what_is_no_list_of_words_is_refused(parse: Any, yaml: str, named: str) -> None:
    with pytest.raises(ArgumentError) as error:
        parse(f"data: reviews.csv\n{yaml}\n")
    assert named in str(error.value)
    assert "\n" not in str(error.value)
