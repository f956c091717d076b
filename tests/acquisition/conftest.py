"""Pools of which some examples are labeled, models with opinions, and the passes of the model over examples."""

import pytest
import torch
from transformers import BertForSequenceClassification, set_seed

from hfal import ActiveLearningCallback, Pool
from hfal.acquisition.scoring import ScoringPass
from hfal.data.references import load_split
from support.models import tiny_config, tiny_model, tiny_tagger
from support.queries import SETS, TEXTS, WORDS
from support.texts import CONLL


@pytest.fixture(scope="module")
def model():
    model = tiny_model()
    with torch.no_grad():
        model.classifier.weight.mul_(50)
    return model


@pytest.fixture(scope="module")
def models(model):
    """One for each task."""
    set_seed(0)
    of_sets = BertForSequenceClassification(tiny_config(4))
    models = {TEXTS: model, SETS: of_sets, WORDS: tiny_tagger()}
    with torch.no_grad():
        for other in (of_sets, models[WORDS]):
            other.classifier.weight.mul_(20)
    return models


@pytest.fixture(scope="module")
def tagger(models):
    return models[WORDS]


@pytest.fixture(scope="module")
def news(tokenizer):
    """Sentences of CoNLL-2003 with the types of their entities."""
    data = load_split(CONLL, "train[:80]").select_columns(["text", "entity_types"])
    return data.map(lambda batch: tokenizer(batch["text"], truncation=True, max_length=64), batched=True)


@pytest.fixture
def make_partly_labeled(tmp_path, reviews, sentences, news):
    """A function that makes a callback on a pool of 80 of which every fifth example is labeled."""
    columns = {
        TEXTS: (reviews, "text", "label"),
        SETS: (news, "text", "entity_types"),
        WORDS: (sentences, "tokens", "ner_tags"),
    }

    def make(run_dir="run", task=TEXTS, order=None, **options) -> ActiveLearningCallback:
        data, text, label = columns[task]
        order = range(80) if order is None else order
        data = data.select(order)
        known = [value if number % 5 == 0 else None for number, value in zip(order, data[label], strict=True)]
        data = data.remove_columns(label).add_column(label, known, feature=data.features[label])
        data = data.add_column("id", [f"{number:03d}" for number in order])
        pool = Pool(data, tmp_path / run_dir, text, label, id_column="id")
        return ActiveLearningCallback(pool, **{"query_size": 7, "token_budget": 300, "passes": 3, **options})

    return make


@pytest.fixture
def passes(monkeypatch) -> list[tuple[int, set[str], int]]:
    """For each pass of the model over examples: how many, what was kept, how many draws."""
    seen = []
    run = ScoringPass.run

    def watch(scoring, positions, *, keep, draws=(), **options):
        seen.append((len(positions), set(keep), len(draws)))
        return run(scoring, positions, keep=keep, draws=draws, **options)

    monkeypatch.setattr(ScoringPass, "run", watch)
    return seen
