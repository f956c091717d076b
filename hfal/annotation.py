"""From a recorded query to recorded answers: asks the annotator, commits each answer, then lets it go on."""

import logging
from dataclasses import replace

from hfal.annotators.protocol import Annotator, OpenQuery, Question
from hfal.errors import AnswersPending
from hfal.pool import Pool
from hfal.store import Query


logger = logging.getLogger(__name__)


def open_query(pool: Pool, query: Query) -> OpenQuery:
    """A query as annotators see it: what nobody has answered yet."""
    answered = pool.store.current_answers()
    left = [e for e in query.examples if e.example_id not in answered]
    texts = pool.texts([pool.position(e.example_id) for e in left]) if left else []
    return OpenQuery(
        number=query.number,
        purpose=query.purpose,
        round=query.round,
        size=len(query.examples),
        questions=tuple(
            Question(e.example_id, t, e.suggestion, e.confidence) for e, t in zip(left, texts, strict=True)
        ),
        label_names=pool.label_names,
        run_dir=pool.run_dir,
        texts_of=lambda example_id: pool.texts([pool.position(example_id)])[0],
    )


def collect(pool: Pool, annotator: Annotator) -> None:
    """Record what was answered, or corrected, since the last query was closed. Nobody is asked anything."""
    closed = [query for query in pool.store.queries() if query.closed]
    if closed:
        _record(pool, annotator, replace(open_query(pool, closed[-1]), questions=()))


def ask(pool: Pool, annotator: Annotator) -> None:
    """Have every query that is still open answered.

    Raises:
        AnswersPending: Some questions need a person; all queries have been asked first.
        AnnotationError: An answer cannot be recorded; those before it are.
    """
    waiting = []
    for query in pool.store.open_queries():
        questions = open_query(pool, query)
        if questions.questions:
            _record(pool, annotator, questions)
            questions = open_query(pool, query)
        wanted = annotator.waiting_for(questions) if questions.questions else None
        if wanted is None:
            pool.store.close_query(query.number)
        else:
            waiting.append(f"Query {query.number} ({_purpose(query)}): {wanted}")
    if waiting:
        message = "\n".join(waiting)
        logger.warning("%s", message)  # of a SystemExit Python takes the exit code, but prints nothing
        raise AnswersPending(message)


def _record(pool: Pool, annotator: Annotator, query: OpenQuery) -> None:
    for answer in annotator.annotate(query):
        pool.record(replace(answer, annotator=answer.annotator or annotator.name, query=answer.query or query.number))


def _purpose(query: Query) -> str:
    return {"holdout": "held-out examples", "seed": "seed set"}.get(query.purpose, f"of round {query.round}")
