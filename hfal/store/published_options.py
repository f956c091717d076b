"""The options of a run that may be shown to others, as its store keeps them for the cards on the Hub."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    from hfal.store.store import Store

_KEY = "published_options"


@dataclass(frozen=True)
class PublishedOptions:
    """The options of a run that a card may show.

    Attributes:
        shown: Options with their values, none of which is private.
        left_out: The names of those whose values are not shown, but which it takes to run it again.
    """

    shown: Mapping[str, Any] = field(default_factory=dict)
    left_out: Sequence[str] = field(default_factory=list)


def write_published_options(store: "Store", options: PublishedOptions) -> None:
    """Keep them in the store, in the place of those that were there."""
    store.set_meta(_KEY, asdict(options))


def read_published_options(store: "Store") -> PublishedOptions:
    """Return what was kept; no option at all for a run of one's own script, or of an hfal that did not keep them."""
    return PublishedOptions(**(store.meta(_KEY) or {}))
