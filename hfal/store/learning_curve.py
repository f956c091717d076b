"""The points of a learning curve: labels bought, and metrics reached with them."""

from collections.abc import Sequence

from hfal.store.records import RoundRecord


def metric_names(records: Sequence[RoundRecord]) -> list[str]:
    """Return the names of the rounds' metrics, in the order in which they first occur."""
    return list({name: None for record in records for name in record.metrics or {}})


def bought(record: RoundRecord) -> int:
    """Return the cost of a round's labels: their number, or the number of their words where words are tagged."""
    return record.labels if record.words is None else record.words
