"""Reading text files of people: which encodings, which kinds of files, and what is said of the others."""

import bz2
import gzip
import lzma
import os
import socket
import zipfile
from pathlib import Path

import pytest

from hfal.errors import ArgumentError
from hfal.utils.text_files import check_is_file, encoding_of, open_text, read_text


TEXT = "id\tcafé\r\nça, 好\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_encodings_that_are_told_by_the_first_bytes(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "notes.csv"
    path.write_bytes(TEXT.encode(encoding))
    assert read_text(path) == TEXT
    for mark, other in ((b"\xfe\xff", "utf-16-be"), (b"\x00\x00\xfe\xff", "utf-32-be")):
        path.write_bytes(mark + TEXT.encode(other))
        assert read_text(path) == TEXT


@pytest.mark.parametrize("content", [b"", b"a", b"ab", b"a\x00b", b"\x00\x00\x00\x00", b"a\x00b\x00\x00c"])
def test_short_files_and_zero_bytes_are_utf_8(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "notes.csv").write_bytes(content)
    assert encoding_of(tmp_path / "notes.csv") == "utf-8-sig"
    assert read_text(tmp_path / "notes.csv") == content.decode()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "x\ny\ncafé".encode("latin-1"), r"a\.csv is not UTF-8 \(byte 0xe9 in line 3\): .*'CSV UTF-8'\)$"),
        ("a.yaml", "café".encode("cp1252"), r"a\.yaml is not UTF-8 \(byte 0xe9 in line 1\): save it again as UTF-8$"),
        ("a.csv", "Ελλάδα".encode("cp1253"), r"is not UTF-8 \(byte 0xc5 in line 1\)"),
        ("a.csv", TEXT.encode("utf-16")[:-1], "is not UTF-16: save it again as UTF-8"),
    ],
)
def test_other_encodings_are_refused_with_line_and_byte(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ArgumentError, match=message):
        read_text(tmp_path / name)
    with pytest.raises(ArgumentError, match=message), open_text(tmp_path / name) as file:  # as it is read in parts
        list(file)


def test_files_of_other_formats_are_told_by_their_content(tmp_path: Path) -> None:
    path = tmp_path / "reviews.csv"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("reviews.csv", "text\n")
    packed = {path.read_bytes(): "ZIP archive or a spreadsheet", b"%PDF-1.7\n": "a PDF", b"PAR1\x15": "a Parquet file"}
    packed |= {pack(b"text\n"): "compressed" for pack in (gzip.compress, bz2.compress, lzma.compress)}
    for content, what in packed.items():
        path.write_bytes(content)
        with pytest.raises(ArgumentError, match=f"is .*{what}.*, expected text: "):
            read_text(path)


def test_what_is_no_regular_file_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe.csv")
    read_end, write_end = os.pipe()  # what a shell makes of <(...)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket.csv")
        kinds = {
            "pipe.csv": "a pipe",
            "socket.csv": "a socket",
            "/dev/zero": "a device",
            f"/dev/fd/{read_end}": "a pipe",
        }
        for path, kind in kinds.items():
            with pytest.raises(ArgumentError, match=rf"^{path} is {kind}, expected a file, .*COMMAND > FILE"):
                read_text(path)
    os.close(read_end)
    os.close(write_end)
    with pytest.raises(ArgumentError, match="is a folder, expected a file"):
        check_is_file(tmp_path)
    with pytest.raises(FileNotFoundError):
        check_is_file("missing.csv")
