"""Training defaults for a few hundred labels."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from transformers import TrainingArguments

from hfal.config.training_arguments import RoundTrainingArguments, option_errors
from hfal.errors import ArgumentError


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


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": -1}, "seed=-1, expected a whole number of at least 0 and at most 4294967295"),
        ({"seed": 2**32}, "seed=4294967296, expected a whole number"),
        ({"data_seed": 2**64}, "data_seed=18446744073709551616, expected"),
        ({"learning_rate": float("nan")}, "learning_rate=nan, expected a finite number above 0"),
        ({"warmup_steps": -1}, "warmup_steps=-1, expected"),
        ({"save_strategy": "sometimes"}, "save_strategy='sometimes': sometimes is not a valid SaveStrategy"),
        ({"lr_scheduler_type": "reduce_lr_on_plateau"}, "lr_scheduler_type='reduce_lr_on_plateau': "),
        ({"lr_scheduler_kwargs": "{num_cycles"}, "lr_scheduler_kwargs='{num_cycles' is no JSON: "),
        ({"accelerator_config": {"batches": 1}}, "accelerator_config={'batches': 1}: TypeError: "),
        ({"deepspeed": "no.json"}, "deepspeed='no.json': "),
        ({"bf16": True, "fp16": True}, "bf16=True: At most one of fp16 and bf16"),
        ({"load_best_model_at_end": True, "save_strategy": "epoch"}, "load_best_model_at_end=True: "),
        ({"report_to": ["paper"]}, "report_to=['paper']: paper is not supported, only "),
        (
            {"report_to": ["comet_ml"]},
            "report_to=['comet_ml']: RuntimeError: CometCallback requires comet-ml",
        ),
        ({"report_to": "all,tensorboard"}, "report_to=['all,tensorboard']: "),
    ],
    ids=str,
)
def test_what_transformers_refuses_is_one_line_that_names_the_option(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ArgumentError) as error:
        RoundTrainingArguments(str(tmp_path), use_cpu=True, **options)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_no_token_is_in_a_message(tmp_path: Path) -> None:
    args = RoundTrainingArguments(str(tmp_path), use_cpu=True, hub_token="hf_secret", save_strategy="epoch")
    with pytest.raises(ArgumentError, match="the Trainer cannot be made: hub_token cannot be"), option_errors(args):
        raise ValueError("hub_token cannot be")
    with pytest.raises(ArgumentError, match="save_strategy='epoch': not epoch"), option_errors(args):
        raise ValueError("not epoch")


def test_trackers_whose_library_is_there_begin_nothing(tmp_path: Path) -> None:
    args = RoundTrainingArguments(str(tmp_path / "run"), use_cpu=True, report_to=["tensorboard", "trackio"])
    assert args.report_to == ["tensorboard", "trackio"]
    assert not (tmp_path / "run").exists()
