"""Arrays that may be too big for the memory."""

import numpy as np

from hfal.utils.arrays import rows_of


def test_rows_of_a_big_array_lie_in_a_file(tmp_path, monkeypatch):
    array = np.arange(25_000 * 3, dtype=np.float64).reshape(25_000, 3)
    positions = np.random.default_rng(0).permutation(25_000)[:21_000]
    for limit, kind in ((2**30, np.ndarray), (1000, np.memmap)):
        monkeypatch.setattr("hfal.utils.arrays._IN_MEMORY_BYTES", limit)
        rows = rows_of(array, positions, tmp_path)
        assert type(rows) is kind
        assert rows.dtype == np.float64
        assert (rows == array[positions]).all()
    assert rows_of(array, positions[:0], tmp_path).shape == (0, 3)
