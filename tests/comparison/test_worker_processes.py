"""Processes that make the runs of a comparison."""

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from hfal.comparison.plan import Cell, failures
from hfal.comparison.progress import ProgressLine
from hfal.comparison.worker_processes import make_runs
from support import mortal_worker
from support.command import HFAL, environment
from support.comparisons import GRID


@pytest.mark.slow
def test_workers_end_with_the_process_that_started_them(folder: Path) -> None:
    process = subprocess.Popen([HFAL, *GRID, "--rounds", "9"], env=environment(folder), stderr=subprocess.PIPE)
    while not (folder / "out" / "runs" / "random" / "random" / "seed-42" / "labels.sqlite").exists():
        time.sleep(0.2)
    children = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=True).stdout
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    time.sleep(2)
    for pid in children.split():
        assert not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text().split()[2]


def test_a_process_that_dies_costs_its_own_run_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("hfal.comparison.worker_processes.work", mortal_worker.work)
    cells = [Cell("margin", "random", seed) for seed in range(5)]
    begun = []

    def options_of(cell: Cell) -> dict[str, Any]:
        begun.append(cell)
        return {"dies": cell.seed == 1, "problem": "ValueError: it went wrong" if cell.seed == 3 else None}

    make_runs(
        tmp_path,
        cells,
        options_of=options_of,
        plans={cell: [10] for cell in cells},
        of_words=False,
        workers=2,
        progress=ProgressLine(),
    )
    died = "the process has died (exit code 3): is there enough memory for all --workers?"
    assert begun == cells
    assert [path.read_text("utf-8") for path in tmp_path.rglob("error.txt")] == [f"{died}\n"]
    assert failures(tmp_path, cells) == {cells[1]: died}
    said = capsys.readouterr().err
    assert f"margin/random/seed 1 has failed: {died}\n" in said
    assert "margin/random/seed 3 has failed: ValueError: it went wrong\n" in said
    assert said.count("has failed") == 2
