"""Check the values of `TrainingArguments` that nothing else checks before training.

What `TrainingArguments` and the Trainer refuse by themselves is not here. Importing this module loads neither torch
nor transformers: the command line checks its own options here before it reads any data.
"""

import math
from collections.abc import Callable
from numbers import Integral
from typing import Any

from hfal.errors import ArgumentError


_Check = Callable[[Any], bool]


def _at_least(least: float) -> tuple[_Check, str]:
    return lambda value: least <= value < math.inf, f"a finite number of at least {least:g}"


def _above(bound: float) -> tuple[_Check, str]:
    return lambda value: bound < value < math.inf, f"a finite number above {bound:g}"


def _between(least: float, most: float) -> tuple[_Check, str]:
    return lambda value: least <= value <= most, f"a number between {least:g} and {most:g}"


def _whole(least: int, most: int | None = None) -> tuple[_Check, str]:
    def check(value: Any) -> bool:
        return isinstance(value, Integral) and int(value) >= least and (most is None or int(value) <= most)

    return check, f"a whole number of at least {least}" + ("" if most is None else f" and at most {most}")


_VALUES: dict[str, tuple[_Check, str]] = {
    "learning_rate": _above(0),  # at 0 nothing is trained
    "num_train_epochs": _at_least(0),
    "max_steps": (lambda value: value != 0, "at least 1, or -1 for num_train_epochs"),
    "per_device_train_batch_size": _whole(1),
    "per_device_eval_batch_size": _whole(1),
    "gradient_accumulation_steps": _whole(1),
    "eval_accumulation_steps": _whole(1),
    "warmup_steps": _at_least(0),
    "weight_decay": _at_least(0),
    "max_grad_norm": (lambda value: not math.isnan(value), "a number (0 for none)"),  # infinite: only measured
    "label_smoothing_factor": _between(0, 1),
    "neftune_noise_alpha": _at_least(0),
    "dataloader_num_workers": _whole(0),
    "dataloader_prefetch_factor": _whole(1),
    "seed": _whole(0, 2**32 - 1),  # as NumPy has it
    "data_seed": _whole(-(2**63), 2**64 - 1),  # as torch has it
}

_STEPS = ("logging", "eval", "save")


def check_argument_values(args: Any) -> None:
    """Check each value for itself.

    Args:
        args: The `TrainingArguments`, or other options some of which have these names.

    Raises:
        ArgumentError: A value is out of range, or no number.
    """
    for name, (check, expected) in _VALUES.items():
        value = getattr(args, name, None)
        if value is not None and not _holds(check, value):
            raise ArgumentError(f"{name}={value!r}, expected {expected}")
    for kind in _STEPS:
        name, value = f"{kind}_steps", getattr(args, f"{kind}_steps", None)
        counts = getattr(args, f"{kind}_strategy", "no") == "steps" and value is not None
        if counts and not _holds(lambda steps: 0 < steps < math.inf, value):
            raise ArgumentError(f"{name}={value!r}, expected a finite number above 0")


def _holds(check: _Check, value: Any) -> bool:
    try:
        return check(value)
    except TypeError:  # no number
        return False


def check_combinations(args: Any, min_steps: int) -> None:
    """Check values that do not go with each other.

    Args:
        args: The `TrainingArguments`.
        min_steps: Of `ActiveLearningCallback`.

    Raises:
        ArgumentError: No step would be trained, or the Trainer would never find the best model that it is to save.
    """
    if args.num_train_epochs == 0 and args.max_steps < 0 and not min_steps:
        raise ArgumentError(
            "num_train_epochs=0 trains nothing: expected more than 0 (or set max_steps, or min_steps of hfal)"
        )
    never_evaluates = args.eval_strategy == "no"
    for name, value in (("load_best_model_at_end", True), ("save_strategy", "best")):
        if getattr(args, name) == value and never_evaluates:
            raise ArgumentError(
                f"{name}={value!r} needs evaluations during training, but eval_strategy='no' makes none: set "
                "eval_strategy to 'epoch' or 'steps'"
            )
    if args.save_strategy == "best" and args.metric_for_best_model is None:
        raise ArgumentError("save_strategy='best' needs to know by which metric: set metric_for_best_model")
