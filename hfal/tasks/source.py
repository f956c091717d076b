"""Rows that a user names on the command line: whether they have texts, and how a message names one of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import datasets
import numpy as np
import pyarrow.compute as pc

from hfal.errors import ArgumentError, RowError, listed
from hfal.tasks.conll import SUFFIXES as CONLL_SUFFIXES
from hfal.utils.arrow import is_mixed, tables_of
from hfal.utils.output import get_logger
from hfal.utils.spelling import counted, joined_names


logger = get_logger(__name__)

HOW_TO_FILL_IN = "fill it in, delete such rows, or leave them out with --skip_blank"


@dataclass(frozen=True)
class Source:
    """Rows as they were read, and what the options say of their columns.

    Attributes:
        reference: The file, folder or data set, as the user writes it.
        data: The rows.
        rows: Where in the split each of them is, by which messages count.
        text: The columns with text.
        label: The column with labels, if there is one.
        names: The names of the labels that the user gives, or of the pool's where this is other data; if any.
        may_be_counted: Whether somebody has put `names` in their order, so that numbers may count them from 0.
    """

    reference: str
    data: datasets.Dataset
    rows: Sequence[int]
    text: Sequence[str]
    label: str | None
    names: Sequence[str] | None
    may_be_counted: bool = True

    def place(self, row: int) -> str:
        """Return a row of `data` as a person counts it; in a spreadsheet the names of the columns are row 1."""
        return self.places([row])

    def places(self, rows: Sequence[int]) -> str:
        """Return some rows of `data` as a person counts them; the first twenty are named."""
        numbers, suffix = [self.rows[int(row)] for row in rows], Path(self.reference).suffix.lower()
        if suffix in CONLL_SUFFIXES:
            return listed("sentence", [number + 1 for number in numbers])
        if suffix in (".csv", ".tsv"):
            return f"{listed('row', [number + 2 for number in numbers])} (row 1 names the columns)"
        named = listed("row", [number + 1 for number in numbers])
        if _has_tables(Path(self.reference)):
            named += " of the split (counted through its files, without the names of columns)"
        return named

    def at_row(self, error: RowError) -> ArgumentError:
        """Return what is wrong with a row, or several, as an error that names their places."""
        return ArgumentError(f"{self.reference}, {self.places(error.rows)}: {error.problem}")

    def without(self, rows: Sequence[int]) -> "Source":
        """Return the source without some rows; the others keep their places."""
        kept = np.delete(np.arange(len(self.data)), np.asarray(rows, np.int64))
        return replace(self, data=self.data.select(kept), rows=[self.rows[int(row)] for row in kept])


def _has_tables(folder: Path) -> bool:
    """Whether it is a folder with CSV files, of which all that belong to a split are read as one table."""
    return folder.is_dir() and any(file.suffix.lower() in (".csv", ".tsv") for file in folder.iterdir())


@dataclass(frozen=True)
class SourceWithLabels:
    """The rows of a `Source` with their labels.

    Attributes:
        data: The rows, with the label column as the task reads it.
        names: The names of all labels; empty where an answer may be any string.
        given: Whether a row has an answer, bool[N].
    """

    data: datasets.Dataset
    names: list[str]
    given: np.ndarray


def check_texts(source: Source) -> None:
    """Find columns that are none of texts, and rows without a text.

    Raises:
        ArgumentError: There are some.
    """
    data, text = source.data, source.text
    check_text_columns(source)
    if blank := blank_texts(source):
        columns = [column for column in text if column in blank.values()]
        raise ArgumentError(
            f"{source.reference} has no text in column {' or '.join(map(repr, columns))} of "
            f"{source.places([*blank])}: {HOW_TO_FILL_IN}"
        )
    only_numbers = True
    for table in tables_of(data, *text):
        for column in text:
            numbers = pc.match_substring_regex(table[column], r"^\s*[-+]?[0-9][0-9.,]*\s*$")
            only_numbers &= bool(pc.all(pc.fill_null(numbers, True)).as_py())
    if only_numbers:
        raise ArgumentError(
            f"column {text[0]!r} of {source.reference} holds nothing but numbers: name the column of the text with "
            "--text"
        )


def warn_of_empty_lists(source: Source, given: np.ndarray, empty: np.ndarray, meaning: str) -> None:
    """Warn where most answers are empty lists, which labeling tools write for texts that nobody has looked at.

    Args:
        source: The rows.
        given: Whether a row has an answer, bool[N].
        empty: Whether it is an empty list, bool[N].
        meaning: What that says of a text.
    """
    if empty.sum() * 2 > given.sum():
        logger.warning(
            "%s: %d of %s have an empty list in column %r, which says that there is %s: where nobody has looked at "
            "them, drop their label (null)",
            source.reference,
            empty.sum(),
            counted(int(given.sum()), "row with a label", "rows with labels"),
            source.label,
            meaning,
        )


def check_of_one_type(source: Source) -> None:
    """Find columns for texts, words or labels that have lists or objects beside others.

    Raises:
        ArgumentError: There are some; the message names a row.
    """
    for column in (*source.text, *([source.label] if source.label else [])):
        if is_mixed(source.data, column):
            cells = source.data[column][:]
            are_lists = any(isinstance(cell, list) for cell in cells)
            nested = [any(map(_is_nested, cell or ())) if are_lists else _is_nested(cell) for cell in cells]
            fewer = sum(nested) * 2 <= len(nested)
            row = nested.index(fewer) if fewer in nested else 0
            some = "some of its lists, and others there" if are_lists else "some rows, and texts in others"
            raise ArgumentError(
                f"column {column!r} of {source.reference} has lists or objects in {some}, such as "
                f"{source.place(row)}: write the same in all rows"
            )


def _is_nested(cell: str | None) -> bool:
    return (cell or "").lstrip()[:1] in ("[", "{")


def check_text_columns(source: Source) -> None:
    """Find columns that are none of texts.

    Raises:
        ArgumentError: There are some.
    """
    check_of_one_type(source)
    are_texts = {c: getattr(f, "dtype", None) in ("string", "large_string") for c, f in source.data.features.items()}
    for column in source.text:
        if not are_texts[column]:
            feature = source.data.features[column]
            texts = joined_names(name for name, is_text in are_texts.items() if is_text)
            raise ArgumentError(
                f"column {column!r} of {source.reference} holds {getattr(feature, 'dtype', 'lists')}, "
                f"not text; the columns of text are: {texts or 'none'}"
            )


def blank_texts(source: Source) -> dict[int, str]:
    """Return the rows that lack a text, in their order, each with the first column that has none.

    Of a pair one text may be empty, but not missing. An empty cell of a CSV file is a missing one.
    """
    text = source.text
    blank: dict[int, str] = {}
    start = 0
    for table in tables_of(source.data, *text):
        missing = {column: pc.is_null(table[column]).to_numpy() for column in text}
        empty = [pc.equal(pc.utf8_trim_whitespace(table[column]), "") for column in text]
        missing[text[0]] |= np.all([pc.fill_null(cells, True).to_numpy() for cells in empty], axis=0)
        for row in np.flatnonzero(np.any([*missing.values()], axis=0)):
            blank[start + int(row)] = next(column for column in text if missing[column][row])
        start += len(table)
    return blank
