"""Options as `hfal run` reads them, and a pool of forty texts."""

from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

from hfal import Pool
from hfal.config.arguments import ActiveLearningArguments
from hfal.config.kept_config import parse_arguments
from hfal.config.training_arguments import RoundTrainingArguments
from support.models import NAMES
from support.options import BOTH


@pytest.fixture
def parse(tmp_path: Path) -> Any:
    """A function that parses a YAML text and more arguments, as `hfal run` does."""

    def parse(yaml: str, *more: str) -> tuple[ActiveLearningArguments, RoundTrainingArguments]:
        path = tmp_path / "config.yaml"
        path.write_text(yaml, encoding="utf-8")
        return parse_arguments(BOTH, [str(path), *more])

    return parse


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    data = Dataset.from_dict({"text": [f"text {n}" for n in range(40)]})
    return Pool(data, tmp_path / "runs" / "reviews", "text", label_names=NAMES)
