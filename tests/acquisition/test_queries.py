"""From a model to a query, for every strategy: which signals are computed, for whom, and that rows are not ids."""

import copy
from functools import partial

import numpy as np
import pytest
import torch

from hfal import ActiveLearningCallback, Hybrid, Pool, ProbCover, Ranks, Schedule, Signals, Subset, TokenScore, needs
from hfal.errors import ArgumentError, StrategyError
from hfal.strategies import SCORES, SELECTIONS, kcenter, softmax
from hfal.tasks.kinds import KINDS
from support.models import MINILM
from support.queries import SETS, TEXTS, WORDS, asked, propose


def with_score(family: str) -> list[str]:
    return [
        *SCORES[family],
        *(f"margin+{name}" if "scores" in select.needs else name for name, select in SELECTIONS[family].items()),
        "entropy+kmeans",
    ]


@pytest.mark.parametrize(
    ("task", "strategy"),
    [(task, name) for task in (TEXTS, SETS, WORDS) for name in with_score(KINDS[task].family)],
    ids=lambda value: value,
)
def test_nothing_labeled_is_asked_and_the_order_of_the_pool_changes_nothing(
    make_partly_labeled, models, tokenizer, tmp_path, task, strategy
):
    queries = []
    for name, order in (("a", None), ("b", np.random.default_rng(1).permutation(80))):
        active = make_partly_labeled(name, task, order, strategy=strategy)
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
    model = copy.deepcopy(model)
    with torch.no_grad():  # as it is, the features of two texts differ by little more than rounding
        model.bert.pooler.dense.weight.mul_(20)
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


# -- subsets and schedules -----------------------------------------------------------------------------------------


def test_a_random_subset_is_all_that_goes_through_the_model(make_partly_labeled, model, tokenizer, tmp_path, passes):
    queries = []
    for name, round_number in (("a", 1), ("b", 1), ("c", 2)):
        active = make_partly_labeled(name, strategy=Subset("margin", 20))
        queries.append(asked(propose(active, model, tokenizer, tmp_path, round_number)))
    assert passes[0] == (20, {"scores"}, 0)
    assert queries[0] == queries[1]
    assert queries[0] != queries[2]  # other candidates in every round
    whole = asked(propose(make_partly_labeled("all", strategy=Subset("margin", 500)), model, tokenizer, tmp_path))
    assert whole == asked(propose(make_partly_labeled("d", strategy="margin"), model, tokenizer, tmp_path))


@pytest.mark.parametrize("embeddings", ["model", MINILM])
def test_neighbors_of_the_labeled_are_the_candidates(
    make_partly_labeled, model, tokenizer, tmp_path, passes, embeddings
):
    sizes = []

    @needs("embeddings")
    def watch(signals: Signals, k: int, rng: np.random.Generator) -> np.ndarray:
        sizes.append(signals.size)
        return np.arange(k)

    active = make_partly_labeled(strategy=Subset(watch, 16, by="neighbors"), embeddings=embeddings)
    query = propose(active, model, tokenizer, tmp_path)
    assert sizes == [16]
    # Sentence embeddings are there before the model is asked; its own are those of this round.
    assert passes[:-1] == ([(80, {"embeddings"}, 0)] if embeddings == "model" else [])
    assert not any(int(e.example_id) % 5 == 0 for e in query.examples)
    assert query.settings["subset_by"] == "neighbors"


def test_candidates_that_are_fewer_than_the_query_are_refused(make_partly_labeled):
    with pytest.raises(ArgumentError, match="a Subset of 5 candidates is smaller than query_size=7 examples"):
        make_partly_labeled(strategy=Subset("margin", 5))
    with pytest.raises(ArgumentError, match="a Subset of 5 candidates is smaller than query_size=300 words"):
        make_partly_labeled("words", WORDS, strategy=Subset("margin", 5), unit="words", query_size=300)


def test_what_chooses_candidates_is_checked_as_what_selects_is(make_partly_labeled, model, tokenizer, tmp_path):
    @needs()
    def repeats(signals: Signals, k: int, rng: np.random.Generator) -> np.ndarray:
        return np.zeros(k, np.int64)

    with pytest.raises(StrategyError, match="'repeats' returned a row more than once"):
        propose(make_partly_labeled(strategy=Subset("margin", 20, by=repeats)), model, tokenizer, tmp_path)
    # What chooses may need draws, too.
    query = propose(
        make_partly_labeled("b", strategy=Subset("margin", 20, by="batchbald")), model, tokenizer, tmp_path
    )
    assert query.settings["draws"] == "dropout, 3 passes"


def test_arguments_that_a_name_does_not_say_are_recorded(make_partly_labeled, model, tagger, tokenizer, tmp_path):
    for run, (strategy, expected) in enumerate(
        {
            ProbCover(delta=0.3): {"delta": 0.3},
            Hybrid("margin", ProbCover(delta=0.3)): {"candidate_factor": 10, "delta": 0.3},
            partial(kcenter): {},
            Hybrid("margin", partial(softmax, beta=8)): {"beta": 8},
        }.items()
    ):
        query = propose(make_partly_labeled(f"run-{run}", strategy=strategy), model, tokenizer, tmp_path)
        assert {**query.settings, **expected} == query.settings
    ranks = Ranks("mnlp", TokenScore("bald", "top", k=5, sure_outside=0.9))
    query = propose(make_partly_labeled("words", WORDS, strategy=ranks), tagger, tokenizer, tmp_path)
    assert query.settings["parts"] == [{}, {"k": 5, "sure_outside": 0.9}]


def test_a_schedule_changes_the_strategy_with_the_round(make_partly_labeled, model, tokenizer, tmp_path, passes):
    schedule = Schedule({1: "kcenter", 3: Hybrid("margin", "kmeans", candidate_factor=3)})
    names = []
    for round_number in (1, 2, 3, 4):
        active = make_partly_labeled(f"run-{round_number}", strategy=schedule)
        query = propose(active, model, tokenizer, tmp_path, round_number)
        names.append((query.strategy, query.settings.get("candidate_factor")))
    assert names == [("kcenter", None)] * 2 + [("margin+kmeans", 3)] * 2
    assert active.acquisition.strategy_name == "kcenter, from round 3 margin+kmeans"


def test_passes_beside_a_committee_are_not_passed_over_in_silence(make_partly_labeled, caplog):
    make_partly_labeled(strategy="bald", committee=2, passes=7)
    assert "passes=7 is not used: committee=" in caplog.text
    caplog.clear()
    make_partly_labeled("b", strategy="bald", committee=2, passes=None)
    make_partly_labeled("c", strategy="bald", passes=7)
    assert "passes" not in caplog.text
