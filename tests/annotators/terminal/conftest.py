"""A run with two labels, and texts to ask about."""

from pathlib import Path

import pytest
from datasets import Dataset

from hfal.store.store import Store
from support.label_queries import LABELS


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "my run")
    store.set_meta("label_names", LABELS)
    store.set_meta("plan", {"budget": 500, "rounds": 10})
    return store


@pytest.fixture
def texts(reviews: Dataset) -> list[str]:
    return reviews["text"][:40]
