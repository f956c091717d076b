"""Thresholds of labels: the probability from which on a label counts as given, for all or for each."""

from collections.abc import Mapping, Sequence

from hfal.errors import ArgumentError
from hfal.utils.spelling import joined_names


THRESHOLD = 0.5
"""Of labels for which nothing else is said."""


def thresholds_of(thresholds: float | Mapping[str, float] | None, names: Sequence[str]) -> dict[str, float]:
    """The threshold of each label, in the order of the names.

    Args:
        thresholds: One for all labels, or by name; 0.5 for those that are not named, and for all by default.
        names: The names of all labels.

    Raises:
        ArgumentError: There is no such label, or a threshold is not between 0 and 1.
    """
    if not isinstance(thresholds, Mapping):
        thresholds = dict.fromkeys(names, THRESHOLD if thresholds is None else thresholds)
    for name, threshold in thresholds.items():
        if name not in names:
            raise ArgumentError(f"thresholds has {name!r}, which is no label; the labels are: {joined_names(names)}")
        if not isinstance(threshold, int | float) or not 0 < threshold < 1:
            raise ArgumentError(f"the threshold of {name!r} is {threshold!r}, expected a number between 0 and 1")
    return {name: float(thresholds.get(name, THRESHOLD)) for name in names}


def parse_thresholds(words: Sequence[str]) -> float | dict[str, float]:
    """Parse the thresholds of the command line: one number, or `LABEL=NUMBER` for each label that has its own.

    Raises:
        ArgumentError: It is neither.
    """
    try:
        if len(words) == 1 and "=" not in words[0]:
            return float(words[0])
        pairs = [word.rpartition("=") for word in words]
        if all(equals for _, equals, _ in pairs):
            return {name.strip(): float(number) for name, _, number in pairs}
    except ValueError:
        pass
    raise ArgumentError(
        f"--thresholds is {','.join(words)}, expected one number (0.4), or LABEL=NUMBER (rare=0.2,common=0.6)"
    )
