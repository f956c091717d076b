"""The command `hfal` in a process of its own, and what it said there or in this one."""

import csv
import os
import re
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hfal.store.records import Answer
from hfal.store.store import Store
from support import forks


HFAL = str(Path(sys.executable).with_name("hfal"))

# Options with which a round takes a second.
FAST = ["--model", "./model", "--max_length", "32", "--num_train_epochs", "1", "--use_cpu"]
SMALL = [*FAST, "--query_size", "6"]


@dataclass
class Result:
    code: int
    stdout: str
    stderr: str  # and what was logged


def in_a_process(folder: Path, *arguments: str, **options: Any) -> subprocess.CompletedProcess:
    """What the installed command says and ends with."""
    return subprocess.run(
        [HFAL, *arguments],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        **options,
    )


def in_a_fork(folder: Path, *arguments: str, patience: float = 300) -> Result:
    """What the command says and ends with in a process that has torch and all else loaded when it starts.

    One that has not ended after so many seconds is killed, and its code is that of SIGKILL.
    """
    with open(os.devnull, "rb") as nothing, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        files = (nothing.fileno(), out.fileno(), err.fileno())
        process = forks.fork(forks.hfal, *arguments, cwd=folder, environment=environment(folder), files=files)
        process.join(patience)
        forks.send_signal(process, signal.SIGKILL)
        process.join()
        out.seek(0)
        err.seek(0)
        said = (file.read().decode(errors="replace") for file in (out, err))
        return Result(process.exitcode, *said)


def environment(folder: Path) -> dict[str, str]:
    given = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "hf"), "OMP_NUM_THREADS": "1"}
    given.pop("PYTHONPATH", None)
    return given


def error_line(result: Result) -> str:
    """The one line that says what is wrong; it is the last one."""
    assert result.code in (1, 2), result.stderr  # 2: the command line cannot be read
    assert "Traceback" not in result.stderr
    line = result.stderr.splitlines()[-1]
    assert line.startswith("hfal: error: ")
    return line


def write_csv(path: Path, header: list[str], rows: Any, separator: str = ",") -> None:
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=separator)
        writer.writerow(header)
        writer.writerows(rows)


def read_csv(path: Path, separator: str = ",") -> list[dict[str, str]]:
    with open(path, encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file, delimiter=separator))


def table_rows(output: str) -> list[list[str]]:
    """The cells of the printed table of rounds."""
    lines = output[output.index("round  labels") :].split("\n\n")[0].strip().split("\n")
    return [re.split(r"\s{2,}", line.strip()) for line in lines]


def answer(run_dir: Path, *answers: Answer) -> None:
    store = Store(run_dir)
    for one in answers:
        store.record(one)
    store.close()
