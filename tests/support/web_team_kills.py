"""A page for four people whose server is killed at random instants, and started again."""

import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from hfal.store.store import Store
from support.label_queries import LABELS, add_query


NAMES = ["anna", "ben", "carl", "dora"]
_TESTS = str(Path(__file__).parents[1])
_SERVE = (
    f"import sys; sys.path.insert(0, {_TESTS!r}); from support.web_server import serve_slowly; "
    "serve_slowly(*sys.argv[1:])"
)


def label_of(name: str, text: str) -> str:
    """What a person says of a text: the next person says something else of it."""
    return LABELS[(int(text.split()[1]) + NAMES.index(name)) % 2]


def serve_with_kills(
    run_dir: Path,
    port: int,
    *,
    texts: int,
    overlap: int,
    kills: int,
    names: Sequence[str],
    people: Sequence[threading.Thread],
) -> tuple[list[tuple[str, str, str, str | None]], dict[str, str]]:
    """Serve a query until all is answered, and kill the server so many times on the way.

    Args:
        run_dir: The run, which is made.
        port: The page's port.
        texts: How many texts are asked.
        overlap: How many people are to label each.
        kills: How often the server is killed.
        names: Who may come in.
        people: Those who label; when all have ended, no server is started any more.

    Returns:
        The log as example, person, action and label, and the text of each example.
    """
    store = Store(run_dir)
    store.set_meta("label_names", LABELS)
    query = add_query(store, [f"text {n}" for n in range(texts)], opinions=overlap)
    store.close()
    chance, killed = random.Random(kills + overlap), 0
    while any(person.is_alive() for person in people):
        arguments = [str(run_dir), str(port), str(killed), *names]
        process = subprocess.Popen([sys.executable, "-c", _SERVE, *arguments], stdout=subprocess.DEVNULL)
        before = _answered(run_dir)
        while _answered(run_dir) == before and process.poll() is None and any(p.is_alive() for p in people):
            time.sleep(0.002)
        if killed < kills:
            time.sleep(chance.uniform(0, 0.3))
            if process.poll() is None:
                process.kill()
                killed += 1
        assert process.wait(500) in (0, -signal.SIGKILL)
        if process.returncode == 0:
            break
    assert killed == kills
    store = Store(run_dir, read_only=True)
    try:
        log = [(answer.example_id, str(answer.annotator), answer.action, answer.label) for answer in store.answers()]
        assert store.opinions_left(store.queries()[0]) == {}
    finally:
        store.close()
    return log, {one.example_id: str(one.texts["text"]) for one in query.examples}


def _answered(run_dir: Path) -> int:
    store = Store(run_dir, read_only=True)
    try:
        return store.last_answer()
    finally:
        store.close()
