"""Active learning for texts with several labels with the Hugging Face Trainer. Copy it and change what you need.

    python recipes/multi_label_classification.py --data news.jsonl --text text --labels sports,money,law
    python recipes/multi_label_classification.py configs/multi_label_demo.yaml --strategy margin --aggregate max

A YAML file sets defaults, the command line overrides them; `hfal run` runs this very file where the labels are lists.
"""

import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

from datasets import Dataset
from transformers import AutoModel, AutoModelForSequenceClassification, ProgressCallback, Trainer

from hfal import ActiveLearningCallback, Pool, probe_init
from hfal.config.arguments import ActiveLearningArguments
from hfal.config.kept_config import keep_options, parse_arguments
from hfal.config.load_data import load_data
from hfal.config.setup import check_stop, export, make_annotator, make_strategy, report, start_logging
from hfal.config.training_arguments import RoundProgress, RoundTrainingArguments, option_errors, suit_frozen_encoder
from hfal.data.checkpoints import check_model, label_options, load_model, load_tokenizer
from hfal.data.references import resolve_model
from hfal.store.run_directory import embeddings_folder, learning_curve_file
from hfal.tasks.metrics import label_set_metrics
from hfal.tasks.thresholds import parse_thresholds
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
    strategy = make_strategy(al, "multi_label_classification")  # before anything is made, or asked

    al.task = "multi_label_classification"
    data = data or load_data(al, args.output_dir, args.seed)
    metrics = ["loss", "f1_micro", "f1_macro", "subset_accuracy", "hamming_loss", *(f"f1_{n}" for n in data.labels)]
    check_stop(al, metrics, usual="f1_micro")
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

    about = (al.task, parse_thresholds(al.thresholds) if al.thresholds else None, data.show, prepare)
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

    labels = {**label_options(pool.label_names), "problem_type": al.task}  # a binary cross-entropy for each label
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
            compute_metrics=label_set_metrics(pool.label_names, pool.thresholds),
            callbacks=[active],
        )
    if trainer.pop_callback(ProgressCallback):
        trainer.add_callback(RoundProgress)
    records = run(active, trainer, rounds=al.rounds)
    title = f"{active.acquisition.strategy_name}, seed {args.seed}"
    report(records, learning_curve_file(args.output_dir), "eval_f1_micro", title)
    export(al, pool)


if __name__ == "__main__":
    main()
