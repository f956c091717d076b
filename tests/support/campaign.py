"""Runs that are struck at random instants: where, by what, and how to go on from the state before any step.

A scenario is a chain of steps, each one process. Once it is played without any fault, which gives what it has to come
to, the instants of each step, and a copy of all files before each step. From such a copy a step is started again and
again, is struck, and has to come to the same.
"""

import contextlib
import os
import random
import re
import select
import shutil
import termios
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pyte

from support import crash_run, forks
from support.command import environment
from support.crash_checks import files_in, head_of, outcome, start
from support.crash_run import Kill, Mode, Places


class Process:
    """A process that was started.

    Attributes:
        said: What it had printed when it ended.
    """

    def __init__(self, process: BaseProcess, read: Callable[[], str]):
        self._process = process
        self._read = read
        self.said = ""

    def end(self, patience: float) -> int:
        """Wait so many seconds for its end, and kill it then; the exit code, or minus the signal."""
        self._process.join(patience)
        self._process.kill()
        self._process.join()
        self.said = self._read()
        return self._process.exitcode


Start = Callable[[Places, int, Kill | None], Process]


@dataclass(frozen=True)
class Step:
    """One process of a scenario.

    Attributes:
        start: Starts it, with the number of processes before it, and when to strike.
        code: With which it ends where nothing strikes.
        then: What people do when it has ended.
        until: Strikes only before this instant.
        at: Strikes only at instants that begin so, a regular expression.
        after_death: What happens to the files of a process that was killed.
    """

    start: Start
    code: int = 0
    then: Callable[[Path], None] | None = None
    until: str | None = None
    at: str = ""
    after_death: Callable[[Path, random.Random], None] | None = None

    @property
    def works_on_a_run(self) -> bool:
        """Whether it is `hfal run`, which has to say that the labels are safe."""
        return isinstance(self.start, partial) and self.start.args[1][0] == "run"


@dataclass(frozen=True)
class Scenario:
    """A chain of steps, and what is there before the first.

    Attributes:
        name: For the table.
        steps: In their order.
        run_dir: The run's folder, from the folder of the scenario.
        prepare: Makes the files that the first step finds, with the folder that has data and models.
        struck: The steps, by their places, that are struck; all of them by default.
        check: Looks at the files that are there in the end, beside comparing them.
        ways: In which its processes are killed: at an `instant`, after some `time`, in a `torn write`.
    """

    name: str
    steps: tuple[Step, ...]
    run_dir: str = "run"
    prepare: Callable[[Path, Path], None] | None = None
    struck: tuple[int, ...] | None = None
    check: Callable[[Path], None] | None = None
    ways: tuple[str, ...] = ("instant", "instant", "time", "torn write")

    @property
    def is_of_commands(self) -> bool:
        """Whether its processes are the command, which says what is wrong in one line."""
        return all(isinstance(s.start, partial) and s.start.args[0] is crash_run.command for s in self.steps)


@dataclass
class Played:
    """What a scenario comes to where nothing strikes.

    Attributes:
        outcome: All that it has decided.
        before: The files before each step.
        instants: The names of each step's instants.
        seconds: How long each step takes.
    """

    outcome: dict[str, Any]
    before: list[Path] = field(default_factory=list)
    instants: list[list[str]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


class Stage:
    """The folder in which a scenario is played, at the same path each time, since runs know paths in full."""

    def __init__(self, scenario: Scenario, folder: Path, data: Path, work: Path | None = None):
        self.scenario = scenario
        self.folder = folder
        self.work = work or folder / "work"
        beside = folder / "beside"
        beside.mkdir(parents=True)
        self.work.mkdir(exist_ok=True)
        self.places = Places(data, self.work, beside / "annotator.log", beside / "instant", beside / "output")
        self.played = self._play()

    @property
    def run_dir(self) -> Path:
        return self.work / self.scenario.run_dir

    @property
    def script_places(self) -> Places:
        """As the processes of a script know them."""
        return replace(self.places, run_dir=self.run_dir)

    def _play(self) -> Played:
        played = Played({})
        if self.scenario.prepare is not None:
            self.scenario.prepare(self.work, self.places.data)
        for number, step in enumerate(self.scenario.steps):
            played.before.append(self.folder / f"before-{number}")
            shutil.copytree(self.work, played.before[-1], symlinks=True)
            began = time.monotonic()
            process = step.start(self.places, 0, None)
            code = process.end(240)
            assert code == step.code, process.said[-3000:]
            played.seconds.append(time.monotonic() - began)
            names = self.places.trace.read_text(errors="replace").splitlines()
            reached = [n for n, name in enumerate(names) if step.until and name.startswith(step.until)]
            names = names[: reached[0]] if reached else names
            played.instants.append([name for name in names if re.match(step.at, name)])
            if step.then is not None:
                step.then(self.work)
        played.outcome = self.outcome()
        return played

    def outcome(self) -> dict[str, Any]:
        """All that the run decided, and all files that are there."""
        return {**outcome(self.run_dir), "files": files_in(self.work)}

    def back_to(self, number: int) -> None:
        """Put the files back as they were before a step."""
        for path in (*self.work.iterdir(), *self.places.log.parent.iterdir()):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        shutil.copytree(self.played.before[number], self.work, symlinks=True, dirs_exist_ok=True)

    def go_on_from(self, number: int, starts: int) -> None:
        """Play a step, which is not struck any more, and those behind it."""
        for step in self.scenario.steps[number:]:
            process = step.start(self.places, starts, None)
            code = process.end(240)
            assert code == step.code, f"exit code {code} instead of {step.code}: {process.said[-1500:]}"
            if step.then is not None:
                step.then(self.work)
        if self.scenario.check is not None:
            self.scenario.check(self.work)


# -- where to strike -----------------------------------------------------------------------------------------------


def pattern_of(instant: str) -> str:
    """The pattern of all instants that differ from this one in numbers, ids and the ends of statements."""
    begin = re.sub(r"[\[?*]", lambda match: f"[{match[0]}]", instant[:70])
    return re.sub(r"\d+(-\d+)?|'[^']*'?", "*", begin) + "*"


def random_instant(instants: list[str], chance: random.Random) -> tuple[str, int]:
    """A kind of instant, as likely as any other, and one of its kind: else most would be that something is read."""
    kinds = Counter(map(pattern_of, instants))
    pattern = chance.choice(sorted(kinds))
    return pattern, chance.randint(1, kinds[pattern])


# -- processes -----------------------------------------------------------------------------------------------------


def a_script(mode: Mode) -> Start:
    """What starts a user's script."""

    def begin(places: Places, number: int, kill: Kill | None) -> Process:
        run = replace(places, run_dir=places.run_dir / "run")
        places.output.unlink(missing_ok=True)
        process = start(crash_run.run, run, mode, head_of(run, number), kill)
        return Process(process, lambda: places.output.read_text() if places.output.exists() else "")

    return begin


def a_command(*arguments: str) -> Start:
    """What starts the command `hfal`."""
    return partial(_forked, crash_run.command, arguments)


def code(text: str) -> Start:
    """What starts Python with a few lines."""
    return partial(_forked, crash_run.program, (text,))


def _forked(
    program: Callable[..., Any], arguments: tuple[str, ...], places: Places, number: int, kill: Kill | None
) -> Process:
    read, write = os.pipe()  # to which no limit on files applies
    nothing = os.open(os.devnull, os.O_RDONLY)
    process = _fork(program, arguments, places, kill, (nothing, write, write), terminal=False)
    os.close(write)
    os.close(nothing)

    def output() -> str:
        with os.fdopen(read, "rb") as stream:
            return stream.read().decode(errors="replace")

    return Process(process, output)


def at_a_terminal(key: str, *arguments: str) -> Start:
    """What starts the command `hfal` in a terminal, where somebody presses a key whenever the screen stands still."""

    def begin(places: Places, number: int, kill: Kill | None) -> Process:
        ours, theirs = os.openpty()
        termios.tcsetwinsize(theirs, (24, 80))
        process = _fork(crash_run.command, arguments, places, kill, (theirs, theirs, theirs), terminal=True)
        os.close(theirs)
        screen = pyte.Screen(80, 24)
        stream = pyte.ByteStream(screen)

        def press() -> None:
            with contextlib.suppress(OSError):  # that nobody is there any more
                while True:
                    if select.select([ours], [], [], 0.25)[0]:
                        stream.feed(os.read(ours, 2**16))
                    else:
                        is_over = any("[Enter] closes" in line for line in screen.display)
                        os.write(ours, b"\r" if is_over else key.encode())
            os.close(ours)

        person = threading.Thread(target=press)
        person.start()

        def output() -> str:
            person.join()
            return "\n".join(filter(str.strip, screen.display))

        return Process(process, output)

    return begin


def _fork(
    program: Callable[..., Any],
    arguments: tuple[str, ...],
    places: Places,
    kill: Kill | None,
    files: tuple[int, int, int],
    terminal: bool,
) -> BaseProcess:
    folder = places.log.parents[1]
    variables = {**environment(folder), "TERM": "xterm-256color", "PYTHONUTF8": "1"}
    return forks.fork(
        program, places, kill, *arguments, cwd=places.run_dir, environment=variables, files=files, terminal=terminal
    )
