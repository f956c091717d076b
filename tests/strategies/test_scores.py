"""What a score function reads."""

import torch

from hfal import Ranks, TokenScore
from hfal.strategies import bald, entropy, resolve_strategy
from hfal.strategies.scores import call_score, reads, reads_draws


def test_what_a_score_reads_is_told_by_the_names_of_its_parameters():
    assert not reads_draws(entropy)
    assert reads_draws(bald)
    assert reads_draws(TokenScore("bald"))
    assert not reads_draws(TokenScore("entropy"))
    assert reads(resolve_strategy(Ranks("bald", "vote_entropy")).score) == {"draws"}
    assert reads(resolve_strategy(Ranks("bald", "entropy")).score) == {"draws", "probabilities"}
    assert reads(TokenScore("bald", sure_outside=0.9)) == {"draws", "probabilities"}
    assert resolve_strategy("batchbald").draws
    assert not resolve_strategy("badge").draws
    p, d = torch.tensor([[0.5, 0.5]]), torch.tensor([[[0.4, 0.6]]])
    assert call_score(lambda anything: anything, p, d) is p
    assert call_score(lambda draws: draws, p, d) is d
