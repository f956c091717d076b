"""The SQLite file of a run: made, brought up to date, opened, read and written.

Errors of SQLite become one line here, for every read and write.
"""

import contextlib
import os
import shlex
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from hfal.errors import NoRunError, RunDirectoryError
from hfal.store.run_directory import check_store_is_not_lost
from hfal.store.schema import SCHEMA, SCHEMA_VERSION, UPGRADES, set_schema
from hfal.utils.files import atomic_write
from hfal.utils.visible_text import one_line


_NOT_READ = "cannot be read ({})"
_NOT_WRITTEN = "cannot be written ({}), and what was to be recorded now is not; all that was recorded before is safe"
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT)


class Database(sqlite3.Connection):
    """A connection for several threads that writes in transactions, each of which is on the disk when it ends.

    One lock makes each read and each transaction whole: no thread sees half of another's, or is in it.

    Attributes:
        path: The file, for messages.
        lock: Held while a thread reads, or is in a transaction or a snapshot.
    """

    path: Path

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.lock = threading.RLock()
        self._in_transaction = False

    def read(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        """Return all rows of a query.

        Raises:
            RunDirectoryError: The file is damaged or cannot be read.
        """
        with self.lock, self._in_one_line(_NOT_READ):
            return self.execute(sql, values).fetchall()

    def write(self, sql: str, *values: Any) -> int | None:
        """Run a statement that writes, in a transaction; return the id of the row that it has inserted.

        Raises:
            RunDirectoryError: The file is damaged or cannot be written.
        """
        with self._in_one_line(_NOT_WRITTEN):
            return self.execute(sql, values).lastrowid

    def write_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run a statement that writes for each row, in a transaction.

        Raises:
            RunDirectoryError: The file is damaged or cannot be written.
        """
        with self._in_one_line(_NOT_WRITTEN):
            self.executemany(sql, rows)

    @contextlib.contextmanager
    def decoding(self) -> Iterator[None]:
        """Read rows and what is written in them, at one instant for the threads of this process.

        Raises:
            RunDirectoryError: Something is not what was written there.
        """
        with self.lock:
            try:
                yield
            except (AttributeError, LookupError, TypeError, ValueError) as error:
                raise damaged(self.path, error) from error

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Write all of what a `with` block writes, or nothing after an error; other threads wait.

        Transactions within it are part of it.

        Raises:
            RunDirectoryError: The file is damaged or cannot be written.
        """
        with self.lock:
            if self._in_transaction:
                yield
                return
            try:
                self.write("BEGIN IMMEDIATE")
                self._in_transaction = True
                yield
                self.write("COMMIT")
            except BaseException:
                if self.in_transaction:  # a full disk has ended it
                    with contextlib.suppress(sqlite3.Error):
                        self.execute("ROLLBACK")
                raise
            finally:
                self._in_transaction = False

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """Read the state of one instant in a `with` block; other threads wait."""
        with self.lock:
            if self.in_transaction:
                yield
                return
            self.read("BEGIN")
            try:
                yield
            finally:
                self.read("ROLLBACK")

    def copy(self) -> "Database":
        """Return a copy in memory that cannot be written."""
        copied = _connect(":memory:", self.path)
        with self.lock, self._in_one_line(_NOT_READ):
            self.backup(copied)
        copied.execute("PRAGMA query_only = ON")
        return copied

    @contextlib.contextmanager
    def _in_one_line(self, failure: str) -> Iterator[None]:
        """Say in one line what SQLite finds wrong with the file, or the disk; wrong calls stay as they are."""
        try:
            yield
        except (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.NotSupportedError, sqlite3.DataError):
            raise
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # a message may quote what is damaged
            raise _in_one_line(self.path, error, failure) from error


def open_database(path: Path, read_only: bool) -> Database:
    """Open the file of a run that is there: of this version, or to be read, of an older one.

    Raises:
        NoRunError: It has no tables.
        RunDirectoryError: It is of a schema version that this hfal does not know, is damaged, or cannot be opened.
    """
    # A killed process may leave a transaction to roll back, which SQLite does only where it may write.
    db = _open(path, path, "rw" if not read_only or os.access(path, os.W_OK) else "ro")
    try:
        if _version(db) == 0:
            raise NoRunError(f"no run in {path.parent} yet: {path.name} is empty")
        db.execute(f"PRAGMA query_only = {'ON' if read_only else 'OFF'}")
    except BaseException:
        db.close()
        raise
    return db


def is_current(path: Path) -> bool:
    """Whether a file is there and has the tables of this version.

    Raises:
        RunDirectoryError: It is of a schema version that this hfal does not know, is damaged, or cannot be opened.
    """
    return _version_of(path) == SCHEMA_VERSION


def prepare_database(path: Path) -> None:
    """Make the file of a run, or bring it up to date, by one transaction; called by the process that holds the lock.

    A file without tables, which a killed process of an older hfal has left, is as good as none.

    Raises:
        RunDirectoryError: There are traces of a run whose file this was, or the file cannot be written.
    """
    version = _version_of(path)
    if version == 0:
        check_store_is_not_lost(path.parent)
        _make(path)
    elif version != SCHEMA_VERSION:
        with contextlib.closing(_open(path, path, "rw")) as db:
            db.read("PRAGMA foreign_keys = OFF")
            with db.transaction():
                set_schema(db.write, UPGRADES[version])
                if db.read("PRAGMA foreign_key_check"):
                    raise damaged(path, "some answers are of queries that are gone")


def _make(path: Path) -> None:
    """Make the file under another name first: whenever the process dies, it is there with its tables or not at all."""
    part = path.with_name(f"{path.name}.part")
    # Left by killed processes; a journal would be played back into the new file.
    leftovers = [part, Path(f"{part}-journal"), Path(f"{path}-journal")]
    _remove(leftovers)
    try:
        with (
            atomic_write(path, sync=True) as written,
            contextlib.closing(_open(written, path, "rwc")) as db,
            db.transaction(),
        ):
            set_schema(db.write, SCHEMA)
    except OSError as error:
        raise RunDirectoryError(f"{path} cannot be made ({error})") from error
    finally:
        _remove(leftovers[:2])


def _remove(files: Iterable[Path]) -> None:
    for file in files:
        file.unlink(missing_ok=True)


def _version_of(path: Path) -> int:
    if not path.exists():
        return 0
    with contextlib.closing(_open(path, path, "rw")) as db:
        return _version(db)


def _version(db: Database) -> int:
    """Return the version of the tables; 0 where there are none."""
    version: int = db.read("PRAGMA user_version")[0][0]
    if version == 0 and db.read("SELECT count(*) FROM sqlite_master")[0][0] == 0:
        return 0
    if version != SCHEMA_VERSION and version not in UPGRADES:
        raise RunDirectoryError(
            f"{db.path} has schema version {version}, this hfal reads version {SCHEMA_VERSION}: "
            "use the hfal that made it, or another run_dir"
        )
    return version


def _open(file: Path, path: Path, mode: str) -> Database:
    try:
        db = _connect(f"{file.as_uri()}?mode={mode}", path)
    except sqlite3.Error as error:
        raise RunDirectoryError(f"{path} cannot be opened ({error})") from error
    try:
        with db._in_one_line(_NOT_READ):
            db.execute("PRAGMA synchronous = EXTRA")
            db.execute("PRAGMA foreign_keys = ON")
    except BaseException:
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


def _in_one_line(path: Path, error: Exception, failure: str) -> RunDirectoryError:
    code = getattr(error, "sqlite_errorcode", None)
    gone = str(error).startswith(("no such table", "no such column", "Could not decode"))
    if gone or isinstance(error, UnicodeDecodeError) or (code is not None and code & 0xFF in _DAMAGE):
        return damaged(path, error)
    return RunDirectoryError(f"{path} {failure.format(error)}")


def damaged(path: Path, problem: object) -> RunDirectoryError:
    """Return the error about a file that is not what was written there."""
    return RunDirectoryError(
        f"{path} is damaged ({one_line(str(problem))[:200]}): put a backup of it in its place, save what is left with "
        f"`sqlite3 {shlex.quote(str(path))} .recover | sqlite3 NEW.sqlite`, or make a new run directory of an export "
        "with `hfal import`"
    )
