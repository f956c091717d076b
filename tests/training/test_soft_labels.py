"""Labels that are probabilities, through the ordinary Trainer."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import Dataset
from transformers import BertForSequenceClassification, TrainerCallback

from hfal import ActiveLearningCallback, Answer, Pool, SimulatedAnnotator, dawid_skene, majority_vote
from hfal.errors import ArgumentError
from hfal.training.soft_labels import SoftLoss
from support.models import NAMES, tiny_config
from support.training import InterruptAt


TEAM = ["anna", "ben", "carl"]


def targets(n: int, classes: int, seed: int = 0) -> torch.Tensor:
    return torch.tensor(np.random.default_rng(seed).dirichlet(np.ones(classes), n), dtype=torch.float32)


def test_the_loss_is_the_cross_entropy_of_probabilities():
    logits, soft = torch.randn(6, 4, generator=torch.manual_seed(0)), targets(6, 4)
    exponentials = np.exp(logits.numpy())
    by_hand = -(soft.numpy() * np.log(exponentials / exponentials.sum(axis=1, keepdims=True))).sum(axis=1)
    found = SoftLoss()({"logits": logits}, soft)
    assert found.item() == pytest.approx(by_hand.mean(), rel=1e-5)
    assert found.item() == pytest.approx(torch.nn.functional.cross_entropy(logits, soft).item(), rel=1e-6)
    # The Trainer counts each of the numbers that two batches have as an item.
    parts = [SoftLoss()({"logits": logits[part]}, soft[part], torch.tensor(6 * 4)) for part in (slice(2), slice(2, 6))]
    assert sum(parts).item() == pytest.approx(by_hand.mean(), rel=1e-5)
    smooth = torch.nn.functional.cross_entropy(logits, soft, label_smoothing=0.1)
    assert SoftLoss(0.1)({"logits": logits}, soft).item() == pytest.approx(smooth.item(), rel=1e-6)


def test_labels_that_are_classes_have_their_usual_loss():
    logits, labels = torch.randn(5, 3, generator=torch.manual_seed(0)), torch.tensor([0, 2, -100, 1, 1])
    usual = torch.nn.functional.cross_entropy(logits, labels)
    assert SoftLoss()({"logits": logits}, labels).item() == pytest.approx(usual.item(), rel=1e-6)
    assert SoftLoss()({"logits": logits}, labels, 4).item() == pytest.approx(usual.item(), rel=1e-6)


def team_run(
    run_dir: Path,
    reviews: Dataset,
    make_trainer: Callable,
    rounds: int = 2,
    callbacks: tuple = (),
    method: str = "one_coin",
    **trainer_options,
) -> tuple[Pool, ActiveLearningCallback, object]:
    """A run in which three people, who err often, label half of the texts."""
    pool = Pool(reviews.select(range(120)), run_dir, "text", "label")
    annotator = SimulatedAnnotator(pool, annotators=TEAM, error_rate=0.3, seed=1)
    active = ActiveLearningCallback(
        pool,
        strategy="margin",
        annotator=annotator,
        query_size=24,
        overlap=3,
        overlap_share=0.5,
        aggregate_labels=method,
        soft_labels=True,
    )
    trainer = make_trainer([active, *callbacks], **trainer_options)
    active.run(trainer, rounds)
    return pool, active, trainer


@pytest.mark.parametrize("method", ["majority", "one_coin", "dawid_skene"])
def test_each_round_trains_on_the_posteriors_of_its_own_answers(tmp_path, reviews, make_trainer, eval_reviews, method):
    seen = []

    class Look(TrainerCallback):
        def on_train_begin(self, args, state, control, train_dataloader=None, **kwargs):
            seen.append(train_dataloader.dataset)

    look = Look()
    evaluation = eval_reviews.select(range(20))
    pool, active, trainer = team_run(
        tmp_path / "run", reviews, make_trainer, 2, (look,), method, eval_dataset=evaluation, eval_strategy="epoch"
    )
    shared = []
    for dataset, record in zip(seen, active.history, strict=True):
        opinions = pool.store.opinions(record.answers_seen)
        ids = list(opinions)
        table = np.array([[NAMES.index(of[n].label) if n in of else -1 for n in TEAM] for of in opinions.values()])
        found = (
            majority_vote(table, 2) if method == "majority" else dawid_skene(table, 2, one_coin=method == "one_coin")
        )
        several = (table >= 0).sum(axis=1) > 1
        alone = np.eye(2)[table.max(axis=1)]
        expected = np.where(several[:, None], found.posterior, alone)
        assert list(pool.training_labels(record.answers_seen)) == ids
        np.testing.assert_allclose(np.array(dataset["label"][:]), expected, atol=1e-6)
        shared.append(several.mean())
    assert all(0.2 < share < 0.8 for share in shared)
    assert 0 < np.array(seen[-1]["label"][:]).max(axis=1).min() < 0.99  # some are not sure
    assert trainer.compute_loss_func is None
    assert trainer.evaluate()["eval_loss"] == pytest.approx(active.history[-1].metrics["eval_loss"])


def test_what_was_settled_and_what_one_person_said_is_sure(tmp_path, reviews, make_trainer):
    pool = Pool(reviews.select(range(40)), tmp_path / "run", "text", "label")
    ids = pool.ids.to_pylist()
    seen = []

    class Look(TrainerCallback):
        def on_train_begin(self, args, state, control, train_dataloader=None, **kwargs):
            seen.append(np.array(train_dataloader.dataset["label"][:]))

    for name, label in zip(TEAM, ["positive", "positive", "negative"], strict=True):
        for example_id in ids[:9]:
            pool.record(Answer(example_id, label, annotator=name))
    pool.record(Answer(ids[0], "negative", "settle", "anna"))
    pool.record(Answer(ids[9], "negative", annotator="ben"))
    active = ActiveLearningCallback(
        pool,
        annotator=SimulatedAnnotator(pool, annotators=TEAM),
        query_size=5,
        overlap=3,
        aggregate_labels="majority",
        soft_labels=True,
    )
    active.run(make_trainer([active, Look()]), 1)
    rows = dict(zip(pool.training_labels(active.history[0].answers_seen), seen[0], strict=True))
    np.testing.assert_allclose(rows[ids[0]], [1, 0])
    np.testing.assert_allclose(rows[ids[1]], [1 / 3, 2 / 3], rtol=1e-6)
    np.testing.assert_allclose(rows[ids[9]], [1, 0])


def without_dropout() -> BertForSequenceClassification:
    return BertForSequenceClassification(
        tiny_config(2, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, initializer_range=0.2)
    )


def weights(trainer) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in trainer.model.parameters()])


def test_accumulated_gradients_are_those_of_one_batch(tmp_path, reviews, make_trainer):
    found = {}
    for size, steps in ((8, 1), (2, 4)):
        *_, trainer = team_run(
            tmp_path / str(size),
            reviews,
            make_trainer,
            1,
            model_init=without_dropout,
            per_device_train_batch_size=size,
            gradient_accumulation_steps=steps,
            optim="sgd",
            learning_rate=0.1,
            max_grad_norm=0.0,
        )
        found[size] = weights(trainer)
    torch.testing.assert_close(found[2], found[8], rtol=1e-4, atol=1e-6)


def test_a_step_goes_down_the_gradient_of_the_soft_cross_entropy(tmp_path, reviews, make_trainer):
    """One step of plain gradient descent over all examples, against torch's own loss."""
    first, rows = [], []

    class Look(TrainerCallback):
        def on_train_begin(self, args, state, control, model=None, train_dataloader=None, **kwargs):
            first.append([parameter.detach().clone() for parameter in model.parameters()])
            rows.append(next(iter(train_dataloader)))

    options = {"optim": "sgd", "learning_rate": 0.1, "max_grad_norm": 0.0, "lr_scheduler_type": "constant"}
    options |= {"per_device_train_batch_size": 64, "model_init": without_dropout}
    *_, trainer = team_run(tmp_path / "run", reviews, make_trainer, 1, (Look(),), **options)
    model, batch = without_dropout(), dict(rows[0])
    with torch.no_grad():
        for parameter, value in zip(model.parameters(), first[0], strict=True):
            parameter.copy_(value)
    soft = batch.pop("labels")
    assert soft.shape == (24, 2)
    torch.nn.functional.cross_entropy(model(**batch).logits, soft).backward()
    for parameter, now in zip(model.parameters(), trainer.model.parameters(), strict=True):
        torch.testing.assert_close(parameter - 0.1 * parameter.grad, now, rtol=1e-4, atol=1e-6)


def test_killed_and_started_again_it_comes_to_the_same(tmp_path, reviews, make_trainer):
    options = {"save_strategy": "steps", "save_steps": 1}
    whole, active, trainer = team_run(tmp_path / "whole", reviews, make_trainer, 3, **options)
    with pytest.raises(KeyboardInterrupt):
        team_run(tmp_path / "cut", reviews, make_trainer, 3, (InterruptAt("ctrl-c"),), **options)
    cut, again, resumed = team_run(tmp_path / "cut", reviews, make_trainer, 3, **options)
    torch.testing.assert_close(weights(resumed), weights(trainer), rtol=0, atol=0)
    asked = [[[e.example_id for e in q.examples] for q in pool.store.queries()] for pool in (whole, cut)]
    assert asked[0] == asked[1]
    assert [r.labels for r in again.history] == [r.labels for r in active.history]


def test_soft_labels_differ_from_hard_ones(tmp_path, reviews, make_trainer):
    *_, trainer = team_run(tmp_path / "soft", reviews, make_trainer, 1)
    pool = Pool(reviews.select(range(120)), tmp_path / "hard", "text", "label")
    annotator = SimulatedAnnotator(pool, annotators=TEAM, error_rate=0.3, seed=1)
    active = ActiveLearningCallback(
        pool, strategy="margin", annotator=annotator, query_size=24, overlap=3, overlap_share=0.5
    )
    hard = make_trainer([active])
    active.run(hard, 1)
    assert not torch.equal(weights(hard), weights(trainer))


def test_what_soft_labels_do_not_go_with_is_refused(tmp_path, reviews, sentences, make_trainer):
    pool = Pool(reviews, tmp_path / "a", "text", "label")
    people = SimulatedAnnotator(pool, annotators=TEAM)
    soft = {"annotator": people, "overlap": 3, "soft_labels": True}
    with pytest.raises(ArgumentError, match="aggregate_labels gives, and 'latest' gives none: pass one of majority"):
        ActiveLearningCallback(pool, soft_labels=True)
    with pytest.raises(ArgumentError, match="soft_labels=True and class_weights='balanced' are two losses"):
        ActiveLearningCallback(pool, class_weights="balanced", **soft)
    active = ActiveLearningCallback(pool, self_training=0.5, **soft)
    with pytest.raises(ArgumentError, match="does not go with self_training"):
        active.run(make_trainer([active]))
    active = ActiveLearningCallback(pool, **soft)
    trainer = make_trainer([active])
    trainer.compute_loss_func = SoftLoss()
    with pytest.raises(ArgumentError, match="soft_labels=True is a loss, but the Trainer has its own"):
        active.run(trainer)
    outside = ActiveLearningCallback(pool, **soft)
    with pytest.raises(ArgumentError, match="soft_labels= is for the rounds"):
        make_trainer([outside], train_dataset=reviews.select(range(8))).train()
    sets = Dataset.from_dict({"text": reviews["text"][:9], "labels": [["a"], ["b"], []] * 3, "input_ids": [[1]] * 9})
    of_sets = Pool(sets, tmp_path / "b", "text", "labels", ["a", "b"])
    of_tags = Pool(sentences, tmp_path / "c", "tokens", "ner_tags")
    for other, of_words in ((of_sets, False), (of_tags, True)):
        annotator = SimulatedAnnotator(other, annotators=TEAM)
        active = ActiveLearningCallback(other, annotator=annotator, overlap=3, soft_labels=True)
        with pytest.raises(ArgumentError, match="soft_labels=True is for text classification, one label for each"):
            active.run(make_trainer([active], of_words=of_words))
        assert not other.store.queries()
