"""A stream: what is asked, let go and held out, what is kept of it, and the rounds between two parts of it."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from transformers import PreTrainedTokenizerBase, Trainer

from hfal import (
    ActiveLearningCallback,
    Answer,
    FileAnnotator,
    Pool,
    SimulatedAnnotator,
    Stream,
    export_labels,
    tokenize_words,
)
from hfal.errors import AnswersPending, ArgumentError
from hfal.store.records import STREAM
from hfal.store.stream_log import ASKED, COPY, LET_GO, RANDOM, SAMPLE
from hfal.strategies.stream_budgets import FixedThreshold
from hfal.training.frozen_head import FrozenHead
from support.command import read_csv, write_csv
from support.models import opinionated_model_init, save_tiny_encoder
from support.texts import load_reviews, load_sentences


@pytest.fixture(scope="module")
def texts() -> list[dict[str, Any]]:
    """600 labeled sentences that no pool of these tests has."""
    return load_reviews(600, skip=300).select_columns(["text", "label"]).to_list()


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save_tiny_encoder(tmp_path_factory.mktemp("encoder"), "mean", normalize=True)


@pytest.fixture
def open_pool(tmp_path: Path, tokenizer: PreTrainedTokenizerBase) -> Callable[..., Pool]:
    """A function that opens a pool of 60 sentences, which are tokenized by `prepare`."""
    data = load_reviews(60).select_columns(["text", "label"])

    def tokenize(batch: dict[str, Any]) -> Any:
        return tokenizer(batch["text"], truncation=True, max_length=64)

    def make(name: str = "run", label: str | None = "label", **options: Any) -> Pool:
        names = None if label else ["negative", "positive"]
        rows = data if label else data.remove_columns("label")
        prepare = lambda rows: rows.map(tokenize, batched=True)  # noqa: E731
        return Pool(rows, tmp_path / name, "text", label, names, prepare=prepare, **options)

    return make


@pytest.fixture
def trained(open_pool, make_trainer) -> Callable[..., tuple[Pool, ActiveLearningCallback, Trainer]]:
    """A function that trains one round on a pool, whose labels are revealed."""

    def make(name: str = "run", **options: Any) -> tuple[Pool, ActiveLearningCallback, Trainer]:
        pool = open_pool(name)
        active = ActiveLearningCallback(
            pool, strategy="margin", query_size=10, annotator=SimulatedAnnotator(pool), **options
        )
        trainer = make_trainer([active], model_init=opinionated_model_init)
        active.run(trainer, rounds=1)
        return pool, active, trainer

    return make


@pytest.fixture
def headed(open_pool, encoder) -> Callable[..., tuple[Pool, FrozenHead]]:
    """A function that labels half a pool and fits a head to it."""

    def make(name: str = "run") -> tuple[Pool, FrozenHead]:
        pool = open_pool(name)
        label(pool, pool.ids.to_pylist()[:30])
        return pool, FrozenHead(pool, encoder)

    return make


def label(pool: Pool, ids: list[str]) -> None:
    for one in ids:
        pool.record(Answer(one, pool.hidden_label(one), annotator="ann"))


def fill_in(run_dir: Path) -> None:
    for file in run_dir.glob("query-*.csv"):
        rows = read_csv(file)
        write_csv(
            file, list(rows[0]), [[{**row, "label": row["label"] or "negative"}[n] for n in row] for row in rows]
        )


def decisions(pool: Pool) -> list[tuple[Any, ...]]:
    found = pool.store.stream_decisions()
    return [(d.seen, d.round, d.outcome, d.score, d.threshold, d.example_id) for d in found]


def asked(pool: Pool) -> list[tuple[str, int, list[tuple[str, float | None, Any]]]]:
    """Purpose, round, and examples with score and suggestion of the queries of a stream."""
    of_stream = [query for query in pool.store.queries() if query.purpose == STREAM or "stream" in query.settings]
    return [(q.purpose, q.round, [(e.example_id, e.score, e.suggestion) for e in q.examples]) for q in of_stream]


def batches(texts: list[Any], size: int = 50) -> list[list[Any]]:
    return [texts[start : start + size] for start in range(0, len(texts), size)]


def test_a_stream_goes_on_with_the_model_of_the_next_round(trained, texts, make_trainer):
    pool, active, trainer = trained()
    stream = Stream(pool, trainer, budget=0.1, random_share=0.3)
    trainer.model.train()
    first = [one for batch in batches(texts[:300]) for one in stream.consider(batch)]
    assert trainer.model.training
    assert len(first) == len(set(first)) == sum(len(examples) for _, _, examples in asked(pool))
    assert 20 <= len(first) <= 40
    records = active.run(trainer, rounds=2)
    of_stream = {e.example_id for q in pool.store.queries() if q.purpose == STREAM for e in q.examples}
    held_out = pool.store.holdout_ids()
    assert of_stream | held_out == set(first)
    assert records[1].train_size == 10 + len(of_stream)  # and the model of round 1 has queried nothing
    assert [query.purpose for query in pool.store.queries()].count("round") == 0
    assert pool.training_labels().keys().isdisjoint(held_out)
    second = [one for batch in batches(texts[300:]) for one in stream.consider(batch)]
    assert second
    assert {number for _, number, _ in asked(pool)} == {1, 2}
    assert stream.state.seen == 600
    assert sum(stream.state.outcomes.values()) == 600
    assert stream.state.outcomes[ASKED] + stream.state.outcomes[RANDOM] == len(first) + len(second)


def test_an_export_of_a_stream_goes_on_with_the_answers(trained, texts, make_trainer, tmp_path):
    pool, active, trainer = trained()
    ids = Stream(pool, trainer, budget=0.2).consider(texts[:100])
    active.annotate()
    export_labels(pool.run_dir, tmp_path / "export", unlabeled=pool, answers=True)
    expected = active.run(trainer, rounds=2)
    again = Pool.from_export(tmp_path / "export", tmp_path / "again", prepare=pool._prepare)
    active = ActiveLearningCallback(again, strategy="margin", query_size=10, annotator=FileAnnotator("csv"))
    records = active.run(make_trainer([active], model_init=opinionated_model_init), rounds=2)
    assert records[1].train_size == expected[1].train_size > 10
    assert records[1].labels == expected[1].labels == 10 + len(ids)
    assert [query.purpose for query in again.store.queries()].count("round") == 0


def test_scores_are_those_of_the_model_and_thresholds_decide(trained, texts):
    pool, _, trainer = trained()
    stream = Stream(pool, trainer, strategy="entropy", budget=1.0, manager=FixedThreshold(0.6), random_share=0.0)
    ids = stream.consider(texts[:40])
    tokens = trainer.processing_class([t["text"] for t in texts[:40]], padding=True, return_tensors="pt")
    with torch.no_grad():
        probabilities = trainer.model.eval()(**tokens).logits.double().softmax(dim=-1)
    entropy = -(probabilities * probabilities.log()).sum(dim=-1).numpy()
    by_text = dict(zip([t["text"] for t in texts], entropy, strict=False))
    suggestion = dict(zip([t["text"] for t in texts], probabilities.argmax(dim=-1).tolist(), strict=False))
    assert {pool.texts([pool.position(i)])[0]["text"] for i in ids} == {t for t, s in by_text.items() if s >= 0.6}
    assert 0 < len(ids) < 40
    for _, _, examples in asked(pool):
        for example_id, score, suggested in examples:
            text = pool.texts([pool.position(example_id)])[0]["text"]
            assert score == pytest.approx(by_text[text], abs=1e-5)
            assert suggested == pool.label_names[suggestion[text]]
    kept = pool.store.stream_decisions()
    assert [d.score >= 0.6 for d in kept] == [d.outcome == ASKED for d in kept]
    assert {d.threshold for d in kept} == {0.6}


def test_decisions_do_not_depend_on_how_the_stream_is_cut(headed, texts):
    """Of a head, whose scores hardly differ between batches; near-copies are in other batches, or in the same."""
    with_copies = [one for text in texts[:150] for one in (text["text"], f"{text['text']} !")]
    found = {}
    for size in (300, 50, 7):
        pool, head = headed(str(size))
        stream = Stream(pool, head, budget=0.1, seed=3)
        for batch in batches(with_copies, size):
            stream.consider(batch)
        kept = pool.store.stream_decisions()
        found[size] = {d.seen: d.outcome for d in kept if d.outcome in (ASKED, RANDOM)}
    assert found[300] == found[50] == found[7]
    assert stream.state.outcomes[COPY] > 5
    copies = {seen + 1 for seen in found[7] if seen % 2}
    assert copies
    assert all(found[7].get(seen) in (None, RANDOM) for seen in copies)


def test_a_head_is_fitted_to_what_was_answered_and_embeds_nothing_twice(headed, texts, encoder, monkeypatch):
    pool, head = headed()
    embedded: list[str] = []
    embed = FrozenHead.embed
    monkeypatch.setattr(
        FrozenHead, "embed", lambda self, texts: embedded.extend(texts.dataset["text"]) or embed(self, texts)
    )
    stream = Stream(pool, head, budget=0.2)
    first = stream.consider(texts[:100])
    label(pool, first)
    second = stream.consider(texts[100:200])
    assert first
    assert second
    assert Counter(embedded) == Counter(text["text"] for text in texts[:200])
    again = FrozenHead(pool, encoder)
    np.testing.assert_allclose(head.embeddings, again.embeddings, atol=1e-6)
    assert head.fit().classifier.weight.allclose(again.fit().classifier.weight, atol=1e-3)
    files = sorted((pool.run_dir / "sentence_embeddings").glob("*.npy"), key=lambda file: file.stat().st_size)
    rows = [np.load(file) for file in files]
    assert [len(one) for one in rows] == [60, len(pool)]
    assert (rows[1][:60] == rows[0]).all()  # copied: to embed them again would have changed their last bits


def test_what_was_decided_is_passed_over(headed, open_pool, texts, encoder):
    pool, head = headed()
    stream = Stream(pool, head, budget=0.1)
    first = stream.consider(texts[:80])
    assert stream.consider(texts[:80]) == []
    by_id = stream.consider(texts[:80], ids=range(80))  # other ids, so they are texts that came again
    more = stream.consider(texts[:90], ids=range(90))
    assert stream.consider(texts[:90], ids=range(90)) == []
    assert stream.state.seen == 80 + 80 + 10
    assert not set(by_id) & {*first, *more}
    before, counts = decisions(pool), stream.state
    pool.store.close()
    again = open_pool()
    stream = Stream(again, FrozenHead(again, encoder), budget=0.1)
    assert stream.consider(texts[:80]) == []
    assert stream.state == counts
    assert decisions(again) == before
    assert stream.consider(texts[80:90], source=("/log", 700)) is not None
    assert stream.consider(texts[:90], source=("/log", 700)) == []
    assert stream.consider([], source=("/log", 710)) == []
    assert stream.state.offsets == {"/log": 710}
    assert stream.state.seen == 180


def test_what_the_pool_has_is_let_go_and_a_sample_of_decisions_is_kept(headed, texts):
    pool, head = headed()
    stream = Stream(pool, head, budget=0.05, random_share=0.5)
    of_pool = pool.texts(range(len(pool)))
    assert stream.consider([of["text"] for of in of_pool]) == []
    assert stream.state.outcomes == {ASKED: 0, RANDOM: 0, LET_GO: 0, COPY: 60}
    for batch in batches(texts, 200):
        stream.consider(batch)
    kept = pool.store.stream_decisions()
    others = [d for d in kept if d.outcome not in (ASKED, RANDOM)]
    assert 0 < len(others) < 3 * 660 / SAMPLE
    assert all((d.example_id is None) == (d in others) for d in kept)
    drawn = [query for query in pool.store.queries() if "stream" in query.settings]
    assert {query.strategy for query in drawn} == {"random"}
    for query in drawn:
        assert query.settings["stream"]["predictions"].keys() == {e.example_id for e in query.examples}
        assert {e.suggestion for e in query.examples} == {None}


def test_people_answer_in_files(trained, open_pool, make_trainer, texts):
    pool = open_pool(label=None)
    active = ActiveLearningCallback(pool, strategy="margin", query_size=10, annotator=FileAnnotator("csv"))
    trainer = make_trainer([active], model_init=opinionated_model_init)

    with pytest.raises(AnswersPending):
        active.run(trainer, rounds=1)
    fill_in(pool.run_dir)
    active.run(trainer, rounds=1)
    stream = Stream(pool, trainer, budget=0.2)
    ids = stream.consider([text["text"] for text in texts[:100]])
    with pytest.raises(AnswersPending, match=r"from the stream, since round 1"):
        active.run(trainer, rounds=2)
    fill_in(pool.run_dir)
    records = active.run(trainer, rounds=2)
    assert records[1].labels == 10 + len(ids)


def test_arguments_that_cannot_work_are_refused(trained, headed, open_pool, make_trainer, encoder, tmp_path):
    pool, head = headed("head")
    with pytest.raises(
        ArgumentError, match=r"strategy='margin\+kmeans' compares texts .*: take a score of one pass, entropy, least"
    ):
        Stream(pool, head, strategy="margin+kmeans")
    with pytest.raises(ArgumentError, match="strategy='bald' compares texts or takes several passes"):
        Stream(pool, head, strategy="bald")
    with pytest.raises(ArgumentError, match="budget=2, expected the share"):
        Stream(pool, head, budget=2)
    with pytest.raises(ArgumentError, match=r"random_share=1\.0, expected"):
        Stream(pool, head, random_share=1.0)
    with pytest.raises(TypeError, match="trainer_or_head is a str"):
        Stream(pool, "model")
    with pytest.raises(ArgumentError, match="made of embeddings, and cannot embed new texts"):
        Stream(pool, FrozenHead(pool, head.embeddings))
    with pytest.raises(ArgumentError, match="made for another pool"):
        Stream(open_pool("other"), head)
    plain = Pool(load_reviews(20), tmp_path / "plain", "text", "label")
    with pytest.raises(ArgumentError, match="the pool has no prepare="):
        Stream(plain, FrozenHead(plain, encoder))
    unlabeled = open_pool("nothing")
    with pytest.raises(ArgumentError, match="nothing to be fitted to: no example is labeled"):
        Stream(unlabeled, FrozenHead(unlabeled, encoder)).consider(["good"])
    with pytest.raises(ArgumentError, match=r"no round has ended in .*active\.run\(trainer, rounds=1\)"):
        Stream(unlabeled, make_trainer()).consider(["good"])
    with pytest.raises(ArgumentError, match="2 ids for 1 text"):
        Stream(pool, head).consider(["good"], ids=[1, 2])
    with pytest.raises(ArgumentError, match="has no text in row 1"):
        Stream(pool, head).consider([{"text": "good"}, {"label": 1}])
    assert pool.store.stream is None


def test_sentences_with_entities_are_scored_by_a_trainer(tmp_path, make_trainer, tokenizer):
    data = load_sentences(60).select_columns(["tokens", "ner_tags"])
    more = load_sentences(60, skip=60).select_columns(["tokens", "ner_tags"]).to_list()

    def prepare(rows: Dataset) -> Dataset:
        return rows.map(tokenize_words, batched=True, fn_kwargs={"tokenizer": tokenizer, "text_column": "tokens"})

    pool = Pool(data, tmp_path / "run", "tokens", "ner_tags", prepare=prepare)
    active = ActiveLearningCallback(pool, strategy="margin", query_size=10, annotator=SimulatedAnnotator(pool))
    trainer = make_trainer([active], of_words=True)
    active.run(trainer, rounds=1)
    ids = Stream(pool, trainer, budget=0.3).consider(more)
    records = active.run(trainer, rounds=2)
    assert records[1].labels == 10 + len(ids)
    for _, _, examples in asked(pool):
        for example_id, _, suggested in examples:
            words = pool.texts([pool.position(example_id)])[0]["tokens"]
            assert suggested is None or len(suggested) == len(words)
