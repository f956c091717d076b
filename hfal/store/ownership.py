"""Who works on a run: one process at a time.

Two things say so. The lock of `run.lock` is the kernel's and goes when the process dies, however it dies. The record
in the store is checked in every transaction that writes: it holds where `run.lock` was deleted, or a file system does
not lock.
"""

import contextlib
import os
import re
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from hfal.errors import RunDirectoryBusyError, RunDirectoryError
from hfal.store.database import Database
from hfal.store.rows import insert_meta, read_meta
from hfal.store.run_directory import lock_file
from hfal.store.run_info import from_json
from hfal.utils.processes import is_alive, start_of


_PATIENCE = 20  # seconds, for the worker processes of a killed run, which hold its lock until they notice
_STEP = 0.05  # seconds


@dataclass(frozen=True)
class Owner:
    """The process that owns a run directory, or owned it last.

    Attributes:
        pid: Its id.
        host: Its machine.
        started: When it started, by `start_of`.
        token: What no other owner has; `None` when it has let go, empty of an older hfal, which did not record it.
    """

    pid: int
    host: str
    started: str | None = None
    token: str | None = None

    def __str__(self) -> str:
        return f"pid {self.pid} on {self.host}"

    @property
    def may_work(self) -> bool:
        """Whether it has not let go and may still run; one of another machine may."""
        if self.token is None:
            return False
        return self.host != socket.gethostname() or is_alive(self.pid, self.started)

    @property
    def works(self) -> bool:
        """Whether it is known to own the directory."""
        return bool(self.token) and self.host == socket.gethostname() and self.may_work


def read_owner(db: Database) -> Owner | None:
    """Read the record of the owner; `None` before there was one."""
    found = read_meta(db, "owner")
    if isinstance(found, str):  # of an older hfal
        written = re.fullmatch(r"pid (\d+) on (.+)", found)
        return Owner(int(written[1]), written[2], token="") if written else None
    with db.decoding():
        return from_json(Owner, found)


@contextlib.contextmanager
def locked(run_dir: Path, owner: Callable[[], Owner | None]) -> Iterator[None]:
    """Hold the lock of a run directory for the length of a `with` block.

    Args:
        run_dir: The run directory.
        owner: Reads who owns it.

    Raises:
        RunDirectoryBusyError: Another process holds it.
    """
    lock = FileLock(lock_file(run_dir), thread_local=False)
    _acquire(lock, run_dir, owner)
    try:
        yield
    finally:
        lock.release()


class Ownership:
    """The right of a store to write in its run directory.

    Args:
        db: The store's file.
        run_dir: The run directory.
    """

    def __init__(self, db: Database, run_dir: Path):
        self._db = db
        self._run_dir = run_dir
        self._lock = FileLock(lock_file(run_dir), thread_local=False)
        self._process = os.getpid()
        self._token = secrets.token_hex(8)
        self._holders = 0
        self._owners = 0

    @contextlib.contextmanager
    def own(self) -> Iterator[None]:
        """Own the run directory for the length of a `with` block; may be nested, also in other threads.

        Raises:
            RunDirectoryBusyError: Another living process owns it.
        """
        with self._held():
            with self._db.lock:
                if not self._owners:
                    with self._db.transaction():
                        self._check()
                        self._record(self._token)
                self._owners += 1
            try:
                yield
            finally:
                if os.getpid() == self._process:
                    with self._db.lock:
                        self._owners -= 1
                        if not self._owners:
                            self._let_go()

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Write, in one transaction, what a `with` block writes: as the owner, or where nobody owns the directory.

        Raises:
            RunDirectoryBusyError: Another process owns it.
        """
        with self._held(), self._db.transaction():
            self._check()
            yield

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        """Hold the lock of the directory, together with other threads of this process."""
        if os.getpid() != self._process:
            raise RunDirectoryBusyError(
                f"this process was forked from process {self._process}, which has opened the store in "
                f"{self._run_dir}: what is to be recorded has to be recorded there, or by a Store of its own"
            )
        with self._db.lock:
            if not self._holders:
                _acquire(self._lock, self._run_dir, lambda: read_owner(self._db))
            self._holders += 1
        try:
            yield
        finally:
            if os.getpid() == self._process:  # a fork in the block leaves it too
                with self._db.lock:
                    self._holders -= 1
                    if not self._holders:
                        self._lock.release()

    def _check(self) -> None:
        """Check the record of the owner, in the transaction that is to write.

        Raises:
            RunDirectoryBusyError: Another process owns the directory.
        """
        owner = read_owner(self._db)
        is_mine = owner is not None and owner.token == self._token
        if self._owners and not is_mine:
            raise RunDirectoryBusyError(
                f"run directory {self._run_dir} was taken over by another process ({owner}), so this one records "
                "nothing more; all that it has recorded is there: go on with the other one (run.lock must not be "
                "deleted while a run works)"
            )
        if owner is not None and not is_mine and owner.works:
            raise _busy(self._run_dir, owner)

    def _record(self, token: str | None) -> None:
        process = os.getpid()
        insert_meta(self._db, "owner", asdict(Owner(process, socket.gethostname(), start_of(process), token)))

    def _let_go(self) -> None:
        with contextlib.suppress(RunDirectoryError), self._db.transaction():  # else it is until the process ends
            owner = read_owner(self._db)
            if owner is not None and owner.token == self._token:
                self._record(None)


def _acquire(lock: FileLock, run_dir: Path, read: Callable[[], Owner | None]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            lock.acquire(timeout=0)
            return
        except Timeout:
            owner = read()
            if (owner is not None and owner.may_work) or time.monotonic() > deadline:
                raise _busy(run_dir, owner) from None
            time.sleep(_STEP)
        except OSError as error:
            raise RunDirectoryError(f"run directory {run_dir} cannot be worked in ({error})") from error


def _busy(run_dir: Path, owner: Owner | None) -> RunDirectoryBusyError:
    here = owner is not None and (owner.pid, owner.host) == (os.getpid(), socket.gethostname())
    name = f"another {'Store of this ' if here else ''}process ({owner or 'which has not said its name'})"
    return RunDirectoryBusyError(
        f"run directory {run_dir} is in use by {name}: wait for it, stop it, or use another run directory"
    )
