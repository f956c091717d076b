"""Other processes of this machine."""

import os
import subprocess
import sys

from hfal.utils.processes import is_alive, start_of


def test_a_process_is_alive_until_it_has_ended():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert is_alive(process.pid)
    process.communicate(b"\n")
    assert not is_alive(process.pid)


def test_processes_of_others_and_numbers_that_none_has():
    assert is_alive(os.getpid())
    assert is_alive(1)
    assert not is_alive(10**30)


def test_a_process_is_told_from_an_older_one_of_its_id():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = start_of(process.pid)
    assert started is not None
    assert started != start_of(os.getpid())
    assert is_alive(process.pid, started)
    assert not is_alive(process.pid, start_of(os.getpid()))
    process.stdin.close()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert not is_alive(process.pid, started)  # a zombie: nobody has waited for it
    process.wait()
    assert start_of(process.pid) is None
