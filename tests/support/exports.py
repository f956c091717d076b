"""Runs to export, and what plain `datasets` finds in their exports."""

import csv
import io
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from hfal.store.records import Answer, Queried, Query
from hfal.store.store import Store
from hfal.tasks.tags import tag_names
from hfal.tasks.words import words_of
from support.models import NAMES


FORMATS = ["parquet", "jsonl", "csv"]
TAG_FORMATS = ["parquet", "jsonl", "conll"]
TAGS = tag_names(["PER", "LOC", "ORG", "MISC"])
both_tasks = pytest.mark.parametrize(
    ("format", "of_tags"),
    [(format, False) for format in FORMATS] + [(format, True) for format in TAG_FORMATS],
    ids=[*FORMATS, *(f"{format} of tags" for format in TAG_FORMATS)],
)
Row = dict[str, Any]
_LOAD = """
import json, sys, tempfile
import datasets

datasets.disable_progress_bars()
loaded = {}
for name, path, options in json.load(sys.stdin):
    data = datasets.load_dataset(path, cache_dir=tempfile.mkdtemp(dir=sys.argv[1]), **options)
    loaded[name] = {split: part.to_list() for split, part in data.items()}
    for split, part in data.items():
        label = part.features.get("label")
        label = getattr(label, "feature", label)  # of a list of them
        for row in loaded[name][split] if isinstance(label, datasets.ClassLabel) else []:
            row["label"] = label.int2str(row["label"])
assert "hfal" not in sys.modules
json.dump(loaded, sys.stdout, default=lambda time: time.isoformat(timespec="microseconds"))
"""


def load(tmp_path: Path, *exports: Path) -> list[dict[str, list[Row]]]:
    """What `datasets.load_dataset`, in a process without hfal, finds in some exports: the rows of each split."""
    wanted = []
    for number, path in enumerate(exports):
        is_csv = path.suffix == ".csv" or any(path.glob("*.csv"))
        options = {"keep_default_na": False} if is_csv else {}
        if path.is_dir():
            wanted.append((number, str(path), options))
        else:
            name = {".jsonl": "json", ".json": "json"}.get(path.suffix, path.suffix[1:])
            wanted.append((number, name, {"data_files": str(path), **options}))
    done = subprocess.run(
        [sys.executable, "-c", _LOAD, str(tmp_path)],
        input=json.dumps(wanted),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    loaded = json.loads(done.stdout)
    return [loaded[str(number)] for number in range(len(exports))]


def make_store(run_dir: Path, label_names: Sequence[str] | None = None, of_tags: bool = False) -> Store:
    store = Store(run_dir)
    store.set_meta("label_names", list(label_names or (TAGS if of_tags else NAMES)))
    if of_tags:
        store.set_meta("task", "token_classification")
        store.set_meta("scheme", "IOB2")
    return store


def has_tags(store: Store) -> bool:
    return store.meta("task") == "token_classification"


def add_query(store: Store, ids: Sequence[str], purpose: str = "round", round_number: int = 1, **about: Any) -> Query:
    """Record a query for these examples, whose text is "text of ID" unless `texts` says otherwise."""
    texts = about.pop("texts", None) or [{"text": f"text of {i}"} for i in ids]
    if has_tags(store) and "as_words" not in about:
        texts = [{name: text.split() if isinstance(text, str) else text for name, text in t.items()} for t in texts]
    about.pop("as_words", None)
    examples = (Queried(i, f"content of {i}", text, **about) for i, text in zip(ids, texts, strict=True))
    strategy = "random" if round_number == 0 else "margin+kmeans"
    return store.add_query(Query(round_number, purpose, strategy, 0, tuple(examples)))


def answer(store: Store, example_id: str, label: Any, annotator: str = "anna", **about: Any) -> Answer:
    """Record an answer; where words are tagged a positive sentence begins with a person."""
    if has_tags(store) and label in NAMES:
        (text,) = store.texts(example_id).values()
        label = ["B-PER" if label == "positive" else "O"] + ["O"] * (len(words_of(text)) - 1)
    recorded = store.record(Answer(example_id, label, annotator=annotator, **about))
    assert recorded is not None
    return recorded


def small_run(run_dir: Path, of_tags: bool = False) -> Store:
    """A run with a held-out label, two others, and an example without a label."""
    store = make_store(run_dir, of_tags=of_tags)
    add_query(store, ["h"], "holdout", 0)
    add_query(store, ["a", "b", "c"], "seed", 0)
    answer(store, "h", "negative", query=1)
    answer(store, "a", "positive", query=2)
    answer(store, "b", "negative", query=2)
    return store


def set_store(run_dir: Path, names: Sequence[str]) -> Store:
    store = make_store(run_dir, names)
    store.set_meta("task", "multi_label_classification")
    return store


def ids_in(path: Path) -> list[str]:
    if path.suffix == ".parquet":
        return pq.read_table(path)["id"].to_pylist()
    if path.suffix == ".jsonl":
        return [json.loads(line)["id"] for line in path.read_text("utf-8").splitlines()]
    if path.suffix == ".conll":
        return re.findall("^# id = (.*)$", path.read_text("utf-8"), re.MULTILINE)
    return [row["id"] for row in csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline=""))]


def read_conll(path: Path) -> dict[str, tuple[list[str], list[str]]]:
    """What a CoNLL file says, read with nothing of hfal, so without any escapes."""
    found = {}
    for block in path.read_bytes().decode().removesuffix("\n\n").split("\n\n"):
        head, *rows = block.split("\n")
        words, tags = ([*column] for column in zip(*(row.split("\t") for row in rows), strict=True))
        found[head.removeprefix("# id = ")] = (words, tags)
    return found


def without_blanks(row: Row) -> Row:
    """A row without its missing values, which are `None`, or nothing in a CSV file."""
    return {name: value for name, value in row.items() if value not in (None, "")}


class Texts:
    """Examples with these ids, as `add_query` has them."""

    def __init__(self, ids: Sequence[str]):
        self.ids = ids

    def examples(self):
        return ((i, {"text": f"text of {i}"}) for i in self.ids)

    def all_shown(self):
        return ({} for _ in self.ids)
