"""Read the files that people give: regular files of text in UTF-8, 16 or 32, and errors that name byte and line."""

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from hfal.errors import ArgumentError


_TABLES = (".csv", ".tsv")
# The longer ones first; these encodings take the mark away.
_MARKS = {
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
_UNPACK = "unpack it, and name the file that was in it"
_OTHER_FORMATS = {  # by the first bytes, whatever the file is called
    b"\x1f\x8b": ("compressed (gzip)", _UNPACK),
    b"BZh91AY&SY": ("compressed (bzip2)", _UNPACK),
    b"\xfd7zXZ\x00": ("compressed (xz)", _UNPACK),
    b"\x28\xb5\x2f\xfd": ("compressed (zstd)", _UNPACK),
    b"PK\x03\x04": ("a ZIP archive or a spreadsheet", "unpack it; save a spreadsheet as CSV (in Excel: 'CSV UTF-8')"),
    b"\xd0\xcf\x11\xe0": ("a spreadsheet or document of Office", "save it as CSV (in Excel: 'CSV UTF-8')"),
    b"%PDF-": ("a PDF", "make a table of its texts, and save that as CSV"),
    b"PAR1\x15": ("a Parquet file", "call it .parquet"),
    b"SQLite format 3\x00": ("a database", "write what is in it to a CSV file"),
}


def check_is_file(path: str | os.PathLike[str]) -> None:
    """Check that a path is a regular file, without opening it: a pipe would be waited for, some devices never end.

    Raises:
        ArgumentError: It is a folder, a pipe, a device or a socket; the message says what to do.
        FileNotFoundError: There is nothing.
    """
    mode = os.stat(path).st_mode
    if stat.S_ISREG(mode):
        return
    if stat.S_ISDIR(mode):
        raise ArgumentError(f"{os.fspath(path)} is a folder, expected a file")
    kinds = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}
    raise ArgumentError(
        f"{os.fspath(path)} is {kinds.get(stat.S_IFMT(mode), 'something else')}, expected a file, which can be read "
        "more than once: write the data to a file (COMMAND > FILE), and name that"
    )


def read_text(path: str | os.PathLike[str]) -> str:
    """Return the text of a file in UTF-8, UTF-16 or UTF-32, without the mark at its beginning; line ends stay.

    Raises:
        ArgumentError: It is no regular file, compressed or another format, or in another encoding.
        OSError: It is not there, or cannot be read.
    """
    with open_text(path) as file:
        return file.read()


@contextlib.contextmanager
def open_text(path: str | os.PathLike[str]) -> Iterator[TextIO]:
    """Open a file as `read_text` reads it; the errors of reading are those of `read_text`, too."""
    encoding = encoding_of(path)
    with open(path, encoding=encoding, newline="") as file:
        try:
            yield file
        except UnicodeDecodeError as error:
            raise ArgumentError(_wrong_encoding(path, encoding, error)) from None


def encoding_of(path: str | os.PathLike[str]) -> str:
    """Return the encoding that the first bytes of a file say: UTF-16 or 32 by a mark, UTF-16 without one, or UTF-8.

    Raises:
        ArgumentError: It is no regular file, or they are those of another format.
        OSError: It is not there, or cannot be read.
    """
    check_is_file(path)
    with open(path, "rb") as file:
        head = file.read(16)
    for begin, (what, help) in _OTHER_FORMATS.items():
        if head.startswith(begin):
            raise ArgumentError(f"{os.fspath(path)} is {what}, expected text: {help}")
    for mark, encoding in _MARKS.items():
        if head.startswith(mark):
            return encoding
    if len(head) >= 4:  # without a mark, where the first letters are Latin ones
        even, odd = set(head[:-1:2]), set(head[1::2])
        if odd == {0} and 0 not in even:
            return "utf-16-le"
        if even == {0} and 0 not in odd:
            return "utf-16-be"
    return "utf-8-sig"


def _wrong_encoding(path: str | os.PathLike[str], encoding: str, error: UnicodeDecodeError) -> str:
    where = ""
    if encoding == "utf-8-sig":  # the error knows its place in a part of the file only
        with open(path, "rb") as file:
            for line, content in enumerate(file, start=1):
                try:
                    content.decode()
                except UnicodeDecodeError as found:
                    where = f" (byte 0x{content[found.start]:02x} in line {line})"
                    break
    hint = " (in a spreadsheet: 'CSV UTF-8')" if Path(path).suffix.lower() in _TABLES else ""
    name = "UTF-8" if encoding == "utf-8-sig" else encoding.upper()
    return f"{os.fspath(path)} is not {name}{where}: save it again as UTF-8{hint}"
