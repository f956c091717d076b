"""Active learning for text classification with the Hugging Face Trainer. Copy it and change what you need.

    python recipes/text_classification.py --data reviews.csv --text review --labels negative,positive
    python recipes/text_classification.py configs/sentiment_demo.yaml --strategy entropy

A YAML file sets defaults, the command line overrides them; `hfal run` runs this very file.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from transformers import AutoModelForSequenceClassification, AutoTokenizer, EvalPrediction, ProgressCallback, Trainer

from hfal import ActiveLearningCallback, Pool
from hfal.config import keep_options, parse_arguments
from hfal.data import load_data
from hfal.evaluation.metrics import classification_metrics
from hfal.options import ActiveLearningArguments
from hfal.references import resolve_model
from hfal.rounds import metric_value
from hfal.running import export, make_annotator, make_strategy, report, start_logging
from hfal.training import RoundProgress, RoundTrainingArguments


def main(argv: Sequence[str] | None = None) -> None:
    """Run active learning as the configuration and the command line say."""
    start_logging()
    arguments = (ActiveLearningArguments, RoundTrainingArguments)
    al, args = parse_arguments(arguments, sys.argv[1:] if argv is None else argv)
    strategy = make_strategy(al, "text_classification")  # before anything is made, or asked
    if al.target_metric:  # a name that there is not would be found when the first round has been paid for
        metrics = classification_metrics(EvalPrediction(np.eye(2), np.arange(2)))
        metric_value({f"eval_{name}": 0.0 for name in ["loss", *metrics]}, al.target_metric)

    al.task = "text_classification"
    pool_data, eval_data = load_data(al, args.output_dir, args.seed)
    checkpoint = resolve_model(al.model)
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)

    def tokenize(batch: dict) -> dict:
        return tokenizer(*(batch[column] for column in al.text), truncation=True, max_length=al.max_length)

    pool = Pool(pool_data.map(tokenize, batched=True), args.output_dir, al.text, al.label, al.labels, al.id)
    if eval_data is not None:
        eval_data = pool.with_labels(eval_data.map(tokenize, batched=True))
    al.settle(pool, evaluated=eval_data is not None)
    active = ActiveLearningCallback(
        pool, strategy=strategy, annotator=make_annotator(al, pool), seed=args.seed, **al.callback_options()
    )
    keep_options(al, pool)

    names = dict(enumerate(pool.label_names))
    trainer = Trainer(
        model_init=lambda: AutoModelForSequenceClassification.from_pretrained(
            checkpoint,
            num_labels=len(names),
            id2label=names,
            label2id={name: number for number, name in names.items()},
            ignore_mismatched_sizes=True,  # a head for other labels makes way for a new one
        ),
        args=args,
        eval_dataset=pool.holdout if al.holdout and eval_data is None else eval_data,
        processing_class=tokenizer,
        compute_metrics=classification_metrics,
        callbacks=[active],
    )
    if trainer.pop_callback(ProgressCallback):
        trainer.add_callback(RoundProgress)
    records = active.run(trainer, rounds=al.rounds)

    report(records, Path(args.output_dir, "learning_curve.png"), "eval_accuracy", f"{al.strategy}, seed {args.seed}")
    export(al, pool)


if __name__ == "__main__":
    main()
