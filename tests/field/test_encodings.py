"""Text files in the encodings that people have: each test follows a public report."""

import gzip
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


def load(path: Path, content: bytes, **options: Any) -> Dataset:
    path.write_bytes(content)
    al = ActiveLearningArguments(**{"data": str(path), "labels": ["bad", "good"], **options})
    return load_data(al, path.parent / "run", 42).pool


def test_columns_of_words_in_utf_16(tmp_path: Path) -> None:
    """https://github.com/doccano/doccano/issues/1870"""
    content = "Lake B-LOC\nConstance I-LOC\n\nBasel B-LOC\n"
    for encoding in ("utf-16", "utf-16-le"):
        found = load(tmp_path / "land.txt", content.encode(encoding), label="ner_tags", labels=None)
        assert found["tokens"][:] == [["Lake", "Constance"], ["Basel"]]


def test_a_table_in_utf_16_with_and_without_a_mark(tmp_path: Path) -> None:
    """https://github.com/openwisp/openwisp-radius/issues/550"""
    for encoding in ("utf-16", "utf-16-le", "utf-16-be"):
        found = load(tmp_path / "users.csv", "text,x\r\nJürgen,1\r\n李,2\r\n".encode(encoding))
        assert found["text"][:] == ["Jürgen", "李"]


def test_the_mark_before_the_first_name(tmp_path: Path) -> None:
    """https://github.com/UKGovernmentBEIS/inspect_ai/pull/5361"""
    for name in ('"text"', "text"):
        assert load(tmp_path / "excel.csv", f"\ufeff{name},x\r\nfine,1\r\ndull,2\r\n".encode())["text"][0] == "fine"


def test_texts_in_gb_2312_one_a_line(tmp_path: Path) -> None:
    """https://github.com/doccano/doccano/issues/22"""
    with pytest.raises(
        ArgumentError, match=r"lines\.txt is not UTF-8 \(byte 0x.. in line 2\): save it again as UTF-8$"
    ):
        load(tmp_path / "lines.txt", "a b\n电影很好 看\n".encode("gb2312"))
    with pytest.raises(ArgumentError, match=r"lines\.txt has no tags at the ends .*'text' as its first line"):
        load(tmp_path / "lines.txt", "电影很好 看\n不好 看\n".encode())


def test_a_korean_code_page(tmp_path: Path) -> None:
    """https://github.com/HumanSignal/label-studio/issues/376"""
    with pytest.raises(ArgumentError, match=r"byte 0x.. in line 3\): save it again as UTF-8 \(in a spreadsheet: 'CSV"):
        load(tmp_path / "reviews.csv", "text\ngood\n좋아요\n".encode("cp949"))


def test_what_begins_with_1f_8b_is_compressed(tmp_path: Path) -> None:
    """https://github.com/huggingface/datasets/issues/6851"""
    with pytest.raises(ArgumentError, match=r"moods\.csv is compressed \(gzip\), expected text: unpack it"):
        load(tmp_path / "moods.csv", gzip.compress(b"text\ngood\nbad\n"))
