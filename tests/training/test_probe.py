"""Heads that begin as a probe: against scikit-learn on the same vectors, and in rounds of the ordinary Trainer."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset, List
from sentence_transformers import SentenceTransformer
from sklearn.linear_model import LogisticRegression

from hfal import ActiveLearningCallback, Pool, SimulatedAnnotator, probe_init
from hfal.data.references import resolve_model
from hfal.errors import ArgumentError
from hfal.store.records import Answer
from hfal.training.probe import fit_head
from support.models import MINILM, TAGS, save_tiny_encoder
from support.texts import load_reviews
from support.training import Watch


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save_tiny_encoder(tmp_path_factory.mktemp("encoder"), "mean")


@pytest.fixture
def pool(tmp_path: Path, reviews: Dataset) -> Pool:
    return Pool(reviews.select(range(60)), tmp_path / "run", "text", "label")


@pytest.fixture
def sets(tmp_path: Path) -> Pool:
    """Texts with none, one or both of two labels, and a third that few have."""
    topics = [[n for n, every in enumerate((2, 3, 20)) if row % every == 0] for row in range(60)]
    rows = load_reviews(60).remove_columns("label").add_column("topics", topics)
    rows = rows.cast_column("topics", List(ClassLabel(names=["even", "third", "rare"])))
    return Pool(rows, tmp_path / "run", "text", "topics")


def answer(pool: Pool, rows: Any) -> None:
    """Record the hidden labels of some rows."""
    for row in rows:
        example = str(pool.ids[row])
        pool.record(Answer(example, pool.hidden_label(example), annotator="someone"))


def logits_of(model: torch.nn.Module, tokenizer, rows: Dataset) -> torch.Tensor:
    names = ["input_ids", "token_type_ids", "attention_mask"]
    batch = tokenizer.pad(rows.select_columns(names).with_format(None)[:], return_tensors="pt")
    with torch.no_grad():
        return model.eval()(**batch).logits.double()


def softmax(logits: np.ndarray) -> np.ndarray:
    return torch.from_numpy(logits).softmax(-1).numpy()


def vectors(n: int) -> np.ndarray:
    """Correlated numbers of very different size, and one that hardly varies."""
    made = np.random.default_rng(0)
    found = made.normal(size=(n, 6)) @ made.normal(size=(6, 6)) + 3
    found[:, 5] = 1e-33 * made.normal(size=n)
    return found


# -- the head --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [2, 4])
def test_a_head_says_what_scikit_learn_says(classes: int) -> None:
    x, new = np.split(vectors(70), [40])
    labels = np.digitize(x[:, 0], np.quantile(x[:, 0], np.arange(1, classes) / classes))
    weight, bias = fit_head(x, labels, classes, c=0.5)
    scale = np.sqrt(x.var(axis=0).mean())
    reference = LogisticRegression(C=0.5, max_iter=1000).fit((x - x.mean(axis=0)) / scale, labels)
    expected = reference.predict_proba((new - x.mean(axis=0)) / scale)
    np.testing.assert_allclose(softmax(new @ weight.T + bias), expected, atol=1e-9)
    assert np.abs(weight).max() < 100  # though one number hardly varies
    assert len(np.unique(expected.argmax(1))) == classes
    # On the vectors as they are, with the regularization that amounts to the same; it stops a little elsewhere.
    raw = LogisticRegression(C=0.5 / scale**2, max_iter=10_000, tol=1e-10).fit(x, labels)
    np.testing.assert_allclose(softmax(new @ weight.T + bias), raw.predict_proba(new), atol=5e-3)
    np.testing.assert_allclose((weight - weight.mean(0))[-1], (raw.coef_ / (1 + (classes == 2)))[-1], atol=2e-2)


def test_a_class_without_examples_has_small_odds() -> None:
    x = vectors(30)
    labels = np.where(x[:, 0] > 3, 3, 1)
    weight, bias = fit_head(x, labels, 4)
    two_weight, two_bias = fit_head(x, labels // 2, 2)
    np.testing.assert_allclose(weight[[1, 3]], two_weight)
    np.testing.assert_allclose(bias[[1, 3]], two_bias)
    np.testing.assert_allclose(bias[[0, 2]], -np.log(30))
    assert (weight[[0, 2]] == 0).all()
    assert {*(x @ weight.T + bias).argmax(1)} == {1, 3}


def test_sets_have_a_regression_for_each_label() -> None:
    x, new = np.split(vectors(40), [30])
    sets = np.stack([x[:, 0] > 3, np.zeros(30), np.ones(30), x[:, 1] > 2], axis=1).astype(np.float32)
    weight, bias = fit_head(x, sets, 4)
    scale = np.sqrt(x.var(axis=0).mean())
    for label in (0, 3):
        reference = LogisticRegression(max_iter=1000).fit((x - x.mean(axis=0)) / scale, sets[:, label])
        expected = reference.predict_proba((new - x.mean(axis=0)) / scale)[:, 1]
        np.testing.assert_allclose(1 / (1 + np.exp(-(new @ weight[label] + bias[label]))), expected, atol=1e-9)
    assert (weight[1:3] == 0).all()
    np.testing.assert_allclose(bias[1:3], [-np.log(30), np.log(30)])


@pytest.mark.parametrize("labels", [[], [1], [1, 1, 1]])
def test_one_class_says_nothing(labels: list[int]) -> None:
    weight, bias = fit_head(vectors(len(labels)), np.array(labels, int), 3)
    assert not weight.any()
    assert not bias.any()


def test_equal_vectors_are_no_division_by_zero() -> None:
    weight, bias = fit_head(np.ones((4, 3)), np.array([0, 0, 0, 1]), 2)
    np.testing.assert_allclose(softmax(np.ones((1, 3)) @ weight.T + bias), [[0.75, 0.25]], atol=1e-3)


# -- the model -------------------------------------------------------------------------------------------------------


def test_the_real_encoder_begins_as_a_probe_of_its_sentence_embeddings(pool: Pool, tokenizer) -> None:
    answer(pool, range(7, 40))
    model = probe_init(pool, MINILM, c=2.0)()
    x = SentenceTransformer(resolve_model(MINILM)).encode(pool.dataset["text"][:]).astype(np.float64)
    train, labels = x[7:40], np.array(pool.dataset["label"][:])[7:40]
    mean, scale = train.mean(axis=0), np.sqrt(train.var(axis=0).mean())
    reference = LogisticRegression(C=2.0, max_iter=1000).fit((train - mean) / scale, labels)
    found = logits_of(model, tokenizer, pool.dataset)
    np.testing.assert_allclose(found.softmax(-1), reference.predict_proba((x - mean) / scale), atol=1e-3)
    assert (found.argmax(-1).numpy() == reference.predict((x - mean) / scale)).all()
    assert [model.config.id2label[n] for n in range(2)] == ["negative", "positive"]


@pytest.mark.parametrize("factor", [1.0, 30.0])
def test_a_model_of_sets_begins_as_a_probe(sets: Pool, encoder: str, tokenizer, factor: float) -> None:
    answer(sets, range(30))
    model = probe_init(sets, encoder, head_learning_rate_factor=factor)()
    assert model.config.problem_type == "multi_label_classification"
    x = SentenceTransformer(encoder).encode(sets.dataset["text"][:]).astype(np.float64)
    weight, bias = fit_head(x[:30], np.array([[n % 2 == 0, n % 3 == 0, n % 20 == 0] for n in range(30)], float), 3)
    found = logits_of(model, tokenizer, sets.dataset)
    np.testing.assert_allclose(found, x @ weight.T + bias, atol=1e-2)
    sets.task.check_problem_type(model.config.problem_type)


def test_a_tagger_begins_as_a_probe_of_first_tokens(tmp_path: Path, sentences: Dataset, encoder: str, tokenizer):
    pool = Pool(sentences.select(range(40)), tmp_path / "run", "tokens", "ner_tags")
    answer(pool, range(20))
    model = probe_init(pool, encoder)()
    states, tags = [], []
    for row in pool.labeled:
        with torch.no_grad():
            found = model.encoder(torch.tensor([row["input_ids"]])).last_hidden_state[0]
        first = np.array(row["labels"]) != -100
        states.append(found.numpy()[first])
        tags.append(np.array(row["labels"])[first])
    assert len(np.concatenate(tags)) == sum(len(tokens) for tokens in pool.dataset["tokens"][:20])
    weight, bias = fit_head(np.concatenate(states).astype(np.float64), np.concatenate(tags), len(TAGS))
    logits = logits_of(model, tokenizer, pool.labeled)
    for place, one in enumerate(states):
        first = np.array(pool.labeled[place]["labels"]) != -100
        found = logits[place, : len(first)][torch.from_numpy(first)]
        # Not the logits of rare tags: for states that differ in their last bits, the solver stops a little elsewhere.
        np.testing.assert_allclose(softmax(found.numpy()), softmax(one @ weight.T + bias), atol=6e-3)


def test_without_labels_every_class_is_as_likely(pool: Pool, encoder: str, tokenizer) -> None:
    init = probe_init(pool, encoder)
    assert (logits_of(init(), tokenizer, pool.dataset) == 0).all()
    answer(pool, [0, 2])  # of one class
    assert (logits_of(init(), tokenizer, pool.dataset) == 0).all()
    answer(pool, [1])
    assert (logits_of(init(), tokenizer, pool.dataset) != 0).all()


def test_the_same_labels_give_the_same_head(pool: Pool, encoder: str) -> None:
    init = probe_init(pool, encoder)
    answer(pool, range(10))
    first, second = init(), init()
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    answer(pool, range(10, 12))
    assert not torch.equal(init().classifier.weight, first.classifier.weight)


def test_a_round_knows_the_answers_that_it_began_with(pool: Pool, encoder: str) -> None:
    init = probe_init(pool, encoder)
    answer(pool, range(10))
    with pool.store.own():
        pool.store.start_round(1, seed=1, train_size=10)
    first = init().classifier.weight
    answer(pool, range(10, 12))  # while the round is trained
    assert torch.equal(init().classifier.weight, first)
    with pool.store.own():
        pool.store.finish_round(1, {})
    assert not torch.equal(init().classifier.weight, first)


# -- rounds ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("retrain", ["from_scratch", "continue"])
def test_rounds_begin_with_a_probe_of_their_labels(pool: Pool, encoder: str, make_trainer, retrain: str) -> None:
    init, watch = probe_init(pool, encoder, head_learning_rate_factor=10.0), Watch()
    active = ActiveLearningCallback(
        pool, strategy="margin", annotator=SimulatedAnnotator(pool), query_size=10, retrain=retrain
    )
    trainer = make_trainer([active, watch], model_init=init)
    probes, last = [], []
    for current in active.rounds(trainer, 3):
        probes.append(init().classifier.weight.detach())
        trainer.train(resume_from_checkpoint=current.checkpoint)
        last.append(trainer.model.classifier.weight.detach().clone())
    begun = watch.first_weights
    assert torch.equal(begun[0], probes[0])
    assert not torch.equal(last[0], begun[0])
    if retrain == "from_scratch":
        assert torch.equal(begun[2], probes[2])
        assert not torch.equal(probes[1], probes[2])
    else:
        assert torch.equal(begun[2], last[1])


def test_the_head_has_its_own_learning_rate_in_the_trainer(pool: Pool, encoder: str, make_trainer) -> None:
    moved = {}
    for factor in (1.0, 20.0):
        init = probe_init(pool, encoder, head_learning_rate_factor=factor)
        answer(pool, range(16))
        torch.manual_seed(0)
        before = init()
        trainer = make_trainer(
            model_init=init, train_dataset=pool.labeled, max_steps=1, learning_rate=1e-4, weight_decay=0.0
        )
        trainer.train()
        after = trainer.model.to("cpu")
        ones = torch.eye(32)
        moved[factor] = (after.classifier(ones) - before.classifier(ones)).abs().max().item()  # of weight and bias
        body = (
            after.encoder.model.embeddings.LayerNorm.weight - before.encoder.model.embeddings.LayerNorm.weight
        ).abs()
        assert body.max().item() == pytest.approx(1e-4, rel=0.05)
    assert moved[1.0] == pytest.approx(2e-4, rel=0.05)
    assert moved[20.0] == pytest.approx(40e-4, rel=0.05)


# -- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("c", 0),
        ("c", float("nan")),
        ("dropout", 1.0),
        ("dropout", -0.1),
        ("head_learning_rate_factor", 0.0),
        ("head_learning_rate_factor", float("inf")),
    ],
)
def test_options_that_cannot_be(pool: Pool, encoder: str, option: str, value: float) -> None:
    with pytest.raises(ArgumentError, match=f"^{option}={value}, expected"):
        probe_init(pool, encoder, **{option: value})


def test_a_pool_without_tokens_is_refused(tmp_path: Path, encoder: str) -> None:
    rows = load_reviews(10).select_columns(["text", "label"])
    with pytest.raises(ArgumentError, match="no column 'input_ids'; tokenize it first"):
        probe_init(Pool(rows, tmp_path / "run", "text", "label"), encoder)


def test_what_is_no_encoder_is_refused(pool: Pool, tmp_path: Path, encoder: str, tokenizer) -> None:
    with pytest.raises(FileNotFoundError):
        probe_init(pool, str(tmp_path / "nowhere"))
    answer(pool, range(4))
    probe_init(pool, encoder)().save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    with pytest.raises(ArgumentError, match="a hfal_pooled_classifier, of which transformers has no AutoModel"):
        probe_init(pool, str(tmp_path / "model"))
