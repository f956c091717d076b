"""The server is killed at random instants, and started again, while a page goes on sending until it gets responses."""

import http.client
import json
import random
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from hfal.store.store import Store
from support.label_queries import LABELS, add_query
from support.web_page import Client, free_port


TESTS = str(Path(__file__).parents[2])
SERVE = "from support.web_server import serve_slowly; serve_slowly(*sys.argv[1:])"


class Person(threading.Thread):
    """Labels every text as its number says, and sends each request again until there is a response."""

    def __init__(self, client: Client):
        super().__init__(daemon=True)
        self.client = client
        self.problem: BaseException | None = None
        self.lost = 0
        self.refused = 0
        self.done = threading.Event()

    def run(self) -> None:
        try:
            state = self._asking(self._until_there(self.client.state))
            while state["shown"] is not None:
                text = state["shown"]["texts"][0]["text"]
                label = LABELS[int(text.split()[1]) % 2]
                body = {"turn": state["turn"], "example": state["shown"]["example"], "action": "label", "label": label}
                status, found = self._until_there(partial(self.client.post, "answer", body))
                assert status in (200, 409), found
                self.refused += status == 409
                state = self._asking(found if status == 200 else found["state"])
            self._until_there(partial(self.client.post, "close", {"turn": state["turn"]}))
        except BaseException as error:
            self.problem = error
        finally:
            self.done.set()

    def _asking(self, state: dict[str, Any]) -> dict[str, Any]:
        """The state when the server, which may have just begun, asks."""
        while state["phase"] != "asking":
            state = self._until_there(partial(self.client.state, state["version"]))
        return state

    def _until_there(self, ask: Any) -> Any:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                return ask()
            except (OSError, http.client.HTTPException, json.JSONDecodeError):  # no server, or half of a response
                self.lost += 1
                time.sleep(0.01)
        raise TimeoutError


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_no_answer_is_lost_doubled_or_swapped_when_the_server_is_killed(kills: int, tmp_path: Path) -> None:
    store = Store(tmp_path / "run")
    store.set_meta("label_names", LABELS)
    add_query(store, [f"text {n}" for n in range(20 * kills)])
    asked = [example.example_id for example in store.queries()[0].examples]
    store.close()
    chance, port = random.Random(kills), free_port()
    person = Person(Client(port))
    person.start()
    killed = 0
    while not person.done.is_set():
        arguments = [str(tmp_path / "run"), str(port), str(killed)]
        command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {TESTS!r}); {SERVE}", *arguments]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        before = answered(tmp_path / "run")
        while answered(tmp_path / "run") == before and process.poll() is None and not person.done.is_set():
            time.sleep(0.002)
        if killed < kills:
            time.sleep(chance.uniform(0, 0.2))
            if process.poll() is None:
                process.kill()
                killed += 1
        assert process.wait(60) in (0, -signal.SIGKILL)
    if person.problem is not None:
        raise person.problem
    assert killed == kills
    assert person.lost > 0
    store = Store(tmp_path / "run", read_only=True)
    found = [(answer.example_id, answer.action, answer.label) for answer in store.answers()]
    store.close()
    assert found == [(example, "label", LABELS[n % 2]) for n, example in enumerate(asked)]
    print(f"{person.lost} requests without a response, {person.refused} that the server had recorded already")


def answered(run_dir: Path) -> int:
    store = Store(run_dir, read_only=True)
    try:
        return store.last_answer()
    finally:
        store.close()
