"""What the page's server refuses, and what it tells browsers: real requests, also such as no browser makes."""

import http.client
import json
import re
import socket
import statistics
import time
from collections.abc import Callable

import pytest

from hfal.annotators.web import server
from hfal.annotators.web.app import page_parts
from hfal.store.store import Store
from support.label_queries import add_query, log
from support.web_page import Labeling


LabelOnPage = Callable[..., Labeling]
ANSWER = {"turn": 0, "example": "a", "action": "label", "label": "positive"}
SAFE = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}


@pytest.fixture
def page(store: Store, label_on_page: LabelOnPage) -> Labeling:
    add_query(store, ["a fine film", "what a bore"])
    page = label_on_page()
    page.waits_for("asking")
    return page


def raw(page: Labeling, data: bytes, seconds: float = 20) -> bytes:
    """What the server says to these bytes, until it closes the connection."""
    with socket.create_connection((page.host, page.port), timeout=seconds) as connection:
        connection.sendall(data)
        found = b""
        while part := connection.recv(65536):
            found += part
        return found


def test_every_response_says_what_a_browser_may_do(page: Labeling) -> None:
    paths = {"/": 200, "/static/page.js": 200, "/static/page.css": 200, "/api/state": 200, "/nothing": 404}
    for path, expected in paths.items():
        status, headers, _ = page.request("GET", path)
        assert status == expected
        assert headers.items() >= SAFE.items()
        policy = dict(part.strip().partition(" ")[::2] for part in headers["content-security-policy"].split(";"))
        assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
        assert policy["img-src"] == "'self' data:"
        assert headers["x-frame-options"] == "DENY"
        assert "server" not in headers
        assert headers["cache-control"] == ("no-cache" if path.startswith("/static") else "no-store")
    assert page.request("GET", "/static/page.js")[1]["content-type"] == "text/javascript; charset=utf-8"
    assert page.request("GET", "/")[1]["content-type"] == "text/html; charset=utf-8"


def test_the_page_keeps_to_its_own_policy() -> None:
    parts = page_parts()
    html = parts["index.html"].decode()
    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", html) == []
    loaded = re.findall(r'(?:src|href)="([^"#]+)"', html)
    assert loaded
    assert {path.removeprefix("static/") for path in loaded} <= set(parts), loaded
    for name, content in parts.items():
        links = re.findall(rb"(?:https?:)?//[\w.-]+\.\w+", content)
        assert [link for link in links if b"www.w3.org" not in link] == [], name


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/..%2fapp.py",
        "/static/%2e%2e/app.py",
        "/static/..",
        "/static//etc/passwd",
        "/static/page.js%00.css",
        "/static/index.html/../../app.py",
        "/static/",
        "/static",
        "/..",
        "//etc/passwd",
        "/index.html",
        "/api/",
        "/api/nothing",
        "/static/page.js/",
    ],
)
def test_no_other_file_is_served(path: str, page: Labeling) -> None:
    status, _, body = page.request("GET", path)
    assert status in (404, 405), body
    assert list(json.loads(body)) == ["error"]


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example:80", "", "[::2]", "192.168.0.1", "a b", None]
)
def test_a_foreign_host_is_refused(host: str | None, page: Labeling, store: Store) -> None:
    for method, path, body in (("GET", "/", None), ("GET", "/api/state", None), ("POST", "/api/answer", ANSWER)):
        own = f"http://{page.host}:{page.port}"
        content = None if body is None else json.dumps(body).encode()
        status, _, found = page.request(method, path, content, {"Host": host, "Origin": own})
        assert status in (400, 403)  # h11 refuses a request without this header itself
        assert b"fine film" not in found
    assert log(store) == []


def test_names_of_this_machine_are_its_own_at_any_port(page: Labeling) -> None:
    for host in ("localhost", "LOCALHOST:9000", "127.0.0.1:1", "[::1]:80"):  # of a tunnel
        assert page.request("GET", "/api/state", headers={"Host": host})[0] == 200
        origin = f"http://{host.casefold()}"
        assert page.post("show", {"step": 1}, {"Host": host, "Origin": origin})[0] == 200


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "null",
        "http://evil.example",
        "http://127.0.0.1",
        "http://127.0.0.1:1",
        "https://{own}",
        "http://{own}.evil.example",
        "http://evil.example#{own}",
        "http://{own}@evil.example",
        "file://{own}",
        "{own}",
        "http://[",
    ],
)
def test_a_foreign_origin_is_refused(origin: str | None, page: Labeling, store: Store) -> None:
    own = f"{page.host}:{page.port}"
    sent = None if origin is None else origin.format(own=own)
    if sent == f"https://{own}":  # the same name and port behind a proxy that encrypts
        assert page.post("show", {"step": 1}, {"Origin": sent})[0] == 200
        return
    status, found = page.post("answer", ANSWER, {"Origin": sent})
    assert (status, found) == (403, {"error": "Origin is not that of this page"})
    assert log(store) == []


def test_only_json_objects_of_a_sensible_size_are_read(page: Labeling, store: Store) -> None:
    for kind in (None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        assert page.post("answer", ANSWER, {"Content-Type": kind})[0] == 415
    deep = b"[" * 200_000 + b"]" * 200_000
    bodies = [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"a"',
        b"\xff\xfe",
        b'{"turn": NaN}x',
        deep,
        b'{"turn": ' + b"9" * 5000 + b"}",
    ]
    for body in bodies:
        status, _, found = page.request("POST", "/api/answer", body)
        assert status == 400, (body[:20], found)
    large = json.dumps({"a": "x" * 2**20}).encode()
    assert raw(page, head(page, f"Content-Length: {len(large)}")).startswith(b"HTTP/1.1 413 ")
    assert page.request("GET", "/api/answer")[0] == 405
    for method in ("PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"):
        assert page.request(method, "/api/answer", headers={"Origin": None})[0] == 405
    assert page.request("GET", "/api/state?after=x")[0] == 400
    assert page.request("GET", "/api/state?after=" + "9" * 30)[0] == 400
    assert page.request("GET", "/api/state", b"{}")[0] == 400
    assert log(store) == []
    json_with_charset = {"Content-Type": "Application/JSON; charset=utf-8"}
    assert page.post("answer", ANSWER, json_with_charset)[0] == 200


def head(page: Labeling, *lines: str) -> bytes:
    own = f"{page.host}:{page.port}"
    given = (f"Host: {own}", f"Origin: http://{own}", "Content-Type: application/json", *lines)
    return "\r\n".join(["POST /api/answer HTTP/1.1", *given, "", ""]).encode()


def test_a_body_of_100_mb_is_refused_before_it_has_come(page: Labeling) -> None:
    begin = time.monotonic()
    found = raw(page, head(page, f"Content-Length: {100 * 2**20}"))  # of which nothing follows
    assert found.startswith(b"HTTP/1.1 413 ")
    assert b"the body is larger than 1048576 bytes" in found
    assert time.monotonic() - begin < 5
    for length in ("-1", "1e3", "9" * 400):
        assert re.match(rb"HTTP/1.1 4(00|13) ", raw(page, head(page, f"Content-Length: {length}")))


def test_a_body_in_pieces_is_refused_as_soon_as_it_is_too_large(page: Labeling) -> None:
    piece = b"10000\r\n" + b"x" * 2**16 + b"\r\n"
    sent = 0
    with socket.create_connection((page.host, page.port), timeout=20) as connection:
        connection.sendall(head(page, "Transfer-Encoding: chunked"))
        try:
            while sent < 1600:  # 100 MB
                connection.sendall(piece)
                sent += 1
        except OSError:  # the server has closed the connection
            pass
    assert sent < 200
    assert page.state()["phase"] == "asking"


def test_a_head_without_end_is_refused(page: Labeling) -> None:
    assert raw(page, b"GET / HTTP/1.1\r\nA: " + b"x" * 100_000).startswith(b"HTTP/1.1 400 ")
    assert raw(page, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 this is TLS\r\n\r\n").startswith(b"HTTP/1.1 400 ")


def test_ten_slow_connections_hold_nobody_up_and_are_closed(
    page: Labeling, monkeypatch: pytest.MonkeyPatch, store: Store
) -> None:
    monkeypatch.setattr(server.PatientProtocol, "longest_head", 1.0)
    monkeypatch.setattr("hfal.annotators.web.app._LONGEST_BODY", 1.0)
    begin = time.monotonic()
    slow = [socket.create_connection((page.host, page.port), timeout=20) for _ in range(10)]
    for number, connection in enumerate(slow):
        if number % 3 == 1:
            connection.sendall(b"GET / HTTP/1.1\r\nHo")
        elif number % 3 == 2:
            connection.sendall(head(page, "Content-Length: 20") + b'{"turn"')
    state = page.state()
    state = page.answers(state, "positive")
    assert time.monotonic() - begin < 5
    for number, connection in enumerate(slow):
        said = connection.recv(65536) if number % 3 == 2 else b""
        assert said == b"" or said.startswith(b"HTTP/1.1 408 ")
        try:
            while part := connection.recv(65536):  # until it is closed
                said += part
        except ConnectionResetError:
            pass
        connection.close()
    assert time.monotonic() - begin < 15
    page.answers(state, "negative")
    assert len(log(store)) == 2


@pytest.mark.parametrize("path", ["/api/nothing", "/", "/static/page.js"])
def test_a_body_that_nobody_reads_is_not_waited_for(path: str, page: Labeling) -> None:
    begin = time.monotonic()
    found = raw(page, head(page, "Content-Length: 1000").replace(b"/api/answer", path.encode(), 1) + b"{")
    assert re.match(rb"HTTP/1.1 40[45] ", found)
    assert time.monotonic() - begin < 5  # it is closed


def test_bytes_that_drip_in_are_not_waited_for(page: Labeling, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server.PatientProtocol, "longest_head", 0.5)
    begin = time.monotonic()
    with socket.create_connection((page.host, page.port), timeout=20) as connection:
        try:
            while time.monotonic() - begin < 10:
                connection.sendall(b"G")
                time.sleep(0.1)
        except OSError:
            pass
    assert time.monotonic() - begin < 5


# -- the token -----------------------------------------------------------------------------------------------------


@pytest.fixture
def open_page(store: Store, label_on_page: LabelOnPage) -> Labeling:
    add_query(store, ["a fine film", "what a bore"])
    return label_on_page(host="0.0.0.0")


def test_the_network_needs_the_link(open_page: Labeling, store: Store, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    page = open_page
    assert re.fullmatch(r"/open/[\w-]{43}", page.link)
    wrong = page.link[:-1] + ("A" if page.link[-1] != "A" else "B")
    for cookie in (None, f"hfal_{page.port}=", f"hfal_{page.port}={wrong.removeprefix('/open/')}", "hfal_1=x", "\xe9"):
        page.cookie = cookie
        for path in ("/", "/static/page.js", "/api/state", wrong, "/open/", "/nothing", "/open/%c3%a9"):
            status, headers, body = page.request("GET", path)
            assert status == 401, path
            assert headers.items() >= SAFE.items()
            assert b"fine film" not in body
        assert page.post("answer", ANSWER)[0] == 401
    page.cookie = None
    status, headers, body = page.request("GET", page.link)
    assert (status, headers["location"], body) == (303, "/", b"")
    cookie, *about = headers["set-cookie"].split("; ")
    assert {"httponly", "samesite=strict", "path=/"} <= {part.lower() for part in about}
    page.cookie = cookie
    assert b"static/page.js" in page.request("GET", "/")[2]
    state = page.waits_for("asking")
    page.answers(state, "positive")
    assert log(store) == [("a", "label", "positive")]
    token = page.link.removeprefix("/open/")
    assert not [record for record in caplog.records if token in record.getMessage()]
    assert token not in repr(page.annotator._access)


def test_addresses_and_names_that_lead_here_are_let_in(store: Store, label_on_page: LabelOnPage) -> None:
    add_query(store, ["a fine film"])
    page = label_on_page(allow_host=["Label.example.org"])
    assert page.link != "/"  # who comes by a proxy comes from elsewhere
    page.cookie = page.request("GET", page.link)[1]["set-cookie"].partition(";")[0]
    page.waits_for("asking")
    assert page.request("GET", "/api/state", headers={"Host": "label.example.org"})[0] == 200
    assert page.request("GET", "/api/state", headers={"Host": "other.example.org"})[0] == 403
    assert page.request("GET", "/api/state", headers={"Host": "10.0.0.7"})[0] == 403
    outside = "https://label.example.org"
    assert page.post("show", {"step": 1}, {"Origin": outside, "Host": "label.example.org"})[0] == 200
    assert page.post("show", {"step": 1}, {"Origin": outside})[0] == 200  # the proxy has changed Host
    assert page.post("show", {"step": 1}, {"Origin": "https://other.example.org"})[0] == 403


def test_frames_are_for_the_origins_that_are_named(store: Store, label_on_page: LabelOnPage) -> None:
    add_query(store, ["a fine film"])
    page = label_on_page(embed=["http://localhost:8888", "https://Lab.example.org/"])
    headers = page.request("GET", "/")[1]
    policy = headers["content-security-policy"]
    assert policy.endswith("frame-ancestors http://localhost:8888 https://lab.example.org")
    assert "x-frame-options" not in headers


def test_a_response_is_sent_in_one_go(page: Labeling) -> None:
    """Without TCP_NODELAY the body waits 40 ms for the other side to acknowledge the headers."""
    connection = http.client.HTTPConnection(page.host, page.port, timeout=20)
    seconds = []
    for _ in range(31):
        begin = time.monotonic()
        connection.request("GET", "/static/icon.svg")
        connection.getresponse().read()
        seconds.append(time.monotonic() - begin)
    connection.close()
    assert statistics.median(seconds) < 0.025
