"""A head on a frozen encoder: the real all-MiniLM-L6-v2, and the ordinary Trainer."""

from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import Dataset, Features, List, Value
from sentence_transformers import SentenceTransformer
from sklearn.linear_model import LogisticRegression

from hfal import ActiveLearningCallback, Pool, SimulatedAnnotator
from hfal.config.training_arguments import FROZEN_ENCODER, RoundTrainingArguments, suit_frozen_encoder
from hfal.data.pool_examples import STATES
from hfal.data.references import resolve_model
from hfal.errors import ArgumentError
from hfal.tasks.metrics import classification_metrics, entity_metrics
from hfal.training.frozen_encoder import (
    FrozenEncoderForSequenceClassification,
    FrozenEncoderForTokenClassification,
    add_embeddings,
    embeddings_of,
    pad_states,
    stack_rows,
)
from support.models import MINILM, NAMES, tiny_config
from support.texts import load_reviews


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """160 labeled movie-review sentences with their embeddings."""
    return add_embeddings(load_reviews(160), ["text"], MINILM, tmp_path_factory.mktemp("embeddings"))


@pytest.fixture
def pool(tmp_path: Path, embedded: Dataset) -> Pool:
    return Pool(embedded.select(range(120)), tmp_path / "run", "text", "label")


@pytest.fixture
def make_frozen_trainer(make_trainer, embedded: Dataset):
    def make(callbacks, **options):
        names = {"id2label": dict(enumerate(NAMES)), "label2id": {name: n for n, name in enumerate(NAMES)}}
        return make_trainer(
            callbacks,
            model_init=lambda: FrozenEncoderForSequenceClassification.on(embedded, MINILM, **names),
            data_collator=stack_rows,
            **{**FROZEN_ENCODER, **options},
        )

    return make


def test_the_column_has_what_the_encoder_says(embedded: Dataset) -> None:
    encoder = SentenceTransformer(resolve_model(MINILM))
    texts = embedded["text"][:]
    np.testing.assert_allclose(embeddings_of(embedded), encoder.encode(texts), atol=1e-5)
    np.testing.assert_array_equal(embedded[7]["embedding"], embeddings_of(embedded)[7])
    some = embedded.select([5, 3])
    np.testing.assert_array_equal(embeddings_of(some), embeddings_of(embedded)[[5, 3]])


def test_runs_share_the_file_of_the_same_texts(tmp_path: Path) -> None:
    reviews = load_reviews(6)
    add_embeddings(reviews, ["text"], MINILM, tmp_path)
    (file,) = tmp_path.iterdir()
    np.save(file, np.full((6, 384), 7, np.float32))  # so that reading can be told from computing
    assert (embeddings_of(add_embeddings(reviews, ["text"], MINILM, tmp_path)) == 7).all()
    edited = reviews.map(lambda row: {"text": row["text"] + "!"})
    assert not (embeddings_of(add_embeddings(edited, ["text"], MINILM, tmp_path)) == 7).any()
    with pytest.raises(ArgumentError, match="has a column 'embedding' already"):
        add_embeddings(reviews.add_column("embedding", [0] * 6), ["text"], MINILM, tmp_path)


def test_the_trainer_trains_a_head_that_agrees_with_scikit_learn(pool, embedded, make_frozen_trainer) -> None:
    active = ActiveLearningCallback(
        pool, strategy="random", annotator=SimulatedAnnotator(pool), query_size=100, min_steps=100
    )
    test = pool.with_labels(embedded.select(range(120, 160)))
    trainer = make_frozen_trainer([active], eval_dataset=test, compute_metrics=classification_metrics)
    (record,) = active.run(trainer, rounds=1)

    train = pool.labeled
    reference = LogisticRegression(C=10, max_iter=1000)
    reference.fit(embeddings_of(train), [int(label) for label in train["label"]])
    x = np.array(embeddings_of(test))
    head = trainer.model.eval()
    logits = head(torch.from_numpy(x)).logits.detach().numpy()
    assert (logits.argmax(1) == reference.predict(x)).mean() >= 0.9
    assert record.metrics["eval_accuracy"] == pytest.approx((logits.argmax(1) == np.array(test["label"][:])).mean())
    weight, bias = head.classifier.weight.detach().numpy(), head.classifier.bias.detach().numpy()
    np.testing.assert_allclose(logits, x * 384**0.5 @ weight.T + bias, rtol=1e-3, atol=1e-4)


def test_a_saved_head_reads_new_texts(pool, make_frozen_trainer) -> None:
    active = ActiveLearningCallback(
        pool, strategy="random", annotator=SimulatedAnnotator(pool), query_size=60, min_steps=100
    )
    trainer = make_frozen_trainer([active])
    active.run(trainer, rounds=1)
    folder = pool.run_dir / "rounds" / "001" / "model"
    assert (folder / "model.safetensors").exists()
    head = FrozenEncoderForSequenceClassification.from_pretrained(folder)
    assert [head.config.id2label[n] for n in range(2)] == NAMES
    encoder = SentenceTransformer(resolve_model(head.config.encoder_name_or_path))
    texts, labels = pool.labeled["text"][:20], pool.labeled["label"][:20]
    with torch.no_grad():
        logits = head(torch.from_numpy(encoder.encode(texts))).logits
        again = trainer.model.eval()(torch.from_numpy(encoder.encode(texts))).logits
    assert torch.equal(logits, again)
    assert (logits.argmax(1).numpy() == labels).mean() > 0.9  # it was trained on them


def test_strategies_get_the_embeddings_and_what_goes_into_the_head(pool, make_frozen_trainer) -> None:
    seen = []

    def remember(signals, k, rng):
        seen.append(signals)
        return np.arange(k)

    remember.needs = frozenset({"embeddings", "features", "probabilities"})
    active = ActiveLearningCallback(pool, strategy=remember, annotator=SimulatedAnnotator(pool), query_size=10)
    trainer = make_frozen_trainer([active])
    for current in active.rounds(trainer, 2):
        if current.number == 1:
            x = embeddings_of(pool.dataset)[pool.unlabeled_positions()] * 384**0.5
        trainer.train(resume_from_checkpoint=current.checkpoint)
    np.testing.assert_allclose(seen[0].embeddings, x, rtol=1e-5)
    np.testing.assert_allclose(seen[0].features, x, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["margin+kmeans", "badge", "bald", "kcenter"])
def test_strategies_and_starts_work_with_it(pool, make_frozen_trainer, strategy: str) -> None:
    active = ActiveLearningCallback(
        pool,
        strategy=strategy,
        annotator=SimulatedAnnotator(pool),
        query_size=8,
        seed_strategy="kmeans",
        embeddings=embeddings_of(pool.dataset),
    )
    records = active.run(make_frozen_trainer([active], max_steps=5), rounds=3)
    assert [record.labels for record in records] == [8, 16, 24]


def test_embeddings_of_ones_own_have_a_row_for_each_example(pool) -> None:
    with pytest.raises(ArgumentError, match=r"shape \[5, 3\], expected a row of numbers for each of the 120"):
        ActiveLearningCallback(pool, embeddings=np.zeros((5, 3)))


def test_what_the_user_has_set_stays(tmp_path: Path) -> None:
    args = RoundTrainingArguments(str(tmp_path), learning_rate=3e-3)
    suit_frozen_encoder(args, {"learning_rate"})
    batch = FROZEN_ENCODER["per_device_train_batch_size"]
    assert (args.learning_rate, args.per_device_train_batch_size) == (3e-3, batch)


# -- entities ------------------------------------------------------------------------------------------------------


@pytest.fixture
def make_tagger(make_trainer, tagged: Dataset, news: Pool):
    def make(callbacks, **options):
        names = {"id2label": dict(enumerate(news.label_names)), "num_labels": len(news.label_names)}
        return make_trainer(
            callbacks,
            model_init=lambda: FrozenEncoderForTokenClassification.on(tagged, resolve_model(MINILM), **names),
            data_collator=pad_states,
            **{**FROZEN_ENCODER, **options},
        )

    return make


def test_a_head_learns_entities_and_pads_nothing_into_its_logits(news: Pool, make_tagger) -> None:
    active = ActiveLearningCallback(
        news, strategy="random", annotator=SimulatedAnnotator(news), query_size=60, min_steps=100
    )
    test = news.with_labels(news.dataset)
    trainer = make_tagger([active], eval_dataset=test, compute_metrics=entity_metrics(news.label_names))
    (record,) = active.run(trainer, rounds=1)
    assert record.metrics["eval_f1"] > 0.9  # of what it was trained on
    rows = [test[n] for n in range(8)]
    head = trainer.model.eval()
    with torch.no_grad():
        together = head(**{k: v for k, v in pad_states(rows).items() if k != "labels"}).logits
        for place, row in enumerate(rows):
            batch = pad_states([row])
            alone = head(batch["token_states"], batch["attention_mask"]).logits[0]
            torch.testing.assert_close(together[place, : len(alone)], alone, rtol=1e-4, atol=1e-4)
    again = FrozenEncoderForTokenClassification.from_pretrained(news.run_dir / "rounds" / "001" / "model")
    assert again.config.encoder_layer == 3
    torch.testing.assert_close(again.classifier.weight, head.classifier.weight)


@pytest.mark.slow
@pytest.mark.parametrize(("strategy", "embeddings"), [("mnlp", "model"), ("mnlp+kmeans", "entities")])
def test_strategies_for_entities_work_with_it(news: Pool, make_tagger, strategy: str, embeddings: str) -> None:
    active = ActiveLearningCallback(
        news, strategy=strategy, annotator=SimulatedAnnotator(news), query_size=6, embeddings=embeddings
    )
    assert [r.labels for r in active.run(make_tagger([active], max_steps=5), rounds=3)] == [6, 12, 18]


def test_an_encoder_from_a_folder_is_known_in_every_folder(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    tiny_config(2).save_pretrained("acme/bert")
    texts = Dataset.from_dict({"embedding": [[0.0] * 4]}, Features({"embedding": List(Value("float32"), length=4)}))
    words = Dataset.from_dict({"input_ids": [[1, 2]], STATES: [[0.0] * 8]})
    for of, rows in ((FrozenEncoderForSequenceClassification, texts), (FrozenEncoderForTokenClassification, words)):
        config = of.on(rows, "acme/bert").config
        assert config.encoder_name_or_path == config.name_or_path == str(tmp_path / "acme" / "bert")
