"""`hfal export`: files with the labels."""

from collections.abc import Callable
from pathlib import Path

import datasets

from hfal.store.records import Answer
from support.command import Result, answer, error_line, read_csv


def test_export_writes_what_was_labeled(hfal: Callable[..., Result], run_dir: Path, folder: Path) -> None:
    assert "label" in error_line(hfal("export", run_dir, "--to", "labels.csv"))  # there is none yet
    answer(run_dir, Answer("a", "positive", annotator="x"), Answer("c", "negative", annotator="x"))
    result = hfal("export", run_dir, "--to", "labels.csv")
    assert (result.code, result.stdout) == (0, f"{folder / 'labels.csv'}: 2 labels\n")
    assert [(row["text"], row["label"]) for row in read_csv(folder / "labels.csv")] == [
        ("text a", "positive"),
        ("text c", "negative"),
    ]
    assert hfal("export", run_dir, "--to", "folder", "--format", "jsonl").code == 0
    loaded = datasets.load_dataset("folder", split="train")
    assert loaded["text"][:] == ["text a", "text c"]
    assert "reviews.csv" in error_line(hfal("export", run_dir, "--to", "reviews.csv"))  # is not overwritten
