"""Leave a Trainer, its model and all randomness as they were before something was tried on them."""

import contextlib
import copy
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from transformers import DefaultFlowCallback, Trainer
from transformers.trainer_callback import CallbackHandler


_LARGEST_BUFFER = 2**20
"""Numbers in the largest buffer that is copied. Statistics are small; one that is larger has quantized weights, or a
mask, which no forward pass changes."""


@contextlib.contextmanager
def same_randomness() -> Iterator[None]:
    """Give the random number generators of Python, NumPy and torch back the states that they had."""
    generators = random.getstate(), np.random.get_state(), torch.get_rng_state()
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    try:
        yield
    finally:
        random.setstate(generators[0])
        np.random.set_state(generators[1])
        torch.set_rng_state(generators[2])
        if cuda:
            torch.cuda.set_rng_state_all(cuda)


@contextlib.contextmanager
def untouched(trainer: Trainer) -> Iterator[None]:
    """Put back, after a `with` block, what it has changed of a Trainer, its arguments, its model and the randomness.

    In the block the Trainer has no callbacks, so that nothing which is logged reaches a tracker; its arguments and its
    state may be changed. No weight is copied: the block must not change any.

    Args:
        trainer: The user's Trainer.
    """
    args, accelerator = trainer.args, trainer.accelerator
    of_trainer, of_args = dict(vars(trainer)), dict(vars(args))
    prepared = [(one, list(one)) for one in (accelerator._models, accelerator._dataloaders)]
    trainer.state = copy.copy(trainer.state)
    trainer.state.log_history = []
    trainer.control = copy.copy(trainer.control)
    trainer.callback_handler = CallbackHandler(
        [DefaultFlowCallback()], trainer.model, trainer.processing_class, None, None
    )
    try:
        with same_randomness(), _untouched_model(trainer.model):
            yield
    finally:
        for found, before in ((vars(trainer), of_trainer), (vars(args), of_args)):
            found.clear()
            found.update(before)
        for objects, before_them in prepared:
            objects[:] = before_them


@contextlib.contextmanager
def _untouched_model(model: torch.nn.Module) -> Iterator[None]:
    """Put back a model's buffers, gradients, hooks, modes and configuration."""
    modules = list(model.modules())
    configs = {id(m.config): m.config for m in modules if hasattr(getattr(m, "config", None), "__dict__")}
    attributes = [(vars(one), dict(vars(one))) for one in (*modules, *configs.values())]
    # Hooks, buffers and the like; a handle that the user has of a hook knows the very dictionary that it is in.
    parts = [value for _, before in attributes for value in before.values() if isinstance(value, dict)]
    contents = [(part, dict(part)) for part in {id(part): part for part in parts}.values()]
    buffers = [(b, b.detach().clone()) for b in model.buffers() if b.numel() <= _LARGEST_BUFFER]
    parameters = [(p, p.grad, p.requires_grad) for p in model.parameters()]
    for parameter, _, _ in parameters:
        parameter.grad = None
    try:
        yield
    finally:
        for found, before in (*attributes, *contents):
            found.clear()
            found.update(before)
        with torch.no_grad():
            for buffer, was in buffers:
                _put_back(buffer, was)
        for parameter, gradient, requires_grad in parameters:
            parameter.grad = gradient
            parameter.requires_grad_(requires_grad)


def _put_back(buffer: torch.Tensor, was: torch.Tensor) -> None:
    if not torch.equal(buffer, was):
        buffer.copy_(was)


def trial_attributes(trainer: Trainer, steps: int, epochs: float, batch: int) -> None:
    """Set, within `untouched`, what a Trainer has while it trains, for one batch without worker processes.

    Args:
        trainer: The Trainer.
        steps: How many steps the training would have.
        epochs: And how many epochs.
        batch: Examples of the batch.
    """
    values: dict[str, Any] = {
        "per_device_train_batch_size": batch,
        "gradient_accumulation_steps": 1,
        "dataloader_num_workers": 0,
        "dataloader_prefetch_factor": None,
        "dataloader_persistent_workers": False,
        "dataloader_drop_last": False,
    }
    for name, value in values.items():
        setattr(trainer.args, name, value)
    trainer._train_batch_size = trainer.args.train_batch_size
    trainer.current_gradient_accumulation_steps = 1
    trainer.state.max_steps, trainer.state.num_train_epochs = steps, int(epochs) or 1
    trainer.is_in_train = True
