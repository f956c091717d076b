"""Read a label column: names, and an index for each example. Read as Arrow, never row by row."""

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hfal.errors import ArgumentError
from hfal.tasks.label_names import given_names, in_order, look_alike_hint, warn_of_capitals
from hfal.tasks.source import Source, SourceWithLabels, check_texts
from hfal.utils.arrow import tables_of
from hfal.utils.output import get_logger
from hfal.utils.spelling import joined_names


logger = get_logger(__name__)

_MANY_LABELS = 50
_WHOLE = re.compile("-?[0-9]+")
_IGNORED = {"-100"}  # by the loss
ORDER_HINT = " Numbers count the labels where --labels says in which order these are."
_HINT = " (-1 stands for no label; where it is a label, name it too: label_names=['-1', '1'])"

LABEL_COLUMNS = ("label", "labels", "label_ids")
"""What the Trainer and its collators call the labels."""


def with_label_column(
    dataset: datasets.Dataset, known: str | None, column: str, labels: Any, feature: Any
) -> datasets.Dataset:
    """Return a data set with its labels in `column`, and in no other that a collator would take for labels.

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
    """Return the names of a `ClassLabel` column.

    Raises:
        ArgumentError: The user gives others, or in another order.
    """
    if names is not None and list(names) != list(feature.names):
        raise ArgumentError(
            f"label_names={list(names)!r} differ from the names of column {column!r}: {feature.names!r}; "
            "leave label_names out"
        )
    return tuple(feature.names)


@dataclass(frozen=True)
class LabelCoding:
    """The labels of a pool, and how its own column writes them.

    Attributes:
        names: The names of all labels.
        written: What the column has for each, as text; `None` if it has no label, or is a `ClassLabel`.
        may_be_counted: Whether somebody has put the names in this order, so that numbers in other data may count them.
    """

    names: tuple[str, ...]
    written: tuple[str, ...] | None
    may_be_counted: bool

    def in_other_data(self, found: set[str], are_bools: bool, column: str) -> tuple[str, ...]:
        """Return what stands for each name in the column of another data set.

        Args:
            found: The labels there, as text.
            are_bools: Whether they are true and false.
            column: Its name, for messages.

        Raises:
            ArgumentError: They are numbers, and nothing says which label each of them is.
        """
        if are_bools:
            written = how_written(found, self.names, are_bools)
            is_known = self.may_be_counted or found <= {name.lower() for name in self.names}
        elif not found or not all(_WHOLE.fullmatch(text) for text in found):
            return self.names
        elif self.written is not None and all(_WHOLE.fullmatch(text) for text in self.written):
            return self.written
        else:
            written = how_written(found, self.names, are_bools)
            counted = _counted(self.names)
            is_known = written == self.names if found <= {*self.names} else self.may_be_counted
            is_known &= written == counted or not found <= {*counted}
        if not is_known:
            raise ArgumentError(
                f"label_column={column!r} has numbers here, {', '.join(in_order(found)[:5])}, and nothing says which "
                f"of the pool's labels, {joined_names(self.names)}, each of them is: write the names, or make the "
                f"column a ClassLabel: dataset.cast_column({column!r}, datasets.ClassLabel(names=[...]))"
            )
        return written


def label_coding(dataset: datasets.Dataset, column: str | None, names: Sequence[str] | None) -> LabelCoding:
    """Find the names of the labels, those given or else those of the column's feature or values, and how it has them.

    Args:
        dataset: The data set.
        column: Its label column, if it has one.
        names: The names that the user gives.

    Raises:
        ArgumentError: There is no way to know them, or column and names contradict each other.
    """
    given = None if names is None else given_names(names)
    if column is None:
        if given is None:
            raise ArgumentError("label_names is missing: without a label_column the pool cannot know the labels")
        return LabelCoding(given, None, True)
    feature = dataset.features[column]
    if isinstance(feature, datasets.ClassLabel):
        return LabelCoding(names_of_feature(feature, column, given), None, True)
    found, missing, kind = _found(dataset, column, given or ())
    if given is None and not found:
        raise ArgumentError(
            f"label_names is missing: no example has a label in column {column!r}{_HINT if '-1' in missing else ''}"
        )
    are_bools = pa.types.is_boolean(kind)
    if given is None:
        coding = LabelCoding(
            ("false", "true") if are_bools else tuple(in_order(found)), None, not pa.types.is_string(kind)
        )
        if len(coding.names) < 2:
            raise ArgumentError(
                f"label_column={column!r} is {list(coding.names)}, expected at least 2 names to choose from: name all "
                f"with label_names{_HINT if '-1' in missing else ''}"
            )
        warn_of_capitals(coding.names, f"column {column!r}")
        if missing and not are_bools:
            logger.warning(
                "the labels are those that column %r has so far, %s: name all with label_names%s",
                column,
                joined_names(coding.names),
                _HINT if "-1" in missing else "",
            )
    else:
        coding = LabelCoding(given, None, True)
    written = how_written(found, coding.names, are_bools)
    outside = in_order(found - {*written})
    if outside:
        value = int(outside[0]) if pa.types.is_integer(kind) else outside[0]
        raise ArgumentError(
            f"label_column={column!r} has the value {value!r}, which is outside label_names={list(coding.names)!r}"
            f"{look_alike_hint(outside[0], coding.names)}"
        )
    counted = _counted(coding.names)
    if "-1" in missing and written == counted:
        _warn_of_minus_1(column, found, coding.names, "label_names=['-1', '0', ...]")
    if written == coding.names != counted and found and found <= {*counted}:
        logger.warning(
            "label_column=%r has %s, which are read as names of labels: they do not count label_names from 0",
            column,
            joined_names(in_order(found)),
        )
    return replace(coding, written=written if found else None)


def label_indices(dataset: datasets.Dataset, column: str, coding: LabelCoding, is_other: bool = False) -> np.ndarray:
    """Return a label column as indices into the names, int64[N]; -1 for a missing or unknown label.

    Args:
        dataset: The data set.
        column: Its label column.
        coding: The pool's labels.
        is_other: Whether this is other data than the pool's, of which the labels may be written in another way.

    Raises:
        ArgumentError: The column has no labels for whole texts, or numbers of which nothing says what they stand for.
    """
    feature = dataset.features[column]
    written = coding.names if coding.written is None or isinstance(feature, datasets.ClassLabel) else coding.written
    if is_other and not isinstance(feature, datasets.ClassLabel):
        found, _, kind = _found(dataset, column, coding.names)
        written = coding.in_other_data(found, pa.types.is_boolean(kind), column)
    parts = [
        pc.fill_null(pc.index_in(texts, value_set=pa.array(written, pa.string())), -1).to_numpy()
        for texts, _ in _texts_of(dataset, column)
    ]
    return np.concatenate([np.empty(0, np.int64), *parts]).astype(np.int64)


def check_numbers(dataset: datasets.Dataset, column: str, coding: LabelCoding) -> None:
    """Check labels that a model gets as they are: each has to be the number of one of the pool's labels.

    What is neither numbers nor a `ClassLabel` is left to whoever collates it.

    Raises:
        ArgumentError: A label is missing, is no number of a label, or has another number in the pool's data.
    """
    feature = dataset.features[column]
    if not (isinstance(feature, datasets.ClassLabel) or "int" in getattr(feature, "dtype", "")):
        return
    numbers = _counted(coding.names)
    values = [pc.unique(table[column]).to_pylist() for table in tables_of(dataset, column)]
    found = {str(value) for of_table in values for value in of_table} - _IGNORED
    strange = in_order(found - {*numbers})
    if not isinstance(feature, datasets.ClassLabel) and coding.written not in (None, numbers):
        # Numbers that fit both ways would be taken for another label in silence.
        strange = strange or (in_order(found) if found <= {*coding.written} else [])
    if strange:
        raise ArgumentError(
            f"the eval_dataset has {strange[0]} in column {column!r}, expected the number of a label in each row, "
            f"0 to {len(numbers) - 1} for {joined_names(coding.names)}: pass "
            "eval_dataset=pool.with_labels(eval_dataset), and leave out rows without a label"
        )


def _counted(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(map(str, range(len(names))))


def how_written(found: set[str], names: Sequence[str], are_bools: bool = False) -> tuple[str, ...]:
    """Return what a column has for each name: the name, or its number, from 0 on; false counts as 0, true as 1."""
    by_name = tuple(name.lower() for name in names) if are_bools else tuple(names)
    counted = ("false", "true") if are_bools and len(names) == 2 else _counted(names)
    is_counted = not found <= {*by_name} and (found <= {*counted} or (found & {*counted} and not found & {*by_name}))
    return counted if is_counted else by_name


def _warn_of_minus_1(column: str, found: set[str], names: Sequence[str], how: str) -> None:
    """Warn where -1 may be a label rather than a missing one, as of -1, 0 and 1 for three, or -1 and 1 for two."""
    unused = [name for number, name in enumerate(names) if str(number) not in found and number in (0, len(names) - 1)]
    if found and unused:
        logger.warning(
            "column %r has -1, which is read as no label, and %s, which count the labels from 0, so that none is %s: "
            "where -1 is a label, name the numbers themselves, %s",
            column,
            ", ".join(in_order(found)[:5]),
            " or ".join(unused),
            how,
        )


def _found(
    dataset: datasets.Dataset, column: str, names: Sequence[str]
) -> tuple[set[str], set[str | None], pa.DataType]:
    """Return the labels in a column as text, the missing ones (`None`, `"-1"`) that it has, and its type.

    Among numbers -1 is a missing one, unless it is one of the names.
    """
    found: set[str | None] = set()
    kind = pa.null()
    for texts, of_block in _texts_of(dataset, column):
        kind = of_block
        found.update(pc.unique(texts).to_pylist())
    missing: set[str | None] = {None, *(["-1"] if pa.types.is_integer(kind) and "-1" not in names else [])}
    return {text for text in found if text is not None and text not in missing}, found & missing, kind


def _texts_of(dataset: datasets.Dataset, column: str) -> Iterator[tuple[pa.ChunkedArray, pa.DataType]]:
    """Yield a label column as text, null where a label is missing, and its type; some thousand rows at a time.

    Raises:
        ArgumentError: It has no labels for whole texts.
    """
    feature = dataset.features[column]
    if isinstance(feature, datasets.List | datasets.LargeList):
        raise ArgumentError(
            f"label_column={column!r} holds lists, but text classification has one label for each text: pass "
            "task='multi_label_classification', or task='token_classification' if these are tags of words"
        )
    for table in tables_of(dataset, column):
        values = label_values(table[column])
        kind = values.type
        if isinstance(feature, datasets.ClassLabel):
            values = pc.take(pa.array(feature.names, pa.string()), pc.if_else(pc.less(values, 0), None, values))
        elif not (pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_boolean(kind)):
            raise ArgumentError(
                f"label_column={column!r} holds {feature}, expected ClassLabel, integers or strings: if the values "
                f"are names, write dataset = dataset.cast_column({column!r}, datasets.Value('string'))"
            )
        texts = values.cast(pa.string())
        # An empty cell of a CSV file, where "N/A" and "null" are to stay texts (keep_default_na=False).
        yield pc.if_else(pc.equal(pc.utf8_trim_whitespace(texts), ""), None, texts), kind


def label_values(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a label column without NaN, and whole numbers as integers: a CSV file with gaps makes floats of them."""
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
        warn_of_capitals(names, f"column {source.label!r} of {source.reference}")
        if not isinstance(source.data.features[source.label], datasets.ClassLabel) and _label_texts(source).null_count:
            has_minus_1 = "-1" in pc.unique(_label_texts(source, ["-1"])).to_pylist()
            logger.warning(
                "the labels are those that column %r has so far: name more with --labels%s",
                source.label,
                " (-1 stands for no label; where it is a label, name it too: --labels=-1,0,...)" * has_minus_1,
            )
    if names is None:
        raise ArgumentError("--labels is missing: name the labels (negative,positive), or their column with --label")
    if len(names) < 2 or len(set(names)) < len(names):
        raise ArgumentError(
            f"--labels is {joined_names(names, ',')}, expected two or more different names (the column that has "
            "labels is named with --label)"
        )
    if source.label is None:
        return SourceWithLabels(source.data, names, np.zeros(len(source.data), bool))
    data = _as_classes(source, source.label, names)
    return SourceWithLabels(data, names, label_indices(data, source.label, LabelCoding(tuple(names), None, True)) >= 0)


def _names_in(source: Source) -> list[str]:
    """Return the names in the label column, numbers by their value."""
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
    return in_order(names)


def _as_classes(source: Source, column: str, names: list[str]) -> datasets.Dataset:
    """Return the data with its label column as a `ClassLabel`.

    What the column holds are the names of the labels, or else numbers or booleans that count these from 0.
    """
    data = source.data
    if data.features[column] == datasets.ClassLabel(names=names):
        return data
    labels = _label_texts(source, names)
    found = {label for label in pc.unique(labels).to_pylist() if label is not None}
    are_bools = getattr(data.features[column], "dtype", None) == "bool"
    written = how_written(found, names, are_bools) if are_bools or source.may_be_counted else tuple(names)
    strange = sorted(found - set(written))
    if strange:
        alike = look_alike_hint(strange[0], names)
        order = "" if source.may_be_counted or not strange[0].isdecimal() else ORDER_HINT
        near = difflib.get_close_matches(strange[0], names, n=1)
        raise ArgumentError(
            f"{source.reference} has the label {strange[0]!r} in column {column!r} of "
            f"{source.place(pc.index(labels, strange[0]).as_py())}, which is none of --labels "
            f"{joined_names(names, ',')}.{f' Did you mean {near[0]!r}?' if near and not alike else alike}"
            f"{f' (and so are {len(strange) - 1} others)' if len(strange) > 1 else ''}"
            f" Without --labels they are {joined_names(sorted(found)[:20], ',')}{',...' if len(found) > 20 else ''}."
            f"{order}"
        )
    if written != tuple(names) and not are_bools and "-1" in pc.unique(_label_texts(source, ["-1"])).to_pylist():
        _warn_of_minus_1(column, found, names, "--labels=-1,0,...")
    unused = [name for name, label in zip(names, written, strict=True) if label not in found]
    if found and unused:
        logger.info("no row of %s has the label %s", source.reference, joined_names(unused))
    indices = pc.index_in(labels, value_set=pa.array(written, pa.string())).to_pylist()
    return data.remove_columns(column).add_column(column, indices, feature=datasets.ClassLabel(names=names))


def _label_texts(source: Source, names: Sequence[str] = ()) -> pa.ChunkedArray:
    """Return the label column as strings, null where a label is missing: an empty cell, or -1 among numbers."""
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
