"""The rows of an export: every label that holds, with its texts, and where it came from."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from hfal.errors import ArgumentError, RunDirectoryError
from hfal.export.files import SHOWN, SPLITS, WORDS, Feature, Row, list_of, value
from hfal.store.answer_log import SETTLE
from hfal.store.records import DATASET, Answer, Queried, Query
from hfal.store.shown_columns import names_in_files
from hfal.store.store import Store
from hfal.tasks.spans import spans_from_tags
from hfal.tasks.words import Texts, words_of
from hfal.utils.csv_files import column_for
from hfal.utils.output import get_logger


logger = get_logger(__name__)

_SPANS = list_of({"start": value("int64"), "end": value("int64"), "label": value("string")})
PROVENANCE = {  # columns and their types
    "al_split": "string",
    "al_query": "int32",
    "al_round": "int32",
    "al_rank": "int32",
    "al_score": "float64",
    "al_strategy": "string",
    "al_suggestion": "string",
    "al_confidence": "float64",
    "al_annotator": "string",
    "al_comment": "string",
    "al_labeled_at": "timestamp[us, tz=UTC]",
}
OF_SEVERAL = {"al_opinions": "int32", "al_probability": "float64", "al_settled": "bool"}
"""Columns that there are beside `PROVENANCE` where several people have labeled one example, or settled its label."""

OF_ADDED = {"al_origin": "string", "al_parent": "string", "al_method": "string"}
"""Columns that there are beside these where one of the exported examples is none of the user's data."""

_OURS = ("id", "label", *PROVENANCE, *OF_SEVERAL, *OF_ADDED)

_OF_RAW_TEXT = ("tokens", "spans")


class HasExamples(Protocol):
    """The texts of a whole pool: a `Pool`, or `hfal.data.identity.Examples`, which needs no torch."""

    def examples(self) -> Iterator[tuple[str, Texts]]:
        """Yield id and texts, by column, of every example."""
        ...

    def all_shown(self) -> Iterator[dict[str, str]]:
        """Yield what is shown beside the texts, by column, of every example, in the order of `examples`."""
        ...


def renamed(answers: Iterable[Answer], names: Mapping[str, str]) -> list[Answer]:
    """Return answers with other names of their annotators.

    Args:
        answers: The answers.
        names: The names in the export, by the names in the log; whoever is not in it keeps its own.
    """
    return [replace(a, annotator=names.get(str(a.annotator), a.annotator)) for a in answers]


def read_rows(
    store: Store, names: Mapping[str, str], unlabeled: HasExamples | None, leave_out: Collection[str] = ()
) -> tuple[dict[str, Feature], list[Row], dict[str, str], dict[str, str]]:
    """Return the columns with their types, the rows, and the names of text columns and of shown columns in them.

    Args:
        store: What the run knows.
        names: As `renamed` takes them.
        unlabeled: The pool, to have rows of its unlabeled examples too.
        leave_out: Of `hfal.store.records.ORIGINS` those of examples that get no row.

    Raises:
        ArgumentError: `unlabeled` is another pool.
        RunDirectoryError: The run has no label yet, or only labels of what is left out.
    """
    current = [answer for answer in store.current_answers().values() if answer.label is not None]
    labeled = {answer.example_id: answer for answer in renamed(current, names)}
    if not labeled:
        raise RunDirectoryError(f"no labels in {store.run_dir} yet: answer a query, then export them")
    opinions = {i: sum(one.label is not None for one in of.values()) for i, of in store.opinions().items()}
    of_several = any(opinions.get(i, 0) > 1 or answer.action == SETTLE for i, answer in labeled.items())
    asked: dict[str, list[tuple[int, Query, Queried]]] = {}
    for query in store.queries():
        for rank, example in enumerate(query.examples):
            asked.setdefault(example.example_id, []).append((rank, query, example))
    held_out = store.holdout_ids()
    origins = {i: _origin(answer, asked.get(i, [])) for i, answer in labeled.items()}
    texts_of = {i: store.texts(i) if origin is None else origin[2].texts for i, origin in origins.items()}
    of_raw_text = _OF_RAW_TEXT if store.kind.of_words and _is_raw(texts_of.values()) else ()

    rows = []
    text_columns: dict[str, str] = {}
    features: dict[str, Feature] = {"id": value("string")}
    for example_id, answer in labeled.items():
        origin, texts = origins[example_id], texts_of[example_id]
        row: Row = {"id": example_id, "label": answer.label, "al_split": SPLITS[example_id in held_out]}
        for name, text in texts.items():
            column = text_columns.setdefault(name, column_for(name, (*_OURS, *of_raw_text)))
            features[column] = value("string") if isinstance(text, str) else WORDS
            row[column] = text
            if of_raw_text and isinstance(text, str):
                row.update(tokens=words_of(text), spans=spans_from_tags(text, answer.label))
        if origin is not None:
            rank, query, example = origin
            row.update(al_query=query.number, al_round=query.round, al_rank=rank, al_strategy=query.strategy)
            row.update(al_score=example.score, al_suggestion=example.suggestion, al_confidence=example.confidence)
        row.update(al_annotator=answer.annotator, al_comment=answer.comment)
        if answer.annotator != DATASET:
            row["al_labeled_at"] = answer.time
            if of_several:
                row.update(al_opinions=opinions.get(example_id, 0), al_probability=answer.probability)
                row["al_settled"] = answer.action == SETTLE
        rows.append(row)
    added = store.origins()
    if all(row["id"] in added and added[row["id"]].origin in leave_out for row in rows):
        raise RunDirectoryError(
            f"all labels in {store.run_dir} are of examples of the origins {', '.join(leave_out)}, "
            "which leave_out has: name fewer"
        )
    shown_columns = names_in_files(store.shown_columns, text_columns.values())
    shown = store.shown_values()
    for row in rows:
        row |= {shown_columns[name]: value for name, value in shown.get(row["id"], {}).items()}
    features |= dict.fromkeys(shown_columns.values(), SHOWN)
    if unlabeled is not None:
        rows += _unlabeled_rows(store, unlabeled, labeled, text_columns, shown_columns, of_raw_text)
    rows = [row for row in rows if row["id"] not in added or added[row["id"]].origin not in leave_out]
    of_added = [row for row in rows if row["id"] in added]
    for row in of_added:
        row["al_origin"], row["al_parent"], row["al_method"] = added[row["id"]]
    for name, column in text_columns.items():
        if name != column:
            logger.warning(
                "the text column %r is called %r in the export, which has a %r of its own", name, column, name
            )
    for name, column in shown_columns.items():
        if name != column:
            logger.warning("the column %r is called %r in the export, to tell it from one of hfal's", name, column)
    features |= {column: _SPANS if column == "spans" else WORDS for column in of_raw_text}
    features["label"] = store.kind.feature(store.info.label_names)
    provenance = PROVENANCE | (OF_SEVERAL if of_several else {}) | (OF_ADDED if of_added else {})
    features |= {column: value(dtype) for column, dtype in provenance.items()}
    if store.kind.lists:
        features["al_suggestion"] = WORDS
    return features, rows, text_columns, shown_columns


def _unlabeled_rows(
    store: Store,
    pool: HasExamples,
    labeled: Mapping[str, Answer],
    text_columns: Mapping[str, str],
    shown_columns: Mapping[str, str],
    of_raw_text: Sequence[str],
) -> list[Row]:
    """Return the rows of all examples that have no label."""
    rows, missing = [], {*labeled, *store.contents()}
    for (example_id, texts), shown in zip(pool.examples(), pool.all_shown(), strict=True):
        missing.discard(example_id)
        if example_id in labeled:
            continue
        if not texts.keys() <= text_columns.keys():
            raise ArgumentError(
                f"unlabeled has the text columns {', '.join(texts)}, the run {', '.join(text_columns)}: pass its pool"
            )
        row: Row = {"id": example_id, "al_split": "unlabeled"}
        row |= {text_columns[name]: text for name, text in texts.items()}
        row |= {shown_columns[name]: value for name, value in shown.items() if name in shown_columns}
        for text in texts.values():
            if of_raw_text and isinstance(text, str):
                row["tokens"] = words_of(text)
        rows.append(row)
    if missing:
        raise ArgumentError(
            f"unlabeled is another pool: it lacks {len(missing)} of the examples of the run in {store.run_dir}, such "
            f"as {min(missing)!r}"
        )
    return rows


def _is_raw(texts: Iterable[Texts]) -> bool:
    return any(isinstance(text, str) for of_one in texts for text in of_one.values())


def _origin(answer: Answer, asked: Sequence[tuple[int, Query, Queried]]) -> tuple[int, Query, Queried] | None:
    """Return the query of an answer: the one that it names, or the last one before that with its example."""
    if answer.annotator == DATASET:
        return None
    before = [place for place in asked if answer.query is None or place[1].number <= answer.query]
    return before[-1] if before else None
