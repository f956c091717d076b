"""Write files and folders that are there whole or not at all, whenever the writing process dies."""

import contextlib
import errno
import glob
import hashlib
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

from hfal.utils.processes import is_alive


DISK_IS_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Numbers of the errors that say so: of a disk, of a person's part of it, and of the size that a file may have."""


@contextlib.contextmanager
def atomic_write(path: Path, *, sync: bool = False, shared: bool = False) -> Iterator[Path]:
    """Write a file or a folder under another name, and rename it to `path` when the `with` block ends well.

    Args:
        path: The file, which may be there already, or the folder, which may not.
        sync: Flush the file to the disk before it is renamed, so that it is whole after a power cut as well.
        shared: Take a name of this process alone, since several processes, of other machines too, may write the same
            file at a time.

    Yields:
        The path to write to, beside `path`. What a killed process left there is removed or overwritten.
    """
    part = _part_of_this_process(path) if shared else path.with_name(f"{path.name}.part")
    with naming(path):
        if part.is_dir():
            shutil.rmtree(part)
        yield part
        if sync:
            with open(part, "rb+") as file:
                os.fsync(file.fileno())
        os.replace(part, path)


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Name the file in an error of the disk, which does not where a write fails instead of an opening."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def _part_of_this_process(path: Path) -> Path:
    """Return a name that no other process takes, and remove what processes left that this machine has no longer."""
    begin = f"{path.stem}-{socket.gethostname()}-"
    for left in path.parent.glob(f"{glob.escape(begin)}*.part"):
        process = left.stem.removeprefix(begin)
        if process.isdecimal() and not is_alive(int(process)):
            left.unlink(missing_ok=True)
    return path.with_name(f"{begin}{os.getpid()}.part")


def file_version(path: Path) -> tuple[str | int, ...]:
    """Return what differs between a file and any other, and from the file as it was before it was written again.

    The time of the change is a part of it: `cp -p`, `rsync` and archives set the time of writing to an earlier one.
    """
    file = path.stat()
    return str(path.absolute()), file.st_ino, file.st_size, file.st_mtime_ns, file.st_ctime_ns


def computed_once(path: Path, compute: Callable[[Path], None]) -> Path:
    """Return a file, and compute it first if it is not there; several runs may do so at a time.

    Args:
        path: The file; its name has to say what is in it.
        compute: Writes it, under the name that it is given.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path, shared=True) as part:
            compute(part)
    return path


def fingerprint_of(*paths: Path, reading: object = None) -> str:
    """Return a name for what is read of files, under which a cache keeps it until one of them changes.

    Args:
        *paths: The files.
        reading: How they are read, as anything with a `repr` that says so.
    """
    files = [file_version(path) for path in paths]
    return hashlib.sha256(repr((files, reading)).encode("utf-8", "backslashreplace")).hexdigest()[:32]
