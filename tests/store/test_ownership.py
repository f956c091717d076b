"""One process at a time owns a run directory, until it ends, dies or lets go, whatever becomes of `run.lock`."""

import json
import os
import socket
import subprocess
import sys

import pytest

from hfal.errors import RunDirectoryBusyError
from hfal.store.records import AddedExample, Answer, Query
from hfal.store.run_info import Ended, RunInfo
from hfal.store.store import Store
from hfal.store.stream_log import StreamState
from support.stores import say


@pytest.fixture
def owner(tmp_path):
    """Another process that owns the run directory until it is told, or made, to end."""
    script = (
        "import sys; from hfal.store.store import Store\n"
        "store = Store(sys.argv[1])\n"
        "with store.own(): print('owned', flush=True); sys.stdin.readline()\n"
        "print('let go', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "owned\n"
    yield process
    process.kill()
    process.communicate()


def own(run_dir):
    with Store(run_dir).own():
        pass


def owner_in(run_dir):
    return Store(run_dir, read_only=True).meta("owner")


def set_owner(run_dir, **values):
    """Change the record of the owner, as only another process could."""
    db = Store(run_dir)._db
    record = json.dumps({**(owner_in(run_dir) or {}), **values})
    db.execute("INSERT OR REPLACE INTO meta (key, value) VALUES ('owner', ?)", (record,))


def test_a_living_owner_keeps_others_out_and_readers_in(tmp_path, owner):
    with pytest.raises(RunDirectoryBusyError, match=f"in use by another process .pid {owner.pid} "):
        own(tmp_path)
    assert Store(tmp_path, read_only=True).answers() == []
    owner.communicate()
    own(tmp_path)


def test_a_killed_owner_leaves_no_lock(tmp_path, owner):
    owner.kill()
    owner.wait()
    store = Store(tmp_path)
    with store.own(), store.own():  # nested in one process
        assert store.owner == f"pid {os.getpid()} on {socket.gethostname()}"


def test_a_killed_owner_that_nobody_waits_for_leaves_no_lock(tmp_path, owner):
    owner.kill()
    os.waitid(os.P_PID, owner.pid, os.WEXITED | os.WNOWAIT)  # it stays a zombie
    own(tmp_path)


WRITES = {
    "own": lambda store: store.own().__enter__(),
    "record": lambda store: store.record(Answer("a", action="skip", annotator="ann"), "content", {"text": "a"}),
    "record_given": lambda store: store.record_given([(Answer("a", "b", annotator="dataset"), "content", {})]),
    "set_meta": lambda store: store.set_meta("key", 1),
    "set_info": lambda store: store.set_info(RunInfo("text_classification")),
    "set_ended": lambda store: store.set_ended(Ended("enough", 1)),
    "add_query": lambda store: store.add_query(Query(0, "seed", "random", 1, ())),
    "close_query": lambda store: store.close_query(1),
    "start_round": lambda store: store.start_round(1, 1),
    "finish_training": lambda store: store.finish_training(1),
    "forget_training": lambda store: store.forget_training(1),
    "finish_round": lambda store: store.finish_round(1, {}),
    "add_examples": lambda store: store.add_examples([AddedExample("c", "c", {"text": "c"}, "stream")]),
    "set_stop_set": lambda store: store.set_stop_set(["a"], 1),
    "record_stability": lambda store: store.record_stability(1, {}, b""),
    "restore": lambda store: store.restore(RunInfo("text_classification"), [], [], []),
    "begin_anew": lambda store: store.begin_anew(RunInfo("text_classification")),
    "set_shown": lambda store: store.set_shown(["date"], {}),
    "record_stream": lambda store: store.record_stream(StreamState(), [1], []),
    "at_once": lambda store: store.at_once().__enter__(),
}


@pytest.mark.parametrize("deleted", [False, True], ids=["locked", "run.lock deleted"])
def test_nobody_writes_beside_a_living_owner(tmp_path, owner, deleted):
    if deleted:
        (tmp_path / "run.lock").unlink()
    store = Store(tmp_path)
    before = {table: store._db.read(f"SELECT * FROM {table}") for table in ("meta", "answers", "queries", "rounds")}
    for name, write in WRITES.items():
        with pytest.raises(RunDirectoryBusyError, match=rf"in use by another process \(pid {owner.pid} on"):
            write(store)
        assert not store._db.in_transaction, name
    assert before == {table: store._db.read(f"SELECT * FROM {table}") for table in before}
    owner.stdin.write("\n")  # it lets go, and lives on, as an idle notebook does
    owner.stdin.flush()
    assert owner.stdout.readline() == "let go\n"
    WRITES["record"](store)
    with store.own():
        WRITES["start_round"](store)


def test_every_method_that_writes_is_tried_above():
    reads = (
        "added_examples answers answers_by_annotator check_has_begun close contents copy count_queries current_answers"
    )
    reads += " decided entries_of holdout_ids opinions opinions_asked opinions_left origins"
    reads += " labels_bought last_answer last_finished meta open_queries predictions queries query_of_round round"
    reads += " stop_set texts training_answers why_ended words_bought shown shown_values columns_ever_shown"
    reads += " rounds snapshot stream_decisions"
    of_meta = {
        "set_plan",
        "set_draw",
        "set_published_options",
        "set_pool_fingerprint",
        "set_run_name",
        "set_stream_plan",
    }
    methods = {name for name in dir(Store) if not name.startswith("_") and callable(getattr(Store, name))}
    assert methods == {*WRITES, *reads.split(), *of_meta}


def test_who_was_taken_over_records_nothing_more(tmp_path):
    first = Store(tmp_path)
    with first.own():
        say(first, "a", "positive")
        set_owner(tmp_path, host="elsewhere")  # whose lock does not reach this machine
        (tmp_path / "run.lock").unlink()
        second = Store(tmp_path)
        with second.own():
            for name in WRITES.keys() - {"own"}:  # which it believes it does
                with pytest.raises(RunDirectoryBusyError, match=r"was taken over by another process \(pid \d+ on"):
                    WRITES[name](first)
            say(second, "b", "positive")
            assert [a.example_id for a in first.answers()] == ["a", "b"]
        with pytest.raises(RunDirectoryBusyError, match="was taken over"):
            say(first, "c", "positive")
    assert second.owner == f"pid {os.getpid()} on {socket.gethostname()}"
    say(first, "c", "positive")  # nobody owns it any more
    assert [a.example_id for a in second.answers()] == ["a", "b", "c"]


def test_another_store_of_the_process_is_another_owner(tmp_path):
    store, other = Store(tmp_path), Store(tmp_path)
    with store.own():
        for write in (WRITES["own"], WRITES["set_meta"]):
            with pytest.raises(
                RunDirectoryBusyError, match=rf"in use by another Store of this process \(pid {os.getpid()} on "
            ):
                write(other)
        (tmp_path / "run.lock").unlink()
        with pytest.raises(
            RunDirectoryBusyError, match=rf"in use by another Store of this process \(pid {os.getpid()} on "
        ):
            own(tmp_path)
        store.set_meta("key", 1)
    own(tmp_path)


@pytest.mark.parametrize(
    "record",
    [
        {"pid": 2**22 + 1},  # no such process
        {"started": "another boot 1"},  # another process has its id now
        {"host": "elsewhere"},  # whose lock is gone
        {"token": None},  # it has let go
    ],
)
def test_an_owner_that_works_no_more_does_not_block(tmp_path, record):
    with Store(tmp_path).own():
        assert len(owner_in(tmp_path)["token"]) == 16
    assert owner_in(tmp_path)["token"] is None
    set_owner(tmp_path, **{"token": "of another", **record})
    WRITES["set_meta"](Store(tmp_path))
    own(tmp_path)
    assert owner_in(tmp_path)["pid"] == os.getpid()


@pytest.mark.parametrize("found", ["pid 12 on some host", "nonsense"])
def test_what_an_older_hfal_or_nobody_wrote_of_the_owner_is_read(tmp_path, found):
    store = Store(tmp_path)
    db = store._db
    db.execute("INSERT INTO meta (key, value) VALUES ('owner', ?)", (json.dumps(found),))
    assert store.owner == (found if found == "pid 12 on some host" else "nobody yet")
    own(tmp_path)


def test_a_forked_process_owns_nothing(tmp_path):
    script = """
import os, sys
from hfal.errors import RunDirectoryBusyError
from hfal.store.store import Store
from hfal.store.stream_log import StreamState
store = Store(sys.argv[1])
with store.own():
    child = os.fork()
    if child == 0:
        for write in (lambda: store.set_meta("key", 1), lambda: store.own().__enter__(), lambda: own(sys.argv[1])):
            own = lambda run_dir: Store(run_dir).own().__enter__()
            try:
                write()
            except RunDirectoryBusyError as error:
                print(error, flush=True)
        raise SystemExit  # through the end of the block
    os.waitpid(child, 0)
    store.set_meta("key", 2)  # still the owner
    other = "from hfal.store.store import Store; import sys; Store(sys.argv[1]).set_meta('key', 3)"
    print(os.spawnl(os.P_WAIT, sys.executable, sys.executable, "-c", other, sys.argv[1]), store.meta("key"))
"""
    done = subprocess.run([sys.executable, "-c", script, tmp_path], capture_output=True, text=True, check=False)
    said = done.stdout.splitlines()
    assert len(said) == 4, done.stderr
    assert all("this process was forked from process" in line for line in said[:2])
    assert "in use by another process (pid" in said[2]
    assert said[3] == "1 2"
