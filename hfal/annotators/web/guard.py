"""The guard before the page's app: it refuses what must not come in, and says in headers what a browser may do."""

from collections.abc import Mapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hfal.annotators.web.access import Access
from hfal.annotators.web.json_response import JsonResponse


MOST_BYTES = 2**20
"""Bytes that the body of a request may have."""

_OPEN = "/open/"
_LOCKED = """<!doctype html><html lang="en"><meta charset="utf-8"><title>hfal</title>
<p>This page opens with the link that the command has printed. If that is where you come from: <a href="/">go on</a>.
"""


class Guard:
    """Lets requests through to the app that come from our page, and from somebody who knows the token.

    Args:
        app: The app.
        access: The rules.
        cookie: The name of the cookie with the token.
    """

    def __init__(self, app: ASGIApp, access: Access, cookie: str):
        self._app = app
        self._access = access
        self._cookie = cookie

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        response = self._instead(scope)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(self._headers(scope["path"]))
                if message["status"] >= 400 and message["status"] != 409:
                    headers["Connection"] = "close"  # what is left of the body is not waited for
            await send(message)

        await (response or self._app)(scope, receive, send_with_headers)

    def _instead(self, scope: Scope) -> Response | None:
        """Return the response to a request that the app does not get."""
        headers, path, method = Headers(scope=scope), scope["path"], scope["method"]
        host = headers.get("host", "")
        if not self._access.is_our_host(host):
            return _refusal(403, "Host is none of this server's names: start it with --allow_host")
        if method not in ("GET", "HEAD", "POST"):
            return _refusal(405, "only GET and POST are known")
        if path.startswith(_OPEN) and method != "POST":
            return self._enter(path.removeprefix(_OPEN), headers)
        if not self._is_known(headers):
            if path == "/":
                return HTMLResponse(_LOCKED, 401)
            return _refusal(401, "open the link that the command has printed")
        has_body = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
        if method != "POST":
            return _refusal(400, "a GET has no body") if has_body else None
        if not self._access.is_our_origin(headers.get("origin", ""), host):
            return _refusal(403, "Origin is not that of this page")
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return _refusal(415, "Content-Type is not application/json")
        length = headers.get("content-length", "0")
        if not length.isdecimal() or len(length) > 18 or int(length) > MOST_BYTES:
            return _refusal(413, f"the body is larger than {MOST_BYTES} bytes")
        return None

    def _enter(self, given: str, headers: Headers) -> Response:
        """Exchange the token in the address for a cookie, and drop it from the address."""
        if not self._access.knows_token(given):
            return HTMLResponse(_LOCKED, 401)
        response = RedirectResponse("/", 303)
        if self._access.token is not None:
            response.set_cookie(self._cookie, self._access.token, path="/", httponly=True, samesite="strict")
        return response

    def _is_known(self, headers: Headers) -> bool:
        return self._access.knows_token(cookie_parser(headers.get("cookie", "")).get(self._cookie, ""))

    def _headers(self, path: str) -> Mapping[str, str]:
        policy = (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
            "connect-src 'self'; base-uri 'none'; form-action 'none'; "
            f"frame-ancestors {self._access.frame_ancestors}"
        )
        return {
            "Content-Security-Policy": policy,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cache-Control": "no-cache" if path.startswith("/static/") else "no-store",
            **({} if self._access.embed else {"X-Frame-Options": "DENY"}),
        }


def _refusal(status: int, error: str) -> JsonResponse:
    body: dict[str, Any] = {"error": error}
    return JsonResponse(body, status)
