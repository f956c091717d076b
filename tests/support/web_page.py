"""A person's page as the server sees it: real requests over HTTP, to a server in a thread of this process."""

import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from hfal.annotators.asking import ask
from hfal.annotators.web.annotator import WebAnnotator
from hfal.store.store import Store


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


class Client:
    """Sends requests to the page's server.

    Attributes:
        cookie: Sent with every request.
    """

    def __init__(self, port: int, host: str = "127.0.0.1"):
        self.port = port
        self.host = host
        self.cookie: str | None = None

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str | None] | None = None,
        seconds: float = 30,
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of a response; a header that is `None` is left out."""
        own = f"{self.host}:{self.port}"
        sent: dict[str, str | None] = {"Host": own, "Cookie": self.cookie}
        if method == "POST":
            sent |= {"Origin": f"http://{own}", "Content-Type": "application/json"}
        connection = http.client.HTTPConnection(self.host, self.port, timeout=seconds)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            if body is not None:
                sent["Content-Length"] = str(len(body))
            for name, value in {**sent, **(headers or {})}.items():
                if value is not None:
                    connection.putheader(name, value)
            connection.endheaders(body)
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return response.status, found, response.read()
        finally:
            connection.close()

    def state(self, after: int | None = None) -> dict[str, Any]:
        """The state of the page."""
        status, _, body = self.request("GET", "/api/state" if after is None else f"/api/state?after={after}")
        assert status == 200, body
        return json.loads(body)

    def post(self, action: str, body: Any = None, headers: Mapping[str, str | None] | None = None) -> tuple[int, Any]:
        """Status and JSON of the response to a request of the page."""
        status, _, found = self.request("POST", f"/api/{action}", json.dumps(body or {}).encode(), headers)
        return status, json.loads(found)

    def waits_for(self, phase: str, patience: float = 60) -> dict[str, Any]:
        """The state as soon as the page is in this phase."""
        state = self.state()
        end = time.monotonic() + patience
        while state["phase"] != phase:
            assert time.monotonic() < end, state
            state = self.state(after=state["version"])
        return state

    def does(self, request: str, state: Mapping[str, Any], **body: Any) -> dict[str, Any]:
        """Do something that is to succeed, about what a state shows; the state after it."""
        about: dict[str, Any] = {"turn": state["turn"]}
        if state["shown"] is not None:
            about["example"] = state["shown"]["example"]
        status, found = self.post(request, {**about, **body})
        assert status == 200, found
        return found

    def answers(self, state: Mapping[str, Any], label: Any, **body: Any) -> dict[str, Any]:
        """Label what a state shows; the state after it."""
        return self.does("answer", state, action="label", label=label, **body)


class Labeling(Client):
    """`ask` with a `WebAnnotator` in a thread, and a client.

    Attributes:
        ended: The exception that has ended it; `None` without one.
    """

    def __init__(self, store: Store, **options: Any):
        self.annotator = WebAnnotator("ann", **{"open_browser": False, **options})
        self.ended: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(store,), daemon=True)
        self._thread.start()
        while self.annotator.address is None:
            assert self._thread.is_alive(), self.ended
            time.sleep(0.005)
        super().__init__(int(urlsplit(self.annotator.address).port or 0))

    def _run(self, store: Store) -> None:
        try:
            ask(store, self.annotator)
        except BaseException as error:
            self.ended = error

    @property
    def link(self) -> str:
        """The path in the address that is printed."""
        return urlsplit(str(self.annotator.address)).path

    def ends(self) -> BaseException | None:
        """Wait until `ask` has ended; the exception that has ended it."""
        self._thread.join(30)
        assert not self._thread.is_alive()
        return self.ended

    def stands_up(self) -> None:
        """Leave, if that has not happened."""
        if self._thread.is_alive():
            self.annotator.has_left = True
            with contextlib.suppress(OSError):
                self.post("leave")
            self._thread.join(30)
