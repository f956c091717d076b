"""What YAML makes of options, where somebody meant something else: each test follows a public report."""

import re
import time
from pathlib import Path
from typing import Any

import pytest

from hfal.config.arguments import ActiveLearningArguments, TrainingOptions
from hfal.config.kept_config import read_ahead
from hfal.errors import ArgumentError


def read(folder: Path, yaml: str) -> tuple[ActiveLearningArguments, TrainingOptions]:
    path = folder / "config.yaml"
    path.write_text(f"data: reviews.csv\n{yaml}\n")
    return read_ahead([str(path)])


def refused(folder: Path, yaml: str) -> str:
    began = time.monotonic()
    with pytest.raises(ArgumentError) as caught:
        read(folder, yaml)
    assert time.monotonic() - began < 10
    assert len(str(caught.value)) < 500
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_date_is_a_name(tmp_path: Path) -> None:
    """https://github.com/equinor/webviz-config/issues/396 and https://github.com/dagster-io/dagster/issues/6465"""
    al, options = read(tmp_path, "labels: [1999-12-24, 2003-02-01]\noutput_dir: 1999-12-24")
    assert (al.labels, options.output_dir) == (["1999-12-24", "2003-02-01"], "1999-12-24")
    assert "--rounds: invalid int value: '1999-12-24'" in refused(tmp_path, "rounds: 1999-12-24")


@pytest.mark.parametrize("option", ["output_dir", "id", "label"])
def test_a_word_that_looks_like_a_date(tmp_path: Path, option: str) -> None:
    """https://github.com/mauvilsa/jsonargparse/issues/135"""
    found: dict[str, Any] = {**vars(read(tmp_path, f"{option}: 2001-05-06")[0])}
    found |= vars(read(tmp_path, f"{option}: 2001-05-06")[1])
    assert found[option] == "2001-05-06"


def test_zeros_at_the_end_of_a_name(tmp_path: Path) -> None:
    """https://github.com/travis-ci/travis-ci/issues/2615 and https://github.com/mikefarah/yq/issues/118"""
    al, options = read(tmp_path, "labels: [7.10, 7.1]\noutput_dir: 2.40\nlearning_rate: 0.00010")
    assert (al.labels, options.output_dir, options.learning_rate) == (["7.10", "7.1"], "2.40", 0.0001)


def test_a_number_with_an_exponent(tmp_path: Path) -> None:
    """https://github.com/hiyouga/LlamaFactory/issues/4014"""
    assert read(tmp_path, "learning_rate: 2e-5")[1].learning_rate == 2e-5


def test_a_key_that_is_there_twice(tmp_path: Path) -> None:
    """https://github.com/yaml/pyyaml/issues/165"""
    assert "'rounds' stands there twice" in refused(tmp_path, "rounds: 3\nlabels: [a, b]\nrounds: 4")


@pytest.mark.parametrize("biggest", ["id", "labels", "rounds"])
def test_a_few_lines_that_stand_for_thousands_of_millions(tmp_path: Path, biggest: str) -> None:
    """https://github.com/yaml/pyyaml/issues/235 and https://github.com/kislyuk/yq/issues/134"""
    keys = [
        "split",
        "model",
        "annotator",
        "strategy",
        "stop",
        "export",
        "class_weights",
        "eval_split",
        "seed_strategy",
    ]
    lines = ["text: &a0 [a, b, c, d, e, f, g, h, i]"]
    for number, key in enumerate([*keys, biggest]):
        lines.append(f"{key}: &a{number + 1} [{', '.join([f'*a{number}'] * 9)}]")
    assert "expected one value" in refused(tmp_path, "\n".join(lines))
    lines = [re.sub("^(text|" + "|".join(keys) + "):", "x:", line) for line in lines]
    assert "'x' stands there twice" in refused(tmp_path, "\n".join(lines))
    lines = [line.replace("x:", "-") for line in lines[:-1]]  # all of it is one value
    lines = [f"{biggest}:", *(f"  {line}" for line in lines)]
    assert f"{biggest} has " in refused(tmp_path, "\n".join(lines))


@pytest.mark.parametrize("yaml", ["[" * 10_000, "[" * 3000 + "]" * 3000, "{a: " * 5000])
def test_thousands_of_brackets(tmp_path: Path, yaml: str) -> None:
    """https://github.com/nodeca/js-yaml/issues/739"""
    assert "config.yaml has hundreds of brackets in each other" in refused(tmp_path, f"labels: {yaml}")
