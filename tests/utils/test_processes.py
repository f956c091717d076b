"""Other processes of this machine."""

import os
import subprocess
import sys

from hfal.utils.processes import is_alive


def test_a_process_is_alive_until_it_has_ended():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert is_alive(process.pid)
    process.communicate(b"\n")
    assert not is_alive(process.pid)


def test_processes_of_others_and_numbers_that_none_has():
    assert is_alive(os.getpid())
    assert is_alive(1)
    assert not is_alive(10**30)
