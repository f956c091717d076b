"""Active learning for text classification with the Hugging Face Trainer. Copy it and change what you need.

    python recipes/text_classification.py --data reviews.csv --text review --labels negative,positive
    python recipes/text_classification.py configs/sentiment_demo.yaml --strategy entropy

A YAML file sets defaults, the command line overrides them; `hfal run` runs this very file.
"""

import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from datasets import Dataset
from transformers import AutoModel, AutoModelForSequenceClassification, EvalPrediction, ProgressCallback, Trainer

from hfal import ActiveLearningCallback, Pool, probe_init
from hfal.config.arguments import ActiveLearningArguments
from hfal.config.kept_config import keep_options, parse_arguments
from hfal.config.load_data import load_data
from hfal.config.setup import check_stop, export, make_annotator, make_strategy, report, start_logging
from hfal.config.training_arguments import RoundProgress, RoundTrainingArguments, option_errors, suit_frozen_encoder
from hfal.data.checkpoints import check_model, label_options, load_model, load_tokenizer
from hfal.data.references import resolve_model
from hfal.store.run_directory import embeddings_folder, learning_curve_file
from hfal.tasks.metrics import classification_metrics
from hfal.training.frozen_encoder import (
    FrozenEncoderForSequenceClassification,
    add_embeddings,
    embeddings_of,
    stack_rows,
)


def main(argv: Sequence[str] | None = None, data: Any = None, run: Any = ActiveLearningCallback.run) -> None:
    """Run active learning as the configuration and the command line say, on their data, which may have been read."""
    start_logging()
    arguments = (ActiveLearningArguments, RoundTrainingArguments)
    al, args = parse_arguments(arguments, sys.argv[1:] if argv is None else argv)
    strategy = make_strategy(al, "text_classification")  # before anything is made, or asked
    metrics = classification_metrics(EvalPrediction(np.eye(2), np.arange(2)))
    al.task = "text_classification"
    check_stop(al, ["loss", *metrics], usual="accuracy")

    data = data or load_data(al, args.output_dir, args.seed)
    checkpoint = resolve_model(al.model)
    tokenizer = load_tokenizer(checkpoint)
    check_model(AutoModel if al.freeze_encoder else AutoModelForSequenceClassification, checkpoint, tokenizer)

    columns, max_length = data.text, al.max_length  # by which `datasets` knows in its cache what was tokenized before

    def tokenize(batch: dict) -> dict:
        return tokenizer(*(batch[column] for column in columns), truncation=True, max_length=max_length)

    def prepare(rows: Dataset) -> Dataset:
        if al.freeze_encoder:
            return add_embeddings(rows, data.text, checkpoint, al.embeddings_dir or embeddings_folder(args.output_dir))
        return rows.map(tokenize, batched=True)

    about = (al.task, None, data.show, prepare)
    pool = Pool(data.pool, args.output_dir, data.text, al.label, data.labels, al.id, *about)
    eval_data = None if data.evaluation is None else pool.with_labels(prepare(data.evaluation))
    al.settle(pool, evaluated=eval_data is not None)
    options = al.callback_options()
    if al.freeze_encoder:
        suit_frozen_encoder(args, al.given)
        options["embeddings"] = embeddings_of(pool.dataset) if al.embeddings == "model" else al.embeddings
    active = ActiveLearningCallback(
        pool, strategy=strategy, annotator=make_annotator(al, pool, args.seed), seed=args.seed, **options
    )
    keep_options(al, pool)

    labels = label_options(pool.label_names)
    make: Any = partial(load_model, AutoModelForSequenceClassification, checkpoint, tokenizer, **labels)
    if al.freeze_encoder:
        make = partial(FrozenEncoderForSequenceClassification.on, pool.dataset, checkpoint, **labels)
    elif al.start_from_probe:
        make = probe_init(pool, checkpoint, head_learning_rate_factor=al.head_learning_rate_factor)
    with option_errors(args):
        trainer = Trainer(
            model_init=lambda: make(),
            args=args,
            eval_dataset=pool.holdout if al.holdout and eval_data is None else eval_data,
            processing_class=None if al.freeze_encoder else tokenizer,
            data_collator=stack_rows if al.freeze_encoder else None,
            compute_metrics=classification_metrics,
            callbacks=[active],
        )
    if trainer.pop_callback(ProgressCallback):
        trainer.add_callback(RoundProgress)
    records = run(active, trainer, rounds=al.rounds)

    report(records, learning_curve_file(args.output_dir), "eval_accuracy", f"{al.strategy}, seed {args.seed}")
    export(al, pool)


if __name__ == "__main__":
    main()
