"""How far the people agree who label a run."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations, pairwise
from typing import Any

import numpy as np

from hfal.store.answer_log import NONSENSE, SETTLE, WITH_LABEL, by_annotator
from hfal.store.disagreements import Disagreement, compared_labels, disagreements
from hfal.store.records import DATASET, Answer, seconds_between
from hfal.store.run_info import RunPlan
from hfal.store.store import Store
from hfal.tasks.aggregation import dawid_skene
from hfal.tasks.agreement import agreement_with_others, krippendorff_alpha, mean_of_defined, pairwise_kappa
from hfal.tasks.kinds import Kind
from hfal.tasks.opinions import Confusion, OpinionTable, confusions, opinion_tables


PAUSE = 300
"""Seconds; who answers no sooner has done something else meanwhile."""

_AT_ONCE = 0.1
"""Seconds; whose answers follow sooner has filled in a file, or is a program."""


@dataclass(frozen=True)
class Person:
    """What one person has done.

    Attributes:
        name: Who.
        labels: How many texts they have given a label.
        skips: How many they have skipped.
        unsure: Of how many they have said that they cannot tell.
        nonsense: Of how many synthesized texts they have said that they make no sense.
        settled: How many disagreements they have settled, which is none of their labels.
        shared: How many of the labels are on texts that somebody else has labeled, too; what follows is of these.
        seconds: The median of the seconds between successive answers, without those above `PAUSE`; NaN where there
            are none, or they come at once, from a file or a program.
        agreement: How often they agree with another: the share of pairs of opinions; NaN without any.
        accuracy: The share of their opinions that is right, as one coin estimates it; NaN without any.
    """

    name: str
    labels: int
    skips: int
    unsure: int
    nonsense: int
    settled: int
    shared: int
    seconds: float
    agreement: float
    accuracy: float


@dataclass(frozen=True)
class Pair:
    """Two people, how many texts both have labeled, and Cohen's kappa on these; NaN where it is undefined."""

    one: str
    other: str
    texts: int
    kappa: float


@dataclass(frozen=True)
class Agreement:
    """How far the people agree who label a run.

    Of tagged sentences, agreement, kappa, alpha and accuracy are of words; of sets of labels they are of whether a
    label is in the set, each label by itself, and the mean over labels.

    Attributes:
        run: The name of the run's folder.
        kind: The kind of its labels.
        method: How one label is made of several, one of `hfal.store.run_info.AGGREGATIONS`.
        texts: How many texts have labels of at least two people. What follows is of these.
        opinions: How many labels they have.
        alone: How many texts have the label of one person.
        missing: How many opinions the run still asks for on texts that are asked of several people.
        alpha: Krippendorff's alpha; NaN where it is undefined.
        alpha_of: That of each label, where a text may have several; else empty.
        people: Everybody who has answered, by name.
        pairs: Everybody with everybody who has labeled one of the same texts; the least agreement first.
        confusions: Which labels are given to the same text.
        disagreements: What people disagree about; the least certain first, and last what is settled.
    """

    run: str
    kind: Kind
    method: str
    texts: int
    opinions: int
    alone: int
    missing: int
    alpha: float
    alpha_of: Mapping[str, float]
    people: Sequence[Person]
    pairs: Sequence[Pair]
    confusions: Sequence[Confusion]
    disagreements: Sequence[Disagreement]

    @property
    def to_settle(self) -> int:
        """How many disagreements nobody has settled."""
        return sum(one.settled_by is None for one in self.disagreements)

    def to_json(self) -> dict[str, Any]:
        """Return all of it as JSON has it; what is undefined is `null`."""
        found = {**asdict(self), "kind": self.kind.task}
        found["confusions"] = [{**of._asdict(), "counts": of.counts.tolist()} for of in self.confusions]
        found["task"] = found.pop("kind")
        cleaned: dict[str, Any] = _without_nan(found)
        return cleaned


def measure_agreement(store: Store) -> Agreement:
    """Measure how far the people agree who label a run.

    Labels that came with the data, and what was settled, are no opinions; nor are skips, texts of which somebody was
    not sure, and texts that make no sense.

    Args:
        store: The run's store; see `hfal.store.store.reading`.
    """
    kind, names, opinions = store.kind, store.info.label_names, store.opinions()
    log = store.answers()
    compared = compared_labels(opinions)
    people = sorted({str(answer.annotator) for answer in log if answer.annotator != DATASET})
    tables = opinion_tables(kind, names, list(compared.values()), people)
    has_label = np.array([[name in of for name in people] for of in compared.values()], int)
    has_label = has_label.reshape(len(compared), len(people))
    alphas = [krippendorff_alpha(table.opinions) for table in tables]
    labeled = sum(any(one.label is not None for one in of.values()) for of in opinions.values())
    return Agreement(
        run=store.run_dir.name,
        kind=kind,
        method=(store.plan or RunPlan()).aggregate_labels,
        texts=len(compared),
        opinions=int(has_label.sum()),
        alone=labeled - len(compared),
        missing=_missing(store),
        alpha=float(mean_of_defined(alphas)),
        alpha_of={table.name: alpha for table, alpha in zip(tables, alphas, strict=True) if table.name is not None},
        people=_people(people, opinions, log, tables, has_label.sum(axis=0)),
        pairs=_pairs(people, tables, has_label.T @ has_label),
        confusions=confusions(kind, names, tables),
        disagreements=disagreements(store),
    )


def _missing(store: Store) -> int:
    missing = 0
    for query in store.open_queries():
        left = store.opinions_left(query)
        missing += sum(count for example_id, count in left.items() if query.opinions_on(example_id) > 1)
    return missing


def _people(
    people: Sequence[str],
    opinions: Mapping[str, Mapping[str, Answer]],
    log: Sequence[Answer],
    tables: Sequence[OpinionTable],
    shared: np.ndarray,
) -> list[Person]:
    if not people:
        return []
    agreement = agreement_with_others(np.concatenate([table.opinions for table in tables]))
    accuracy = mean_of_defined(
        [dawid_skene(table.opinions, table.classes, one_coin=True).accuracy for table in tables]
    )
    settled = [name for (_, name), answer in by_annotator(log).items() if answer.action == SETTLE]
    found = []
    for place, name in enumerate(people):
        actions = [of[name].action for of in opinions.values() if name in of]
        found.append(
            Person(
                name=name,
                labels=sum(action in WITH_LABEL for action in actions),
                skips=actions.count("skip"),
                unsure=actions.count("unsure"),
                nonsense=actions.count(NONSENSE),
                settled=settled.count(name),
                shared=int(shared[place]),
                seconds=_pace([answer for answer in log if answer.annotator == name]),
                agreement=float(agreement[place]),
                accuracy=float(accuracy[place]),
            )
        )
    return found


def _pace(log: Sequence[Answer]) -> float:
    """Return the median of the seconds between a person's successive answers; what they settle is read otherwise."""
    gaps = [
        seconds_between(before.time, answer.time)
        for before, answer in pairwise(log)
        if before.time is not None and answer.time is not None and answer.action not in ("undo", SETTLE)
    ]
    kept = [gap for gap in gaps if 0 <= gap <= PAUSE]  # a clock may be put back
    median = float(np.median(kept)) if kept else 0.0
    return median if median >= _AT_ONCE else float("nan")


def _pairs(people: Sequence[str], tables: Sequence[OpinionTable], shared: np.ndarray) -> list[Pair]:
    if not people:
        return []
    kappas = mean_of_defined([pairwise_kappa(table.opinions) for table in tables])
    pairs = [
        Pair(people[a], people[b], int(shared[a, b]), float(kappas[a, b]))
        for a, b in combinations(range(len(people)), 2)
        if shared[a, b]
    ]
    return sorted(pairs, key=lambda pair: (np.isnan(pair.kappa), pair.kappa))


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(one) for one in value]
    return None if isinstance(value, float) and np.isnan(value) else value
