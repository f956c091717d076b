"""One thread for the libraries of NumPy and scikit-learn, whatever other threads of the process do meanwhile."""

import contextlib
import threading
from collections.abc import Iterator

from threadpoolctl import threadpool_limits


_lock = threading.RLock()


@contextlib.contextmanager
def single_thread(api: str | None = None) -> Iterator[None]:
    """Have BLAS and OpenMP use one thread in a `with` block.

    That is of the whole process, and put back as it was found: so one thread at a time does this.

    Args:
        api: `"blas"` or `"openmp"` for one of them alone.
    """
    with _lock, threadpool_limits(1, api):
        yield
