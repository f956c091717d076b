"""What several people have said of the same examples, as tables of whole numbers, and one label made of it."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from hfal.tasks.aggregation import Aggregate, dawid_skene, majority_vote
from hfal.tasks.agreement import label_confusion
from hfal.tasks.kinds import Kind, Label
from hfal.tasks.tags import OUTSIDE, entities, split_tag
from hfal.tasks.words import Texts, words_of


Opinions = Mapping[str, Any]
"""The labels that annotators give to one example, by their names."""


class OpinionTable(NamedTuple):
    """Opinions in the form of `hfal.tasks.agreement`.

    Attributes:
        name: The label that it is about, where a text may have several; else `None`.
        opinions: int64[N, A], -1 for no opinion.
        example: int64[N], the place of each row's example: a sentence has a row for each word.
        classes: The number of classes.
    """

    name: str | None
    opinions: np.ndarray
    example: np.ndarray
    classes: int


class Confusion(NamedTuple):
    """How often two labels were given to the same text, or word, by two people.

    Attributes:
        name: The label that it is about, where a text may have several; else `None`.
        classes: What may be said: the labels; of tags the types of entities, and `O`; of one label of a set whether
            it is left out or given.
        counts: int64[C, C], symmetric, as `hfal.tasks.agreement.label_confusion` has it.
    """

    name: str | None
    classes: Sequence[str]
    counts: np.ndarray


LEFT_OUT, GIVEN = "left out", "given"
"""What may be said of one label where a text may have several."""


def annotators_of(opinions: Sequence[Opinions]) -> list[str]:
    """Return who has an opinion, in alphabetical order."""
    return sorted({name for of in opinions for name in of})


def opinion_tables(
    kind: Kind, names: Sequence[str], opinions: Sequence[Opinions], annotators: Sequence[str] | None = None
) -> list[OpinionTable]:
    """Bring opinions to the form of `hfal.tasks.agreement`.

    One label for a text makes one table with a row for each text; sets make a table for each label, of whether it is
    in them; tags make one table with a row for each word. Of a sentence that has changed since only those opinions
    count that have as many words as the last one.

    Args:
        kind: The kind of the labels.
        names: The names of the labels.
        opinions: The labels of each example, by annotator; of an annotator who has none there is no entry.
        annotators: The columns; by default `annotators_of` the opinions.
    """
    annotators = annotators_of(opinions) if annotators is None else annotators
    column = {name: place for place, name in enumerate(annotators)}
    blocks, example = [], []
    for place, of in enumerate(opinions):
        rows = {name: kind.to_classes(label, names) for name, label in of.items()}
        height = len(rows[next(reversed(rows))]) if rows else 0
        block = np.full((height, len(annotators)), -1, np.int64)
        for name, classes in rows.items():
            if len(classes) == height:
                block[:, column[name]] = classes
        blocks.append(block)
        example += [place] * height
    table = np.concatenate(blocks) if blocks else np.empty((0, len(annotators)), np.int64)
    of_example = np.array(example, np.int64)
    if not kind.is_table_for_each_name:
        return [OpinionTable(None, table, of_example, len(names))]
    return [
        OpinionTable(name, table[place :: len(names)], of_example[place :: len(names)], 2)
        for place, name in enumerate(names)
    ]


def confusions(kind: Kind, names: Sequence[str], tables: Sequence[OpinionTable]) -> list[Confusion]:
    """Count in pairs of opinions which labels are given to the same text, or of tags which types to the same word.

    Args:
        kind: The kind of the labels.
        names: The names of the labels.
        tables: As `opinion_tables` makes them.
    """
    if kind.is_table_for_each_name:
        return [Confusion(one.name, (LEFT_OUT, GIVEN), label_confusion(one.opinions, 2)) for one in tables]
    of = [(split_tag(name)[1] or OUTSIDE) for name in names] if kind.of_words else list(names)
    classes = list(dict.fromkeys(of))
    places = np.array([*map(classes.index, of), -1])  # the last one for no opinion
    return [Confusion(one.name, classes, label_confusion(places[one.opinions], len(classes))) for one in tables]


def spoken(kind: Kind, label: Any, texts: Texts) -> str:
    """Say a label in words: the names of a set, or the entities that tags mark, `[Ann Lee]PER, [IBM]ORG`.

    Args:
        kind: The kind of the label.
        label: The label.
        texts: The texts of its example, by column.
    """
    if not kind.lists:
        return str(label)
    if not kind.of_words:
        return ", ".join(label) or "none of them"
    (text,) = texts.values()
    words = words_of(text)
    return ", ".join(f"[{' '.join(words[start:end])}]{name}" for start, end, name in entities(label)) or "no entity"


def combine(
    kind: Kind, names: Sequence[str], opinions: Sequence[Opinions], method: str
) -> list[tuple[Label, float] | None]:
    """Make one label of the opinions on each example.

    What all agree on stays as it is, and so does a single opinion, whatever a method finds of who gave it: with few
    opinions the methods that weigh annotators can take two who agree for wrong, and a rare label that one person gives
    would often become the frequent one. Of ties one is drawn, always the same. What is made of tags is brought to a
    whole number of entities.

    Args:
        kind: The kind of the labels.
        names: The names of the labels.
        opinions: The labels of each example, by annotator.
        method: `"majority"`, `"one_coin"` or `"dawid_skene"`, as `hfal.tasks.aggregation` has them.

    Returns:
        For each example its label, and its probability by the method: of a set the geometric mean over the labels, of
        tags over the words. `None` for an example without opinions.
    """
    classes: list[list[int]] = [[] for _ in opinions]
    posteriors: list[list[np.ndarray]] = [[] for _ in opinions]
    for table in opinion_tables(kind, names, opinions):
        made = _aggregate(table, method)
        labels = np.where(_agree(table.opinions), table.opinions.max(axis=1, initial=-1), made.labels)
        for place, label, posterior in zip(table.example, labels, made.posterior, strict=True):
            classes[place].append(int(label))
            posteriors[place].append(posterior)
    combined: list[tuple[Label, float] | None] = []
    for of, found, each in zip(opinions, classes, posteriors, strict=True):
        if not of:
            combined.append(None)
            continue
        said = [*of.values()]
        label = said[0] if all(one == said[0] for one in said) else kind.from_classes(found, names)
        chosen = [posterior[one] for posterior, one in zip(each, found, strict=True)]
        with np.errstate(divide="ignore"):
            combined.append((label, float(np.exp(np.mean(np.log(chosen)))) if chosen else 1.0))
    return combined


def class_posteriors(kind: Kind, names: Sequence[str], opinions: Sequence[Opinions], method: str) -> np.ndarray:
    """Return the probability of each class, float64[N, C], where each text has one label.

    Args:
        kind: The kind of the labels.
        names: The names of the classes.
        opinions: The labels of each example, by annotator; at least one.
        method: As `combine` takes it.
    """
    (table,) = opinion_tables(kind, names, opinions)
    return _aggregate(table, method).posterior


def _agree(opinions: np.ndarray) -> np.ndarray:
    """Return in which rows of int[N, A] all opinions are the same, bool[N]."""
    return np.asarray(((opinions < 0) | (opinions == opinions.max(axis=1, keepdims=True, initial=-1))).all(axis=1))


def _aggregate(table: OpinionTable, method: str) -> Aggregate:
    if method == "majority":
        return majority_vote(table.opinions, table.classes)
    return dawid_skene(table.opinions, table.classes, one_coin=method == "one_coin")
