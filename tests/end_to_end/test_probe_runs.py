"""`hfal run --start_from_probe`, for each task, with an encoder small enough to be trained in a second."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from transformers import AutoModelForSequenceClassification

from hfal.store.store import Store
from support.command import Result
from support.models import MINILM, save_tiny_encoder
from support.texts import save_small_files


ROOT = Path(__file__).parents[2]
QUICK = ["--start_from_probe", "--query_size", "8", "--use_cpu", "--max_steps", "3", "--eval_size", "20"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    save_small_files(tmp_path)
    save_tiny_encoder(tmp_path / "encoder", "mean", normalize=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    return tmp_path


def models_of(run_dir: Path) -> list[str]:
    """The class of the model that made each round's query."""
    store = Store(run_dir, read_only=True)
    found = [query.model.split(" ")[0] for query in store.queries() if query.purpose == "round"]
    store.close()
    return found


def test_texts_and_a_run_that_goes_on_with_another_model(hfal: Callable[..., Result], folder: Path) -> None:
    run = ["run", "--data", "reviews.jsonl", "--label", "label", "--model", "encoder", *QUICK]
    done = hfal(*run, "--head_learning_rate_factor", "20", "--rounds", "3")
    assert done.code == 0, done.stderr
    run_dir = folder / "runs" / "reviews"
    model = AutoModelForSequenceClassification.from_pretrained(run_dir / "rounds" / "003" / "model")
    assert type(model).__name__ == "PooledClassifierForSequenceClassification"
    assert model.config.head_learning_rate_factor == 20
    assert (model.config.pooling, model.config.normalize) == ("mean", True)
    assert model.classifier.weight.abs().max() > 0
    assert models_of(run_dir) == ["PooledClassifierForSequenceClassification"] * 2
    assert yaml.safe_load((run_dir / "config.yaml").read_text())["start_from_probe"] is True

    done = hfal("run", "runs/reviews", "--start_from_probe", "false", "--rounds", "4")
    assert done.code == 1
    assert "--head_learning_rate_factor is 20.0, which is for --start_from_probe" in done.stderr
    changed = ["--start_from_probe", "false", "--head_learning_rate_factor", "1"]
    done = hfal("run", "runs/reviews", *changed, "--rounds", "4")
    assert done.code == 0, done.stderr
    assert "round 3 is trained again: another model is to make its query" in done.stderr
    assert models_of(run_dir)[2:] == ["BertForSequenceClassification"]


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (["--data", "topics.jsonl", "--label", "topics"], "PooledClassifierForSequenceClassification"),
        (
            ["--data", "news.jsonl", "--text", "tokens", "--label", "ner_tags"],
            "PooledClassifierForTokenClassification",
        ),
    ],
    ids=["sets of labels", "entities"],
)
def test_other_tasks(hfal: Callable[..., Result], folder: Path, options: list[str], name: str) -> None:
    done = hfal("run", *options, "--model", "encoder", *QUICK, "--rounds", "2", "--output_dir", "run")
    assert done.code == 0, done.stderr
    assert re.search(r"^ +2 +16 ", done.stdout, re.MULTILINE)
    assert models_of(folder / "run") == [name]


@pytest.mark.slow
def test_two_processes(folder: Path) -> None:
    """Each makes the same model; the Trainer would tell one that differs in shape, and gives all the main one's."""
    words = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    words += ["-m", "recipes.text_classification", "--data", str(folder / "reviews.jsonl"), "--label", "label"]
    words += ["--model", str(folder / "encoder"), *QUICK, "--rounds", "3", "--output_dir", str(folder / "run")]
    done = subprocess.run(
        words,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert models_of(folder / "run") == ["PooledClassifierForSequenceClassification"] * 2


@pytest.mark.parametrize("options", [[], ["--start_from_probe"], ["--freeze_encoder"]])
def test_a_model_of_it_is_no_encoder(hfal: Callable[..., Result], folder: Path, options: list[str]) -> None:
    run = ["run", "--data", "reviews.jsonl", "--label", "label", "--query_size", "8", "--use_cpu", "--max_steps", "1"]
    done = hfal(*run, "--model", "encoder", "--start_from_probe", "--rounds", "1", "--output_dir", "first")
    assert done.code == 0, done.stderr
    model = str(folder / "first" / "rounds" / "001" / "model")
    done = hfal(*run, "--model", model, *options, "--output_dir", "second")
    assert done.code == 1
    assert "a hfal_pooled_classifier, of which transformers has no AutoModel: name a text model" in done.stderr


def test_better_than_chance_after_few_steps_of_the_real_encoder(hfal: Callable[..., Result], folder: Path) -> None:
    """One step of a learning rate of nearly nothing: what is evaluated is the probe."""
    run = ["run", "--data", "reviews.jsonl", "--label", "label", "--model", MINILM, "--start_from_probe", "--use_cpu"]
    run += ["--rounds", "1", "--query_size", "50", "--eval_size", "40", "--max_steps", "1", "--learning_rate", "1e-9"]
    done = hfal(*run)
    assert done.code == 0, done.stderr
    store = Store(folder / "runs" / "reviews", read_only=True)
    (record,) = store.rounds()
    store.close()
    assert record.metrics["eval_accuracy"] > 0.6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--freeze_encoder", "--start_from_probe"],
            "--start_from_probe fine-tunes the encoder that --freeze_encoder",
        ),
        (["--head_learning_rate_factor", "2"], "--head_learning_rate_factor is 2.0, which is for --start_from_probe"),
        (
            ["--start_from_probe", "--head_learning_rate_factor", "0"],
            "--head_learning_rate_factor is 0.0, expected a number above 0",
        ),
        (["--start_from_probe", "--head_learning_rate_factor", "nan"], "--head_learning_rate_factor"),
    ],
)
def test_options_that_do_not_go_together(
    hfal: Callable[..., Result], folder: Path, options: list[str], message: str
) -> None:
    done = hfal("run", "--data", "reviews.jsonl", "--label", "label", "--model", "encoder", *options)
    assert done.code == 1
    assert message in done.stderr
    assert done.stderr.strip().count("\n") == 0
    assert not (folder / "runs").exists()
