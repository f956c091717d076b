"""Public reports on options of the Trainer, as runs or inputs of hfal."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from peft import LoraConfig, TaskType, get_peft_model
from transformers import DataCollatorWithPadding, EarlyStoppingCallback, TrainerCallback

from hfal import Answer
from hfal.config.training_arguments import RoundTrainingArguments
from hfal.errors import ArgumentError
from hfal.tasks.metrics import classification_metrics
from support.models import opinionated_model_init, tiny_model
from support.training import BEST_EPOCH


def loss_of(model: torch.nn.Module, data: Dataset) -> float:
    """The mean loss over all examples, one by one."""
    names, losses = ("input_ids", "attention_mask", "token_type_ids"), []
    with torch.inference_mode():
        for row in data:
            inputs = {name: torch.tensor([row[name]]) for name in names}
            losses.append(float(model.eval()(**inputs, labels=torch.tensor([row["label"]])).loss))
    return sum(losses) / len(losses)


def test_persistent_workers_and_evaluation_data_that_changes(make_active: Callable, make_trainer: Callable) -> None:
    """https://github.com/huggingface/transformers/issues/30527: one evaluation set in the place of another."""
    active = make_active(holdout=10)
    workers = {"dataloader_num_workers": 1, "dataloader_persistent_workers": True}
    trainer = make_trainer([active], model_init=opinionated_model_init, eval_dataset=active.pool.holdout, **workers)
    for current in active.rounds(trainer, 2):
        trainer.train(resume_from_checkpoint=current.checkpoint)
        labels = active.pool.labels()
        for example in sorted(active.pool.store.holdout_ids())[:5] if current.number == 1 else []:
            other = next(name for name in active.pool.label_names if name != labels[example])
            active.pool.record(Answer(example, other, "correct", annotator="simulated"))
    assert current.metrics["eval_loss"] == pytest.approx(loss_of(trainer.model, active.pool.holdout), rel=1e-4)


@pytest.mark.parametrize("size", [10, 37])
def test_the_last_batch_of_an_evaluation_is_not_dropped(
    make_active: Callable, make_trainer: Callable, eval_reviews: Dataset, size: int
) -> None:
    """https://github.com/thuml/Autoformer/issues/104 and https://github.com/ai2cm/ace/issues/647"""
    active = make_active()
    data = eval_reviews.select(range(size))
    options = {"dataloader_drop_last": True, "per_device_eval_batch_size": 16, "model_init": opinionated_model_init}
    trainer = make_trainer([active], eval_dataset=data, **options)
    (record,) = active.run(trainer, rounds=1)
    assert record.metrics["eval_loss"] == pytest.approx(loss_of(trainer.model, data), rel=1e-4)
    assert trainer.args.dataloader_drop_last


@pytest.mark.parametrize("names", [None, ["labels"]])
def test_metrics_of_a_model_with_adapters(
    make_active: Callable, make_trainer: Callable, eval_reviews: Dataset, names: list[str] | None
) -> None:
    """https://github.com/huggingface/peft/issues/1120: no metrics with LoRA, unless `label_names` is set."""
    active = make_active()
    model = get_peft_model(tiny_model(), LoraConfig(TaskType.SEQ_CLS, target_modules=["query"]))
    options = {"eval_dataset": eval_reviews, "compute_metrics": classification_metrics, "label_names": names}
    (record,) = active.run(make_trainer([active], model=model, **options), rounds=1)
    assert {"eval_loss", "eval_accuracy"} <= {*record.metrics}


def test_label_names_that_no_batch_has(make_active: Callable, make_trainer: Callable, eval_reviews: Dataset) -> None:
    """https://github.com/huggingface/transformers/issues/21553: an evaluation without a loss or a metric."""
    active = make_active()
    trainer = make_trainer([active], eval_dataset=eval_reviews, label_names=["label"])
    with pytest.raises(ArgumentError, match=r"label_names=\['label'\], but a batch has .*labels"):
        active.run(trainer, rounds=1)
    assert not active.pool.store.queries()


def test_checkpoint_to_resume_from_in_the_arguments(tmp_path: Path) -> None:
    """https://github.com/huggingface/transformers/issues/23325: it is ignored."""
    with pytest.raises(ArgumentError, match="resume_from_checkpoint='checkpoint-5': a run goes on by itself"):
        RoundTrainingArguments(str(tmp_path), resume_from_checkpoint="checkpoint-5", use_cpu=True)


class StopAtEnd(TrainerCallback):
    """Ends the session when the training of round 1 is over, before its model is saved."""

    def on_train_end(self, args, state, control, **kwargs):
        raise KeyboardInterrupt


def test_a_training_that_was_stopped_early_does_not_go_on_after_a_restart(
    make_active: Callable, make_trainer: Callable, eval_reviews: Dataset
) -> None:
    """https://github.com/huggingface/transformers/issues/10290"""
    steps = []

    class Count(TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            steps.append(state.global_step)

    def run(*more: TrainerCallback) -> Any:
        active = make_active()
        callbacks = [*more, active, EarlyStoppingCallback(1), Count()]
        return active.run(
            make_trainer(callbacks, eval_dataset=eval_reviews, num_train_epochs=9, **BEST_EPOCH), rounds=1
        )

    with pytest.raises(KeyboardInterrupt):
        run(StopAtEnd())
    trained, steps[:] = list(steps), []
    assert len(trained) < 9 * 2
    (record,) = run()
    assert steps == []
    assert record.metrics["eval_loss"] > 0


class OwnColumns(DataCollatorWithPadding):
    """Needs a column that the model does not take."""

    def __call__(self, features: list[dict[str, Any]]) -> dict[str, Any]:
        assert all(row["text"] for row in features)
        names = ("input_ids", "attention_mask", "token_type_ids", "label", "labels")
        return super().__call__([{name: row[name] for name in names if name in row} for row in features])


def test_a_collator_that_takes_other_columns_than_the_model(
    make_active: Callable, make_trainer: Callable, eval_reviews: Dataset, tokenizer: Any
) -> None:
    """https://github.com/huggingface/transformers/issues/19599"""
    active = make_active()
    options = {"remove_unused_columns": False, "eval_dataset": eval_reviews}
    records = active.run(make_trainer([active], data_collator=OwnColumns(tokenizer), **options), rounds=2)
    assert [record.labels for record in records] == [10, 20]


def test_a_text_column_that_the_collator_cannot_pad(make_active: Callable, make_trainer: Callable) -> None:
    """https://github.com/huggingface/trl/pull/1229: `remove_unused_columns=False` and the usual collator."""
    active = make_active()
    with pytest.raises(ArgumentError, match=r"columns text, .*: remove_unused_columns=False gives it all of them"):
        active.run(make_trainer([active], remove_unused_columns=False), rounds=1)


def test_an_mlflow_run_is_not_split(
    make_active: Callable, make_trainer: Callable, eval_reviews: Dataset, tmp_path: Path, monkeypatch: Any
) -> None:
    """https://github.com/huggingface/transformers/issues/35074: an evaluation after `train()` is a run of its own."""
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", str(tmp_path / "mlruns"))
    active = make_active()
    active.run(make_trainer([active], eval_dataset=eval_reviews, report_to=["mlflow"], logging_steps=1), rounds=2)
    (run,) = mlflow.MlflowClient(str(tmp_path / "mlruns")).search_runs(["0"])
    assert {"loss", "eval_round_loss"} <= {*run.data.metrics}
