"""Stopping criteria, which decide from the records of the rounds so far, alone or joined by `|` and `&`.

A criterion is pure: it is asked after each round with the records of all finished rounds, and says why the run should
end there, or nothing. So a run that was killed stops where one that was not would have stopped, and `replay` says of a
finished run where any other criterion would have ended it.
"""

import keyword
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from hfal.errors import ArgumentError
from hfal.utils.spelling import counted


if TYPE_CHECKING:
    from hfal.store.records import RoundRecord

RoundHistory: TypeAlias = "Sequence[RoundRecord]"
"""The finished rounds, first to last."""


class Criterion(ABC):
    """A stopping criterion: `a | b` stops where either does, `a & b` where both do; `str` gives the expression."""

    @abstractmethod
    def reason(self, history: RoundHistory) -> str | None:
        """Return why the run should end after the last of these rounds; `None` if it should go on.

        Args:
            history: All finished rounds, first to last. What a round lacks, a metric or a figure, meets no criterion;
                nor does NaN.
        """

    def parts(self) -> Iterator["Criterion"]:
        """Yield the criteria that it is joined of; itself if it is a single one."""
        yield self

    @property
    def metrics(self) -> list[str]:
        """The names of the metrics that it reads."""
        return []

    @property
    def needs_stability(self) -> bool:
        """Whether it reads figures of the stop set; see `hfal.stopping.stability`."""
        return False

    def __or__(self, other: "Criterion") -> "Criterion":
        return AnyOf((*_joined(self, AnyOf), *_joined(other, AnyOf)))

    def __and__(self, other: "Criterion") -> "Criterion":
        return AllOf((*_joined(self, AllOf), *_joined(other, AllOf)))


def _joined(criterion: Any, kind: type["_Joined"]) -> tuple[Criterion, ...]:
    if not isinstance(criterion, Criterion):
        raise TypeError(f"a criterion was joined with a {type(criterion).__name__}, expected another criterion")
    return criterion.criteria if isinstance(criterion, kind) else (criterion,)


@dataclass(frozen=True)
class _Joined(Criterion):
    """Several criteria, in the order in which they were joined."""

    criteria: tuple[Criterion, ...]
    word: ClassVar[str]

    def parts(self) -> Iterator[Criterion]:
        """See `Criterion.parts`: those of each."""
        return (part for criterion in self.criteria for part in criterion.parts())

    @property
    def metrics(self) -> list[str]:
        """See `Criterion.metrics`: those of each."""
        return list(dict.fromkeys(name for criterion in self.criteria for name in criterion.metrics))

    @property
    def needs_stability(self) -> bool:
        """See `Criterion.needs_stability`: whether one of them does."""
        return any(criterion.needs_stability for criterion in self.criteria)

    def __str__(self) -> str:
        return f" {self.word} ".join(f"({c})" if isinstance(c, _Joined) else str(c) for c in self.criteria)


class AnyOf(_Joined):
    """Stop where one of several criteria does: `a | b`."""

    word = "or"

    def reason(self, history: RoundHistory) -> str | None:
        """The reasons of all that stop."""
        reasons = [reason for criterion in self.criteria if (reason := criterion.reason(history)) is not None]
        return "; ".join(reasons) or None


class AllOf(_Joined):
    """Stop where several criteria do at once: `a & b`."""

    word = "and"

    def reason(self, history: RoundHistory) -> str | None:
        """The reasons of all, if all stop."""
        reasons = [reason for criterion in self.criteria if (reason := criterion.reason(history)) is not None]
        return "; ".join(reasons) if len(reasons) == len(self.criteria) else None


class Named(Criterion):
    """A criterion with a name of its own."""

    name: ClassVar[str]

    def __str__(self) -> str:
        shown = []
        for option in fields(self):  # type: ignore[arg-type]
            value = getattr(self, option.name)
            if option.name == "rounds":
                shown.append(f"rounds={value}")
            elif not (option.name == "unit" and value == option.default):
                shown.append(_written(value))
        return f"{self.name}({', '.join(shown)})"


def _written(value: Any) -> str:
    if isinstance(value, str) and not (value.isidentifier() and not keyword.iskeyword(value)):
        return repr(value)
    return str(value)


def _check_number(what: str, value: Any, least: float, most: float = math.inf) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        expected = f"from {least} to {most}" if most < math.inf else f"{least} or more" if least > -math.inf else ""
        raise ArgumentError(f"{what} is {value!r}, expected a number {expected}".rstrip())


def _check_whole(what: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ArgumentError(f"{what} is {value!r}, expected a whole number, at least 1")


def _check_metric(name: str, metric: Any) -> None:
    if not isinstance(metric, str) or not metric:
        raise ArgumentError(
            f"{name}: metric is {metric!r}, expected the name of a metric, as in {name}(accuracy, ...)"
        )


# -- what was bought, and what was measured ------------------------------------------------------------------------


@dataclass(frozen=True)
class Budget(Named):
    """Stop after the first round for which so many labels had been bought, the holdout's included.

    The callback's own `budget` is a limit that is never exceeded; this only looks at what is behind.

    Args:
        labels: How many.
        unit: What they are counted in: `"examples"`, or `"words"` for token classification.
    """

    labels: int
    unit: str = "examples"
    name: ClassVar[str] = "budget"

    def __post_init__(self) -> None:
        _check_whole("budget: labels", self.labels)
        if self.unit not in ("examples", "words"):
            raise ArgumentError(f"budget: unit is {self.unit!r}, expected examples or words")

    def reason(self, history: RoundHistory) -> str | None:
        """See `Criterion.reason`."""
        if not history:
            return None
        bought = history[-1].labels if self.unit == "examples" else history[-1].words
        if bought is None or bought < self.labels:
            return None
        unit = "label" if self.unit == "examples" else "word"
        return f"{counted(bought, f'{unit} was', f'{unit}s were')} bought, at least {self.labels:,}"


@dataclass(frozen=True)
class Target(Named):
    """Stop when a metric reaches a value; falls to it, where the metric is a loss (`is_loss`).

    Args:
        metric: Its name, with or without the Trainer's `eval_`.
        value: What to reach.
    """

    metric: str
    value: float
    name: ClassVar[str] = "target"

    def __post_init__(self) -> None:
        _check_metric(self.name, self.metric)
        _check_number("target: value", self.value, -math.inf)

    @property
    def metrics(self) -> list[str]:
        """Its metric."""
        return [self.metric]

    def reason(self, history: RoundHistory) -> str | None:
        """See `Criterion.reason`."""
        found = metric_of(history[-1], self.metric) if history else math.nan
        reached = found <= self.value if is_loss(self.metric) else found >= self.value  # NaN reaches no target
        return f"{self.metric} is {found:.4f}, the target was {self.value}" if reached else None


@dataclass(frozen=True)
class Plateau(Named):
    """Stop when the best of the last rounds is hardly better than the best of all rounds before them.

    A single bad round does not stop the run, nor does a single lucky one keep it going for long.

    Args:
        metric: Its name, with or without the Trainer's `eval_`; of a loss (`is_loss`) less is better.
        gain: How much better counts as hardly, in units of the metric.
        rounds: How many last rounds.
    """

    metric: str
    gain: float = 0.01
    rounds: int = 3
    name: ClassVar[str] = "plateau"

    def __post_init__(self) -> None:
        _check_metric(self.name, self.metric)
        _check_number("plateau: gain", self.gain, 0)
        _check_whole("plateau: rounds", self.rounds)

    @property
    def metrics(self) -> list[str]:
        """Its metric."""
        return [self.metric]

    def reason(self, history: RoundHistory) -> str | None:
        """See `Criterion.reason`; rounds without the metric, or in which it is NaN, do not count."""
        sign = -1 if is_loss(self.metric) else 1
        values = [sign * value for record in history if not math.isnan(value := metric_of(record, self.metric))]
        if len(values) <= self.rounds or math.isnan(metric_of(history[-1], self.metric)):
            return None
        gained = max(values[-self.rounds :]) - max(values[: -self.rounds])
        if gained > self.gain + 1e-9:  # 0.81 - 0.80 is a little more than 0.01
            return None
        said = f"gained {gained:.4f}" if gained > 0 else "gained nothing"
        return f"{self.metric} has {said} in {_rounds(self.rounds)}, at most {self.gain}"


def is_loss(metric: str) -> bool:
    """Whether less of a metric is better: `loss`, `hamming_loss`, but not `f1_data_loss`, the F1 of such a label."""
    name = metric.removeprefix("eval_")
    return (name == "loss" or name.endswith("_loss")) and not name.startswith("f1_")


def metric_of(record: "RoundRecord", name: str) -> float:
    """Return a metric of a round, by its name with or without `eval_`; NaN if the round does not have it."""
    value = _find(record.metrics or {}, name)
    return math.nan if value is None else float(value)


def _find(metrics: Mapping[str, Any], name: str) -> Any:
    return metrics.get(name, metrics.get(f"eval_{name}"))


# -- what the model says of the stop set ---------------------------------------------------------------------------


class _OfStopSet(Named):
    """Stop when a figure of the stop set was on the right side of a bound in each of the last rounds.

    In the papers that average over a window it is their mean that has to be. Here it is each, which is never earlier.
    """

    figure: ClassVar[str]
    rounds: int

    @property
    def needs_stability(self) -> bool:
        """It does."""
        return True

    @abstractmethod
    def _holds(self, value: float) -> bool:
        """Whether a figure is on the right side of the bound; NaN is on no side."""

    @abstractmethod
    def _phrase(self, value: float, number: int) -> str:
        """Describe the figure of a round."""

    def reason(self, history: RoundHistory) -> str | None:
        """See `Criterion.reason`."""
        recent = [(record.stability or {}).get(self.figure, math.nan) for record in history[-self.rounds :]]
        if len(recent) < self.rounds or not all(map(self._holds, recent)):
            return None
        for_rounds = f" for {self.rounds} rounds" if self.rounds > 1 else ""
        return f"{self._phrase(recent[-1], history[-1].number)}{for_rounds}"


@dataclass(frozen=True)
class Kappa(_OfStopSet):
    """Stop when the predictions hardly change any more from round to round: Cohen's kappa between them is high.

    Bloodgood & Vijay-Shanker, "A Method for Stopping Active Learning Based on Stabilizing Predictions and the Need for
    User-Adjustable Stopping" (CoNLL 2009).

    Args:
        least: Kappa of this round's predictions with those of the round before: at least this.
        rounds: In so many rounds in a row.
    """

    least: float = 0.99
    rounds: int = 3
    name: ClassVar[str] = "kappa"
    figure: ClassVar[str] = "kappa"

    def __post_init__(self) -> None:
        _check_number("kappa: least", self.least, -1, 1)
        _check_whole("kappa: rounds", self.rounds)

    def _holds(self, value: float) -> bool:
        return value >= self.least

    def _phrase(self, value: float, number: int) -> str:
        return f"kappa between rounds {number - 1} and {number} is {value:.3f}, at least {self.least}"


class _AtMost(_OfStopSet):
    """Stop when a figure from 0 to 1 was at most so much."""

    most: float

    def __post_init__(self) -> None:
        _check_number(f"{self.name}: most", self.most, 0, 1)
        _check_whole(f"{self.name}: rounds", self.rounds)

    def _holds(self, value: float) -> bool:
        return value <= self.most


@dataclass(frozen=True)
class Uncertainty(_AtMost):
    """Stop when the model is certain: the mean entropy of its predictions, as a share of the maximum, is low.

    Zhu, Wang & Hovy, "Multi-Criteria-Based Strategy to Stop Active Learning for Data Annotation" (COLING 2008); Zhu,
    Wang, Hovy & Ma, "Confidence-Based Stopping Criteria for Active Learning for Data Annotation" (TSLP 2010): overall
    uncertainty. There it is of the unlabeled examples, here of the stop set, which stays the same.

    Args:
        most: The mean entropy, from 0 (certain) to 1 (knows nothing): at most this.
        rounds: In so many rounds in a row.
    """

    most: float = 0.05
    rounds: int = 1
    name: ClassVar[str] = "uncertainty"
    figure: ClassVar[str] = "uncertainty"

    def _phrase(self, value: float, number: int) -> str:
        return f"the mean uncertainty after round {number} is {value:.3f}, at most {self.most}"


@dataclass(frozen=True)
class Change(_AtMost):
    """Stop when few examples get another prediction than in the round before.

    Zhu, Wang & Hovy (COLING 2008): classification change. There no example at all may change, `change(0, rounds=1)`,
    which is hardly ever so where networks are fine-tuned.

    Args:
        most: The share of the examples with another label, or another set of labels, or another tag of any word: at
            most this.
        rounds: In so many rounds in a row.
    """

    most: float = 0.01
    rounds: int = 3
    name: ClassVar[str] = "change"
    figure: ClassVar[str] = "changed"

    def _phrase(self, value: float, number: int) -> str:
        return f"the share of predictions that changed in round {number} is {value:.4f}, at most {self.most}"


@dataclass(frozen=True)
class FChange(_AtMost):
    """Stop when the F measure of the round before, were this one right, is high: it is predicted to change little.

    Altschuler & Bloodgood, "Stopping Active Learning based on Predicted Change of F Measure for Text Classification"
    (ICSC 2019). There it is of two classes; `hfal.utils.agreement` has the F measures for more classes, sets and tags.

    Args:
        most: The predicted change: at most this.
        rounds: In so many rounds in a row.
    """

    most: float = 0.01
    rounds: int = 3
    name: ClassVar[str] = "f_change"
    figure: ClassVar[str] = "f_change"

    def _phrase(self, value: float, number: int) -> str:
        return (
            f"the predicted change of F between rounds {number - 1} and {number} is {value:.4f}, at most {self.most}"
        )


def _rounds(count: int) -> str:
    return f"the last {count} rounds" if count > 1 else "the last round"


CRITERIA: dict[str, type[Named]] = {
    cls.name: cls for cls in (Budget, Target, Plateau, Kappa, Uncertainty, Change, FChange)
}
"""The criteria by the names that they have in an expression."""


def metric_value(metrics: Mapping[str, Any], name: str, argument: str = "target_metric") -> float:
    """Return a metric by its name, with or without the Trainer's `eval_` in front.

    Args:
        metrics: What the Trainer gave, or could give.
        name: The metric's name.
        argument: Where that name stands.

    Raises:
        ValueError: There is no such metric; the message names those there are.
    """
    value = _find(metrics, name)
    if value is None:
        raise ArgumentError(
            f"{argument}={name!r} is no metric of the Trainer; it gave: {', '.join(metrics) or 'none'}"
        )
    return float(value)


def replay(criteria: Iterable[Criterion], history: RoundHistory) -> list[int | None]:
    """Return where each criterion would have ended a run, had it been asked after every round.

    Args:
        criteria: The criteria.
        history: The finished rounds, first to last.

    Returns:
        For each criterion the number of the round after which it would have ended the run; `None` if it never would.
    """
    return [
        next(
            (
                record.number
                for end, record in enumerate(history, start=1)
                if criterion.reason(history[:end]) is not None
            ),
            None,
        )
        for criterion in criteria
    ]
