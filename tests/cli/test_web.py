"""`hfal label --web` and `hfal run --annotator web`: commands in processes of their own, and a page that asks them."""

import contextlib
import http.client
import re
import shlex
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hfal.store.store import Store
from support.command import HFAL, SMALL, Result, environment, error_line
from support.web_page import Client
from support.web_team import TeamClient


@pytest.fixture
def serve(folder: Path) -> Iterator[Callable[..., "Serving"]]:
    """A function that starts the command in the working directory."""
    begun: list[Serving] = []

    def start(*arguments: str) -> Serving:
        begun.append(Serving(folder, *arguments))
        return begun[-1]

    yield start
    for serving in begun:
        serving.process.kill()
        serving.process.communicate()


class Serving(Client):
    """A command that serves the page, and a client of it."""

    def __init__(self, folder: Path, *arguments: str):
        self.process = subprocess.Popen(
            [HFAL, *arguments],
            cwd=folder,
            env=environment(folder),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.said = self.process.stdout.readline()
        found = re.fullmatch(r"Label in the browser: http://[\w.-]+:(\d+)(/(?:open/[\w-]+)?)\n", self.said)
        assert found, (self.said, self.process.communicate())
        super().__init__(int(found[1]))
        self.path = found[2]

    def ends(self) -> Result:
        out, err = self.process.communicate(timeout=120)
        return Result(self.process.returncode, out, err)


def test_label_serves_a_page_until_all_is_answered(serve: Callable[..., Serving], run_dir: Path) -> None:
    (run_dir / "rules.md").write_text("Label the *tone*.\n")
    (run_dir / "config.yaml").write_text(f"data: reviews.csv\nannotator_name: ann\nguidelines: {run_dir}/rules.md\n")
    page = serve("label", "runs/small", "--web", "--no-browser", "--hide_suggestions")
    state = page.waits_for("asking")
    assert (state["annotator"], state["guidelines"]) == ("ann", "<p>Label the <em>tone</em>.</p>\n")
    assert (state["show_suggestions"], state["run"], page.path) == (False, "small", "/")
    for label in ("positive", "negative", "positive"):
        state = page.answers(state, label)
    page.does("close", state)
    done = page.ends()
    assert (done.code, done.stderr) == (0, "")
    assert done.stdout == "Every text that was asked has an answer.\nNext: hfal run runs/small\n"
    store = Store(run_dir, read_only=True)
    found = [(a.example_id, a.label, a.annotator) for a in store.answers()]
    assert found == [("a", "positive", "ann"), ("b", "negative", "ann"), ("c", "positive", "ann")]
    assert not store.open_queries()
    store.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_signal_ends_with_75_and_the_next_start_goes_on(
    number: signal.Signals, serve: Callable[..., Serving], run_dir: Path
) -> None:
    page = serve("label", "runs/small", "--web", "--no_browser", "--annotator_name", "ben")
    state = page.answers(page.waits_for("asking"), "positive")
    page.process.send_signal(number)
    state = page.state(after=state["version"])
    stopped = "The command that serves this page was stopped. All answers are saved."
    assert (state["phase"], state["message"]) == ("ended", stopped)
    done = page.ends()
    assert done.code == 75
    assert "2 of 3 texts are left; all answers are saved." in done.stderr
    assert "Traceback" not in done.stderr
    again = serve("label", "runs/small", "--web", "--no_browser", "--annotator_name", "ben")
    state = again.waits_for("asking")
    assert (state["turn"], state["shown"]["example"]) == (1, "b")
    state = again.answers(state, "negative")
    again.process.send_signal(number)
    with contextlib.suppress(OSError, http.client.HTTPException):  # an answer that is on its way
        again.post("answer", {"turn": 2, "example": "c", "action": "label", "label": "positive"})
    assert again.ends().code == (75 if unanswered(run_dir) else 0)


def unanswered(run_dir: Path) -> int:
    store = Store(run_dir, read_only=True)
    try:
        return 3 - len(store.current_answers())
    finally:
        store.close()


def test_the_network_takes_the_link_that_is_printed(serve: Callable[..., Serving], run_dir: Path) -> None:
    page = serve("label", "runs/small", "--web", "--no_browser", "--host", "0.0.0.0")
    assert page.path.startswith("/open/")
    assert page.request("GET", "/api/state")[0] == 401
    page.cookie = page.request("GET", page.path)[1]["set-cookie"].partition(";")[0]
    page.waits_for("asking")
    page.post("leave")
    done = page.ends()
    assert page.path.removeprefix("/open/") not in done.stdout + done.stderr


def test_status_reads_beside_an_open_page(
    serve: Callable[..., Serving], hfal: Callable[..., Result], run_dir: Path
) -> None:
    page = serve("label", "runs/small", "--web", "--no_browser")
    state = page.waits_for("asking")
    for answered, label in enumerate(["positive", "negative", "positive"]):
        status = hfal("status", "runs/small")
        assert (status.code, status.stderr) == (0, "")
        assert f"Query 1: {3 - answered} of 3 answers are missing\n" in status.stdout
        state = page.answers(state, label)
    assert state["turn"] == 3
    page.does("close", state)
    assert page.ends().code == 0


def test_several_names_are_given_at_once_or_one_by_one(serve: Callable[..., Serving], run_dir: Path) -> None:
    names = ["--allow_host", "a.example.org, b.example.org", "--allow_host", "c.example.org"]
    page = serve("label", "--web", "--no_browser", *names, "runs/small")
    page.cookie = page.request("GET", page.path)[1]["set-cookie"].partition(";")[0]
    for name in "abc":
        assert page.request("GET", "/api/state", headers={"Host": f"{name}.example.org"})[0] == 200
    assert page.request("GET", "/api/state", headers={"Host": "d.example.org"})[0] == 403


def test_several_people_are_asked_as_the_run_was_started(serve: Callable[..., Serving], run_dir: Path) -> None:
    store = Store(run_dir)
    store.set_meta("plan", {"annotators": ["anna", "ben"]})
    store.close()
    serving = serve("label", "--web", "--no_browser", "--lease_minutes", "3", str(run_dir))
    anna, ben = TeamClient(serving.port, "anna"), TeamClient(serving.port, "ben")
    state = anna.gets_a_text()
    assert ben.gets_a_text()["shown"]["example"] != state["shown"]["example"]
    anna.answers(state, state["labels"][0])
    assert TeamClient(serving.port, "carl").post("undo")[0] == 403
    serving.process.send_signal(signal.SIGTERM)
    ended = serving.ends()
    assert ended.code == 75
    assert "2 texts wait to be labeled: 2 for one of anna, ben" in ended.stderr
    again = serve("label", "--web", "--no_browser", "--annotators", "carl", "--annotators", "dora", str(run_dir))
    carl = TeamClient(again.port, "carl")
    carl.gets_a_text()
    assert TeamClient(again.port, "anna").post("undo")[0] == 403
    assert carl.post("leave")[1]["phase"] == "ended"
    assert again.ends().code == 75


def test_what_cannot_be_is_said_in_one_line(hfal: Callable[..., Result], run_dir: Path) -> None:
    label = ["label", str(run_dir)]
    assert "--port is for the page: add --web" in error_line(hfal(*label, "--port", "8000"))
    assert "--annotators is for the page: add --web" in error_line(hfal(*label, "--annotators", "anna,ben"))
    assert "annotators has 'Ben' twice" in error_line(hfal(*label, "--web", "--annotators", "Ben,ben"))
    assert "lease_minutes=0.0, expected a number" in error_line(hfal(*label, "--web", "--lease_minutes", "0"))
    assert "guidelines='none.md' cannot be read" in error_line(hfal(*label, "--web", "--guidelines", "none.md"))
    assert "embed has 'x', expected an origin" in error_line(hfal(*label, "--web", "--embed", "x"))
    assert "argument --port: invalid int value: 'x'" in error_line(hfal(*label, "--web", "--port", "x"))
    assert "port=99999, expected one from 1 to 65535" in error_line(hfal(*label, "--web", "--port", "99999"))


def test_a_whole_run_on_the_page(serve: Callable[..., Serving], folder: Path) -> None:
    run = ["run", "--data", "reviews.csv", "--text", "review", "--labels", "negative,positive", "--annotator", "web"]
    page = serve(*run, "--no_browser", "--annotator_name", "ann", "--holdout", "4", "--rounds", "2", *SMALL)
    seen: dict[str, tuple[int, Any, bool]] = {}
    state = page.state()
    for _ in range(400):
        if state["phase"] == "ended":
            break
        if state["phase"] == "waiting":
            state = page.state(after=state["version"])
        elif state["shown"] is None:
            state = page.does("close", state)
        else:
            suggestion = state["shown"]["suggestion"]
            seen[state["progress"]["title"]] = (state["progress"]["size"], state["curve"], suggestion is not None)
            state = page.answers(state, suggestion["label"] if suggestion else "positive")
    done = page.ends()
    assert done.code == 0, done.stderr
    assert seen["Held-out examples"] == (4, None, False)
    assert seen["Seed set"] == (6, None, False)
    size, curve, is_suggested = seen["Round 1 of 2"]
    assert (size, curve["metric"], len(curve["points"]), is_suggested) == (6, "accuracy", 1, True)
    assert curve["points"][0][0] == 10
    assert state["message"] == "The run has ended: 2 rounds were asked for. All answers are saved."
    assert state["then"] == "To export the labels:"
    export = shlex.split(state["command"])
    assert export == ["hfal", "export", str(folder / "runs" / "reviews"), "--to", "labels.csv"]
    assert [point[0] for point in state["curve"]["points"]] == [10, 16]
    store = Store(folder / "runs" / "reviews", read_only=True)
    assert len(store.answers()) == 16
    assert {answer.annotator for answer in store.answers()} == {"ann"}
    assert [record.finished is not None for record in store.rounds()] == [True, True]
    store.close()
