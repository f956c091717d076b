"""Whole runs that stop by themselves: what they record of the stop set, where they end, and what they say of it."""

import logging
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import entropy
from sklearn.metrics import cohen_kappa_score, f1_score
from transformers import (
    BertForSequenceClassification,
    BertForTokenClassification,
    DataCollatorWithPadding,
    TrainingArguments,
)

from hfal import ActiveLearningCallback, Pool, SimulatedAnnotator
from hfal.cli.describe import describe_run
from hfal.data.references import load_split
from hfal.stopping.criteria import Change, Criterion, Kappa, Plateau, Target, Uncertainty, replay
from hfal.stopping.stability import unpack
from hfal.tasks.metrics import EntityF1, classification_metrics
from support.models import TAGS, opinionated_model_init, tiny_config
from support.texts import CONLL, load_sentences


OPTIONS = {"learning_rate": 3e-4, "num_train_epochs": 2}


def make_active(data, run_dir, label_column="label", **options) -> ActiveLearningCallback:
    pool = Pool(data, run_dir, "tokens" if "tokens" in data.column_names else "text", label_column)
    options = {"strategy": "margin", "query_size": 10, "retrain": "continue", "seed": 3, **options}
    return ActiveLearningCallback(pool, annotator=SimulatedAnnotator(pool), **options)


@pytest.fixture
def run(tmp_path, reviews, eval_reviews, make_trainer):
    """A function that runs rounds on 150 sentences, and returns the callback."""

    def run(name, rounds, **options) -> ActiveLearningCallback:
        active = make_active(reviews.select(range(150)), tmp_path / name, **options)
        trainer = make_trainer(
            [active],
            model_init=opinionated_model_init,
            eval_dataset=eval_reviews,
            compute_metrics=classification_metrics,
            **OPTIONS,
        )
        active.run(trainer, rounds=rounds)
        return active

    return run


def queries(active: ActiveLearningCallback) -> list[tuple]:
    return [(q.purpose, q.round, q.examples) for q in active.pool.store.queries()]


def plain_probabilities(model: torch.nn.Module, rows) -> list[np.ndarray]:
    """By plain transformers: one text after the other, never padded."""
    model.eval()
    with torch.no_grad():
        return [model(torch.tensor([ids])).logits[0].double().softmax(-1).numpy() for ids in rows["input_ids"]]


def test_what_is_recorded_is_what_plain_transformers_say_and_a_run_stops_by_it_where_it_should(run, caplog):
    recorded = run("recorded", 4, record_stability=True, keep_models=None)
    store, pool = recorded.pool.store, recorded.pool
    stop_set = store.stop_set()
    assert sorted(stop_set) == sorted(pool.ids.to_pylist())  # a small pool is a stop set
    rows = pool.dataset[pool.positions(stop_set)]
    before = None
    for record in store.rounds():
        model = BertForSequenceClassification.from_pretrained(pool.run_dir / "rounds" / f"{record.number:03d}/model")
        probabilities = np.stack(plain_probabilities(model, rows))
        now = probabilities.argmax(axis=1)
        wanted = {"uncertainty": np.mean(entropy(probabilities, base=2, axis=1))}
        if before is not None:
            wanted["kappa"] = cohen_kappa_score(before, now)
            wanted["changed"] = np.mean(before != now)
            wanted["f_change"] = 1 - f1_score(now, before, average="macro")
        assert record.stability == pytest.approx(wanted, abs=1e-5)
        assert unpack(store.predictions(record.number)).tolist() == now.tolist()
        before = now
    assert any(0 < r.stability["kappa"] < 1 for r in store.rounds()[1:])  # which says something

    # No query is another one because something was recorded.
    plain = run("plain", 2)
    assert queries(plain) == queries(recorded)[:2]
    assert [r.stability for r in plain.pool.store.rounds()] == [None, None]

    # The smallest change of all is that of the round at which this stops.
    changes = [record.stability["changed"] for record in store.rounds()[1:]]
    stop = Change(min(changes), rounds=1) | Uncertainty(0.0)
    end = 2 + int(np.argmin(changes))
    assert replay([stop], store.rounds()) == [end]
    caplog.clear()
    with caplog.at_level(logging.INFO, "hfal"):
        stopped = run("stopped", None, stop=str(stop))
    records = stopped.pool.store.rounds()
    assert [(r.number, r.labels, r.stability) for r in records] == [
        (r.number, r.labels, r.stability) for r in store.rounds()[:end]
    ]
    assert len(stopped.pool.labels()) == 10 * end  # the query of the last round was not asked
    reason = f"the share of predictions that changed in round {end} is {min(changes):.4f}, at most {min(changes)}"
    assert f"the run ends after round {end}: {reason}" in caplog.text
    status = describe_run(stopped.pool.run_dir)
    assert f"Stops at {stop}\n" in status
    assert f"\nFinished, {reason}. The labels: " in status
    assert "kappa\n" in status  # the table's last column

    # Started again it stays ended, and goes on where it no longer has to stop.
    again = run("stopped", None, stop=stop)
    assert len(again.pool.store.rounds()) == end
    on = run("stopped", end + 1, stop="none")
    assert len(on.pool.store.rounds()) == end + 1
    alike = queries(recorded)[: end + 1]  # the last round of that run made no query
    assert queries(on)[: len(alike)] == alike


def test_the_target_may_be_a_part_of_what_stops(run):
    # Reached in every round, but that alone is not enough; and the budget holds whatever `stop` says.
    active = run(
        "target",
        None,
        target_metric="accuracy",
        target=0.0,
        budget=20,
        stop="target and kappa(1.0)",
    )
    assert active.options.stop == Target("accuracy", 0.0) & Kappa(1.0)
    assert [r.labels for r in active.pool.store.rounds()] == [10, 20]
    assert active.pool.store.meta("ended")["reason"] == "the budget is spent"


@pytest.mark.slow
def test_of_sets_every_label_is_decided_by_its_threshold(tmp_path, tokenizer, make_trainer):
    data = load_split(CONLL, "train[:60]").select_columns(["text", "entity_types"])
    data = data.map(lambda batch: tokenizer(batch["text"], truncation=True, max_length=32), batched=True)
    pool = Pool(data, tmp_path / "run", "text", "entity_types", thresholds={"LOC": 0.6, "PER": 0.3})
    active = ActiveLearningCallback(
        pool, annotator=SimulatedAnnotator(pool), strategy="random", query_size=10, stop=Kappa(-1.0, rounds=1)
    )
    config = tiny_config(4, initializer_range=0.2, problem_type="multi_label_classification")
    trainer = make_trainer([active], model_init=lambda: BertForSequenceClassification(config), **OPTIONS)
    first, second = active.run(trainer)  # as soon as there are two rounds to compare
    assert set(first.stability) == {"uncertainty"}
    rows = pool.dataset[pool.positions(pool.store.stop_set())]
    trainer.model.eval()
    with torch.no_grad():
        logits = torch.stack([trainer.model(torch.tensor([ids])).logits[0].double() for ids in rows["input_ids"]])
    probabilities = logits.sigmoid().numpy()
    now = probabilities >= [pool.thresholds[name] for name in pool.label_names]
    before = unpack(pool.store.predictions(1))
    assert unpack(pool.store.predictions(2)).tolist() == now.astype(int).tolist()
    pairs = np.stack([probabilities, 1 - probabilities], axis=-1)
    wanted = {
        "uncertainty": np.mean(entropy(pairs, base=2, axis=-1)),
        "kappa": cohen_kappa_score(before.ravel(), now.ravel()),
        "changed": np.mean((before != now).any(axis=1)),
        "f_change": 1 - f1_score(now, before, average="micro"),
    }
    assert second.stability == pytest.approx(wanted, abs=1e-5)


def test_of_words_every_tag_is_a_decision_and_the_f_measure_is_of_entities(tmp_path, make_trainer):
    active = make_active(
        load_sentences(60), tmp_path / "run", "ner_tags", retrain="from_scratch", stop=Kappa(-1.0, rounds=1)
    )
    config = tiny_config(len(TAGS), initializer_range=0.2)
    trainer = make_trainer([active], of_words=True, model_init=lambda: BertForTokenClassification(config), **OPTIONS)
    _, second = active.run(trainer)
    pool = active.pool
    rows = pool.dataset[pool.positions(pool.store.stop_set())]
    entropies, now = [], []
    for p, words in zip(plain_probabilities(trainer.model, rows), rows["word_ids"], strict=True):
        first = [place for place, word in enumerate(words) if word is not None and word not in words[:place]]
        entropies += entropy(p[first], base=len(TAGS), axis=1).tolist()
        now.append(p[first].argmax(axis=1).tolist())
    before = unpack(pool.store.predictions(1))
    assert [[tag for tag in row if tag >= 0] for row in unpack(pool.store.predictions(2)).tolist()] == now
    earlier = [[tag for tag in row if tag >= 0] for row in before.tolist()]
    named = [[[pool.label_names[tag] for tag in row] for row in tags] for tags in (earlier, now)]
    wanted = {
        "uncertainty": np.mean(entropies),
        "kappa": cohen_kappa_score(*(np.concatenate(tags) for tags in (earlier, now))),
        "changed": np.mean([a != b for a, b in zip(earlier, now, strict=True)]),
        "f_change": 1 - EntityF1().compute(predictions=named[0], references=named[1])["f1"],
    }
    assert second.stability == pytest.approx(wanted, abs=1e-5)
    assert len(pool.store.rounds()) == 2


def test_a_stop_set_of_which_examples_are_gone_is_drawn_again(tmp_path, reviews, make_trainer):
    def run(data, rounds: int) -> Pool:
        active = make_active(data, tmp_path / "run", strategy="random", query_size=5, record_stability=True)
        active.run(make_trainer([active], model_init=opinionated_model_init, **OPTIONS), rounds=rounds)
        return active.pool

    pool = run(reviews.select(range(40)), 1)
    assert len(pool.store.stop_set()) == 40
    fewer = np.delete(np.arange(40), pool.unlabeled_positions()[0])
    pool = run(reviews.select(fewer), 3)
    assert len(pool.store.stop_set()) == 39
    records = pool.store.rounds()
    assert [set(record.stability) for record in records[:2]] == [{"uncertainty"}, {"uncertainty"}]
    assert "kappa" in records[2].stability
    assert pool.store.predictions(1) is None


def test_a_model_that_gives_nan_leaves_nothing_recorded(run, tokenizer, caplog):
    active = run("nan", 1, strategy="random")
    model = opinionated_model_init()
    with torch.no_grad():
        model.classifier.bias.fill_(float("nan"))
    active.acquisition.options = replace(active.acquisition.options, record_stability=True)
    with caplog.at_level(logging.WARNING, "hfal"):
        active.acquisition.measure(
            model, DataCollatorWithPadding(tokenizer), 1, TrainingArguments("unused", use_cpu=True)
        )
    assert "round 1: the model's outputs are NaN" in caplog.text
    assert active.pool.store.round(1).stability is None


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"stop": "kapa"}, "there is no criterion 'kapa'"),
        ({"stop": "plateau"}, "plateau needs metric"),
        ({"stop": "budget"}, "budget needs labels"),
        ({"stop": Plateau("accuracy")}, "the metric of stop='accuracy' needs an eval_dataset"),
    ],
)
def test_what_cannot_be_is_found_before_anything_is_asked(tmp_path, reviews, make_trainer, options, complaint):
    def run() -> None:
        active = make_active(reviews.select(range(20)), tmp_path, **options)
        active.run(make_trainer([active]), rounds=2)

    with pytest.raises(ValueError, match=complaint):
        run()
    assert not Pool(reviews.select(range(20)), tmp_path, "text", "label").store.queries()


def test_stop_may_be_a_criterion_of_ones_own(tmp_path, reviews, make_trainer):
    class Lucky(Criterion):
        def reason(self, history):
            return "seven is enough" if history and history[-1].labels >= 7 else None

    active = make_active(reviews.select(range(20)), tmp_path, stop=Lucky() | Kappa(), seed_size=4, query_size=3)
    assert active.acquisition.options.record_stability
    assert len(active.run(make_trainer([active]))) == 2
    assert "Finished, seven is enough." in describe_run(tmp_path)
    with pytest.raises(TypeError, match="stop is a int"):
        make_active(reviews.select(range(20)), tmp_path, stop=7)
