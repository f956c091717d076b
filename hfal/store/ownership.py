"""The lock by which one process at a time works in a run directory; the kernel releases it when the process dies."""

import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from hfal.errors import RunDirectoryBusyError
from hfal.utils.processes import is_alive


_PATIENCE = 20  # seconds, for the worker processes of a killed run, which hold its lock until they notice


def this_process() -> str:
    """Return the name of this process, as the store records its owner."""
    return f"pid {os.getpid()} on {socket.gethostname()}"


@contextlib.contextmanager
def locked(lock: FileLock, run_dir: Path, owner: Callable[[], str]) -> Iterator[None]:
    """Hold the lock of a run directory for the length of a `with` block; may be nested within one process.

    Args:
        lock: The lock.
        run_dir: The run directory, for the message.
        owner: Gives the process that holds the lock, or held it last.

    Raises:
        RunDirectoryBusyError: Another living process holds it.
    """
    try:
        lock.acquire(timeout=0 if _may_be_alive(owner()) else _PATIENCE)
    except Timeout:
        raise RunDirectoryBusyError(
            f"run directory {run_dir} is in use by another process ({owner()}): "
            "wait for it or stop it, or use another run_dir"
        ) from None
    try:
        yield
    finally:
        lock.release()


def _may_be_alive(owner: str) -> bool:
    """Whether a process may still run; one of another machine may."""
    words = owner.split(" ", 3)
    if len(words) < 4 or words[3] != socket.gethostname():
        return True
    return is_alive(int(words[1]))
