"""Whole runs: an ordinary Trainer, real sentences, a BERT small enough to train in a second."""

import json
import threading

import numpy as np
import psutil
import pytest
import torch
from transformers import DataCollatorWithPadding, EarlyStoppingCallback, TrainerCallback

from hfal import ActiveLearningCallback, Answer, AnswersPending, FileAnnotator, HfalError, Pool, SimulatedAnnotator
from hfal.strategies import entropy
from hfal.tasks.metrics import classification_metrics
from hfal.training.round_metrics import without_timings
from support.models import NAMES, tiny_model, tiny_model_init
from support.training import BEST_EPOCH, InterruptAt, Watch


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


def test_the_default_progress_bar_survives(make_active, make_trainer, eval_reviews, capfd):
    active = make_active(strategy="margin+kmeans")
    active.run(make_trainer([active], eval_dataset=eval_reviews, disable_tqdm=False), rounds=3)
    shown = capfd.readouterr().err
    assert "scoring" in shown
    assert shown.count("2/2 ") >= 1  # the training bar of round 1: ten examples in batches of eight


@pytest.mark.slow
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


def test_metrics_that_are_called_like_timings_are_kept():
    metrics = {"eval_f1_time": 0.5, "eval_f1_next_step": 0.25, "eval_runtime": 3.0, "eval_steps_per_second": 2.0}
    metrics |= {"eval_mem_cpu_alloc_delta": 1.0, "eval_b_mem_gpu_peaked_delta": 1.0, "before_init_mem_cpu": 1.0}
    metrics |= {
        "eval_test_samples_per_second": 1.0,
        "eval_model_preparation_time": 0.1,
        "epoch": 3.0,
        "eval_note": "x",
    }
    assert without_timings(metrics) == {"eval_f1_time": 0.5, "eval_f1_next_step": 0.25}


def test_metrics_go_through_the_trainers_log_with_labels_as_the_step(make_active, make_trainer, eval_reviews):
    class Log(TrainerCallback):
        def on_log(self, args, state, control, logs=None, **kwargs):
            if "eval_round_loss" in logs:
                logged.append((state.global_step, logs["round"], logs["labels"], logs["eval_round_loss"]))

    logged: list = []
    active = make_active()
    records = active.run(make_trainer([active, Log()], eval_dataset=eval_reviews), rounds=3)
    assert logged == [(r.labels, r.number, r.labels, r.metrics["eval_loss"]) for r in records]


# -- what a run takes ----------------------------------------------------------------------------------------------


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


# -- what goes wrong -----------------------------------------------------------------------------------------------


def test_a_loop_that_forgets_to_train(make_active, make_trainer):
    active = make_active()
    with pytest.raises(HfalError, match=r"round 1 was not trained: call trainer\.train"):
        for _ in active.rounds(make_trainer([active]), 2):
            pass


def test_a_loop_that_was_left_and_closes_late_leaves_the_next_one_alone(make_active, make_trainer):
    active = make_active()
    trainer = make_trainer([active])
    left = active.rounds(trainer, 3)
    next(left)
    rounds = active.rounds(trainer, 3)
    next(rounds)
    trainer.train()
    left.close()
    for _ in rounds:
        trainer.train()
    assert [record.number for record in active.pool.store.rounds()] == [1, 2, 3]
    assert all(record.finished for record in active.pool.store.rounds())


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
