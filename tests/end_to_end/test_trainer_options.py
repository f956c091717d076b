"""Whole runs with what people set on their Trainer: of two rounds, and resumed; with the metrics of the last model."""

import multiprocessing
import os
import signal
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from datasets import Dataset
from transformers import DataCollatorWithPadding, EarlyStoppingCallback, EvalPrediction, TrainerCallback

from hfal import ActiveLearningCallback, Answer, Pool, SimulatedAnnotator
from hfal.tasks.metrics import classification_metrics
from support.forks import FORKS
from support.models import opinionated_model_init
from support.texts import load_reviews, load_tokenizer
from support.trainers import make_a_trainer


EVALUATED = {"eval_strategy": "steps", "eval_steps": 1}
BEST = {
    **EVALUATED,
    "save_strategy": "steps",
    "save_steps": 1,
    "load_best_model_at_end": True,
    "metric_for_best_model": "accuracy",
    "num_train_epochs": 2,
}


METRICS = ["loss", "accuracy", "f1_macro", "f1_micro", "words", "count"]


class InBatches:
    """A `compute_metrics` for `batch_eval_metrics`."""

    def __init__(self) -> None:
        self.right: list[bool] = []

    def __call__(self, given: EvalPrediction, compute_result: bool = False) -> dict[str, float]:
        self.right += (given.predictions.argmax(-1) == given.label_ids).tolist()
        if not compute_result:
            return {}
        found, self.right = {"accuracy": float(np.mean(self.right)), "count": len(self.right)}, []
        return found


def of_inputs(given: EvalPrediction) -> dict[str, float]:
    assert len(given.inputs) == len(given.losses) == len(given.label_ids)
    return {**classification_metrics(given), "words": float(np.sum(given.inputs > 0))}


def of_parts(given: EvalPrediction) -> dict[str, float]:
    right = [logits.argmax(-1) == labels for logits, labels in zip(given.predictions, given.label_ids, strict=True)]
    return {"accuracy": float(np.mean(np.concatenate(right)))}


class Columns(DataCollatorWithPadding):
    """Takes what a model needs, and leaves texts and ids alone."""

    def __call__(self, features: list[dict[str, Any]]) -> dict[str, Any]:
        names = ("input_ids", "attention_mask", "token_type_ids", "label", "labels")
        return super().__call__([{name: row[name] for name in names if name in row} for row in features])


class StopAt(TrainerCallback):
    """Ends a process in the middle of round 2, by Ctrl-C or for good."""

    def __init__(self, how: str):
        self.how = how

    def on_step_end(self, args, state, control, **kwargs):
        if Path(args.output_dir).name == "002" and state.global_step == 2:
            if self.how == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            raise KeyboardInterrupt


OPTIONS: dict[str, dict[str, Any]] = {
    "early stopping": {**BEST, "callbacks": lambda: [EarlyStoppingCallback(1)]},
    "early stopping, and no model is loaded": {
        **EVALUATED,
        "metric_for_best_model": "accuracy",
        "num_train_epochs": 4,
        "callbacks": lambda: [EarlyStoppingCallback(1)],
    },
    "all columns": {"remove_unused_columns": False, "data_collator": Columns},
    "metrics in batches": {**BEST, "batch_eval_metrics": True, "compute_metrics": InBatches},
    "metrics of inputs": {"include_for_metrics": ["inputs", "loss"], "compute_metrics": lambda: of_inputs},
    "metrics of parts": {"eval_do_concat_batches": False, "compute_metrics": lambda: of_parts},
    "workers": {"dataloader_num_workers": 2},
    "workers that stay": {
        "eval_strategy": "epoch",
        "dataloader_num_workers": 2,
        "dataloader_persistent_workers": True,
        "dataloader_prefetch_factor": 2,
    },
    "by length": {"train_sampling_strategy": "group_by_length", **BEST},
    "in order": {"train_sampling_strategy": "sequential"},
    "label names": {"label_names": ["labels"], **BEST},
    "accumulated evaluation": {"eval_accumulation_steps": 1, "per_device_eval_batch_size": 7, **EVALUATED},
    "evaluated at the start": {**BEST, "eval_on_start": True},
    "evaluated late": {**EVALUATED, "eval_delay": 3},
    "emptied cache": {"torch_empty_cache_steps": 1, "logging_steps": 1, "logging_first_step": True},
    "batch size that fits": {"auto_find_batch_size": True},
    "checkpoints": {"save_strategy": "steps", "save_steps": 1, "save_total_limit": 1},
    "checkpoints with weights alone": {"save_strategy": "steps", "save_steps": 1, "save_only_model": True},
    "best checkpoint": {**BEST, "save_strategy": "best", "save_total_limit": 2},
    "not to the Hub": {"push_to_hub": False, "hub_strategy": "checkpoint", "hub_model_id": "me/model"},
    "counted tokens": {"include_num_input_tokens_seen": "all", "logging_steps": 1},
    "accumulated gradients": {"gradient_accumulation_steps": 2, "per_device_train_batch_size": 2},
    "all deterministic": {"full_determinism": True},
    "rest of the data": {"ignore_data_skip": True, "save_strategy": "steps", "save_steps": 1},
    "last batch dropped": {"dataloader_drop_last": True},
    "gathered objects": {"eval_use_gather_object": True, **EVALUATED},
    "data seed": {"data_seed": 3},
    "memory metrics": {"skip_memory_metrics": False},
    "callbacks from checkpoints": {
        **BEST,
        "restore_callback_states_from_checkpoint": True,
        "callbacks": lambda: [EarlyStoppingCallback(3)],
    },
}


@pytest.fixture(autouse=True)
def _deterministic_as_before() -> Any:
    yield
    torch.use_deterministic_algorithms(False)
    for name in ("CUDA_LAUNCH_BLOCKING", "CUBLAS_WORKSPACE_CONFIG", "ASCEND_LAUNCH_BLOCKING", "HCCL_DETERMINISTIC"):
        os.environ.pop(name, None)


class Outcome(NamedTuple):
    """What a run has come to: by its records, by its store, and of its last model, evaluated by hand."""

    labels: list[int]
    metrics: list[Any]
    decided: list[Any]
    accuracy: float
    loss: float
    words: int


def run(folder: Path, stop: str | None, name: str) -> Outcome:
    """Make a run of two rounds in a folder with some options, or go on with it."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    tokenizer, eval_reviews = load_tokenizer(), load_reviews(60, skip=300)
    options = dict(OPTIONS[name])
    callbacks = options.pop("callbacks", list)()
    pool = Pool(load_reviews(300), folder, "text", "label")
    active = ActiveLearningCallback(pool, strategy="margin", query_size=10, annotator=SimulatedAnnotator(pool))
    stops = [] if stop is None else [StopAt(stop)]
    metrics = options.pop("compute_metrics", lambda: classification_metrics)()
    if "data_collator" in options:
        options["data_collator"] = options["data_collator"](tokenizer)
    given = {"per_device_train_batch_size": 4, "learning_rate": 5e-3, "model_init": opinionated_model_init}
    trainer = make_a_trainer(
        folder.parent,
        tokenizer,
        [active, *callbacks, *stops],
        eval_dataset=eval_reviews,
        compute_metrics=metrics,
        **{**given, **options},
    )
    records = active.run(trainer, rounds=2)
    asked = [(q.round, q.strategy, [e.example_id for e in q.examples]) for q in pool.store.queries()]
    by_hand = evaluate_by_hand(trainer.model, eval_reviews, tokenizer)
    words = sum(map(len, eval_reviews["input_ids"]))
    labels, found = [record.labels for record in records], [record.metrics for record in records]
    return Outcome(labels, found, [asked, pool.labels()], *by_hand, words)


def in_a_child(folder: Path, stop: str | None, name: str) -> Outcome | None:
    """Run in a process of its own, which may kill itself: none forked from this one, in which others have threads."""
    here, there = FORKS.Pipe(duplex=False)
    process = FORKS.Process(target=_send, args=(there, folder, stop, name), daemon=False)  # it has workers
    process.start()
    there.close()
    try:
        assert here.poll(200), "it hangs"
        return here.recv()
    except EOFError:
        return None
    finally:
        process.join(10)
        process.kill()
        process.join()
        assert process.exitcode == (-signal.SIGKILL if stop == "kill" else 0)


def _send(there: Connection, folder: Path, stop: str | None, name: str) -> None:
    multiprocessing.set_start_method("fork", force=True)  # of workers, as by default in a user's script
    there.send(run(folder, stop, name))


KILLED = ["early stopping", "workers", "checkpoints"]
"""Runs that are killed; the others are interrupted."""

QUICK = ["all columns", "metrics in batches", "last batch dropped", "counted tokens"]
"""Runs of which every suite has to see that they end well, beside those that are killed."""

names = [name if name in (*KILLED, *QUICK) else pytest.param(name, marks=pytest.mark.slow) for name in OPTIONS]


@pytest.mark.parametrize("name", names)
def test_two_rounds_end_well_and_a_run_that_was_stopped_is_the_same(tmp_path: Path, name: str) -> None:
    options = OPTIONS[name]
    do = in_a_child if name in KILLED else run
    with warnings.catch_warnings():
        whole = do(tmp_path / "whole", None, name)
        if name in KILLED:
            assert in_a_child(tmp_path / "stopped", "kill", name) is None
        else:
            with pytest.raises(KeyboardInterrupt):
                run(tmp_path / "stopped", "ctrl-c", name)
        resumed = do(tmp_path / "stopped", None, name)
    assert whole.labels == resumed.labels == [10, 20]
    if "ignore_data_skip" not in options:  # then what was trained on before is trained on again
        assert resumed.metrics == whole.metrics
        assert resumed.decided == whole.decided
    last = whole.metrics[-1]
    assert {*last} <= {f"eval_{name}" for name in METRICS}
    assert last["eval_accuracy"] == pytest.approx(whole.accuracy)
    assert last["eval_loss"] == pytest.approx(whole.loss, rel=1e-4)
    if "metrics of inputs" in name:
        assert last["eval_words"] == whole.words
    if "in batches" in name:
        assert last["eval_count"] == 60


def test_workers_that_stay_do_not_evaluate_the_holdout_of_an_earlier_round(
    make_active: Callable, make_trainer: Callable, tokenizer: Any
) -> None:
    active = make_active(holdout=10)
    pool = active.pool
    options = {"dataloader_num_workers": 1, "dataloader_persistent_workers": True}
    trainer = make_trainer([active], compute_metrics=classification_metrics, eval_dataset=pool.holdout, **options)
    for current in active.rounds(trainer, 2):
        trainer.train(resume_from_checkpoint=current.checkpoint)
        if current.number == 1:
            ids = sorted(pool.store.holdout_ids())[:5]
            for example, label in ((id_, pool.labels()[id_]) for id_ in ids):
                other = next(name for name in pool.label_names if name != label)
                pool.record(Answer(example, other, "correct", annotator="simulated"))
    _, loss = evaluate_by_hand(trainer.model, pool.holdout, tokenizer)
    assert current.metrics["eval_loss"] == pytest.approx(loss, rel=1e-4)


def evaluate_by_hand(model: torch.nn.Module, data: Dataset, tokenizer: Any) -> tuple[float, float]:
    model.eval()
    right, losses = [], []
    with torch.inference_mode():
        for row in data:
            ids = {name: torch.tensor([row[name]]) for name in ("input_ids", "attention_mask", "token_type_ids")}
            outputs = model(**ids, labels=torch.tensor([row["label"]]))
            right.append(int(outputs.logits.argmax()) == row["label"])
            losses.append(float(outputs.loss))
    return float(np.mean(right)), float(np.mean(losses))
