"""The points of a learning curve: labels bought, and metrics reached with them."""

from collections.abc import Sequence

from hfal.store.records import RoundRecord
from hfal.tasks.kinds import ESTIMATED


def metric_names(records: Sequence[RoundRecord]) -> list[str]:
    """Return the names of the rounds' metrics, in the order in which they first occur."""
    return list({name: None for record in records for name in record.metrics or {}})


def bought(record: RoundRecord) -> int:
    """Return the cost of a round's labels: their number, or the number of their words where words are tagged."""
    return record.labels if record.words is None else record.words


def is_estimate(metric: str) -> bool:
    """Return whether a metric of a round was estimated from the labels bought, and not measured on other examples."""
    return metric.startswith(ESTIMATED)


def about_estimates(records: Sequence[RoundRecord]) -> str | None:
    """Return a sentence that tells the estimates of some rounds from measurements; `None` if there are none."""
    if not any(map(is_estimate, metric_names(records))):
        return None
    return (
        "estimated: by cross-validation of a linear head on a frozen encoder, on the labeled examples themselves. It "
        "was not measured on others, and is not of the model that was trained."
    )
