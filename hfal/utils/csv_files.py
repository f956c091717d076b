"""CSV files that a spreadsheet cannot run, however it cuts them into cells."""

import csv
import io
import itertools
import re
from collections.abc import Collection, Iterable, Iterator
from typing import Any


# What begins a formula (OWASP, "CSV Injection"), also in the width of CJK letters, and what may get lost before it.
_FORMULA = r"=+\-@\uff1d\uff0b\uff0d\uff20"
_LOST = r'[\s";\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]'
# For a text read backwards: forwards, a long run of blanks would be searched again from each of them.
_BACKWARDS = re.compile(rf"([{_FORMULA}])('*)({_LOST}*)")
_CUT = re.compile(r"[;\t\r\n]")
_ODD_START = re.compile(r"'*[\x00\t\r\n]")


def defuse(text: str) -> str:
    """Put an apostrophe before whatever a spreadsheet would run as a formula.

    That is what begins the text, and also what follows a semicolon, a tab or a line break in it: a program that does
    not know that commas separate the cells, as in countries with a decimal comma, may cut them there, and then quotes
    do not hold them together.
    """
    text = _with_apostrophes(text, 1)
    return "'" + text if _ODD_START.match(text) else text


def restore(cell: str) -> str:
    """Return the text that `defuse` made this cell of."""
    if cell.startswith("'") and _ODD_START.match(cell):
        cell = cell[1:]
    return _with_apostrophes(cell, -1)


def _with_apostrophes(text: str, more: int) -> str:
    """Add an apostrophe (remove one, for -1) before each formula that may begin a cell."""

    def formula(match: re.Match[str]) -> str:
        character, apostrophes, before = match.groups()
        if match.end() < len(text) and not _CUT.search(before):
            return match[0]
        return character + "'" * (len(apostrophes) + more) + before

    return _BACKWARDS.sub(formula, text[::-1])[::-1]


def csv_lines(columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> Iterator[str]:
    """Yield the lines of a CSV file, the column names first: texts defused and in quotes, numbers as they are."""
    line = io.StringIO(newline="")
    writer = csv.writer(line, quoting=csv.QUOTE_NONNUMERIC)
    for row in itertools.chain([columns], rows):
        writer.writerow([defuse(value) if isinstance(value, str) else value for value in row])
        yield line.getvalue()
        line.seek(0)
        line.truncate()


def csv_rows(text: str, delimiter: str = ",") -> Iterator[tuple[int, list[str]]]:
    """Yield the rows of a CSV file, the column names first, each with its number.

    Rows are counted as in a spreadsheet, from 1 and with empty ones: a cell with line breaks is in one row.

    Raises:
        csv.Error: The text is no CSV: a quote is never closed, for one.
    """
    limit = csv.field_size_limit(max(len(text), 1))
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        yield from enumerate(reader, start=1)
    finally:
        csv.field_size_limit(limit)


def column_for(name: str, taken: Collection[str]) -> str:
    """Return the name of a text column beside hfal's own: unchanged, unless it is taken or would become so."""
    plain = name
    while plain.startswith("text_"):
        plain = plain.removeprefix("text_")
    return f"text_{name}" if plain in taken else name
