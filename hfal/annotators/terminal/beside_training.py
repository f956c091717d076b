"""A terminal at which somebody is asked in one thread, while another one trains and writes."""

import atexit
import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import TextIO

from hfal.annotators.base import Steps
from hfal.annotators.terminal.screen import Screen
from hfal.utils.output import say
from hfal.utils.spelling import counted
from hfal.utils.terminal_output import terminal_output_to


_PATIENCE = 2.0  # seconds for a screen to close


class BesideTraining:
    """Opens screens in another thread than the one that makes this, which goes on training.

    Args:
        file: Where everything else that is written to the terminal goes while a screen is open.
    """

    def __init__(self, file: Path):
        self._file = file
        self._trains = threading.current_thread()
        self._screen: Screen | None = None  # the one that is open
        self._is_closed = threading.Event()
        self._is_closed.set()
        self._noted = ""
        self._steps: Steps | None = None

    @property
    def asks_here(self) -> bool:
        """Whether the current thread is another one than that which trains."""
        return threading.current_thread() is not self._trains

    @property
    def is_training(self) -> bool:
        """Whether a training goes on, as far as was told."""
        return self._steps is not None and self._steps.done < self._steps.total

    # -- the thread that asks --------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def terminal(self) -> Iterator[TextIO]:
        """Have the terminal for a screen alone, for the length of a `with` block."""
        self._is_closed.clear()
        try:
            with terminal_output_to(self._file) as terminal:
                yield terminal
        finally:
            self._is_closed.set()

    @contextlib.contextmanager
    def showing(self, screen: Screen) -> Iterator[None]:
        """Have a screen show what happens beside it, and others close it, for the length of a `with` block."""
        screen.noted = self._happens()
        self._screen = screen
        try:
            yield
        finally:
            self._screen = None

    # -- any other thread ------------------------------------------------------------------------------------------

    def note(self, message: str, steps: Steps | None) -> None:
        """Show on the open screen, and on those to come, how far a training is."""
        self._noted, self._steps = message, steps
        screen = self._screen
        if screen is not None:
            screen.noted = self._happens()
            screen.call(screen.redraw)

    def _happens(self) -> str:
        """Return what happens, if it has steps: what it says without them may be over when it is read."""
        steps = self._steps
        if steps is None:
            return ""
        return f"{self._noted}, {steps.done:,} of {counted(steps.total, 'step')}{_left(steps)}"

    def release(self, stopped: bool) -> None:
        """Have the open screen close soon; as if the person had quit, where they are `stopped`."""
        screen = self._screen
        if screen is not None:
            screen.call(screen.quit if stopped else screen.release)

    # -- the thread that trains ------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def ending(self) -> Iterator[None]:
        """Have the terminal given back, for the length of a `with` block, before the process is ended from outside.

        While a screen is open Ctrl-C from elsewhere quits it, as the key does, and SIGTERM closes it before it does
        what it would have done. The second time, and while no screen is open, they do that at once.
        """
        is_main = threading.current_thread() is threading.main_thread()  # only it may handle signals
        found = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM) if is_main}
        before = {number: handler for number, handler in found.items() if handler not in (None, signal.SIG_IGN)}

        def handle(number: int, frame: FrameType | None) -> None:
            signal.signal(number, before[signal.Signals(number)])
            screen = self._screen
            if screen is None:
                signal.raise_signal(number)
            elif number == signal.SIGINT:
                screen.call(screen.quit)
            else:  # it raises the signal again itself: to wait for it here might be to wait for a lock held here
                screen.call(screen.terminate)

        for number in before:
            signal.signal(number, handle)
        # A loop of one's own over `rounds()` that an error has ended may never be told so.
        atexit.register(self._close)
        try:
            yield
        finally:
            atexit.unregister(self._close)
            for number, handler in before.items():
                signal.signal(number, handler)

    def _close(self) -> None:
        """Close what is open at the end of the process, whose last words, such as an error, nobody has seen."""
        if not self._is_closed.is_set():
            self.release(stopped=True)
            self._is_closed.wait(_PATIENCE)
            say(f"All answers are saved. Why the program has ended is in {self._file}.", file=sys.stderr)


def _left(steps: Steps) -> str:
    """Return how long a training still takes, in words."""
    seconds = steps.seconds_left
    if seconds is None or steps.done == steps.total:
        return ""
    left = counted(max(1, round(seconds)), "second") if seconds < 90 else counted(round(seconds / 60), "minute")
    return f", about {left} left"
