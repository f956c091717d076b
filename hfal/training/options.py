"""The options of `ActiveLearningCallback` that say how long a run goes on and how its rounds are trained.

Importing this module loads neither torch nor transformers: the command line reads the names of the options here.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hfal.acquisition.options import check_least
from hfal.errors import ArgumentError


if TYPE_CHECKING:
    from hfal.stopping.criteria import Criterion

RETRAIN = ("from_scratch", "continue")
CLASS_WEIGHTS = ("balanced",)


@dataclass(frozen=True, kw_only=True)
class LoopOptions:
    """The options of a run's length and of its rounds; `ActiveLearningCallback` documents each under the same name.

    `stop` is the criterion that is looked at after each round, the target included.

    Raises:
        ArgumentError: An option has a value that it cannot have.
    """

    target_metric: str | None
    target: float | None
    stop: "Criterion | None"
    retrain: str
    keep_models: int | None
    min_steps: int
    class_weights: str | None

    def __post_init__(self) -> None:
        check_least(self, {"keep_models": 1, "min_steps": 0})
        if self.retrain not in RETRAIN:
            raise ArgumentError(f"retrain={self.retrain!r}, expected one of {', '.join(RETRAIN)}")
        if self.class_weights not in (None, *CLASS_WEIGHTS):
            raise ArgumentError(f"class_weights={self.class_weights!r}, expected one of {', '.join(CLASS_WEIGHTS)}")
        if (self.target_metric is None) != (self.target is None):
            raise ArgumentError(
                f"target_metric={self.target_metric!r} and target={self.target!r} belong together: pass both or none"
            )

        if self.target is not None and not math.isfinite(self.target):
            raise ArgumentError(f"target={self.target!r}, expected a number that the metric can reach")

    @property
    def metric_wanted(self) -> str | None:
        """The argument that needs an evaluation, with the metric: `target_metric='accuracy'`."""
        if self.stop is None or not self.stop.metrics:
            return None
        return f"{self.naming(self.stop.metrics[0])}={self.stop.metrics[0]!r}"

    def naming(self, metric: str) -> str:
        """Return the argument that names a metric."""
        return "target_metric" if metric == self.target_metric else "the metric of stop"
