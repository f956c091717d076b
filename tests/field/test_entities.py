"""Reports on sentences with entities, as labeling tools and data sets have them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from datasets import ClassLabel, Dataset, Features, LargeList, List, Sequence, Value
from transformers import DataCollatorForTokenClassification

from hfal import ActiveLearningCallback, Pool, SimulatedAnnotator, entity_metrics
from hfal.config.arguments import ActiveLearningArguments
from hfal.config.load_data import LoadedData, load_data
from hfal.errors import ArgumentError
from support.texts import load_sentences, load_tokenizer


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Any]]:
    """A function that reads rows, or a whole file, as `hfal run` does, and returns the tags of each."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")

    def read(rows: Any, label: str, text: str = "text", **options: Any) -> list[Any]:
        loaded = load(tmp_path, rows, label, text, **options)
        pool = Pool(loaded.pool, tmp_path / "run", text, label, loaded.labels, task=loaded.task)
        return [pool.hidden_label(example_id) for example_id in pool.ids.to_pylist()]

    return read


def load(folder: Path, rows: Any, label: str, text: str = "text", **options: Any) -> LoadedData:
    path = folder / ("rows.jsonl" if isinstance(rows, list) else "rows.json")
    path.write_text("\n".join(map(json.dumps, rows)) if isinstance(rows, list) else json.dumps(rows), "utf-8")
    arguments = ActiveLearningArguments(data=str(path), text=[text], label=label, **options)
    return load_data(arguments, folder / "run", seed=0)


ANN = "Ann Lee met IBM"
ANN_TAGS = ["B-PER", "I-PER", "O", "B-ORG"]


@pytest.mark.parametrize(
    ("label", "spans"),
    [
        # https://github.com/doccano/doccano/issues/1291
        ("labels", [[0, 7, "PER"], [12, 15, "ORG"]]),
        # https://github.com/doccano/doccano/pull/46
        ("entities", [[12, 15, "ORG"], [0, 7, "PER"]]),
        # https://github.com/doccano/doccano/pull/1703
        (
            "entities",
            [
                {"id": 0, "start_offset": 0, "end_offset": 7, "label": "PER"},
                {"id": 1, "start_offset": 12, "end_offset": 15, "label": "ORG"},
            ],
        ),
        # https://github.com/HumanSignal/label-studio-converter/issues/53
        (
            "label",
            [
                {"start": 0, "end": 7, "text": "Ann Lee", "labels": ["PER"]},
                {"start": 12, "end": 15, "text": "IBM", "labels": ["ORG"]},
            ],
        ),
        # https://github.com/explosion/spaCy/issues/12370
        ("ents", [{"start": "0", "end": "7", "type": "PER"}, {"start": "12", "end": "15", "type": "ORG"}]),
        # https://github.com/explosion/spaCy/issues/12649
        ("annotations", [[0, 7, ["PER"]], [12, 15, ["ORG"]]]),
        # https://github.com/explosion/spaCy/pull/7197
        ("annotation", {"entities": [[0, 7, "PER"], [12, 15, "ORG"]]}),
        (
            "annotation",
            {"entities": [{"start": 0, "end": 7, "label": "PER"}, {"start": 12, "end": 15, "label": "ORG"}]},
        ),
    ],
)
def test_spans_as_tools_write_them(read: Callable[..., list[Any]], label: str, spans: Any) -> None:
    empty = {"entities": []} if isinstance(spans, dict) else []
    rows = [{"text": ANN, label: spans}, {"text": "Rain", label: empty}, {"text": "No one said", label: None}]
    assert read(rows, label) == [ANN_TAGS, ["O"], None]


def test_pairs_of_texts_and_entities(read: Callable[..., list[Any]]) -> None:
    # https://github.com/tecoholic/ner-annotator/issues/44
    pairs = [[ANN, {"entities": [[0, 7, "PER"], [12, 15, "ORG"]]}], ["Rain", {"entities": []}]]
    assert read({"classes": ["PER", "ORG"], "annotations": pairs}, "entities") == [ANN_TAGS, ["O"]]


@pytest.mark.parametrize(
    ("text", "spans", "message"),
    [
        # https://github.com/flairNLP/flair/issues/2010
        (
            "Ferries leave each 2 days",
            [[14, 25, "DATE"], [19, 25, "DATE"]],
            "row 2: the spans 14 to 25 (DATE, 'each 2 days') and 19 to 25 (DATE, '2 days') overlap",
        ),
        # https://github.com/argilla-io/argilla/issues/3564
        (
            "Queen Elizabeth II",
            [[0, 18, "PER"], [0, 18, "TITLE"]],
            "row 2: the spans 0 to 18 (PER, 'Queen Elizabeth II') and 0 to 18 (TITLE, 'Queen Elizabeth II') overlap",
        ),
        # https://github.com/explosion/spaCy/issues/5727
        ("Marie lives in Basel", [[0, 4, "PER"]], "row 2: the span 0 to 4 (PER, 'Mari') does not begin and end"),
        # https://github.com/DataTurks-Engg/Entity-Recognition-In-Resumes-SpaCy/issues/22
        ("Ann Lee sleeps", [[3, 7, "PER"]], "row 2: the span 3 to 7 (PER, ' Lee') does not begin and end with a word"),
        # https://github.com/explosion/spaCy/issues/5739
        (
            "Never mind",
            [[310, 322, "BRAND"]],
            "row 2: the span 310 to 322 (BRAND) is outside the text of 10 characters",
        ),
        ("Never mind", [[5, 0, "BRAND"]], "row 2: the span 5 to 0 (BRAND) is the wrong way round"),
        # https://github.com/explosion/spaCy/issues/12649
        ("Never mind", [[0, 5, ["A", "B"]]], "row 2: the span 0 to 5 in column 'label' has the label"),
        # https://github.com/doccano/doccano/issues/113
        (
            "Ann sings",
            [{"label": 3, "start_offset": 0, "end_offset": 3}],
            "row 2: the span 0 to 3 in column 'label' has the label 3, expected one name",
        ),
    ],
)
def test_spans_that_mean_no_entities_are_refused_with_their_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, spans: list[Any], message: str
) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    first = {**spans[0], "start_offset": 0, "end_offset": 1} if isinstance(spans[0], dict) else [0, 1, spans[0][2]]
    rows = [{"text": "I", "label": []}, {"text": text, "label": spans}, {"text": "I", "label": [first]}]
    with pytest.raises(ArgumentError) as error:
        load(tmp_path, rows, "label", task="token_classification")
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("label", "remove"),
    [
        *((name, True) for name in ("label", "labels", "label_ids", "ner_tags", "tags", "entities")),
        ("label", False),
        ("ner_tags", False),
    ],
)
def test_a_column_of_tags_may_have_any_name(tmp_path: Path, make_trainer: Callable, label: str, remove: bool) -> None:
    # https://github.com/huggingface/transformers/pull/13057
    # https://github.com/huggingface/transformers/issues/12631
    names = {"ner_tags": label, "tokens": "words"}
    data = load_sentences(40).rename_columns({old: new for old, new in names.items() if old != new})
    pool = Pool(data.select(range(30)), tmp_path / "run", "words", label)
    evaluated = pool.with_labels(data.select(range(30, 40)))
    pad = DataCollatorForTokenClassification(load_tokenizer())

    def collate(rows: list[dict[str, Any]]) -> Any:
        columns = ("input_ids", "attention_mask", pool.label_column if remove else "labels", "labels")
        return pad([{name: row[name] for name in columns if name in row} for row in rows])

    active = ActiveLearningCallback(pool, strategy="mnlp", annotator=SimulatedAnnotator(pool), query_size=8)
    trainer = make_trainer(
        [active],
        of_words=True,
        data_collator=pad if remove else collate,
        eval_dataset=evaluated,
        eval_strategy="epoch",
        remove_unused_columns=remove,
        compute_metrics=entity_metrics(pool.label_names),
    )
    assert [record.labels for record in active.run(trainer, rounds=2)] == [8, 16]
    assert 0 <= pool.store.rounds()[-1].metrics["eval_f1"] <= 1


@pytest.mark.parametrize("text", ["text", "tokens", "words", "sentence"])
def test_words_may_be_in_a_column_of_any_name(read: Callable[..., list[Any]], text: str) -> None:
    # https://github.com/huggingface/datasets/pull/850
    rows = [{text: ["Ann", "Lee"], "ner": ["B-PER", "I-PER"]}, {text: ["Rain"], "ner": ["O"]}]
    assert read(rows, "ner", text) == [["B-PER", "I-PER"], ["O"]]


SPANS = [[(0, 7, "PER"), (12, 15, "ORG")], [], [(0, 4, "PER")]]
TEXTS = [ANN, "Rain", "Mary had a lamb"]


@pytest.mark.parametrize("kind", ["string", "large_string", "string_view", "class"])
@pytest.mark.parametrize("outer", ["list", "large list", "sequence", "under a name", "triples"])
def test_the_types_that_columns_of_spans_have(tmp_path: Path, kind: str, outer: str) -> None:
    # https://github.com/huggingface/datasets/issues/7501
    label = ClassLabel(names=["PER", "ORG"]) if kind == "class" else Value(kind)
    span = {"start": Value("int32"), "end": Value("int64"), "label": label}
    cells: list[Any] = [[dict(zip(span, one, strict=True)) for one in spans] for spans in SPANS]
    feature: Any = {
        "list": List(span),
        "large list": LargeList(span),
        "sequence": Sequence(span),
        "under a name": {"spans": List(span)},
        "triples": List(List(Value("string" if kind == "class" else kind))),
    }[outer]
    if outer == "sequence":
        cells = [{key: [one[key] for one in spans] for key in span} for spans in cells]
    elif outer == "under a name":
        cells = [{"spans": spans} for spans in cells]
    elif outer == "triples":
        cells = [[list(map(str, one)) for one in spans] for spans in SPANS]
    features = Features({"text": Value("string"), "found": feature})
    pool = Pool(Dataset.from_dict({"text": TEXTS, "found": cells}, features), tmp_path / "run", "text", "found")
    tags = [pool.hidden_label(example_id) for example_id in pool.ids.to_pylist()]
    assert tags == [ANN_TAGS, ["O"], ["B-PER", "O", "O", "O"]]


@pytest.mark.parametrize("kind", ["string", "large_string", "string_view"])
@pytest.mark.parametrize("outer", [List, LargeList, Sequence])
def test_the_types_that_columns_of_tags_have(tmp_path: Path, kind: str, outer: Any) -> None:
    # https://github.com/huggingface/datasets/pull/850
    rows = {"tokens": [ANN.split(), ["Rain"]], "tags": [ANN_TAGS, ["O"]]}
    features = Features({"tokens": outer(Value("string")), "tags": outer(Value(kind))})
    pool = Pool(Dataset.from_dict(rows, features), tmp_path / "run", "tokens", "tags")
    assert [pool.hidden_label(example_id) for example_id in pool.ids.to_pylist()] == rows["tags"]
