"""Runs whose queries are written to files."""

from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

from support.models import NAMES
from support.query_files import SetPool, TagRun, make_pool


@pytest.fixture
def texts(reviews: Dataset) -> list[str]:
    return reviews["text"][:8]


@pytest.fixture
def kind() -> str:
    return "labels"


@pytest.fixture
def pool(tmp_path: Path, texts: list[str], kind: str) -> Any:
    if kind == "tags":
        return TagRun(tmp_path / "run", [text.split() for text in texts])
    if kind == "sets":
        data = Dataset.from_dict({"text": texts})
        return SetPool(data, tmp_path / "run", "text", label_names=NAMES, task="multi_label_classification")
    return make_pool(tmp_path / "run", texts)
