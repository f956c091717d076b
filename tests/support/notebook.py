"""Cells that IPython's own shell runs, in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


_SHELL = """
import contextlib, io, json, sys
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance(colors="nocolor")
for cell in json.loads(sys.argv[1]):
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        result = shell.run_cell(cell)
        if result.result is not None and hasattr(result.result, "_repr_html_"):
            print(shell.display_formatter.format(result.result)[0]["text/html"])
    print(json.dumps(said.getvalue()))
"""


def in_ipython(*cells: str, cwd: str | Path | None = None) -> list[str]:
    """What is said in each cell, with the table in HTML that a notebook would show of its value."""
    pytest.importorskip("IPython", reason="it comes with the extra dev")
    code = [sys.executable, "-c", _SHELL, json.dumps(cells)]
    done = subprocess.run(code, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith('"')]
