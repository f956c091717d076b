"""Scores of sentences on arrays: hand-made values, masks, edges."""

import math

import numpy as np
import pytest
import torch

from hfal import Hybrid, TokenScore, needs
from hfal.errors import ArgumentError
from hfal.strategies import mnlp, resolve_strategy, token_strategy
from hfal.tasks.kinds import TASK_OF_FAMILY


P = torch.tensor(
    [
        [[0.5, 0.5, 0.0], [1.0, 0.0, 0.0], [0.2, 0.2, 0.6]],
        [[0.9, 0.1, 0.0], [0.25, 0.5, 0.25], [0.0, 0.0, 1.0]],
    ]
)
MASK = torch.tensor([[True, True, False], [True, True, True]])
H = [math.log(2), 0.0, -(0.9 * math.log(0.9) + 0.1 * math.log(0.1)), 1.5 * math.log(2)]


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        (TokenScore("entropy", "mean"), [H[0] / 2, (H[2] + H[3]) / 3]),
        (TokenScore("entropy", "sum"), [H[0], H[2] + H[3]]),
        (TokenScore("entropy", "max"), [H[0], H[3]]),
        (TokenScore("entropy", "top", k=2), [H[0] / 2, (H[2] + H[3]) / 2]),
        (TokenScore("entropy", "top", k=9), [H[0] / 2, (H[2] + H[3]) / 3]),
        (TokenScore("least_confidence", "sum"), [0.5, 0.1 + 0.5]),
        (TokenScore("margin", "max"), [1.0, 0.75]),
        (TokenScore("margin", "sum"), [1.0, 0.2 + 0.75]),
        (TokenScore("entropy", "mean", sure_outside=0.9), [H[0], H[3] / 2]),  # the words with P(O) of 1.0 and 0.9
        (TokenScore("entropy", "mean", outside=2, sure_outside=0.5), [H[0] / 2, (H[2] + H[3]) / 2]),
        (mnlp, [-math.log(0.5) / 2, -(math.log(0.9) + math.log(0.5)) / 3]),
    ],
)
def test_by_hand(score, expected):
    assert score(P, MASK).tolist() == pytest.approx(expected, abs=1e-6)


SCORES = [mnlp, *(TokenScore(s, a) for s in ("entropy", "least_confidence", "margin") for a in ("mean", "sum", "max"))]
SCORES += [TokenScore("entropy", "top", k=2), TokenScore("margin", "mean", sure_outside=0.7)]


@pytest.mark.parametrize("score", SCORES, ids=lambda score: getattr(score, "name", "mnlp"))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_what_is_masked_changes_nothing_and_no_words_score_lowest(score, dtype):
    rng = np.random.default_rng(0)
    probabilities = torch.tensor(rng.dirichlet(np.ones(5), size=(6, 4)), dtype=dtype)
    mask = torch.tensor(rng.random((6, 4)) < 0.6)
    mask[0] = False
    mask[1] = torch.tensor([False, True, False, False])
    found = score(probabilities, mask)
    assert found.shape == (6,)
    assert found.isfinite().all()
    assert found[0] == 0 == found.min()
    spoiled = torch.where(mask[..., None], probabilities, torch.tensor([1.0, 0, 0, 0, 0], dtype=dtype))
    assert torch.equal(score(spoiled, mask), found)
    padded = torch.nn.functional.pad(probabilities, (0, 0, 2, 3), value=float("nan"))
    torch.testing.assert_close(score(padded, torch.nn.functional.pad(mask, (2, 3))), found)
    certain = torch.zeros_like(probabilities)
    certain[..., 1] = 1
    assert torch.equal(score(certain, mask), torch.zeros(6))


def test_names_of_strategies():
    resolve = lambda strategy, outside=0: resolve_strategy(strategy, "words", outside)  # noqa: E731
    assert resolve("entropy").name == "entropy(mean)"
    assert resolve("entropy").needs == {"scores"}
    assert resolve("mnlp").score is mnlp
    assert resolve("mnlp+kmeans").name == "mnlp+kmeans"
    assert resolve("margin+kmeans").needs == {"scores", "embeddings"}
    strategy = resolve(Hybrid(TokenScore("margin", "top", k=2, sure_outside=0.9), "kmeans"), outside=4)
    assert strategy.name == "margin(top)+kmeans"
    assert strategy.settings == {"candidate_factor": 10, "k": 2, "sure_outside": 0.9}
    assert strategy.score.outside == 4
    assert resolve("random").needs == set()
    assert resolve(token_strategy("entropy+kmeans", "sum", 3, None)).name == "entropy(sum)+kmeans"
    assert resolve(token_strategy("mnlp", "sum", 3, None)).name == "mnlp"
    assert resolve_strategy("entropy").name == "entropy"  # of whole texts


def test_strategies_that_do_not_fit():
    for strategy, words in (
        ("mnlpp", "Did you mean 'mnlp'"),
        (lambda probabilities: probabilities, "expected score\\(probabilities, mask\\) with two"),
        (
            Hybrid(lambda probabilities: probabilities, "kmeans"),
            "score '<lambda>' takes 1 arguments, expected score\\(probabilities, mask\\) with two",
        ),
        (needs("probabilities")(lambda signals, k, rng: None), "not kept"),
    ):
        with pytest.raises(ArgumentError, match=words):
            resolve_strategy(strategy, "words")
    with pytest.raises(
        ArgumentError, match="'mnlp' is for token_classification, and this is text_classification: 'least_confidence'"
    ):
        resolve_strategy("mnlp", called=TASK_OF_FAMILY)
    with pytest.raises(ArgumentError, match="is a score of words: take 'entropy' here"):
        resolve_strategy(TokenScore("entropy"))
    with pytest.raises(ArgumentError, match="have no 'O'"):
        resolve_strategy(TokenScore("entropy", sure_outside=0.9), "words", outside=-1)
    for arguments, words in (
        ({"score": "entropi"}, "expected one of entropy"),
        ({"aggregate": "median"}, "expected one of mean, sum, max, top"),
        ({"k": 0}, "at least 1 word"),
        ({"sure_outside": 0.0}, "a probability above 0"),
    ):
        with pytest.raises(ArgumentError, match=words):
            TokenScore(**arguments)
    with pytest.raises(ArgumentError, match=r"has shape \[2\], expected \[2, 3\]"):
        TokenScore(lambda probabilities: probabilities[:, 0, 0])(P, MASK)
