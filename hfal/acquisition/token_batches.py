"""Batches of a scoring pass: as many examples of one length as a token budget takes."""

import numpy as np

from hfal.errors import ArgumentError


# On CPU measured best, or within noise of it (recipes/benchmarks/README.md); on accelerators an estimate.
CPU_TOKEN_BUDGET = 2048
ACCELERATOR_TOKEN_BUDGET = 16_384


def plan_batches(lengths: np.ndarray, token_budget: int) -> list[np.ndarray]:
    """Cut examples into batches of at most `token_budget` tokens, padding included, longest first.

    Args:
        lengths: Tokens of each example, int[N].
        token_budget: Rows times the longest length of a batch; a longer example makes a batch of its own.

    Returns:
        Batches of rows, int64 each; every row is in exactly one. Ties in length keep the order of rows.
    """
    if token_budget < 1:
        raise ArgumentError(f"token_budget={token_budget}, expected at least 1 token")
    order = np.argsort(-lengths.astype(np.int64), kind="stable")
    batches = []
    start = 0
    while start < len(order):
        size = max(1, token_budget // max(1, int(lengths[order[start]])))
        batches.append(order[start : start + size])
        start += size
    return batches
