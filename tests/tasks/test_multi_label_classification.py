"""Pools of texts with several labels: what the Trainer gets, what is suggested."""

import csv
import json
from typing import Any

import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset, List, Value
from transformers import BertForSequenceClassification, DataCollatorWithPadding, set_seed

from hfal import ActiveLearningCallback, FileAnnotator, Hybrid, LabelRank, LabelScore, Pool, SimulatedAnnotator
from hfal.acquisition.scoring import ScoringPass
from hfal.data.references import load_split
from hfal.errors import AnnotationError, AnswersPending, ArgumentError, DivergedError
from hfal.store.records import Answer
from hfal.tasks.metrics import label_set_metrics
from support.label_set_tables import ORDERED, SETS, TYPES, table, tokenized
from support.models import tiny_config, tiny_model
from support.texts import CONLL, load_tokenizer


def set_model(labels: int = len(TYPES), **options: Any) -> BertForSequenceClassification:
    config = tiny_config(labels)
    config.update(options)
    return BertForSequenceClassification(config)


def set_model_init() -> BertForSequenceClassification:
    return set_model()


@pytest.fixture(scope="module")
def news() -> Dataset:
    """200 sentences of CoNLL-2003 with the types of entities that are in them, tokenized."""
    data = load_split(CONLL, "train[:200]").select_columns(["text", "entity_types"])
    return tokenized(data)


@pytest.fixture
def pool(news, tmp_path) -> Pool:
    return Pool(news, tmp_path / "run", "text", "entity_types")


# -- labels ----------------------------------------------------------------------------------------------------------


def test_the_task_is_told_by_the_columns(tmp_path):
    assert Pool(table(SETS), tmp_path / "a", "text", "types").task.name == "multi_label_classification"
    pair = Dataset.from_dict({"a": ["x"], "b": ["y"], "types": [["PER"]]})
    assert Pool(pair, tmp_path / "b", ["a", "b"], "types").task.name == "multi_label_classification"
    unlabeled = {"label_names": TYPES, "task": "multi_label_classification"}
    assert Pool(table(SETS), tmp_path / "c", "text", **unlabeled).thresholds == dict.fromkeys(TYPES, 0.5)


def test_the_labeled_view_has_a_float_for_each_label(tmp_path):
    pool = Pool(tokenized(table(SETS)), tmp_path / "run", "text", "types", TYPES)
    assert pool.labels() == dict(zip(pool.ids.to_pylist()[:3], ORDERED, strict=False))  # the empty set is one
    view = pool.labeled
    assert view.features["labels"] == List(Value("float32"))
    assert view["labels"][:] == [[0, 0, 1, 1], [0, 0, 0, 0], [1, 0, 0, 0]]
    assert "types" not in view.column_names
    batch = DataCollatorWithPadding(load_tokenizer())([{k: view[0][k] for k in ("input_ids", "labels")}])
    assert batch["labels"].dtype == torch.float32
    assert pool.unlabeled["text"][:] == ["to be read"]


def test_another_data_set_is_numbered_alike(tmp_path):
    pool = Pool(table(SETS), tmp_path / "run", "text", "types", TYPES)
    expected = [[0, 0, 1, 1], [0, 0, 0, 0], [1, 0, 0, 0]]
    assert pool.with_labels(table(SETS[:3]))["labels"][:] == expected
    reversed_names = TYPES[::-1]
    numbers = [[reversed_names.index(label) for label in labels] for labels in SETS[:3]]
    other = table(numbers, List(ClassLabel(names=reversed_names)))
    assert pool.with_labels(other)["labels"][:] == expected
    with pytest.raises(ArgumentError, match="row 3: no labels in column 'types'"):
        pool.with_labels(table(SETS))
    with pytest.raises(ArgumentError, match="row 0: the label 'CITY' in column 'types' is none of"):
        pool.with_labels(table([[0]], List(ClassLabel(names=["CITY"]))))


def test_answers_are_checked_and_ordered(tmp_path):
    nothing = table([None, None])  # of which Arrow knows no type
    pool = Pool(nothing, tmp_path / "run", "text", "types", TYPES, task="multi_label_classification")
    first, second = pool.ids.to_pylist()
    assert pool.record(Answer(first, ["PER", "LOC"], annotator="ann")).label == ["LOC", "PER"]
    assert pool.record(Answer(first, ["LOC", "PER"], annotator="ann")) is None  # which is the same
    assert pool.record(Answer(first, [], annotator="ann")).action == "correct"
    for label, message in [
        ("PER", "is no list of labels"),
        (None, "None is no label"),
        (["PER", "PER"], "is there twice"),
        (["CITY"], "'CITY' is no label; the labels are: LOC, MISC, ORG, PER"),
    ]:
        with pytest.raises(AnnotationError, match=message):
            pool.record(Answer(second, label, annotator="ann"))
    assert pool.labels() == {first: []}
    assert (pool.labels_bought(), pool.words_bought()) == (1, None)
    assert pool.store.words_bought() == 0
    pool.record(Answer(first, action="undo", annotator="ann"))
    assert pool.labels() == {first: ["LOC", "PER"]}


# -- what a model says -----------------------------------------------------------------------------------------------


def opinionated(pool: Pool) -> BertForSequenceClassification:
    """An untrained model whose logits are spread around 0 for each label."""
    set_seed(3)
    model = set_model().eval()
    with torch.no_grad():
        rows = [torch.tensor([ids]) for ids in pool.dataset["input_ids"][:60]]
        logits = torch.cat([model(input_ids=ids).logits for ids in rows])
        model.classifier.weight.data /= logits.std(dim=0)[:, None] / 2
        model.classifier.bias.data = -2 * logits.mean(dim=0) / logits.std(dim=0)
    return model


def test_probabilities_scores_and_suggestions_are_those_of_each_label(pool, tokenizer):
    model, rows = opinionated(pool), np.arange(60)
    alone = []
    for row in rows:
        with torch.no_grad():
            ids = torch.tensor([pool.dataset[int(row)]["input_ids"]])
            alone.append(1 / (1 + np.exp(-model(input_ids=ids).logits[0].double().numpy())))
    expected = np.array(alone)
    assert ((expected > 0.6).any(axis=0) & (expected < 0.4).any(axis=0)).all()
    scoring = ScoringPass(
        model,
        pool.rows_to_score(["input_ids", "attention_mask"]),
        pool.lengths,
        DataCollatorWithPadding(tokenizer),
        signals=pool.task.signals,
    )
    found = scoring.run(rows, keep=frozenset({"probabilities", "scores"}), score=LabelScore("margin", "max"))
    np.testing.assert_allclose(found["probabilities"], expected, atol=3e-4)  # of logits that were blown up
    np.testing.assert_allclose(found["scores"], (1 - np.abs(2 * expected - 1)).max(axis=1), atol=6e-4)

    for thresholds, least in ((None, [0.5] * 4), (0.7, [0.7] * 4), ({"ORG": 0.05}, [0.5, 0.5, 0.05, 0.5])):
        run_dir = pool.run_dir.parent / f"run {thresholds}"
        asked = Pool(pool.dataset, run_dir, "text", "entity_types", thresholds=thresholds)
        suggested = asked.task.suggestions(found, rows)
        for p, (labels, confidence) in zip(expected, suggested, strict=True):
            assert labels == [name for name, x, t in zip(TYPES, p, least, strict=True) if x >= t]
            decided = [x if x >= t else 1 - x for x, t in zip(p, least, strict=True)]
            assert confidence == pytest.approx(np.prod(decided) ** 0.25, abs=1e-3)


def test_infinite_logits_are_no_certainty(pool, tokenizer):
    model = set_model()
    model.classifier.bias.data[1] = float("inf")  # of which the sigmoid is 1
    active = ActiveLearningCallback(pool, strategy="entropy", annotator=SimulatedAnnotator(pool), query_size=8)
    args = type("Args", (), {"remove_unused_columns": True, "dataloader_num_workers": 0, "bf16": False, "fp16": False})
    with pytest.raises(DivergedError):
        active.acquisition.propose(model, DataCollatorWithPadding(tokenizer), 1, args)


# -- rounds ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "strategy", ["entropy", "random", LabelRank("margin"), Hybrid(LabelScore("least_confidence", "max"), "kmeans")]
)
def test_two_rounds_through_a_trainer(pool, make_trainer, news, strategy):
    active = ActiveLearningCallback(
        pool, strategy=strategy, annotator=SimulatedAnnotator(pool), query_size=16, holdout=20
    )
    trainer = make_trainer(
        [active], model_init=set_model_init, compute_metrics=label_set_metrics(pool.label_names, pool.thresholds)
    )
    records = active.run(trainer, rounds=2)
    asked = [e.example_id for query in pool.store.queries() for e in query.examples]
    assert len(asked) == len(set(asked)) == 20 + 16 + 16
    truth = dict(zip(pool.ids.to_pylist(), news["entity_types"], strict=True))
    assert pool.labels() == {i: sorted(truth[i]) for i in asked}
    assert [] in pool.labels().values()
    assert [record.train_size for record in records] == [16, 32]
    assert {"eval_f1_micro", "eval_f1_macro", "eval_subset_accuracy", "eval_hamming_loss", "eval_f1_PER"} <= set(
        records[-1].metrics
    )
    # The loss is the binary cross-entropy of each label, so that transformers has taken the labels for what they are.
    held_out = pool.holdout
    logits = torch.tensor(trainer.predict(held_out).predictions).double()
    hot = torch.tensor([[float(t in truth[i]) for t in TYPES] for i in map(str, ids_of(pool, held_out))]).double()
    losses = torch.where(hot > 0, -logits.sigmoid().log(), -(1 - logits.sigmoid()).log())
    assert records[-1].metrics["eval_loss"] == pytest.approx(float(losses.mean()), abs=1e-4)
    (query,) = [query for query in pool.store.queries() if query.purpose == "round"]
    assert query.settings["thresholds"] == dict.fromkeys(TYPES, 0.5)
    for example in query.examples:
        assert example.suggestion == [t for t in TYPES if t in example.suggestion]
        assert 0 < example.confidence <= 1
    if strategy != "random":
        scores = [e.score for e in query.examples]
        assert scores == sorted(scores, reverse=True)


def ids_of(pool: Pool, view: Dataset) -> list[str]:
    by_text = dict(zip(pool.dataset["text"], pool.ids.to_pylist(), strict=True))
    return [by_text[text] for text in view["text"]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"problem_type": "single_label_classification"},
            "problem_type is 'single_label_classification', but the pool",
        ),
        ({"problem_type": "regression"}, "load the model with problem_type='multi_label_classification'"),
        ({"labels": 3}, "the model has 3 classes, but the pool has 4 label names"),
    ],
)
def test_a_model_of_something_else_is_refused(pool, make_trainer, options, message):
    active = ActiveLearningCallback(pool, annotator=SimulatedAnnotator(pool), query_size=8)
    with pytest.raises(ArgumentError, match=message):
        active.run(make_trainer([active], model=set_model(**options)), rounds=1)
    assert not pool.store.queries()


def test_a_model_for_sets_is_refused_where_a_text_has_one_label(reviews, make_trainer, tmp_path):
    pool = Pool(reviews, tmp_path / "texts", "text", "label")
    active = ActiveLearningCallback(pool, annotator=SimulatedAnnotator(pool), query_size=8)
    model = tiny_model()
    model.config.problem_type = "multi_label_classification"
    with pytest.raises(ArgumentError, match="but the pool has one label for each text"):
        active.run(make_trainer([active], model=model), rounds=1)


def test_one_label_is_a_question_of_its_own(news, make_trainer, tmp_path):
    persons = news.map(lambda row: {"entity_types": [t for t in row["entity_types"] if t == "PER"]})
    pool = Pool(persons, tmp_path / "run", "text", "entity_types")
    assert pool.label_names == ("PER",)
    active = ActiveLearningCallback(pool, strategy="margin", annotator=SimulatedAnnotator(pool), query_size=8)
    with pytest.raises(ArgumentError, match="with one label and no problem_type it would be a regression"):
        active.run(make_trainer([active], model=set_model(1)), rounds=2)
    trainer = make_trainer(
        [active],
        model=set_model(1, problem_type="multi_label_classification"),
        eval_dataset=pool.with_labels(persons.select(range(20))),
        compute_metrics=label_set_metrics(pool.label_names),
    )
    assert "eval_f1_PER" in active.run(trainer, rounds=2)[-1].metrics


def test_what_is_for_single_labels_is_refused(pool):
    for options, message in (
        ({"seed_strategy": "stratified"}, "is for text classification"),
        ({"unit": "words"}, "unit='words' is for token classification"),
        ({"embeddings": "entities"}, "is for token classification"),
        ({"strategy": "mnlp"}, "mnlp"),
    ):
        with pytest.raises(ArgumentError, match=message):
            ActiveLearningCallback(pool, **options)


@pytest.mark.parametrize("format", ["jsonl", "csv"])
def test_a_run_waits_for_its_files_and_goes_on(news, make_trainer, tmp_path, format):
    hidden = dict(zip(news["text"], news["entity_types"], strict=True))
    data = news.remove_columns("entity_types")
    seen = []
    for _ in range(3):
        pool = Pool(data, tmp_path / "run", "text", label_names=TYPES, task="multi_label_classification")
        active = ActiveLearningCallback(pool, strategy="entropy", annotator=FileAnnotator(format), query_size=8)
        trainer = make_trainer([active], model_init=set_model_init)
        if len(seen) == 2:
            active.run(trainer, rounds=2)
            break
        with pytest.raises(AnswersPending):
            active.run(trainer, rounds=2)
        path = pool.run_dir / f"query-00{len(seen) + 1}.{format}"
        if format == "jsonl":
            rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
            path.write_text("".join(json.dumps(r | {"label": hidden[r["text"]]}) + "\n" for r in rows), "utf-8")
        else:
            with open(path, encoding="utf-8-sig", newline="") as file:
                rows = list(csv.DictReader(file))
            with open(path, "w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, rows[0])
                writer.writeheader()
                writer.writerows(r | {"label": ",".join(hidden[r["text"]]) or "none"} for r in rows)
        seen.append(rows)
    pool = Pool(data, tmp_path / "run", "text", label_names=TYPES, task="multi_label_classification")
    assert len(pool.labels()) == 16
    assert all(labels == sorted(hidden[pool.store.texts(i)["text"]]) for i, labels in pool.labels().items())
    assert [record.train_size for record in pool.store.rounds()] == [8, 16]
    suggested = [row["suggestion"] for row in seen[1]]
    (query,) = [query for query in pool.store.queries() if query.purpose == "round"]
    expected = [example.suggestion for example in query.examples]
    assert suggested == (expected if format == "jsonl" else [" | ".join(labels) or "none" for labels in expected])
