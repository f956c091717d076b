"""Runs whose queries are written to files, and what people do to these files."""

import csv
import io
import json
from collections.abc import Container, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

from hfal.annotators.asking import ask
from hfal.annotators.file.annotator import FileAnnotator
from hfal.data.pool import Pool
from hfal.errors import AnswersPending
from hfal.store.records import SYNTHESIS, Queried, Query
from hfal.store.store import Store
from hfal.tasks.tags import tag_names
from hfal.tasks.words import words_of
from support.models import NAMES


Row = dict[str, Any]


def make_pool(run_dir: Path, texts: Sequence[str], **options: Any) -> Pool:
    return Pool(Dataset.from_dict({"text": texts}), run_dir, "text", **{"label_names": NAMES, **options})


TAGS = tag_names(["PER", "LOC", "ORG", "MISC"])
all_tasks = pytest.mark.parametrize(
    ("kind", "format"),
    [
        (kind, format)
        for kind in ("labels", "sets", "tags")
        for format in ("jsonl", "conll" if kind == "tags" else "csv")
    ],
)


class SetPool(Pool):
    """A pool in which a text may have several labels; where a test says "positive", it is the set of just that."""

    def labels(self, until: int | None = None) -> dict[str, Any]:
        return {i: name_of(label) for i, label in super().labels(until).items()}


class TagRun:
    """A run in which words are tagged, with as much of a pool as the tests below use.

    Where a test says "positive" its sentences begin with a person, and where it says "negative" nothing is in them.
    """

    def __init__(self, run_dir: Path, texts: Sequence[Any], ids: Sequence[str] | None = None, names: Any = TAGS):
        self.run_dir = run_dir
        self.texts_by_id = dict(zip(ids or [f"s{n}" for n in range(len(texts))], texts, strict=True))
        self.store = Store(run_dir)
        for key, value in [("task", "token_classification"), ("label_names", list(names)), ("scheme", "IOB2")]:
            self.store.set_meta(key, value)

    def labels(self) -> dict[str, str | None]:
        return {i: name_of(a.label) for i, a in self.store.current_answers().items() if a.label is not None}


def name_of(label: Any) -> str | None:
    if label in (["negative"], ["positive"]):
        return str(label[0])
    return ["negative", "positive"]["B-PER" in label] if isinstance(label, list) else label


def tags_for(said: Any, text: Any) -> Any:
    """What a person writes who means a label of a test."""
    name = said.strip() if isinstance(said, str) else said
    if not isinstance(text, list) or name not in NAMES:
        return said
    return [*(["B-PER"] if name == "positive" else ["O"]), *["O"] * (len(text) - 1)]


def ids_of(pool: Pool) -> list[str]:
    return list(pool.texts_by_id) if isinstance(pool, TagRun) else pool.ids.to_pylist()


def unlabeled_ids(pool: Pool) -> list[str]:
    if isinstance(pool, TagRun):
        asked = {e.example_id for query in pool.store.open_queries() for e in query.examples}
        return [i for i in ids_of(pool) if i not in asked | set(pool.store.current_answers())]
    return [ids_of(pool)[position] for position in sorted(pool.unlabeled_positions())]


def add_query(
    pool: Any, ids: Sequence[str], suggestion: Any = None, purpose: str = "round", made_up: Container[str] = ()
) -> Query:
    """Record a query for these examples, as a round's model, or nobody, would have made it."""
    confidence = None if suggestion is None else 0.123456
    if isinstance(pool, TagRun):
        examples = tuple(
            Queried(i, f"content of {i}", {"text": text}, None, tags_for(suggestion, words_of(text)), confidence)
            for i, text in ((i, pool.texts_by_id[i]) for i in ids)
        )
    else:
        suggestion = [suggestion] if suggestion and isinstance(pool, SetPool) else suggestion
        examples = tuple(
            Queried(i, pool.content(p), pool.texts([p])[0], None, suggestion, confidence)
            for i, p in zip(ids, pool.positions(ids), strict=True)
        )
    examples = tuple(replace(e, origin=SYNTHESIS) if e.example_id in made_up else e for e in examples)
    return pool.store.add_query(Query(0 if purpose == "seed" else 1, purpose, "random", 0, examples))


def read_rows(path: Path) -> list[Row]:
    """What the file says, read with nothing of hfal."""
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_bytes().decode("utf-8").rstrip("\n").split("\n")]
    if path.suffix == ".conll":
        return [_sentence(block.split("\n")) for block in path.read_bytes().decode("utf-8").split("\n\n") if block]
    return list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")))


def _sentence(lines: list[str]) -> Row:
    head = [line for line in lines if line.startswith("# ")]
    comments = {name: value.strip() for name, _, value in (line[2:].partition(" =") for line in head)}
    words, suggested, tags = ([*column] for column in zip(*(x.split("\t") for x in lines[len(head) :]), strict=True))
    given = comments["answer"] or ("" if "_" in tags else tags)
    return {**comments, "text": words, "suggestion": None if "_" in suggested else suggested, "label": given}


def write_rows(path: Path, rows: Sequence[Row], delimiter: str = ",", encoding: str = "utf-8-sig") -> None:
    rows = [row | {"label": tags_for(row["label"], row.get("text"))} if "label" in row else row for row in rows]
    if path.suffix == ".jsonl":
        path.write_bytes("".join(json.dumps(row) + "\n" for row in rows).encode())
        return
    if path.suffix == ".conll":
        path.write_bytes("".join(map(_in_columns, rows)).encode())
        return
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, rows[0].keys(), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    path.write_bytes(text.getvalue().encode(encoding))


def _in_columns(row: Row) -> str:
    none = ["_"] * len(row["text"])
    tags = row["label"] if isinstance(row["label"], list) else none
    head = {name: row[name] for name in ("id", "escaped", "comment") if name in row}
    lines = [f"# {n} = {v}" for n, v in {**head, "answer": "" if tags is not none else row["label"]}.items()]
    lines += map("\t".join, zip(row["text"], row["suggestion"] or none, tags, strict=True))
    return "\n".join(lines) + "\n\n"


def fill(path: Path, labels: dict[str, str]) -> None:
    """Fill in the labels of some ids, and leave the rest of the file as it is."""
    write_rows(path, [{**row, "label": labels.get(row["id"], row["label"])} for row in read_rows(path)])


def ask_in_vain(pool: Pool, annotator: FileAnnotator) -> str:
    """Ask when nothing can be answered yet; returns what the run then says."""
    with pytest.raises(AnswersPending) as stop:
        ask(pool.store, annotator)
    return stop.value.message


def write_query(pool: Pool, ids: Sequence[str], format: str = "jsonl", suggestion: str | None = None) -> Path:
    """Record a query for these examples; returns the file that now waits for their labels."""
    query = add_query(pool, ids, suggestion)
    ask_in_vain(pool, FileAnnotator(format))
    return pool.run_dir / f"query-{query.number:03d}.{format}"


def answers(pool: Pool) -> list[tuple[str, str, str | None]]:
    """The log: id, action and label."""
    return [(answer.example_id, answer.action, name_of(answer.label)) for answer in pool.store.answers()]


def annotator_says(pool: TagRun, path: Path) -> dict[str, Any]:
    """What is recorded of a filled file, and that nothing is left to ask."""
    ask(pool.store, FileAnnotator(path.suffix[1:]))
    return {i: a.label if a.action == "label" else a.action for i, a in pool.store.current_answers().items()}


RAW = "Ann Baker met नरेन्द्र मोदी in 北京."
RAW_TAGS = ["B-PER", "I-PER", "O", "B-PER", "I-PER", "O", "B-LOC", "I-LOC", "O"]


def set_pool(run_dir: Path, texts: Sequence[str], names: Sequence[str] = ("PER", "LOC", "ORG")) -> Pool:
    return make_pool(run_dir, texts, label_names=names, task="multi_label_classification")
