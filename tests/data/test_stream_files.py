"""Lines of files that grow are read once, in batches, and from where they were decided on."""

import io
import os

import pytest

from hfal.data.stream_files import Batch, check_stream, read_stream
from hfal.errors import ArgumentError


def row(value):
    if value == "bad":
        raise ArgumentError("it is bad")
    return {"text": value} if value else None


def texts(batches):
    return [[one["text"] for one in batch.rows] for batch in batches]


def test_a_folder_is_read_in_batches_from_where_it_was_decided_on(tmp_path):
    (tmp_path / "b.jsonl").write_text('"d"\n')
    (tmp_path / "a.jsonl").write_text('\ufeff"a"\n\n""\n"b"\r\n"c"')  # the last line needs no end
    (tmp_path / "c.csv").write_text("x")
    check_stream(str(tmp_path))
    found = list(read_stream(str(tmp_path), {}, row, size=2))
    assert texts(found) == [["a", "b"], ["c"], ["d"]]
    a, b = (os.path.realpath(tmp_path / name) for name in ("a.jsonl", "b.jsonl"))
    assert [batch.source for batch in found] == [(a, 16), (a, 19), (b, 4)]
    assert texts(read_stream(str(tmp_path), {a: 16, b: 4}, row, size=2)) == [["c"]]
    assert list(read_stream(str(tmp_path), {a: 19, b: 4}, row, size=2)) == []
    with pytest.raises(ArgumentError, match=r"a\.jsonl is shorter than the 99 bytes of it that were decided on"):
        list(read_stream(str(tmp_path), {a: 99}, row, size=2))


def test_what_comes_is_followed_by_whole_lines(tmp_path, monkeypatch):
    monkeypatch.setattr("hfal.data.stream_files._LOOK_EVERY", 0)
    file = tmp_path / "a.jsonl"
    file.write_text('"a"\n"b')
    batches = read_stream(str(tmp_path), {}, row, size=5, follow=True)
    assert next(batches).rows == [{"text": "a"}]
    assert next(batches) == next(batches) == Batch([], None)
    file.write_text('"a"\n"b"\n""\n')
    (tmp_path / "b.jsonl").write_text('"c"\n')
    assert texts([next(batches), next(batches)]) == [["b"], ["c"]]
    assert next(batches) == Batch([], None)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b'"bad"', "the line at byte 8: it is bad"),
        (b'{"half', "the line at byte 8: it is no JSON"),
        (b'"\xff"', "the line at byte 8: it is not UTF-8"),
        (b'{"a": 1, "a": 2}', "the key 'a' is there twice"),
        (b"[" * 100_000, "the line at byte 8: "),
    ],
)
def test_a_line_that_cannot_be_read_is_told_after_those_before_it(tmp_path, line, problem):
    file = tmp_path / "a.jsonl"
    file.write_bytes(b'"a"\n"b"\n' + line + b'\n"c"\n')
    batches = read_stream(str(file), {}, row, size=5)
    assert next(batches) == Batch([{"text": "a"}, {"text": "b"}], (os.path.realpath(file), 8))
    with pytest.raises(ArgumentError, match=problem):
        next(batches)


def test_standard_input_is_read_to_its_end(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b'"a"\n"b"\n"c"\n')))
    check_stream("-")
    found = list(read_stream("-", {}, row, size=2))
    assert texts(found) == [["a", "b"], ["c"]]
    assert [batch.source for batch in found] == [None, None]


def test_a_pipe_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ArgumentError, match="neither a file nor a folder: for a pipe write --data -"):
        check_stream(str(tmp_path / "pipe"))
