"""Sharing between processes, in one that is alone; with several it is tested in end_to_end/test_processes.py."""

import numpy as np
import pytest

from hfal.errors import HfalError
from hfal.utils.distributed import gather, is_main, merge_rows, on_main, rank_and_size, shared_failure


def test_one_process_is_the_main_one_and_has_nothing_to_share(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    assert rank_and_size() == (0, 1)
    assert is_main()
    assert on_main(lambda: "decided") == "decided"
    assert gather("found") == ["found"]
    rows = np.array([[-0.0, 1.5], [0.0, 2.5]])
    merge_rows(rows)
    assert rows.tobytes() == np.array([[-0.0, 1.5], [0.0, 2.5]]).tobytes()


def test_an_error_of_the_one_process_is_its_own() -> None:
    error = ValueError("it went wrong")

    def fail() -> None:
        raise error

    with pytest.raises(ValueError, match="it went wrong") as of_main:
        on_main(fail)
    with pytest.raises(ValueError, match="it went wrong") as shared, shared_failure():
        fail()
    assert of_main.value is shared.value is error


def test_processes_that_are_not_connected_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert rank_and_size() == (1, 2)
    assert not is_main()
    for share in (lambda: gather(1), lambda: on_main(lambda: 1)):
        with pytest.raises(HfalError, match=r"2 processes were started \(WORLD_SIZE\), but they are not connected"):
            share()
