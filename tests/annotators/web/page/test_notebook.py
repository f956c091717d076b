"""The page in a frame of a notebook: a real kernel, and a page at another port that has its output."""

import contextlib
import http.server
import threading
from collections.abc import Iterator

import pytest
from selenium.webdriver.common.keys import Keys

from support.browser import Page
from support.label_queries import add_query, labels
from support.notebook import LABEL_CELL


@contextlib.contextmanager
def notebook(address: str, output: str) -> Iterator[str]:
    """The address of a page that shows the output of a cell."""
    body = f"<!doctype html><title>Notebook</title><p>Out[1]:</p>{output}".encode()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer((address, 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield str(server.server_port)
        finally:
            server.shutdown()


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_one_labels_in_a_frame_below_the_cell(start_kernel, store, browsers, name):
    add_query(store, ["A gem.", "Two lost hours."])
    kernel = start_kernel()
    kernel.run(LABEL_CELL.format(""))
    frame = kernel.shows("display_data")["data"]["text/html"]
    with notebook("127.0.0.1", frame) as port:
        page = Page(browsers(False), f"http://{name}:{port}/")
        page.driver.get(page.address)
        page.driver.switch_to.frame(page.find("iframe"))
        page.comes_to("ready").click(page.label("positive")).sees("Two lost hours.")
        page.press("1", Keys.ENTER).comes_to("ended")
        assert page.errors() == []
        page.driver.get("about:blank")
    assert kernel.ends() == ["display_data"]
    assert labels(store) == {"a": "positive", "b": "negative"}


def test_pages_elsewhere_may_not_frame_it(start_kernel, store, browsers):
    add_query(store, ["A gem."])
    kernel = start_kernel()
    kernel.run(LABEL_CELL.format(""))
    frame = kernel.shows("display_data")["data"]["text/html"]
    with notebook("127.0.0.2", frame) as port:  # which is another host for a browser
        page = Page(browsers(False), f"http://127.0.0.2:{port}/")
        page.driver.get(page.address)
        page.driver.switch_to.frame(page.find("iframe"))
        assert page.all("#labels") == []
        assert "frame-ancestors http://localhost:* http://127.0.0.1:*" in " ".join(page.errors())
        page.driver.get("about:blank")
