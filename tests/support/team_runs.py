"""Runs in which several people have labeled the same texts."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hfal.store.records import Answer, Queried, Query
from hfal.store.run_info import RunInfo, RunPlan
from hfal.store.store import Store
from hfal.tasks.tags import entities, tag_names, write_tags
from support.label_queries import LABELS


TEXT, SETS, TAGS = "text_classification", "multi_label_classification", "token_classification"
TASKS = (TEXT, SETS, TAGS)
NAMES = {TEXT: LABELS, SETS: ["sports", "law", "money"], TAGS: tag_names(["PER", "LOC"])}
PEOPLE = ["anna", "ben", "carl", "dora"]


def make_team_run(
    run_dir: Path,
    task: str,
    opinions: Sequence[Mapping[str, Any]],
    texts: Sequence[Any] | None = None,
    method: str = "one_coin",
    names: Sequence[str] | None = None,
    **queried: Any,
) -> Store:
    """A run with one query of texts t0, t1, ..., which people have answered; an opinion may be an action, too."""
    store = Store(run_dir)
    scheme = "IOB2" if task == TAGS else None
    store.set_info(RunInfo(task, scheme, tuple(NAMES[task] if names is None else names)))
    store.set_plan(RunPlan(aggregate_labels=method, annotators=PEOPLE, rounds=3, query_size=10))
    if texts is None:
        texts = [f"word{n} of text number{n} here" for n in range(len(opinions))]
        texts = [text.split() for text in texts] if task == TAGS else texts
    column = "tokens" if task == TAGS else "text"
    examples = [Queried(f"t{n}", f"content {n}", {column: text}, **queried) for n, text in enumerate(texts)]
    settings = {"opinions": {f"t{n}": len(of) for n, of in enumerate(opinions)}}
    query = store.add_query(Query(0, "seed", "random", 0, tuple(examples), settings=settings))
    with store.at_once():
        for n, of in enumerate(opinions):
            for name, said in of.items():
                is_action = said in ("skip", "unsure", "nonsense")
                answer = Answer(f"t{n}", None if is_action else said, said if is_action else "label", name)
                store.record(Answer(**{**answer.__dict__, "query": query.number}))
    store.close_query(query.number)
    return store


def drawn_opinions(task: str, seed: int, texts: int = 40, missing: float = 0.3) -> list[dict[str, Any]]:
    """Labels of people who agree more than by chance, on some of the texts each."""
    rng = np.random.default_rng(seed)
    return [_drawn(task, rng, missing) for _ in range(texts)]


def _drawn(task: str, rng: np.random.Generator, missing: float) -> dict[str, Any]:
    truth = _label(task, rng)
    given = {name: truth if rng.random() < 0.7 else _label(task, rng) for name in PEOPLE}
    return {name: label for name, label in given.items() if rng.random() >= missing}


def _label(task: str, rng: np.random.Generator) -> Any:
    names = NAMES[task]
    if task == TEXT:
        return str(rng.choice(names))
    if task == SETS:
        return [name for name in names if rng.random() < 0.4]
    tags = [str(tag) for tag in rng.choice(names, 5)]
    return write_tags(entities(tags), 5, "IOB2")
