"""Files that are there whole or not at all."""

import os
import socket
import subprocess

import pytest

from hfal.utils.files import atomic_write, computed_once, fingerprint_of


def test_a_file_takes_the_place_of_the_one_before(tmp_path):
    path = tmp_path / "options.yaml"
    for text in ("first", "second"):
        with atomic_write(path) as part:
            part.write_text(text)
        assert path.read_text() == text
    assert os.listdir(tmp_path) == ["options.yaml"]


def test_nothing_is_in_its_place_before_all_of_it_is_written(tmp_path):
    path = tmp_path / "options.yaml"
    path.write_text("before")

    def write_half():
        with atomic_write(path) as part:
            part.write_text("half")
            raise KeyError

    with pytest.raises(KeyError):
        write_half()
    assert path.read_text() == "before"


def test_half_a_folder_of_a_killed_process_is_not_gone_on_with(tmp_path):
    path = tmp_path / "data"
    (tmp_path / "data.part").mkdir()
    (tmp_path / "data.part" / "half").write_text("of another data set")
    with atomic_write(path) as part:
        part.mkdir()
        (part / "whole").write_text("data")
    assert os.listdir(path) == ["whole"]
    assert os.listdir(tmp_path) == ["data"]


def test_a_file_is_flushed_to_the_disk_before_it_is_renamed(tmp_path, monkeypatch):
    calls = []
    fsync, rename = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda file: (calls.append("fsync"), fsync(file)))
    monkeypatch.setattr(os, "replace", lambda *paths: (calls.append("rename"), rename(*paths)))
    with atomic_write(tmp_path / "query-001.csv", sync=True) as part:
        part.write_bytes(b"id,label\r\n")
    assert calls == ["fsync", "rename"]
    assert (tmp_path / "query-001.csv").read_bytes() == b"id,label\r\n"
    with atomic_write(tmp_path / "config.yaml") as part:
        part.write_text("")
    assert calls == ["fsync", "rename", "rename"]


def test_a_file_that_several_processes_write_has_a_part_for_each(tmp_path):
    with atomic_write(tmp_path / "hash.npy", shared=True) as part:
        assert part == tmp_path / f"hash-{socket.gethostname()}-{os.getpid()}.part"
        part.write_bytes(b"")


def test_what_is_there_is_not_computed_again(tmp_path):
    computed = []

    def compute(path):
        computed.append(path)
        path.write_text("value")

    for _ in range(2):
        assert computed_once(tmp_path / "folder" / "hash.npy", compute).read_text() == "value"
    assert len(computed) == 1


def test_the_part_of_a_dead_process_is_removed_and_that_of_a_living_one_is_not(tmp_path):
    dead = subprocess.Popen(["true"])
    dead.wait()
    here = socket.gethostname()
    kept = {f"hash-{here}-{os.getppid()}.part", f"hash-elsewhere-{dead.pid}.part", f"other-{here}-{dead.pid}.part"}
    for name in [*kept, f"hash-{here}-{dead.pid}.part"]:
        (tmp_path / name).write_bytes(b"half")
    with atomic_write(tmp_path / "hash.npy", shared=True) as part:
        part.write_bytes(b"whole")
    assert set(os.listdir(tmp_path)) == {"hash.npy", *kept}


def test_a_fingerprint_changes_with_the_files_and_with_how_they_are_read(tmp_path):
    for name in "ab":
        (tmp_path / name).write_text(name)
    first, second = tmp_path / "a", tmp_path / "b"
    known = {fingerprint_of(first), fingerprint_of(second), fingerprint_of(first, second)}
    known |= {fingerprint_of(first, reading=reading) for reading in (1, ("text", ","), ("text", ";"))}
    assert len(known) == 6
    assert fingerprint_of(first, reading=1) in known
    first.write_text("more")
    assert fingerprint_of(first, reading=1) not in known
