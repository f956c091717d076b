"""Streams whose process is killed with SIGKILL: started again, they decide what they would have, and nothing twice."""

import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hfal.store.store import Store
from hfal.store.stream_log import ASKED, RANDOM
from support import stream_run
from support.crash_checks import check_answers, check_same, check_store, make_places, outcome, start
from support.crash_run import Kill, Places
from support.texts import load_reviews


# In the order in which the process reaches them.
CHOSEN = [
    Kill("sql INSERT INTO added *"),  # what is asked is half written
    Kill("sql INSERT INTO stream_ids *", 30),  # all but what was decided on is written
    Kill("sql COMMIT of INSERT OR REPLACE INTO meta * ('stream',*"),  # all is written, and not committed
    Kill("answer stream 1", 2),
    Kill("step 2 of round 002"),
    Kill("batch of a file", 3),
    Kill("sql INSERT OR REPLACE INTO meta * ('stream',*", 2),
]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("stream")
    load_reviews(stream_run.POOL + 2 * stream_run.HALF).save_to_disk(str(path / "reviews"))
    return path


@pytest.fixture(scope="module")
def uninterrupted(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], int]:
    """The outcome of a stream that nobody kills, and how many instants it has."""
    places = make_places(data, tmp_path_factory.mktemp("uninterrupted"))
    finish(places)
    check_answers(places, kills=0)
    found = all_of(places)
    state = found["stream"]
    assert state.seen == 2 * stream_run.HALF
    assert min(state.outcomes[ASKED], state.outcomes[RANDOM]) >= 5
    assert [number for number, *_ in found["rounds"]] == [1, 2, 3]
    assert found["ids"] == stream_run.HALF
    return found, len(places.trace.read_text().splitlines())


def finish(places: Places) -> None:
    process = start(stream_run.run, places)
    process.join()
    assert process.exitcode == 0, places.output.read_text()[-3000:]


def all_of(places: Places) -> dict[str, Any]:
    """All that a run has decided; not when."""
    store = Store(places.run_dir, read_only=True)
    decisions = [(d.seen, d.round, d.outcome, d.score, d.threshold, d.example_id) for d in store.stream_decisions()]
    added = [(one.example_id, one.content, one.columns, one.origin) for one in store.added_examples()]
    ids = store._db.read("SELECT count(*) FROM stream_ids")[0][0]
    more = {"stream": store.stream, "decisions": decisions, "added": added, "ids": ids}
    store.close()
    asked = [example_id for *_, example_id in decisions if example_id is not None]
    assert len(asked) == len(set(asked)) == len(added)
    return {**outcome(places.run_dir), **more}


def kill_and_finish(places: Places, kills: list[Kill], expected: dict[str, Any]) -> None:
    for number, kill in enumerate(kills, start=1):
        process = start(stream_run.run, places, kill)
        process.join()
        assert process.exitcode in (0, -signal.SIGKILL), places.output.read_text()[-3000:]
        if kill.pattern != "*":
            assert process.exitcode == -signal.SIGKILL, f"{kill} was not reached"
        if (places.run_dir / "labels.sqlite").exists():
            check_store(places.run_dir)
        check_answers(places, number)
    finish(places)
    check_same(all_of(places), expected)


def test_a_killed_stream_ends_like_an_uninterrupted_one(data, tmp_path, uninterrupted):
    expected, _ = uninterrupted
    kill_and_finish(make_places(data, tmp_path), CHOSEN, expected)


@pytest.mark.slow
@pytest.mark.parametrize("run", range(4))
def test_a_hundred_kills_at_random(data, tmp_path, uninterrupted, run):
    """Each of four runs is killed 25 times, the later the further the run is."""
    expected, instants = uninterrupted
    rng = np.random.default_rng(run)
    kills = [Kill("*", int(rng.integers(1, instants // 8))) for _ in range(25)]
    kill_and_finish(make_places(data, tmp_path), kills, expected)
