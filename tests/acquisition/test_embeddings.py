"""Sentence embeddings of a pool, with the real all-MiniLM-L6-v2."""

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer

from hfal import ActiveLearningCallback, Pool, SimulatedAnnotator
from hfal.acquisition.embeddings import sentence_embeddings
from hfal.data.references import resolve_model
from support.models import MINILM


@pytest.fixture(scope="module")
def minilm() -> SentenceTransformer:
    return SentenceTransformer(resolve_model(MINILM))


@pytest.fixture
def pool(tmp_path, reviews) -> Pool:
    return Pool(reviews.select(range(40)), tmp_path, "text", "label")


def test_embeddings_are_those_of_encode_in_the_order_of_rows(pool, minilm):
    found = sentence_embeddings(pool, MINILM)
    expected = minilm.encode(pool.dataset["text"][:])
    assert found.shape == (40, 384)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_they_are_computed_once_and_again_when_texts_or_weights_change(pool, minilm, tmp_path, reviews):
    first = sentence_embeddings(pool, minilm)
    (file,) = (pool.run_dir / "sentence_embeddings").iterdir()
    np.save(file, np.full_like(first, 7))  # so that reading the file can be told from computing
    assert (sentence_embeddings(pool, MINILM) == 7).all()

    longer = sentence_embeddings(Pool(reviews.select(range(41)), tmp_path, "text", "label"), minilm)
    assert ((longer == 7).all(axis=1) == (np.arange(41) < 40)).all()  # copied, but for the text that is new
    others = Pool(reviews.select([1, 0, *range(2, 45)]), tmp_path, "text", "label")
    assert not (sentence_embeddings(others, minilm) == 7).any()

    other = SentenceTransformer(resolve_model(MINILM))
    with torch.no_grad():
        next(other.parameters()).add_(0.1)
    assert not (sentence_embeddings(pool, other) == 7).any()


def test_runs_may_share_the_folder(pool, minilm, tmp_path, reviews):
    other = Pool(reviews.select(range(40)), tmp_path / "other", "text", "label")
    shared = tmp_path / "shared"
    for each in (pool, other):
        active = ActiveLearningCallback(each, embeddings=MINILM, embeddings_dir=shared, seed_strategy="kmeans")
        active.acquisition.first.propose_seed_set()
        assert not (each.run_dir / "sentence_embeddings").exists()
    (file,) = shared.iterdir()
    assert np.load(file).shape == (40, 384)
    first, second = ([e.example_id for e in each.store.queries()[0].examples] for each in (pool, other))
    assert first == second


def test_loading_the_model_draws_no_random_number(pool):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    sentence_embeddings(pool, MINILM)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_hybrid_uses_them_instead_of_the_trained_models(pool, make_trainer, minilm):
    seen = []

    def remember(signals, k, rng):
        seen.append(np.array(signals.embeddings))
        return np.arange(k)

    remember.needs = frozenset({"embeddings"})
    active = ActiveLearningCallback(
        pool,
        strategy=remember,
        annotator=SimulatedAnnotator(pool),
        embeddings=minilm,
        query_size=5,
    )
    trainer = make_trainer([active])
    for current in active.rounds(trainer, 2):
        if current.number == 1:
            texts = [row["text"] for row in pool.texts(pool.unlabeled_positions())]
        trainer.train(resume_from_checkpoint=current.checkpoint)
    assert len(seen) == 1
    np.testing.assert_allclose(seen[0], minilm.encode(texts), atol=1e-5)
