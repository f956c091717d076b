"""The page in a notebook: a frame below the cell, where the notebook's browser can reach this machine."""

import importlib
import os
import sys


FRAMES_OF_NOTEBOOKS = ("http://localhost:*", "http://127.0.0.1:*", "vscode-webview:", "vscode-file:")
"""The ancestors of a frame below a cell: Jupyter on this machine at whatever port, and VS Code's own windows.

A page on the web has none of these origins. Programs on this machine that have one may ask the server anyway.
"""

# Set where a kernel runs on another machine than the browser before which its user sits.
_REMOTE = (
    *("SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY"),
    *("JUPYTERHUB_USER", "JUPYTERHUB_API_URL", "JUPYTERHUB_SERVICE_PREFIX"),
    *("COLAB_RELEASE_TAG", "COLAB_GPU", "KAGGLE_KERNEL_RUN_TYPE", "CODESPACES", "REMOTE_CONTAINERS"),
    *("VSCODE_AGENT_FOLDER", "VSCODE_IPC_HOOK_CLI"),  # those of VS Code's server, which its window is connected to
)
_HEIGHT = 720  # pixels: what most screens show of a notebook


def is_in_notebook() -> bool:
    """Return whether the code runs in a kernel, and not in a terminal's IPython or a script."""
    ipython = sys.modules.get("IPython")  # which a kernel has loaded
    shell = None if ipython is None else ipython.get_ipython()
    return getattr(shell, "kernel", None) is not None


def sign_of_another_machine() -> str | None:
    """Return the environment variable that says that the notebook's user sits before another machine, if one does."""
    return next((name for name in _REMOTE if os.environ.get(name)), None)


def show_in_frame(address: str) -> None:
    """Show the page below the cell that runs."""
    display = importlib.import_module("IPython.display")
    display.display(display.IFrame(address, width="100%", height=_HEIGHT))
