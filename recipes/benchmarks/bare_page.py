"""The smallest page on which texts are labeled: what `page_latency.py` compares hfal's page with.

A key writes one row, which is on the disk before the response, and shows the next text. Nothing else: no check of what
comes in, no undo, no progress, no second tab.
"""

import json
import sqlite3
from collections.abc import Sequence

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse
from starlette.routing import Route


_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Bare</title><p id="texts"></p>
<script>
let shown = null;
const show = (next) => { shown = next; document.querySelector("#texts").textContent = next.text; };
addEventListener("keydown", async ({ key, repeat }) => {
  if (repeat || !"12".includes(key)) return;
  const body = JSON.stringify({ number: shown.number, label: key });
  show(await (await fetch("answer", { method: "POST", body })).json());
});
fetch("next").then((response) => response.json()).then(show);
</script>"""


def serve_bare(path: str, texts: Sequence[str], port: int) -> None:
    """Serve the page until the process ends.

    Args:
        path: A file for the database.
        texts: The texts.
        port: The port on this machine.
    """
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA synchronous = FULL")
    database.execute("CREATE TABLE answers (number INTEGER, label TEXT)")
    answered = 0

    def following() -> JSONResponse:
        return JSONResponse({"number": answered, "text": texts[answered]})

    async def index(request: Request) -> HTMLResponse:
        return HTMLResponse(_PAGE)

    async def first(request: Request) -> JSONResponse:
        return following()

    async def answer(request: Request) -> JSONResponse:
        nonlocal answered
        said = json.loads(await request.body())
        database.execute("INSERT INTO answers VALUES (?, ?)", (said["number"], said["label"]))
        answered += 1
        return following()

    routes = [Route("/", index), Route("/next", first), Route("/answer", answer, methods=["POST"])]
    uvicorn.run(Starlette(routes=routes), host="127.0.0.1", port=port, log_level="critical", access_log=False)
