"""Read CSV and TSV files with any usual separator, in UTF-8 or UTF-16, also with Excel's first line `sep=;`.

Every cell is a string as it stands there, and an empty one is `None`.
"""

import csv
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from hfal.errors import ArgumentError, listed
from hfal.utils.files import fingerprint_of
from hfal.utils.output import get_logger
from hfal.utils.spelling import counted, shown
from hfal.utils.text_files import open_text


if TYPE_CHECKING:
    import datasets

logger = get_logger(__name__)

DELIMITERS = {".csv": ",;\t|", ".tsv": "\t,;|"}
"""What may separate cells, by the ending of the file; the usual one first."""

_MANY = 1000
_SEPARATOR = re.compile(r'"?sep=(.)"?\1*', re.IGNORECASE)


def load_csv(path: Path, columns: Sequence[str]) -> "datasets.Dataset":
    """Load a file, and keep it in the cache of `datasets` until it changes.

    Args:
        path: The file.
        columns: Columns that it should have, by which the separator is found.

    Raises:
        ArgumentError: It is no CSV, or two columns have the same name.
    """
    import datasets

    header, delimiter = _header(path, columns)
    names = [name for name in header if name]
    twice = {name: times for name, times in Counter(names).items() if times > 1}
    if twice:
        name = min(twice)
        raise ArgumentError(f"{path} has {twice[name]} columns named {shown(name)}: rename all but one")
    if len(names) > _MANY and columns and set(columns) <= set(names):  # each column takes `datasets` some milliseconds
        logger.info("%s has %d columns: only those named by options are read", path, len(names))
        header = [name if name in columns else "" for name in header]
        names = [name for name in header if name]
    return datasets.Dataset.from_generator(
        _csv_rows,
        features=datasets.Features({name: datasets.Value("string") for name in names}),
        gen_kwargs={"path": str(path), "header": tuple(header), "delimiter": delimiter},
        fingerprint=fingerprint_of(path, reading=(header, delimiter)),
    )


def _header(path: Path, columns: Sequence[str]) -> tuple[list[str], str]:
    """Find the column names and the delimiter: the one that gives the wanted columns, or else most columns."""
    with open_text(path) as file:
        delimiters = _separator_named(file) or DELIMITERS[path.suffix.lower()]
    found, errors = [], []
    for delimiter in delimiters:
        try:
            _, header = next(_rows(str(path), delimiter), (0, []))
        except _NoCsvError as error:  # as of quoted names, which end where another delimiter stands
            errors.append(error)
            continue
        found.append(([name.strip() for name in header], delimiter))
    if not found:
        raise errors[0]
    header, delimiter = max(found, key=lambda item: (set(columns) <= set(item[0]), len(item[0])))
    if not any(header):
        raise ArgumentError(f"{path} has no names of columns in its first line")
    if delimiter != delimiters[0] and len(header) > 1:
        logger.info("%s: the cells are separated by %r", path, delimiter)
    return header, delimiter


def _separator_named(file: TextIO) -> str:
    """Read Excel's first line and return the separator that it names; without such a line go back and return none."""
    if named := _SEPARATOR.fullmatch(file.readline(20).rstrip("\r\n")):
        return named[1]
    file.seek(0)
    return ""


def _csv_rows(path: str, header: Sequence[str], delimiter: str) -> Iterator[dict[str, str | None]]:
    rows = _rows(path, delimiter)
    next(rows)
    line, swallowed = 0, list[int]()
    for line, row in rows:
        if len(header) > 1 and any(_has_rows(cell, delimiter, len(header)) for cell in row):
            swallowed.append(line)
        if any(row[len(header) :]):
            raise ArgumentError(
                f"{path}, line {line}: {counted(len(row), 'cell')}, but the first line names "
                f"{counted(len(header), 'column')}; a text with {delimiter!r} in it needs quotes around it"
            )
        cells = [cell or None for cell in row] + [None] * (len(header) - len(row))
        yield {name: cell for name, cell in zip(header, cells, strict=False) if name}
    if not line:
        raise ArgumentError(f"{path} has no rows below the names of its columns")
    if swallowed:
        logger.warning(
            "%s has what looks like rows within quotes, in the cells that begin in %s: if a quote there is a part of "
            "the text, write it twice, in a cell with quotes around it",
            path,
            listed("line", swallowed),
        )


def _has_rows(cell: str, delimiter: str, width: int) -> bool:
    """Whether a cell has whole rows in it, as where two texts begin or end with a quote, and all between is one cell.

    Commas and blanks are parts of texts of many lines as well, which prove nothing.
    """
    lines = cell.splitlines()[1:-1] if delimiter != "," and "\n" in cell else []
    return bool(lines) and all(one.count(delimiter) == width - 1 for one in lines)


class _NoCsvError(ArgumentError):
    """A quote is not closed, or something follows it."""


def _rows(path: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that are not blank, the column names first, each with the line that it begins in."""
    with open_text(path) as file:
        skipped = 1 if _separator_named(file) else 0
        limit = csv.field_size_limit(sys.maxsize)
        reader = csv.reader(file, delimiter=delimiter, strict=True)
        line = 1 + skipped
        try:
            for row in reader:
                if row:
                    yield line, row
                line = reader.line_num + 1 + skipped
        except csv.Error as error:
            raise _NoCsvError(
                f"{path}, the row that begins in line {line}, is no CSV ({error}): a cell that begins with a quote "
                "ends with one, and a quote in it is written twice"
            ) from None
        finally:
            csv.field_size_limit(limit)
