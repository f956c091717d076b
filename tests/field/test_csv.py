"""CSV files that other programs could not read, or read wrongly: each follows a public report."""

import os
import time
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

from hfal.config.arguments import ActiveLearningArguments
from hfal.config.load_data import load_data
from hfal.errors import ArgumentError


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))


def load(folder: Path, content: str | bytes, **options: Any) -> Dataset:
    path = folder / "reviews.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    al = ActiveLearningArguments(**{"data": str(path), "labels": ["bad", "good"], **options})
    return load_data(al, folder / "run", 42).pool


def test_lines_without_a_text(tmp_path: Path) -> None:
    """https://github.com/doccano/doccano/issues/168"""
    content = "text,day\nI liked it,1\n,2\n\n   ,3\nI did not,4\n"
    with pytest.raises(ArgumentError, match=r"column 'text' of rows 3, 4 \(row 1 names the columns\): .*--skip_blank"):
        load(tmp_path, content)
    assert load(tmp_path, content, skip_blank=True)["day"][:] == ["1", "4"]


def test_the_text_na(tmp_path: Path) -> None:
    """https://github.com/langgenius/dify/issues/42220"""
    texts = ["NA", "nan", "null", "N/A", "None"]
    assert load(tmp_path, "text\n" + "\n".join(texts) + "\n")["text"][:] == texts


def test_semicolons(tmp_path: Path) -> None:
    """https://github.com/HumanSignal/label-studio/pull/8569"""
    found = load(tmp_path, 'text;label\n"fine, though; long";good\ndull, really;bad\n', label="label")
    assert (found["text"][:], found["label"][:]) == (["fine, though; long", "dull, really"], [1, 0])


@pytest.mark.parametrize("first", ["sep=;", '"sep=;"'])
def test_the_line_in_which_excel_names_the_separator(tmp_path: Path, first: str) -> None:
    """https://github.com/PowerShell/PowerShell/issues/7776 and https://github.com/close2/csv/issues/68"""
    found = load(tmp_path, f"\ufeff{first}\r\ntext;label;\r\nfine, though;good;\r\ndull;bad;\r\n", label="label")
    assert found.to_dict() == {"text": ["fine, though", "dull"], "label": [1, 0]}


def test_thousands_of_columns(tmp_path: Path) -> None:
    """https://github.com/duckdb/duckdb/issues/10770 and https://github.com/wireservice/csvkit/issues/1043"""
    names = ",".join(["text", *(f"gene {n}" for n in range(16_000)), "label"])
    rows = "".join(f"text {n}," + "0.5," * 16_000 + ("good\n" if n % 2 else "bad\n") for n in range(30))
    began = time.monotonic()
    found = load(tmp_path, f"{names}\n{rows}", label="label")
    assert time.monotonic() - began < 8  # it took 12 to compare each name with all others
    assert found["label"][:] == [0, 1] * 15


def test_a_name_of_a_column_with_a_comma(tmp_path: Path) -> None:
    """https://github.com/shenwei356/csvtk/issues/141 and https://github.com/harelba/q/issues/108"""
    content = '"Remarks, open","Stars, of 5"\nfine,5\ndull,2\n'
    found = load(tmp_path, content, text=["Remarks", "open"])  # what the command line makes of it
    assert found["Remarks, open"][:] == ["fine", "dull"]


def test_zero_bytes_end_no_cell_and_no_line(tmp_path: Path) -> None:
    """https://github.com/pandas-dev/pandas/issues/19886 and https://github.com/pandas-dev/pandas/issues/14012"""
    found = load(tmp_path, "text,x\nbe\x00fore,1\n\x00\x00,2\nlast,\x00\n")
    assert found["text"][:] == ["be\x00fore", "\x00\x00", "last"]


def test_what_a_shell_makes_of_process_substitution(tmp_path: Path) -> None:
    """https://github.com/arq5x/bedtools2/issues/721"""
    read_end, write_end = os.pipe()
    os.write(write_end, b"text\ngood\nbad\n")
    try:
        al = ActiveLearningArguments(data=f"/dev/fd/{read_end}", labels=["bad", "good"])
        with pytest.raises(ArgumentError, match=r"is a pipe, expected a file, .*\(COMMAND > FILE\), and name that$"):
            load_data(al, tmp_path / "run", 42)
    finally:
        os.close(read_end)
        os.close(write_end)
