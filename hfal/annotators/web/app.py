"""The page's app: its parts, its state, and what it asks for."""

import asyncio
import json
from importlib.resources import files
from pathlib import PurePath
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from hfal.annotators.web import exchange
from hfal.annotators.web.access import Access
from hfal.annotators.web.door import Door
from hfal.annotators.web.exchange import AWAY, Exchange
from hfal.annotators.web.guard import MOST_BYTES, Guard
from hfal.annotators.web.json_response import JsonResponse
from hfal.annotators.web.page_requests import ACTIONS
from hfal.errors import ArgumentError
from hfal.utils.output import get_logger


logger = get_logger(__name__)

_LONGEST_POLL = 20.0  # seconds
_LONGEST_BODY = 10.0  # seconds that it may take to come
_LONGEST_NUMBER = 18  # digits
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


def make_app(exchange: Exchange, access: Access, cookie: str, door: Door | None = None) -> ASGIApp:
    """Return the app, with the guard before it.

    Args:
        exchange: Where requests go to, and the state comes from.
        access: The rules by which requests are let in.
        cookie: The name of the cookie with the token.
        door: Checks who asks, where the page is for several people.
    """
    page = _Page(exchange, door)
    app = Starlette(
        routes=[
            Route("/", page.index),
            Route("/static/{name}", page.part),
            Route("/api/state", page.state),
            Route("/api/{action}", page.act, methods=["POST"]),
        ],
        exception_handlers={_UnknownPersonError: _sent_to_the_door, HTTPException: _refused, Exception: _failed},
    )
    app.router.redirect_slashes = False
    return Guard(app, access, cookie)


def page_parts() -> dict[str, bytes]:
    """Return the files of the page by name: nothing else is ever served."""
    folder = files("hfal.annotators.web") / "static"
    return {file.name: file.read_bytes() for file in folder.iterdir() if PurePath(file.name).suffix in _TYPES}


class _UnknownPersonError(Exception):
    """A request does not say who asks, or names somebody who may not come in."""

    def __init__(self, error: str, content: dict[str, Any]):
        super().__init__(error)
        self.content = content


class _Page:
    def __init__(self, exchange: Exchange, door: Door | None):
        self._exchange = exchange
        self._door = door
        self._parts = page_parts()

    async def index(self, request: Request) -> Response:
        return self._file("index.html")

    async def part(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in self._parts or name == "index.html":
            raise HTTPException(404, "there is no such file")
        return self._file(name)

    def _file(self, name: str) -> Response:
        return Response(self._parts[name], headers={"Content-Type": _TYPES[PurePath(name).suffix]})

    async def state(self, request: Request) -> Response:
        after = request.query_params.get("after")
        if after is not None and not (after.isdecimal() and len(after) <= _LONGEST_NUMBER):
            raise HTTPException(400, "after is no version: expected a whole number")
        version = None if after is None else int(after)
        person = self._person(request)
        if person is not None:
            self._exchange.meet(person, after is None, "does" in request.query_params)
        return JsonResponse(await self._exchange.newer(version, _LONGEST_POLL, person))

    async def act(self, request: Request) -> Response:
        action = request.path_params["action"]
        if action not in ACTIONS and not (action == AWAY and self._door is not None):
            raise HTTPException(404, "there is no such request")
        person = self._person(request)
        body = await _read_object(request)
        status, content = await asyncio.wrap_future(self._exchange.submit(exchange.Request(action, body, person)))
        return JsonResponse(content, status)

    def _person(self, request: Request) -> str | None:
        """Return which of several people asks; `None` where the page is for one."""
        if self._door is None:
            return None
        try:
            return self._door.check(request.query_params.get("person", ""))
        except ArgumentError as error:
            raise _UnknownPersonError(str(error), self._door.content) from None


async def _read_object(request: Request) -> dict[str, Any]:
    """Read a JSON object that is not too large, and does not take too long to come."""
    content = bytearray()
    try:
        async with asyncio.timeout(_LONGEST_BODY):
            async for part in request.stream():
                content += part
                if len(content) > MOST_BYTES:
                    raise HTTPException(413, f"the body is larger than {MOST_BYTES} bytes")
    except TimeoutError:
        raise HTTPException(408, f"the body has not come within {_LONGEST_BODY:.0f} seconds") from None
    except ClientDisconnect:
        raise HTTPException(400, "the body has not come") from None
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        raise HTTPException(400, "the body is no JSON") from None
    if not isinstance(found, dict):
        raise HTTPException(400, "the body is no JSON object")
    return found


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JsonResponse({"error": error.detail}, error.status_code, error.headers)


async def _sent_to_the_door(request: Request, error: Exception) -> Response:
    assert isinstance(error, _UnknownPersonError)
    return JsonResponse({"error": str(error), "door": error.content}, 403)


async def _failed(request: Request, error: Exception) -> Response:
    logger.error("the page asked for %s, which failed: %r", request.url.path, error)
    return JsonResponse({"error": "this failed; the command that serves the page says why"}, 500)
