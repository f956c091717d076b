"""Active learning for text classification with the Hugging Face Trainer. Copy it and change what you need.

    python recipes/text_classification.py configs/sentiment_demo.yaml --strategy entropy

A YAML file sets defaults, the command line overrides them; `hfal run` runs this very file.
"""

import logging
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from datasets import Dataset
from transformers import AutoModelForSequenceClassification, AutoTokenizer, Trainer, TrainingArguments

from hfal import ActiveLearningCallback, FileAnnotator, Pool, SimulatedAnnotator
from hfal.config import ActiveLearningArguments, parse_arguments
from hfal.errors import ArgumentError
from hfal.evaluation.curves import plot_learning_curve, rounds_table
from hfal.evaluation.metrics import classification_metrics
from hfal.references import load_split, resolve_model


def load_data(al: ActiveLearningArguments, seed: int) -> tuple[Dataset, Dataset | None]:
    """The data of the pool, and that to evaluate on, if there is any."""
    column, _, value = (al.data_filter or "").partition("=")
    columns = [*al.text_column, *filter(None, [al.label_column, al.id_column, column])]

    def load(split: str) -> Dataset:
        data = load_split(al.data, split, al.data_config, columns)
        return data.filter(lambda cell: str(cell) == value, input_columns=column) if column else data

    data, evaluation = load(al.split), load(al.eval_split) if al.eval_split else None
    # In the order of a hash of the text, so that rows appended later do not shuffle the two.
    rows = np.argsort([zlib.crc32(f"{seed} {text}".encode()) for text in data[al.text_column[0]]], kind="stable")
    if evaluation is None and al.eval_size and al.label_column:
        labels = data[al.label_column][:]
        held_out = [row for row in rows if labels[row] not in (None, -1)][: al.eval_size]
        if len(held_out) < al.eval_size or len(held_out) == len(data):
            raise ArgumentError(f"eval_size={al.eval_size} of {len(data)} examples, {len(held_out)} with a label")
        evaluation, rows = data.select(held_out), rows[~np.isin(rows, held_out)]
    return data.select(np.sort(rows[: al.pool_size])), evaluation


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
        args.output_dir,
        al.text_column,
        al.label_column,
        al.labels,
        al.id_column,
    )
    if eval_data is not None:
        eval_data = pool.with_labels(eval_data.map(tokenize, batched=True))
    annotator = SimulatedAnnotator(pool) if al.annotator == "simulated" else FileAnnotator(al.annotator)
    active = ActiveLearningCallback(pool, annotator=annotator, seed=args.seed, **al.callback_options())
    names = dict(enumerate(pool.label_names))
    trainer = Trainer(
        model_init=lambda: AutoModelForSequenceClassification.from_pretrained(
            checkpoint, num_labels=len(names), id2label=names, label2id={name: i for i, name in names.items()}
        ),
        args=args,
        eval_dataset=pool.holdout if al.holdout and eval_data is None else eval_data,
        processing_class=tokenizer,
        compute_metrics=classification_metrics,
        callbacks=[active],
    )
    records = active.run(trainer, rounds=al.rounds)

    print(f"\n{rounds_table(records)}\n")
    if any("eval_accuracy" in (record.metrics or {}) for record in records):
        picture = Path(args.output_dir, "learning_curve.png")
        try:
            plot_learning_curve(records, picture, "eval_accuracy", title=f"{al.strategy}, seed {args.seed}")
            print(f"Learning curve: {picture}")
        except ImportError as error:
            print(error)


if __name__ == "__main__":
    main()
