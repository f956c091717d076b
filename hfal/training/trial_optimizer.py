"""Make the optimizer and the scheduler of a Trainer, and let them take two steps on a few numbers."""

import contextlib
from typing import Any

import torch
from transformers import Trainer
from transformers.optimization import GreedyLR
from transformers.training_args import OptimizerNames

from hfal.errors import ArgumentError
from hfal.training.option_errors import plain, refusing


_OF_OPTIMIZER = (
    "learning_rate",
    "weight_decay",
    "adam_beta1",
    "adam_beta2",
    "adam_epsilon",
    "optim_args",
    "optim_target_modules",
)
_OF_SCHEDULER = ("warmup_steps",)
_STEPS = 2


def try_optimizer(trainer: Trainer, steps: int) -> None:
    """Make what updates the weights as `train()` does, and see it work; no weight of the model is changed.

    No optimizer has a state before its first step, so that this one never has any of the model's size: before it
    steps, small parameters take the place of the model's. It stays in the Trainer, which has to be put back.

    Args:
        trainer: The Trainer.
        steps: How many steps the training would have.

    Raises:
        ArgumentError: Its library is missing, or an option of the optimizer or the scheduler cannot be.
    """
    args = trainer.args
    if _works_by_hooks(args.optim) and trainer.optimizer_cls_and_kwargs is None:
        with refusing(args, f"optim={plain(args.optim)!r}", ()), contextlib.suppress(ValueError):
            trainer.get_optimizer_cls_and_kwargs(args, None)  # looks for the library, then misses the model
        return
    name = f"optim={plain(args.optim)!r}" + (f", optim_args={args.optim_args!r}" if args.optim_args else "")
    if trainer.optimizer_cls_and_kwargs is not None:
        name = f"optimizer_cls_and_kwargs={trainer.optimizer_cls_and_kwargs!r}"
    scheduler = (
        f"lr_scheduler_type={plain(args.lr_scheduler_type)!r}, lr_scheduler_kwargs={args.lr_scheduler_kwargs!r}"
    )
    # One makes the other in a Trainer that overrides `create_optimizer_and_scheduler`.
    if type(trainer).create_optimizer_and_scheduler is not Trainer.create_optimizer_and_scheduler:
        with refusing(args, f"{name}, {scheduler}", (*_OF_OPTIMIZER, *_OF_SCHEDULER)):
            trainer.create_optimizer_and_scheduler(steps)
    else:
        with refusing(args, name, _OF_OPTIMIZER):
            trainer.create_optimizer()
    if not isinstance(trainer.optimizer, torch.optim.Optimizer):
        return  # several in one, as of a library: it says itself what it holds
    small = _replace_parameters(trainer.optimizer)
    with refusing(args, scheduler, _OF_SCHEDULER):
        trainer.create_scheduler(steps, trainer.optimizer)
    for _ in range(_STEPS):
        with refusing(args, name, _OF_OPTIMIZER):
            for parameter in small:
                parameter.grad = torch.full_like(parameter, 0.1)
            trainer.optimizer.step()
        with refusing(args, scheduler, _OF_SCHEDULER):
            if not isinstance(trainer.lr_scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau | GreedyLR):
                trainer.lr_scheduler.step()
    if not all(bool(torch.isfinite(parameter).all()) for parameter in small):
        raise ArgumentError(f"{name}: two steps make NaN or infinite weights of finite ones; look at its options")


def _works_by_hooks(optim: str) -> bool:
    """Return whether making an optimizer puts hooks into the model that update weights in the backward pass."""
    return optim.endswith("layerwise") or optim in (OptimizerNames.LOMO, OptimizerNames.ADALOMO)


def _replace_parameters(optimizer: torch.optim.Optimizer) -> list[torch.nn.Parameter]:
    """Give each group of an optimizer one small parameter in the place of its own, of the same type and device."""
    small: list[torch.nn.Parameter] = []
    for group in optimizer.param_groups:
        if group["params"]:
            group["params"] = [_small(group["params"][0])]
            small += group["params"]
    return small


def _small(parameter: Any) -> torch.nn.Parameter:
    dtype = parameter.dtype if parameter.is_floating_point() else torch.float32
    return torch.nn.Parameter(torch.full((8, 8), 0.5, dtype=dtype, device=parameter.device))
