"""The page in a notebook: real kernels, and what they show below a cell."""

import html
import re
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

from hfal.annotators.web.notebook import _REMOTE, sign_of_another_machine
from hfal.store.store import Store
from support.label_queries import add_query, labels
from support.notebook import LABEL_CELL, Kernel, in_ipython
from support.web_page import Client


StartKernel = Callable[..., Kernel]


def announced(kernel: Kernel) -> Client:
    """A client of the page whose address the cell has printed."""
    said = kernel.shows("stream")["text"]
    found = re.match(r"Label in the browser: http://127\.0\.0\.1:(\d+)/\n", said)
    assert found, said
    return Client(int(found[1]))


def test_the_page_stands_in_a_frame_below_the_cell(start_kernel: StartKernel, store: Store) -> None:
    add_query(store, ["a fine film", "what a bore"])
    kernel = start_kernel()
    kernel.run(LABEL_CELL.format(""))
    page = announced(kernel)
    (source,) = re.findall(r'<iframe[^>]*\ssrc="([^"]*)"', kernel.shows("display_data")["data"]["text/html"])
    assert urlsplit(html.unescape(source)).netloc == f"127.0.0.1:{page.port}"
    headers = page.request("GET", "/")[1]
    ancestors = headers["content-security-policy"].partition("frame-ancestors ")[2]
    assert ancestors == "http://localhost:* http://127.0.0.1:* vscode-webview: vscode-file:"
    assert "x-frame-options" not in headers
    state = page.answers(page.waits_for("asking"), "positive")
    kernel.interrupt()
    assert page.state(after=state["version"])["phase"] == "ended"
    assert kernel.ends() == ["display_data", "error"]
    assert kernel.said.count("\n") == 1
    (error,) = (content for kind, content in kernel.shown if kind == "error")
    assert error["ename"] == "AnswersPending"
    assert "1 of 2 texts are left" in "\n".join(error["traceback"])
    assert labels(store) == {"a": "positive"}

    kernel.run(LABEL_CELL.format(", open_browser=False"))
    page = announced(kernel)
    assert page.request("GET", "/")[1]["x-frame-options"] == "DENY"
    page.does("close", page.answers(page.waits_for("asking"), "negative"))
    assert kernel.ends() == []


def test_a_notebook_elsewhere_gets_a_link_and_how_to_reach_it(start_kernel: StartKernel, store: Store) -> None:
    add_query(store, ["a fine film"])
    kernel = start_kernel(JUPYTERHUB_USER="ann")
    kernel.run(LABEL_CELL.format(""))
    page = announced(kernel)
    assert page.request("GET", "/")[1]["x-frame-options"] == "DENY"
    page.does("close", page.answers(page.waits_for("asking"), "negative"))
    assert kernel.ends() == []
    _, advice = kernel.said.splitlines()
    assert "another machine (JUPYTERHUB_USER is set)" in advice
    assert f"`ssh -L {page.port}:127.0.0.1:{page.port} HOST`" in advice


def test_a_shell_in_a_terminal_is_no_notebook() -> None:
    said = in_ipython("from hfal.annotators.web.notebook import is_in_notebook", "print(is_in_notebook())")
    assert said[1] == "False\n"


def test_what_tells_another_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in _REMOTE:
        monkeypatch.delenv(name, raising=False)
    assert sign_of_another_machine() is None
    monkeypatch.setenv("COLAB_GPU", "")
    assert sign_of_another_machine() is None
    monkeypatch.setenv("SSH_CONNECTION", "10.0.0.7 50000 10.0.0.8 22")
    assert sign_of_another_machine() == "SSH_CONNECTION"
