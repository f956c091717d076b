"""The server of the page: uvicorn in a thread of its own."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from hfal.errors import HfalError


_LONGEST_HEAD = 10.0  # seconds that the first lines of a request may take to come
_MOST_CONNECTIONS = 200
_MOST_OF_A_HEAD = 16 * 1024  # bytes
_PATIENCE = 30.0  # seconds for the server to start


class PatientProtocol(H11Protocol):
    """HTTP of a connection, which is closed where a request has begun, or should have, and its head does not come."""

    longest_head = _LONGEST_HEAD
    _head_is_late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Expect the head of the first request."""
        super().connection_made(transport)
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        """Expect the rest of the head, if it is not whole."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._stop_expecting()
        elif self._head_is_late is None:
            self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Expect nothing any more."""
        self._stop_expecting()
        super().connection_lost(exc)

    def _expect_head(self) -> None:
        self._head_is_late = self.loop.call_later(self.longest_head, self.transport.abort)

    def _stop_expecting(self) -> None:
        if self._head_is_late is not None:
            self._head_is_late.cancel()
            self._head_is_late = None


@contextlib.contextmanager
def serving(app: ASGIApp, listener: socket.socket) -> Iterator[None]:
    """Serve an app for the length of a `with` block; responses that are on their way when it ends are given.

    Args:
        app: The app.
        listener: A socket that listens; it is closed.

    Raises:
        HfalError: The server does not start.
    """
    config = uvicorn.Config(
        app,
        http=PatientProtocol,
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=2,
        h11_max_incomplete_event_size=_MOST_OF_A_HEAD,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), name="hfal page", daemon=True)
    thread.start()
    deadline = time.monotonic() + _PATIENCE
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise HfalError("the server of the page did not start: take another annotator, such as the terminal")
        time.sleep(0.005)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()
