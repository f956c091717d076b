"""The command `hfal`: how it is used, its exit codes, and what it does not load."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from hfal.cli.main import main
from support.command import HFAL


def test_command_without_arguments_shows_how_it_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    for argv in ([], ["lable"], ["status"], ["status", "runs/x", "--verbose"], ["export", "runs/x"]):
        assert main(argv) == 2
        assert " --help)\n" in capsys.readouterr().err
    for argv, words in ((["--version"], "hfal 0."), (["--help"], "hfal run --data"), (["label", "-h"], "RUN_DIR")):
        with pytest.raises(SystemExit) as stop:
            main(argv)
        assert stop.value.code == 0
        assert words in capsys.readouterr().out
    assert main(["run", "--help"]) == 0
    assert "--strategy NAME" in capsys.readouterr().out


def test_what_needs_no_torch_does_not_load_it(run_dir: Path, folder: Path) -> None:
    code = """
import sys
from hfal.cli.main import main
for argv in (["status", "runs/small"], ["label", "runs/small"], ["run", "--help"], ["run", "--data", "missing.csv"],
             ["run", "--data", "reviews.csv", "--text", "reviw", "--labels", "a,b"], ["run", "--annotator", "xlsx"]):
    print(argv, main(argv), flush=True)
    slow = {"torch"} if argv[0] == "run" else {"torch", "transformers", "datasets", "pandas", "numpy"}
    assert not slow & set(sys.modules), (argv, slow & set(sys.modules))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stderr
    codes = re.findall(r"^\[.*\] (\d+)$", done.stdout, re.MULTILINE)
    assert codes == ["0", "75", "0", "1", "1", "2"]
    errors = [line for line in done.stderr.splitlines() if line.startswith("hfal: error: ")]
    assert [line.split()[2] for line in errors] == ["missing.csv:", "reviews.csv", "argument"], errors


def test_status_into_a_pipe_that_nobody_reads(run_dir: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    env = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}  # as a person has it
    status = [HFAL, "status", run_dir]
    done = subprocess.run(status, stdout=write, stderr=subprocess.PIPE, env=env, text=True, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")
