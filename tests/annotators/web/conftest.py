"""Runs with texts to ask about, and a person before the page."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hfal.annotators.web import exchange
from hfal.store.store import Store
from support.label_queries import LABELS
from support.notebook import Kernel
from support.web_page import Labeling
from support.web_team import LabelingTeam


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "my run")
    store.set_meta("label_names", LABELS)
    store.set_meta("plan", {"budget": 500, "rounds": 10})
    yield store
    store.close()


@pytest.fixture
def label_on_page(store: Store) -> Iterator[Callable[..., Labeling]]:
    """A function that serves the page for the open queries of this store."""
    begun: list[Labeling] = []

    def label(**options: Any) -> Labeling:
        begun.append(Labeling(store, **options))
        return begun[-1]

    yield label
    for labeling in begun:
        labeling.stands_up()


@pytest.fixture
def team_on_page(store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., LabelingTeam]]:
    """A function that serves the page for the open queries of this store to several people."""
    begun: list[LabelingTeam] = []

    def label(*annotators: str, **options: Any) -> LabelingTeam:
        begun.append(LabelingTeam(store, list(annotators), **options))
        return begun[-1]

    monkeypatch.setattr(exchange, "_PATIENCE", 0.2)  # clients here do not wait for the end
    yield label
    for labeling in begun:
        labeling.stands_up()


@pytest.fixture
def start_kernel(tmp_path: Path) -> Iterator[Callable[..., Kernel]]:
    """A function that starts a notebook's kernel beside the run, with these variables in its environment."""
    pytest.importorskip("ipykernel", reason="it comes with the extra dev")
    started: list[Kernel] = []

    def start(**environment: str) -> Kernel:
        started.append(Kernel(tmp_path, environment))
        return started[-1]

    yield start
    for kernel in started:
        kernel.shut_down()
