"""Checks of whether a Trainer fits a run, before anything is asked or trained. They change nothing."""

from typing import Any

import datasets
import numpy as np
from transformers import Trainer

from hfal.acquisition.draws import dropout_layers
from hfal.acquisition.forward import forward_columns, longest_input, without_adapters
from hfal.acquisition.queries import Acquisition
from hfal.data.pool import HOLDOUT
from hfal.errors import ArgumentError
from hfal.store.run_directory import initial_model
from hfal.tasks.label_column import LABEL_COLUMNS
from hfal.training.epochs import check_batches
from hfal.training.frozen_head import check_encoder_of_head
from hfal.training.input_checks import check_padding, check_tokens
from hfal.training.options import LoopOptions
from hfal.training.weights import fits
from hfal.utils.distributed import rank_and_size
from hfal.utils.spelling import counted, joined_names


def check_trainer(
    trainer: Trainer,
    acquisition: Acquisition,
    options: LoopOptions,
) -> None:
    """Refuse now what would otherwise fail in the first round, or silently go wrong in the third.

    Args:
        trainer: The user's Trainer, which is only read.
        acquisition: Makes the queries.
        options: How rounds are trained.

    Raises:
        ArgumentError: The Trainer does not fit the pool, or the options.
    """
    holdout, metric_wanted, class_weights = acquisition.options.holdout, options.metric_wanted, options.class_weights
    pool, args = acquisition.pool, trainer.args
    processes = rank_and_size()[1]
    if processes != args.world_size:
        raise ArgumentError(
            f"{processes} processes were started, but this Trainer runs on {args.world_size} of them, so that each "
            "would train a model of its own: pass use_cpu=True to TrainingArguments where there is no accelerator"
        )
    if args.world_size > 1 and (trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled):
        raise ArgumentError(
            f"the Trainer cuts its model into {args.world_size} parts (FSDP or DeepSpeed), of which none can score: "
            "use plain data parallelism, in which every process has the whole model"
        )
    if trainer.state.global_step == 0 and (trainer.optimizer is not None or trainer.lr_scheduler is not None):
        raise ArgumentError(
            "optimizers= was passed to the Trainer: its scheduler would run once and leave a learning rate of 0 to "
            "every later round. Pass optimizer_cls_and_kwargs=, or set optim, learning_rate and lr_scheduler_type in "
            "TrainingArguments, so that each round makes its own"
        )
    if trainer.model_init is None and trainer.state.global_step > 0 and not fits(trainer, initial_model(pool.run_dir)):
        raise ArgumentError(
            f"retrain={options.retrain!r} needs weights to begin with, but the Trainer's model was trained before and "
            "there is no model_init: pass model_init= to the Trainer, or start the rounds with a new Trainer"
        )
    evaluations = trainer.eval_dataset if isinstance(trainer.eval_dataset, dict) else {"": trainer.eval_dataset}
    if holdout and any(d is not None and not is_holdout(d) for d in evaluations.values()):
        raise ArgumentError(
            f"holdout={holdout} makes an evaluation set of its own, but the Trainer has an eval_dataset: "
            "leave one of them out (or pass eval_dataset=pool.holdout, where eval_strategy asks for one)"
        )
    for dataset in evaluations.values():
        for column, feature in (getattr(dataset, "features", None) or {}).items():
            names = list(getattr(feature, "names", pool.label_names))
            if column not in LABEL_COLUMNS:
                continue
            if names != list(pool.label_names):
                raise ArgumentError(
                    f"the eval_dataset numbers its labels {joined_names(names)}, the pool "
                    f"{joined_names(pool.label_names)}: pass eval_dataset=pool.with_labels(eval_dataset), "
                    "or cast both to the same ClassLabel"
                )
            if isinstance(dataset, datasets.Dataset):
                pool.task.check_evaluation(dataset, column)
    if metric_wanted is not None and not holdout and trainer.eval_dataset is None:
        estimates = joined_names(pool.task.kind.estimates)
        hint = f"; without either, estimate=True gives {estimates}" if estimates else ""
        raise ArgumentError(f"{metric_wanted} needs an eval_dataset in the Trainer, or holdout={hint}")
    if options.soft_labels:
        if not pool.task.kind.one_class or pool.task.kind.of_words:
            raise ArgumentError(
                f"soft_labels=True is for text classification, one label for each text, and the pool is one of "
                f"{pool.task.name}: leave it out"
            )
        if acquisition.options.self_training is not None:
            raise ArgumentError("soft_labels=True does not go with self_training: leave one of them out")
    own_loss = "soft_labels=True" if options.soft_labels else f"class_weights={class_weights!r}"
    if options.soft_labels or class_weights is not None:
        if args.n_gpu > 1:
            raise ArgumentError(
                f"{own_loss} would weigh the loss of {args.n_gpu} GPUs in one process wrongly: "
                "start one process for each with torchrun, or leave it out"
            )
        if not pool.task.kind.one_class:
            raise ArgumentError(
                f"class_weights={class_weights!r} is for one label for each text, or word: leave it out"
            )
        if trainer.compute_loss_func is not None or type(trainer).compute_loss is not Trainer.compute_loss:
            raise ArgumentError(
                f"{own_loss} is a loss, but the Trainer has its own (compute_loss_func "
                "or compute_loss): leave one of them out"
            )
    model_class = type(without_adapters(trainer.model)).__name__
    if model_class.endswith(pool.task.wrong_model):
        raise ArgumentError(
            f"the model is a {model_class}, but the pool is one of {pool.task.name}, for which it "
            f"needs a {pool.task.head}"
        )
    config = getattr(trainer.model, "config", None)
    classes = getattr(config, "num_labels", len(pool.label_names))
    if pool.task.kind.needs_names and classes != len(pool.label_names):
        raise ArgumentError(
            f"the model has {classes} classes, but the pool has {len(pool.label_names)} label names "
            f"({joined_names(pool.label_names)}): load the model with num_labels={len(pool.label_names)}"
        )
    if config is not None:
        pool.task.check_problem_type(getattr(config, "problem_type", None))
    draws = any(strategy.draws for strategy in acquisition.strategies.values())
    if draws and acquisition.options.committee is None and acquisition.options.select_with == "model":
        dropout_layers(trainer.model)
    if acquisition.options.select_with == "head":
        check_encoder_of_head(pool, acquisition.options.embeddings)
    if acquisition.options.unit == "examples":
        check_batches(args, max(acquisition.options.seed_size, len(pool.training_labels())))
    check_tokens(trainer, pool)
    limit = longest_input(trainer.model)
    too_long = np.flatnonzero(pool.lengths > (np.inf if limit is None else limit))
    if len(too_long):
        raise ArgumentError(
            f"{counted(len(too_long), 'example has', 'examples have')} more than the {limit} tokens that "
            f"{type(trainer.model).__name__} can take (ids {pool.some_ids(too_long)}, longest "
            f"{pool.lengths.max()}): tokenize with truncation=True, max_length={limit}"
        )
    columns = pool.columns_without_labels
    if args.remove_unused_columns:
        columns = forward_columns(trainer.model, columns)
        if not columns:
            raise ArgumentError(
                f"{type(trainer.model).__name__}.forward names none of the columns "
                f"{', '.join(pool.columns_without_labels)}, and remove_unused_columns=True leaves no other: give "
                "the Trainer the model itself if this is a wrapper (for torch.compile, torch_compile=True in "
                "TrainingArguments), or pass remove_unused_columns=False and a data_collator that picks columns"
            )
    rows = pool.rows_to_score(columns)
    ends = [int(pool.lengths.argmin()), int(pool.lengths.argmax())]
    collate = pool.task.collator(trainer.data_collator, columns)
    try:
        batch = collate([rows[row] for row in ends])
    except Exception as error:
        kind = pool.dataset.format["type"]
        hint = pool.task.collator_hint
        if kind not in (None, "numpy", "torch"):
            what = "a transform" if kind == "custom" else f"the format {kind!r}"
            hint = f"the pool's dataset has {what}: pass Pool(dataset.with_format(None), ...)"
        elif not args.remove_unused_columns:
            hint = (
                "remove_unused_columns=False gives it all of them: leave that out, or pass a data_collator that picks"
            )
        raise ArgumentError(
            f"the Trainer's data collator cannot collate unlabeled examples with the columns {', '.join(columns)} "
            f"({type(error).__name__}: {error}): {hint}"
        ) from error
    pool.task.check_batch(batch, ends)
    check_padding(trainer, pool, rows, collate)


def is_holdout(dataset: Any) -> bool:
    """Return whether a data set is `pool.holdout`."""
    return getattr(getattr(dataset, "info", None), "description", None) == HOLDOUT
