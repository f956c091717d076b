"""What is no data set is refused with the line that makes one of it, and that line does."""

from pathlib import Path
from typing import Any

import datasets
import pandas as pd
import pytest
from datasets import Dataset

from hfal import Pool
from hfal.data.given_dataset import check_dataset


ROWS = [{"text": "good", "label": "x"}, {"text": "bad", "label": "y"}]
DATA = Dataset.from_list(ROWS)
OTHERS = {
    "splits": datasets.DatasetDict({"train": DATA, "dev set": DATA}),
    "streamed splits": datasets.IterableDatasetDict({"train": DATA.to_iterable_dataset()}),
    "a stream": DATA.to_iterable_dataset(),
    "rows": ROWS,
    "a tuple of rows": tuple(ROWS),
    "columns": DATA.to_dict(),
    "pandas": pd.DataFrame(ROWS, index=[7, 3]),
    "arrow": DATA.data.table,
    "texts": ["good", "bad"],
    "nothing": None,
    "an empty list": [],
}


@pytest.mark.parametrize("data", OTHERS.values(), ids=OTHERS.keys())
def test_what_is_no_dataset_is_refused_with_what_makes_one(tmp_path: Path, data: Any) -> None:
    with pytest.raises(TypeError) as error:
        Pool(data, tmp_path / "run", "text", "label")
    start, _, line = str(error.value).partition(": ")
    assert start == f"dataset is a {type(data).__name__}, expected one datasets.Dataset"
    assert "\n" not in line
    if isinstance(data, datasets.DatasetDict):
        assert line == "pass one of its splits, dataset['train'], dataset['dev set']"
    elif isinstance(data, datasets.IterableDatasetDict):
        assert line == "pass one of its splits, dataset['train']; load it without streaming=True"
    elif data is not None and data is not OTHERS["an empty list"]:
        code = line.removeprefix("load it without streaming=True, or take a part that fits the memory, ")
        made = eval(code.partition(", of one ")[0], {"datasets": datasets, "dataset": data})
        assert made["text"][:] == ["good", "bad"]
        assert made.column_names in (["text", "label"], ["text"])
        check_dataset(made)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "text,n\nN/A,1\nnull,2\n"),
        ("a.tsv", "text\tn\nN/A\t1\nnull\t2\n"),
        ("a.jsonl", '{"text": "N/A"}\n{"text": "null"}\n'),
    ],
)
def test_the_line_for_a_file_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    (tmp_path / name).write_text(text)
    for given in (tmp_path / name, str(tmp_path / name)):
        with pytest.raises(TypeError) as error:
            check_dataset(given)
        assert eval(str(error.value).partition("Dataset: ")[2], {"datasets": datasets})["text"][:] == ["N/A", "null"]


def test_other_data_for_evaluation_is_refused_alike(tmp_path: Path) -> None:
    pool = Pool(DATA, tmp_path / "run", "text", "label")
    with pytest.raises(TypeError, match=r"pass one of its splits, dataset\['train'\]"):
        pool.with_labels(datasets.DatasetDict(train=DATA))  # type: ignore[arg-type]
