"""Try, before anybody is asked, what a round does after people have labeled: training, evaluating and saving.

An option that cannot work is found here in seconds. Nothing that is tried leaves a trace: no weight is changed, and
`hfal.training.untouched` puts back the rest. A model is neither copied nor given an optimizer's state.

Not tried are `torch.compile`, which takes minutes, and DeepSpeed and FSDP, which divide the model. The labels are made
up, since there may be none yet; what fails because of them alone would be a false alarm, so that a run which could
have worked is rather let through: see `hfal.training.trial_evaluation`.
"""

import contextlib
import math
import shutil
from collections.abc import Iterator
from itertools import islice
from typing import Any

import datasets
import numpy as np
import torch
from accelerate.utils.memory import should_reduce_batch_size
from torch.utils.data import Subset
from transformers import EarlyStoppingCallback, Trainer
from transformers.integrations.neftune import activate_neftune
from transformers.utils import is_liger_kernel_available

from hfal.acquisition.queries import Acquisition
from hfal.data.pool import Pool
from hfal.errors import ArgumentError
from hfal.store.run_directory import trial_folder
from hfal.training.argument_values import check_argument_values, check_combinations
from hfal.training.epochs import epochs_of
from hfal.training.option_errors import called, kind_and_message, plain, refusing
from hfal.training.options import LoopOptions
from hfal.training.trainer_state import check_trackers, own_loss
from hfal.training.trial_evaluation import Samples, try_evaluation
from hfal.training.trial_optimizer import try_optimizer
from hfal.training.untouched import trial_attributes, untouched
from hfal.training.weights import is_of_disk, not_saved
from hfal.utils.distributed import on_main
from hfal.utils.output import get_logger
from hfal.utils.spelling import counted


logger = get_logger(__name__)

_ROWS = 2  # of the batch to train on; with one alone batch normalization would fail
_SMALL_MODEL = 2**27
"""Bytes of weights up to which they are saved too: writing more might take longer than a twentieth of a round."""


def preflight(trainer: Trainer, acquisition: Acquisition, options: LoopOptions) -> None:
    """Refuse options with which a round cannot be trained, evaluated or saved. Called by all processes.

    Args:
        trainer: The user's Trainer, which is as it was afterwards.
        acquisition: Makes the queries.
        options: How rounds are trained, and when the run ends.

    Raises:
        ArgumentError: A round would fail; the message names the option.
    """
    args, pool = trainer.args, acquisition.pool
    check_argument_values(args)
    check_combinations(args, options.min_steps)
    _check_early_stopping(trainer)
    check_trackers(trainer)
    if args.use_liger_kernel and not is_liger_kernel_available():
        raise ArgumentError("use_liger_kernel=True needs a library that is not installed: pip install liger-kernel")
    if trainer.is_deepspeed_enabled or trainer.is_fsdp_enabled:
        return
    first = acquisition.options.seed_size
    epochs = epochs_of(args, first, options.min_steps)
    steps = _steps(trainer, first, epochs)
    rows = min(_ROWS, args.per_device_train_batch_size)
    with untouched(trainer):
        trial_attributes(trainer, steps, epochs, rows)
        _place_model(trainer)
        try_optimizer(trainer, steps)
        _try_training(trainer, pool, rows, options)
        try_evaluation(trainer, _samples(trainer, pool, acquisition.options.holdout), options)
        _try_saving(trainer, pool)


def _check_early_stopping(trainer: Trainer) -> None:
    args = trainer.args
    stops = any(isinstance(callback, EarlyStoppingCallback) for callback in trainer.callback_handler.callbacks)
    if stops and (args.metric_for_best_model is None or args.eval_strategy == "no"):
        raise ArgumentError(
            f"EarlyStoppingCallback goes by evaluations during training: set eval_strategy, which is "
            f"{plain(args.eval_strategy)!r}, and metric_for_best_model, which is {args.metric_for_best_model!r}"
        )


def _steps(trainer: Trainer, examples: int, epochs: float) -> int:
    """Return how many steps a round with so many examples has."""
    args = trainer.args
    if args.max_steps > 0:
        return int(args.max_steps)
    batches = math.ceil(examples / (args.train_batch_size * args.world_size))
    return math.ceil(epochs * math.ceil(batches / args.gradient_accumulation_steps))


def _place_model(trainer: Trainer) -> None:
    """Put the model where `train()` would."""
    model = trainer.model
    at = next((parameter.device for parameter in model.parameters()), trainer.args.device)
    if at != trainer.args.device and not trainer.is_model_parallel and getattr(model, "hf_device_map", None) is None:
        trainer._move_model_to_device(model, trainer.args.device)


# -- training ---------------------------------------------------------------------------------------------------------


def _try_training(trainer: Trainer, pool: Pool, rows: int, options: LoopOptions) -> None:
    """Take a batch forward and backward through the model itself, by the Trainer's own step."""
    args = trainer.args
    trainer.train_dataset = _made_up(pool, rows * max(1, args.n_gpu) * args.world_size)
    with own_loss(trainer, options, pool):
        with refusing(args, f"data_collator={called(trainer.data_collator)} makes no training batch"):
            batches = list(trainer.get_train_dataloader())
        if not batches:
            return
        _set_up_model(trainer)
        with _failing_training(trainer, rows):
            samples, items = trainer.get_batch_samples(iter(batches), 1, args.device)
            # As accelerate does it around the model's forward pass.
            with trainer.accelerator.autocast():
                loss = trainer.training_step(trainer.model, samples[0], None if args.n_gpu > 1 else items)
            if not bool(torch.isfinite(loss).all()):
                _check_weights(trainer.model)
                logger.warning(
                    "the loss of %s is %s before any training", counted(rows, "example"), loss.mean().item()
                )


def _check_weights(model: torch.nn.Module) -> None:
    """Refuse a model that is broken before it is trained."""
    for name, weight in model.named_parameters():
        broken = int((~torch.isfinite(weight)).sum())
        if broken:
            raise ArgumentError(
                f"model={type(model).__name__}: {broken} of the {weight.numel()} numbers in its weights {name} are "
                "not finite, so that it says nothing of any text: take an earlier checkpoint, or copy the model again"
            )


def _made_up(pool: Pool, count: int) -> datasets.Dataset:
    """Return examples of middling length with made-up labels, as the labeled view has them."""
    by_length = np.argsort(pool.lengths, kind="stable")
    start = max(len(by_length) // 2 - count // 2, 0)
    return pool.with_made_up_labels(np.resize(by_length[start : start + count], count))


def _set_up_model(trainer: Trainer) -> None:
    """Do to the model what `train()` does to it for its options."""
    args, model = trainer.args, trainer.model
    if args.activation_checkpointing and hasattr(model, "activation_checkpointing_enable"):
        options = dict(args.activation_checkpointing_kwargs or {})
        every, offload = options.pop("every_n_layers", 1), options.pop("offload", False)
        with refusing(args, f"activation_checkpointing={args.activation_checkpointing}", ()):
            model.activation_checkpointing_enable(
                activation_checkpointing_kwargs=options or None, every_n_layers=every, offload=offload
            )
    if trainer.neftune_noise_alpha is not None:
        with refusing(args, f"neftune_noise_alpha={trainer.neftune_noise_alpha} does not go with this model", ()):
            activate_neftune(model, trainer.neftune_noise_alpha, trainer.accelerator)


@contextlib.contextmanager
def _failing_training(trainer: Trainer, rows: int) -> Iterator[None]:
    """Refuse a training whose first step fails, unless the failure may come from the trial itself."""
    args = trainer.args
    try:
        with refusing(args, _what_is_trained(trainer)):
            yield
    except ArgumentError as error:
        cause = error.__cause__
        if isinstance(cause, Exception) and should_reduce_batch_size(cause) and args.auto_find_batch_size and rows > 1:
            at_once = counted(rows, "example")
            logger.warning("there is no memory to train on %s at once: %s", at_once, kind_and_message(cause))
        elif type(trainer).training_step is not Trainer.training_step:
            logger.warning(
                "a trial of your own training_step has failed, which may be for want of a training: %s", error
            )
        else:
            raise


def _what_is_trained(trainer: Trainer) -> str:
    """Name the model, and what else has a part in a step."""
    parts = [f"model={type(trainer.model).__name__}"]
    if trainer.compute_loss_func is not None:
        parts.append(f"compute_loss_func={called(trainer.compute_loss_func)}")
    if type(trainer).compute_loss is not Trainer.compute_loss:
        parts.append(f"{type(trainer).__name__}.compute_loss")
    for name in ("activation_checkpointing_kwargs", "label_smoothing_factor", "neftune_noise_alpha", "bf16", "fp16"):
        if getattr(trainer.args, name):
            parts.append(f"{name}={getattr(trainer.args, name)!r}")
    return f"a first step of training fails with {', '.join(parts)}"


# -- evaluation -------------------------------------------------------------------------------------------------------


def _samples(trainer: Trainer, pool: Pool, holdout: int) -> Samples:
    """Return what makes samples of the evaluation sets; of a holdout with made-up labels."""

    def samples(count: int | None) -> dict[str, Any]:
        if holdout:
            return {"eval": _made_up(pool, holdout if count is None else min(count, holdout))}
        found = trainer.eval_dataset
        sets = {f"eval_{name}": one for name, one in found.items()} if isinstance(found, dict) else {"eval": found}
        sets = {prefix: one for prefix, one in sets.items() if one is not None}
        return sets if count is None else {prefix: _sample(one, count) for prefix, one in sets.items()}

    return samples


def _sample(dataset: Any, count: int) -> Any:
    """Return so many examples from all over a data set, which may be sorted by label; of a stream the first."""
    if not hasattr(dataset, "__len__"):
        return list(islice(dataset, count))
    rows = np.unique(np.linspace(0, len(dataset) - 1, min(count, len(dataset))).round().astype(int)).tolist()
    return dataset.select(rows) if isinstance(dataset, datasets.Dataset) else Subset(dataset, rows)


# -- saving -----------------------------------------------------------------------------------------------------------


def _try_saving(trainer: Trainer, pool: Pool) -> None:
    """Save the model as a round does, in the run directory, and remove it; of a large model all but the weights."""
    folder = trial_folder(pool.run_dir)

    def remove() -> None:
        shutil.rmtree(folder, ignore_errors=True)

    size = _bytes_to_save(trainer)
    on_main(remove)
    try:
        with refusing(
            trainer.args, f"the model ({type(trainer.model).__name__}) cannot be saved in {pool.run_dir}", ()
        ):
            try:
                if size <= _SMALL_MODEL:
                    trainer.save_model(str(folder), _internal_call=True)
                elif type(trainer).save_model is Trainer.save_model:
                    trainer._save(str(folder), state_dict={})
            except Exception as error:
                if not is_of_disk(error):
                    raise
                raise not_saved(pool.run_dir, error) from error
    finally:
        on_main(remove)
    free = shutil.disk_usage(pool.run_dir).free
    if free < size:
        raise ArgumentError(
            f"output_dir={str(pool.run_dir)!r} has {free / 2**20:,.0f} MiB free, but the weights of the model take "
            f"{size / 2**20:,.0f} MiB: make room, and start again; the labels recorded so far are safe"
        )


def _bytes_to_save(trainer: Trainer) -> int:
    """Return how large the weights on the disk are; of a model with adapters those alone."""
    parameters = trainer.model.parameters()
    if hasattr(trainer.model, "peft_config"):
        parameters = (parameter for parameter in parameters if parameter.requires_grad)
    return sum(parameter.numel() * parameter.element_size() for parameter in parameters)
