"""Active learning for named-entity recognition with the Hugging Face Trainer. Copy it and change what you need.

    python recipes/token_classification.py --data sentences.jsonl --text text --labels PER,ORG,LOC
    python recipes/token_classification.py configs/ner_demo.yaml --strategy mnlp

A YAML file sets defaults, the command line overrides them; `hfal run` runs this very file where words are tagged.
"""

import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

from datasets import Dataset
from transformers import (
    AutoModel,
    AutoModelForTokenClassification,
    DataCollatorForTokenClassification,
    ProgressCallback,
    Trainer,
)

from hfal import ActiveLearningCallback, Pool, probe_init, tokenize_words
from hfal.config.arguments import ActiveLearningArguments
from hfal.config.kept_config import keep_options, parse_arguments
from hfal.config.load_data import load_data
from hfal.config.setup import check_stop, export, make_annotator, make_strategy, report, start_logging
from hfal.config.training_arguments import RoundProgress, RoundTrainingArguments, option_errors, suit_frozen_encoder
from hfal.data.checkpoints import check_model, label_options, load_model, load_tokenizer
from hfal.data.references import resolve_model
from hfal.store.run_directory import embeddings_folder, learning_curve_file
from hfal.tasks.metrics import entity_metrics
from hfal.tasks.tags import entity_types
from hfal.training.frozen_encoder import FrozenEncoderForTokenClassification, pad_states
from hfal.training.token_states import add_token_states, sentence_means


def main(argv: Sequence[str] | None = None, data: Any = None, run: Any = ActiveLearningCallback.run) -> None:
    """Run active learning as the configuration and the command line say, on their data, which may have been read."""
    start_logging()
    arguments = (ActiveLearningArguments, RoundTrainingArguments)
    al, args = parse_arguments(arguments, sys.argv[1:] if argv is None else argv)
    strategy = make_strategy(al, "token_classification")  # before anything is made, or asked

    al.task = "token_classification"
    data = data or load_data(al, args.output_dir, args.seed)
    metrics = ["loss", "precision", "recall", "f1", *(f"f1_{t}" for t in entity_types(data.labels))]
    check_stop(al, metrics, usual="f1")
    checkpoint = resolve_model(al.model)
    # Where a space is a part of the word's first token (GPT-2, RoBERTa), the words have to get one; others ignore it.
    tokenizer = load_tokenizer(checkpoint, add_prefix_space=True)
    check_model(AutoModel if al.freeze_encoder else AutoModelForTokenClassification, checkpoint, tokenizer)
    tokenize = partial(tokenize_words, tokenizer=tokenizer, text_column=data.text[0], max_length=al.max_length)

    def prepare(rows: Dataset) -> Dataset:
        rows = rows.map(tokenize, batched=True)
        folder = al.embeddings_dir or embeddings_folder(args.output_dir)
        return add_token_states(rows, al.model, folder) if al.freeze_encoder else rows

    about = (al.task, None, data.show, prepare)
    pool = Pool(data.pool, args.output_dir, data.text, al.label, data.labels, al.id, *about)
    eval_data = None if data.evaluation is None else pool.with_labels(prepare(data.evaluation))
    al.settle(pool, evaluated=eval_data is not None)
    options = al.callback_options()
    if al.freeze_encoder:
        suit_frozen_encoder(args, al.given)
        options["embeddings"] = sentence_means(pool.dataset) if al.embeddings == "model" else al.embeddings
    active = ActiveLearningCallback(
        pool, strategy=strategy, annotator=make_annotator(al, pool, args.seed), seed=args.seed, **options
    )
    keep_options(al, pool)

    labels = label_options(pool.label_names)
    make: Any = partial(load_model, AutoModelForTokenClassification, checkpoint, tokenizer, **labels)
    if al.freeze_encoder:
        make = partial(FrozenEncoderForTokenClassification.on, pool.dataset, checkpoint, **labels)
    elif al.start_from_probe:
        make = probe_init(pool, checkpoint, head_learning_rate_factor=al.head_learning_rate_factor)
    with option_errors(args):
        trainer = Trainer(
            model_init=lambda: make(),
            args=args,
            eval_dataset=pool.holdout if al.holdout and eval_data is None else eval_data,
            processing_class=None if al.freeze_encoder else tokenizer,
            data_collator=pad_states if al.freeze_encoder else DataCollatorForTokenClassification(tokenizer),
            compute_metrics=entity_metrics(pool.label_names),
            preprocess_logits_for_metrics=lambda logits, labels: logits.argmax(-1),  # not the logits of all tokens
            callbacks=[active],
        )
    if trainer.pop_callback(ProgressCallback):
        trainer.add_callback(RoundProgress)
    records = run(active, trainer, rounds=al.rounds)
    title = f"{active.acquisition.strategy_name}, seed {args.seed}"
    report(records, learning_curve_file(args.output_dir), "eval_f1", title)
    export(al, pool)


if __name__ == "__main__":
    main()
