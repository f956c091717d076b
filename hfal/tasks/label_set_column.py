"""Read a label column in which a text may have several labels. Read as Arrow, never row by row.

The column has a list for each text: of `ClassLabel`, strings or integers. An empty list says that the text has none of
the labels; `None`, that nobody has said anything yet.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hfal.errors import ArgumentError, RowError
from hfal.tasks.label_column import LabelCoding, how_written, names_of_feature
from hfal.tasks.label_names import given_names, in_order, look_alike_hint, warn_of_capitals
from hfal.tasks.label_set import split_label_set
from hfal.tasks.source import Source, SourceWithLabels, check_texts, warn_of_empty_lists
from hfal.utils.arrow import cells_of
from hfal.utils.output import get_logger
from hfal.utils.spelling import joined_names


logger = get_logger(__name__)

_EXPECTED = "expected a list of labels for each text: of ClassLabel, strings or integers"


@dataclass(frozen=True)
class LabelSetColumn:
    """The label sets of all texts, one after the other.

    Attributes:
        names: The names of all labels.
        indices: Of the labels, ascending in each set, int32[S].
        offsets: Where the set of each text begins, int64[N + 1].
        given: Whether a text has a set, bool[N]; it may be empty.
    """

    names: tuple[str, ...]
    indices: np.ndarray
    offsets: np.ndarray
    given: np.ndarray

    def of(self, row: int) -> list[str] | None:
        """The labels of one text in the order of their names, or `None`."""
        if not self.given[row]:
            return None
        return [self.names[i] for i in self.indices[self.offsets[row] : self.offsets[row + 1]]]


def label_set_coding(dataset: datasets.Dataset, column: str | None, names: Sequence[str] | None) -> LabelCoding:
    """Find the names of the labels, those given or else those of the column's feature or values, and how it has them.

    Raises:
        ArgumentError: There is no way to know them, or column and names contradict each other.
    """
    given = None if names is None else given_names(names)
    inner = None if column is None else _checked_feature(dataset, column)
    if column is None or inner is None:
        if given is None:
            raise ArgumentError("label_names is missing: without a column of labels the pool cannot know them")
        return LabelCoding(given, None, True)
    if isinstance(inner, datasets.ClassLabel):
        return LabelCoding(names_of_feature(inner, column, given), None, True)
    values = _values_in(dataset, column)
    if given is None and not values:
        raise ArgumentError(f"label_names is missing: no text has a label in column {column!r}")
    known = tuple(in_order(values)) if given is None else given
    if given is None:
        warn_of_capitals(known, f"column {column!r}")
    written = how_written(values, known) if values else None
    return LabelCoding(known, written, given is not None or "int" in inner.dtype)


def _values_in(dataset: datasets.Dataset, column: str) -> set[str]:
    """The labels in all lists, as text."""
    values: set[Any] = set()
    for cells in cells_of(dataset, column):
        values.update(pc.unique(cells.flatten()).to_pylist())
    return {str(value) for value in values if value is not None}


def _checked_feature(dataset: datasets.Dataset, column: str) -> datasets.ClassLabel | datasets.Value | None:
    """What the lists in a column are of, if they are of labels; `None` if there is none yet, in any row."""
    feature = dataset.features[column]
    if feature == datasets.Value("null"):
        return None
    inner = getattr(feature, "feature", None) if isinstance(feature, datasets.List | datasets.LargeList) else None
    if isinstance(inner, datasets.ClassLabel):
        return inner
    kind = inner.dtype if isinstance(inner, datasets.Value) else ""
    if kind.startswith(("float", "bool")):
        raise ArgumentError(f"label_column={column!r} holds lists of {kind}: {_EXPECTED}. {_as_names(column)}")
    if "string" not in kind and "int" not in kind and kind != "null":
        raise ArgumentError(f"label_column={column!r} holds {feature}, {_EXPECTED}")
    return inner


def read_label_sets(
    dataset: datasets.Dataset, column: str | None, coding: LabelCoding, is_other: bool = False
) -> LabelSetColumn:
    """The label sets of all texts.

    Args:
        dataset: The data set.
        column: Its column with lists of labels, if it has one.
        coding: The labels of the pool.
        is_other: Whether this is other data than the pool's, of which the labels may be written in another way.

    Raises:
        ArgumentError: The column has no lists of labels, or seems to have a 0 or 1 for each of two labels; or numbers
            of which nothing says what they stand for.
        RowError: A label is missing, none of the names, or twice in one list.
    """
    feature = None if column is None else _checked_feature(dataset, column)
    column = None if feature is None else column
    names = coding.names
    classes = feature.names if isinstance(feature, datasets.ClassLabel) else None
    written = coding.written or names
    if column is not None and classes is None and is_other:
        written = coding.in_other_data(_values_in(dataset, column), False, column)
    given = np.zeros(len(dataset), bool)
    sizes = np.zeros(len(dataset), np.int64)
    parts = [np.empty(0, np.int32)]
    row = 0
    for cells in cells_of(dataset, column) if column is not None else ():
        here = slice(row, row + len(cells))
        given[here] = cells.is_valid().to_numpy(zero_copy_only=False)
        sizes[here] = pc.fill_null(pc.list_value_length(cells), 0).to_numpy(zero_copy_only=False)
        flat = cells.flatten()
        indices = _indices(flat, classes, names if classes else written)
        rows = np.repeat(np.arange(row, row + len(cells)), sizes[here])
        wrong = np.flatnonzero(indices < 0)
        if len(wrong):
            value = flat[int(wrong[0])].as_py()
            value = classes[value] if classes and value is not None and 0 <= value < len(classes) else value
            raise RowError(
                int(rows[wrong[0]]),
                f"the label {value!r} in column {column!r} is none of label_names: {joined_names(names)}"
                f"{look_alike_hint(value, names)}"
                if value is not None
                else f"a label in the list in column {column!r} is missing (None): leave it out; [] is none of them",
            )
        order = np.lexsort((indices, rows))
        indices = indices[order]
        twice = np.flatnonzero((indices[1:] == indices[:-1]) & (rows[1:] == rows[:-1]))
        if len(twice):
            hint = (
                _as_names(column)
                if pa.types.is_integer(flat.type)
                else "if these are tags of the words of a raw text, pass task='token_classification'"
            )
            raise RowError(
                int(rows[twice[0]]),
                f"the label {names[indices[twice[0]]]!r} is twice in the list in column {column!r}: name each label "
                f"once ({hint})",
            )
        parts.append(indices.astype(np.int32))
        row += len(cells)
    # Of more labels than two, a list with a 0 or 1 for each has one of these twice, and was refused above.
    is_of_numbers = isinstance(feature, datasets.Value) and "int" in feature.dtype
    if is_of_numbers and len(names) == 2 and given.any() and (sizes[given] == 2).all():
        raise ArgumentError(
            f"label_column={column!r} names both labels ({joined_names(names)}) for every text: {_EXPECTED}. "
            f"{_as_names(column)}"
        )
    offsets = np.zeros(len(dataset) + 1, np.int64)
    np.cumsum(sizes, out=offsets[1:])
    return LabelSetColumn(tuple(names), np.concatenate(parts), offsets, given)


def _as_names(column: str | None) -> str:
    """What to do about a 0 or 1 for each label."""
    return (
        f"If they have a 1 for each label that the text has, write dataset = dataset.map(lambda row: {{{column!r}: "
        f"[name for name, x in zip(label_names, row[{column!r}]) if x]}})"
    )


def _indices(flat: pa.Array, classes: Sequence[str] | None, written: Sequence[str]) -> np.ndarray:
    """Indices into what is `written` for each label, -1 for what is none of them.

    Args:
        flat: Labels.
        classes: The names that they count, if they are of a `ClassLabel`.
        written: What stands for each label.
    """
    if classes is not None:
        is_known = pc.and_(pc.greater_equal(flat, 0), pc.less(flat, len(classes)))
        flat = pc.take(pa.array(classes, pa.string()), pc.if_else(is_known, flat, None))
    found = pc.index_in(flat.cast(pa.string()), value_set=pa.array(written, pa.string()))
    return pc.fill_null(found, -1).to_numpy(zero_copy_only=False).astype(np.int64)


# -- what a user names on the command line -------------------------------------------------------------------------


def read_sets(source: Source) -> SourceWithLabels:
    """Return the rows with their label column, if they have one, as lists.

    Raises:
        ArgumentError: A text is missing, a label is unknown or twice in a list; the message names the row.
    """
    check_texts(source)
    source = _with_lists(source)
    data = source.data
    if source.label is None and source.names is None:
        raise ArgumentError("--labels is missing: name the labels (news,sports), or their column with --label")
    try:
        coding = label_set_coding(data, source.label, source.names)
        if not source.may_be_counted:
            coding = replace(coding, written=coding.names)
        sets = read_label_sets(data, source.label, coding)
    except RowError as error:
        raise source.at_row(error) from None
    is_fixed = source.label is None or isinstance(data.features[source.label].feature, datasets.ClassLabel)
    if source.names is None and not is_fixed and not sets.given.all():
        logger.warning("the labels are those that column %r has so far: name more with --labels", source.label)
    warn_of_empty_lists(source, sets.given, sets.given & (np.diff(sets.offsets) == 0), "none of the labels")
    return SourceWithLabels(data, list(coding.names), sets.given)


def _with_lists(source: Source) -> Source:
    """The rows with lists as labels where these are cells such as `LOC | PER`; an empty cell is no answer."""
    column, names, data = source.label, source.names, source.data
    if column is None or "string" not in getattr(data.features[column], "dtype", ""):
        return source
    if names is None:
        raise ArgumentError(
            f"--labels is missing: column {column!r} of {source.reference} has text, in which they are found by their "
            "names"
        )
    sets: list[list[str] | None] = []
    for row, cell in enumerate(data[column]):
        try:
            sets.append(split_label_set(cell, names) if (cell or "").strip() else None)
        except ArgumentError as error:
            raise source.at_row(RowError(row, f"column {column!r}: {error}")) from None
    lists = datasets.List(datasets.Value("string"))
    return replace(source, data=data.remove_columns(column).add_column(column, sets, feature=lists))
