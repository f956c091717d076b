"""Check that data is a `datasets.Dataset`, or say how to make one of it. Nothing here loads torch or pandas."""

from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa

from hfal.errors import ArgumentError
from hfal.utils.spelling import shown


_FORMATS = {".csv": "csv", ".tsv": "csv", ".json": "json", ".jsonl": "json", ".parquet": "parquet", ".txt": "text"}
_ROWS = 10_000


def check_dataset(dataset: Any) -> None:
    """Check that data is one `datasets.Dataset`.

    Raises:
        TypeError: It is not; the message has the line that makes one of it, or names the splits.
    """
    if not isinstance(dataset, datasets.Dataset):
        raise TypeError(
            f"dataset is a {type(dataset).__name__}, expected one datasets.Dataset: {_how_to_make(dataset)}"
        )


def check_tokenized(dataset: datasets.Dataset, how_to_tokenize: str) -> None:
    """Check that a data set has tokens.

    Raises:
        ArgumentError: It has not; the message has the line that tokenizes it.
    """
    if "input_ids" not in dataset.column_names:
        raise ArgumentError(
            "the pool's dataset has no column 'input_ids'; tokenize it first, and keep the text beside it:\n"
            f"{how_to_tokenize}"
        )


def _how_to_make(data: Any) -> str:
    """Return the expression that makes a `datasets.Dataset` of something else, or what else to do."""
    if isinstance(data, datasets.DatasetDict | datasets.IterableDatasetDict):
        splits = ", ".join(f"dataset[{name!r}]" for name in islice(data, 20))
        more = "; load it without streaming=True" if isinstance(data, datasets.IterableDatasetDict) else ""
        return f"pass one of its splits, {splits}{more}" if splits else "it has no split"
    if isinstance(data, datasets.IterableDataset):
        return (
            "load it without streaming=True, or take a part that fits the memory, "
            f"datasets.Dataset.from_list(list(dataset.take({_ROWS})))"
        )
    if isinstance(data, pa.Table):
        return "datasets.Dataset(dataset)"
    kind = f"{type(data).__module__.split('.')[0]}.{type(data).__name__}"
    if kind == "pandas.DataFrame":
        return "datasets.Dataset.from_pandas(dataset, preserve_index=False)"
    if kind == "polars.DataFrame":
        return "datasets.Dataset.from_polars(dataset)"
    if isinstance(data, Mapping):
        return "datasets.Dataset.from_dict(dataset), of one list for each column"
    if isinstance(data, str | Path):
        name = str(data)
        reader = _FORMATS.get(Path(name).suffix.lower())
        if reader is None:
            return f"datasets.load_dataset({shown(name)}, split='train')"
        more = ", keep_default_na=False" if reader == "csv" else ""
        more += ", sep='\\t'" if Path(name).suffix.lower() == ".tsv" else ""
        return f"datasets.load_dataset({reader!r}, data_files={shown(name)}, split='train'{more})"
    if isinstance(data, list | tuple) and data and all(isinstance(one, str) for one in islice(data, _ROWS)):
        return "datasets.Dataset.from_dict({'text': dataset})"
    if data is None:
        return "datasets.load_dataset(...)"
    return "datasets.Dataset.from_list(list(dataset)), of one dictionary for each row"
