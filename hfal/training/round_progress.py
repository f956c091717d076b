"""How far a round's training is, for an annotator who shows it."""

import time
from collections.abc import Callable

from hfal.annotators.base import Steps


_EVERY = 2.0  # seconds; each time an open page asks once more, beside the training


class RoundProgress:
    """Tells the steps of a training, now and then.

    Args:
        tell: Is told the steps.
    """

    def __init__(self, tell: Callable[[Steps], None]):
        self._tell = tell
        self._first: tuple[int, float] | None = None  # of this process: how many steps there were, and when
        self._told = -_EVERY

    def step(self, done: int, total: int) -> None:
        """Take note of a step.

        Args:
            done: The steps so far.
            total: All steps.
        """
        now = time.monotonic()
        if self._first is None:
            self._first = (done, now)
        if now - self._told < _EVERY and done < total:
            return
        self._told = now
        before, since = self._first
        left = (total - done) * (now - since) / (done - before) if done > before else None
        self._tell(Steps(done, total, left))
