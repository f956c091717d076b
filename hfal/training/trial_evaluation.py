"""Evaluate a few examples as a Trainer does, without its log and its callbacks."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from transformers import EvalPrediction, Trainer
from transformers.trainer_pt_utils import EvalLoopContainer, find_batch_size
from transformers.trainer_utils import denumpify_detensorize

from hfal.errors import ArgumentError
from hfal.stopping.criteria import metric_value
from hfal.training.option_errors import called, refusing
from hfal.training.options import LoopOptions
from hfal.utils.output import get_logger


logger = get_logger(__name__)


_FEW = 8
_MANY = 256

Samples = Callable[[int | None], Mapping[str, Any]]


def try_evaluation(trainer: Trainer, samples: Samples, options: LoopOptions) -> None:
    """Evaluate a few examples, and check that they give the metrics by which models are chosen and runs end.

    Metrics may fail for want of examples, be there only for the classes that occur, or know the very examples that
    are evaluated. So what fails is tried again with many examples, and with all of them, before it is refused.

    Args:
        trainer: The Trainer.
        samples: Returns so many examples of each evaluation set, or all, by the prefix of its metrics.
        options: What ends the run.

    Raises:
        ArgumentError: The evaluation fails, or `metric_for_best_model`, the target or `stop` names a metric that it
            does not give.
    """
    if _evaluates_otherwise(trainer):
        return
    for count in (_FEW, _MANY):
        with contextlib.suppress(Exception):
            _evaluate_and_check(trainer, samples(count), options)
            return
    logger.info("the evaluation fails on %d examples: it is tried on all of them", _MANY)
    _evaluate_and_check(trainer, samples(None), options)


def _evaluates_otherwise(trainer: Trainer) -> bool:
    """Return whether a Trainer's class has an evaluation of its own, whose metrics cannot be foreseen."""
    return any(
        getattr(type(trainer), name) is not getattr(Trainer, name)
        for name in ("evaluate", "evaluation_loop", "_evaluate")
    )


def _evaluate_and_check(trainer: Trainer, samples: Mapping[str, Any], options: LoopOptions) -> None:
    metrics: dict[str, Any] = {}
    for prefix, sample in samples.items():
        metrics |= _evaluate(trainer, sample, prefix)
    args = trainer.args
    if args.eval_strategy != "no" and args.metric_for_best_model is not None:
        metric_value(metrics, args.metric_for_best_model, "metric_for_best_model")
    numbers = {name: value for name, value in metrics.items() if isinstance(value, int | float)}
    for name in options.metrics_wanted:
        metric_value(numbers, name, options.naming(name))


def _check_label_names(trainer: Trainer, batches: Sequence[Mapping[str, Any]]) -> None:
    """Refuse `label_names` that batches do not have: the Trainer would find no labels, and not say so."""
    names, there = trainer.args.label_names or [], list(batches[0]) if batches else []
    if "labels" in there and not set(names) <= {*there}:
        raise ArgumentError(
            f"label_names={names!r}, but a batch has {', '.join(there)}, so that nothing would be evaluated: set it "
            "to ['labels'], or leave it out"
        )


def _evaluate(trainer: Trainer, dataset: Any, prefix: str) -> dict[str, Any]:
    """Return the metrics of examples, as `Trainer.evaluation_loop` makes them."""
    args, compute_metrics = trainer.args, trainer.compute_metrics
    include, loss_only = args.include_for_metrics, compute_metrics is None or args.prediction_loss_only
    kept = {
        name: EvalLoopContainer(args.eval_do_concat_batches, padding_index=-100)
        for name in ("losses", "predictions", "label_ids", "inputs")
    }
    metrics: Any = None
    trainer.model.eval()
    with refusing(args, "the evaluation set (eval_dataset) cannot be evaluated"):
        batches = list(trainer.get_eval_dataloader(dataset))
    _check_label_names(trainer, batches)
    for number, batch in enumerate(batches, start=1):
        with refusing(args, "the evaluation set (eval_dataset) cannot be evaluated"):
            inputs = None
            if "inputs" in include:
                inputs = trainer._prepare_input(batch[getattr(trainer.model, "main_input_name", "input_ids")])
            with trainer.accelerator.autocast():
                loss, logits, labels = trainer.prediction_step(trainer.model, batch, loss_only)
        preprocess = trainer.preprocess_logits_for_metrics
        if logits is not None and preprocess is not None:
            with refusing(args, f"preprocess_logits_for_metrics={called(preprocess)}", ()):
                logits = preprocess(logits, labels)
        if args.batch_eval_metrics and compute_metrics is not None and logits is not None and labels is not None:
            extra = {"losses": loss if "loss" in include else None, "inputs": batch if "inputs" in include else None}
            with refusing(args, f"compute_metrics={called(compute_metrics)}", ()):
                last = number == len(batches)
                metrics = compute_metrics(EvalPrediction(logits, labels, **extra), compute_result=last)
        losses = None if loss is None else loss.repeat(find_batch_size(batch) or 1)
        for name, found in {"losses": losses, "predictions": logits, "label_ids": labels, "inputs": inputs}.items():
            if found is not None:
                kept[name].add(found)
    arrays = {name: container.get_arrays() for name, container in kept.items()}
    has_all = arrays["predictions"] is not None and arrays["label_ids"] is not None
    if metrics is None and compute_metrics is not None and has_all:
        arrays["losses"] = arrays["losses"] if "loss" in include else None
        with refusing(args, f"compute_metrics={called(compute_metrics)}", ()):
            metrics = compute_metrics(EvalPrediction(**arrays))
    with refusing(args, f"compute_metrics={called(compute_metrics)}", ()):
        found = dict(denumpify_detensorize(metrics or {}))
    if kept["losses"].arrays is not None:
        found[f"{prefix}_loss"] = 0.0  # what it is does not matter
    return {name if name.startswith(f"{prefix}_") else f"{prefix}_{name}": value for name, value in found.items()}
