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
from types import MappingProxyType
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

AWAY = "away"
"""What a page for several people may ask for: to give back what somebody has, in whose place somebody else sits."""

COME = "come"
"""What the server asks for when one of several people has opened the page, or does something there."""

_GONE = {
    "phase": "ended",
    "message": "You have left. All answers are saved.",
    "then": "Load it again to come back.",
    "command": "",
    "notice": "",
    "shown": None,
}
"""The state for one of several people who has left, while others label."""


@dataclass(frozen=True)
class Request:
    """A request of the page.

    Attributes:
        action: What it asks for: `"answer"`, `"comment"`, `"undo"`, `"show"`, `"close"`, `"away"` or `"leave"`;
            `STOP`, `RELEASE` and `COME` are none of the page.
        body: The JSON object that came with it.
        person: Who asks, where the page is for several people.
        response: What to respond, once it is known.
    """

    action: str
    body: Mapping[str, Any]
    person: str | None = None
    response: "Future[Response]" = field(default_factory=Future)


class Exchange:
    """Hands requests to the loop, and the state of the page to whoever asks for it. For several threads.

    Where the page is for several people, each has a state, which is that of the page but for what is theirs alone.

    Attributes:
        is_left: Whether somebody has left the page while nothing was asked; of several people, all who were there.
    """

    def __init__(self) -> None:
        self.is_left = False
        self._lock = threading.Lock()
        self._requests: queue.SimpleQueue[Request] = queue.SimpleQueue()
        self._is_open = False
        self._server = secrets.token_hex(4)
        self._version = time.time_ns() // 1_000_000
        self._state: dict[str, Any] = {}
        self._of: Mapping[str, Mapping[str, Any]] = {}  # what is each person's alone
        self._gone: set[str] = set()  # who has left while others label
        self._changed: Future[None] = Future()
        self._asked: dict[str | None, float] = {}  # when somebody's page has asked for the state, or got it
        self._told: set[str | None] = set()  # whose page knows that nothing comes any more
        self._is_heard = threading.Event()  # all open pages do

    # -- the loop's thread -----------------------------------------------------------------------------------------

    def publish(
        self,
        state: Mapping[str, Any],
        unless_open: bool = False,
        of: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
    ) -> None:
        """Set the state of the page, and wake up whoever waits for a newer one.

        Args:
            state: The state.
            unless_open: Leave it as it is while requests are taken: another thread is asking; and after the end.
            of: By person what of it is another for them.
        """
        own = {key: value for key, value in state.items() if key not in ("version", "server")}
        with self._lock:
            changed = None if unless_open and (self._is_open or self._has_ended) else self._set(own, of)
        if changed is not None:
            changed.set_result(None)

    def amend(self, **noted: Any) -> None:
        """Change a part of the state, unless it is the last one, and wake up whoever waits for a newer one."""
        with self._lock:
            changed = None if self._has_ended else self._set({**self._state, **noted}, self._of)
        if changed is not None:
            changed.set_result(None)

    @property
    def _has_ended(self) -> bool:
        return self._state.get("phase") == "ended"

    def _set(self, state: dict[str, Any], of: Mapping[str, Mapping[str, Any]]) -> "Future[None] | None":
        """Set the state, under the lock; return what others wait for, if it has changed."""
        if state == self._state and of == self._of:
            return None
        self._state, self._of = state, of
        return self._renew()

    def _renew(self) -> "Future[None]":
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
        with self._lock:
            is_heard = self._is_known_to_all()
        if not is_heard:
            self._is_heard.wait(_PATIENCE)

    def _is_known_to_all(self) -> bool:
        """Return whether every page that is open knows that nothing comes any more, but for those who have left."""
        return {person for person in self._asked if self._is_here(person)} <= self._told | self._gone

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
        request.response.set_result((200, self.state(request.person)))

    def refuse(self, request: Request, error: str, status: int = 409, **more: Any) -> None:
        """Respond that nothing was recorded, with the state, and with `more`."""
        state = {"state": self.state(request.person)} if status == 409 else {}
        request.response.set_result((status, {"error": error, **more, **state}))

    def stop(self) -> None:
        """Have the loop take a request that ends it, behind all others. A handler of signals may call this."""
        self._requests.put(Request(STOP, {}))

    def release(self) -> None:
        """Have the loop take a request that ends the query, though nobody has left."""
        self._requests.put(Request(RELEASE, {}))

    # -- several people, in any thread -----------------------------------------------------------------------------

    def here(self) -> list[str]:
        """Return who has the page open, but for those who have left."""
        with self._lock:
            return self._those_here()

    def _those_here(self) -> list[str]:
        return [one for one in self._asked if one is not None and one not in self._gone and self._is_here(one)]

    def _is_here(self, person: str | None) -> bool:
        return time.monotonic() - self._asked.get(person, -math.inf) < _LONGEST_SILENCE

    def meet(self, person: str, is_new: bool, does: bool = False) -> None:
        """Tell the loop who has come, unless it knows.

        Args:
            person: Who asks for the state.
            is_new: Whether they have just opened the page, so that they are back if they had left.
            does: Whether they have done something on the page.
        """
        with self._lock:
            self._asked[person] = time.monotonic()
            if is_new:
                self._gone.discard(person)
            self.is_left = self.is_left and person in self._gone
            if self._is_open and person not in self._gone and (is_new or does or person not in self._of):
                self._requests.put(Request(COME, {"does": is_new or does}, person))

    def leave(self, person: str) -> bool:
        """Let one of several people leave; return whether others have the page open."""
        with self._lock:
            return self._leave(person)

    def _leave(self, person: str) -> bool:
        self._gone.add(person)
        return bool(self._those_here())

    # -- any thread ------------------------------------------------------------------------------------------------

    def state(self, person: str | None = None) -> dict[str, Any]:
        """Return the state of the page, or what one of several people has of it."""
        with self._lock:
            state = {**self._state, "version": self._version, "server": self._server}
            if person is not None:
                state = {**state, "annotator": person, **self._of.get(person, {})}
            if self.is_left and state["phase"] == "waiting":
                for said in ("message", "noted"):
                    state[said] = f"{state.get(said, '')}. You leave when that has ended; all answers are saved"
            elif person in self._gone and state["phase"] != "ended":
                state |= _GONE
            return state

    def submit(self, request: Request) -> "Future[Response]":
        """Hand a request to the loop; it is refused at once where nothing is asked."""
        with self._lock:
            if request.person is not None:
                self._asked[request.person] = time.monotonic()
                if request.action not in ("leave", AWAY):
                    self._gone.discard(request.person)
            if self._is_open:
                self._requests.put(request)
                return request.response
            leaves = request.action in ("leave", AWAY) and self._state["phase"] == "waiting"
            if leaves:
                has_others = request.person is not None and self._leave(request.person)
                self.is_left = self.is_left or (request.action == "leave" and not has_others)
                self._version += 1
        if leaves:
            self.respond(request)
        else:
            self.refuse(request, NOTHING_IS_ASKED)
        return request.response

    async def newer(self, version: int | None, seconds: float, person: str | None = None) -> dict[str, Any]:
        """Return the state when it has another version, after a head start, or after so many seconds."""
        deadline = time.monotonic() + seconds
        with self._lock:
            self._asked[person] = time.monotonic()
        while True:
            with self._lock:
                is_newer, changed = self._version != version, self._changed
            left = deadline - time.monotonic()
            if is_newer or left <= 0:
                state = self.state(person)
                with self._lock:
                    self._asked[person] = time.monotonic()
                    if self._has_ended:
                        self._told.add(person)
                        if self._is_known_to_all():
                            self._is_heard.set()
                return state
            await asyncio.wait([asyncio.wrap_future(changed)], timeout=left)
            if changed.done():
                await asyncio.sleep(_HEAD_START)
