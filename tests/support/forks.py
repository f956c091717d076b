"""Processes forked from a server that has imported what takes five seconds to import, and has done nothing else."""

import contextlib
import gc
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Mapping
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import Any


FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    [
        "hfal.annotators.terminal.annotator",
        "hfal.cli.main",
        "hfal.config.load_data",
        "hfal.export.curves",
        "hfal.recipes.text_classification",
        "hfal.training.callback",
        "pytest",
        "sklearn.cluster",
        "torch.distributed",
        "transformers.trainer",
        "transformers.models.bert.modeling_bert",
    ]
)


class Descriptor(int):
    """A file descriptor that a forked process gets, whatever number it has there."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _received, (DupFd(int(self)),)


def _received(duplicate: Any) -> int:
    return duplicate.detach()


def fork(
    program: Callable[..., int | None],
    *arguments: Any,
    cwd: Path,
    environment: Mapping[str, str],
    files: tuple[int, int, int],
    terminal: bool = False,
) -> BaseProcess:
    """Start a process that behaves as one of its own that runs a program would.

    Args:
        program: What it runs: a function of a module, whose result is the exit code.
        arguments: What it is given.
        cwd: Its working directory.
        environment: All of its environment. What modules read from it when they are imported is that of the tests,
            but for the number of threads and the folder of `datasets`.
        files: Its standard input, output and error.
        terminal: Whether they are a terminal, which becomes that of the process.
    """
    given = tuple(Descriptor(file) for file in files)
    everything = (program, arguments, cwd, dict(environment), given, terminal)
    process = FORKS.Process(target=_run, args=everything, daemon=True)
    process.start()
    return process


def hfal(*arguments: str) -> int:
    """The command."""
    from hfal.cli.main import main

    sys.argv = ["hfal", *arguments]
    return main()


def script(code: str, *arguments: str) -> None:
    """What `python -c` runs."""
    sys.argv = ["-c", *arguments]
    exec(compile(code, "<string>", "exec"), {"__name__": "__main__"})


def send_signal(process: BaseProcess, number: int) -> None:
    """Send a signal to a process, which may have ended."""
    if process.exitcode is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)


def _run(
    program: Callable[..., int | None],
    arguments: tuple[Any, ...],
    cwd: Path,
    environment: dict[str, str],
    files: tuple[int, int, int],
    terminal: bool,
) -> None:
    gc.freeze()  # collecting garbage would go through all that was imported
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if terminal:
        os.setsid()  # then the first terminal that is opened is that of the process
        os.close(os.open(os.ttyname(files[0]), os.O_RDWR))
    for number, file in enumerate(files):
        os.dup2(file, number)
    for file in set(files):
        os.close(file)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    if "OMP_NUM_THREADS" in environment:
        import torch

        torch.set_num_threads(int(environment["OMP_NUM_THREADS"]))
    if "HF_HOME" in environment:
        import datasets

        datasets.config.HF_DATASETS_CACHE = Path(environment["HF_HOME"], "datasets")
    # Those of the server were made for its own files. Whoever has kept them still writes to file 1 or 2.
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)
    sys.exit(program(*arguments))
