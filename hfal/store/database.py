"""Open, check and write the SQLite file of a run."""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from hfal.errors import RunDirectoryError
from hfal.store.schema import SCHEMA, SCHEMA_VERSION, UPGRADES, set_schema


class Database(sqlite3.Connection):
    """A connection that writes in transactions, each of which is on the disk when it ends.

    Attributes:
        path: The file, for messages.
    """

    path: Path
    _at_once = False

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Write all of what a `with` block writes, or nothing after an error.

        Raises:
            RunDirectoryError: The file cannot be written.
        """
        if self._at_once:
            yield
            return
        try:
            self.execute("BEGIN IMMEDIATE")
            yield
            self.execute("COMMIT")
        except BaseException as error:
            if self.in_transaction:  # a full disk has ended it
                self.execute("ROLLBACK")
            if isinstance(error, sqlite3.OperationalError):
                raise RunDirectoryError(
                    f"{self.path} cannot be written ({error}), and what was to be recorded now is not; all that was "
                    "recorded before is safe"
                ) from error
            raise

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        """Make one transaction of all those in a `with` block."""
        with self.transaction():
            self._at_once = True
            try:
                yield
            finally:
                self._at_once = False

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """Read the state of one instant in a `with` block."""
        self.execute("BEGIN")
        try:
            yield
        finally:
            self.execute("ROLLBACK")

    def copy(self) -> "Database":
        """Return a copy in memory that cannot be written."""
        copied = _connect(":memory:", self.path)
        self.backup(copied)
        copied.execute("PRAGMA query_only = ON")
        return copied


def open_database(path: Path, read_only: bool) -> Database:
    """Open the file of a run, make its tables if it has none, and bring it up to date if it may be written.

    Raises:
        RunDirectoryError: It is of a schema version that this hfal does not know, is not hfal's, or cannot be opened.
    """
    # A killed process may leave a transaction to roll back, which SQLite does only where it may write.
    mode = "rwc" if not read_only else "rw" if os.access(path, os.W_OK) else "ro"
    try:
        db = _connect(f"{path.as_uri()}?mode={mode}", path)
    except sqlite3.Error as error:
        raise RunDirectoryError(f"{path} cannot be opened ({error})") from error
    try:
        db.execute("PRAGMA synchronous = EXTRA")
        db.execute("PRAGMA foreign_keys = ON")
        db.execute(f"PRAGMA query_only = {'ON' if read_only else 'OFF'}")
        _check_schema(db, read_only)
    except sqlite3.DatabaseError as error:
        db.close()
        raise RunDirectoryError(f"{path} cannot be used as a store of hfal ({error})") from error
    except RunDirectoryError:
        db.close()
        raise
    return db


def _connect(uri: str, path: Path) -> Database:
    db = sqlite3.connect(
        uri, timeout=30, isolation_level=None, check_same_thread=False, factory=Database, uri=uri != ":memory:"
    )
    db.path = path
    db.row_factory = sqlite3.Row
    return db


def _check_schema(db: Database, read_only: bool) -> None:
    with contextlib.nullcontext() if read_only else db.transaction():
        (version,) = db.execute("PRAGMA user_version").fetchone()
        tables = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if version == 0 and tables == 0:
            if read_only:
                raise RunDirectoryError(f"no run in {db.path.parent} yet: {db.path.name} is empty")
            set_schema(db, SCHEMA)
        elif version in UPGRADES:
            if not read_only:
                set_schema(db, UPGRADES[version])
        elif version != SCHEMA_VERSION:
            raise RunDirectoryError(
                f"{db.path} has schema version {version}, this hfal reads version {SCHEMA_VERSION}: "
                "use the hfal that made it, or another run_dir"
            )
