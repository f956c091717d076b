"""Scores of label sets on arrays: hand-made values, NumPy, ties, edges."""

import math

import numpy as np
import pytest
import torch

from hfal import Hybrid, LabelRank, LabelScore, Ranks
from hfal.errors import ArgumentError
from hfal.strategies import SCORES, SELECTIONS, Signals, resolve_strategy
from hfal.strategies.scores import call_score


P = torch.tensor([[0.5, 1.0, 0.1], [0.75, 0.75, 0.0]])
H = [math.log(2), 0.0, -(0.1 * math.log(0.1) + 0.9 * math.log(0.9)), math.log(4) - 0.75 * math.log(3)]
NAMES = ("entropy", "least_confidence", "margin")


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        (LabelScore(), [(H[0] + H[2]) / 3, 2 * H[3] / 3]),
        (LabelScore("entropy", "max"), [H[0], H[3]]),
        (LabelScore("least_confidence", "mean"), [0.6 / 3, 0.5 / 3]),
        (LabelScore("least_confidence", "max"), [0.5, 0.25]),
        (LabelScore("margin", "mean"), [1.2 / 3, 1.0 / 3]),
        (LabelScore("margin", "max"), [1.0, 0.5]),
    ],
)
def test_by_hand(score, expected):
    assert score(P).tolist() == pytest.approx(expected, abs=1e-6)
    assert score(P).dtype == torch.float32
    assert score(P.half()).tolist() == pytest.approx(expected, abs=1e-3)


def reference(probabilities: np.ndarray, score: str) -> np.ndarray:
    p = probabilities.astype(np.float64)
    if score == "entropy":
        return -(p * np.log(p) + (1 - p) * np.log(1 - p))
    return np.minimum(p, 1 - p) * {"least_confidence": 1, "margin": 2}[score]


@pytest.mark.parametrize("score", NAMES)
def test_against_numpy(score):
    probabilities = np.random.default_rng(0).random((50, 7)).astype(np.float32)
    of_labels = reference(probabilities, score)
    for aggregate, reduce in (("mean", np.mean), ("max", np.max)):
        found = LabelScore(score, aggregate)(torch.from_numpy(probabilities)).numpy()
        np.testing.assert_allclose(found, reduce(of_labels, axis=1), rtol=1e-5)
    # The rank of one text by one label: how many are less uncertain, and half of those that are as uncertain.
    below = (of_labels[:, None] > of_labels[None]).sum(axis=1)
    found = LabelRank(score)(Signals(50, probabilities=probabilities))
    np.testing.assert_allclose(found, below.mean(axis=1) / 49, atol=1e-12)


def test_ties_share_their_ranks_and_a_sure_label_changes_nothing():
    probabilities = np.array([[0.5, 0.0], [0.9, 0.0], [0.5, 0.0], [0.99, 0.0]], np.float32)
    assert LabelRank()(Signals(4, probabilities=probabilities)).tolist() == pytest.approx(
        [(2.5 + 1.5) / 6, (1 + 1.5) / 6, (2.5 + 1.5) / 6, 1.5 / 6]
    )
    assert LabelRank()(Signals(1, probabilities=probabilities[:1])).tolist() == [0]


@pytest.mark.parametrize("aggregate", ["mean", "max"])
@pytest.mark.parametrize("score", NAMES)
def test_zeros_and_ones_are_certain(score, aggregate):
    assert LabelScore(score, aggregate)(torch.tensor([[0.0, 1.0], [1.0, 1.0]])).tolist() == [0, 0]


def test_arguments_that_there_are_not():
    for wrong, message in [
        (lambda: LabelScore("mnlp"), "score='mnlp', expected one of entropy, least_confidence, margin"),
        (lambda: LabelScore("entropy", "rank"), r"expected one of mean, max; the mean of ranks is LabelRank\(score\)"),
        (lambda: LabelRank("x"), "score='x', expected one of"),
    ]:
        with pytest.raises(ArgumentError, match=message):
            wrong()


# -- names -----------------------------------------------------------------------------------------------------------


SETS = "labels"


def resolved(strategy, probabilities: np.ndarray):
    """What a strategy picks, and the scores, as `Acquisition` has it: batches through `score`, arrays after that."""
    strategy = resolve_strategy(strategy, SETS)
    rng = np.random.default_rng(0)
    arrays = {"probabilities": probabilities, "embeddings": rng.normal(size=(len(probabilities), 4))}
    arrays |= {"labeled_embeddings": rng.normal(size=(3, 4)), "labeled_probabilities": probabilities[:3]}
    signals = {name: array for name, array in arrays.items() if name in strategy.needs}
    if strategy.score is not None:
        signals["scores"] = call_score(strategy.score, torch.from_numpy(probabilities), None).numpy()
    known = strategy.scored(Signals(len(probabilities), **signals), rng)
    return strategy.pick(known, 5, rng), known.scores


@pytest.mark.parametrize(
    "name",
    [
        *SCORES[SETS],
        *(f"entropy+{n}" if "scores" in s.needs else n for n, s in SELECTIONS[SETS].items()),
        "margin+kmeans",
    ],
)
def test_every_name_picks(name):
    probabilities = np.random.default_rng(1).random((40, 3)).astype(np.float32)
    picked, scores = resolved(name, probabilities)
    assert len(set(picked.tolist())) == 5
    if name in SCORES[SETS]:
        assert resolve_strategy(name, SETS).name == f"{name}(mean)"
        np.testing.assert_allclose(scores, reference(probabilities, name).mean(axis=1), rtol=1e-5)
        assert set(picked) == set(np.argsort(-scores)[:5])


def test_ranks_are_of_the_whole_pool_and_go_with_selections_and_other_scores():
    probabilities = np.random.default_rng(1).random((40, 3)).astype(np.float32)
    whole = LabelRank("entropy")(Signals(40, probabilities=probabilities))
    picked, scores = resolved(LabelRank("entropy"), probabilities)
    assert picked.tolist() == np.argsort(-whole, kind="stable")[:5].tolist()
    assert scores.tolist() == whole.tolist()
    strategy = resolve_strategy(Hybrid(LabelRank("entropy"), "kmeans"), SETS)
    assert strategy.name == "entropy(rank)+kmeans"
    assert strategy.needs == {"probabilities", "embeddings"}
    assert strategy.score is None
    resolved(Hybrid(LabelRank("margin"), "kmeans", candidate_factor=2), probabilities)
    picked, _ = resolved(Ranks(LabelScore("margin", "max"), LabelRank("margin")), probabilities)
    assert len(set(picked.tolist())) == 5
