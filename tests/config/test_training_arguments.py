"""Training defaults for a few hundred labels."""

import dataclasses
from pathlib import Path

import pytest
from transformers import TrainingArguments

from hfal.config.training_arguments import RoundTrainingArguments


def test_defaults_that_differ_are_those_of_the_docstring(tmp_path: Path) -> None:
    ours, theirs = RoundTrainingArguments(str(tmp_path)), TrainingArguments(str(tmp_path))
    differing = [
        field.name
        for field in dataclasses.fields(TrainingArguments)
        if field.init and getattr(ours, field.name) != getattr(theirs, field.name)
    ]
    documented = [line.strip().partition(":")[0] for line in RoundTrainingArguments.__doc__.splitlines()]
    assert set(differing) == {name for name in documented if name in TrainingArguments.__dataclass_fields__}
    assert (ours.num_train_epochs, ours.learning_rate, ours.report_to) == (10, 1e-4, [])


@pytest.mark.parametrize(("steps", "warm_up"), [(0, 0), (1, 0), (2, 1), (20, 2), (25, 3)])
def test_warm_up_leaves_a_step_to_train(tmp_path: Path, steps: int, warm_up: int) -> None:
    args = RoundTrainingArguments(str(tmp_path), use_cpu=True)
    assert args.get_warmup_steps(steps) == warm_up
