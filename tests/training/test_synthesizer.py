"""Texts are made up between the rounds of a run: a Trainer, a head on a frozen encoder, sets of labels."""

from contextlib import closing

import numpy as np
import pytest
import torch
from datasets import Dataset

from hfal import ActiveLearningCallback, Answer, Pool, SimulatedAnnotator, Synthesizer
from hfal.annotators.asking import open_query
from hfal.annotators.session.session import LabelSession
from hfal.annotators.web.page_state import asking_state, waiting_state
from hfal.errors import ArgumentError
from hfal.store.store import Store
from hfal.tasks.metrics import classification_metrics
from hfal.training.frozen_head import FrozenHead
from support.models import NAMES, save_tiny_encoder


class WithMadeUpTexts(SimulatedAnnotator):
    """Knows the hidden labels of the data, and says of a made-up text that it is positive if its length is even."""

    def __init__(self, pool):
        super().__init__(pool)
        self.pool = pool

    def annotate(self, query):
        for question in query.questions:
            label = self.pool.hidden_label(question.example_id)
            yield Answer(question.example_id, label or NAMES[len(question.texts["text"]) % 2])


@pytest.fixture
def make_pool(tmp_path, reviews, tokenizer):
    """A function that opens a pool of 300 sentences, tokenized by `prepare`."""

    def prepare(rows):
        return rows.map(lambda batch: tokenizer(batch["text"], truncation=True, max_length=64), batched=True)

    raw = reviews.select_columns(["text", "label"])
    return lambda data=raw, run_dir=tmp_path / "run", **options: Pool(
        data, run_dir, "text", "label", prepare=prepare, **options
    )


def made_up(pool):
    return [e for q in pool.store.queries() if q.purpose == "synthesis" for e in q.examples]


def test_made_up_texts_are_asked_in_a_query_of_their_own_and_trained_on(make_pool, make_trainer, eval_reviews):
    pool = make_pool()
    active = ActiveLearningCallback(
        pool, strategy="margin", annotator=WithMadeUpTexts(pool), query_size=20, holdout=15, budget=81
    )
    trainer = make_trainer([active], compute_metrics=classification_metrics)
    active.run(trainer, rounds=2)
    query = Synthesizer(pool, trainer, size=9, seed=3).propose()

    assert (query.purpose, query.round, query.strategy, query.seed, len(query.examples)) == (
        "synthesis",
        2,
        "margin",
        3,
        9,
    )
    assert pool.store.query_of_round(2) is None  # the model of round 2 has yet to make its own
    labels, held_out = pool.training_labels(), pool.store.holdout_ids()
    texts = [row["text"] for row in pool.texts(range(300))]
    for example in query.examples:
        assert example.origin == "synthesis"
        assert {example.parent, *query.settings["ends_like"].values()} <= labels.keys() - held_out
        assert example.texts["text"] not in texts
        assert example.suggestion in NAMES
        assert 0 <= example.score <= 1
        assert 0.5 <= example.confidence <= 1
        assert (example.example_id in query.settings["ends_like"]) == example.method.startswith("recombined")
    assert {word for e in query.examples for word in e.method.split(", ")} == {"recombined", "words replaced"}
    assert [e.score for e in query.examples] == sorted((e.score for e in query.examples), reverse=True)
    session = LabelSession(open_query(pool.store, query), "ann", suggestions_shown=True)
    assert session.title == "Texts made up by a program"
    assert asking_state(waiting_state(pool.store, "ann", ""), session, 0)["about"].startswith("A program made these")

    active.run(trainer, rounds=3)
    queries = pool.store.queries()
    assert [(q.purpose, q.round, len(q.examples)) for q in queries] == [
        ("holdout", 0, 15),
        ("seed", 0, 20),
        ("round", 1, 20),
        ("synthesis", 2, 9),
        ("round", 2, 17),  # what the budget has left
    ]
    assert len(trainer.train_dataset or pool.labeled) == pool.store.round(3).train_size == 66
    assert {e.example_id for e in query.examples} <= pool.training_labels().keys()
    assert pool.store.holdout_ids().isdisjoint(e.example_id for e in query.examples)
    assert Synthesizer(pool, trainer, size=9).propose() is None  # the budget is spent
    pool.store.close()
    assert len(make_pool()) == 309


def test_a_seed_gives_the_same_texts_and_a_second_call_others(make_pool, make_trainer, tmp_path, monkeypatch):
    asked = []
    for name in "ab":
        pool = make_pool(run_dir=tmp_path / name)
        active = ActiveLearningCallback(pool, strategy="random", annotator=WithMadeUpTexts(pool), query_size=20)
        trainer = make_trainer([active])
        active.run(trainer, rounds=1)
        synthesizer = Synthesizer(pool, trainer, size=5, strategy="entropy+kmeans", seed=1)
        synthesizer.propose()
        asked.append([(e.texts["text"], e.score, e.parent, e.method) for e in made_up(pool)])
    assert asked[0] == asked[1]
    with monkeypatch.context() as broken:
        broken.setattr("hfal.training.synthesizer.record_query", lambda *given: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            Synthesizer(make_pool(run_dir=tmp_path / "a"), trainer, size=5).propose()
    with closing(Store(tmp_path / "a", read_only=True)) as store:
        assert len(store.added_examples()) == 5  # nothing of what was not asked
    synthesizer.propose()
    assert len({e.texts["text"] for e in made_up(pool)}) == 10


def test_a_head_that_picks_goes_on_after_texts_were_made_up(make_pool, make_trainer, tmp_path):
    encoder, pool = save_tiny_encoder(tmp_path / "encoder", "mean"), make_pool()
    options = {"strategy": "margin", "query_size": 12, "select_with": "head", "embeddings": encoder}
    active = ActiveLearningCallback(pool, annotator=WithMadeUpTexts(pool), **options)
    trainer = make_trainer([active])
    active.run(trainer, rounds=1)
    Synthesizer(pool, FrozenHead(pool, encoder), size=4).propose()
    active.run(trainer, rounds=2)
    purposes = [(query.purpose, query.round) for query in pool.store.queries()]
    assert purposes == [("seed", 0), ("synthesis", 1), ("head", 1)]
    assert pool.store.round(2).train_size == 12 + 4 + 12


def test_a_head_on_a_frozen_encoder_and_sets_of_labels(make_pool, tmp_path, reviews):
    encoder = save_tiny_encoder(tmp_path / "encoder", "mean")
    sets = [[NAMES[label]] if row % 3 else NAMES for row, label in enumerate(reviews["label"])]
    data = Dataset.from_dict({"text": reviews["text"], "label": sets})
    pool = make_pool(data, label_names=NAMES)
    for position in range(40):
        example_id = pool.ids[position].as_py()
        pool.record(Answer(example_id, pool.hidden_label(example_id), annotator="ann"))
    head = FrozenHead(pool, encoder)
    with pytest.raises(ArgumentError, match="made of embeddings, and cannot embed new texts"):
        Synthesizer(pool, FrozenHead(pool, np.asarray(head.embeddings)))
    query = Synthesizer(pool, head, size=6, strategy="margin+kmeans", overlap=2).propose()
    assert (query.round, query.strategy, query.settings["opinions"]) == (0, "margin(mean)+kmeans", 2)
    assert query.model == f"head on {encoder}"
    model = head.fit().eval()
    for example in query.examples:
        assert example.parent in pool.labels()
        rows = FrozenHead(pool, encoder).embeddings[pool.positions([example.example_id])]
        odds = model(torch.tensor(np.array(rows))).logits.sigmoid().detach().numpy()
        assert example.score == pytest.approx(1 - np.abs(2 * odds - 1).mean(), abs=1e-5)


def test_what_cannot_be_is_refused(make_pool, make_trainer, news, reviews, tmp_path):
    pool, trainer = make_pool(), make_trainer(None)
    for options, message in [
        ({"size": 0}, "size=0, expected at least 1"),
        ({"strategy": "bald"}, "strategy='bald' needs more than a model says of one text: take a score"),
        ({"strategy": "kcenter"}, "strategy='kcenter' needs more"),
        ({"strategy": "margins"}, "unknown strategy 'margins'. Did you mean 'margin'"),
    ]:
        with pytest.raises(ArgumentError, match=message):
            Synthesizer(pool, trainer, **options)
    with pytest.raises(ArgumentError, match="for text classification, but the pool is one of token_classification"):
        Synthesizer(news, trainer)
    with pytest.raises(TypeError, match="is a str, expected a Trainer or a FrozenHead"):
        Synthesizer(pool, "minilm")
    with pytest.raises(ArgumentError, match="the Trainer has no trained model yet"):
        Synthesizer(pool, trainer).propose()
    pair = reviews.add_column("other", reviews["text"])
    with pytest.raises(ArgumentError, match="where one column has them, but the pool has text, other"):
        Synthesizer(Pool(pair, tmp_path / "pair", ["text", "other"], "label"), trainer)
    with pytest.raises(ArgumentError, match="cannot take up texts that are made up"):
        Synthesizer(Pool(reviews, tmp_path / "tokenized", "text", "label"), trainer)
    assert pool.store.queries() == pool.store.added_examples() == []
