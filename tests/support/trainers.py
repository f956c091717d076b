"""Ordinary Trainers of models small enough to train in a second."""

from pathlib import Path
from typing import Any

from transformers import DataCollatorForTokenClassification, PreTrainedTokenizerBase, Trainer, TrainingArguments

from support.models import tiny_model_init, tiny_tagger_init


_TRAINER_OPTIONS = (
    "model",
    "model_init",
    "train_dataset",
    "eval_dataset",
    "compute_metrics",
    "preprocess_logits_for_metrics",
    "optimizers",
    "data_collator",
)


def make_a_trainer(folder: Path, tokenizer: PreTrainedTokenizerBase, callbacks: Any = None, **options: Any) -> Trainer:
    """Make a Trainer that saves in a folder; other keywords than the Trainer's own go to TrainingArguments."""
    own = {name: options.pop(name) for name in list(options) if name in _TRAINER_OPTIONS}
    if options.pop("of_words", False):
        own.setdefault("data_collator", DataCollatorForTokenClassification(tokenizer))
        if "model" not in own:
            own.setdefault("model_init", tiny_tagger_init)
    if "model" not in own:
        own.setdefault("model_init", tiny_model_init)
    arguments = {
        "output_dir": str(folder / "trainer"),
        "num_train_epochs": 1,
        "per_device_train_batch_size": 8,
        "learning_rate": 1e-3,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "use_cpu": True,
        "dataloader_pin_memory": False,
    }
    args = TrainingArguments(**{**arguments, **options})
    return Trainer(args=args, processing_class=tokenizer, callbacks=callbacks, **own)
