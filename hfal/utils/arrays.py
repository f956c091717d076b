"""Arrays in files: those too big for the memory vanish with their last use, those that are computed once stay."""

import os
import tempfile
from collections.abc import Callable
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike


_IN_MEMORY_BYTES = 256 * 2**20
_ROWS_AT_A_TIME = 10_000


def scratch_array(
    shape: tuple[int, ...], scratch_dir: str | PathLike[str] | None, dtype: DTypeLike = np.float32
) -> np.ndarray:
    """An array of zeros; memory-mapped if it has over 256 MiB.

    Args:
        shape: Its shape.
        scratch_dir: Where its file is; nobody else can see it there.
        dtype: Its type.
    """
    if np.prod(shape) * np.dtype(dtype).itemsize <= _IN_MEMORY_BYTES:
        return np.zeros(shape, dtype)
    with tempfile.TemporaryFile(dir=scratch_dir) as file:  # unlinked already: gone with the last reference
        return np.memmap(file, dtype, "w+", shape=shape)


def rows_of(array: np.ndarray, positions: np.ndarray, scratch_dir: str | PathLike[str] | None) -> np.ndarray:
    """Some rows of an array, copied to another one some thousand rows at a time."""
    rows = scratch_array((len(positions), *array.shape[1:]), scratch_dir, array.dtype)
    for start in range(0, len(positions), _ROWS_AT_A_TIME):
        block = slice(start, start + _ROWS_AT_A_TIME)
        rows[block] = array[positions[block]]
    return rows


def computed_once(path: Path, compute: Callable[[Path], None]) -> Path:
    """A file that is made if it is not there, and is there whole or not at all; several runs may make it at a time.

    Args:
        path: The file; its name has to say what is in it.
        compute: Writes it, under the name that it is given.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.stem}-{os.getpid()}.part")
        compute(part)
        os.replace(part, path)
    return path
