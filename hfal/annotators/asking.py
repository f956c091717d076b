"""Ask an annotator the open queries, and record each answer before the annotator goes on."""

import contextlib
from dataclasses import replace

from hfal.annotators.base import Annotator, OpenQuery, Question
from hfal.annotators.file.annotator import FileAnnotator, query_files
from hfal.errors import AnswersPending
from hfal.store.records import DATASET, Answer, Query
from hfal.store.run_info import RunPlan
from hfal.store.store import Store
from hfal.tasks.kinds import kind_of
from hfal.utils.output import get_logger


logger = get_logger(__name__)


def open_query(store: Store, query: Query, may_wait: bool = True) -> OpenQuery:
    """A query as annotators see it: what nobody has answered yet."""
    answered = store.current_answers()
    plan, info = store.plan or RunPlan(), store.info
    return OpenQuery(
        number=query.number,
        purpose=query.purpose,
        round=query.round,
        size=len(query.examples),
        questions=tuple(
            Question(e.example_id, e.texts, e.suggestion, e.confidence)
            for e in query.examples
            if e.example_id not in answered
        ),
        label_names=info.label_names,
        run_dir=store.run_dir,
        texts_of=store.texts,
        answers=lambda: _said(store),
        labels_bought=store.labels_bought(),
        budget=plan.budget,
        rounds=plan.rounds,
        task=kind_of(info.task).task,
        scheme=info.scheme or "IOB2",
        unit=plan.unit,
        words_bought=store.words_bought(),
        may_wait=may_wait,
    )


def collect(store: Store, annotator: Annotator) -> None:
    """Record what was answered, or corrected, since the last query was closed. Nobody is asked anything."""
    closed = [query for query in store.queries() if query.closed]
    if closed:
        _record(store, annotator, replace(open_query(store, closed[-1], may_wait=False), questions=()))


def take_in_files(store: Store, name: str = "file") -> None:
    """Record what is filled in so far in the files of open queries, so that nobody else is asked that again.

    Args:
        store: The run's store.
        name: Who fills in the files.

    Raises:
        AnnotationError: The files have errors; nothing of them is recorded.
    """
    for query in store.open_queries():
        for path in query_files(store.run_dir, query.number):
            annotator = FileAnnotator(path.suffix.removeprefix("."), name=name)
            _record(store, annotator, open_query(store, query, may_wait=False))


def ask(store: Store, annotator: Annotator, may_wait: bool = True) -> None:
    """Have every query that is still open answered.

    Args:
        store: The run's store.
        annotator: Who answers.
        may_wait: Whether there is time to wait for a person.

    Raises:
        AnswersPending: Some questions need a person; all queries have been asked first.
        AnnotationError: An answer cannot be recorded; those before it are.
    """
    waiting: list[str] = []
    asked: set[int] = set()

    def is_next(query: Query) -> bool:
        # An answer that is taken back may open an earlier query again; whoever leaves then wants to leave that, too.
        return query.number not in asked and not (waiting and query.number < max(asked))

    while query := next(filter(is_next, store.open_queries()), None):
        asked.add(query.number)
        questions = open_query(store, query, may_wait)
        if questions.questions:
            _record(store, annotator, questions)
            questions = open_query(store, query, may_wait)
        wanted = annotator.waiting_for(questions) if questions.questions else None
        if wanted is None:
            store.close_query(query.number)
        else:
            waiting.append(f"Query {query.number} ({_purpose(query)}): {wanted}")
    if waiting:
        message = "\n".join(waiting)
        for line in message.split("\n"):  # of a SystemExit Python takes the exit code, but prints nothing
            logger.warning("%s", line)
        raise AnswersPending(message)


def _record(store: Store, annotator: Annotator, query: OpenQuery) -> None:
    with store.at_once() if getattr(annotator, "at_once", False) else contextlib.nullcontext():
        for answer in annotator.annotate(query):
            name = answer.annotator or annotator.name
            store.record(replace(answer, annotator=name, query=answer.query or query.number))


def _said(store: Store) -> list[Answer]:
    said = [answer for answer in store.answers_by_annotator().values() if answer.annotator != DATASET]
    return sorted(said, key=lambda answer: answer.number or 0)


def _purpose(query: Query) -> str:
    return {"holdout": "held-out examples", "seed": "seed set"}.get(query.purpose, f"of round {query.round}")
