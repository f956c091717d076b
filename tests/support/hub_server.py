"""A stand-in of the Hub's API on loopback: as much of it as `huggingface_hub` and `datasets` ask for here.

What it answers is what their installed clients read (huggingface_hub 2.4, datasets 5.2): repositories are made once,
a commit is applied whole or not at all, a file is known by its git hash. Every file is a "regular" one, so that all
that is uploaded passes through `commit`. Nobody but the test's own processes can reach it.
"""

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml


TOKEN = "hf_" + "aBcD" * 8
WRONG = "hf_" + "wRoNg" * 6
_LICENSES = {"apache-2.0", "mit", "cc-by-4.0", "other", "unknown"}
_SIZES = {"n<1K", "1K<n<10K", "10K<n<100K"}


@dataclass
class Commit:
    sha: str
    files: dict[str, bytes]
    header: dict[str, str] = field(default_factory=dict)
    changed: list[str] = field(default_factory=list)


@dataclass
class Repository:
    kind: str
    private: bool
    commits: list[Commit]

    @property
    def files(self) -> dict[str, bytes]:
        return self.commits[-1].files

    def at(self, revision: str) -> Commit | None:
        if revision == "main":
            return self.commits[-1]
        return next((commit for commit in self.commits if commit.sha == revision), None)


@dataclass
class Failure:
    """What goes wrong with the next requests whose path has this in it.

    500, 401, ...; `"cut"` or `"cut late"`, the connection; `"echo"`, an error with what was sent; `"escapes"`, an
    error with escape codes; `"overtaken"`, by a commit of somebody else.
    """

    part: str
    kind: int | str
    times: int = 1


class Hub:
    """The repositories by kind and name, and what is to go wrong."""

    def __init__(self) -> None:
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.failures: list[Failure] = []
        self.requests: list[str] = []
        self.lock = threading.Lock()
        self.url = ""

    def make(self, kind: str, name: str, files: dict[str, bytes] | None = None, private: bool = False) -> Repository:
        repository = Repository(kind, private, [])
        self.commit(repository, {".gitattributes": b"*.parquet filter=lfs\n", **(files or {})}, {"summary": "initial"})
        self.repositories[kind, name] = repository
        return repository

    def commit(self, repository: Repository, files: dict[str, bytes], header: dict[str, str]) -> Commit:
        content = json.dumps([len(repository.commits), header, {p: _oid(data) for p, data in files.items()}])
        before = repository.files if repository.commits else {}
        changed = [p for p in {**before, **files} if before.get(p) != files.get(p)]
        repository.commits.append(Commit(hashlib.sha1(content.encode()).hexdigest(), files, header, changed))
        return repository.commits[-1]

    def dataset(self, name: str) -> Repository:
        return self.repositories["datasets", name]

    def fails(self, path: str) -> int | str | None:
        with self.lock:
            for failure in self.failures:
                if failure.part in path and failure.times:
                    failure.times -= 1
                    return failure.kind
        return None


def _oid(data: bytes) -> str:
    """git's hash of a file, by which the client sees that it is there already."""
    return hashlib.sha1(b"blob %d\0%s" % (len(data), data)).hexdigest()


@contextmanager
def serve() -> Iterator[Hub]:
    """A hub that runs for the length of a `with` block."""
    hub = Hub()

    class Handler(_Handler):
        pass

    Handler.hub = hub
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def client(hub: Hub, home: Path, *command: str, **options: Any) -> subprocess.CompletedProcess:
    """Run a process that takes the stand-in for the Hub."""
    given = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1"}
    given |= {"HF_HOME": str(home), "HF_TOKEN": TOKEN, "no_proxy": "127.0.0.1"}
    return subprocess.run(
        [sys.executable, *command], env=given, capture_output=True, text=True, check=False, timeout=400, **options
    )


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *arguments: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.hub.requests.append(f"{self.command} {path}")
        failure = self.hub.fails(path)
        if isinstance(failure, int):
            message = "Invalid credentials in Authorization header" if failure == 401 else "it went wrong"
            return self._json({"error": message}, failure, {"X-Error-Message": message})
        if failure == "cut":
            return self._cut()
        if failure == "escapes":
            return self._json({"error": "\x1b]0;title\x07\r\nno \x9b2J\u202e page"}, 400)
        if failure == "echo":
            message = f"cannot do that with {self.headers}"
            return self._json({"error": message}, 400)
        if failure == "overtaken":
            (repository,) = (of for (_, name), of in self.hub.repositories.items() if f"/{name}/" in path)
            self.hub.commit(repository, {**repository.files, "notes.md": b"theirs"}, {"summary": "somebody else"})
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in ("", TOKEN) or (not token and self.command == "POST" and "paths-info" not in path):
            message = "Invalid credentials in Authorization header"
            return self._json({"error": message}, 401, {"X-Error-Message": message})
        if failure == "cut late":
            self._json = lambda *_: self._cut()  # type: ignore[method-assign]
        return self._route(path, body, token)

    def _route(self, path: str, body: bytes, token: str) -> None:
        if path == "/api/repos/create":
            return self._create(json.loads(body))
        if path == "/api/validate-yaml":
            return self._validate(json.loads(body)["content"])
        if path == "/api/whoami-v2":
            return self._json({"name": "me", "type": "user", "orgs": []})
        api = re.fullmatch(r"/api/(datasets|models)/([^/]+/[^/]+)(?:/([\w-]+)/([^/]+)(?:/(.*))?)?", path)
        if api:
            kind, name, action, revision, rest = api.groups()
        else:
            resolve = re.fullmatch(r"/(datasets/)?([^/]+/[^/]+)/resolve/([^/]+)/(.*)", path)
            if not resolve:
                headers = {"X-Error-Code": "RepoNotFound"} if path.startswith("/api/datasets/") else {}
                return self._json({"error": "no such page"}, 404, headers)
            kind, name, action = ("datasets" if resolve[1] else "models"), resolve[2], "resolve"
            revision, rest = resolve[3], resolve[4]
        repository = self.hub.repositories.get((kind, name))
        if repository is None or (repository.private and not token):
            return self._json({"error": "Repository not found"}, 404, {"X-Error-Code": "RepoNotFound"})
        commit = repository.at(revision or "main")
        if commit is None:
            return self._json({"error": "Invalid rev id"}, 404, {"X-Error-Code": "RevisionNotFound"})
        match action:
            case None | "revision":
                files = [{"rfilename": file} for file in commit.files]
                info = {"_id": "1", "id": name, "sha": commit.sha, "private": repository.private, "siblings": files}
                return self._json({**info, "tags": [], "downloads": 0, "likes": 0, "gated": False, "disabled": False})
            case "tree":
                return self._json([_entry(path, data) for path, data in commit.files.items()])
            case "paths-info":
                wanted = json.loads(body)["paths"]
                return self._json([_entry(path, data) for path, data in commit.files.items() if path in wanted])
            case "preupload":
                known = {path: _oid(data) for path, data in commit.files.items()}
                asked = [file["path"] for file in json.loads(body)["files"]]
                modes = {"uploadMode": "regular", "shouldIgnore": False}
                return self._json({"files": [{"path": path, **modes, "oid": known.get(path)} for path in asked]})
            case "commit":
                return self._commit(repository, name, body)
            case "resolve":
                return self._file(commit, rest)
        return self._json({"error": "no such page"}, 404)

    def _create(self, wanted: dict[str, Any]) -> None:
        kind = f"{wanted.get('type', 'model')}s"
        name = f"{wanted['organization'] or 'me'}/{wanted['name']}"
        url = f"{self.hub.url}/{'datasets/' if kind == 'datasets' else ''}{name}"
        with self.hub.lock:
            if (kind, name) in self.hub.repositories:
                return self._json({"error": "You already created this repo", "url": url}, 409)
            self.hub.make(kind, name, private=wanted.get("visibility") == "private")
        return self._json({"url": url})

    def _validate(self, content: str) -> None:
        errors = []
        block = re.match(r"---\n(.*?)\n---\n", content, re.DOTALL)
        data = yaml.safe_load(block[1]) if block else None
        if not isinstance(data, dict):
            errors.append("no metadata")
        else:
            if data.get("license", "other") not in _LICENSES:
                errors.append(f'"license" must be one of [{", ".join(sorted(_LICENSES))}]')
            if not {*data.get("size_categories", [])} <= _SIZES:
                errors.append('"size_categories" is none of these')
            if not all(re.fullmatch(r"[a-z]{2,3}", code) for code in data.get("language", [])):
                errors.append('"language" must only contain ISO 639 codes')
        messages = [{"message": error} for error in errors]
        self._json({"errors": messages, "warnings": []}, 400 if errors else 200)

    def _commit(self, repository: Repository, name: str, body: bytes) -> None:
        lines = [json.loads(line) for line in body.splitlines()]
        header = lines[0]["value"]
        with self.hub.lock:
            if header.get("parentCommit", repository.commits[-1].sha) != repository.commits[-1].sha:
                return self._json({"error": "A commit has happened since."}, 412)
            files = dict(repository.files)
            for line in lines[1:]:
                path = line["value"]["path"]
                if line["key"] == "file":
                    files[path] = base64.b64decode(line["value"]["content"])
                elif line["key"] != "deletedFile" or files.pop(path, None) is None:
                    return self._json({"error": f"cannot {line['key']} {path}"}, 400)
            commit = self.hub.commit(repository, files, header)
        prefix = "datasets/" if repository.kind == "datasets" else ""
        url = f"{self.hub.url}/{prefix}{name}/commit/{commit.sha}"
        return self._json({"success": True, "commitOid": commit.sha, "commitUrl": url})

    def _file(self, commit: Commit, path: str) -> None:
        if path not in commit.files:
            return self._json({"error": "Entry not found"}, 404, {"X-Error-Code": "EntryNotFound"})
        data = commit.files[path]
        headers = {"ETag": f'"{_oid(data)}"', "X-Repo-Commit": commit.sha, "Accept-Ranges": "bytes"}
        part = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if part:
            start, end = int(part[1]), min(int(part[2] or len(data)), len(data) - 1)
            headers["Content-Range"] = f"bytes {start}-{end}/{len(data)}"
            return self._send(data[start : end + 1], 206, headers)
        return self._send(data, 200, headers)

    def _json(self, value: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self._send(json.dumps(value).encode(), status, {"Content-Type": "application/json", **(headers or {})})

    def _send(self, data: bytes, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _cut(self) -> None:
        """End the connection without an answer."""
        self.close_connection = True
        self.connection.close()


def _entry(path: str, data: bytes) -> dict[str, Any]:
    return {"type": "file", "path": path, "size": len(data), "oid": _oid(data)}
