"""The file of a store: made whole or not at all, and synchronous; foreign and damaged ones are refused."""

import contextlib
import os
import random
import resource
import shutil
import signal
import sqlite3
import sys
import time
from pathlib import Path

import pytest

from hfal.cli.main import main
from hfal.errors import HfalError, NoRunError, RunDirectoryError
from hfal.store.records import Answer, Queried, Query
from hfal.store.run_info import RunInfo
from hfal.store.store import Store
from support.crash_run import trace_statements
from support.forks import FORKS
from support.stores import say


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
    with pytest.raises(RunDirectoryError, match="schema version 99, this hfal reads version 7"):
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


# -- making the file -----------------------------------------------------------------------------------------------


def die_at(run_dir: Path, number: int) -> None:
    """Make a store, and die before the n-th statement or rename."""
    left = number

    def count(_: str) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(event: str, arguments: tuple) -> None:
        if event == "sqlite3.connect/handle":
            trace_statements(count)
        elif event == "os.rename" or (event == "open" and str(arguments[0]).endswith(".part")):
            count(event)

    sys.addaudithook(watch)
    Store(run_dir)


def test_killed_while_the_file_is_made_there_is_no_run_and_the_next_process_makes_it(tmp_path):
    for number in range(0, 100, 2):
        run_dir = tmp_path / str(number)
        process = FORKS.Process(target=die_at, args=(run_dir, number))
        process.start()
        process.join()
        if not (run_dir / "labels.sqlite").exists():
            with pytest.raises(NoRunError, match=r"no run in .* is the path right"):
                Store(run_dir, read_only=True)
        else:
            assert Store(run_dir, read_only=True).queries() == []
        say(Store(run_dir), "a", "positive")
        assert sorted(os.listdir(run_dir)) == ["labels.sqlite", "run.lock"]
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
    assert number > 15


def make_on_a_full_disk(run_dir: Path, size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))  # as a full disk ends a write
    try:
        Store(run_dir)
    except RunDirectoryError as error:
        sys.exit(3 if "labels.sqlite cannot be" in str(error) else 4)


def test_where_the_disk_is_full_while_the_file_is_made_nothing_is_left_of_it(tmp_path):
    for size in (0, 5000):
        process = FORKS.Process(target=make_on_a_full_disk, args=(tmp_path, size))
        process.start()
        process.join()
        assert process.exitcode == 3
        assert os.listdir(tmp_path) == ["run.lock"]
    say(Store(tmp_path), "a", "positive")


def leave_half_a_store(run_dir: Path, cut: int) -> None:
    """Leave what an older hfal left that was killed while it made the tables in the file itself."""
    db = sqlite3.connect(run_dir / "labels.sqlite", isolation_level=None)
    db.execute("PRAGMA cache_size = 1")  # so that pages are written before the end
    db.execute("BEGIN IMMEDIATE")
    for number in range(cut):
        db.execute(f"CREATE TABLE t{number} (x)")
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("cut", [None, 0, 1, 40])
def test_what_an_older_hfal_left_without_tables_is_no_run(tmp_path, capsys, cut):
    if cut is None:
        (tmp_path / "labels.sqlite").touch()
    else:
        process = FORKS.Process(target=leave_half_a_store, args=(tmp_path, cut))
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL
    assert (tmp_path / "labels.sqlite").exists()
    began = time.monotonic()
    for command in (["status"], ["label"], ["export", "--to", str(tmp_path / "labels.csv")]):
        assert main([*command, str(tmp_path)]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"hfal: error: no run in {tmp_path} yet: labels.sqlite is empty")
    assert time.monotonic() - began < 30  # nobody waits for it to be made
    say(Store(tmp_path), "a", "positive")
    assert [a.label for a in Store(tmp_path, read_only=True).answers()] == ["positive"]
    assert not (tmp_path / "labels.sqlite-journal").exists()


def test_a_journal_without_its_store_is_not_played_back_into_a_new_one(tmp_path):
    (tmp_path / "labels.sqlite").touch()
    (tmp_path / "labels.sqlite-journal").write_bytes(bytes.fromhex("d9d505f920a163d7") + b"\1" * 2000)
    store = Store(tmp_path)
    say(store, "a", "positive")
    assert [tuple(row) for row in store._db.read("PRAGMA integrity_check")] == [("ok",)]


@pytest.mark.parametrize("trace", ["rounds/001/model/config.json", "query-001.csv", "initial_model/config.json"])
@pytest.mark.parametrize("left", ["nothing", "an empty file"])
def test_a_used_run_directory_without_its_store_is_refused(tmp_path, capsys, trace, left):
    (tmp_path / trace).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / trace).touch()
    if left == "an empty file":
        (tmp_path / "labels.sqlite").touch()
    before = sorted(tmp_path.rglob("*"))
    state = "missing" if left == "nothing" else "empty"
    expected = (
        rf"labels.sqlite, which has all answers, is {state}, though a run has worked here \(there is [^ ]+\): put"
    )
    with pytest.raises(RunDirectoryError, match=expected):
        Store(tmp_path)
    with pytest.raises(RunDirectoryError, match=expected):
        Store(tmp_path, read_only=True)
    assert main(["status", str(tmp_path)]) == 1
    assert "delete this one to begin anew" in capsys.readouterr().err
    assert sorted(path for path in tmp_path.rglob("*") if path.name != "run.lock") == before


def test_a_journal_whose_store_is_missing_is_a_trace_of_a_run(tmp_path):
    (tmp_path / "labels.sqlite-journal").write_bytes(b"half a transaction")
    with pytest.raises(RunDirectoryError, match=r"is missing, though a run has worked here"):
        Store(tmp_path)


@pytest.mark.parametrize("name", ["config.yaml", "data.parquet", "notes.txt", "run.lock", "query.csv"])
def test_other_files_are_no_traces_of_a_run(tmp_path, name):
    (tmp_path / name).touch()
    assert not Store(tmp_path).has_begun


# -- damage --------------------------------------------------------------------------------------------------------

READS = {
    "status": lambda store: (store.plan, store.info, store.ended, store.owner, store.has_begun),
    "queries": lambda store: store.queries(),
    "answers": lambda store: store.answers(),
    "texts": lambda store: [store.texts(e.example_id) for q in store.queries() for e in q.examples],
    "rounds": lambda store: (store.rounds(), store.predictions(1), store.stop_set()),
    "copy": lambda store: store.copy().current_answers(),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of some pages."""
    run_dir = tmp_path_factory.mktemp("whole")
    store = Store(run_dir)
    with store.own(), store.at_once():
        store.set_info(RunInfo("text_classification", None, ("negative", "positive")))
        examples = tuple(Queried(f"x{i}", f"content {i}", {"text": f"text {i} " * 9}, 0.5) for i in range(60))
        store.add_query(Query(0, "seed", "random", 1, examples))
        for example in examples[1:]:
            store.record(Answer(example.example_id, "positive", annotator="ann", query=1, comment="so it is"))
        store.start_round(1, 1)
        store.record_stability(1, {"kappa": 0.5}, b"said" * 99)
    store.close()
    return run_dir / "labels.sqlite"


def try_all(run_dir: Path) -> list[str]:
    """Read and write; returns what was said of the damage."""
    said = []
    for name, read in READS.items():
        try:
            store = Store(run_dir, read_only=True)
            with contextlib.closing(store):
                read(store)
        except HfalError as error:
            said.append(f"{name}: {error}")
    try:
        with contextlib.closing(Store(run_dir)) as store:
            store.record(Answer("x0", "positive", annotator="ann", query=1))
    except HfalError as error:
        said.append(f"write: {error}")
    return said


def test_no_damage_is_a_raw_error(whole, tmp_path):
    chance = random.Random(1)
    content = whole.read_bytes()
    damaged = []
    for start in range(0, len(content), 4096):
        for page in (bytes(4096), b"\xff" * 4096, chance.randbytes(4096)):
            damaged.append(content[:start] + page + content[start + 4096 :])
    for _ in range(40):  # some bytes
        place = chance.randrange(len(content))
        damaged.append(content[:place] + chance.randbytes(8) + content[place + 8 :])
    damaged += [content[:size] for size in (1, 50, 99, 100, 1000, 4096, 4097, 9000, len(content) - 4096)]
    known = ("has schema version", "labels.sqlite is empty", "is no label", "nobody was asked about", "cannot be")
    found = 0
    for number, bad in enumerate(damaged):
        run_dir = tmp_path / str(number)
        run_dir.mkdir()
        (run_dir / "labels.sqlite").write_bytes(bad)
        for line in try_all(run_dir):
            found += 1
            assert "\n" not in line
            assert any(x in line for x in known) or ("is damaged (" in line and "hfal import" in line), line
        shutil.rmtree(run_dir)
    assert found > 50


@pytest.mark.parametrize("table", ["meta", "answers", "queries", "queried", "texts", "rounds", "stability"])
def test_a_table_that_is_gone_is_damage(whole, tmp_path, capsys, table):
    shutil.copy(whole, tmp_path)
    db = sqlite3.connect(tmp_path / "labels.sqlite")
    db.execute("PRAGMA foreign_keys = OFF")
    db.execute(f"DROP TABLE {table}")
    db.close()
    said = try_all(tmp_path)
    assert said
    assert all(f"labels.sqlite is damaged (no such table: main.{table}" in x or f"{table}): put" in x for x in said)
    commands = [["status"], ["export", "--to", str(tmp_path / "labels.jsonl")], ["label"]]
    codes = [main([*command, str(tmp_path)]) for command in commands]
    lines = capsys.readouterr().err.splitlines()
    assert 1 in codes
    assert len(lines) == sum(code == 1 for code in codes) + codes.count(75)
    assert "Traceback" not in "".join(lines)
