"""One thread for BLAS, also where two threads ask for that at once."""

import threading
import time

import numpy as np
from threadpoolctl import threadpool_info

from hfal.utils.single_thread import single_thread


def threads() -> list[int]:
    assert np.ones((2, 2)) @ np.ones(2) is not None  # its library is loaded
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


def test_blas_has_one_thread_and_afterwards_as_many_as_before() -> None:
    before = threads()
    with single_thread(), single_thread("blas"):
        assert set(threads()) == {1}
    assert threads() == before


def test_two_at_once_leave_the_threads_as_they_were() -> None:
    def hold() -> None:
        with single_thread("blas"):
            time.sleep(0.4)

    before = threads()
    first = threading.Thread(target=hold)
    first.start()
    time.sleep(0.2)
    hold()  # which would find, and leave, the one thread of the other
    first.join()
    assert threads() == before
