"""Arrays that may be too big for the memory, in files that vanish with their last use."""

import tempfile
from os import PathLike

import numpy as np
from numpy.typing import DTypeLike


_IN_MEMORY_BYTES = 256 * 2**20
_ROWS_AT_A_TIME = 10_000


def scratch_array(
    shape: tuple[int, ...], scratch_dir: str | PathLike[str] | None, dtype: DTypeLike = np.float32
) -> np.ndarray:
    """Make an array of zeros, memory-mapped if it has over 256 MiB.

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
    """Copy some rows of an array to another one, some thousand rows at a time."""
    rows = scratch_array((len(positions), *array.shape[1:]), scratch_dir, array.dtype)
    for start in range(0, len(positions), _ROWS_AT_A_TIME):
        block = slice(start, start + _ROWS_AT_A_TIME)
        rows[block] = array[positions[block]]
    return rows
