"""Confident predictions as training data: which, how much they count, and that they are never labels."""

import copy
import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from datasets import Dataset
from transformers import TrainerCallback

from hfal import ActiveLearningCallback, Answer, Pool, SimulatedAnnotator, Subset
from hfal.acquisition.self_training import SelfTraining, confident, repetitions
from hfal.errors import ArgumentError
from hfal.export.labels import export_labels
from hfal.store.run_directory import predictions_file, pseudo_labels_file
from support.models import NAMES, tiny_model
from support.texts import load_sentences


class Rows(TrainerCallback):
    """Notes what each round trains on: text and label of every row."""

    def __init__(self) -> None:
        self.of_rounds: list[list[tuple[str, int]]] = []

    def on_train_begin(self, args, state, control, train_dataloader=None, **kwargs):
        data = train_dataloader.dataset
        self.of_rounds.append(
            [(tuple(ids), label) for ids, label in zip(data["input_ids"], data["label"], strict=True)]
        )


@pytest.fixture
def start(tmp_path, reviews, make_trainer):
    """A function that makes a callback that is sure of everything, and a Trainer with it."""

    def start(run_dir=tmp_path / "run", watch=None, data=reviews, **options):
        pool = Pool(data, run_dir, "text", "label")
        options = {"query_size": 10, "self_training": 0.5, "self_training_threshold": 0.5, **options}
        options.setdefault("annotator", SimulatedAnnotator(pool))
        active = ActiveLearningCallback(pool, strategy=options.pop("strategy", "margin"), **options)
        return active, make_trainer([active, *([watch] if watch else [])])

    return start


def used(pool: Pool, number: int) -> dict[str, tuple[str, float]]:
    """What a round was trained on beside labels: label and confidence by id."""
    rows = pq.read_table(pseudo_labels_file(pool.run_dir, number)).to_pylist()
    return {row["id"]: (row["label"], row["confidence"]) for row in rows}


# -- numbers -------------------------------------------------------------------------------------------------------


def test_the_sure_ones_are_taken_at_random_and_no_class_drowns_another():
    rng = np.random.default_rng(0)
    classes, confidences = rng.integers(3, size=400), rng.random(400).astype(np.float32)
    confidences[classes == 2] *= 0.9  # of which few are sure
    sure = confidences >= 0.85
    taken = [confident(classes, confidences, 0.85, 12, 400, np.random.default_rng(seed)) for seed in range(200)]
    few = int((sure & (classes == 2)).sum())
    assert 0 < few < 12
    for rows in taken:
        assert sure[rows].all()
        assert np.bincount(classes[rows], minlength=3).tolist() == [12, 12, few]
        assert (np.diff(rows) > 0).all()
    often = np.bincount(np.concatenate(taken), minlength=400)[sure & (classes == 0)]
    expected = 200 * 12 / len(often)  # each as likely as any other
    assert abs(often - expected).max() < 5 * np.sqrt(expected)
    assert not len(confident(classes, confidences, 0.9999999, 12, 400, rng))


def test_where_there_are_more_classes_than_labels_no_more_are_taken_than_weigh_as_much_as_the_labels():
    classes, confidences = np.arange(77), np.full(77, 0.99)
    taken = [confident(classes, confidences, 0.95, 1, 50, np.random.default_rng(seed)) for seed in range(200)]
    assert {len(set(rows.tolist())) for rows in taken} == {50}
    often = np.bincount(np.concatenate(taken), minlength=77)
    assert abs(often - 200 * 50 / 77).max() < 5 * np.sqrt(200 * 50 / 77 * 27 / 77)


def test_labels_are_repeated_so_often_that_a_prediction_counts_its_weight():
    rng = np.random.default_rng(0)
    assert set(repetitions(50, 0.25, rng)) == {4}
    times = repetitions(100_000, 0.3, rng)
    assert set(times) == {3, 4}
    assert times.mean() == pytest.approx(1 / 0.3, rel=2e-3)


def test_the_gradient_of_all_rows_is_that_of_the_weighted_loss(tmp_path, reviews, tokenizer):
    """By hand: the sum over labels, and so much of that over predictions, in one model with an ordinary loss."""
    pool = Pool(reviews.select(range(40)), tmp_path, "text", "label")
    ids = pool.ids.to_pylist()
    for i in ids[:6]:
        pool.record(Answer(i, pool.hidden_label(i), annotator="ann"))
    pseudo = {i: NAMES[k % 2] for k, i in enumerate(ids[6:20])}
    view = pool.labeled_with(pseudo, pool.store.last_answer(), repetitions(6, 0.25, np.random.default_rng(0)))
    assert len(view) == 6 * 4 + 14
    assert view.features["label"].names == NAMES

    model = tiny_model().eval().double()

    def gradient(rows: Dataset) -> torch.Tensor:
        model.zero_grad()
        for row in rows:
            inputs = {name: torch.tensor([row[name]]) for name in ("input_ids", "attention_mask")}
            torch.nn.functional.cross_entropy(
                model(**inputs).logits, torch.tensor([row["label"]]), reduction="sum"
            ).backward()
        return model.classifier.weight.grad.clone()

    predicted = reviews.select(range(6, 20)).map(lambda row, k: {"label": k % 2}, with_indices=True)
    by_hand = (gradient(reviews.select(range(6))) + 0.25 * gradient(predicted)) / (6 + 0.25 * 14)
    torch.testing.assert_close(gradient(view) / len(view), by_hand)


@pytest.mark.parametrize(
    ("weight", "threshold", "named"),
    [(1.5, 0.95, "self_training=1.5"), (0, 0.95, "self_training=0"), (0.5, 1.0, "self_training_threshold=1.0")],
)
def test_what_cannot_be_is_refused(weight, threshold, named):
    with pytest.raises(ArgumentError, match=named):
        SelfTraining(weight, threshold)


# -- runs ----------------------------------------------------------------------------------------------------------


def test_predictions_of_the_last_rounds_model_join_the_labels(start, tokenizer):
    watch = Rows()
    active, trainer = start(watch=watch, holdout=20)
    pool, models = active.pool, {}
    for current in active.rounds(trainer, 3):
        trainer.train(resume_from_checkpoint=current.checkpoint)
        models[current.number] = copy.deepcopy(trainer.model).eval()
    store = pool.store
    answered = [{a.example_id: a.label for a in store.answers(until=r.answers_seen)} for r in store.rounds()]
    lengths = []
    for number in (2, 3):
        pseudo = used(pool, number)
        assert not set(pseudo) & (set(answered[number - 1]) | store.holdout_ids())
        for i, (label, confidence) in pseudo.items():
            text = pool.texts([pool.position(i)])[0]["text"]
            with torch.no_grad():
                logits = models[number - 1](
                    **tokenizer(text, truncation=True, max_length=64, return_tensors="pt")
                ).logits
            probabilities = logits.softmax(-1)[0]
            assert label == NAMES[int(probabilities.argmax())]
            assert confidence == pytest.approx(float(probabilities.max()), abs=1e-5)
        counts = [sum(label == name for label, _ in pseudo.values()) for name in NAMES]
        assert max(counts) <= number * 10  # together no heavier than the labels: 10 a round, of two classes
        assert sum(counts) > 0
        lengths.append(2 * number * 10 + sum(counts))
    assert [len(rows) for rows in watch.of_rounds] == [10, *lengths]
    # They are no labels: nothing was bought, recorded as trained on, or asked.
    assert [(r.labels, r.train_size) for r in store.rounds()] == [(30, 10), (40, 20), (50, 30)]
    assert {a.annotator for a in store.answers()} == {"simulated"}
    assert not set(used(pool, 3)) & set(pool.labels())
    assert len(pool.unlabeled) == 300 - 50
    settings = [q.settings.get("self_training") for q in store.queries() if q.purpose == "round"]
    assert settings == [{"weight": 0.5, "threshold": 0.5}] * 2
    assert [predictions_file(pool.run_dir, n).exists() for n in (1, 2, 3)] == [False] * 3


def test_an_export_knows_nothing_of_them(start, tmp_path):
    active, trainer = start()
    active.run(trainer, rounds=2)
    pool = active.pool
    export_labels(pool.run_dir, tmp_path / "labels.jsonl")
    assert len((tmp_path / "labels.jsonl").read_text().splitlines()) == 20
    assert used(pool, 2)
    export_labels(pool.run_dir, tmp_path / "all", unlabeled=pool, answers=True)
    queries = json.loads((tmp_path / "all" / "hfal.json").read_text())["queries"]
    assert queries[-1]["settings"]["self_training"] == {"weight": 0.5, "threshold": 0.5}


def test_it_is_off_by_default_and_nobody_sure_is_the_same_as_off(start, tmp_path):
    rows, models = [], []
    for options in ({"self_training": None}, {"self_training_threshold": 0.9999}):
        watch = Rows()
        active, trainer = start(tmp_path / str(options), watch, **options)
        active.run(trainer, rounds=2)
        rows.append(watch.of_rounds)
        models.append((active.pool.run_dir / "rounds/002/model/model.safetensors").read_bytes())
    assert rows[0] == rows[1]
    assert models[0] == models[1]
    assert not list((tmp_path / str({"self_training": None})).glob("rounds/*/*.parquet"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("strategy", "asked_of"), [("random", 290), (Subset("margin", 100), 100), ("kmeans", 290), ("bald", 290)]
)
def test_whatever_the_strategy_needs_its_pass_says_what_the_labels_are(start, strategy, asked_of):
    active, trainer = start(strategy=strategy, passes=2)
    for current in active.rounds(trainer, 2):
        trainer.train(resume_from_checkpoint=current.checkpoint)
        if current.number == 1:
            table = pq.read_table(predictions_file(active.pool.run_dir, 1))
            assert len(table) == asked_of
            assert set(table["label"].to_pylist()) <= set(NAMES)
    assert used(active.pool, 2)


@pytest.mark.slow
def test_a_round_without_a_query_is_asked_when_the_next_one_needs_it(start, reviews):
    """The budget is spent, and late answers bring another round; what was skipped is not trained on."""
    data = reviews.select(range(60))
    active, trainer = start(data=data, budget=20)
    active.run(trainer)
    pool = active.pool
    assert [r.number for r in pool.store.rounds()] == [1, 2]
    assert not predictions_file(pool.run_dir, 2).exists()
    free = [pool.ids[int(row)].as_py() for row in pool.unlabeled_positions()]
    for i in free[:5]:
        pool.record(Answer(i, pool.hidden_label(i), annotator="ann"))
    for i in free[5:15]:
        pool.record(Answer(i, action="skip", annotator="ann"))
    watch = Rows()
    active, trainer = start(watch=watch, data=data, budget=20)
    active.run(trainer)
    assert [(r.number, r.train_size) for r in pool.store.rounds()] == [(1, 10), (2, 20), (3, 25)]
    assert set(used(pool, 3)) <= set(free[15:])
    assert [len(rows) for rows in watch.of_rounds] == [2 * 25 + len(used(pool, 3))]


def test_a_text_that_is_held_out_is_not_trained_on_by_its_twin(start, reviews):
    twins = Dataset.from_dict({c: reviews[c][:60] + reviews[c][:60] for c in reviews.column_names})
    active, trainer = start(data=twins.cast(reviews.features), holdout=20, query_size=5)
    active.run(trainer, rounds=2)
    pool = active.pool
    held_out = {pool.texts([pool.position(i)])[0]["text"] for i in pool.store.holdout_ids()}
    assert not held_out & {pool.texts([pool.position(i)])[0]["text"] for i in used(pool, 2)}


def test_other_tasks_and_trainings_without_rounds_are_refused(start, tmp_path, make_trainer):
    words = Pool(load_sentences(20), tmp_path / "words", "tokens", "ner_tags")
    with pytest.raises(ArgumentError, match=r"self_training=0\.5 is for text classification"):
        ActiveLearningCallback(words, strategy="mnlp", self_training=0.5)
    active, _ = start()
    active.pool.record(Answer(active.pool.ids[0].as_py(), "positive", annotator="ann"))
    trainer = make_trainer([active], train_dataset=active.pool.labeled)
    with pytest.raises(ArgumentError, match="self_training= adds to the training set of the next round"):
        trainer.train()
