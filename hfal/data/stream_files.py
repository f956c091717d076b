"""Read the texts of a stream from files of JSON Lines, which may grow, or from standard input."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from hfal.errors import ArgumentError
from hfal.utils.json_text import read_json


SUFFIXES = (".jsonl", ".ndjson")
"""The endings of the files that are read in a folder."""

_LOOK_EVERY = 0.5  # seconds


class Batch(NamedTuple):
    """Texts that were read.

    Attributes:
        rows: Their values by column; empty where nothing new has come.
        source: The file, and how many of its bytes are read with them; `None` for standard input.
    """

    rows: list[Mapping[str, Any]]
    source: tuple[str, int] | None


def check_stream(data: str) -> None:
    """Check that the texts of a stream can be read there.

    Raises:
        ArgumentError: It is a folder without any such file, or something else than a file.
        FileNotFoundError: There is nothing.
    """
    if data == "-":
        return
    path = Path(data)
    if path.is_dir():
        return
    if not path.exists():
        raise FileNotFoundError(f"--data is {data}, and there is no such file or folder")
    if not path.is_file():
        raise ArgumentError(f"--data is {data}, which is neither a file nor a folder: for a pipe write --data -")


def read_stream(
    data: str,
    offsets: Mapping[str, int],
    row_of: Callable[[Any], Mapping[str, Any] | None],
    size: int,
    follow: bool = False,
) -> Iterator[Batch]:
    """Yield the texts of a stream in batches.

    Args:
        data: A file, a folder of files that are read in the order of their names, or `"-"` for standard input.
        offsets: How many bytes of each file were decided on, by its full path.
        row_of: Makes the columns of a text of what stands in its line; `None` passes it over. Raises `ArgumentError`
            where it cannot.
        size: The most texts of a batch.
        follow: Go on as files grow, and new ones come. A line counts when its end is there.

    Raises:
        ArgumentError: A line is no JSON or lacks the text, after the texts before it were handed out; or a file is
            shorter than what was decided on.
    """
    if data == "-":
        yield from _of_lines(_Lines(sys.stdin.buffer, "standard input", 0), None, row_of, size)
        return
    done = dict(offsets)
    while True:
        is_new = False
        for path in _files(data):
            name = os.path.realpath(path)
            with open(path, "rb") as file:
                begin = done.get(name, 0)
                if os.fstat(file.fileno()).st_size < begin:
                    raise ArgumentError(
                        f"{path} is shorter than the {begin:,} bytes of it that were decided on: it is another file "
                        "now; give it another name"
                    )
                file.seek(begin)
                for batch in _of_lines(_Lines(file, str(path), begin, only_whole=follow), name, row_of, size):
                    assert batch.source is not None
                    done[name], is_new = batch.source[1], True
                    yield batch
        if not follow:
            return
        if not is_new:
            yield Batch([], None)
            time.sleep(_LOOK_EVERY)


def _files(data: str) -> list[Path]:
    path = Path(data)
    if path.is_dir():
        return sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES)
    return [path]


class _Lines:
    """The lines of a file, as bytes.

    Args:
        file: The file, at a place where a line begins.
        name: Its name in messages.
        place: How many bytes come before.
        only_whole: Whether a last line without an end is left for later.
    """

    def __init__(self, file: BinaryIO, name: str, place: int, only_whole: bool = False):
        self._file = file
        self.name = name
        self.place = place
        self._only_whole = only_whole

    def __iter__(self) -> Iterator[bytes]:
        for line in self._file:
            if self._only_whole and not line.endswith(b"\n"):
                return
            yield line
            self.place += len(line)


def _of_lines(
    lines: _Lines, source: str | None, row_of: Callable[[Any], Mapping[str, Any] | None], size: int
) -> Iterator[Batch]:
    rows: list[Mapping[str, Any]] = []
    begin = lines.place
    for line in lines:
        try:
            row = _row(line, row_of)
        except ArgumentError as error:
            if rows:
                yield Batch(rows, None if source is None else (source, lines.place))
            raise ArgumentError(f"{lines.name}, the line at byte {lines.place:,}: {error}") from None
        if row is not None:
            rows.append(row)
        if len(rows) == size:
            end = lines.place + len(line)
            yield Batch(rows, None if source is None else (source, end))
            rows, begin = [], end
    if lines.place > begin:
        yield Batch(rows, None if source is None else (source, lines.place))


def _row(line: bytes, row_of: Callable[[Any], Mapping[str, Any] | None]) -> Mapping[str, Any] | None:
    """Return the columns of the text in a line; `None` of a blank line.

    Raises:
        ArgumentError: The line is no JSON, or lacks what `row_of` needs.
    """
    try:
        text = line.decode("utf-8-sig").strip()
        return row_of(read_json(text)) if text else None
    except UnicodeDecodeError:
        raise ArgumentError("it is not UTF-8: save it again as UTF-8") from None
    except RecursionError:
        raise ArgumentError("lists are nested too deep, expected an object with the text") from None
    except ArgumentError:
        raise
    except ValueError as error:
        raise ArgumentError(f"it is no JSON ({error}), expected an object with the text on one line") from None
