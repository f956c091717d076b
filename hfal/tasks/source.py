"""Rows that a user names on the command line: whether they have texts, and how a message names one of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import datasets
import numpy as np
import pyarrow.compute as pc

from hfal.errors import ArgumentError, RowError
from hfal.tasks.conll import SUFFIXES as CONLL_SUFFIXES
from hfal.utils.arrow import tables_of


@dataclass(frozen=True)
class Source:
    """Rows as they were read, and what the options say of their columns.

    Attributes:
        reference: The file, folder or data set, as the user writes it.
        data: The rows.
        rows: Where in the split each of them is, by which messages count.
        text: The columns with text.
        label: The column with labels, if there is one.
        names: The names of the labels that the user gives, if any.
    """

    reference: str
    data: datasets.Dataset
    rows: Sequence[int]
    text: Sequence[str]
    label: str | None
    names: Sequence[str] | None

    def place(self, row: int) -> str:
        """Return a row of `data` as a person counts it; in a spreadsheet the names of the columns are row 1."""
        number, suffix = self.rows[row], Path(self.reference).suffix.lower()
        if suffix in CONLL_SUFFIXES:
            return f"sentence {number + 1}"
        if suffix in (".csv", ".tsv"):
            return f"row {number + 2} (row 1 names the columns)"
        return f"row {number + 1}"

    def at_row(self, error: RowError) -> ArgumentError:
        """Return what is wrong with a row as an error that names its place."""
        return ArgumentError(f"{self.reference}, {self.place(error.row)}: {error.problem}")


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
    are_texts = {c: getattr(f, "dtype", None) in ("string", "large_string") for c, f in data.features.items()}
    for column in text:
        if not are_texts[column]:
            texts = ", ".join(name for name, is_text in are_texts.items() if is_text)
            raise ArgumentError(
                f"column {column!r} of {source.reference} holds {getattr(data.features[column], 'dtype', 'lists')}, "
                f"not text; the columns of text are: {texts or 'none'}"
            )
    empty: list[tuple[int, str]] = []
    only_numbers = True
    start = 0
    for table in tables_of(data, *text):
        missing = {column: pc.is_null(table[column]).to_numpy() for column in text}
        blank = [pc.equal(pc.utf8_trim_whitespace(table[column]), "") for column in text]
        missing[text[0]] |= np.all([pc.fill_null(cells, True).to_numpy() for cells in blank], axis=0)
        empty += [(start + int(row), column) for column in text for row in np.flatnonzero(missing[column])]
        for column in text:
            numbers = pc.match_substring_regex(table[column], r"^\s*[-+]?[0-9][0-9.,]*\s*$")
            only_numbers &= bool(pc.all(pc.fill_null(numbers, True)).as_py())
        start += len(table)
    if empty:
        row, column = min(empty)
        more = f"; so it is in {len(empty) - 1} more" if len(empty) > 1 else ""
        raise ArgumentError(
            f"{source.reference} has no text in column {column!r} of {source.place(row)}{more}: fill it in, or delete "
            "the row"
        )
    if only_numbers:
        raise ArgumentError(
            f"column {text[0]!r} of {source.reference} holds nothing but numbers: name the column of the text with "
            "--text"
        )
