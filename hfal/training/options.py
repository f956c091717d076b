"""The options of `ActiveLearningCallback` that say how long a run goes on and how its rounds are trained.

Importing this module loads neither torch nor transformers: the command line reads the names of the options here.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hfal.acquisition.options import check_least
from hfal.errors import ArgumentError
from hfal.store.run_info import AGGREGATIONS
from hfal.tasks.kinds import ESTIMATED
from hfal.utils.spelling import joined_names


if TYPE_CHECKING:
    from hfal.stopping.criteria import Criterion
    from hfal.tasks.kinds import Kind

RETRAIN = ("from_scratch", "continue")
CLASS_WEIGHTS = ("balanced",)
WHEN_IDLE = ("wait", "ask")
"""What people do while a round trains: wait, or answer queries of the frozen head."""


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
    estimate: bool
    when_idle: str
    train_after: int | None
    aggregate_labels: str = "latest"
    soft_labels: bool = False

    def __post_init__(self) -> None:
        check_least(self, {"keep_models": 1, "min_steps": 0, "train_after": 1})
        if self.when_idle not in WHEN_IDLE:
            raise ArgumentError(f"when_idle={self.when_idle!r}, expected one of {', '.join(WHEN_IDLE)}")
        if self.train_after is not None and self.when_idle == "wait":
            raise ArgumentError(
                f"train_after={self.train_after} is for when_idle='ask': a round that people wait for trains after "
                "queries_per_round queries"
            )
        if self.aggregate_labels not in AGGREGATIONS:
            names = ", ".join(AGGREGATIONS)
            raise ArgumentError(f"aggregate_labels={self.aggregate_labels!r}, expected one of {names}")
        if self.soft_labels and self.aggregate_labels == "latest":
            raise ArgumentError(
                "soft_labels=True trains on the probabilities that aggregate_labels gives, and 'latest' gives none: "
                f"pass one of {', '.join(AGGREGATIONS[1:])}"
            )
        if self.soft_labels and self.class_weights is not None:
            raise ArgumentError(
                f"soft_labels=True and class_weights={self.class_weights!r} are two losses: leave one of them out"
            )
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
    def metrics_wanted(self) -> list[str]:
        """The metrics that `stop` reads and an evaluation has to give."""
        names = [] if self.stop is None else self.stop.metrics
        return [name for name in names if not (self.estimate and name.startswith(ESTIMATED))]

    @property
    def metric_wanted(self) -> str | None:
        """The argument that needs an evaluation, with the metric: `target_metric='accuracy'`."""
        names = self.metrics_wanted
        return f"{self.naming(names[0])}={names[0]!r}" if names else None

    def naming(self, metric: str) -> str:
        """Return the argument that names a metric."""
        return "target_metric" if metric == self.target_metric else "the metric of stop"


def check_estimates(options: LoopOptions, kind: "Kind") -> None:
    """Check that the estimates that end a run are recorded.

    Args:
        options: The options.
        kind: The kind of the pool's answers.

    Raises:
        ArgumentError: `estimate` is off, or the kind has no such estimate.
    """
    for name in [] if options.stop is None else options.stop.metrics:
        argument = f"{options.naming(name)}={name!r}"
        if name in kind.estimates and not options.estimate:
            raise ArgumentError(f"{argument} is an estimate that is not recorded: pass estimate=True too")
        if options.estimate and name.startswith(ESTIMATED) and name not in kind.estimates:
            raise ArgumentError(f"{argument} is not estimated; there are: {joined_names(kind.estimates)}")
