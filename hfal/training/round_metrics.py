"""The metrics of a round: what an evaluation says of the model, and how they are written on one line."""

import re
from collections.abc import Mapping
from typing import Any


# Not all that ends in `_time` or `_step`: labels may be called so, and have an F1 of their own.
_TIMINGS = re.compile(
    r"epoch|step|num_input_tokens_seen|(.*_)?(runtime|(samples|steps)_per_second|\w+_(preparation|compilation)_time|"
    r"mem_(cpu|gpu)_(alloc|peaked)_delta)|before_init_mem_(cpu|gpu)"
)


def without_timings(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers among a Trainer's metrics that say something about the model: neither time nor memory."""
    numbers = {name: float(value) for name, value in metrics.items() if isinstance(value, int | float)}
    return {name: value for name, value in numbers.items() if not _TIMINGS.fullmatch(name)}


def short(metrics: Mapping[str, float]) -> str:
    """Return metrics on one line, for the log."""
    return ", ".join(f"{name.removeprefix('eval_')} {value:.4f}" for name, value in metrics.items()) or "not evaluated"
