"""Votes counted by hand, divergences by SciPy, and the identity with BALD."""

import math
from collections import Counter

import numpy as np
import pytest
import torch
from scipy.stats import entropy as scipy_entropy

from hfal.strategies.bayesian import bald
from hfal.strategies.committee import mean_kl, vote_entropy


SCORES = [bald, mean_kl, vote_entropy]


def random_draws(n: int = 50, draws: int = 7, classes: int = 4) -> torch.Tensor:
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.dirichlet(np.full(classes, 0.3), size=(n, draws)).astype(np.float32))


def test_votes_of_the_survey_are_counted_by_hand():
    # three vote for class 0, two for class 1, none for class 2: soft votes would see that class 1 is almost tied
    members = [[0.5, 0.4, 0.1], [0.4, 0.3, 0.3], [0.9, 0.1, 0.0], [0.1, 0.9, 0.0], [0.0, 1.0, 0.0]]
    expected = -(0.6 * math.log(0.6) + 0.4 * math.log(0.4))
    assert vote_entropy(torch.tensor([members])).item() == pytest.approx(expected, abs=1e-6)


def test_vote_entropy_equals_a_count_of_votes():
    draws = random_draws()
    for members, score in zip(draws.numpy(), vote_entropy(draws), strict=True):
        votes = Counter(max(range(4), key=lambda c, p=p: p[c]) for p in members)
        assert score.item() == pytest.approx(scipy_entropy(list(votes.values())), abs=1e-6)


def test_a_tied_vote_goes_to_the_lower_class():
    tied, decided = [0.4, 0.4, 0.2], [0.9, 0.1, 0.0]
    assert vote_entropy(torch.tensor([[tied, decided]])).item() == 0
    assert vote_entropy(torch.tensor([[tied, [0.1, 0.9, 0.0]]])).item() == pytest.approx(math.log(2))


def test_mean_kl_equals_scipys_divergence_from_the_mean():
    draws = random_draws()
    for members, score in zip(draws.double().numpy(), mean_kl(draws), strict=True):
        consensus = members.mean(axis=0)
        assert score.item() == pytest.approx(np.mean([scipy_entropy(p, consensus) for p in members]), abs=1e-6)


def test_mean_kl_and_bald_are_one_number_by_two_formulas():
    draws = random_draws(n=500, draws=10, classes=9)
    torch.testing.assert_close(mean_kl(draws), bald(draws), atol=2e-6, rtol=0)


@pytest.mark.parametrize("score", SCORES)
def test_words_score_as_texts_do(score):
    draws = random_draws(n=12)
    of_words = score(draws.reshape(3, 4, 7, 4))
    assert of_words.shape == (3, 4)
    torch.testing.assert_close(of_words.reshape(12), score(draws), atol=1e-6, rtol=0)


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_certain_members_and_tiny_probabilities_are_finite_and_within_bounds(score, dtype):
    unanimous = [[1.0, 0.0, 0.0]] * 4
    divided = [[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 1.0, 0.0]]
    tiny = [[1.0, 1e-45, 1e-45], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]
    scores = score(torch.tensor([unanimous, divided, tiny], dtype=dtype))
    assert scores.dtype == torch.float32
    np.testing.assert_allclose(scores, [0, math.log(2), 0], atol=1e-6)


@pytest.mark.parametrize("score", SCORES)
def test_one_member_one_class_and_identical_members_score_zero(score):
    draws = random_draws()
    for agreed in (draws[:, :1], torch.ones(5, 3, 1), draws[:, :1].expand(-1, 7, -1), draws[:1, :1]):
        scores = score(agreed)
        assert scores.shape == agreed.shape[:1]
        assert (scores >= 0).all()
        assert scores.max() < 1e-6


@pytest.mark.parametrize("score", SCORES)
def test_each_member_of_its_own_opinion_reaches_the_upper_bound(score):
    assert score(torch.eye(5)[None]).item() == pytest.approx(math.log(5), abs=1e-6)


@pytest.mark.parametrize("score", SCORES)
def test_scores_leave_their_input_as_it_was(score):
    draws = random_draws()
    before = draws.clone()
    score(draws)
    assert torch.equal(draws, before)
