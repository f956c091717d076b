"""What comparisons are made of, and one with figures that one knows."""

import shutil
from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerBase

from support.command import write_csv
from support.made_grid import make_grid
from support.models import NAMES, tiny_model
from support.texts import load_reviews


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, tokenizer: PreTrainedTokenizerBase) -> Path:
    """A folder with a tiny model and labeled sentences."""
    home = tmp_path_factory.mktemp("compare")
    tiny_model().save_pretrained(home / "model")
    tokenizer.save_pretrained(home / "model")
    write_csv(
        home / "labeled.csv", ["review", "sentiment"], [(r["text"], NAMES[r["label"]]) for r in load_reviews(90)]
    )
    return home


@pytest.fixture
def folder(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with copies of these files."""
    shutil.copy(home / "labeled.csv", tmp_path)
    (tmp_path / "model").symlink_to(home / "model")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_grid(tmp_path_factory.mktemp("grid"))


@pytest.fixture
def changed(grid: Path, tmp_path: Path) -> Path:
    """A copy of the comparison, to be changed."""
    return Path(shutil.copytree(grid, tmp_path / "changed"))
