"""Signals that end a command: Ctrl-C and SIGTERM."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def stop_signals_call(act: Callable[[], None]) -> Iterator[None]:
    """Have Ctrl-C and SIGTERM call a function in the place of ending all at any instant; the second time they do that.

    Only the main thread may, and a signal that is ignored stays so.

    Args:
        act: Is called, in the main thread.
    """
    is_main = threading.current_thread() is threading.main_thread()
    found = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM) if is_main}
    before = {number: handler for number, handler in found.items() if handler not in (None, signal.SIG_IGN)}

    def handle(number: int, frame: object) -> None:
        signal.signal(number, before[signal.Signals(number)])
        act()

    for number in before:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
