"""The exchange between the server's thread and the loop's: requests go one way, the state of the page the other.

The store is touched by the loop's thread alone. The server's thread hands each request over, waits until the loop has
dealt with it, and only then responds: what a response says is on the disk.
"""

import asyncio
import contextlib
import math
import queue
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any


Response = tuple[int, dict[str, Any]]
"""A status of HTTP, and the body."""

_LONGEST_SILENCE = 30.0  # seconds; an open page asks for the state every 20
_PATIENCE = 2.0  # seconds for a page to ask once more
_HEAD_START = 0.1  # seconds in which the page whose request was the change gets its response, and draws it, alone

NOTHING_IS_ASKED = "nothing is asked now"

STOP = "stop"
RELEASE = "release"
"""What `Exchange.stop` and `Exchange.release` ask for."""


@dataclass(frozen=True)
class Request:
    """A request of the page.

    Attributes:
        action: What it asks for: `"answer"`, `"comment"`, `"undo"`, `"show"`, `"close"` or `"leave"`; `STOP` and
            `RELEASE` are none of the page.
        body: The JSON object that came with it.
        response: What to respond, once it is known.
    """

    action: str
    body: Mapping[str, Any]
    response: "Future[Response]" = field(default_factory=Future)


class Exchange:
    """Hands requests to the loop, and the state of the page to whoever asks for it. For several threads.

    Attributes:
        is_left: Whether somebody has left the page while nothing was asked.
    """

    def __init__(self) -> None:
        self.is_left = False
        self._lock = threading.Lock()
        self._requests: queue.SimpleQueue[Request] = queue.SimpleQueue()
        self._is_open = False
        self._server = secrets.token_hex(4)
        self._version = time.time_ns() // 1_000_000
        self._state: dict[str, Any] = {}
        self._changed: Future[None] = Future()
        self._asked = -math.inf  # when a page has asked for the state, or got it
        self._is_heard = threading.Event()  # some page knows that nothing comes any more

    # -- the loop's thread -----------------------------------------------------------------------------------------

    def publish(self, state: Mapping[str, Any], unless_open: bool = False) -> None:
        """Set the state of the page, and wake up whoever waits for a newer one.

        Args:
            state: The state.
            unless_open: Leave it as it is while requests are taken: another thread is asking; and after the end.
        """
        own = {key: value for key, value in state.items() if key not in ("version", "server")}
        with self._lock:
            changed = None if unless_open and (self._is_open or self._has_ended) else self._set(own)
        if changed is not None:
            changed.set_result(None)

    def amend(self, **noted: Any) -> None:
        """Change a part of the state, unless it is the last one, and wake up whoever waits for a newer one."""
        with self._lock:
            changed = None if self._has_ended else self._set({**self._state, **noted})
        if changed is not None:
            changed.set_result(None)

    @property
    def _has_ended(self) -> bool:
        return self._state.get("phase") == "ended"

    def _set(self, state: dict[str, Any]) -> "Future[None] | None":
        """Set the state, under the lock; return what others wait for, if it has changed."""
        if state == self._state:
            return None
        self._state = state
        self._version += 1
        changed, self._changed = self._changed, Future()
        return changed

    @contextlib.contextmanager
    def heard(self) -> Iterator[None]:
        """Wait, at the end of a `with` block in which the end was published, until an open page knows of it.

        A page asks again at once when it has got a state. If the server were gone by then, the page could not tell a
        run that has ended from one that was killed.
        """
        yield
        if time.monotonic() - self._asked < _LONGEST_SILENCE:
            self._is_heard.wait(_PATIENCE)

    def open(self) -> None:
        """Take requests from now on."""
        with self._lock:
            self._is_open = True

    def close(self) -> bool:
        """Take no more requests, and refuse those that nobody has looked at; return whether `STOP` was among them."""
        with self._lock:
            self._is_open = False
        is_stopped = False
        while (request := self.take(0)) is not None:
            is_stopped = is_stopped or request.action == STOP
            self.refuse(request, NOTHING_IS_ASKED)
        return is_stopped

    def take(self, seconds: float | None) -> Request | None:
        """Wait for the next request; `None` if there is none in time."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while True:
            left = None if deadline is None else max(deadline - time.monotonic(), 0)
            try:
                request = self._requests.get(timeout=left) if left != 0 else self._requests.get_nowait()
            except queue.Empty:
                return None
            if request.response.set_running_or_notify_cancel():
                return request

    def respond(self, request: Request) -> None:
        """Respond with the state as it is now."""
        request.response.set_result((200, self.state()))

    def refuse(self, request: Request, error: str, status: int = 409) -> None:
        """Respond that nothing was recorded, and with the state."""
        state = {"state": self.state()} if status == 409 else {}
        request.response.set_result((status, {"error": error, **state}))

    def stop(self) -> None:
        """Have the loop take a request that ends it, behind all others. A handler of signals may call this."""
        self._requests.put(Request(STOP, {}))

    def release(self) -> None:
        """Have the loop take a request that ends the query, though nobody has left."""
        self._requests.put(Request(RELEASE, {}))

    # -- any thread ------------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Return the state of the page."""
        with self._lock:
            state = {**self._state, "version": self._version, "server": self._server}
            if self.is_left and state["phase"] == "waiting":
                for said in ("message", "noted"):
                    state[said] = f"{state.get(said, '')}. You leave when that has ended; all answers are saved"
            return state

    def submit(self, request: Request) -> "Future[Response]":
        """Hand a request to the loop; it is refused at once where nothing is asked."""
        with self._lock:
            if self._is_open:
                self._requests.put(request)
                return request.response
            leaves = request.action == "leave" and self._state["phase"] == "waiting"
            if leaves:
                self.is_left = True
                self._version += 1
        if leaves:
            self.respond(request)
        else:
            self.refuse(request, NOTHING_IS_ASKED)
        return request.response

    async def newer(self, version: int | None, seconds: float) -> dict[str, Any]:
        """Return the state when it has another version, after a head start, or after so many seconds."""
        self._asked = time.monotonic()
        deadline = self._asked + seconds
        while True:
            with self._lock:
                is_newer, changed = self._version != version, self._changed
            left = deadline - time.monotonic()
            if is_newer or left <= 0:
                state = self.state()
                self._asked = time.monotonic()
                if state["phase"] == "ended":
                    self._is_heard.set()
                return state
            await asyncio.wait([asyncio.wrap_future(changed)], timeout=left)
            if changed.done():
                await asyncio.sleep(_HEAD_START)
