"""Types of data frames, tables and files that public reports say other libraries stumble over."""

import re
from pathlib import Path
from typing import Any

import datasets
import pandas as pd
import pyarrow as pa
import pytest
from datasets import Dataset, load_dataset

from hfal import Answer, Pool, export_labels
from support.pools import ids_of


README = Path(__file__).parents[2] / "README.md"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.chdir(tmp_path)


def test_texts_that_look_like_missing_ones_are_read_by_readmes_line_and_hinted_at_otherwise(tmp_path: Path) -> None:
    """https://github.com/huggingface/datasets/issues/4467 and https://github.com/pandas-dev/pandas/issues/32084"""
    texts = ["null", "fine", "N/A", "None", "nan", ""]
    pd.DataFrame({"text": texts}).to_csv("reviews.csv", index=False)
    (line,) = re.findall(r"^reviews = (load_dataset\(.*\))$", README.read_text("utf-8"), re.MULTILINE)
    pool = Pool(eval(line), tmp_path / "run", "text", label_names=["no", "yes"])
    assert [one["text"] for one in pool.texts(range(6))] == texts
    for example_id in ids_of(pool):
        pool.record(Answer(example_id, "yes", annotator="ann"))
    export_labels(pool.run_dir, "labels.jsonl")
    exported = load_dataset("json", data_files="labels.jsonl", split="train")
    assert sorted(exported["text"]) == sorted(texts)
    careless = load_dataset("csv", data_files="reviews.csv", split="train")
    with pytest.raises(ValueError, match=r"no text in rows 0, 2, 3, 4, 5: .*keep_default_na=False"):
        Pool(careless, tmp_path / "other", "text", label_names=["no", "yes"])


def test_labels_that_look_like_missing_ones_stay_labels_and_blank_ones_are_missing(tmp_path: Path) -> None:
    """https://github.com/chanzuckerberg/cellxgene/pull/1115"""
    Path("a.csv").write_text("text,label\na,nan\nb,NA\nc,\nd,cat\n")
    rows = load_dataset("csv", data_files="a.csv", split="train", keep_default_na=False)
    pool = Pool(rows, tmp_path / "run", "text", "label")
    assert pool.label_names == ("NA", "cat", "nan")
    assert [pool.hidden_label(i) for i in ids_of(pool)] == ["nan", "NA", None, "cat"]


def test_string_views(tmp_path: Path) -> None:
    """https://github.com/huggingface/datasets/pull/7718 and https://github.com/pandas-dev/pandas/issues/60068"""
    view = pd.ArrowDtype(pa.string_view())
    frame = pd.DataFrame({"text": ["a", "b", "c"], "label": ["x", None, "y"], "key": ["1", "2", "3"]}).astype(view)
    pool = Pool(Dataset.from_pandas(frame), tmp_path / "run", "text", "label", id_column="key")
    assert pool.label_names == ("x", "y")
    assert pool.given_labels().tolist() == [0, -1, 1]
    assert ids_of(pool) == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("kind", "values", "names"),
    [
        ("Int64", [1, 2, pd.NA], ("1", "2")),
        ("boolean", [True, False, pd.NA], ("false", "true")),
        ("string", ["a", "b", pd.NA], ("a", "b")),
        ("Float64", [0.0, 1.0, pd.NA], ("0", "1")),
    ],
)
def test_nullable_types_of_pandas(tmp_path: Path, kind: str, values: list[Any], names: tuple[str, ...]) -> None:
    """https://github.com/apache/arrow/issues/4168"""
    frame = pd.DataFrame({"text": ["a", "b", "c"], "label": pd.array(values, dtype=kind)})
    pool = Pool(Dataset.from_pandas(frame), tmp_path / "run", "text", "label")
    assert pool.label_names == names
    assert (pool.given_labels() < 0).tolist() == [False, False, True]


@pytest.mark.parametrize("values", [["good", "bad", None, "good"], [2, 1, None, 2]])
def test_categories_of_pandas(tmp_path: Path, values: list[Any]) -> None:
    """https://github.com/cleanlab/cleanlab/issues/1070 and https://github.com/huggingface/datasets/issues/1906"""
    frame = pd.DataFrame({"text": list("abcd"), "label": pd.Categorical(values)})
    pool = Pool(Dataset.from_pandas(frame), tmp_path / "run", "text", "label")
    assert [pool.hidden_label(i) for i in ids_of(pool)] == [None if v is None else str(v) for v in values]


def test_the_splits_that_load_dataset_returns(tmp_path: Path) -> None:
    """https://github.com/huggingface/datasets/issues/1600"""
    Path("data.csv").write_text("text\na\nb\n")
    data = load_dataset("csv", data_files="data.csv")
    with pytest.raises(TypeError, match=r"dataset is a DatasetDict, .*: pass one of its splits, dataset\['train'\]$"):
        Pool(data, tmp_path / "run", "text", label_names=["no", "yes"])
    stream = load_dataset("csv", data_files="data.csv", streaming=True)
    assert isinstance(stream, datasets.IterableDatasetDict)
    with pytest.raises(TypeError, match=r"dataset\['train'\]; load it without streaming=True$"):
        Pool(stream, tmp_path / "run", "text", label_names=["no", "yes"])


def test_a_frame_that_was_filtered_leaves_no_index_behind(tmp_path: Path) -> None:
    """https://github.com/huggingface/datasets/issues/3563"""
    frame = pd.DataFrame({"text": list("abcd"), "n": [1, 2, 1, 2]}).query("n == 2")
    with pytest.raises(TypeError) as error:
        Pool(frame, tmp_path / "run", "text", label_names=["no", "yes"])
    line = str(error.value).partition("Dataset: ")[2]
    made = eval(line, {"datasets": datasets, "dataset": frame})
    assert made.column_names == ["text", "n"]
    assert len(Pool(made, tmp_path / "run", "text", label_names=["no", "yes"])) == 2
