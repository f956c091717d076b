"""Estimates without held-out examples: against scikit-learn's cross-validation, and in rounds of the Trainer."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import ClassLabel, Dataset, List
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score

from hfal import ActiveLearningCallback, EntityF1, Plateau, Pool, SimulatedAnnotator
from hfal.cli.describe import describe_run
from hfal.errors import ArgumentError
from hfal.store.records import Answer
from hfal.store.store import Store
from hfal.tasks.metrics import classification_metrics
from hfal.training.cross_validation import draw_folds
from support.head_oracle import Scaled, reference, rng, vectors
from support.models import MINILM, TAGS, save_tiny_encoder
from support.texts import load_sentences


def answer(pool: Pool, rows: Any) -> None:
    """Record the hidden labels of some rows."""
    for row in rows:
        example = str(pool.ids[row])
        pool.record(Answer(example, pool.hidden_label(example), annotator="someone"))


# -- estimates of a pool ---------------------------------------------------------------------------------------------


def estimates(pool: Pool, **options: Any) -> dict[str, float]:
    """The estimates of a round that begins now."""
    number = 1 + len(pool.store.rounds())
    pool.store.start_round(number, 1)
    return ActiveLearningCallback(pool, estimate=True, seed=3, **options).estimator.estimate(number)


def by_text(pool: Pool, rows: Any) -> np.ndarray:
    """The groups of some rows: equal texts, in the order of their hashes."""
    return np.unique([pool.content(int(row)) for row in rows], return_inverse=True)[1]


def test_the_estimate_is_of_the_labels_that_the_round_trains_on(tmp_path: Path, reviews: Dataset) -> None:
    pool = Pool(reviews.select(range(90)), tmp_path, "text", "label")
    labels = np.array(pool.dataset["label"][:])
    x = vectors(labels)
    rows = rng(5).permutation(90)[:70]
    answer(pool, rows)
    found = estimates(pool, embeddings=x)
    answer(pool, range(90))
    active = ActiveLearningCallback(pool, estimate=True, seed=3, embeddings=x)
    assert active.estimator.estimate(1) == found  # though there are more labels by now

    directions = x[rows] / np.linalg.norm(x[rows], axis=1, keepdims=True)
    folds = draw_folds(labels[rows], np.arange(70), by_text(pool, rows), np.random.default_rng([3, 9, 1]))
    predicted = reference(directions, labels[rows], folds).argmax(axis=1)
    assert found == pytest.approx(
        {
            "estimated_accuracy": accuracy_score(labels[rows], predicted),
            "estimated_f1_macro": f1_score(labels[rows], predicted, average="macro"),
        }
    )
    assert 0.6 < found["estimated_accuracy"] < 1


def test_a_text_is_not_estimated_by_its_copies(tmp_path: Path, reviews: Dataset) -> None:
    """Labels that nothing can be learned of: who has seen the copy knows them all the same."""
    labels = [int(label) for label in rng(1).integers(0, 2, 60)]
    texts = reviews["text"][:60]
    rows = Dataset.from_dict({"text": texts * 2, "label": labels * 2})
    pool = Pool(rows.cast_column("label", ClassLabel(names=["a", "b"])), tmp_path, "text", "label")
    answer(pool, range(120))
    x = np.tile(rng().normal(size=(60, 100)), (2, 1))
    assert 0.3 < estimates(pool, embeddings=x)["estimated_accuracy"] < 0.7


def test_sets_of_labels_are_counted_from_their_thresholds_on(tmp_path: Path, reviews: Dataset) -> None:
    topics = [[n for n, every in enumerate((2, 3)) if row % every == 0] for row in range(60)]
    rows = reviews.select(range(60)).remove_columns("label").add_column("topics", topics)
    rows = rows.cast_column("topics", List(ClassLabel(names=["even", "third"])))
    pool = Pool(rows, tmp_path, "text", "topics", thresholds={"even": 0.5, "third": 0.2})
    answer(pool, range(60))
    kinds = np.array([2 * (row % 3 == 0) + (row % 2 == 0) for row in range(60)])
    x = vectors(kinds)
    sets = np.stack([kinds % 2, kinds // 2], axis=1)
    directions = x / np.linalg.norm(x, axis=1, keepdims=True)
    folds = draw_folds(sets.astype(float), np.arange(60), by_text(pool, range(60)), np.random.default_rng([3, 9, 1]))
    shares = np.stack([reference(directions, sets[:, label], folds)[:, 1] for label in (0, 1)], axis=1)
    predicted = shares >= [0.5, 0.2]
    assert (predicted != (shares >= 0.5)).any()
    assert estimates(pool, embeddings=x) == pytest.approx(
        {f"estimated_f1_{average}": f1_score(sets, predicted, average=average) for average in ("micro", "macro")}
    )


@pytest.mark.parametrize("frozen", [pytest.param(False, marks=pytest.mark.slow), True])
def test_entities_are_whole_and_of_sentences_that_no_head_has_seen(
    tmp_path: Path, tagged: Dataset, frozen: bool
) -> None:
    """With the encoder's name, and with states that the pool has already."""
    pool = Pool(tagged if frozen else load_sentences(60), tmp_path, "tokens", "ner_tags")
    answer(pool, range(50))
    found = estimates(pool, **({} if frozen else {"embeddings": MINILM}))
    x, tags, rows = [], [], []
    for row in range(50):
        ids = load_sentences(60)[row]["word_ids"]
        first = [place for place, word in enumerate(ids) if word is not None and word not in ids[:place]]
        states = np.reshape(tagged[row]["token_states"], (len(ids), -1)).astype(float)[first]
        x.append(states / np.linalg.norm(states, axis=1, keepdims=True))
        tags.append([TAGS.index(tag) for tag in load_sentences(60)[row]["ner_tags"]][: len(first)])
        rows += [row] * len(first)
    labels = np.concatenate(tags)
    folds = draw_folds(labels, np.array(rows), by_text(pool, range(50)), np.random.default_rng([3, 9, 1]))
    predicted = np.concatenate([np.array(TAGS)[labels]])
    for fold in range(10):  # of which the heads know different classes
        held_out = folds == fold
        seen = np.concatenate(x)[~held_out]
        scaled = Scaled().fit(seen)
        model = LogisticRegression(max_iter=1000).fit(scaled.transform(seen), labels[~held_out])
        predicted[held_out] = np.array(TAGS)[model.predict(scaled.transform(np.concatenate(x)[held_out]))]
    of_sentence = [predicted[np.array(rows) == row].tolist() for row in range(50)]
    wanted = [[TAGS[tag] for tag in of] for of in tags]
    expected = EntityF1().compute(predictions=of_sentence, references=wanted)["f1"]
    assert found == pytest.approx({"estimated_f1": expected}, abs=0.01)
    assert 0.2 < found["estimated_f1"] < 1


def test_labels_that_are_all_the_same_have_no_estimate(
    tmp_path: Path, reviews: Dataset, caplog: pytest.LogCaptureFixture
) -> None:
    pool = Pool(reviews, tmp_path, "text", "label")
    answer(pool, range(0, 12, 2))
    with caplog.at_level(logging.INFO, "hfal"):
        assert estimates(pool, embeddings=vectors(np.zeros(300, int))) == {}
    assert "round 1: nothing is estimated, since all labels so far are the same" in caplog.text


# -- what cannot be --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("embeddings", ["model", "entities"])
def test_an_encoder_has_to_be_named(tmp_path: Path, embeddings: str) -> None:
    pool = Pool(load_sentences(20), tmp_path, "tokens", "ner_tags")
    with pytest.raises(ArgumentError, match=f"estimate=True puts a head .* but embeddings='{embeddings}' names none"):
        ActiveLearningCallback(pool, estimate=True, embeddings=embeddings)


def test_states_of_words_come_from_the_encoder_that_has_tokenized_the_pool(tmp_path: Path, byte_level: Any) -> None:
    pool = Pool(load_sentences(20), tmp_path / "run", "tokens", "ner_tags")
    with pytest.raises(ArgumentError, match="embeddings is a ndarray, but for entities the head takes the states of"):
        ActiveLearningCallback(pool, estimate=True, embeddings=np.zeros((20, 3)))
    encoder = save_tiny_encoder(tmp_path / "encoder")
    byte_level.save_pretrained(encoder)
    with pytest.raises(ArgumentError, match="has another tokenizer than the one that tokenized the pool"):
        ActiveLearningCallback(pool, estimate=True, embeddings=encoder)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"stop": "plateau(estimated_accuracy)"}, "is an estimate that is not recorded: pass estimate=True too"),
        ({"stop": "plateau(estimated_f1)", "estimate": True}, "is not estimated; there are: estimated_accuracy, est"),
        ({"stop": "plateau"}, "plateau needs metric"),
        ({"stop": "plateau", "estimate": True, "holdout": 5}, "plateau needs metric"),
        (
            {"stop": "plateau(accuracy)", "estimate": True},
            "needs an eval_dataset .* estimate=True gives estimated_acc",
        ),
    ],
)
def test_what_ends_a_run_is_recorded_or_refused(
    make_active: Any, make_trainer: Any, options: dict[str, Any], complaint: str
) -> None:
    def run() -> None:
        active = make_active(embeddings=np.zeros((300, 2)), **options)
        active.run(make_trainer([active]), rounds=2)

    with pytest.raises(ArgumentError, match=complaint):
        run()


# -- rounds ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def embeddings(reviews: Dataset) -> np.ndarray:
    return vectors(np.array(reviews["label"][:]))


def test_a_run_without_any_held_out_text_stops_by_the_estimate(
    make_active: Any, make_trainer: Any, embeddings: np.ndarray
) -> None:
    options = {"embeddings": embeddings, "estimate": True, "stop": "plateau"}
    active = make_active(**options, strategy="random")
    records = active.run(make_trainer([active]), rounds=12)
    assert active.options.stop == Plateau("estimated_accuracy")
    curve = [record.metrics["estimated_accuracy"] for record in records]
    ends = [n for n in range(4, len(curve) + 1) if max(curve[n - 3 : n]) - max(curve[: n - 3]) <= 0.01 + 1e-9]
    assert ends == [len(curve)]
    assert len(curve) < 12
    assert all(set(record.metrics) == {"estimated_accuracy", "estimated_f1_macro"} for record in records)
    status = describe_run(active.pool.run_dir)
    assert "estimated_accuracy  estimated_f1_macro\n" in status
    assert "\nestimated: by cross-validation of a linear head on a frozen encoder, on the labeled examples" in status
    assert "\nFinished, estimated_accuracy has gained " in status


def test_estimates_change_no_query_and_stand_beside_what_is_measured(
    make_active: Any, make_trainer: Any, embeddings: np.ndarray, eval_reviews: Dataset, tmp_path: Path
) -> None:
    def run(name: str, **options: Any) -> Pool:
        active = make_active(run_dir=tmp_path / name, embeddings=embeddings, strategy="margin+kmeans", **options)
        measured = {"eval_dataset": eval_reviews, "compute_metrics": classification_metrics}
        active.run(make_trainer([active], **measured), rounds=2)
        return active.pool

    with_estimates, without = run("with", estimate=True), run("without")
    for one, other in zip(with_estimates.store.rounds(), without.store.rounds(), strict=True):
        estimated = {name for name in one.metrics if name.startswith("estimated_")}
        assert estimated == {"estimated_accuracy", "estimated_f1_macro"}
        assert {name: value for name, value in one.metrics.items() if name not in estimated} == other.metrics
    queries = [[query.examples for query in pool.store.queries()] for pool in (with_estimates, without)]
    assert queries[0] == queries[1]


def test_a_round_that_was_killed_before_it_was_recorded_has_the_same_estimate(
    make_active: Any,
    make_trainer: Any,
    embeddings: np.ndarray,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def run(name: str) -> list[dict[str, float]]:
        active = make_active(run_dir=tmp_path / name, embeddings=embeddings, estimate=True)
        return [record.metrics for record in active.run(make_trainer([active]), rounds=3)]

    expected = run("whole")
    finish, killed = Store.finish_round, []

    def finish_round(store: Store, number: int, metrics: Any) -> None:
        if number == 2 and not killed:
            killed.append(number)
            raise KeyboardInterrupt
        finish(store, number, metrics)

    monkeypatch.setattr(Store, "finish_round", finish_round)
    with pytest.raises(KeyboardInterrupt):
        run("killed")
    assert run("killed") == expected
    assert killed
    assert len({metrics["estimated_accuracy"] for metrics in expected}) > 1


def test_a_single_training_has_an_estimate_too(make_active: Any, make_trainer: Any, embeddings: np.ndarray) -> None:
    active = make_active(embeddings=embeddings, estimate=True)
    answer(active.pool, range(30))
    make_trainer([active], train_dataset=active.pool.labeled).train()
    (record,) = active.history
    assert record.metrics == active.estimator.estimate(1)
    assert record.metrics["estimated_accuracy"] > 0.5


def test_the_head_that_picks_is_the_one_that_estimates(
    make_active: Any, make_trainer: Any, embeddings: np.ndarray
) -> None:
    active = make_active(embeddings=embeddings, estimate=True, select_with="head", queries_per_round=2)
    records = active.run(make_trainer([active]), rounds=2)
    assert [record.labels for record in records] == [20, 40]
    assert [record.metrics for record in records] == [active.estimator.estimate(number) for number in (1, 2)]


def test_simulated_people_are_not_needed(tmp_path: Path, reviews: Dataset, make_trainer: Any) -> None:
    """The embeddings of a real model of sentence-transformers, by its folder."""
    pool = Pool(reviews.select(range(40)), tmp_path / "run", "text", "label")
    encoder = save_tiny_encoder(tmp_path / "encoder", "mean")
    active = ActiveLearningCallback(
        pool, strategy="random", annotator=SimulatedAnnotator(pool), query_size=20, embeddings=encoder, estimate=True
    )
    (record,) = active.run(make_trainer([active]), rounds=1)
    assert set(record.metrics) == {"estimated_accuracy", "estimated_f1_macro"}
