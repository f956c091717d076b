"""Runs to publish, one of each task: made by the store itself, with names that Markdown and YAML would trip over."""

from pathlib import Path
from typing import Any

from hfal.store.records import Answer, Queried, Query
from hfal.store.store import Store, reading
from hfal.tasks.tags import tag_names
from hfal.tasks.words import words_of
from support.stores import begin_round


TASKS = ["text_classification", "multi_label_classification", "token_classification"]
LABELS = ["negative", "posi|tive *`--- # x"]
TOPICS = ["sport", "law", "money"]
TAGS = tag_names(["PER", "LOC"])
SECRET_NAME = "Anna Secretary"
SECRET_PATH = "/home/anna/secret models/bert"
TEXTS = ["a fine film", "a dull one", "Anna met Bob", "nothing\nhappens", "plainly bad", "Rome in spring"]
VERSIONS = {"hfal": "0.1.0", "torch": "2.13.0"}


def make_run(run_dir: Path, task: str = "text_classification") -> Store:
    """A held-out query of two, a seed set of two, a query of a round with a skip, and two rounds with metrics."""
    store = Store(run_dir)
    names: dict[str, list[str]] = {"multi_label_classification": TOPICS, "token_classification": TAGS}
    store.set_meta("label_names", names.get(task, LABELS))
    store.set_meta("task", task)
    store.set_meta("scheme", "IOB2")
    plan = {"strategy": "margin+kmeans", "query_size": 2, "unit": "examples", "pool_size": 40, "budget": 6}
    store.set_meta("plan", {**plan, "rounds": 2, "target_metric": None, "target": None, "simulated": False})
    column = "tokens" if task == "token_classification" else "text"
    texts: list[Any] = [words_of(text) for text in TEXTS] if column == "tokens" else TEXTS
    model = f"BertModel from {SECRET_PATH}"
    for number, (purpose, round_number) in enumerate([("holdout", 0), ("seed", 0), ("round", 1)], start=1):
        ids = range(2 * number - 2, 2 * number)
        about = {"score": 0.5, "suggestion": label(task, 0, texts[0]), "confidence": 0.75} if round_number else {}
        if task == "token_classification" and about:
            about["suggestion"] = None
        examples = tuple(Queried(f"x{i}", f"content {i}", {column: texts[i]}, **about) for i in ids)
        settings = {"embeddings": SECRET_PATH, "candidate_factor": 10} if round_number else {}
        store.add_query(
            Query(
                round_number,
                purpose,
                "margin+kmeans" if round_number else "random",
                42,
                examples,
                model if round_number else None,
                settings,
                VERSIONS,
            )
        )
        for i in ids:
            if i == 5:
                store.record(Answer("x5", None, "skip", SECRET_NAME, query=number))
            else:
                store.record(Answer(f"x{i}", label(task, i, texts[i]), annotator=SECRET_NAME, query=number))
        if number > 1:
            begin_round(store, number - 1, 2 * number, 2 * (number - 1), seed=42)
            store.finish_training(number - 1)
            store.finish_round(number - 1, {"eval_loss": 0.5, "eval_accuracy": 0.25 * number})
    return store


def label(task: str, i: int, text: Any) -> Any:
    """The answer to example `i`."""
    if task == "multi_label_classification":
        return TOPICS[: i % 3]
    if task == "token_classification":
        return ["B-PER" if word in ("Anna", "Bob") else "O" for word in text]
    return LABELS[i % 2]


def of_run(make, run_dir, *about, **more):
    """What a function makes of the run as it is now."""
    with reading(run_dir) as store:
        return make(store, *about, **more)
