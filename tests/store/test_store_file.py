"""The file of a store: transactions, copies, reading beside a writer."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from hfal.errors import AnnotationError, RunDirectoryError
from hfal.store.records import Answer
from hfal.store.store import Store
from support.stores import say


def test_a_snapshot_stays_as_it_was_while_another_writes(tmp_path):
    store = Store(tmp_path)
    say(store, "a", "positive")
    reader = Store(tmp_path, read_only=True)
    with ThreadPoolExecutor(1) as pool:
        with reader.snapshot():
            before = reader.answers()
            writing = pool.submit(say, store, "b", "negative")
            with pytest.raises(TimeoutError):
                writing.result(timeout=0.5)
            assert reader.answers() == before
        writing.result(timeout=30)
    assert [a.example_id for a in reader.answers()] == ["a", "b"]


def test_what_is_written_at_once_is_there_as_a_whole_or_not_at_all(tmp_path):
    store, reader = Store(tmp_path), Store(tmp_path, read_only=True)
    store.set_meta("label_names", ["negative", "positive"])
    with store.at_once():
        for example_id in "ab":
            store.record(Answer(example_id, "positive", annotator="ann"), "content", {"text": example_id})
        assert reader.answers() == []
        assert len(store.answers()) == 2  # who writes sees it
    assert [a.example_id for a in reader.answers()] == ["a", "b"]

    def record(*labels):
        with store.at_once():
            for label in labels:
                store.record(Answer(f"is {label}", label, annotator="ann"), "content", {"text": label})

    with pytest.raises(AnnotationError):
        record("positive", "blue")
    assert [a.example_id for a in reader.answers()] == ["a", "b"]
    say(store, "e", "negative")  # and afterwards each by itself again
    assert [a.example_id for a in reader.answers()] == ["a", "b", "e"]


def test_a_full_disk_is_said_and_loses_only_what_was_not_recorded(tmp_path):
    store = Store(tmp_path)
    say(store, "a", "negative")
    (pages,) = store._db.execute("PRAGMA page_count").fetchone()
    store._db.execute(f"PRAGMA max_page_count = {pages}")  # as SQLite finds a disk that is full
    with pytest.raises(RunDirectoryError, match=r"cannot be written \(database or disk is full\)"):
        store.set_meta("much", "x" * 100_000)
    store._db.execute(f"PRAGMA max_page_count = {pages + 100}")
    say(store, "b", "positive")
    store.close()
    assert [answer.label for answer in Store(tmp_path).answers()] == ["negative", "positive"]


def test_reading_only_neither_makes_nor_changes_anything(tmp_path):
    with pytest.raises(RunDirectoryError, match="no run in"):
        Store(tmp_path / "nothing", read_only=True)
    assert not (tmp_path / "nothing").exists()
    Store(tmp_path).close()
    with pytest.raises(RunDirectoryError, match=r"cannot be written \(attempt to write a readonly database\)"):
        Store(tmp_path, read_only=True).set_meta("key", 1)
