"""Settings that a run makes on the user's Trainer, and takes back."""

import contextlib
import os
import secrets
import signal
import sys
from collections.abc import Iterator
from functools import partial
from typing import Any

from transformers import Trainer
from transformers.integrations import MLflowCallback, TensorBoardCallback, WandbCallback
from transformers.trainer_jit_checkpoint import JITCheckpointCallback

from hfal.data.pool import Pool
from hfal.errors import ArgumentError
from hfal.store.run_directory import tensorboard_folder
from hfal.store.store import Store
from hfal.training.checks import is_holdout
from hfal.training.class_weights import WeightedLoss, balanced_weights, labels_of
from hfal.training.options import LoopOptions
from hfal.training.soft_labels import SoftLoss, soft_labels
from hfal.training.untouched import same_randomness
from hfal.utils.distributed import is_main, on_main
from hfal.utils.spelling import message_of


@contextlib.contextmanager
def put_back(trainer: Trainer) -> Iterator[None]:
    """Leave the Trainer's attributes and the random number generators as they were found."""
    attributes = {name: getattr(trainer, name) for name in ("train_dataset", "eval_dataset", "model_init")}
    if is_holdout(trainer.eval_dataset):
        del attributes["eval_dataset"]  # the view that was passed is empty, or older than the one it has at the end
    arguments = {name: getattr(trainer.args, name) for name in ("output_dir", "seed", "num_train_epochs")}
    try:
        with same_randomness():
            yield
    finally:
        for name, value in attributes.items():
            setattr(trainer, name, value)
        for name, value in arguments.items():
            setattr(trainer.args, name, value)
        forget_evaluation_loaders(trainer)
        trainer.optimizer = trainer.lr_scheduler = None  # of the last round: nobody passed one


def forget_evaluation_loaders(trainer: Trainer) -> None:
    """Have the next evaluation read its data anew.

    With `dataloader_persistent_workers` the Trainer keeps what loads an evaluation set, and would go on evaluating the
    holdout of an earlier round.
    """
    vars(trainer).pop("_eval_dataloaders", None)


@contextlib.contextmanager
def all_evaluated(trainer: Trainer) -> Iterator[None]:
    """Evaluate all examples, also with `dataloader_drop_last`, which is meant for training.

    The Trainer leaves the rest of an evaluation set out too: all of it, where it is smaller than a batch.
    """
    drops = trainer.args.dataloader_drop_last
    if not drops:
        yield
        return
    forget_evaluation_loaders(trainer)
    trainer.args.dataloader_drop_last = False
    try:
        yield
    finally:
        trainer.args.dataloader_drop_last = drops
        forget_evaluation_loaders(trainer)


@contextlib.contextmanager
def token_in_environment(trainer: Trainer) -> Iterator[None]:
    """Keep the token of the Hub out of the Trainer's arguments: `training_args.bin` of each round has all of them.

    The Hub's client, which pushes for the Trainer, finds it in the environment.
    """
    token, before = trainer.args.hub_token, os.environ.get("HF_TOKEN")
    if token is None:
        yield
        return
    trainer.args.hub_token, os.environ["HF_TOKEN"] = None, token
    try:
        yield
    finally:
        trainer.args.hub_token = token
        if before is None:
            os.environ.pop("HF_TOKEN", None)
        else:
            os.environ["HF_TOKEN"] = before


@contextlib.contextmanager
def own_loss(trainer: Trainer, options: LoopOptions, pool: Pool, until: int | None = None) -> Iterator[None]:
    """Train with a weight for each class, or on soft labels, where that is asked for; the final evaluation is without.

    Args:
        trainer: The Trainer; on soft labels its `train_dataset` becomes another one.
        options: How rounds are trained.
        pool: The pool.
        until: The number of the last answer that is trained on; `None` for made-up labels.
    """
    smoothing = trainer.args.label_smoothing_factor
    if options.soft_labels:
        trainer.train_dataset = soft_labels(pool, trainer.train_dataset, until)
        trainer.compute_loss_func = SoftLoss(smoothing)
    elif options.class_weights is not None:
        weights = balanced_weights(labels_of(trainer.train_dataset), len(pool.label_names))
        trainer.compute_loss_func = WeightedLoss(weights, smoothing)
    else:
        yield
        return
    try:
        yield
    finally:
        trainer.compute_loss_func = None


@contextlib.contextmanager
def one_run_for_trackers(trainer: Trainer, store: Store) -> Iterator[None]:
    """Have trackers show all rounds, those of earlier sessions too, as one run.

    Left to themselves, Trackio makes a run of every `train()`, MLflow one of that and one of what is logged behind it,
    and TensorBoard one of the folder of the round that the script was started in. A name or a folder that the user
    chose stays, and so does a run of MLflow that is open.
    """
    args = trainer.args
    mlflow = _mlflow(trainer)
    ours = mlflow is not None and mlflow.active_run() is None
    named = args.run_name is not None
    callbacks = trainer.callback_handler.callbacks
    boards = [c for c in callbacks if isinstance(c, TensorBoardCallback) and c.logging_dir is None]
    if not named:
        args.run_name = on_main(partial(_run_name, store))
    for board in boards:
        board.logging_dir = str(tensorboard_folder(store.run_dir))
    try:
        yield
    finally:
        if not named:
            args.run_name = None
        for board in boards:
            board.logging_dir = None
        if ours and mlflow.active_run() is not None:
            mlflow.end_run("FINISHED" if sys.exception() is None else "FAILED")


def begin_tracked_run(trainer: Trainer) -> None:
    """Begin the run of MLflow that all rounds of this session go to, if none is open."""
    mlflow = _mlflow(trainer)
    if mlflow is not None and mlflow.active_run() is None:
        mlflow.start_run(run_name=trainer.args.run_name)


def check_trackers(trainer: Trainer) -> None:
    """Find out whether trackers can begin, before anybody is asked.

    Raises:
        ArgumentError: W&B has no key for its server, or MLflow cannot open what it is to write to.
    """
    mlflow = _mlflow(trainer)
    if mlflow is not None:
        try:
            mlflow.MlflowClient()
        except Exception as error:
            raise ArgumentError(
                f"report_to={trainer.args.report_to!r}: MLflow cannot open {mlflow.get_tracking_uri()} "
                f"({message_of(error)}): name another place in MLFLOW_TRACKING_URI, or leave mlflow out of report_to"
            ) from error
    for callback in trainer.callback_handler.callbacks:
        if isinstance(callback, WandbCallback) and not callback._initialized and is_main():
            wandb = callback._wandb
            settings = wandb.setup().settings
            if not (settings._offline or settings._noop or wandb.api.api_key or sys.stdin.isatty()):
                raise ArgumentError(
                    f"report_to={trainer.args.report_to!r}: W&B has no API key: log in with `wandb login`, or set "
                    "WANDB_MODE=offline, or leave wandb out of report_to"
                )


def _mlflow(trainer: Trainer) -> Any:
    """Return the module `mlflow` where the Trainer reports to it, on the main process."""
    for callback in trainer.callback_handler.callbacks:
        if isinstance(callback, MLflowCallback) and is_main():
            return callback._ml_flow
    return None


def _run_name(store: Store) -> str:
    """Return the name of this run for trackers: the folder's name, and a suffix that no other run has."""
    name = store.run_name
    if name is None:
        name = f"{store.run_dir.name}-{secrets.token_hex(3)}"
        store.set_run_name(name)
    return name


def rearm_sigterm(trainer: Trainer) -> None:
    """Have `enable_jit_checkpoint` work in every round: the Trainer takes its handler away after the first one."""
    for callback in trainer.callback_handler.callbacks:
        if isinstance(callback, JITCheckpointCallback) and callback.jit_manager is not None:
            handler = signal.getsignal(signal.SIGTERM)
            if handler == callback.jit_manager._original_sigterm_handler:
                callback.jit_manager.setup_signal_handler()
