"""The file of a store: it is synchronous, and foreign ones are refused."""

import sqlite3

import pytest

from hfal.errors import RunDirectoryError
from hfal.store.store import Store


def test_every_commit_is_synchronous(tmp_path):
    (level,) = Store(tmp_path)._db.execute("PRAGMA synchronous").fetchone()
    assert level == 3  # EXTRA: FULL, and the folder as well


def test_a_folder_in_the_place_of_the_store_is_an_error_of_ours(tmp_path):
    (tmp_path / "labels.sqlite").mkdir()
    with pytest.raises(RunDirectoryError, match=r"labels.sqlite cannot be opened"):
        Store(tmp_path)


def test_another_schema_version_is_refused_and_left_alone(tmp_path):
    store = Store(tmp_path)
    store._db.execute("PRAGMA user_version = 99")
    store.close()
    before = (tmp_path / "labels.sqlite").read_bytes()
    with pytest.raises(RunDirectoryError, match="schema version 99, this hfal reads version 5"):
        Store(tmp_path)
    assert (tmp_path / "labels.sqlite").read_bytes() == before


def test_a_file_of_something_else_is_refused_and_left_alone(tmp_path):
    (tmp_path / "labels.sqlite").write_text("these are my notes, not a database " * 50)
    with pytest.raises(RunDirectoryError, match=r"labels.sqlite is damaged \(file is not a database\)"):
        Store(tmp_path)
    other = sqlite3.connect(tmp_path / "other.sqlite")
    other.execute("CREATE TABLE notes (text)")
    other.close()
    (tmp_path / "other.sqlite").replace(tmp_path / "labels.sqlite")
    with pytest.raises(RunDirectoryError, match="schema version 0"):
        Store(tmp_path)
