"""Weights for rare classes, through the ordinary Trainer."""

from collections import Counter

import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset
from sklearn.utils.class_weight import compute_class_weight
from transformers import TrainerCallback

from hfal import ActiveLearningCallback, Pool, SimulatedAnnotator
from hfal.errors import ArgumentError
from hfal.training.class_weights import WeightedLoss, balanced_weights
from support.texts import load_reviews


def test_weights_are_those_of_scikit_learn():
    labels = np.array([0] * 7 + [1] * 2 + [3])
    weights = balanced_weights(np.concatenate([labels, [-100, -100]]), 5)
    np.testing.assert_allclose(
        weights[[0, 1, 3]], compute_class_weight("balanced", classes=np.array([0, 1, 3]), y=labels)
    )
    assert weights[labels].mean() == pytest.approx(1)
    assert (weights[[2, 4]] == 1).all()


def test_the_loss_is_a_weighted_mean_over_what_is_accumulated():
    rng = np.random.default_rng(0)
    logits, labels, weights = rng.normal(size=(2, 3, 4)), np.array([[0, -100, 3], [3, 1, 3]]), [0.5, 1, 2, 3]
    by_hand = [
        weights[c] * (np.log(np.exp(x).sum()) - x[c])
        for x, c in zip(logits.reshape(-1, 4), labels.ravel(), strict=True)
        if c >= 0
    ]
    loss = WeightedLoss(np.array(weights))
    outputs = {"logits": torch.tensor(logits)}
    assert loss(outputs, torch.tensor(labels)).item() == pytest.approx(np.mean(by_hand), rel=1e-5)
    assert loss(outputs, torch.tensor(labels), num_items_in_batch=20).item() == pytest.approx(sum(by_hand) / 20, 1e-5)


def imbalanced(n: int) -> Dataset:
    """Movie-review sentences, one in eight negative."""
    rows = load_reviews(2 * n)
    kept = [row for row in range(2 * n) if row % 2 or row % 16 == 0][:n]
    return rows.select(kept).cast_column("label", ClassLabel(names=["negative", "positive"]))


def test_each_round_weighs_by_its_own_labels_and_the_final_evaluation_by_none(tmp_path, make_trainer, eval_reviews):
    pool = Pool(imbalanced(100), tmp_path / "run", "text", "label")
    seen = []

    class Look(TrainerCallback):
        def on_train_begin(self, args, state, control, **kwargs):
            seen.append(trainer.compute_loss_func.weights.tolist())

    active = ActiveLearningCallback(
        pool, strategy="random", annotator=SimulatedAnnotator(pool), query_size=40, class_weights="balanced"
    )
    trainer = make_trainer([active, Look()], eval_dataset=pool.with_labels(eval_reviews))
    expected = []
    for current in active.rounds(trainer, 2):
        counts = Counter(pool.labeled["label"][:])
        expected.append([sum(counts.values()) / 2 / counts[n] for n in range(2)])
        trainer.train(resume_from_checkpoint=current.checkpoint)
    np.testing.assert_allclose(seen, expected, rtol=1e-6)
    assert seen[0] != seen[1]
    assert trainer.compute_loss_func is None
    assert trainer.evaluate()["eval_loss"] == pytest.approx(current.metrics["eval_loss"])


def test_rare_classes_get_their_share_of_the_probability(tmp_path, make_trainer):
    share = {}
    for weights in (None, "balanced"):
        pool = Pool(imbalanced(100), tmp_path / str(weights), "text", "label")
        active = ActiveLearningCallback(
            pool, strategy="random", annotator=SimulatedAnnotator(pool), query_size=100, class_weights=weights
        )
        trainer = make_trainer([active], num_train_epochs=3)
        active.run(trainer, rounds=1)
        logits = torch.tensor(trainer.predict(pool.labeled).predictions)
        share[weights] = logits.softmax(1)[:, 0].mean().item()
    assert share[None] < 0.35  # one in eight is; an untrained model learns first how frequent the classes are
    assert 0.4 < share["balanced"] < 0.6


def test_tags_have_weights_too(tmp_path, make_trainer, sentences):
    pool = Pool(sentences, tmp_path / "run", "tokens", "ner_tags")
    active = ActiveLearningCallback(
        pool, strategy="random", annotator=SimulatedAnnotator(pool), query_size=20, class_weights="balanced"
    )
    (record,) = active.run(make_trainer([active], of_words=True), rounds=1)
    assert record.finished


def test_another_loss_or_sets_of_labels_are_refused(tmp_path, reviews, make_trainer):
    with pytest.raises(ArgumentError, match="class_weights='sqrt', expected one of balanced"):
        ActiveLearningCallback(Pool(reviews, tmp_path / "a", "text", "label"), class_weights="sqrt")
    pool = Pool(reviews, tmp_path / "b", "text", "label")
    active = ActiveLearningCallback(pool, annotator=SimulatedAnnotator(pool), class_weights="balanced")
    trainer = make_trainer([active])
    trainer.compute_loss_func = WeightedLoss(np.ones(2))
    with pytest.raises(ArgumentError, match="the Trainer has its own"):
        active.run(trainer)
    sets = Dataset.from_dict({"text": reviews["text"][:9], "labels": [["a"], ["b"], []] * 3, "input_ids": [[1]] * 9})
    pool = Pool(sets, tmp_path / "c", "text", "labels", ["a", "b"])
    active = ActiveLearningCallback(pool, annotator=SimulatedAnnotator(pool), class_weights="balanced")
    with pytest.raises(ArgumentError, match="one label for each text, or word"):
        active.run(make_trainer([active]))
