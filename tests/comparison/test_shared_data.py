"""The data of a comparison: drawn once, and read again as it was."""

from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset, DatasetDict

from hfal.comparison.shared_data import SharedData, read_shared_data
from hfal.config.arguments import ActiveLearningArguments
from hfal.errors import ArgumentError
from support.models import NAMES
from support.texts import CONLL, load_reviews


def read(out: Path, **options: Any) -> SharedData:
    return read_shared_data(ActiveLearningArguments(**options), out, 42)


def test_label_names_stay_those_of_all_of_the_data_when_it_is_read_again(tmp_path: Path) -> None:
    tags = [["B-PER", "O"], ["O", "B-LOC"]] * 20
    tags[3] = ["B-LAW", "O"]
    Dataset.from_dict({"tokens": [[f"a{n}", f"b{n}"] for n in range(40)], "tags": tags}).to_json(
        tmp_path / "news.jsonl"
    )
    options = {
        "data": str(tmp_path / "news.jsonl"),
        "text": ["tokens"],
        "label": "tags",
        "pool_size": 6,
        "eval_size": 5,
    }
    first = read(tmp_path / "out", **options)
    assert "B-LAW" not in str(first.parts["train"]["tags"][:])  # so that they cannot be read off the pool
    assert any("LAW" in name for name in first.options["labels"])
    first.save(tmp_path / "out")
    assert read(tmp_path / "out", **options).options == first.options


def test_a_conll_file_needs_no_text_the_second_time_either(tmp_path: Path) -> None:
    options = {"data": f"{CONLL}/valid.txt", "label": "ner_tags", "pool_size": 20, "eval_size": 10}
    first = read(tmp_path / "out", **options)
    first.save(tmp_path / "out")
    again = read(tmp_path / "out", **options)
    assert again.options["text"] == ["tokens"]
    assert (again.options, again.cost) == (first.options, first.cost)


def test_a_text_to_evaluate_on_without_a_label_is_found_before_any_run(tmp_path: Path) -> None:
    rows = [{"text": row["text"], "label": NAMES[row["label"]]} for row in load_reviews(40)]
    rows[30]["label"] = None
    DatasetDict(train=Dataset.from_list(rows[:30]), test=Dataset.from_list(rows[30:])).save_to_disk(
        tmp_path / "reviews"
    )
    with pytest.raises(ArgumentError, match=r"1 of 10 examples have no label in column 'label'"):
        read(tmp_path / "out", data=str(tmp_path / "reviews"), label="label", eval_split="test")
