"""`hfal run --when_idle ask`: a person answers while rounds train, and the command is killed and started again."""

import http.client
import json
import random
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from sentence_transformers import SentenceTransformer

from hfal.store.records import HEAD
from hfal.store.store import Store
from support.command import HFAL, environment
from support.head_oracle import best, margin_scores, normalized, probabilities_by
from support.models import save_tiny_encoder
from support.texts import save_small_files, save_tiny_model
from support.web_page import Client, free_port


SIZE, BUDGET = 5, 60
OPTIONS = ["--data", "reviews.jsonl", "--text", "text", "--labels", "even,odd", "--model", "model", "--use_cpu"]
OPTIONS += ["--embeddings", "encoder", "--strategy", "margin", "--select_with", "head", "--when_idle", "ask"]
OPTIONS += ["--query_size", str(SIZE), "--budget", str(BUDGET), "--train_after", "8", "--holdout", "0"]
OPTIONS += ["--annotator", "web", "--no_browser", "--annotator_name", "ann"]


class Person(threading.Thread):
    """Labels every text by its length, whatever becomes of the command.

    Args:
        port: Where the page is.
        pace: Seconds for a label.

    Attributes:
        recorded: The examples whose answers the command has said to be recorded.
        problem: What has ended it.
    """

    def __init__(self, port: int, pace: float):
        super().__init__(daemon=True)
        self.client = Client(port)
        self.pace = pace
        self.recorded: set[str] = set()
        self.problem: BaseException | None = None
        self.has_ended = threading.Event()

    def run(self) -> None:
        try:
            while not self.has_ended.is_set():
                try:
                    self._answer_all()
                except (OSError, http.client.HTTPException, json.JSONDecodeError):  # it was killed
                    time.sleep(0.02)
        except BaseException as error:
            self.problem = error
            self.has_ended.set()

    def _answer_all(self) -> None:
        state = self.client.state()
        while state["phase"] != "ended":
            if state["phase"] == "waiting":
                state = self.client.state(after=state["version"])
                continue
            body: dict[str, Any] = {"turn": state["turn"]}
            if state["shown"] is None:
                status, found = self.client.post("close", body)
            else:
                time.sleep(self.pace)
                example, label = state["shown"]["example"], label_of(state["shown"]["texts"][0]["text"])
                body |= {"example": example, "action": "label", "label": label}
                status, found = self.client.post("answer", body)
                if status == 200:
                    self.recorded.add(example)
            state = found if status == 200 else found["state"]
        self.has_ended.set()


def label_of(text: str) -> str:
    return ("even", "odd")[len(text) % 2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_small_files(tmp_path)
    save_tiny_encoder(tmp_path / "encoder", "mean", normalize=True)
    save_tiny_model(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("kills", "pace", "epochs"), [(1, 0.05, 20), pytest.param(30, 0.3, 150, marks=pytest.mark.slow)]
)
def test_a_killed_run_asks_the_same_given_the_same_answers(kills: int, pace: float, epochs: int, folder: Path) -> None:
    chance, port, run_dir = random.Random(kills), free_port(), folder / "runs" / "reviews"
    person = Person(port, pace)
    person.start()
    killed, while_training = 0, 0
    while not person.has_ended.is_set():
        with open(folder / "said.txt", "a") as said:
            process = subprocess.Popen(
                [HFAL, "run", *OPTIONS, "--num_train_epochs", str(epochs), "--port", str(port)],
                cwd=folder,
                env=environment(folder),
                stdout=said,
                stderr=said,
            )
        seen = len(person.recorded)
        until = seen + chance.randint(1, max((BUDGET - seen) // (kills - killed + 1), 1)) if killed < kills else BUDGET
        while process.poll() is None and (killed == kills or len(person.recorded) < until):
            time.sleep(0.002)
        if killed < kills:
            time.sleep(chance.uniform(0, 2 * pace))
            if process.poll() is None:
                process.kill()
                killed += 1
                while_training += trains(run_dir)
        code = process.wait(60)
        assert code in (0, -9), (folder / "said.txt").read_text()
        if code == 0:
            break
    person.join(30)
    if person.problem is not None:
        raise person.problem
    assert killed == kills
    check_run(run_dir, person.recorded, folder)
    print(f"{while_training} of {killed} kills while a round trained")


def trains(run_dir: Path) -> bool:
    store = Store(run_dir, read_only=True)
    try:
        return any(record.trained is None for record in store.rounds())
    finally:
        store.close()


def check_run(run_dir: Path, recorded: set[str], folder: Path) -> None:
    """See that nothing is lost or doubled, and that each query is what scikit-learn picks by the answers before it."""
    store = Store(run_dir, read_only=True)
    queries, answers, records = store.queries(), store.answers(), store.rounds()
    labels = {n: {i: str(a.label) for i, a in store.training_answers(n).items()} for n in range(len(answers) + 1)}
    texts = {e.example_id: str(e.texts["text"]) for query in queries for e in query.examples}
    why = store.why_ended()
    store.close()
    ids = [answer.example_id for answer in answers]
    assert len(set(ids)) == len(ids) == BUDGET
    assert recorded <= set(ids)
    assert {answer.label == label_of(texts[answer.example_id]) for answer in answers} == {True}
    assert why == "the budget is spent"
    assert records[-1].labels == BUDGET
    assert all(record.finished for record in records)
    heads = [query for query in queries if query.purpose == HEAD]
    places = [(query.round, query.sequence) for query in heads]
    assert places == sorted(set(places))
    pool = [json.loads(line)["text"] for line in (folder / "reviews.jsonl").read_text().splitlines()]
    vectors = normalized(SentenceTransformer(str(folder / "encoder")).encode(pool))
    row_of = {text: row for row, text in enumerate(pool)}
    for query in heads:
        known = labels[query.settings["answers_seen"]]
        before = {texts[e.example_id] for other in queries if other.number < query.number for e in other.examples}
        free = [text for text in pool if text not in before]
        rows = [row_of[texts[example]] for example in known]
        found = probabilities_by(vectors[rows], list(known.values()), vectors[[row_of[text] for text in free]])
        asked = [texts[e.example_id] for e in query.examples]
        assert asked == best(margin_scores(found), free, len(asked))
