"""The budget of a run: what is left of it, what it can pay for, and how many examples make a query of some size."""

from collections.abc import Callable
from hashlib import blake2b

import numpy as np

from hfal.acquisition.options import QueryOptions
from hfal.data.pool import Pool


class LabelBudget:
    """The budget of one run, in examples or in words.

    Args:
        pool: The pool, whose store knows what was bought.
        unit: What is counted: `"examples"`, or `"words"` of the sentences.
        limit: How much may be bought in all, seed set and holdout included, in `unit`, or `None`; each opinion on an
            example counts.
        opinions: How many people are to label each example, int[N]; one by default.

    Attributes:
        sizes: The size of each example, int[N], in `unit`.
        costs: What it costs to have each example labeled, int[N]: each opinion its size.
    """

    def __init__(self, pool: Pool, unit: str, limit: int | None, opinions: np.ndarray | None = None):
        self.pool = pool
        self.unit = unit
        self.limit = limit
        self.opinions = np.ones(len(pool), np.int64) if opinions is None else opinions
        self.sizes = pool.costs(unit)
        self.costs = self.sizes.astype(np.int64) * self.opinions

    def left(self) -> int | None:
        """Return how much neither answers nor open questions have taken, in `unit`; `None` without a limit."""
        if self.limit is None:
            return None
        store = self.pool.store
        asked = store.opinions_asked()
        asking = self.sizes[self.pool.positions(list(asked))] * np.array(list(asked.values()), np.int64)
        bought = store.labels_bought() if self.unit == "examples" else store.words_bought()
        return max(self.limit - bought - int(asking.sum()), 0)

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

    def fill(
        self, pick: Callable[[int], np.ndarray], size: int, positions: np.ndarray, reserved: int = 0
    ) -> np.ndarray:
        """Pick rows of `positions` for a query: in words, up to the sentence with which it reaches `size`.

        Args:
            pick: Picks so many rows of `positions`, best first.
            size: How much to ask for, in `unit`; less if the budget does not pay for it.
            positions: The candidates, of which the budget pays for each.
            reserved: How much of what is left is for something else.
        """
        left = self.left()
        left = None if left is None else left - reserved
        if left is not None:  # counts opinions, of which some examples get several
            size = min(size, int(left * self.sizes[positions].sum() / self.costs[positions].sum()))
        picked = self._of_size(pick, size, positions)
        return picked[: self.paid(positions[picked], reserved)]

    def paid(self, positions: np.ndarray, reserved: int = 0) -> int:
        """Return how many of some examples, the first ones, what is left pays for, without what is reserved of it."""
        left = self.left()
        if left is None:
            return len(positions)
        return int(np.searchsorted(np.cumsum(self.costs[positions]), left - reserved, side="right"))

    def _of_size(self, pick: Callable[[int], np.ndarray], size: int, positions: np.ndarray) -> np.ndarray:
        if self.unit == "examples":
            return pick(min(max(size, 1), len(positions)))
        # How many sentences that takes is known when they are picked; half as many more than needed are too many.
        count = min(max(round(size / self.sizes[positions].mean()), 1), len(positions))
        picked = pick(count)
        spent = np.cumsum(self.sizes[positions[picked]])
        if spent[-1] > 1.5 * size:
            count = max(round(count * size / spent[-1]), 1)
            picked = pick(count)
            spent = np.cumsum(self.sizes[positions[picked]])
        while spent[-1] < size and count < len(positions):
            count = min(max(round(1.05 * count * size / spent[-1]), count + 1), len(positions))
            picked = pick(count)
            spent = np.cumsum(self.sizes[positions[picked]])
        return picked[: min(int(np.searchsorted(spent, size)) + 1, count)]


def opinions_wanted(pool: Pool, options: QueryOptions) -> np.ndarray:
    """Return how many people are to label each example, int64[N]: by its id, so that it stays when the pool grows.

    Args:
        pool: The pool.
        options: The options of the run, with `overlap` and `overlap_share`.
    """
    opinions = np.full(len(pool), options.overlap, np.int64)
    if options.overlap > 1 and options.overlap_share < 1:
        salt = options.seed.to_bytes(16, "little")
        digests = (blake2b(str(example_id).encode(), digest_size=8, salt=salt).digest() for example_id in pool.ids)
        drawn = np.frombuffer(b"".join(digests), "<u8") / 2**64
        opinions[drawn >= options.overlap_share] = 1
    return opinions
