"""Columns of the data that annotators see beside the texts, and exports keep. Their values are kept as text."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time
from typing import Any

import datasets
import numpy as np
import pyarrow as pa

from hfal.errors import ArgumentError
from hfal.utils.arrow import tables_of


_MEDIA = ("Audio", "Image", "Nifti", "Pdf", "Video")  # types of `datasets` that hold files


def check_shown_columns(
    dataset: datasets.Dataset,
    columns: Sequence[str],
    text_columns: Sequence[str],
    label_column: str | None,
    option: str = "show_columns",
) -> None:
    """Check that columns may be shown: they are there once, give no label away, and can be written as text.

    Args:
        dataset: All examples.
        columns: What is to be shown.
        text_columns: The columns with texts, which are shown anyway.
        label_column: The column with labels, if there is one.
        option: How messages call `columns`.

    Raises:
        ArgumentError: One may not.
    """
    if isinstance(columns, str):
        raise ArgumentError(f"{option}={columns!r} is a string, expected a list: [{columns!r}]")
    for column in columns:
        if column not in dataset.column_names:
            raise ArgumentError(
                f"{option} has {column!r}, which is no column of the dataset; it has: "
                f"{', '.join(dataset.column_names)}"
            )
        if column == label_column:
            raise ArgumentError(f"{option} has {column!r}, the column with the labels, which it would give away")
        if column in text_columns:
            raise ArgumentError(f"{option} has {column!r}, which is a text and shown anyway: leave it out")
        if list(columns).count(column) > 1:
            raise ArgumentError(f"{option} names the column {column!r} twice")
        if _holds_bytes(dataset.features[column]):
            raise ArgumentError(
                f"{option} has {column!r}, which holds {_name_of(dataset.features[column])}: expected texts, numbers, "
                "dates, or lists of these"
            )


def _holds_bytes(feature: Any) -> bool:
    if type(feature).__name__ in _MEDIA:
        return True
    if isinstance(feature, dict | list):
        return any(map(_holds_bytes, feature.values() if isinstance(feature, dict) else feature))
    inner = getattr(feature, "feature", None)
    return _holds_bytes(inner) if inner is not None else "binary" in str(getattr(feature, "dtype", ""))


def _name_of(feature: Any) -> str:
    return str(getattr(feature, "dtype", None) or type(feature).__name__)


def shown_values(
    dataset: datasets.Dataset, columns: Sequence[str], positions: Sequence[int] | np.ndarray
) -> list[dict[str, str]]:
    """Return the values of columns in some rows, by column, as text; without those that are missing or empty."""
    if not columns:
        return [{} for _ in positions]
    rows = dataset.select_columns(list(columns)).with_format("arrow")[[int(p) for p in positions]]
    return _as_texts(rows, columns, dataset.features)


def all_shown_values(dataset: datasets.Dataset, columns: Sequence[str]) -> Iterator[dict[str, str]]:
    """Yield what `shown_values` returns for every row."""
    if not columns:
        yield from ({} for _ in range(len(dataset)))
        return
    for table in tables_of(dataset, *columns):
        yield from _as_texts(table, columns, dataset.features)


def _as_texts(rows: pa.Table, columns: Sequence[str], features: Mapping[str, Any]) -> list[dict[str, str]]:
    found: list[dict[str, str]] = [{} for _ in range(len(rows))]
    for column in columns:
        values, feature = rows[column], features[column]
        if pa.types.is_floating(values.type) and values.type.bit_width < 64:  # 0.1, and not 0.10000000149011612
            values = pa.chunked_array([pa.array([*map(_shortest, values)], pa.float64())])
        for of_row, value in zip(found, values.to_pylist(), strict=True):
            text = plain_value(_named(value, feature))
            if text is not None:
                of_row[column] = text
    return found


def _shortest(value: pa.Scalar) -> float | None:
    number = value.as_py()
    return None if number is None else float(str(np.float32(number)))


def _named(value: Any, feature: Any) -> Any:
    """Return a value with the names of classes in the place of their numbers."""
    if isinstance(feature, datasets.ClassLabel):
        return feature.int2str(value) if value is not None and 0 <= value < feature.num_classes else None
    inner = getattr(feature, "feature", None)
    return [_named(one, inner) for one in value] if inner is not None and isinstance(value, list) else value


def plain_value(value: Any) -> str | None:
    """Return a value as people read it: `2024-05-01`, `true`, `a, b`; `None` where there is nothing to read.

    Args:
        value: A text, number, date, list of these, or whatever else Arrow holds.
    """
    match value:
        case None:
            return None
        case str():
            return value if value.strip() else None
        case bool():
            return "true" if value else "false"
        case float() if math.isnan(value):
            return None
        case datetime():  # midnight is what readers of files make of a date
            is_day = value.tzinfo is None and value.time() == time()
            return value.date().isoformat() if is_day else value.isoformat(" ")
        case date() | time():
            return value.isoformat()
        case list() if not any(isinstance(one, list | dict) for one in value):
            return ", ".join(filter(None, map(plain_value, value))) or None
        case list() | dict():
            return json.dumps(value, ensure_ascii=False, default=plain_value) if value else None
    text = str(value)
    return None if text in ("NaT", "") else text
