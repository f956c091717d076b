"""The points of a learning curve: what was bought, and what the model reached with it."""

from collections.abc import Sequence

from hfal.store.records import RoundRecord


def metric_names(records: Sequence[RoundRecord]) -> list[str]:
    """The metrics that the rounds have, in the order in which they first occur."""
    return list({name: None for record in records for name in record.metrics or {}})


def bought(record: RoundRecord) -> int:
    """What a round's labels cost: their number, or that of the words where words are tagged."""
    return record.labels if record.words is None else record.words
