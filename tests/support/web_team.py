"""Several people at one page: clients that say who they are, and the page served to them."""

import json
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from hfal.annotators.asking import ask
from hfal.annotators.web.annotator import WebAnnotator
from hfal.store.store import Store
from support.web_page import Client


class TeamClient(Client):
    """Sends the requests of one of several people.

    Args:
        port: The server's port.
        name: Who it is.
    """

    def __init__(self, port: int, name: str):
        super().__init__(port)
        self.name = name
        self._has_come = False

    def _path(self, path: str, after: int | None, does: bool) -> str:
        more = ("" if after is None else f"&after={after}") + ("&does" if does else "")
        return f"{path}?person={quote(self.name)}{more}"

    def state(self, after: int | None = None, does: bool = False) -> dict[str, Any]:
        """The state of the page; to open it is to do something, and to ask once more is not."""
        after = 0 if self._has_come and after is None else after
        self._has_come = True
        status, _, body = self.request("GET", self._path("/api/state", after, does))
        assert status == 200, body
        return json.loads(body)

    def post(self, action: str, body: Any = None, headers: Mapping[str, str | None] | None = None) -> tuple[int, Any]:
        path = self._path(f"/api/{action}", None, False)
        status, _, found = self.request("POST", path, json.dumps(body or {}).encode(), headers)
        return status, json.loads(found)

    def opens_the_page(self) -> dict[str, Any]:
        """The state, after what counts as coming."""
        self._has_come = False
        return self.state()

    def until(self, holds: Callable[[dict[str, Any]], Any], patience: float = 30) -> dict[str, Any]:
        """The state as soon as something holds of it."""
        state = self.state()
        end = time.monotonic() + patience
        while not holds(state):
            assert time.monotonic() < end, state
            state = self.state(after=state["version"])
        return state

    def gets_a_text(self) -> dict[str, Any]:
        """The state as soon as this person has a text to answer."""
        return self.until(lambda state: state["shown"] is not None and state["shown"]["answer"] is None)

    def waits(self) -> dict[str, Any]:
        """The state as soon as this person has nothing to answer, while a query is asked."""
        return self.until(lambda state: state["phase"] == "asking" and state["shown"] is None)


class LabelingTeam:
    """`ask` with a `WebAnnotator` for several people in a thread.

    Attributes:
        seconds_ahead: What the clock of the leases is put forward by.
        ended: The exception that has ended it; `None` without one.
    """

    def __init__(self, store: Store, annotators: list[str], **options: Any):
        self.annotator = WebAnnotator("ann", annotators=annotators, open_browser=False, **options)
        self.seconds_ahead = 0.0
        self.annotator._clock = lambda: time.monotonic() + self.seconds_ahead
        self.ended: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(store,), daemon=True)
        self._thread.start()
        while self.annotator.address is None:
            assert self._thread.is_alive(), self.ended
            time.sleep(0.005)
        self.port = int(urlsplit(self.annotator.address).port or 0)

    def _run(self, store: Store) -> None:
        try:
            ask(store, self.annotator)
        except BaseException as error:
            self.ended = error

    def person(self, name: str) -> TeamClient:
        """Somebody who opens the page."""
        return TeamClient(self.port, name)

    def ends(self) -> BaseException | None:
        """Wait until `ask` has ended; the exception that has ended it."""
        self._thread.join(30)
        assert not self._thread.is_alive()
        return self.ended

    def stands_up(self) -> None:
        """Have it end, if that has not happened."""
        if self._thread.is_alive():
            self.annotator.release(stopped=True)
            self._thread.join(30)
