"""Rows that a user names on the command line, as messages count them."""

import json
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

from hfal.config.arguments import ActiveLearningArguments
from hfal.config.load_data import load_data
from hfal.errors import ArgumentError
from hfal.tasks.source import Source, check_texts


def source(reference: str, *texts: str | None) -> Source:
    """A source whose rows are every second one of the split."""
    return Source(reference, Dataset.from_dict({"text": [*texts]}), range(0, 2 * len(texts), 2), ["text"], None, None)


@pytest.mark.parametrize(
    ("reference", "place"),
    [
        ("reviews.csv", "row 6 (row 1 names the columns)"),
        ("reviews.TSV", "row 6 (row 1 names the columns)"),
        ("reviews.jsonl", "row 5"),
        ("me/reviews", "row 5"),
        ("news.conll", "sentence 5"),
    ],
)
def test_a_row_is_counted_as_its_file_counts(reference: str, place: str) -> None:
    assert source(reference, "a", "b", "c").place(2) == place


def test_rows_of_a_folder_of_csv_files_are_counted_through_them(tmp_path: Path) -> None:
    assert source(str(tmp_path), "a", "b").place(1) == "row 3"  # of other files
    (tmp_path / "train-1.CSV").write_text("text\na\n")
    said = "rows 1, 3 of the split (counted through its files, without the names of columns)"
    assert source(str(tmp_path), "a", "b").places([0, 1]) == said


def test_rows_without_a_text_are_counted_in_the_split() -> None:
    check_texts(source("reviews.jsonl", "a", "7", "c"))
    with pytest.raises(ArgumentError, match="has no text in column 'text' of rows 3, 5: fill it in, delete"):
        check_texts(source("reviews.jsonl", "a", None, "  "))
    with pytest.raises(ArgumentError, match="holds nothing but numbers: name the column of the text with --text"):
        check_texts(source("reviews.jsonl", "1", "-2.5", " 1,000 "))


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        (
            [["a", "b"], ["c"], ["d", ["e"]]],
            {"text": ["c"], "labels": ["PER"]},
            "lists or objects in some of its lists, and others there,",
        ),
        (
            [["x", "y"], ["x"], ["y", {"a": 1}]],
            {"label": "c"},
            "lists or objects in some of its lists, and others there,",
        ),
        (["x", "y", {"a": 1}], {"label": "c"}, "lists or objects in some rows, and texts in others,"),
        ([[], [], ""], {"label": "c"}, "lists or objects in some rows, and texts in others,"),
    ],
)
def test_words_and_labels_of_several_types_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: list[Any], options: dict[str, Any], message: str
) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps({"text": f"text {n}", "c": row}) + "\n" for n, row in enumerate(rows)))
    with pytest.raises(ArgumentError) as caught:
        load_data(ActiveLearningArguments(data=str(file), **options), tmp_path / "run", 0)
    assert f"column 'c' of {file} has {message} such as row" in str(caught.value)
