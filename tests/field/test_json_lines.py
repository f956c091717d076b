"""Reports on JSON Lines and JSON files, as people have them."""

import codecs
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset, List, Value

from hfal.data.references import load_split
from hfal.errors import ArgumentError


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Dataset]:
    """A function that writes a file, from rows or as it is, and loads it."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")

    def read(content: Any, name: str = "rows.jsonl") -> Dataset:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        content = lines(content) if isinstance(content, list) else content
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return load_split(str(path))

    return read


def lines(rows: list[Any]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


TWO = [{"text": "Bündig", "label": "a"}, {"text": "Ωmega", "label": "b"}]


@pytest.mark.parametrize("rows", [TWO, TWO[:1]])
def test_a_mark_of_utf_8_changes_nothing(read: Callable[..., Dataset], rows: list[Any]) -> None:
    # https://github.com/huggingface/datasets/issues/8241
    # https://github.com/infiniflow/ragflow/issues/19179
    assert read(codecs.BOM_UTF8 + lines(rows).encode()).to_list() == rows
    assert read(codecs.BOM_UTF8 + json.dumps(rows).encode(), "rows.json").to_list() == rows


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_what_windows_calls_unicode(read: Callable[..., Dataset], encoding: str) -> None:
    # https://github.com/pydantic/pydantic-ai/issues/8316
    mark = "" if encoding == "utf-16" else "\ufeff"
    assert read((mark + lines(TWO)).encode(encoding)).to_list() == TWO


def test_another_encoding_is_named_with_its_byte_and_line(read: Callable[..., Dataset]) -> None:
    # https://github.com/wbolster/jsonlines/issues/68
    with pytest.raises(
        ArgumentError, match=r"rows.jsonl is not UTF-8 \(byte 0xfc in line 2\): save it again as UTF-8"
    ):
        read(lines([{"text": "a"}, *TWO[:1]]).encode("latin-1"))


def test_keys_that_only_some_rows_have(read: Callable[..., Dataset]) -> None:
    # https://github.com/huggingface/datasets/issues/6162
    # https://github.com/huggingface/datasets/issues/7169
    rows: list[Any] = [{"text": "a"}] * 30_000
    loaded = read([*rows, {"text": "b", "source": "c"}, {"label": "x"}])
    assert loaded[-2:] == {"text": ["b", None], "source": ["c", None], "label": [None, "x"]}
    assert loaded[0] == {"text": "a", "source": None, "label": None}


def test_lists_that_are_empty_at_first(read: Callable[..., Dataset], tmp_path: Path) -> None:
    # https://github.com/huggingface/datasets/issues/7092
    # https://github.com/The-Vibe-Company/quivr/issues/3570
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "train-1.jsonl").write_text(lines([{"text": "a", "labels": []}] * 3))
    (tmp_path / "folder" / "train-2.jsonl").write_text(lines([{"text": "b", "labels": ["x"]}]))
    loaded = load_split(str(tmp_path / "folder"))
    assert loaded.features["labels"] == List(Value("string"))
    assert loaded["labels"][:] == [[], [], [], ["x"]]


def test_numbers_and_texts_in_one_column_are_texts(read: Callable[..., Dataset]) -> None:
    # https://github.com/huggingface/datasets/issues/6106
    # https://github.com/RUC-NLPIR/FlashRAG/issues/132
    rows = [{"text": "a", "label": "one"}, {"text": 1984, "label": -1.25}, {"text": "c", "label": None}]
    assert read(rows)["text"][:] == ["a", "1984", "c"]
    assert read(rows)["label"][:] == ["one", "-1.25", None]


def test_lists_of_numbers_and_texts(read: Callable[..., Dataset]) -> None:
    # https://github.com/huggingface/datasets/issues/6460
    assert read([{"ner": [[[0, 4, "ORG"]]]}, {"ner": [[]]}])["ner"][:] == [[[["0", "4", "ORG"]]], [[]]]


def test_a_column_of_anything_stays_json(read: Callable[..., Dataset], caplog: pytest.LogCaptureFixture) -> None:
    # https://github.com/huggingface/datasets/pull/8027
    loaded = read([{"text": "a", "meta": {"n": 1}}, {"text": "b", "meta": "é"}, {"text": "c", "meta": [1, "x"]}])
    assert [json.loads(cell) for cell in loaded["meta"]] == [{"n": 1}, "é", [1, "x"]]
    assert "column 'meta' of" in caplog.text
    assert "line 2 is text, but an object before" in caplog.text


def test_dates_stay_as_they_are_written(read: Callable[..., Dataset]) -> None:
    # https://github.com/huggingface/course/issues/692
    rows = [{"sent": "1999-12-24 10:00:00", "text": "1999-12-24", "until": None}] * 2
    rows += [{"sent": "x", "text": "b", "until": "1999-12-31T00:00:00Z"}]
    assert read(rows).to_list() == rows


@pytest.mark.parametrize(
    "document",
    [
        TWO,
        # https://github.com/huggingface/datasets/pull/372
        {"version": "1.1", "data": TWO},
        # https://github.com/capitalone/DataProfiler/issues/105
        {"meta": {"n": 2}, "rows": TWO},
        {"text": [row["text"] for row in TWO], "label": [row["label"] for row in TWO]},
        {name: {str(i): row[name] for i, row in enumerate(TWO)} for name in TWO[0]},
    ],
)
@pytest.mark.parametrize("indent", [None, 2])
def test_one_document_with_all_rows(read: Callable[..., Dataset], document: Any, indent: int | None) -> None:
    assert read(json.dumps(document, indent=indent), "rows.json").to_list() == TWO


def test_one_object_is_one_row(read: Callable[..., Dataset]) -> None:
    # https://github.com/huggingface/datasets/pull/8086
    assert read(json.dumps(TWO[0], indent=2), "rows.json").to_list() == TWO[:1]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        # https://github.com/huggingface/datasets/issues/7322
        ('[{"text": "a"}]\n[{"text": "b"}]\n', r"rows.jsonl, line 2 is no JSON \(Extra data, column 1\)"),
        ('{"text": "a"}\n["b"]\n', r'line 2: \["b"\] is no object: every row needs one, such as {"text": "..."}'),
        # https://github.com/hiyouga/LlamaFactory/issues/8805
        ('{"text": "a"}\n\n{"text": "b",}\n', r"line 3 is no JSON \(.*, column \d+\): mend or delete it"),
        ('{"text": "a",}\n{"text": "b"}\n', r"line 1 is no JSON"),
        ('{"text": "a"}\n{"text": "b"', r"line 2 is no JSON"),
        ('{"text": "a", "text": "b"}\n', r"line 1 cannot be read: the key 'text' is there twice"),
        ('{"text": "a", "x": ' + "[" * 100_000 + "]" * 100_000 + "}", r"line 1 cannot be read: nested too deep"),
        ('{"text": "a", "x": ' + "9" * 5000 + "}", r"line 1 cannot be read: Exceeds the limit"),
        (" \n\n", r"rows.jsonl is empty"),
        ("{}\n{}\n", r"rows.jsonl has no rows"),
        ("7", r"rows.jsonl has '7', expected objects: one in each line, or a list of them"),
    ],
)
def test_lines_that_are_no_rows_are_named(read: Callable[..., Dataset], content: str, message: str) -> None:
    with pytest.raises(ArgumentError, match=message) as error:
        read(content)
    assert "\n" not in str(error.value)


def test_several_lists_of_rows_are_refused(read: Callable[..., Dataset]) -> None:
    # https://github.com/IBM/unitxt/pull/1188
    with pytest.raises(ArgumentError, match=r"has several lists of rows \(news, mail\): save the one"):
        read(json.dumps({"news": TWO, "mail": TWO}), "rows.json")


def test_texts_that_were_cut_within_a_character(
    read: Callable[..., Dataset], caplog: pytest.LogCaptureFixture
) -> None:
    # https://github.com/ThomasKliszowski/json_reindent/issues/12
    # https://github.com/daaain/claude-code-log/issues/139
    loaded = read('{"text": "so \\ud83d"}\n{"text": "\\ud83d\\ude00"}\n{"text": "\\udcb2 x"}\n')
    assert loaded["text"][:] == ["so \ufffd", "😀", "\ufffd x"]
    assert "rows.jsonl, line 1, and 1 more: U+FFFD stands for half a character" in caplog.text


def test_numbers_that_no_type_holds_are_texts(read: Callable[..., Dataset]) -> None:
    # https://github.com/huggingface/datasets/issues/6007
    big = 2**63
    assert read([{"id": big, "text": "a"}, {"id": 7, "text": "b"}])["id"][:] == [str(big), "7"]
    assert read([{"id": big - 1, "text": "a"}, {"id": 7, "text": "c"}])["id"][:] == [big - 1, 7]


def test_nan_is_no_value(read: Callable[..., Dataset]) -> None:
    loaded = read('{"text": "a", "label": NaN}\n{"text": "b", "label": "x"}\n{"text": NaN, "n": NaN}\n{"n": 1}')
    assert loaded.to_dict() == {
        "text": ["a", "b", None, None],
        "label": [None, "x", None, None],
        "n": [None] * 3 + [1],
    }
