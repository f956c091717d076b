"""What `test_processes` starts several times at once, one process of a run: `python processes_run.py WHAT FOLDER ...`.

A folder has `data` and `model`, of whole texts or of tagged words.
"""

import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset, load_from_disk
from transformers import (
    AutoTokenizer,
    BertForSequenceClassification,
    BertForTokenClassification,
    DataCollatorForTokenClassification,
    DataCollatorWithPadding,
    PreTrainedTokenizerFast,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from hfal import (
    ActiveLearningCallback,
    Answer,
    FileAnnotator,
    HfalError,
    OpenQuery,
    Pool,
    SimulatedAnnotator,
    TokenScore,
)
from hfal.acquisition.draws import mc_dropout
from hfal.acquisition.scoring import ScoringPass
from hfal.stopping.stability import unpack
from hfal.strategies import Hybrid, Ranks, Subset, entropy
from hfal.tasks.metrics import classification_metrics, entity_metrics
from hfal.training.frozen_encoder import (
    FrozenEncoderForSequenceClassification,
    embedding_column,
    embeddings_of,
    stack_rows,
)
from hfal.utils.distributed import on_main, rank_and_size


WORDS_EACH = 15  # of a sentence, about


def arguments(folder: Path) -> TrainingArguments:
    return TrainingArguments(
        str(folder / "trainer"),
        num_train_epochs=2,
        per_device_train_batch_size=4,
        learning_rate=1e-3,
        save_strategy="epoch",
        report_to="none",
        disable_tqdm=True,
        use_cpu="WITHOUT_USE_CPU" not in os.environ,
        dataloader_pin_memory=False,
    )


WITH_EVERYTHING = Subset(Hybrid(Ranks("margin", "bald", "cal"), "kcenter"), 150, by="neighbors")
"""Draws, labeled examples, candidates chosen from the pass: all that processes have to agree on."""


def open_pool(folder: Path, run_dir: str) -> Pool:
    """The pool, and with the labels that it has."""
    data = load_from_disk(str(folder / "data"))
    if "ner_tags" in data.column_names:
        return Pool(data, folder / run_dir, "tokens", "ner_tags")
    return Pool(data, folder / run_dir, "text", "label")


def load_model(folder: Path, pool: Pool) -> torch.nn.Module:
    cls = BertForSequenceClassification if pool.task.words is None else BertForTokenClassification
    return cls.from_pretrained(folder / "model")


def make_collator(folder: Path, pool: Pool) -> DataCollatorWithPadding | DataCollatorForTokenClassification:
    cls = DataCollatorWithPadding if pool.task.words is None else DataCollatorForTokenClassification
    return cls(AutoTokenizer.from_pretrained(folder / "model"))


def score(folder: Path) -> None:
    """The scores and the query of one saved model, and what errors all processes hear of."""
    args = arguments(folder)
    rank, size = rank_and_size()
    pool = open_pool(folder, f"run of {size}")
    of_words = pool.task.words is not None
    model, collate = load_model(folder, pool), make_collator(folder, pool)
    rows = pool.dataset.select_columns(pool.task.columns_to_score(["input_ids", "attention_mask"]))
    of_texts = {"probabilities", "features", "draws"}
    keep = {"scores", "embeddings"} | ({"tags", "confidences", "entity_embeddings"} if of_words else of_texts)

    def scores(positions: np.ndarray, model: torch.nn.Module = model) -> dict[str, np.ndarray]:
        with mc_dropout(model, 2, [9]) as draws:
            scoring = ScoringPass(
                model,
                rows,
                pool.lengths,
                pool.task.collator(collate, ["input_ids", "attention_mask"]),
                signals=pool.task.signals,
                token_budget=256,
            )
            return scoring.run(
                positions, keep=frozenset(keep), score=TokenScore("bald") if of_words else entropy, draws=draws
            )

    arrays = scores(np.arange(len(pool)))
    few = scores(np.array([5]))  # one batch: fewer than processes
    np.savez(folder / f"scores {rank} of {size}.npz", **arrays, **{f"few_{n}": a for n, a in few.items()})

    acquisition = ActiveLearningCallback(
        pool,
        strategy="margin+kmeans" if of_words else WITH_EVERYTHING,
        query_size=17 * (WORDS_EACH if of_words else 1),
        seed_size=17,
        seed_strategy="random",
        unit="words" if of_words else "examples",
        embeddings="entities" if of_words else "model",
        token_budget=256,
        seed=1,
        record_stability=True,
    ).acquisition
    query = acquisition.propose(model, collate, 1, args)
    assert query is not None
    if rank == 0:
        pool.store.start_round(1, 1)
    acquisition.measure(model, collate, 1, args)
    errors, estimates = [], estimate(folder, pool)

    def fail() -> None:
        raise HfalError("only the main process does this")

    for action in (
        lambda: on_main(fail),
        lambda: scores(np.arange(len(pool)), poisoned(model, int(pool.lengths.max()))),
    ):
        try:
            action()
        except HfalError as error:
            errors.append(f"{type(error).__name__}: {error}")
    half = {"text": [f"text {i}" for i in range(20_000)], "label": [0, None] * 10_000}
    given = Pool(Dataset.from_dict(half), folder / f"given {size}", "text", "label", ["negative", "positive"])
    said = {"query": [e.example_id for e in query.examples], "errors": errors, "given": len(given.labeled)}
    said["suggestions"] = [e.suggestion for e in query.examples]
    said["stability"] = pool.store.round(1).stability
    said["estimates"] = estimates
    said["predictions"] = unpack(pool.store.predictions(1)).tolist()
    (folder / f"said {rank} of {size}.json").write_text(json.dumps(said))


def grown(folder: Path) -> None:
    """The query of a pool with rows that were added when one process alone had it open, and of one that grows now."""
    data = load_from_disk(str(folder / "data"))
    args = arguments(folder)  # which connect the processes
    rank, size = rank_and_size()

    def prepare(rows: Dataset) -> Dataset:  # as `add_embeddings`: the main process computes them for the others
        counts = on_main(lambda: [[text.count(letter) for letter in "aeinorst"] for text in rows["text"]])
        column, feature = embedding_column(np.array(counts, np.float32))
        return rows.add_column("embedding", column, feature=feature).with_format("numpy")

    raw = data.select_columns(["text", "label"])
    pool = Pool(raw, folder / f"grown {size}", "text", "label", prepare=prepare)
    pool.add([{"text": f"another film, {n} out of ten", "label": n % 2} for n in range(5)], "stream")
    vectors = embeddings_of(pool.dataset)
    head = FrozenEncoderForSequenceClassification.on(pool.dataset, str(folder / "model"), num_labels=2)
    torch.nn.init.constant_(head.classifier.weight[0], 0.1)
    active = ActiveLearningCallback(pool, strategy="margin+kmeans", embeddings=vectors, query_size=9, seed=1)
    query = active.acquisition.propose(head, stack_rows, 1, args)
    assert query is not None
    said = {"ids": pool.ids.to_pylist(), "vectors": vectors.tolist(), "query": [e.example_id for e in query.examples]}
    said["origins"] = pool.store.origins()
    (folder / f"grown {rank} of {size}.json").write_text(json.dumps(said))


def estimate(folder: Path, pool: Pool) -> dict[str, float]:
    """The estimate of a round that begins with forty labels."""
    if rank_and_size()[0] == 0:
        for row in range(40):
            example = str(pool.ids[row])
            pool.record(Answer(example, pool.hidden_label(example), annotator="someone"))
        pool.store.start_round(2, 1)
    vectors = np.random.default_rng(0).normal(size=(len(pool), 8))
    embeddings = vectors if pool.task.words is None else str(folder / "model")
    return ActiveLearningCallback(pool, embeddings=embeddings, estimate=True).estimator.estimate(2)


def poisoned(model: torch.nn.Module, length: int) -> torch.nn.Module:
    """A model that gives NaN for the longest texts, which the first process scores."""

    def spoil(_module: torch.nn.Module, inputs: tuple, kwargs: dict, outputs: object) -> None:
        if kwargs["input_ids"].shape[1] == length:
            outputs.logits.fill_(float("nan"))

    model.register_forward_hook(spoil, with_kwargs=True)
    return model


class Noted(SimulatedAnnotator):
    """Writes down whom it asked, and for what."""

    def annotate(self, query: OpenQuery) -> Iterator[Answer]:
        with open(query.run_dir.parent / "asked.txt", "a") as file:
            for answer in super().annotate(query):
                file.write(f"{rank_and_size()[0]} {answer.example_id}\n")
                yield answer


class Pause(TrainerCallback):
    """Notes how large training sets are, and waits to be killed in the middle of round 2, behind a checkpoint."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.rows: list[int] = []

    def on_train_begin(self, args, state, control, train_dataloader=None, **kwargs) -> None:
        self.rows.append(len(train_dataloader.dataset))

    def on_epoch_begin(self, args, state, control, **kwargs) -> None:
        if "002" in args.output_dir and state.epoch >= 1:
            reach("training", self.folder)


def reach(where: str, folder: Path) -> None:
    """If the test wants this process to be killed here, say so and wait."""
    if os.environ.get("PAUSE") == where:
        (folder / f"{where} {rank_and_size()[0]}").write_text(str(os.getpid()))
        if rank_and_size()[0] == 1:
            time.sleep(120)


def run(folder: Path) -> None:
    """A whole run of three rounds."""
    pool = open_pool(folder, "run")
    of_words = pool.task.words is not None
    each = WORDS_EACH if of_words else 1

    def score(probabilities: torch.Tensor) -> torch.Tensor:
        if len(pool.labels()) > 20:
            reach("scoring", folder)
        return entropy(probabilities)

    in_file = os.environ.get("ANNOTATOR") == "file"
    active = ActiveLearningCallback(
        pool,
        strategy=TokenScore(score) if of_words else score,
        annotator=FileAnnotator() if in_file else Noted(pool),
        query_size=10 * each,
        seed_size=15 * each,
        seed_strategy="kmeans",
        holdout=20 * each,
        unit="words" if of_words else "examples",
        record_stability=True,
        self_training=None if of_words else 0.5,
        self_training_threshold=0.5,
    )
    pause = Pause(folder)
    trainer = Trainer(
        model_init=lambda: load_model(folder, pool),
        args=arguments(folder),
        processing_class=PreTrainedTokenizerFast.from_pretrained(folder / "model"),
        data_collator=make_collator(folder, pool),
        compute_metrics=entity_metrics(pool.label_names) if of_words else classification_metrics,
        callbacks=[active, pause],
    )
    records = active.run(trainer, rounds=3)
    said = {
        "labels": pool.labels(),
        "rows": pause.rows,
        "sizes": [record.train_size for record in records],
        "words": [record.words for record in records],
        "metrics": [record.metrics for record in records],
        "stability": [record.stability for record in records],
        "weights": float(sum(p.double().sum() for p in trainer.model.parameters())),
    }
    (folder / f"end {rank_and_size()[0]}.json").write_text(json.dumps(said))


def main(what: str, folders: Sequence[str | Path]) -> None:
    """One process of it, with one thread."""
    torch.set_num_threads(1)
    for folder in folders:
        {"score": score, "run": run, "grown": grown}[what](Path(folder))


def forked(output: Path, environment: dict[str, str], what: str, folders: Sequence[Path]) -> None:
    """The same in a process that was forked: with an environment, and a file for what it prints."""
    os.environ.update(environment)
    file = os.open(output, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    os.dup2(file, 1)
    os.dup2(file, 2)
    main(what, folders)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
