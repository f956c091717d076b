"""The texts about which people disagree, and what holds of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hfal.store.answer_log import SETTLE
from hfal.store.records import Answer
from hfal.store.run_info import RunPlan
from hfal.store.store import Store
from hfal.tasks.kinds import Label
from hfal.tasks.opinions import combine
from hfal.tasks.words import Texts


@dataclass(frozen=True)
class Disagreement:
    """A text to which several people have given different labels.

    Attributes:
        example_id: The example's id in the pool.
        texts: Its texts by column.
        labels: The label of each person who has given one, by name.
        held: The label that holds; `None` where the latest answer holds and that has none, or where somebody has
            settled that the text makes no sense.
        confidence: How sure that label is by the method that makes one of several, from 0 to 1; `None` where the
            latest one holds, or one was settled.
        settled_by: Who has settled it; `None` while nobody has.
    """

    example_id: str
    texts: Texts
    labels: Mapping[str, Label]
    held: Label | None
    confidence: float | None
    settled_by: str | None = None


def compared_labels(opinions: Mapping[str, Mapping[str, Answer]]) -> dict[str, dict[str, Any]]:
    """Return the labels of the examples to which at least two people have given one, by example and by annotator.

    Args:
        opinions: As `Store.opinions` gives them.
    """
    labels = {i: {name: one.label for name, one in of.items() if one.label is not None} for i, of in opinions.items()}
    return {example_id: of for example_id, of in labels.items() if len(of) >= 2}


def disagreements(store: Store) -> list[Disagreement]:
    """Return the texts about which people disagree: those to be settled, the least certain first, then the others.

    A text is as certain as the label that holds is by the method of the run; where the latest one holds, as the
    largest share of people who agree on a label.
    """
    plan, kind, names = store.plan or RunPlan(), store.kind, store.info.label_names
    differing = {
        example_id: of
        for example_id, of in compared_labels(store.opinions()).items()
        if any(label != next(iter(of.values())) for label in of.values())
    }
    held = store.current_answers()
    shares = combine(kind, names, list(differing.values()), "majority")
    found = []
    for (example_id, labels), by_vote in zip(differing.items(), shares, strict=True):
        answer = held[example_id]
        is_settled = answer.action == SETTLE
        confidence = None if is_settled or plan.aggregate_labels == "latest" else answer.probability
        settled_by = answer.annotator if is_settled else None
        by_name = dict(sorted(labels.items()))
        one = Disagreement(example_id, store.texts(example_id), by_name, answer.label, confidence, settled_by)
        certainty = confidence if confidence is not None else by_vote[1] if by_vote is not None else 0.0
        found.append((settled_by is not None, certainty, one))
    return [one for *_, one in sorted(found, key=lambda each: each[:2])]
