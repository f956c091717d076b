"""Queries of a linear head on a frozen encoder: against scikit-learn on vectors that the encoder gives itself."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset, List
from sentence_transformers import SentenceTransformer
from sklearn.linear_model import LogisticRegression
from transformers import AutoModel, BertForSequenceClassification, DataCollatorWithPadding

from hfal import ActiveLearningCallback, OpenQuery, Pool, Ranks, Schedule, SimulatedAnnotator, Subset
from hfal.data.references import resolve_path
from hfal.errors import ArgumentError
from hfal.store.records import HEAD, Answer, Query
from hfal.training.frozen_head import FrozenHead, check_encoder_of_head
from support.head_oracle import best, margin_scores, normalized, probabilities_by
from support.models import MINILM, save_tiny_encoder, tiny_config
from support.texts import byte_level_tokenizer, load_reviews
from support.training import Watch


TWO_QUERIES: dict[str, Any] = {"select_with": "head", "queries_per_round": 3}


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save_tiny_encoder(tmp_path_factory.mktemp("encoder"), "mean", normalize=True)


@pytest.fixture(scope="session")
def topics() -> Dataset:
    """100 reviews of three made-up topics, of which the second is rare."""
    rows = load_reviews(100)
    numbers = [1 if n % 7 == 3 else (0, 2)[label] for n, label in enumerate(rows["label"])]
    feature = ClassLabel(names=["bad", "rare", "good"])
    return rows.remove_columns("label").add_column("label", numbers, feature=feature)


@pytest.fixture(scope="session")
def sets() -> Dataset:
    """100 reviews with none, one or both of two labels, and a third that few have."""
    found = [[n for n, every in enumerate((2, 3, 20)) if row % every == 0] for row in range(100)]
    rows = load_reviews(100).remove_columns("label").add_column("topics", found)
    return rows.cast_column("topics", List(ClassLabel(names=["even", "third", "rare"])))


def run(active: ActiveLearningCallback, trainer: Any, rounds: int | None = 2) -> list[Query]:
    """Run it; the queries of the head."""
    active.run(trainer, rounds=rounds)
    return of_head(active.pool)


def of_head(pool: Pool) -> list[Query]:
    return [query for query in pool.store.queries() if query.purpose == HEAD]


def ids(query: Query) -> list[str]:
    return [asked.example_id for asked in query.examples]


def asked_before(pool: Pool, query: Query) -> set[str]:
    return {i for other in pool.store.queries() if other.number < query.number for i in ids(other)}


def data_of(pool: Pool, query: Query) -> tuple[list[str], dict[str, Any], list[str]]:
    """All ids, the labels that the query may know, and the ids that it may ask about."""
    everything, taken = pool.ids.to_pylist(), asked_before(pool, query)
    labels = pool.training_labels(query.settings["answers_seen"])
    return everything, labels, [i for i in everything if i not in taken]


# -- against an independent calculation ------------------------------------------------------------------------------


def test_texts_are_picked_by_the_margins_of_a_regression_on_all_answers_so_far(
    make_active, make_trainer, topics, encoder
) -> None:
    active = make_active(data=topics, select_with="head", queries_per_round=3, query_size=8, embeddings=encoder)
    init = {"model_init": lambda: torch_model(3)}
    queries = run(active, make_trainer([active], **init))
    pool = active.pool
    assert [(q.round, q.sequence) for q in queries] == [(0, 1), (0, 2), (1, 1), (1, 2), (1, 3)]
    assert [q.settings["answers_seen"] for q in queries] == [8, 16, 24, 32, 40]
    assert [record.labels for record in active.history] == [24, 48]
    vectors = normalized(SentenceTransformer(encoder).encode(topics["text"][:]))
    for query in queries:
        everything, labels, free = data_of(pool, query)
        assert len(labels) == query.settings["answers_seen"]
        at = {i: n for n, i in enumerate(everything)}
        found = probabilities_by(
            vectors[[at[i] for i in labels]], list(labels.values()), vectors[[at[i] for i in free]]
        )
        assert found.shape[1] == 3  # so that nothing is known of a class without examples
        assert ids(query) == best(margin_scores(found), free, 8)
        expected = np.sort(margin_scores(found))[::-1][:8]
        np.testing.assert_allclose([asked.score for asked in query.examples], expected, atol=1e-5)
        names = sorted(set(labels.values()))
        guesses = dict(zip(free, found, strict=True))
        assert [a.suggestion for a in query.examples] == [names[guesses[i].argmax()] for i in ids(query)]
        np.testing.assert_allclose(
            [a.confidence for a in query.examples], [guesses[i].max() for i in ids(query)], atol=1e-5
        )


def torch_model(labels: int) -> torch.nn.Module:
    return BertForSequenceClassification(tiny_config(labels))


def test_sets_of_labels_are_picked_by_a_regression_for_each_label(make_trainer, sets, encoder, tmp_path) -> None:
    pool = Pool(sets, tmp_path / "run", "text", "topics")
    active = ActiveLearningCallback(
        pool,
        strategy="entropy",
        annotator=SimulatedAnnotator(pool),
        query_size=9,
        seed_size=15,
        select_with="head",
        queries_per_round=3,
        embeddings=encoder,
    )
    config = tiny_config(3, problem_type="multi_label_classification")
    queries = run(active, make_trainer([active], model_init=lambda: BertForSequenceClassification(config)), rounds=1)
    assert len(queries) == 2
    vectors = SentenceTransformer(encoder).encode(sets["text"][:]).astype(float)
    vectors *= np.sqrt(vectors.shape[1]) / np.linalg.norm(vectors, axis=1, keepdims=True)
    for query in queries:
        everything, labels, free = data_of(pool, query)
        at = {i: n for n, i in enumerate(everything)}
        known, new = vectors[[at[i] for i in labels]], vectors[[at[i] for i in free]]
        yes = []
        for name in pool.label_names:
            has = [name in label for label in labels.values()]
            odds = np.full(len(free), 1 / (1 + len(labels)))  # 1 to the number of texts
            yes.append(probabilities_by(known, has, new)[:, 1] if any(has) else odds)
        p = np.stack(yes, axis=1)
        entropies = -(p * np.log(p) + (1 - p) * np.log(1 - p)).mean(1)
        assert ids(query) == best(entropies, free, 9)


def test_sentences_are_picked_by_the_words_of_a_regression_on_the_middle_layer(
    make_trainer, sentences, tokenizer, tmp_path
) -> None:
    data = sentences.select(range(50))
    pool = Pool(data, tmp_path / "run", "tokens", "ner_tags")
    active = ActiveLearningCallback(
        pool,
        strategy="least_confidence",
        annotator=SimulatedAnnotator(pool),
        query_size=90,
        seed_size=120,
        unit="words",
        select_with="head",
        queries_per_round=2,
        embeddings=MINILM,
    )
    (query,) = run(active, make_trainer([active], of_words=True), rounds=1)
    model = AutoModel.from_pretrained(resolve_path(MINILM)).eval()
    everything, labels, free = data_of(pool, query)
    words = {}
    for i, tokens in zip(everything, data["tokens"][:], strict=True):
        inputs = tokenizer(tokens, is_split_into_words=True, truncation=True, return_tensors="pt")
        with torch.no_grad():
            states = model(**inputs, output_hidden_states=True).hidden_states[3][0].half().numpy().astype(float)
        starts = [inputs.word_ids().index(word) for word in range(len(tokens))]
        words[i] = np.sqrt(384) * states[starts] / np.linalg.norm(states[starts], axis=1, keepdims=True)
    known, tags = np.concatenate([words[i] for i in labels]), [tag for i in labels for tag in labels[i]]
    mean, scale = known.mean(0), np.sqrt(known.var(axis=0).mean())
    regression = LogisticRegression(max_iter=1000).fit((known - mean) / scale, tags)
    # A tag that nobody has given has odds of 1 to the number of words, beside those of the others.
    unseen = (len(pool.label_names) - len(regression.classes_)) / len(tags)
    doubts = {}
    for i in free:
        odds = np.exp(regression.decision_function((words[i] - mean) / scale))
        doubts[i] = (1 - odds.max(1) / (odds.sum(1) + unseen)).mean()
    # The solver stops a little elsewhere for states that differ in their last bit.
    np.testing.assert_allclose([a.score for a in query.examples], [doubts[i] for i in ids(query)], atol=6e-3)
    assert min(doubts[i] for i in ids(query)) > max(doubts[i] for i in free if i not in ids(query)) - 6e-3
    assert np.ptp([*doubts.values()]) > 0.1
    costs = [len(words[i]) for i in ids(query)]
    assert sum(costs[:-1]) < 90 <= sum(costs)


# -- what it knows, and what is recorded -----------------------------------------------------------------------------


class Forgetful(SimulatedAnnotator):
    """Skips every text of the first queries."""

    def __init__(self, pool: Pool, queries: int):
        super().__init__(pool)
        self.queries = queries

    def annotate(self, query: OpenQuery) -> Iterator[Answer]:
        for answer in super().annotate(query):
            yield Answer(answer.example_id, action="skip") if query.number <= self.queries else answer


def test_a_seed_set_of_which_all_is_skipped_is_followed_by_another_one_and_the_head_waits(
    make_active, make_trainer, reviews, encoder, tmp_path
) -> None:
    active = make_active(data=reviews.select(range(60)), select_with="head", queries_per_round=2, embeddings=encoder)
    active.annotator = Forgetful(active.pool, 2)
    (query,) = run(active, make_trainer([active]), rounds=1)
    assert [q.purpose for q in active.pool.store.queries()] == ["seed", "seed", "seed", HEAD]
    assert (query.round, query.sequence, query.settings["answers_seen"]) == (0, 1, 30)
    assert active.history[0].train_size == 20


def test_with_one_class_labeled_all_texts_are_alike_and_are_asked_by_their_ids(
    make_active, make_trainer, reviews, encoder
) -> None:
    rows = np.flatnonzero(np.array(reviews["label"]) == 0)[:12].tolist()
    rows += np.flatnonzero(np.array(reviews["label"]) == 1)[:20].tolist()
    labels = [0] * 12 + [None] * 20
    data = reviews.select(rows).remove_columns("label")
    data = data.add_column("label", labels, feature=reviews.features["label"])
    active = make_active(data=data, select_with="head", queries_per_round=2, embeddings=encoder, query_size=5)
    active.annotator = Forgetful(active.pool, 0)
    active.annotator.pool = Pool(reviews.select(rows), active.pool.run_dir.with_name("truth"), "text", "label")
    (query,) = run(active, make_trainer([active]), rounds=1)
    assert ids(query) == sorted(active.pool.ids[n].as_py() for n in range(12, 32))[:5]
    assert {asked.score for asked in query.examples} == {1.0}


def test_answers_that_are_corrected_between_two_queries_are_seen_by_the_next(
    make_active, make_trainer, reviews, encoder, tmp_path
) -> None:
    class Corrects(SimulatedAnnotator):
        corrects = True

        def annotate(self, query: OpenQuery) -> Iterator[Answer]:
            answers = list(super().annotate(query))
            if query.sequence == 1 and self.corrects:
                for earlier in query.answers()[:5]:
                    yield Answer(earlier.example_id, {"negative": "positive"}.get(earlier.label, "negative"))
            yield from answers

    found = []
    for corrects in (True, False):
        active = make_active(tmp_path / str(corrects), reviews.select(range(80)), **TWO_QUERIES, embeddings=encoder)
        active.annotator = Corrects(active.pool)
        active.annotator.corrects = corrects
        found.append(run(active, make_trainer([active]), rounds=1))
    (first, second), (same, other) = found
    assert ids(first) == ids(same)
    assert [q.settings["answers_seen"] for q in (first, second)] == [10, 25]
    assert ids(second) != ids(other)


@pytest.fixture(scope="module")
def plain(encoder: str, reviews: Dataset, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """An encoder's embeddings of 80 texts, and the queries that come of them."""
    data = reviews.select(range(80))
    vectors = SentenceTransformer(encoder).encode(data["text"][:])
    return {"data": data, "vectors": vectors, "folder": tmp_path_factory.mktemp("embeddings")}


@pytest.fixture
def queries_of(make_active, make_trainer, tmp_path, plain, encoder) -> Callable[..., list[Query]]:
    """A function that runs a round of 80 texts in a folder of its own, and gives the head's two queries."""
    count = iter(range(100))

    def queries(data: Any = None, trainer: Any = None, embeddings: Any = encoder, **options: Any) -> list[Query]:
        folder = tmp_path / f"run {next(count)}"
        given = {**TWO_QUERIES, "embeddings": embeddings, "embeddings_dir": plain["folder"], **options}
        active = make_active(folder, plain["data"] if data is None else data, **given)
        return run(active, make_trainer([active], **(trainer or {})), rounds=1)

    return queries


def test_an_encoder_by_its_name_as_an_object_and_as_an_array_are_the_same(queries_of, plain, encoder) -> None:
    named = queries_of(strategy="margin+kmeans")
    (file,) = plain["folder"].glob("*.npy")
    made = file.stat().st_mtime_ns
    of_object = queries_of(strategy="margin+kmeans", embeddings=SentenceTransformer(encoder))
    assert ([*plain["folder"].glob("*.npy")], file.stat().st_mtime_ns) == ([file], made)
    of_array = queries_of(strategy="margin+kmeans", embeddings=plain["vectors"].astype(np.float64))
    assert [*map(ids, named)] == [*map(ids, of_object)] == [*map(ids, of_array)]
    assert not set(ids(named[0])) & set(ids(named[1]))
    assert named[0].settings["embeddings"] == encoder
    assert named[0].model == f"FrozenEncoderForSequenceClassification from {encoder}"
    assert of_array[0].settings["embeddings"] == "given, 32 numbers each"
    assert of_array[0].model == "FrozenEncoderForSequenceClassification"


def test_what_is_for_the_trainers_model_does_not_matter_to_the_head(queries_of, plain, tokenizer) -> None:
    data, strategy = plain["data"], "margin+kmeans"
    expected = [(ids(query), [asked.score for asked in query.examples]) for query in queries_of(strategy=strategy)]
    picks = ("input_ids", "token_type_ids", "attention_mask", "labels", "label")
    collate = DataCollatorWithPadding(tokenizer)
    ways: list[dict[str, Any]] = [
        {"data": data.with_format("torch", columns=["input_ids", "token_type_ids", "attention_mask", "label"])},
        {
            "trainer": {
                "remove_unused_columns": False,
                "data_collator": lambda rows: collate([{k: row[k] for k in picks if k in row} for row in rows]),
            }
        },
        {"trainer": {"bf16": True, "dataloader_num_workers": 1}, "bf16_scoring": True},
        {"trainer": {"model_init": without_dropout}},
        {"retrain": "continue", "keep_models": 1},
    ]
    for way in ways:
        found = queries_of(strategy=strategy, **way)
        assert [(ids(query), [asked.score for asked in query.examples]) for query in found] == expected, way
        assert found[0].settings["bf16_scoring"] is False


def without_dropout() -> torch.nn.Module:
    config = tiny_config(2, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    return BertForSequenceClassification(config)


@pytest.mark.parametrize(
    "strategy",
    [
        "bald",
        "badge",
        "cluster_margin",
        "random",
        pytest.param(Subset("margin+kmeans", 30, by="neighbors"), id="subset by neighbors"),
        pytest.param(Subset("entropy", 30), id="subset"),
        pytest.param(Ranks("margin", "cal"), id="ranks"),
    ],
)
def test_any_strategy_asks_anew_in_each_query_and_the_same_again(queries_of, strategy: Any) -> None:
    """With draws from the head's dropout, and a model of the Trainer that has none."""
    found = [queries_of(strategy=strategy, trainer={"model_init": without_dropout}) for _ in range(2)]
    assert [*map(ids, found[0])] == [*map(ids, found[1])]
    assert [len(query.examples) for query in found[0]] == [10, 10]
    assert not set(ids(found[0][0])) & set(ids(found[0][1]))


def test_strategies_take_turns_by_rounds(make_active, make_trainer, reviews, encoder) -> None:
    schedule = Schedule({1: "random", 2: "entropy"})
    active = make_active(
        data=reviews.select(range(120)), strategy=schedule, select_with="head", queries_per_round=2, embeddings=encoder
    )
    queries = run(active, make_trainer([active]), rounds=3)
    assert [(q.round, q.strategy) for q in queries] == [
        (0, "random"),
        *[(1, "random")] * 2,
        *[(2, "entropy")] * 2,
    ]


# -- beside what the Trainer's model does ----------------------------------------------------------------------------


def test_held_out_texts_say_nothing_to_the_head_and_the_model_alone_has_figures(
    make_active, make_trainer, reviews, encoder
) -> None:
    active = make_active(
        data=reviews.select(range(150)),
        select_with="head",
        queries_per_round=2,
        embeddings=encoder,
        holdout=20,
        record_stability=True,
        self_training=0.5,
        self_training_threshold=0.5,
    )
    watch = Watch()
    queries = run(active, make_trainer([active, watch]), rounds=2)
    pool = active.pool
    assert [q.settings["answers_seen"] for q in queries] == [30, 40, 50]
    head = FrozenHead(pool, encoder)
    for query in queries:
        vectors, labels, _ = head.labeled(query.settings["answers_seen"])
        assert len(vectors) == len(labels) == query.settings["answers_seen"] - 20
    records = active.history
    assert [(record.labels, record.train_size) for record in records] == [(40, 20), (60, 40)]
    assert all("uncertainty" in record.stability for record in records)
    # Predictions of the first model for what was neither labeled nor held out join the second training set.
    assert watch.sizes[0] == 20
    assert watch.sizes[1] > 80


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"embeddings": "model"}, "puts a head on a frozen encoder, but embeddings='model' names none: pass the name"),
        ({"embeddings": "entities"}, "embeddings='entities'"),
        ({"embeddings": np.zeros((79, 4))}, r"embeddings has the shape \[79, 4\], expected a row of numbers for each"),
        ({"embeddings": "./nowhere"}, "nowhere"),
        ({"committee": 3, "strategy": "bald"}, "committee= draws from models that read texts"),
        ({"select_with": "tail"}, "select_with='tail', expected one of model, head"),
        ({"queries_per_round": 0}, "queries_per_round=0, expected at least 1"),
        ({"select_with": "model", "queries_per_round": 2}, "queries_per_round=2 is for select_with='head'"),
    ],
)
def test_options_that_cannot_work_are_refused_when_the_callback_is_made(queries_of, options, message) -> None:
    with pytest.raises((ArgumentError, FileNotFoundError), match=message) as error:
        queries_of(**options)
    assert "\n" not in str(error.value)


def test_embeddings_that_are_not_finite_are_refused_before_anything_is_asked(
    make_active, make_trainer, plain, encoder
) -> None:
    vectors = plain["vectors"].copy()
    vectors[[3, 70], 5] = np.nan, np.inf
    active = make_active(data=plain["data"], **TWO_QUERIES, embeddings=vectors)
    with pytest.raises(ArgumentError, match="embeddings has NaN or infinity for some examples") as error:
        active.run(make_trainer([active]), rounds=1)
    assert all(active.pool.ids[row].as_py() in str(error.value) for row in (3, 70))
    assert not active.pool.store.queries()


def test_outside_of_rounds_there_is_no_head(make_active, make_trainer, plain, encoder) -> None:
    active = make_active(data=plain["data"], **TWO_QUERIES, embeddings=encoder)
    trainer = make_trainer([active], train_dataset=plain["data"])
    with pytest.raises(ArgumentError, match=r"makes its queries between the trainings of run\(\) and rounds\(\)"):
        trainer.train()


@pytest.mark.parametrize("given", ["another tokenizer", "array", "object"])
def test_for_entities_it_takes_the_encoder_of_the_tokens(make_trainer, sentences, encoder, tmp_path, given) -> None:
    data = sentences.select(range(30))
    embeddings: Any = {"array": np.zeros((30, 4)), "object": SentenceTransformer(encoder)}.get(given)
    message = f"embeddings is a {type(embeddings).__name__}, but for entities the head takes the states of tokens"
    if embeddings is None:
        other = byte_level_tokenizer()
        message = "has another tokenizer than the one that tokenized the pool"
        embeddings = save_tiny_encoder(tmp_path / "other")
        for file in Path(embeddings).glob("*token*"):
            file.unlink()
        other.save_pretrained(embeddings)
    pool = Pool(data, tmp_path / "run", "tokens", "ner_tags")
    active = ActiveLearningCallback(
        pool, annotator=SimulatedAnnotator(pool), holdout=5, select_with="head", embeddings=embeddings
    )
    with pytest.raises(ArgumentError, match=message) as error:
        active.run(make_trainer([active], of_words=True), rounds=1)
    assert "\n" not in str(error.value)
    assert not pool.store.queries()


def test_a_task_without_label_names_has_no_head(plain, encoder, tmp_path) -> None:
    pool = Pool(plain["data"], tmp_path / "run", "text", "label")
    pool.task = SimpleNamespace(kind=SimpleNamespace(needs_names=False, of_words=False), name="text_to_text")
    with pytest.raises(ArgumentError, match="a list of labels, but text_to_text has none"):
        check_encoder_of_head(pool, encoder)


def test_how_many_threads_there_are_does_not_matter_and_stays(queries_of) -> None:
    found = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        found.append([(ids(query), [asked.score for asked in query.examples]) for query in queries_of()])
        assert torch.get_num_threads() == threads
    assert found[0] == found[1]


def test_sentences_are_read_as_their_data_set_has_them(sentences, encoder, tmp_path) -> None:
    """Though without `datasets`, which would take longer than the head."""
    pool = Pool(sentences.select(range(20)), tmp_path / "run", "tokens", "ner_tags")
    head = FrozenHead(pool, encoder)
    columns = ["token_states", "attention_mask"]
    fast = head.pool.rows_to_score(columns)
    slow = Pool.rows_to_score(head.pool, columns)
    assert len(fast) == len(slow) == 20
    for row, other in zip(fast.__getitems__([7, 3, 19]), slow.__getitems__([7, 3, 19]), strict=True):
        assert row.keys() == other.keys()
        np.testing.assert_array_equal(row["token_states"], other["token_states"])
        assert row["token_states"].dtype == np.float16
        assert list(row["attention_mask"]) == list(other["attention_mask"])
        assert [w for w in row["word_ids"] if w is not None] == [w for w in other["word_ids"] if w == w]
