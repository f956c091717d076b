"""What the label column of a data set says: names, and an index for each example. Read as Arrow, never row by row."""

from collections.abc import Sequence
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hfal.errors import ArgumentError
from hfal.utils.arrow import tables_of


LABEL_COLUMNS = ("label", "labels", "label_ids")
"""What the Trainer and its collators call the labels."""


def with_label_column(
    dataset: datasets.Dataset, known: str | None, column: str, labels: Any, feature: Any
) -> datasets.Dataset:
    """A data set with its labels in `column`, and in no other that a collator knows: it might take that one for them.

    Args:
        dataset: The data set.
        known: Its own column of labels, which is removed.
        column: What the Trainer calls the labels.
        labels: What the Trainer takes, one for each row.
        feature: Their type.
    """
    there = [name for name in {known, *LABEL_COLUMNS} if name in dataset.column_names]
    return dataset.remove_columns(there).add_column(column, labels, feature=feature)


def given_names(names: Sequence[str]) -> tuple[str, ...]:
    """The names that the user gives.

    Raises:
        ArgumentError: There are none, or one is twice.
    """
    names = tuple(str(name) for name in names)
    if len(set(names)) != len(names) or not names:
        raise ArgumentError(f"label_names={list(names)!r}: expected at least one name and none twice")
    return names


def names_of_feature(feature: datasets.ClassLabel, column: str, names: Sequence[str] | None) -> tuple[str, ...]:
    """The names that a column's feature has.

    Raises:
        ArgumentError: The user gives others, or in another order.
    """
    if names is not None and list(names) != list(feature.names):
        raise ArgumentError(
            f"label_names={list(names)!r} differ from the names of column {column!r}: {feature.names!r}; "
            "leave label_names out"
        )
    return tuple(feature.names)


def label_names_of(dataset: datasets.Dataset, column: str | None, names: Sequence[str] | None) -> tuple[str, ...]:
    """The names of the labels: those given, else those of the column's feature or values.

    Args:
        dataset: The data set.
        column: Its label column, if it has one.
        names: The names that the user gives.

    Raises:
        ArgumentError: There is no way to know them, or column and names contradict each other.
    """
    names = None if names is None else given_names(names)
    if column is None:
        if names is None:
            raise ArgumentError("label_names is missing: without a label_column the pool cannot know the labels")
        return names
    feature = dataset.features[column]
    if isinstance(feature, datasets.List | datasets.LargeList):
        raise ArgumentError(
            f"label_column={column!r} holds lists, but text classification has one label for each text: pass "
            "task='multi_label_classification', or task='token_classification' if these are tags of words"
        )
    if isinstance(feature, datasets.ClassLabel):
        return names_of_feature(feature, column, names)
    values: set[Any] = set()
    for table in tables_of(dataset, column):
        values.update(pc.unique(label_values(table[column])).to_pylist())
    values.discard(None)
    if all(isinstance(v, int) and not isinstance(v, bool) for v in values):
        values.discard(-1)
        if names is None:
            if not values:
                raise ArgumentError(f"label_names is missing: no example has a label in column {column!r}")
            names = tuple(str(i) for i in range(max(values) + 1))
        outside = sorted(v for v in values if not 0 <= v < len(names))
    elif all(isinstance(v, str) for v in values):
        names = tuple(sorted(values)) if names is None else names
        outside = sorted(v for v in values if v not in names)
    else:
        raise ArgumentError(f"label_column={column!r} holds {feature}, expected ClassLabel, integers or strings")
    if outside:
        raise ArgumentError(
            f"label_column={column!r} has the value {outside[0]!r}, which is outside label_names={list(names)!r}"
        )
    return names


def label_indices(dataset: datasets.Dataset, column: str, names: Sequence[str]) -> np.ndarray:
    """A label column as indices into `names`, int64[N]; -1 for a missing or unknown label."""
    feature = dataset.features[column]
    parts = []
    for table in tables_of(dataset, column):
        values = label_values(table[column])
        if isinstance(feature, datasets.ClassLabel):
            values = pc.take(pa.array(feature.names, pa.string()), pc.if_else(pc.less(values, 0), None, values))
        if not pa.types.is_integer(values.type):
            values = pc.index_in(values, value_set=pa.array(names, pa.string()))
        parts.append(pc.fill_null(values, -1).to_numpy().astype(np.int64))
    indices = np.concatenate(parts)
    return np.where(indices < len(names), indices, -1)


def label_values(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A label column without NaN; whole numbers as integers, which a CSV file with gaps makes floats of."""
    if pa.types.is_null(column.type):  # no row has a label yet
        return column.cast(pa.int64())
    if not pa.types.is_floating(column.type):
        return column.cast(pa.string()) if pa.types.is_large_string(column.type) else column
    column = pc.if_else(pc.is_nan(column), None, column)
    try:
        return column.cast(pa.int64())
    except pa.ArrowInvalid:
        return column
