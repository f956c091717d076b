"""What cannot work is refused before anybody is asked, what can is let through, and neither leaves a trace."""

import random
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import (
    BertForSequenceClassification,
    EarlyStoppingCallback,
    Trainer,
    TrainerCallback,
    set_seed,
)

from hfal import ActiveLearningCallback, Pool
from hfal.errors import ArgumentError, RunDirectoryError
from hfal.tasks.metrics import classification_metrics, entity_metrics, label_set_metrics
from hfal.training import loop
from hfal.training import preflight as preflight_module
from hfal.training.frozen_encoder import FrozenEncoderForSequenceClassification, add_embeddings, stack_rows
from hfal.training.preflight import preflight
from support.models import MINILM, TAGS, tiny_config, tiny_model, tiny_tagger
from support.texts import load_reviews, load_sentences


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    return Pool(load_reviews(60), tmp_path_factory.mktemp("pool") / "run", "text", "label")


@pytest.fixture
def check(pool: Pool, make_trainer: Callable[..., Trainer]) -> Callable[..., Trainer]:
    """A function that makes a Trainer of these options and tries it."""

    def check(
        trainer_class: type[Trainer] = Trainer,
        of: Pool = pool,
        callbacks: tuple[TrainerCallback, ...] = (),
        active: dict | None = None,
        **options: Any,
    ) -> Trainer:
        acquires = ActiveLearningCallback(of, strategy="margin", **(active or {}))
        if "model_init" not in options:
            options.setdefault("model", tiny_model())
        later = {
            name: options.pop(name) for name in ("compute_loss_func", "optimizer_cls_and_kwargs") & options.keys()
        }
        trainer = make_trainer([acquires, *callbacks], **options)
        trainer.__class__ = trainer_class
        for name, value in later.items():
            setattr(trainer, name, value)
        preflight(trainer, acquires.acquisition, acquires.options)
        return trainer

    return check


EVALUATED = {"eval_strategy": "epoch", "compute_metrics": classification_metrics}
BY_BEST = {**EVALUATED, "save_strategy": "epoch", "load_best_model_at_end": True}

# -- what cannot work -------------------------------------------------------------------------------------------------

nan, inf = float("nan"), float("inf")


def breaks(*arguments: Any, **more: Any) -> Any:
    raise RuntimeError("this is\nbroken")


class Unlabeled(BertForSequenceClassification):
    """Never gives a loss."""

    def forward(self, input_ids: Any, attention_mask: Any = None, labels: Any = None) -> Any:
        return super().forward(input_ids, attention_mask)


class Tied(torch.nn.Module):
    """Shares a weight between two layers, which a file of tensors cannot hold."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = torch.nn.Embedding(30522, 2)
        self.same = torch.nn.Linear(2, 30522, bias=False)
        self.same.weight = self.embed.weight

    def forward(
        self, input_ids: Any, attention_mask: Any = None, token_type_ids: Any = None, labels: Any = None
    ) -> Any:
        logits = self.embed(input_ids).mean(dim=1)
        return {"loss": torch.nn.functional.cross_entropy(logits, labels), "logits": logits}


def frozen_model() -> BertForSequenceClassification:
    return tiny_model().requires_grad_(False)


VALUES = [
    ("learning_rate", [-1.0, 0, 0.0, nan, inf]),
    ("num_train_epochs", [nan, inf, 0, -1]),
    ("max_steps", [0]),
    ("per_device_train_batch_size", [0, -2]),
    ("per_device_eval_batch_size", [0]),
    ("gradient_accumulation_steps", [0, -1]),
    ("eval_accumulation_steps", [0]),
    ("warmup_steps", [nan, inf]),
    ("weight_decay", [nan, -0.1]),
    ("max_grad_norm", [nan]),
    ("label_smoothing_factor", [nan, 2.0, -0.5]),
    ("neftune_noise_alpha", [-5.0, nan]),
    ("dataloader_num_workers", [-1]),
    ("adam_beta1", [1.0, -0.5, nan]),
    ("adam_beta2", [2.0]),
    ("adam_epsilon", [-1e-8, nan]),
]


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in VALUES for value in values])
def test_a_value_that_cannot_be_is_named_with_the_option(check: Callable, name: str, value: float) -> None:
    with pytest.raises(ArgumentError) as error:
        check(**{name: value})
    assert str(error.value).startswith(f"{name}={value!r}")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"save_strategy": "steps", "save_steps": 0}, ["save_steps=0"]),
        ({"save_strategy": "steps", "save_steps": nan}, ["save_steps=nan"]),
        ({"eval_strategy": "steps", "eval_steps": nan}, ["eval_steps=nan"]),
        ({"dataloader_num_workers": 1, "dataloader_prefetch_factor": -1}, ["dataloader_prefetch_factor=-1"]),
        *(
            ({"optim": optim}, [f"optim='{optim}'", library])
            for optim, library in {
                "adamw_bnb_8bit": "bitsandbytes",
                "paged_lion_8bit": "bitsandbytes",
                "adamw_torch_8bit": "torchao",
                "galore_adamw": "galore_torch",
                "galore_adamw_layerwise": "galore_torch",
                "apollo_adamw": "apollo_torch",
                "schedule_free_adamw": "schedulefree",
                "stable_adamw": "torch-optimi",
                "grokadamw": "grokadamw",
                "lomo": "lomo",
                "adamw_anyprecision": "torchdistx",
            }.items()
        ),
        ({"optim": "sgd", "optim_args": "momentum"}, ["optim='sgd', optim_args='momentum'"]),
        ({"optim": "sgd", "optim_args": "momentum=-1"}, ["optim='sgd', optim_args='momentum=-1'", "momentum"]),
        ({"optim": "sgd", "optim_args": "momentum=nan"}, ["optim_args='momentum=nan'", "NaN"]),
        ({"optimizer_cls_and_kwargs": (torch.optim.AdamW, {"lr": -1})}, ["optimizer_cls_and_kwargs=", "AdamW"]),
        ({"optimizer_cls_and_kwargs": (torch.optim.LBFGS, {})}, ["optimizer_cls_and_kwargs=", "LBFGS"]),
        ({"lr_scheduler_type": "warmup_stable_decay"}, ["lr_scheduler_type='warmup_stable_decay'", "num_decay_steps"]),
        ({"lr_scheduler_type": "cosine_with_min_lr"}, ["lr_scheduler_type='cosine_with_min_lr'", "min_lr"]),
        (
            {"lr_scheduler_type": "polynomial", "lr_scheduler_kwargs": {"lr_end": 1}},
            ["lr_scheduler_kwargs={'lr_end': 1}"],
        ),
        ({"lr_scheduler_kwargs": {"cycles": 2}}, ["lr_scheduler_kwargs={'cycles': 2}", "cycles"]),
        ({"load_best_model_at_end": True}, ["load_best_model_at_end=True", "eval_strategy='no'"]),
        ({"save_strategy": "best", "metric_for_best_model": "loss"}, ["save_strategy=", "best", "eval_strategy='no'"]),
        ({"metric_for_best_model": "acuracy", **BY_BEST}, ["metric_for_best_model='acuracy'", "eval_accuracy"]),
        ({"active": {"target_metric": "acuracy", "target": 0.9}, **EVALUATED}, ["target_metric='acuracy'"]),
        ({"active": {"stop": "plateau(f1_neutral)"}, **EVALUATED}, ["'f1_neutral'", "eval_accuracy"]),
        ({"callbacks": (EarlyStoppingCallback(),)}, ["EarlyStoppingCallback", "eval_strategy", "'no'"]),
        ({**EVALUATED, "compute_metrics": breaks}, ["compute_metrics=breaks", "RuntimeError: this is broken"]),
        ({**EVALUATED, "compute_metrics": lambda given: 0.5}, ["compute_metrics=", "TypeError"]),
        ({**EVALUATED, "preprocess_logits_for_metrics": breaks}, ["preprocess_logits_for_metrics=breaks", "broken"]),
        ({"compute_loss_func": breaks}, ["compute_loss_func=breaks", "this is broken"]),
        ({"data_collator": breaks}, ["data_collator=breaks", "this is broken"]),
        ({"use_liger_kernel": True}, ["use_liger_kernel=True", "pip install"]),
        ({"model": Unlabeled(tiny_config(2))}, ["Unlabeled", "did not return a loss"]),
        ({"model": frozen_model()}, ["model=BertForSequenceClassification"]),
        ({"model": Tied(), "label_names": ["labels"]}, ["the model (Tied) cannot be saved"]),
        (
            {"activation_checkpointing": True, "activation_checkpointing_kwargs": {"layers": 2}},
            ["activation_checkpointing_kwargs={'layers': 2}"],
        ),
    ],
    ids=lambda value: None if isinstance(value, list) else " ".join(value),
)
def test_what_would_fail_in_the_first_round_is_one_line(
    check: Callable, eval_reviews: Dataset, options: dict, words: list[str]
) -> None:
    if "eval_strategy" in options:
        options = {**options, "eval_dataset": eval_reviews}
    with pytest.raises(ArgumentError) as error:
        check(**options)
    for word in words:
        assert word in str(error.value)
    assert "\n" not in str(error.value)


def test_a_metric_is_missed_where_the_holdout_has_no_label_yet(check: Callable) -> None:
    with pytest.raises(ArgumentError, match=r"target_metric='f1'.* eval_accuracy"):
        check(active={"holdout": 5, "target_metric": "f1", "target": 0.9}, compute_metrics=classification_metrics)


def test_a_folder_that_cannot_be_written_is_named(
    check: Callable, tmp_path: Path, reviews: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = Pool(reviews.select(range(20)), tmp_path / "run", "text", "label")
    (tmp_path / "run" / "trial.part").write_text("in the way")
    with pytest.raises(RunDirectoryError, match=r"weights cannot be saved in .*/run \(.*File exists.*labels are safe"):
        check(of=of)


# -- what works -------------------------------------------------------------------------------------------------------


class OwnLoss(Trainer):
    """Computes, logs and steps by itself."""

    def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, **more: Any) -> Any:
        outputs = model(**{name: value for name, value in inputs.items() if name != "labels"})
        loss = torch.nn.functional.cross_entropy(outputs.logits, inputs["labels"])
        self.log({"own_loss": loss.item(), "done": self.state.global_step / self.state.max_steps})
        return (loss, outputs) if return_outputs else loss


class OwnStep(Trainer):
    """Needs a training around it."""

    def training_step(self, *arguments: Any, **more: Any) -> Any:
        assert self.callback_handler.train_dataloader is not None
        return super().training_step(*arguments, **more)


class OwnEvaluation(Trainer):
    """Makes metrics that nobody else knows."""

    def evaluate(self, *arguments: Any, **more: Any) -> dict[str, float]:
        return {**super().evaluate(*arguments, **more), "eval_own": 1.0}


class OwnOptimizer(Trainer):
    """Makes both in one method, as is usual."""

    def create_optimizer_and_scheduler(self, num_training_steps: int) -> None:
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1)
        self.lr_scheduler = torch.optim.lr_scheduler.StepLR(self.optimizer, num_training_steps)


class InTorch(torch.utils.data.Dataset):
    def __init__(self, rows: Dataset):
        self.rows = rows.remove_columns(["text"])

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, row: int) -> dict[str, Any]:
        return self.rows[row]


def needs_many(given: Any) -> dict[str, float]:
    """Fails of few examples."""
    if len(given.label_ids) < 40:
        raise ValueError("too few")
    return {"accuracy": 0.5}


def weighted(given: Any) -> dict[str, float]:
    """Has a weight for each example of the evaluation set, in its order."""
    right = given.predictions.argmax(-1) == given.label_ids
    return {"weighted": float((np.linspace(0, 1, 300) * right).sum())}


def in_batches(given: Any, compute_result: bool) -> dict[str, float]:
    return {"accuracy": (given.predictions.argmax(-1) == given.label_ids).float().mean()} if compute_result else {}


def summed(outputs: Any, labels: torch.Tensor, num_items_in_batch: Any = None) -> torch.Tensor:
    loss = torch.nn.functional.cross_entropy(outputs["logits"], labels, reduction="sum")
    return loss / num_items_in_batch


def with_lora() -> Any:
    return get_peft_model(tiny_model(), LoraConfig(task_type="SEQ_CLS", target_modules=["query", "value"]))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"optim": "adamw_torch"},
        {"optim": "adafactor"},
        {"optim": "sgd", "optim_args": "momentum=0.9,nesterov=true"},
        {"optim": "adagrad"},
        {"optim": "rmsprop"},
        {"optim": "sgd", "adam_beta2": 2.0},  # which it does not read
        {"optimizer_cls_and_kwargs": (torch.optim.NAdam, {"lr": 1e-3})},
        {"trainer_class": OwnOptimizer},
        {"lr_scheduler_type": "cosine_with_restarts", "lr_scheduler_kwargs": {"num_cycles": 3}},
        {"lr_scheduler_type": "warmup_stable_decay", "lr_scheduler_kwargs": {"num_decay_steps": 3}},
        {"lr_scheduler_type": "cosine_with_min_lr", "lr_scheduler_kwargs": {"min_lr_rate": 0.1}},
        {"lr_scheduler_type": "inverse_sqrt", "warmup_steps": 0.1},
        {"lr_scheduler_type": "constant"},
        {"lr_scheduler_type": "reduce_lr_on_plateau", **EVALUATED},
        {"lr_scheduler_type": "greedy", **EVALUATED},
        {"learning_rate": 1e-12},
        {"num_train_epochs": 0, "active": {"min_steps": 5}},
        {"num_train_epochs": 0.5},
        {"max_steps": 3, "num_train_epochs": 0},
        {"max_grad_norm": 0.0},
        {"max_grad_norm": inf},
        {"label_smoothing_factor": 0.1},
        {"neftune_noise_alpha": 5.0},
        {"activation_checkpointing": True},
        {"activation_checkpointing": True, "model": with_lora()},
        {"model": with_lora()},
        {"bf16": True},
        {"bf16_full_eval": True, **EVALUATED},
        {"per_device_train_batch_size": 1, "gradient_accumulation_steps": 4},
        {"train_sampling_strategy": "group_by_length", **EVALUATED},
        {"train_sampling_strategy": "batch_rebalance"},
        {"train_sampling_strategy": "sequential"},
        {"dataloader_num_workers": 2, "dataloader_prefetch_factor": 2, "dataloader_persistent_workers": True},
        {"dataloader_drop_last": True},
        {"auto_find_batch_size": True},
        {"torch_compile": True},
        {"trainer_class": OwnLoss, **EVALUATED},
        {"trainer_class": OwnStep},
        {"compute_loss_func": summed, "average_tokens_across_devices": False},
        {"active": {"class_weights": "balanced"}},
        {"callbacks": (EarlyStoppingCallback(2),), "metric_for_best_model": "accuracy", **BY_BEST},
        {"metric_for_best_model": "eval_loss", **BY_BEST},
        {"metric_for_best_model": "eval_b_accuracy", "sets": 2, **BY_BEST},
        {"metric_for_best_model": "nowhere"},  # which nothing reads without an evaluation
        {"save_strategy": "best", "metric_for_best_model": "accuracy", **EVALUATED},
        {"batch_eval_metrics": True, **EVALUATED, "compute_metrics": in_batches},
        {
            "eval_do_concat_batches": False,
            **EVALUATED,
            "compute_metrics": lambda given: {"sets": len(given.label_ids)},
        },
        {"include_for_metrics": ["inputs", "loss"], **EVALUATED},
        {"metric_for_best_model": "accuracy", **BY_BEST, "compute_metrics": needs_many},
        {"trainer_class": OwnEvaluation, "metric_for_best_model": "own", **BY_BEST},
        {"in_torch": True, **EVALUATED},
        {"streamed": True, **EVALUATED},
        {"prediction_loss_only": True, **EVALUATED},
        {
            "active": {"holdout": 5, "target_metric": "accuracy", "target": 0.9},
            "compute_metrics": classification_metrics,
        },
    ],
    ids=lambda options: " ".join(map(str, options)) or "defaults",
)
def test_what_works_is_let_through(check: Callable, eval_reviews: Dataset, options: dict) -> None:
    options = dict(options)
    if "eval_strategy" in options:
        options["eval_dataset"] = InTorch(eval_reviews) if options.pop("in_torch", False) else eval_reviews
        if options.pop("streamed", False):
            options["eval_dataset"] = eval_reviews.to_iterable_dataset()
    if options.pop("sets", 1) == 2:
        options["eval_dataset"] = {"a": eval_reviews, "b": eval_reviews}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = check(**options)
    assert trainer.optimizer is None
    assert trainer.lr_scheduler is None


def test_metrics_may_know_every_example_of_the_evaluation_set(check: Callable) -> None:
    best = {**BY_BEST, "metric_for_best_model": "weighted", "compute_metrics": weighted}
    check(eval_dataset=load_reviews(300, skip=300), **best)
    with pytest.raises(ArgumentError, match=r"weighted: operands could not be broadcast .* \(300,\) \(301,\)"):
        check(eval_dataset=load_reviews(301, skip=300), **best)


def test_all_tasks_and_a_frozen_encoder(check: Callable, tmp_path: Path, make_trainer: Callable) -> None:
    sentences = Pool(load_sentences(20), tmp_path / "tags", "tokens", "ner_tags")
    metrics = {"compute_metrics": entity_metrics(sentences.label_names), "metric_for_best_model": "f1_PER"}
    active = {"holdout": 4, "target_metric": "f1_MISC", "target": 0.9}
    check(of=sentences, of_words=True, model=tiny_tagger(), active=active, **metrics)
    assert set(sentences.with_made_up_labels(range(20))[0]["labels"]) <= {-100, *range(len(TAGS))}

    rows = load_reviews(20).remove_columns("label")
    sets = Pool(rows, tmp_path / "sets", "text", label_names=["a", "b", "c"], task="multi_label_classification")
    model = BertForSequenceClassification(tiny_config(3, problem_type="multi_label_classification"))
    active = {"holdout": 4, "target_metric": "f1_c", "target": 0.9}
    check(of=sets, model=model, active=active, compute_metrics=label_set_metrics(["a", "b", "c"], sets.thresholds))

    data = add_embeddings(load_reviews(20), ["text"], MINILM, tmp_path / "embeddings")
    model = FrozenEncoderForSequenceClassification.on(data, MINILM, num_labels=2)
    frozen = Pool(data, tmp_path / "frozen", "text", "label")
    check(of=frozen, model=model, data_collator=stack_rows, active={"holdout": 4})
    for name, words in {
        "neftune_noise_alpha": "5.0 does not go with",
        "activation_checkpointing": "does not support",
    }.items():
        with pytest.raises(ArgumentError, match=rf"{name}=.*{words}"):
            check(of=frozen, model=model, data_collator=stack_rows, **{name: 5.0 if name.startswith("n") else True})


def test_label_names_that_no_batch_has(check: Callable, eval_reviews: Dataset) -> None:
    with pytest.raises(ArgumentError, match=r"label_names=\['label'\], but a batch has .*: set it to \['labels'\]"):
        check(label_names=["label"], eval_dataset=eval_reviews)
    check(label_names=["labels"], eval_dataset=eval_reviews)


# -- no trace ---------------------------------------------------------------------------------------------------------


class Statistics(BertForSequenceClassification):
    """Has buffers that every forward pass in training changes."""

    def __init__(self, config: Any):
        super().__init__(config)
        self.norm = torch.nn.BatchNorm1d(config.num_labels)
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, input_ids: Any, attention_mask: Any = None, labels: Any = None) -> Any:
        outputs = super().forward(input_ids, attention_mask, labels=labels)
        self.seen += 1
        outputs["logits"] = self.norm(outputs["logits"])
        if "loss" in outputs:
            outputs["loss"] = outputs["loss"] + outputs["logits"].square().mean()
        return outputs


def statistics() -> Statistics:
    set_seed(0)
    return Statistics(tiny_config(2))


def everything(trainer: Trainer, folder: Path) -> dict[str, Any]:
    """All that a trial may not change, so that it can be compared."""
    model, handler = trainer.model, trainer.callback_handler
    return {
        "weights": {name: tensor.numpy().tobytes() for name, tensor in model.state_dict().items()},
        "gradients": [parameter.grad for parameter in model.parameters()],
        "trainable": [parameter.requires_grad for parameter in model.parameters()],
        "modules": [
            {name: list(value) if isinstance(value, dict) else id(value) for name, value in vars(module).items()}
            for module in model.modules()
        ],
        "config": model.config.to_dict(),
        "trainer": {name: id(value) for name, value in vars(trainer).items()},
        "arguments": {name: str(value) for name, value in vars(trainer.args).items()},
        "state": dict(vars(trainer.state)),
        "callbacks": [id(callback) for callback in handler.callbacks],
        "accelerator": [len(trainer.accelerator._models), len(trainer.accelerator._dataloaders)],
        "chance": (random.getstate(), str(np.random.get_state()), torch.get_rng_state().tolist()),
        "files": sorted(str(path.relative_to(folder)) for path in folder.rglob("*")),
    }


@pytest.mark.parametrize("fails", [False, True])
def test_nothing_is_left_of_it(check: Callable, make_trainer: Callable, tmp_path: Path, eval_reviews, fails) -> None:
    of = Pool(load_reviews(60), tmp_path / "run", "text", "label")
    active = ActiveLearningCallback(of, strategy="margin")
    seen: list[str] = []

    class Notes(TrainerCallback):
        def __getattribute__(self, name: str) -> Any:
            if name.startswith("on_"):
                seen.append(name)
            return super().__getattribute__(name)

    trainer = make_trainer(
        [active, Notes()],
        model=statistics(),
        eval_dataset=eval_reviews,
        compute_metrics=breaks if fails else classification_metrics,
        eval_strategy="epoch",
        report_to=["tensorboard"],
        neftune_noise_alpha=5.0,
        activation_checkpointing=True,
        label_smoothing_factor=0.1,
        lr_scheduler_type="cosine",
    )
    trainer.__class__ = type("Logs", (OwnLoss,), {})
    seen.clear()
    before = everything(trainer, tmp_path)
    if fails:
        with pytest.raises(ArgumentError, match="compute_metrics=breaks"):
            preflight(trainer, active.acquisition, active.options)
    else:
        preflight(trainer, active.acquisition, active.options)
    after = everything(trainer, tmp_path)
    assert seen == []
    for name, value in before.items():
        assert after[name] == value, name


def test_a_run_with_it_is_a_run_without_it(
    make_active: Callable, make_trainer: Callable, eval_reviews: Dataset, tmp_path: Path, monkeypatch
) -> None:
    ends = []
    for name in ("with", "without"):
        if name == "without":
            monkeypatch.setattr(loop, "preflight", lambda *given: None)
        active = make_active(tmp_path / name, strategy="margin+kmeans")
        trainer = make_trainer(
            [active],
            model=statistics(),
            eval_dataset=eval_reviews,
            compute_metrics=classification_metrics,
            neftune_noise_alpha=5.0,
        )
        records = active.run(trainer, rounds=2)
        weights = {key: tensor.numpy().tobytes() for key, tensor in trainer.model.state_dict().items()}
        queries = [[(e.example_id, e.score) for e in query.examples] for query in active.pool.store.queries()]
        ends.append((weights, queries, [record.metrics for record in records]))
    assert ends[0] == ends[1]


class Allocations(TorchDispatchMode):
    """Counts the operations whose result is as large as some tensor, and no view of what they were given."""

    def __init__(self, size: int):
        super().__init__()
        self.size = size
        self.made: list[str] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        given = {storage.data_ptr() for storage in storages((args, kwargs))}
        new = (storage for storage in storages(result) if storage.data_ptr() not in given)
        self.made += [str(function) for storage in new if storage.nbytes() >= self.size]
        return result


def storages(tree: Any) -> list[torch.UntypedStorage]:
    return [leaf.untyped_storage() for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]


@pytest.mark.parametrize("small", [True, False])
def test_a_model_is_not_copied(check: Callable, make_trainer: Callable, pool: Pool, monkeypatch, small: bool) -> None:
    """Of its largest parameter there is nothing but the gradient, which training needs too."""
    if not small:
        monkeypatch.setattr(preflight_module, "_SMALL_MODEL", 0)
    active = ActiveLearningCallback(pool, strategy="margin", holdout=4)
    trainer = make_trainer([active], model=tiny_model(), compute_metrics=classification_metrics)
    table = trainer.model.bert.embeddings.word_embeddings.weight
    with Allocations(table.untyped_storage().nbytes()) as allocations:
        preflight(trainer, active.acquisition, active.options)
    assert allocations.made == ["aten.embedding_dense_backward.default"]
    assert table.grad is None
