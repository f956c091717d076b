"""Active learning for text classification with the Hugging Face Trainer. Copy it and change what you need.

    python recipes/text_classification.py configs/sentiment_demo.yaml --strategy entropy

A YAML file sets defaults, the command line overrides them; `hfal run` runs this very file.
"""

import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from datasets import ClassLabel, Dataset
from transformers import AutoModelForSequenceClassification, AutoTokenizer, Trainer, TrainingArguments

from hfal import ActiveLearningCallback, FileAnnotator, Pool, SimulatedAnnotator
from hfal.config import ActiveLearningArguments, parse_arguments
from hfal.evaluation.curves import plot_learning_curve, rounds_table
from hfal.evaluation.metrics import classification_metrics
from hfal.references import load_split, resolve_model


def load_data(al: ActiveLearningArguments, seed: int) -> tuple[Dataset, Dataset | None]:
    """The pool and the evaluation set, with the label, if there is one, in the column `labels`."""

    def load(split: str) -> Dataset:
        data = load_split(al.data, split, al.data_config)
        if al.data_filter:
            column, _, value = al.data_filter.partition("=")
            data = data.filter(lambda cell: str(cell) == value, input_columns=column)
        if al.label_column:
            data = data.rename_column(al.label_column, "labels") if al.label_column != "labels" else data
            if al.labels:
                data = data.cast_column("labels", ClassLabel(names=al.labels))
            elif not isinstance(data.features["labels"], ClassLabel):
                data = data.class_encode_column("labels")
        return data

    pool, evaluation = load(al.split), load(al.eval_split) if al.eval_split else None
    if evaluation is None and al.eval_size:
        parts = pool.train_test_split(test_size=al.eval_size, seed=seed)
        pool, evaluation = parts["train"], parts["test"]
    if al.pool_size and al.pool_size < len(pool):
        pool = pool.shuffle(seed=seed).select(range(al.pool_size))
    return pool, evaluation


def main(argv: Sequence[str] | None = None) -> None:
    """Run active learning as the configuration and the command line say."""
    logging.basicConfig(format="%(message)s")
    logging.getLogger("hfal").setLevel(logging.INFO)
    al, args = parse_arguments((ActiveLearningArguments, TrainingArguments), sys.argv[1:] if argv is None else argv)

    checkpoint = resolve_model(al.model)
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)

    def tokenize(batch: dict) -> dict:
        return tokenizer(*(batch[column] for column in al.text_column), truncation=True, max_length=al.max_length)

    pool_data, eval_data = load_data(al, args.seed)
    pool = Pool(
        pool_data.map(tokenize, batched=True),
        run_dir=args.output_dir,
        text_column=al.text_column,
        label_column="labels" if al.label_column else None,
        label_names=None if al.label_column else al.labels,
        id_column=al.id_column,
    )
    annotator = SimulatedAnnotator(pool) if al.annotator == "simulated" else FileAnnotator(al.annotator)
    active = ActiveLearningCallback(pool, annotator=annotator, seed=args.seed, **al.callback_options())
    names = dict(enumerate(pool.label_names))
    trainer = Trainer(
        model_init=lambda: AutoModelForSequenceClassification.from_pretrained(
            checkpoint, num_labels=len(names), id2label=names, label2id={name: i for i, name in names.items()}
        ),
        args=args,
        eval_dataset=None if eval_data is None else eval_data.map(tokenize, batched=True),
        processing_class=tokenizer,
        compute_metrics=classification_metrics,
        callbacks=[active],
    )
    records = active.run(trainer, rounds=al.rounds)

    print(f"\n{rounds_table(records)}\n")
    if any("eval_accuracy" in (record.metrics or {}) for record in records):
        picture = Path(args.output_dir, "learning_curve.png")
        plot_learning_curve(records, picture, "eval_accuracy", title=f"{al.strategy}, seed {args.seed}")
        print(f"Learning curve: {picture}")


if __name__ == "__main__":
    main()
