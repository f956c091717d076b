"""Runs in which three people label the same texts, one of each task."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from datasets import Dataset

from hfal.data.pool import Pool
from hfal.store.records import Answer, Queried, Query
from hfal.store.run_info import RunPlan
from support.stores import begin_round


ANNA, BEN, CARL = "Anna Secretary", "Ben Private", "Carl Nobody"
"""Ben answers first; the plan names Anna first."""

SECRET_COMMENT = "as Anna said"
METHODS = ["latest", "majority", "one_coin", "dawid_skene"]

_LABEL_NAMES = {"text_classification": ["no", "yes", "maybe"], "multi_label_classification": ["sport", "law"]}
_TAGS = ["O", "B-PER", "I-PER"]
_MEANT: Mapping[str, Mapping[str, Any]] = {
    "text_classification": {"n": "no", "y": "yes", "m": "maybe"},
    "multi_label_classification": {"n": [], "y": ["sport"], "m": ["sport", "law"]},
    "token_classification": {"n": ["O"] * 3, "y": ["B-PER", "O", "O"], "m": ["B-PER", "I-PER", "O"]},
}
"""The answers that the letters below stand for."""

OPINIONS = {
    "t0": "yyn",  # of Ben, Anna and Carl; "." for none
    "t1": "nnn",
    "t2": "ymn",
    "t3": "y..",
    "t4": ".n.",
    "t5": "yy.",
    "t6": "mym",
    "t7": "ny.",
    "t8": "s..",  # skipped
}


def meant(task: str, letter: str) -> Any:
    """The answer that a letter stands for; `None` for a skip."""
    return _MEANT[task].get(letter)


def make_team_run(run_dir: Path, task: str = "text_classification", method: str = "majority") -> Pool:
    """A pool of twelve texts: a holdout of two, a seed set of ten, whose opinions are `OPINIONS`, and a round.

    The seed set asks for two or three opinions by text, of which some are missing. `t7` is settled.
    """
    of_words = task == "token_classification"
    texts = [f"Some text {i}" for i in range(12)]
    data = Dataset.from_dict(
        {"name": [f"t{i}" for i in range(12)], "text": [t.split() for t in texts] if of_words else texts}
    )
    names = _LABEL_NAMES.get(task, _TAGS)
    pool = Pool(data, run_dir, "text", label_names=names, id_column="name", task=task)
    pool.store.set_plan(
        RunPlan(
            rounds=3,
            budget=40,
            strategy="margin",
            query_size=10,
            pool_size=12,
            aggregate_labels=method,
            annotators=[ANNA, BEN, CARL],
        )
    )
    ids = pool.ids.to_pylist()
    wanted = {example_id: 3 if place < 3 else 2 for place, example_id in enumerate(ids[:10])}
    for purpose, asked, opinions in (("holdout", ids[10:], 2), ("seed", ids[:10], wanted)):
        examples = tuple(
            Queried(i, pool.content(p), pool.texts([p])[0]) for i, p in zip(asked, pool.positions(asked), strict=True)
        )
        pool.store.add_query(Query(0, purpose, "random", 1, examples, settings={"opinions": opinions}))
    for example_id in ids[10:]:
        for name in (BEN, ANNA):
            pool.record(Answer(example_id, meant(task, "y"), annotator=name, query=1))
    for place, name in enumerate((BEN, ANNA, CARL)):
        for example_id, letters in OPINIONS.items():
            if letters[place] == "s":
                pool.record(Answer(example_id, None, "skip", name, query=2))
            elif letters[place] != ".":
                comment = SECRET_COMMENT if example_id == "t0" else None
                pool.record(Answer(example_id, meant(task, letters[place]), annotator=name, query=2, comment=comment))
    pool.record(Answer("t1", meant(task, "y"), annotator=CARL, query=2))  # corrected, and taken back
    pool.record(Answer("t1", None, "undo", CARL, query=2))
    pool.record(Answer("t7", meant(task, "m"), "settle", ANNA, query=2))
    begin_round(pool.store, 1, pool.store.labels_bought(), len(pool.training_labels()))
    pool.store.finish_training(1)
    pool.store.finish_round(1, {"eval_accuracy": 0.5})
    return pool
