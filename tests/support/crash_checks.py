"""What a run that was killed and started again has to agree in with one that was not."""

import hashlib
import multiprocessing
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

from hfal.store.store import Store
from support.crash_run import Places
from support.forks import FORKS


def make_places(data: Path, folder: Path) -> Places:
    return Places(data, folder / "run", folder / "annotator.log", folder / "instant", folder / "output")


def start(target, *args, daemon: bool = True) -> multiprocessing.Process:
    process = FORKS.Process(target=target, args=args, daemon=daemon)
    process.start()
    return process


def head_of(places: Places, starts: int) -> int:
    """Seeds the untrained head that a user's script makes: another one in every process.

    As long as no process lived to save its head, the run has none, and the next one's is as good. Then the outcome
    depends on which it was, so those processes make the one of the run that nobody killed.
    """
    return starts if (places.run_dir / "initial_model").exists() else 0


def outcome(run_dir: Path) -> dict[str, Any]:
    """All that a run decided, bit by bit; not when, by which process and how fast."""
    store = Store(run_dir, read_only=True)
    queries, records = store.queries(), store.rounds()
    result = {
        "queries": [
            {
                "number": query.number,
                "round": query.round,
                "purpose": query.purpose,
                "strategy": query.strategy,
                "seed": query.seed,
                "settings": query.settings,
                "examples": query.examples,  # ids by rank, with content, score, suggestion and confidence
            }
            for query in queries
        ],
        "closed": {query.number for query in store.queries() if query.closed},
        "answers": [(a.example_id, a.annotator, a.action, a.label, a.query) for a in store.answers()],
        "labels": [(i, answer.label) for i, answer in store.current_answers().items()],
        "rounds": [(r.number, r.seed, r.answers_seen, r.labels, r.train_size) for r in records],
        "finished": [record.finished is not None for record in records],
        "metrics": [record.metrics for record in records],
        "stop set": store.stop_set(),
        "stability": [(record.stability, store.predictions(record.number)) for record in records],
        "ended": store.meta("ended"),
        "weights": {
            str(file.relative_to(run_dir)): hashlib.sha256(file.read_bytes()).hexdigest()
            for file in sorted(run_dir.rglob("model.safetensors"))
        },
        "files": files_in(run_dir),
    }
    store.close()
    return result


def files_in(folder: Path) -> list[str]:
    """Everything that is there, which tells of what a killed process has left behind."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def check_store(run_dir: Path) -> None:
    """See that the file of the store is sound, and that nobody owns it who is dead."""
    db = sqlite3.connect(run_dir / "labels.sqlite")
    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert db.execute("PRAGMA foreign_key_check").fetchall() == []
    db.close()
    store = Store(run_dir)
    with store.own():
        pass
    store.close()


def check_answers(places: Places, kills: int) -> int:
    """Hold the annotator's own log against the store; returns how many questions were asked again."""
    if not places.log.exists():  # killed before there was anybody to ask
        return 0
    starts: list[list[tuple[str, str]]] = []
    for line in places.log.read_text().splitlines():
        event, _, example_id = line.partition(" ")
        if event == "start":
            starts.append([])
        else:
            starts[-1].append((event, example_id))
    acknowledged = {i for events in starts for event, i in events if event == "acknowledged"}
    store = Store(places.run_dir, read_only=True)
    recorded = Counter(f"{answer.example_id} {answer.annotator}" for answer in store.answers())
    store.close()
    assert acknowledged <= recorded.keys(), "an acknowledged answer is lost"
    assert set(recorded.values()) <= {1}, "an answer is recorded twice"

    asked: list[str] = []
    in_flight: set[str] = set()
    for events in starts:
        questions = [i for event, i in events if event == "asked"]
        again = set(questions) & set(asked)
        assert len(set(questions)) == len(questions), "one process asked twice"
        assert again <= in_flight, "somebody was asked again whose answer was not on its way when the process died"
        asked += questions
        unacknowledged = set(questions) - {i for event, i in events if event == "acknowledged"}
        assert unacknowledged <= set(questions[-1:])
        in_flight = in_flight - set(questions) | unacknowledged
    assert recorded.keys() <= set(asked)
    repeated = len(asked) - len(set(asked))
    assert repeated <= kills
    return repeated


def check_same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    for what in expected:
        assert found[what] == expected[what], _difference(what, found[what], expected[what])


def _difference(what: str, found: Any, expected: Any) -> str:
    """Say what is other than in the run that nobody killed, as far as one line can."""
    if isinstance(found, dict | list | set) and type(found) is type(expected):
        of_found, of_expected = (list(c.items() if isinstance(c, dict) else c) for c in (found, expected))
        more = [entry for entry in of_found if entry not in of_expected]
        less = [entry for entry in of_expected if entry not in of_found]
        return f"the {what} differ from those of the uninterrupted run: {more} in the place of {less}"
    return f"the {what} differ from those of the uninterrupted run: {found} in the place of {expected}"
