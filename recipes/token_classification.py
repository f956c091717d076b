"""Active learning for named-entity recognition with the Hugging Face Trainer. Copy it and change what you need.

    python recipes/token_classification.py --data sentences.jsonl --text text --labels PER,ORG,LOC
    python recipes/token_classification.py configs/ner_demo.yaml --strategy mnlp

A YAML file sets defaults, the command line overrides them; `hfal run` runs this very file where words are tagged.
"""

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from transformers import (
    AutoModelForTokenClassification,
    AutoTokenizer,
    DataCollatorForTokenClassification,
    ProgressCallback,
    Trainer,
)

from hfal import ActiveLearningCallback, Pool, tokenize_words
from hfal.config import keep_options, parse_arguments
from hfal.data import load_data
from hfal.evaluation.entities import entity_metrics
from hfal.options import ActiveLearningArguments
from hfal.references import resolve_model
from hfal.rounds import metric_value
from hfal.running import export, make_annotator, make_strategy, report, start_logging
from hfal.tags import entity_types
from hfal.training import RoundProgress, RoundTrainingArguments


def main(argv: Sequence[str] | None = None) -> None:
    """Run active learning as the configuration and the command line say."""
    start_logging()
    arguments = (ActiveLearningArguments, RoundTrainingArguments)
    al, args = parse_arguments(arguments, sys.argv[1:] if argv is None else argv)
    strategy = make_strategy(al, "token_classification")  # before anything is made, or asked

    al.task = "token_classification"
    pool_data, eval_data = load_data(al, args.output_dir, args.seed)
    if al.target_metric:  # a name that there is not would be found when the first round has been paid for
        metrics = ["loss", "precision", "recall", "f1", *(f"f1_{t}" for t in entity_types(al.labels))]
        metric_value({f"eval_{name}": 0.0 for name in metrics}, al.target_metric)
    checkpoint = resolve_model(al.model)
    # Where a space is a part of the word's first token (GPT-2, RoBERTa), the words have to get one; others ignore it.
    tokenizer = AutoTokenizer.from_pretrained(checkpoint, add_prefix_space=True)
    tokenize = partial(tokenize_words, tokenizer=tokenizer, text_column=al.text[0], max_length=al.max_length)

    pool = Pool(
        pool_data.map(tokenize, batched=True), args.output_dir, al.text, al.label, al.labels, al.id, task=al.task
    )
    if eval_data is not None:
        eval_data = pool.with_labels(eval_data.map(tokenize, batched=True))
    al.settle(pool, evaluated=eval_data is not None)
    active = ActiveLearningCallback(
        pool, strategy=strategy, annotator=make_annotator(al, pool), seed=args.seed, **al.callback_options()
    )
    keep_options(al, pool)

    names = dict(enumerate(pool.label_names))
    trainer = Trainer(
        model_init=lambda: AutoModelForTokenClassification.from_pretrained(
            checkpoint,
            num_labels=len(names),
            id2label=names,
            label2id={name: number for number, name in names.items()},
            ignore_mismatched_sizes=True,  # a head for other tags makes way for a new one
        ),
        args=args,
        eval_dataset=pool.holdout if al.holdout and eval_data is None else eval_data,
        processing_class=tokenizer,
        data_collator=DataCollatorForTokenClassification(tokenizer),
        compute_metrics=entity_metrics(pool.label_names),
        preprocess_logits_for_metrics=lambda logits, labels: logits.argmax(-1),  # not the logits of all tokens
        callbacks=[active],
    )
    if trainer.pop_callback(ProgressCallback):
        trainer.add_callback(RoundProgress)
    records = active.run(trainer, rounds=al.rounds)
    title = f"{active.acquisition.strategy_name}, seed {args.seed}"
    report(records, Path(args.output_dir, "learning_curve.png"), "eval_f1", title)
    export(al, pool)


if __name__ == "__main__":
    main()
