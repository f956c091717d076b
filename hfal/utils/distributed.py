"""Share decisions and errors between the processes of one run, as `torchrun` and Accelerate start them.

Every process holds the same pool and runs the same loop. The main process alone selects, asks, and writes to the run
directory; the others only read there, once they have heard that there is something to read. What one process learns,
an error included, all learn in the same place, so that none of them waits for one that has gone another way.
"""

import contextlib
import os
import pickle
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np
import torch
import torch.distributed as dist

from hfal.errors import HfalError


T = TypeVar("T")

_BYTES_AT_A_TIME = 16 * 2**20


def rank_and_size() -> tuple[int, int]:
    """Return the rank of this process and the number of processes: (0, 1) for one that is alone."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))


def is_main() -> bool:
    """Whether this is the process that decides and writes."""
    return rank_and_size()[0] == 0


def on_main(action: Callable[[], T]) -> T:
    """Run a function on the main process alone, and return its result on all.

    Args:
        action: Called on the main process; what it returns, or raises, has to fit a pickle.

    Returns:
        What it returned, on every process.

    Raises:
        Exception: What it raised, on every process.
        HfalError: Another process has ended.
    """
    rank, size = rank_and_size()
    if size == 1:
        return action()
    outcome: list[Any] = [None, None]
    if rank == 0:
        try:
            outcome[0] = action()
        except BaseException as error:
            _broadcast([None, _portable(error)])
            raise
    _broadcast(outcome)
    if outcome[1] is not None:
        raise outcome[1]
    result: T = outcome[0]
    return result


@contextlib.contextmanager
def shared_failure() -> Iterator[None]:
    """Raise on all processes, at the end of a `with` block, if one of them fails in it.

    Raises:
        Exception: The error of this process, else the first of another one.
    """
    error = None
    try:
        yield
    except Exception as raised:
        error = raised
    others = gather(None if error is None else _portable(error))
    if error is not None:
        raise error
    for other in others:
        if other is not None:
            raise other


def gather(value: T) -> list[T]:
    """Return the values of all processes on every process, in the order of their ranks."""
    _, size = rank_and_size()
    if size == 1:
        return [value]
    values: list[Any] = [None] * size
    with _collective():
        dist.all_gather_object(values, value)
    return values


def merge_rows(array: np.ndarray) -> None:
    """Fill an array whose rows the processes have computed in parts, in place; a row not computed here is all zero.

    Args:
        array: Any numeric array, memory-mapped or not, of the same shape and type on every process.
    """
    if rank_and_size()[1] == 1:
        return
    # Summed as integers: adding zeros to floats would turn -0.0 into 0.0.
    flat = array.reshape(-1).view(np.uint8 if array.dtype.itemsize == 1 else np.int32)
    device = torch.device("cpu" if dist.get_backend() == "gloo" else f"cuda:{torch.cuda.current_device()}")
    step = _BYTES_AT_A_TIME // flat.itemsize
    for start in range(0, len(flat), step):
        part = torch.from_numpy(flat[start : start + step]).to(device)
        with _collective():
            dist.all_reduce(part)
        flat[start : start + step] = part.cpu().numpy()


def _broadcast(outcome: list[Any]) -> None:
    with _collective():
        dist.broadcast_object_list(outcome, src=0)


@contextlib.contextmanager
def _collective() -> Iterator[None]:
    if not (dist.is_available() and dist.is_initialized()):
        raise HfalError(
            f"{rank_and_size()[1]} processes were started (WORLD_SIZE), but they are not connected yet: make the "
            "TrainingArguments, which connect them, before this call"
        )
    try:
        yield
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        what = "has not been heard of for too long" if "timed out" in reason.lower() else "has ended"
        raise HfalError(
            f"another process of this run {what}, so this one stops too ({reason}); no answer is lost: start the run "
            "again (ddp_timeout in TrainingArguments says how long to wait)"
        ) from error


def _portable(error: BaseException) -> BaseException:
    """Return an error, or an `HfalError` with its text if it does not survive a pickle."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return HfalError(f"{type(error).__name__}: {error}")
    return error
