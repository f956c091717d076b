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
import torch
from sentence_transformers import SentenceTransformer
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from hfal.store.records import AHEAD, HEAD
from hfal.store.store import Store
from support.command import HFAL, environment
from support.head_oracle import best, margin_scores, normalized, probabilities_by
from support.models import save_tiny_encoder
from support.texts import save_small_files, save_tiny_model
from support.web_page import Client, free_port


SIZE, BUDGET = 5, 60
OPTIONS = ["--data", "reviews.jsonl", "--text", "text", "--labels", "even,odd", "--model", "model", "--use_cpu"]
OPTIONS += ["--strategy", "margin", "--when_idle", "ask"]
OPTIONS += ["--query_size", str(SIZE), "--budget", str(BUDGET), "--train_after", "8", "--holdout", "0"]
OPTIONS += ["--annotator", "web", "--no_browser", "--annotator_name", "ann"]
WAYS = {
    "head": ["--select_with", "head", "--embeddings", "encoder"],
    "model": ["--keep_models", "100"],
}
"""What picks the queries that are asked while a round trains: a head, or the ranking of the last round's model."""


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
    ("kills", "pace", "epochs", "way"),
    [
        (1, 0.05, 20, "head"),
        pytest.param(1, 0.05, 20, "model", marks=pytest.mark.slow),
        pytest.param(30, 0.3, 150, "head", marks=pytest.mark.slow),
        pytest.param(30, 0.3, 150, "model", marks=pytest.mark.slow),
    ],
)
def test_a_killed_run_asks_the_same_given_the_same_answers(
    kills: int, pace: float, epochs: int, way: str, folder: Path
) -> None:
    chance, port, run_dir = random.Random(kills), free_port(), folder / "runs" / "reviews"
    person = Person(port, pace)
    person.start()
    killed, while_training = 0, 0
    while not person.has_ended.is_set():
        with open(folder / "said.txt", "a") as said:
            process = subprocess.Popen(
                [HFAL, "run", *OPTIONS, *WAYS[way], "--num_train_epochs", str(epochs), "--port", str(port)],
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
    check_run(run_dir, person.recorded)
    (check_heads if way == "head" else check_rankings)(run_dir, folder)
    print(f"{while_training} of {killed} kills while a round trained")


def trains(run_dir: Path) -> bool:
    store = Store(run_dir, read_only=True)
    try:
        return any(record.trained is None for record in store.rounds())
    finally:
        store.close()


def check_run(run_dir: Path, recorded: set[str]) -> None:
    """See that nothing is lost, doubled or asked twice."""
    store = Store(run_dir, read_only=True)
    queries, answers, records = store.queries(), store.answers(), store.rounds()
    texts = {e.example_id: str(e.texts["text"]) for query in queries for e in query.examples}
    why = store.why_ended()
    store.close()
    asked = [e.example_id for query in queries for e in query.examples]
    assert len(asked) == len(set(asked))
    ids = [answer.example_id for answer in answers]
    assert len(set(ids)) == len(ids) == BUDGET
    assert recorded <= set(ids)
    assert {answer.label == label_of(texts[answer.example_id]) for answer in answers} == {True}
    assert why == "the budget is spent"
    assert records[-1].labels == BUDGET
    assert all(record.finished for record in records)


def texts_of(folder: Path) -> list[str]:
    return [json.loads(line)["text"] for line in (folder / "reviews.jsonl").read_text().splitlines()]


def check_heads(run_dir: Path, folder: Path) -> None:
    """See that each query is what scikit-learn picks by the answers before it."""
    store = Store(run_dir, read_only=True)
    queries = store.queries()
    labels = {n: {i: str(a.label) for i, a in store.training_answers(n).items()} for n in range(BUDGET + 1)}
    texts = {e.example_id: str(e.texts["text"]) for query in queries for e in query.examples}
    store.close()
    heads = [query for query in queries if query.purpose == HEAD]
    places = [(query.round, query.sequence) for query in heads]
    assert places == sorted(set(places))
    pool = texts_of(folder)
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


def check_rankings(run_dir: Path, folder: Path) -> None:
    """See that the queries of a round are the ranking of its model, read from the disk, first its own, then ahead."""
    store = Store(run_dir, read_only=True)
    queries = store.queries()
    store.close()
    assert any(query.purpose == AHEAD for query in queries)
    for own in (query for query in queries if query.purpose == "round"):
        before = {e.texts["text"] for query in queries if query.number < own.number for e in query.examples}
        free = [text for text in texts_of(folder) if text not in before]
        model = run_dir / "rounds" / f"{own.round:03d}" / "model"
        margins = dict(zip(free, margins_by(model, free), strict=True))
        ahead = [query for query in queries if (query.purpose, query.round) == (AHEAD, own.round)]
        assert [query.sequence for query in ahead] == [*range(1, len(ahead) + 1)]
        asked = [str(e.texts["text"]) for query in (own, *ahead) for e in query.examples]
        assert [margins[text] for text in asked] == pytest.approx(sorted(margins.values())[: len(asked)], abs=1e-5)


def margins_by(folder: Path, texts: list[str]) -> list[float]:
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    found = []
    with torch.inference_mode():
        for text in texts:
            logits = model(**tokenizer(text, truncation=True, max_length=128, return_tensors="pt")).logits
            best, second = logits.softmax(-1)[0].topk(2).values.tolist()
            found.append(best - second)
    return found
