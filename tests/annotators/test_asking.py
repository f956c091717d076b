"""From a recorded query to recorded answers: in what order queries are asked, and what is recorded when."""

from collections.abc import Callable, Iterator

import pytest

from hfal.annotators.asking import ask, collect, open_query, take_in_files
from hfal.annotators.base import OpenQuery
from hfal.annotators.file.annotator import FileAnnotator
from hfal.data.pool import Pool
from hfal.errors import AnswersPending
from hfal.store.records import Answer
from support.query_files import add_query, ask_in_vain, fill, ids_of, unlabeled_ids


def test_waits_for_every_open_query_at_once(pool: Pool) -> None:
    ids = ids_of(pool)
    add_query(pool, ids[:2], purpose="holdout")
    add_query(pool, ids[2:4], purpose="seed")
    annotator = FileAnnotator()
    message = ask_in_vain(pool, annotator)
    assert "held-out" in message
    assert "seed set" in message
    first, second = (pool.run_dir / f"query-00{number}.jsonl" for number in (1, 2))
    assert str(first) in message
    assert str(second) in message

    fill(first, {ids[0]: "negative"})
    message = ask_in_vain(pool, annotator)  # one may come back before the other
    assert str(first) not in message
    assert str(second) in message
    assert pool.labels() == {ids[0]: "negative"}


class Scripted:
    """An annotator who does what a test says, and notes which queries they are given."""

    name = "ann"
    at_once = False

    def __init__(self, answers_to: Callable[[OpenQuery], Iterator[Answer]], leaves: bool = False):
        self.answers_to = answers_to
        self.leaves = leaves
        self.asked: list[tuple[int, list[str]]] = []

    def annotate(self, query: OpenQuery) -> Iterator[Answer]:
        self.asked.append((query.number, [question.example_id for question in query.questions]))
        yield from self.answers_to(query)

    def waiting_for(self, query: OpenQuery) -> str | None:
        return f"{len(query.questions)} are left" if self.leaves else None


def positive(query: OpenQuery) -> Iterator[Answer]:
    return (Answer(question.example_id, "positive") for question in query.questions)


def test_each_answer_is_recorded_before_the_next_one_is_asked_for(pool: Pool) -> None:
    ids = ids_of(pool)
    add_query(pool, ids[:3])
    recorded = []

    def one_by_one(query: OpenQuery) -> Iterator[Answer]:
        for answer in positive(query):
            yield answer
            recorded.append(len(pool.store.answers()))
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"):
        ask(pool.store, Scripted(one_by_one))
    assert recorded == [1, 2, 3]
    assert [(a.annotator, a.query) for a in pool.store.answers()] == [("ann", 1)] * 3


def test_of_an_annotator_who_answers_at_once_all_is_recorded_or_nothing(pool: Pool) -> None:
    add_query(pool, ids_of(pool)[:3])

    def broken(query: OpenQuery) -> Iterator[Answer]:
        yield from positive(query)
        raise OSError("the disk is full")

    annotator = Scripted(broken)
    annotator.at_once = True
    with pytest.raises(OSError, match="the disk is full"):
        ask(pool.store, annotator)
    assert pool.store.answers() == []


def test_all_queries_are_asked_before_the_run_waits_for_any(pool: Pool) -> None:
    ids = ids_of(pool)
    add_query(pool, ids[:2], purpose="holdout")
    add_query(pool, ids[2:5])
    first_of = Scripted(lambda query: iter([*positive(query)][:1]), leaves=True)
    with pytest.raises(AnswersPending) as stop:
        ask(pool.store, first_of)
    assert first_of.asked == [(1, ids[:2]), (2, ids[2:5])]
    assert stop.value.message == "Query 1 (held-out examples): 1 are left\nQuery 2 (of round 1): 2 are left"
    assert len(pool.store.open_queries()) == 2
    rest = Scripted(positive)
    ask(pool.store, rest)
    assert rest.asked == [(1, ids[1:2]), (2, ids[3:5])]  # nobody is asked twice
    assert pool.store.open_queries() == []


def test_what_nobody_waits_for_goes_back_to_the_unlabeled(pool: Pool) -> None:
    ids = ids_of(pool)
    add_query(pool, ids[:3])
    ask(pool.store, Scripted(lambda query: iter([*positive(query)][:1])))
    assert pool.store.open_queries() == []
    assert unlabeled_ids(pool) == ids[1:]


def test_late_answers_are_collected_without_a_question(pool: Pool) -> None:
    ids = ids_of(pool)
    late = Scripted(lambda query: iter([Answer(ids[1], "negative", annotator="bob")]))
    collect(pool.store, late)
    assert late.asked == []  # no query has been closed
    add_query(pool, ids[:2])
    ask(pool.store, Scripted(lambda query: iter([*positive(query)][:1])))
    add_query(pool, ids[2:4])
    collect(pool.store, late)
    assert late.asked == [(1, [])]
    assert [(a.example_id, a.annotator, a.query) for a in pool.store.answers()] == [
        (ids[0], "ann", 1),
        (ids[1], "bob", 1),
    ]


def test_files_of_open_queries_are_taken_in_so_far_as_they_are_filled(pool: Pool) -> None:
    ids = ids_of(pool)
    add_query(pool, ids[:3])
    ask_in_vain(pool, FileAnnotator())
    fill(pool.run_dir / "query-001.jsonl", {ids[1]: "negative"})
    take_in_files(pool.store, "bob")
    assert [(a.example_id, a.label, a.annotator) for a in pool.store.answers()] == [(ids[1], "negative", "bob")]
    (query,) = pool.store.open_queries()
    questions = open_query(pool.store, query)
    assert [question.example_id for question in questions.questions] == [ids[0], ids[2]]
    assert (questions.size, questions.labels_bought, questions.label_names) == (3, 1, ("negative", "positive"))
    assert [answer.example_id for answer in questions.answers()] == [ids[1]]
