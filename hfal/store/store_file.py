"""The SQLite file of a run directory: opening it, transactions, its owner, and what kind of run it is.

A transaction is on the disk when its call returns (`synchronous=EXTRA`), so it survives `kill -9` and a power cut.
"""

import contextlib
import copy
import json
import os
import time
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self, TypeVar

from hfal.errors import NoRunError, RunDirectoryError
from hfal.store.consistency import check_consistency
from hfal.store.database import is_current, open_database, prepare_database
from hfal.store.ownership import Owner, Ownership, locked, read_owner
from hfal.store.records import DATASET
from hfal.store.rows import has_added, insert_meta, read_meta
from hfal.store.run_directory import check_no_comparison, check_store_is_not_lost, has_run, store_file
from hfal.store.run_info import Ended, PoolDraw, PublishedOptions, RunInfo, RunPlan, from_json
from hfal.store.schema import CLEAR_GIVEN_LABELS, set_schema
from hfal.tasks.kinds import Kind, kind_of


T = TypeVar("T")


class StoreFile:
    """The SQLite file of one run directory, and what the run is. Each read, and each transaction, is whole.

    Several threads may use it.

    Args:
        run_dir: The run directory; made if it is missing (not when `read_only`).
        read_only: Open an existing store for reading, beside a process that may be writing.
        wait: How many seconds to wait for another process to make the store that is to be read.

    Raises:
        NoRunError: There is none, or one without tables, when `read_only`.
        RunDirectoryBusyError: It is of an older version, and another process works on it.
        RunDirectoryError: The file is of a schema version that this hfal does not know, is not hfal's, or is missing
            where a run has worked. One of an older version that it knows is brought up to date, unless `read_only`.
    """

    def __init__(self, run_dir: str | os.PathLike[str], read_only: bool = False, wait: float = 0):
        self.run_dir = Path(os.path.realpath(run_dir))
        self.path = store_file(self.run_dir)
        if read_only:
            deadline = time.monotonic() + wait
            while not has_run(self.run_dir) and time.monotonic() < deadline:
                time.sleep(0.05)
            if not has_run(self.run_dir):
                check_store_is_not_lost(self.run_dir)
                state = f"yet: {self.path.name} is empty" if self.path.exists() else f"(no {self.path.name})"
                raise NoRunError(f"no run in {self.run_dir} {state}; is the path right?")
        else:
            check_no_comparison(self.run_dir)
            self.run_dir.mkdir(parents=True, exist_ok=True)
            if not is_current(self.path):
                with locked(self.run_dir, lambda: _owner_of(self.path)):
                    prepare_database(self.path)
        self._db = open_database(self.path, read_only)
        try:
            check_consistency(self._db)
        except BaseException:
            self._db.close()
            raise
        self._ownership = Ownership(self._db, self.run_dir)

    def at_once(self) -> AbstractContextManager[None]:
        """Record all that is recorded in a `with` block when it ends: all of it, or nothing after an error.

        Other threads wait until then.
        """
        return self._ownership.writing()

    def copy(self) -> Self:
        """Copy what the store knows now to the memory, where it stays so whatever others record, who need not wait."""
        other = copy.copy(self)
        other._db = self._db.copy()
        other._ownership = Ownership(other._db, self.run_dir)
        return other

    def snapshot(self) -> AbstractContextManager[None]:
        """Read the state of one instant in a `with` block; others who write wait until it ends."""
        return self._db.snapshot()

    def close(self) -> None:
        """Close the file. The store cannot be used afterwards."""
        self._db.close()

    def own(self) -> AbstractContextManager[None]:
        """Own the run directory for the length of a `with` block; may be nested within one process.

        What others record is refused meanwhile. A process that dies owns nothing, however it dies.

        Raises:
            RunDirectoryBusyError: Another living process owns it.
        """
        return self._ownership.own()

    @property
    def owner(self) -> str:
        """The process that owns the run directory, or owned it last."""
        return str(read_owner(self._db) or "nobody yet")

    @property
    def has_begun(self) -> bool:
        """Whether anything was asked, added, answered or trained, here or in a run that this one goes on from.

        Labels that came with the data are no answers.
        """
        begun = "SELECT query FROM queries UNION ALL SELECT round FROM rounds"
        if has_added(self._db) or self.meta("exported_rounds") is not None:
            return True
        answered = "SELECT answer FROM answers WHERE annotator <> ? OR action <> 'label'"
        return bool(self._db.read(f"SELECT 1 WHERE EXISTS ({begun}) OR EXISTS ({answered})", DATASET))

    def check_has_begun(self) -> None:
        """Check that there is a run to speak of.

        Raises:
            NoRunError: Nothing has been asked.
        """
        if not self.has_begun:
            raise NoRunError(f"no run in {self.run_dir} yet: nothing has been asked there; begin one with hfal run")

    # -- what the run is -------------------------------------------------------------------------------------------

    @property
    def info(self) -> RunInfo:
        """The task and the labels of the run."""
        keys = "('task', 'scheme', 'label_names', 'labels_are_hidden')"
        rows = f"SELECT key, value FROM meta WHERE key IN {keys}"  # at one instant
        with self._db.decoding():
            found = {row["key"]: json.loads(row["value"]) for row in self._db.read(rows)}
            names = found.get("label_names") or ()
            if isinstance(names, str) or not all(isinstance(name, str) for name in names):
                raise TypeError(f"label_names is {names!r}")
            about = found.get("task"), found.get("scheme"), tuple(names), bool(found.get("labels_are_hidden"))
        return RunInfo(*about)

    def set_info(self, info: RunInfo) -> None:
        """Record the task and the labels of the run."""
        with self.at_once():
            for key, value in asdict(info).items():
                insert_meta(self._db, key, value)

    def begin_anew(self, info: RunInfo) -> None:
        """Record another task and other labels for a run that has not begun, and forget the labels of its data."""
        with self.at_once():
            set_schema(self._db.write, CLEAR_GIVEN_LABELS)
            self.set_info(info)

    @property
    def plan(self) -> RunPlan | None:
        """The arguments of the run's last start; `None` before."""
        return self._record(RunPlan, "plan")

    def set_plan(self, plan: RunPlan) -> None:
        """Record the arguments of the run's start."""
        self.set_meta("plan", asdict(plan))

    @property
    def ended(self) -> Ended | None:
        """The reason why the run ended; `None` before, or after it was started again."""
        return self._record(Ended, "ended")

    def set_ended(self, ended: Ended | None) -> None:
        """Record that the run has ended, or that it goes on."""
        self.set_meta("ended", None if ended is None else asdict(ended))

    @property
    def draw(self) -> PoolDraw | None:
        """The rows of the data that `hfal run` has drawn for the pool; `None` where it takes all."""
        return self._record(PoolDraw, "draw")

    def set_draw(self, draw: PoolDraw) -> None:
        """Record which rows of the data are the pool."""
        self.set_meta("draw", asdict(draw))

    @property
    def published_options(self) -> PublishedOptions:
        """What a card may show of the run's options; nothing for a script's own run, or one of an older hfal."""
        return self._record(PublishedOptions, "published_options") or PublishedOptions()

    def set_published_options(self, options: PublishedOptions) -> None:
        """Keep these options, in the place of those that were there."""
        self.set_meta("published_options", asdict(options))

    @property
    def pool_fingerprint(self) -> str | None:
        """The fingerprint of the pool that the main one of several processes has opened."""
        fingerprint: str | None = self.meta("pool")
        return fingerprint

    def set_pool_fingerprint(self, fingerprint: str) -> None:
        """Record which pool the main one of several processes has opened."""
        self.set_meta("pool", fingerprint)

    @property
    def run_name(self) -> str | None:
        """The name of the run in experiment trackers, if it has one."""
        name: str | None = self.meta("run_name")
        return name

    def set_run_name(self, name: str) -> None:
        """Record the name of the run in experiment trackers."""
        self.set_meta("run_name", name)

    @property
    def exported_rounds(self) -> int:
        """How many of the first rounds came from an export, which has no models of them."""
        return self.meta("exported_rounds") or 0

    def _record(self, kind: type[T], key: str) -> T | None:
        """Return the record stored under `key`, or `None`."""
        with self._db.decoding():
            return from_json(kind, self.meta(key))

    def meta(self, key: str) -> Any:
        """Return the JSON value stored under `key`, or `None`."""
        return read_meta(self._db, key)

    def set_meta(self, key: str, value: Any) -> None:
        """Store a JSON value under `key`."""
        with self.at_once():
            insert_meta(self._db, key, value)

    @property
    def kind(self) -> Kind:
        """The kind of answers that the run's task has."""
        return kind_of(self.meta("task"))


def _owner_of(path: Path) -> Owner | None:
    """Return the owner that a store of any known version names."""
    try:
        db = open_database(path, read_only=True)
    except RunDirectoryError:
        return None
    with contextlib.closing(db):
        return read_owner(db)
