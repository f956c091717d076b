"""Exports of tags of words and of sets of labels."""

import json
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from datasets import ClassLabel, Features, List, Value

from hfal.data.references import resolve_path
from hfal.export.labels import export_labels
from hfal.tasks.conll import read_file
from hfal.tasks.spans import spans_from_tags
from hfal.tasks.words import words_of
from hfal.utils.csv_files import restore
from support.exports import FORMATS, TAG_FORMATS, TAGS, Row, add_query, answer, load, make_store, read_conll, set_store


# -- tags of words -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tagged(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """200 sentences of CoNLL-2003, half of them held out, in words and as raw text, and their exports."""
    folder = tmp_path_factory.mktemp("tagged")
    gold = list(islice(read_file(resolve_path("package:neuroner/data/conll2003/en/train.txt")), 200))
    ids = [f"s{n}" for n in range(200)]
    story: dict[str, Any] = {"folder": folder, "rows": {}}
    for kind in ("words", "raw"):
        store = make_store(folder / f"run of {kind}", of_tags=True)
        texts = [row["tokens"] if kind == "words" else " ".join(row["tokens"]) for row in gold]
        tags = [row["ner_tags"] for row in gold]
        if kind == "raw":  # whose words are not those of CoNLL everywhere
            tags = [[("B-LOC", "I-LOC", "O")[min(n % 5, 2)] for n in range(len(words_of(text)))] for text in texts]
        rows = []
        for part, purpose in [(range(100), "holdout"), (range(100, 200), "round")]:
            for n in part:  # one query each, since each has a suggestion of its own
                suggestion = None if purpose == "holdout" else ["B-PER"] + ["O"] * (len(words_of(texts[n])) - 1)
                add_query(store, [ids[n]], purpose, texts=[{"text": texts[n]}], suggestion=suggestion, as_words=True)
                answer(store, ids[n], tags[n])
                row = {"id": ids[n], "text": texts[n], "label": tags[n], "al_suggestion": suggestion}
                row["al_split"] = "test" if purpose == "holdout" else "train"
                if kind == "raw":
                    row |= {"tokens": words_of(texts[n]), "spans": spans_from_tags(texts[n], tags[n])}
                rows.append(row)
        story["rows"][kind] = rows
        for format in TAG_FORMATS:
            export_labels(store.run_dir, folder / f"{kind}.{format}")
            export_labels(store.run_dir, folder / f"{kind} {format}", format)
    paths = [folder / f"{kind}{dot}{format}" for kind in story["rows"] for dot in ". " for format in TAG_FORMATS[:2]]
    return story | {"loaded": dict(zip(paths, load(folder, *paths), strict=True))}


@pytest.mark.parametrize("kind", ["words", "raw"])
@pytest.mark.parametrize("format", ["parquet", "jsonl"])
def test_tags_are_loaded_as_they_were_recorded(tagged: dict[str, Any], kind: str, format: str) -> None:
    rows = tagged["rows"][kind]
    splits = tagged["loaded"][tagged["folder"] / f"{kind}.{format}"]
    assert [{name: row[name] for name in rows[0]} for row in splits["train"]] == rows
    splits = tagged["loaded"][tagged["folder"] / f"{kind} {format}"]
    for split in ("train", "test"):
        expected = [row for row in rows if row["al_split"] == split]
        assert len(expected) == 100
        assert [{name: row[name] for name in rows[0]} for row in splits[split]] == expected


@pytest.mark.parametrize("kind", ["words", "raw"])
def test_conll_has_words_and_tags(tagged: dict[str, Any], kind: str) -> None:
    rows = tagged["rows"][kind]
    expected = {row["id"]: (row.get("tokens", row["text"]), row["label"]) for row in rows}
    assert read_conll(tagged["folder"] / f"{kind}.conll") == expected
    again = list(read_file(tagged["folder"] / f"{kind}.conll"))  # as the data of another run
    assert [(row["tokens"], row["ner_tags"]) for row in again] == list(expected.values())
    for split in ("train", "test"):
        ids = [row["id"] for row in rows if row["al_split"] == split]
        assert list(read_conll(tagged["folder"] / f"{kind} conll" / f"{split}.conll")) == ids


@pytest.mark.parametrize("kind", ["words", "raw"])
def test_parquet_of_tags_has_the_types_of_datasets(tagged: dict[str, Any], kind: str) -> None:
    words = List(Value("string"))
    types: dict[str, Any] = {"id": Value("string"), "text": words if kind == "words" else Value("string")}
    if kind == "raw":
        span = {"start": Value("int64"), "end": Value("int64"), "label": Value("string")}
        types |= {"tokens": words, "spans": List(span)}
    types |= {"label": List(ClassLabel(names=TAGS)), "al_split": Value("string")}
    types |= {name: Value("int32") for name in ("al_query", "al_round", "al_rank")} | {"al_score": Value("float64")}
    types |= {"al_strategy": Value("string"), "al_suggestion": words, "al_confidence": Value("float64")}
    types |= {"al_annotator": Value("string"), "al_comment": Value("string")}
    features = Features(types | {"al_labeled_at": Value("timestamp[us, tz=UTC]")})
    schema = pq.read_schema(tagged["folder"] / f"{kind}.parquet")
    assert schema.equals(features.arrow_schema)
    assert schema.metadata == features.arrow_schema.metadata
    assert Features.from_arrow_schema(schema) == features
    (line, *_) = (tagged["folder"] / f"{kind}.jsonl").read_text("utf-8").splitlines()
    assert list(json.loads(line)) == list(features)


def test_columns_called_as_those_of_raw_text(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for number, (text, expected) in enumerate(
        [
            ({"tokens": ["Ann"]}, {"tokens": ["Ann"]}),
            ({"spans": ["Ann"]}, {"spans": ["Ann"]}),
            ({"tokens": "Ann"}, {"text_tokens": "Ann", "tokens": ["Ann"]}),
            ({"spans": "Ann"}, {"text_spans": "Ann", "tokens": ["Ann"]}),
        ]
    ):
        store = make_store(tmp_path / f"run{number}", of_tags=True)
        add_query(store, ["x"], texts=[text], as_words=True)
        answer(store, "x", "positive")
        for format in TAG_FORMATS:
            export_labels(store.run_dir, tmp_path / f"labels{number}.{format}")
        row = json.loads((tmp_path / f"labels{number}.jsonl").read_text())
        assert {name: row[name] for name in expected} == expected
        if "tokens" in expected and len(expected) == 2:
            assert row["spans"] == [{"start": 0, "end": 3, "label": "PER"}]
        assert read_conll(tmp_path / f"labels{number}.conll") == {"x": (["Ann"], ["B-PER"])}
    assert "the text column 'tokens' is called 'text_tokens' in the export, which has a 'tokens'" in caplog.text


def test_sentences_that_came_in_words_later(tmp_path: Path) -> None:
    store = make_store(tmp_path / "run", of_tags=True)
    add_query(store, ["raw"], texts=[{"text": "Ann."}], as_words=True)
    add_query(store, ["words"], texts=[{"sentence": ["Ann", "."]}], as_words=True)
    for i in ("raw", "words"):
        answer(store, i, "positive")
    paths = [tmp_path / f"labels.{format}" for format in TAG_FORMATS]
    for path in paths:
        export_labels(store.run_dir, path)
    for splits in load(tmp_path, *paths[:2]):
        raw, words = splits["train"]
        assert (raw["text"], raw["sentence"], raw["tokens"], words["text"]) == ("Ann.", None, ["Ann", "."], None)
        assert (words["sentence"], words["tokens"], words["spans"]) == (["Ann", "."], None, None)
    assert read_conll(paths[2]) == dict.fromkeys(["raw", "words"], (["Ann", "."], ["B-PER", "O"]))


def test_skipped_sentences_and_those_without_words(tmp_path: Path) -> None:
    store = make_store(tmp_path / "run", of_tags=True)
    add_query(store, ["skipped", "empty", "full"], texts=[{"text": ["x"]}, {"text": []}, {"text": ["Ann"]}])
    answer(store, "skipped", None, action="skip")
    answer(store, "empty", [])
    answer(store, "full", ["B-PER"])
    paths = [tmp_path / f"labels.{format}" for format in TAG_FORMATS]
    for path in paths * 2:  # also over itself
        assert export_labels(store.run_dir, path) == {path: 2}
    for splits in load(tmp_path, *paths[:2]):
        assert [(row["id"], row["label"]) for row in splits["train"]] == [("empty", []), ("full", ["B-PER"])]
    assert paths[2].read_text() == "# id = empty\n\n# id = full\nAnn\tB-PER\n\n"


# -- sets of labels ------------------------------------------------------------------------------------------------


TYPES = ["LOC", "MISC", "ORG", "PER"]


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """80 sentences of CoNLL-2003 with the types of entities in them, half of them held out, and their exports."""
    folder = tmp_path_factory.mktemp("sets")
    store = set_store(folder / "run", TYPES)
    rows: list[Row] = []
    for n, sentence in enumerate(islice(read_file(resolve_path("package:neuroner/data/conll2003/en/train.txt")), 80)):
        text, types = " ".join(sentence["tokens"]), {tag[2:] for tag in sentence["ner_tags"] if tag != "O"}
        suggestion = None if n < 40 else TYPES[n % 5 :]
        purpose = "holdout" if n < 40 else "round"
        add_query(store, [f"s{n}"], purpose, texts=[{"text": text}], suggestion=suggestion)
        answer(store, f"s{n}", list(types))
        row = {"id": f"s{n}", "text": text, "label": sorted(types), "al_suggestion": suggestion}
        rows.append(row | {"al_split": "test" if n < 40 else "train"})
    assert {len(row["label"]) for row in rows} >= {0, 1, 2, 3}
    paths = [folder / f"labels.{format}" for format in FORMATS] + [folder / f"in {format}" for format in FORMATS]
    for path in paths:
        export_labels(store.run_dir, path, None if path.suffix else path.name.removeprefix("in "))
    return {"folder": folder, "rows": rows, "loaded": dict(zip(paths, load(folder, *paths), strict=True))}


@pytest.mark.parametrize("format", FORMATS)
def test_sets_are_loaded_as_they_were_recorded(sets: dict[str, Any], format: str) -> None:
    def in_csv(row: Row) -> Row:
        cells = {name: row[name] if row[name] is None else " | ".join(row[name]) or "none" for name in lists}
        return {**row, **cells}

    def read(row: Row) -> Row:
        found = {name: row[name] for name in expected[0]}
        if format == "csv":
            found |= {"text": restore(row["text"]), "al_suggestion": row["al_suggestion"] or None}
        return found

    lists = ("label", "al_suggestion")
    expected = [in_csv(row) for row in sets["rows"]] if format == "csv" else sets["rows"]
    splits = sets["loaded"][sets["folder"] / f"labels.{format}"]
    assert list(map(read, splits["train"])) == expected
    splits = sets["loaded"][sets["folder"] / f"in {format}"]
    for split in ("train", "test"):
        assert list(map(read, splits[split])) == [row for row in expected if row["al_split"] == split]


def test_parquet_of_sets_has_the_types_of_datasets(sets: dict[str, Any]) -> None:
    features = Features.from_arrow_schema(pq.read_schema(sets["folder"] / "labels.parquet"))
    assert features["label"] == List(ClassLabel(names=TYPES))
    assert features["al_suggestion"] == List(Value("string"))
