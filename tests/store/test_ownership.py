"""One process at a time owns a run directory, until it ends or dies."""

import subprocess
import sys

import pytest

from hfal.errors import RunDirectoryBusyError
from hfal.store.store import Store


@pytest.fixture
def owner(tmp_path):
    """Another process that owns the run directory until it is told, or made, to end."""
    script = (
        "import sys; from hfal.store.store import Store\n"
        "with Store(sys.argv[1]).own(): print('owned', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "owned\n"
    yield process
    process.kill()
    process.communicate()


def test_a_living_owner_keeps_others_out_and_readers_in(tmp_path, owner):
    with (
        pytest.raises(RunDirectoryBusyError, match=f"in use by another process .pid {owner.pid} "),
        Store(tmp_path).own(),
    ):
        pass
    assert Store(tmp_path, read_only=True).answers() == []
    owner.communicate()
    with Store(tmp_path).own():
        pass


def test_a_killed_owner_leaves_no_lock(tmp_path, owner):
    owner.kill()
    owner.wait()
    store = Store(tmp_path)
    with store.own(), store.own():  # nested in one process
        pass
