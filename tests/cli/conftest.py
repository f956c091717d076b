"""Folders in which the command `hfal` is called: a file of texts, a tiny model, and a small run."""

from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerBase

from hfal.store.records import Queried, Query
from hfal.store.store import Store
from support.command import write_csv
from support.models import NAMES, tiny_model
from support.texts import load_reviews


SENTENCES = 90


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, tokenizer: PreTrainedTokenizerBase) -> Path:
    """A folder with a tiny model and real sentences: `reviews.csv` without, `labeled.csv` with labels."""
    home = tmp_path_factory.mktemp("somewhere")
    tiny_model().save_pretrained(home / "model")
    tokenizer.save_pretrained(home / "model")
    sentences = load_reviews(SENTENCES)
    rows = [(n, row["text"], NAMES[row["label"]]) for n, row in enumerate(sentences)]
    write_csv(home / "labeled.csv", ["number", "review", "sentiment"], rows)
    write_csv(home / "reviews.csv", ["number", "review"], [row[:2] for row in rows])
    return home


@pytest.fixture
def folder(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with copies of these files."""
    for name in ("reviews.csv", "labeled.csv"):
        (tmp_path / name).write_bytes((home / name).read_bytes())
    (tmp_path / "model").symlink_to(home / "model")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    return tmp_path


@pytest.fixture
def run_dir(folder: Path) -> Path:
    """A run with one query of three texts, nobody having answered, as `hfal run` leaves it."""
    store = Store(folder / "runs" / "small")
    store.set_meta("label_names", NAMES)
    plan = {"rounds": 3, "budget": 30, "strategy": "margin+kmeans", "query_size": 3, "target_metric": "accuracy"}
    store.set_meta("plan", {**plan, "target": 0.9, "pool_size": 20})
    examples = (Queried(name, f"hash {name}", {"text": f"text {name}"}, None, "positive", 0.87) for name in "abc")
    store.add_query(Query(0, "seed", "random", 0, tuple(examples)))
    (store.run_dir / "config.yaml").write_text("data: reviews.csv\n")
    store.close()
    return folder / "runs" / "small"
