"""Open a run of `hfal run` again with the model of its last finished round, to look at other texts with it."""

import os
from typing import Any

from datasets import Dataset
from transformers import AutoModelForSequenceClassification, Trainer

from hfal.config.arguments import ActiveLearningArguments
from hfal.config.kept_config import parse_arguments
from hfal.config.load_data import load_data
from hfal.config.training_arguments import RoundTrainingArguments
from hfal.data.checkpoints import load_model, load_tokenizer
from hfal.data.pool import Pool
from hfal.data.references import resolve_model
from hfal.errors import ArgumentError, RunDirectoryError
from hfal.store.run_directory import embeddings_folder, model_folder
from hfal.tasks.kinds import kind_of
from hfal.tasks.thresholds import parse_thresholds
from hfal.training.damage import weights_damage
from hfal.training.frozen_encoder import FrozenEncoderForSequenceClassification, add_embeddings, stack_rows
from hfal.training.frozen_head import FrozenHead


def open_with_last_model(
    run_dir: str | os.PathLike[str],
) -> tuple[Pool, Trainer | FrozenHead, ActiveLearningArguments]:
    """Return the pool of a run as its recipe makes it, what picks its queries, and its options.

    Args:
        run_dir: The run directory, in which `hfal run` has kept the options, and a round is finished.

    Returns:
        The pool; a Trainer with the model of the last finished round, or with `select_with="head"` the head; and the
        options.

    Raises:
        ArgumentError: The run is for entities.
        RunDirectoryError: The round's model is not there, or damaged.
    """
    al, args = parse_arguments((ActiveLearningArguments, RoundTrainingArguments), [os.fspath(run_dir)])
    al.export, args.report_to = None, []
    data = load_data(al, run_dir, args.seed)
    kind = kind_of(data.task)
    if kind.of_words:
        raise ArgumentError(
            f"{os.fspath(run_dir)} is a run for {data.task}, expected one whose labels are of whole texts"
        )
    checkpoint = resolve_model(al.model)
    tokenizer = load_tokenizer(checkpoint)
    columns, max_length = data.text, al.max_length

    def tokenize(batch: dict) -> dict:
        return tokenizer(*(batch[column] for column in columns), truncation=True, max_length=max_length)

    def prepare(rows: Dataset) -> Dataset:
        if al.freeze_encoder:
            return add_embeddings(rows, data.text, checkpoint, al.embeddings_dir or embeddings_folder(run_dir))
        return rows.map(tokenize, batched=True)

    thresholds = parse_thresholds(al.thresholds) if al.thresholds else None
    about = (data.task, thresholds, data.show, prepare)
    pool = Pool(data.pool, run_dir, data.text, al.label, data.labels, al.id, *about)
    last = pool.store.last_finished()
    if al.select_with == "head":
        encoder = checkpoint if al.embeddings == "model" else al.embeddings
        return pool, FrozenHead(pool, encoder, al.embeddings_dir), al
    folder = model_folder(pool.run_dir, last)
    damage = weights_damage(folder) if folder.exists() else "it is not there"
    if damage is not None:
        raise RunDirectoryError(
            f"the model of round {last}, {folder}, cannot be loaded ({damage}): put a copy in its place, or train "
            "another round"
        )
    model: Any
    if al.freeze_encoder:
        model = FrozenEncoderForSequenceClassification.from_pretrained(folder)
    else:
        model = load_model(AutoModelForSequenceClassification, str(folder), tokenizer)
    trainer = Trainer(
        model=model,
        args=args,
        processing_class=tokenizer,
        data_collator=stack_rows if al.freeze_encoder else None,
    )
    return pool, trainer, al
