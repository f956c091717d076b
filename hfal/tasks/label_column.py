"""Read a label column: names, and an index for each example. Read as Arrow, never row by row."""

import difflib
from collections.abc import Sequence
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hfal.errors import ArgumentError
from hfal.tasks.label_names import given_names, look_alike_hint
from hfal.tasks.source import Source, SourceWithLabels, check_texts
from hfal.utils.arrow import tables_of
from hfal.utils.output import get_logger


logger = get_logger(__name__)

_MANY_LABELS = 50

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
            f"{look_alike_hint(outside[0], names)}"
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


# -- what a user names on the command line -------------------------------------------------------------------------


def read_labels(source: Source) -> SourceWithLabels:
    """Return the rows with their label column, if they have one, as a `ClassLabel`.

    Raises:
        ArgumentError: A text is missing, or a label is none of the names; the message names the row.
    """
    check_texts(source)
    names = None if source.names is None else list(source.names)
    if source.label is not None and names is None:
        names = _names_in(source)
        if not isinstance(source.data.features[source.label], datasets.ClassLabel) and _label_texts(source).null_count:
            logger.warning("the labels are those that column %r has so far: name more with --labels", source.label)
    if names is None:
        raise ArgumentError("--labels is missing: name the labels (negative,positive), or their column with --label")
    if len(names) < 2 or len(set(names)) < len(names):
        raise ArgumentError(
            f"--labels is {','.join(names)}, expected two or more different names (the column that has labels is "
            "named with --label)"
        )
    if source.label is None:
        return SourceWithLabels(source.data, names, np.zeros(len(source.data), bool))
    data = _as_classes(source, source.label, names)
    return SourceWithLabels(data, names, label_indices(data, source.label, names) >= 0)


def _names_in(source: Source) -> list[str]:
    """The names that the label column has; numbers in their order."""
    assert source.label is not None
    feature = source.data.features[source.label]
    if isinstance(feature, datasets.ClassLabel):
        return list(feature.names)
    names = [name for name in pc.unique(_label_texts(source)).to_pylist() if name is not None]
    if len(names) < 2:
        found = f"only the label {names[0]!r}" if names else "no label"
        raise ArgumentError(
            f"column {source.label!r} of {source.reference} has {found}: name all there are to be, "
            "--labels negative,positive"
        )
    if len(names) > max(_MANY_LABELS, len(source.data) // 10):
        raise ArgumentError(
            f"column {source.label!r} of {source.reference} has {len(names)} different labels, {names[0]!r} for one: "
            "if it is the column with the labels, name them with --labels"
        )
    are_numbers = all(name.removeprefix("-").isdecimal() for name in names)
    return sorted(names, key=int if are_numbers else None)


def _as_classes(source: Source, column: str, names: list[str]) -> datasets.Dataset:
    """The data with its label column as a `ClassLabel`.

    What the column holds are the names of the labels, or else numbers that count these from 0.
    """
    data = source.data
    if data.features[column] == datasets.ClassLabel(names=names):
        return data
    labels = _label_texts(source, names)
    found = {label for label in pc.unique(labels).to_pylist() if label is not None}
    counted = [str(i) for i in range(len(names))]
    written = counted if found & set(counted) and not found & set(names) else names
    strange = sorted(found - set(written))
    if strange:
        alike = look_alike_hint(strange[0], names)
        near = difflib.get_close_matches(strange[0], names, n=1)
        raise ArgumentError(
            f"{source.reference} has the label {strange[0]!r} in column {column!r} of "
            f"{source.place(pc.index(labels, strange[0]).as_py())}, which is none of --labels "
            f"{','.join(names)}.{f' Did you mean {near[0]!r}?' if near and not alike else alike}"
            f"{f' (and so are {len(strange) - 1} others)' if len(strange) > 1 else ''}"
            f" Without --labels they are {','.join(sorted(found)[:20])}{',...' if len(found) > 20 else ''}."
        )
    unused = [name for name, label in zip(names, written, strict=True) if label not in found]
    if found and unused:
        logger.info("no row of %s has the label %s", source.reference, ", ".join(unused))
    indices = pc.index_in(labels, value_set=pa.array(written, pa.string())).to_pylist()
    return data.remove_columns(column).add_column(column, indices, feature=datasets.ClassLabel(names=names))


def _label_texts(source: Source, names: Sequence[str] = ()) -> pa.ChunkedArray:
    """The label column as strings; null where a label is missing: an empty cell, or -1 among numbers."""
    column = source.label
    assert column is not None
    feature = source.data.features[column]
    parts = []
    for table in tables_of(source.data, column):
        labels = label_values(table[column])
        if isinstance(feature, datasets.ClassLabel):
            labels = pc.take(pa.array(feature.names, pa.string()), pc.if_else(pc.less(labels, 0), None, labels))
        is_number = pa.types.is_integer(labels.type)
        if not (is_number or pa.types.is_string(labels.type) or pa.types.is_boolean(labels.type)):
            raise ArgumentError(
                f"column {column!r} of {source.reference} holds {getattr(feature, 'dtype', 'lists')}, expected the "
                "names of labels, or whole numbers; of lists say --task multi_label_classification, or "
                "token_classification if they are tags of words"
            )
        texts = pc.utf8_trim_whitespace(labels.cast(pa.string()))
        no_label = ["", "-1"] if is_number and "-1" not in names else [""]
        parts.append(pc.if_else(pc.is_in(texts, pa.array(no_label)), None, texts))
    return pa.chunked_array([chunk for part in parts for chunk in part.chunks], pa.string())
