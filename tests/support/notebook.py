"""Cells that IPython's own shell runs, in a process of its own, or a notebook's kernel."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hfal.annotators.web.notebook import _REMOTE


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

LABEL_CELL = """
from hfal.annotators.asking import ask
from hfal.annotators.web.annotator import WebAnnotator
from hfal.store.store import Store
ask(Store("my run"), WebAnnotator("ann"{}))
"""


def in_ipython(*cells: str, cwd: str | Path | None = None) -> list[str]:
    """What is said in each cell, with the table in HTML that a notebook would show of its value."""
    pytest.importorskip("IPython", reason="it comes with the extra dev")
    code = [sys.executable, "-c", _SHELL, json.dumps(cells)]
    done = subprocess.run(code, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith('"')]


class Kernel:
    """A notebook's kernel, as Jupyter starts it.

    Args:
        cwd: The notebook's folder.
        environment: What is set beside the environment of this process, in which nothing says that it is remote.

    Attributes:
        shown: What the notebook shows below the cell that was run last: kinds of messages and their contents.
    """

    def __init__(self, cwd: Path, environment: Mapping[str, str]):
        from jupyter_client.manager import start_new_kernel

        env = {name: value for name, value in os.environ.items() if name not in _REMOTE} | dict(environment)
        self.manager, self.client = start_new_kernel(kernel_name="python3", cwd=str(cwd), env=env)
        self.shown: list[tuple[str, dict[str, Any]]] = []

    def run(self, cell: str) -> None:
        """Begin to run a cell."""
        self.shown = []
        self._running = self.client.execute(cell)

    def shows(self, kind: str, **values: Any) -> dict[str, Any]:
        """Wait for the next message of a kind with these values, and return its content."""
        while True:
            message = self.client.get_iopub_msg(timeout=60)
            if message["parent_header"].get("msg_id") == self._running:
                content = message["content"]
                self.shown.append((message["msg_type"], content))
                if message["msg_type"] == kind and content.items() >= values.items():
                    return content

    def ends(self) -> list[str]:
        """Wait for the end of the cell; what it has shown, but for what it printed: the kinds of messages."""
        self.shows("status", execution_state="idle")
        return [kind for kind, _ in self.shown if kind not in ("status", "execute_input", "stream")]

    @property
    def said(self) -> str:
        """What the cell has printed so far."""
        return "".join(content["text"] for kind, content in self.shown if kind == "stream")

    def interrupt(self) -> None:
        """Press the notebook's button that stops a cell."""
        self.manager.interrupt_kernel()

    def shut_down(self) -> None:
        """End the kernel, whatever it does."""
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
