"""Somebody at a real pseudo-terminal: pexpect types, pyte shows what a person would see."""

import os
import re
import signal
import sys
import termios
import time
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pexpect
import pyte
import pytest
from pexpect.fdpexpect import fdspawn

from hfal.store.store import Store
from support import forks


LEFT, RIGHT, UP, PAGE_UP, PAGE_DOWN, END, HOME = (f"\x1b[{c}" for c in ("D", "C", "A", "5~", "6~", "F", "H"))
ESC, ENTER = "\x1b", "\r"
MEGABYTE = 2**20
OURS = re.compile(
    r"\x1b\[\?1049h\x1b\[H|(?<!\x08)\x08(?!\x08)|\x1b\[(?:\?(?:1049|2004|2026|25|12|7|1)[hl]|\d{0,3}[ABCD]|[JK]|0(?:;[1-9])*m)"
)
BIDI = "".join(map(chr, [*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C]))
ZERO_WIDTH = "\u200b\u2060\u2061\ufeff\u00ad\u180e\u034f\u115f\u3164\uffa0\u2800\U000e0041\U000e0151\ue000\ufff9"


class Screen(pyte.Screen):
    """pyte's screen, which drops what follows a joiner in the same piece of output."""

    def draw(self, data: str) -> None:
        for char in data:
            super().draw(char)


class OtherScreen(Screen):
    """A terminal that takes other widths for right than prompt_toolkit: joined pictures are one, hearts are wide."""

    def draw(self, data: str) -> None:
        for char in data:
            if self.joined or char in "\u200d\ufe0f":
                self.joined = char == "\u200d"
            else:
                super().draw(char + " " * (char == "\u2764"))

    joined = False


class Forked(fdspawn):
    """A forked process in a terminal of its own, which is used as `pexpect.spawn` is."""

    def __init__(
        self,
        program: Callable[..., int | None],
        *arguments: str,
        dimensions: tuple[int, int],
        cwd: Path,
        environment: dict[str, str],
    ):
        ours, theirs = os.openpty()
        termios.tcsetwinsize(theirs, dimensions)
        self._process = forks.fork(
            program, *arguments, cwd=cwd, environment=environment, files=(theirs, theirs, theirs), terminal=True
        )
        os.close(theirs)
        super().__init__(ours)
        self.pid = self._process.pid

    def setwinsize(self, rows: int, columns: int) -> None:
        termios.tcsetwinsize(self.child_fd, (rows, columns))

    def kill(self, number: int) -> None:
        forks.send_signal(self._process, number)

    def wait(self) -> None:
        self._process.join()
        code = self._process.exitcode
        self.exitstatus, self.signalstatus = (code, None) if code >= 0 else (None, -code)


class Person:
    """Somebody at a terminal of their own."""

    screen_type: type[Screen] = Screen

    def __init__(
        self,
        *command: str | Callable[..., int | None],
        rows: int = 24,
        columns: int = 80,
        cwd: Path | None = None,
        **env: str,
    ):
        """Start a command, or a function that gets the other words, in a process that is forked."""
        self._screen = self.screen_type(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self._seen: str | None = None
        self.raw = b""
        given = {**os.environ, "TERM": "xterm-256color", "PYTHONUTF8": "1", **env}
        program, *arguments = command
        if callable(program):
            self.process = Forked(
                program, *arguments, dimensions=(rows, columns), cwd=cwd or Path.cwd(), environment=given
            )
        else:
            self.process = pexpect.spawn(program, arguments, dimensions=(rows, columns), cwd=cwd, env=given, echo=True)
            self.process.delaybeforesend = None
            self.process.ptyproc.delayafterclose = self.process.ptyproc.delayafterterminate = 0.01

    def press(self, *keys: str) -> None:
        """Press keys, one after the other; the same key twice not as fast as a keyboard repeats it."""
        last = None
        for key in keys:
            if last is not None:
                self.look(0.2 if key == last else 0.04)
            self.process.send(key)
            last = key

    def look(self, seconds: float) -> bool:
        """Look at the screen for a while; whether the program is still there."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            try:
                data = self.process.read_nonblocking(MEGABYTE, min(left, 0.02))
            except pexpect.TIMEOUT:
                continue
            except pexpect.EOF:
                return False
            self.raw += data
            self._stream.feed(data)
            self._seen = None
        return True

    @property
    def screen(self) -> str:
        if self._seen is None:
            self._seen = "\n".join(line.rstrip() for line in self._screen.display)
        return self._seen

    @property
    def lines(self) -> list[str]:
        return self.screen.split("\n")

    def sees(self, *texts: str, without: str | None = None, patience: float = 15) -> None:
        """Wait until all of this, and nothing of that, is on the screen."""
        end = time.monotonic() + patience
        alive = True
        while not all(text in self.screen for text in texts) or (without is not None and without in self.screen):
            if not alive or time.monotonic() > end:
                pytest.fail(f"waited for {texts} without {without!r}, and saw:\n{self.screen}")
            alive = self.look(0.01)

    def resize(self, rows: int, columns: int) -> None:
        self.process.setwinsize(rows, columns)
        self._screen.resize(rows, columns)
        self._screen.reset()
        self._seen = None

    def stands_up(self) -> None:
        """End the program, whatever it does."""
        if not self.process.closed:
            self.process.kill(signal.SIGKILL)
            self.process.wait()
            self.process.close()

    def leaves(self, patience: float = 15) -> int:
        """Wait for the program to end; its exit code, or minus the signal that ended it."""
        end = time.monotonic() + patience
        while self.look(0.05):
            assert time.monotonic() < end, f"still running:\n{self.screen}"
        self.process.wait()  # the terminal is given back first, and torch takes its time
        self.process.close()
        return self.process.exitstatus if self.process.signalstatus is None else -self.process.signalstatus


# What `hfal label` does.
LABELING = """
import sys
from hfal.annotators.asking import ask
from hfal.annotators.terminal.annotator import TerminalAnnotator
from hfal.store.store import Store
ask(Store(sys.argv[1]), TerminalAnnotator("ann", show_suggestions=len(sys.argv) < 3))
print("The run goes on.")
"""


def at_the_terminal(
    store: Store, *arguments: str, script: str = LABELING, forked: bool = True, **options: Any
) -> Person:
    """Somebody who labels what this store asks."""
    start = [forks.script] if forked else [sys.executable, "-c"]
    return Person(*start, script, str(store.run_dir), *arguments, **options)


def assert_harmless(raw: bytes) -> None:
    """All that the terminal would obey is what hfal itself has to say."""
    rest = OURS.sub("", raw.decode())
    obeyed = {char for char in rest if unicodedata.category(char)[0] == "C" and char not in "\r\n\u200c\u200d"}
    assert obeyed == set()
    assert not set(rest) & set(BIDI + ZERO_WIDTH + "\u2028\u2029")
