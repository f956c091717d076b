"""A process of a comparison: makes one run after the other, each by the recipe that `hfal run` runs.

Torch and the models' files are loaded once for all of its runs. It ends when the process that started it ends, however
that ends: a comparison that is killed leaves nobody behind who works on its runs.
"""

import os
import shutil
import signal
import sys
import threading
from collections.abc import Mapping
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from hfal.config.kept_config import write_options
from hfal.store.run_directory import config_file, error_file, output_file, rounds_folder
from hfal.utils.output import say_traceback, shown_line
from hfal.utils.spelling import message_of


def work(connection: Connection, threads: int) -> None:
    """Make runs until there are no more.

    Args:
        connection: Gives a run directory and its options, again and again, and `None` in the end; takes for each what
            `make_run` returned.
        threads: How many of the machine's cores are its part.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started this one
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(threads)  # before torch is loaded
    os.environ["TOKENIZERS_PARALLELISM"] = "true" if threads > 1 else "false"
    while (job := connection.recv()) is not None:
        run_dir, options = job
        run_dir.mkdir(parents=True, exist_ok=True)
        _say_into(output_file(run_dir))
        _load_libraries(threads)
        problem = make_run(run_dir, options)
        sys.stdout.flush()  # or it would be found in what the next run said
        connection.send(problem)


def make_run(run_dir: Path, options: Mapping[str, Any]) -> str | None:
    """Make a run, or go on with it; as `hfal run RUN_DIR` does.

    Args:
        run_dir: Its directory.
        options: Its options.

    Returns:
        What went wrong, in one line, which is in the run's directory then; `None` if nothing did.
    """
    from hfal.recipes import run_recipe

    run_dir.mkdir(parents=True, exist_ok=True)
    error_file(run_dir).unlink(missing_ok=True)
    write_options(config_file(run_dir), options)
    try:
        run_recipe([str(run_dir)], options["task"])
    except (Exception, SystemExit) as error:
        say_traceback(error)
        problem = shown_line(f"{type(error).__name__}: {message_of(error)}")
        error_file(run_dir).write_text(f"{problem}\n", "utf-8")
        return problem
    if "keep_models" not in options:
        shutil.rmtree(rounds_folder(run_dir), ignore_errors=True)  # some GB in a grid, which nobody needs any more
    return None


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _say_into(path: Path) -> None:
    output = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)


def _load_libraries(threads: int) -> None:
    import datasets
    import torch
    import transformers
    from tqdm import tqdm

    tqdm.set_lock(threading.RLock())  # not a semaphore, of which Python complains when this process is killed
    torch.set_num_threads(threads)
    datasets.disable_progress_bars()
    transformers.utils.logging.disable_progress_bar()
