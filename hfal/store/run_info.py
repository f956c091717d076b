"""Records of a run's task, plan, draw and end, as `Store` reads and writes them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints


UNITS = ("examples", "words")
"""The units in which sizes of queries, and budgets, may be counted."""

AGGREGATIONS = ("latest", "majority", "one_coin", "dawid_skene")
"""How one label may be made of several people's: the one that was given last, or by `hfal.tasks.aggregation`."""

T = TypeVar("T")


@dataclass(frozen=True)
class RunInfo:
    """The task and labels of a run, settled when a pool is first opened in its directory.

    Attributes:
        task: The name of the task; `None` where no pool was opened.
        scheme: How tags say where an entity begins, such as `"IOB2"`; `None` but for token classification.
        label_names: The labels' names, in the order of their indices.
        labels_are_hidden: Whether every example of the data has a label, so that a `SimulatedAnnotator` may reveal
            them.
    """

    task: str | None = None
    scheme: str | None = None
    label_names: tuple[str, ...] = ()
    labels_are_hidden: bool = False


@dataclass(frozen=True)
class RunPlan:
    """The arguments of a run's last start, for those who only read the store.

    Attributes:
        rounds: How many rounds there are to be; `None` for no such limit.
        budget: How many labels, or words, may be bought; `None` for no such limit.
        strategy: Name of the query strategy.
        query_size: How much a query asks about, in `unit`.
        unit: What sizes and budget count: `"examples"` or `"words"`.
        queries_per_round: How many queries are answered before a round trains.
        aggregate_labels: How one label is made of several people's, one of `AGGREGATIONS`.
        annotators: Who labels, where that is more than one person; `"anybody"` for all who come to the page.
        target_metric: The metric for `target`.
        target: The value of it that ends the run.
        stop: The stopping criterion as text.
        simulated: Whether a `SimulatedAnnotator` answers.
        pool_size: How many examples the pool has.
    """

    rounds: int | None = None
    budget: int | None = None
    strategy: str = ""
    query_size: int = 0
    unit: str = "examples"
    target_metric: str | None = None
    target: float | None = None
    stop: str | None = None
    simulated: bool = False
    pool_size: int = 0
    queries_per_round: int = 1
    aggregate_labels: str = "latest"
    annotators: Sequence[str] = ()


@dataclass(frozen=True)
class Ended:
    """The end of a run.

    Attributes:
        reason: The limit that was reached, as a phrase.
        answer: Number of the last answer at that time.
    """

    reason: str
    answer: int


@dataclass(frozen=True)
class PoolDraw:
    """The rows of the data that are the pool, and those to evaluate on, by a hash of their texts.

    Attributes:
        pool_size: The size of the pool that was asked for; `None` for all rows.
        eval_size: The number of rows to evaluate on that was asked for; `None` for none.
        seed: The seed of the hash.
        evaluated: The hashes of the rows to evaluate on, in ascending order.
        last: The largest hash of a row in the pool.
    """

    pool_size: int | None = None
    eval_size: int | None = None
    seed: int = 0
    evaluated: Sequence[int] = ()
    last: int = 0


@dataclass(frozen=True)
class PublishedOptions:
    """The options of a run that a card on the Hub may show.

    Attributes:
        shown: Options with their values, none of which is private.
        left_out: The names of those whose values are not shown, but which it takes to run it again.
    """

    shown: Mapping[str, Any] = field(default_factory=dict)
    left_out: Sequence[str] = field(default_factory=list)


def from_json(kind: type[T], kept: Mapping[str, Any] | None) -> T | None:
    """Read one of these dataclasses from the JSON object that `dataclasses.asdict` makes of it; `None` from `None`.

    A field that an older hfal has not written gets its default; one of a newer hfal is passed over.

    Raises:
        AttributeError: It is no object.
        TypeError: A field is missing that has no default, or a value is of another type than its field.
    """
    if kept is None:
        return None
    types = get_type_hints(kind)
    found = {name: value for name, value in kept.items() if name in types}
    for name, value in found.items():
        if not isinstance(value, _plain_types(types[name])):
            raise TypeError(f"{name} of {kind.__name__} is {value!r}")
    return kind(**found)


def _plain_types(hint: Any) -> tuple[type, ...]:
    """Return what `isinstance` takes for the type of a field."""
    if get_origin(hint) is UnionType:
        return tuple(plain for one in get_args(hint) for plain in _plain_types(one))
    return (int, float) if hint is float else (get_origin(hint) or hint,)
