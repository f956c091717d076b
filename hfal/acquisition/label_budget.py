"""The budget of a run: what is left of it, what it can pay for, and how many examples make a query of some size."""

from collections.abc import Callable

import numpy as np

from hfal.data.pool import Pool


class LabelBudget:
    """The budget of one run, in examples or in words.

    Args:
        pool: The pool, whose store knows what was bought.
        unit: What is counted: `"examples"`, or `"words"` of the sentences.
        limit: How much may be bought in all, seed set and holdout included, in `unit`, or `None`.

    Attributes:
        costs: What each example costs, int[N].
    """

    def __init__(self, pool: Pool, unit: str, limit: int | None):
        self.pool = pool
        self.unit = unit
        self.limit = limit
        self.costs = pool.costs(unit)

    def left(self) -> int | None:
        """Return how much neither answers nor open questions have taken, in `unit`; `None` without a limit."""
        if self.limit is None:
            return None
        store = self.pool.store
        answered = store.current_answers()
        asking = [e.example_id for q in store.open_queries() for e in q.examples if e.example_id not in answered]
        bought = store.labels_bought() if self.unit == "examples" else store.words_bought()
        return max(self.limit - bought - int(self.costs[self.pool.positions(asking)].sum()), 0)

    def affordable(self) -> np.ndarray:
        """Return the unlabeled examples that may still be asked about, by position.

        What is left of a budget in words buys nothing once it does not pay for an average sentence: a round for the
        shortest ones would not be worth its training.
        """
        positions, left = self.pool.unlabeled_positions(), self.left()
        if left is None or len(positions) == 0:
            return positions
        costs = self.costs[positions]
        return positions[costs <= left] if left >= costs.mean() else positions[:0]

    def fill(self, pick: Callable[[int], np.ndarray], size: int, positions: np.ndarray) -> np.ndarray:
        """Pick rows of `positions` for a query: in words, up to the sentence with which it reaches `size`.

        Args:
            pick: Picks so many rows of `positions`, best first.
            size: How much to ask for, in `unit`; less if the budget does not pay for it.
            positions: The candidates, of which the budget pays for each.
        """
        left = self.left()
        size = size if left is None else min(size, left)
        if self.unit == "examples":
            return pick(min(size, len(positions)))
        # How many sentences that takes is known when they are picked; half as many more than needed are too many.
        count = min(max(round(size / self.costs[positions].mean()), 1), len(positions))
        picked = pick(count)
        spent = np.cumsum(self.costs[positions[picked]])
        if spent[-1] > 1.5 * size:
            count = max(round(count * size / spent[-1]), 1)
            picked = pick(count)
            spent = np.cumsum(self.costs[positions[picked]])
        while spent[-1] < size and count < len(positions):
            count = min(max(round(1.05 * count * size / spent[-1]), count + 1), len(positions))
            picked = pick(count)
            spent = np.cumsum(self.costs[positions[picked]])
        asked = min(int(np.searchsorted(spent, size)) + 1, count)
        return picked[: asked - 1 if left is not None and spent[asked - 1] > left else asked]
