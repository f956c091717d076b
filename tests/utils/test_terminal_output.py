"""What a process writes while a screen has its terminal, in a real pseudo-terminal."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support import forks
from support.person import Person


MOVED = """
import os, subprocess, sys
from pathlib import Path
from hfal.utils.terminal_output import terminal_output_to

descriptors = len(os.listdir("/proc/self/fd"))
print("before", end="")
try:
    with terminal_output_to(Path("file.txt")) as terminal:
        print("printed", end=" ")
        os.write(2, b"native ")
        subprocess.run(["printf", "program "])
        print("seen", file=terminal, flush=True)
        sys.stderr.write("error ")
        raise KeyError
except KeyError:
    pass
print(" after", flush=True)
os.write(2, b"also after\\n")
assert len(os.listdir("/proc/self/fd")) == descriptors
"""
STDERR_IN_A_FILE = "import os; os.dup2(os.open('errors.txt', os.O_WRONLY | os.O_CREAT), 2)"


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """A function that runs a script in a terminal, and returns what the terminal got."""
    people = []

    def start(script: str) -> str:
        people.append(Person(forks.script, script, cwd=tmp_path))
        assert people[-1].leaves() == 0, people[-1].screen
        return people[-1].raw.decode()

    yield start
    for person in people:
        person.stands_up()


def test_all_that_is_written_goes_to_the_file_and_after_an_error_to_the_terminal_again(run, tmp_path):
    assert run(MOVED) == "beforeseen\r\n after\r\nalso after\r\n"
    assert sorted((tmp_path / "file.txt").read_text().split()) == ["error", "native", "printed", "program"]


def test_what_is_no_terminal_is_left_as_it_is(run, tmp_path):
    assert run(STDERR_IN_A_FILE + MOVED) == "beforeseen\r\n after\r\n"
    assert sorted((tmp_path / "file.txt").read_text().split()) == ["printed", "program"]
    assert sorted((tmp_path / "errors.txt").read_text().split()) == ["after", "also", "error", "native"]
