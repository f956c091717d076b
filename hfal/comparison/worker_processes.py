"""Hand out the runs of a comparison to worker processes, and watch how far these are."""

import contextlib
import multiprocessing
import os
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from hfal.comparison.plan import Cell, rounds_of
from hfal.comparison.progress import Forecast, ProgressLine, about
from hfal.comparison.worker import work
from hfal.store.run_directory import error_file
from hfal.utils.spelling import counted


@dataclass
class _Worker:
    process: BaseProcess
    connection: Connection
    cell: Cell
    begun: float


def make_runs(
    out: Path,
    cells: Sequence[Cell],
    options_of: Callable[[Cell], Mapping[str, Any]],
    plans: Mapping[Cell, Sequence[int]],
    of_words: bool,
    workers: int,
    progress: ProgressLine,
) -> None:
    """Make runs, several at a time; one that fails is recorded in its directory, and the others go on.

    Args:
        out: The result directory.
        cells: The runs to make, in this order.
        options_of: The options of each.
        plans: What each run of the grid, also of those that are finished, has bought when each of its rounds begins.
        of_words: Whether that counts words.
        workers: How many processes.
        progress: Shows how far it is.
    """
    waiting, running = deque(cells), dict[Connection, _Worker]()
    forecast = Forecast(plans, of_words)

    def next_job(worker: _Worker) -> None:
        worker.cell, worker.begun = waiting.popleft(), time.monotonic()
        with contextlib.suppress(ConnectionError):  # a process that has died is noticed by what it does not answer
            worker.connection.send((worker.cell.run_dir(out), dict(options_of(worker.cell))))

    try:
        while waiting or running:
            while waiting and len(running) < workers:
                worker = _start(max(_cores() // workers, 1), waiting[0])
                running[worker.connection] = worker
                next_job(worker)
            for connection in wait(list(running), timeout=1):
                worker = running[connection]  # type: ignore[index]
                try:
                    problem = worker.connection.recv()
                except (EOFError, ConnectionError):
                    problem = _note_death(worker, out)
                    del running[worker.connection]
                if problem is not None:
                    progress.say(f"{worker.cell} has failed: {problem}")
                forecast.learn(rounds_of(worker.cell.run_dir(out)), time.monotonic() - worker.begun)
                if worker.connection not in running:
                    continue
                if waiting:
                    next_job(worker)
                else:
                    with contextlib.suppress(ConnectionError):
                        worker.connection.send(None)
                    worker.process.join()
                    del running[worker.connection]
            if running:
                under_way = {worker.cell: rounds_of(worker.cell.run_dir(out)) for worker in running.values()}
                left = forecast.seconds_left(under_way, waiting, workers)
                first = next(iter(under_way))
                of_rounds = f"round {max(len(under_way[first]), 1)} of {len(plans[first])} of {first}"
                done = len(plans) - len(waiting) - len(running)
                progress.show(f"{done} of {counted(len(plans), 'run')}, {of_rounds}, {about(left)}")
    finally:
        for worker in running.values():
            worker.process.kill()
        for worker in running.values():
            worker.process.join()


def _start(threads: int, cell: Cell) -> _Worker:
    context = multiprocessing.get_context("spawn")  # a process that has loaded torch must not be forked
    ours, theirs = context.Pipe()
    process = context.Process(target=work, args=(theirs, threads), daemon=True)
    process.start()
    theirs.close()  # so that its end is noticed here
    return _Worker(process, ours, cell, time.monotonic())


def _note_death(worker: _Worker, out: Path) -> str:
    worker.process.join()
    problem = f"the process has died (exit code {worker.process.exitcode}): is there enough memory for all --workers?"
    run_dir = worker.cell.run_dir(out)
    run_dir.mkdir(parents=True, exist_ok=True)
    error_file(run_dir).write_text(f"{problem}\n", "utf-8")
    return problem


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
