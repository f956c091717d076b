"""A stand-in for the Hub, and runs to publish."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hfal.store.records import Answer
from support.hub_server import Hub, serve
from support.published_run import SECRET_NAME, TASKS, make_run


OTHER = dict(zip(TASKS, ["negative", ["law"], ["B-PER", "O"]], strict=True))  # for what make_run calls x3


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    with serve() as hub:
        yield hub


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of each task, by its name."""
    runs = tmp_path_factory.mktemp("runs")
    for task in TASKS:
        store = make_run(runs / task, task)
        store.record(Answer("x3", OTHER[task], annotator=SECRET_NAME, comment="no | doubt", query=2))
        store.record(Answer("x3", OTHER[task], annotator="Dr. Who", query=2))
        store.record(Answer("x3", None, "unsure", annotator="Dr. Who", query=2))
        store.record(Answer("x3", None, "undo", annotator="Dr. Who", query=2))
        store.close()
    model = runs / TASKS[0] / "rounds" / "002" / "model"
    model.mkdir(parents=True)
    (model / "model.safetensors").write_bytes(b"weights")
    (model / "config.json").write_text("{}")
    return runs
