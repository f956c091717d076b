"""From a recorded query to recorded answers: in what order queries are asked, and what is recorded when."""

import os
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

from hfal.annotators.asking import ask, check_team, collect, open_query, take_in_files
from hfal.annotators.base import OpenQuery
from hfal.annotators.file.annotator import FileAnnotator
from hfal.annotators.simulated import SimulatedAnnotator
from hfal.annotators.terminal.annotator import TerminalAnnotator
from hfal.annotators.web.annotator import WebAnnotator
from hfal.data.pool import Pool
from hfal.data.run_checks import record_shown
from hfal.errors import AnnotationError, AnswersPending, ArgumentError
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
    ask_in_vain(pool, FileAnnotator(name="bob"))
    fill(pool.run_dir / "query-001.jsonl", {ids[1]: "negative"})
    take_in_files(pool.store)
    assert [(a.example_id, a.label, a.annotator) for a in pool.store.answers()] == [(ids[1], "negative", "bob")]
    (query,) = pool.store.open_queries()
    questions = open_query(pool.store, query)
    assert [question.example_id for question in questions.questions] == [ids[0], ids[2]]
    assert (questions.size, questions.labels_bought, questions.label_names) == (3, 1, ("negative", "positive"))
    assert [answer.example_id for answer in questions.answers()] == [ids[1]]


# -- files that others go on from ----------------------------------------------------------------------------------


class Truth:
    """Labels that data has, every one of them positive."""

    label_column = "label"

    def hidden_label(self, example_id: str) -> str:
        return "positive"


def said(pool: Pool) -> list[tuple[str, Any, str, str | None]]:
    return [(a.example_id, a.label, a.action, a.annotator) for a in pool.store.answers()]


@pytest.mark.parametrize("next_one", ["terminal", "other format", "simulated"])
@pytest.mark.parametrize("format", ["csv", "jsonl"])
@pytest.mark.parametrize("elsewhere", [False, True], ids=["run directory", "own folder"])
def test_what_is_filled_in_in_a_file_is_read_whoever_is_asked_next(
    pool: Pool, tmp_path: Path, format: str, next_one: str, elsewhere: bool
) -> None:
    ids = ids_of(pool)
    add_query(pool, ids[:3])
    folder = tmp_path / "sent to bob" if elsewhere else pool.run_dir
    ask_in_vain(pool, FileAnnotator(format, folder if elsewhere else None, name="bob"))
    fill(folder / f"query-001.{format}", {ids[0]: "negative", ids[2]: "skip"})
    of_bob = [(ids[0], "negative", "label", "bob"), (ids[2], None, "skip", "bob")]
    if next_one == "other format":
        other = FileAnnotator({"csv": "jsonl", "jsonl": "csv"}[format])
        assert "1 text waits" in ask_in_vain(pool, other)
        assert "1 text waits" in ask_in_vain(pool, other)
        assert said(pool) == of_bob
    else:
        annotator: Any = Scripted(positive) if next_one == "terminal" else SimulatedAnnotator(Truth())
        ask(pool.store, annotator)
        assert said(pool) == [*of_bob, (ids[1], "positive", "label", annotator.name)]
        assert getattr(annotator, "asked", [(1, [ids[1]])]) == [(1, [ids[1]])]
        assert not pool.store.open_queries()

    collect(pool.store, Scripted(lambda query: iter([])))
    assert said(pool)[:2] == of_bob
    assert len(pool.store.answers()) == (2 if next_one == "other format" else 3)
    fill(folder / f"query-001.{format}", {ids[2]: "positive"})  # now that the query is closed, or still is not
    collect(pool.store, Scripted(lambda query: iter([])))
    assert said(pool)[-1] == (ids[2], "positive", "correct", "bob")


@pytest.mark.parametrize("reader", ["the same file annotator", "another annotator", "hfal label"])
def test_a_file_that_was_read_does_not_take_a_correction_back(pool: Pool, reader: str) -> None:
    ids = ids_of(pool)
    add_query(pool, ids[:3])
    ask_in_vain(pool, FileAnnotator("csv", name="bob"))
    fill(pool.run_dir / "query-001.csv", {ids[0]: "negative"})
    take_in_files(pool.store)
    pool.record(Answer(ids[0], "positive", annotator="bob", query=1))  # in the terminal, under the same name
    if reader == "hfal label":
        take_in_files(pool.store)
    else:
        ask(pool.store, FileAnnotator("csv", name="bob") if reader.startswith("the same") else Scripted(positive))
    assert said(pool)[:2] == [(ids[0], "negative", "label", "bob"), (ids[0], "positive", "correct", "bob")]
    assert pool.labels()[ids[0]] == "positive"
    fill(pool.run_dir / "query-001.csv", {ids[1]: "positive"})  # which leaves the first row as it is
    take_in_files(pool.store)
    assert pool.labels()[ids[0]] == "positive"
    fill(pool.run_dir / "query-001.csv", {ids[0]: "skip"})
    take_in_files(pool.store)
    assert ids[0] not in pool.labels()


def test_a_file_that_an_older_hfal_has_read_is_not_recorded_again_under_another_name(pool: Pool) -> None:
    ids = ids_of(pool)
    add_query(pool, ids[:2])
    ask_in_vain(pool, FileAnnotator("csv", name="anna"))
    fill(pool.run_dir / "query-001.csv", {ids[0]: "negative", ids[1]: "positive"})
    pool.store.set_meta("query_files", {})  # it noted nothing
    pool.record(Answer(ids[0], "negative", annotator="anna", query=1))
    pool.record(Answer(ids[0], "positive", annotator="bob", query=1))
    ask(pool.store, Scripted(positive))
    assert said(pool)[2:] == [(ids[1], "positive", "label", "file")]
    assert pool.labels()[ids[0]] == "positive"


def test_nobody_is_asked_while_a_file_has_an_error(pool: Pool) -> None:
    ids = ids_of(pool)
    add_query(pool, ids[:2])
    ask_in_vain(pool, FileAnnotator("csv"))
    fill(pool.run_dir / "query-001.csv", {ids[0]: "negative", ids[1]: "perhaps"})
    before = (pool.run_dir / "query-001.csv").read_bytes()
    annotator = Scripted(positive)
    with pytest.raises(AnnotationError, match=r"query-001\.csv has 1 error \(.*; nothing .*\n.*'perhaps' is no label"):
        ask(pool.store, annotator)
    assert (annotator.asked, said(pool)) == ([], [])
    assert (pool.run_dir / "query-001.csv").read_bytes() == before


def test_files_of_two_formats_that_contradict_each_other_are_refused(pool: Pool) -> None:
    ids = ids_of(pool)
    add_query(pool, ids[:2])
    for format in ("csv", "jsonl"):
        ask_in_vain(pool, FileAnnotator(format))
    fill(pool.run_dir / "query-001.csv", {ids[0]: "negative", ids[1]: "positive"})
    fill(pool.run_dir / "query-001.jsonl", {ids[0]: "negative", ids[1]: "negative"})
    with pytest.raises(AnnotationError, match=rf"query-001\.csv and .*query-001\.jsonl have different .* '{ids[1]}'"):
        ask(pool.store, Scripted(positive))
    assert said(pool) == []
    fill(pool.run_dir / "query-001.jsonl", {ids[1]: ""})
    ask(pool.store, Scripted(positive))
    assert said(pool) == [(ids[0], "negative", "label", "file"), (ids[1], "positive", "label", "file")]


@pytest.mark.parametrize("other", ["query-001.jsonl", "query-1.csv"])
def test_a_file_that_contradicts_those_of_the_annotator_asked_is_refused(pool: Pool, other: str) -> None:
    ids = ids_of(pool)
    add_query(pool, ids[:2])
    for format in ("jsonl", "csv"):
        ask_in_vain(pool, FileAnnotator(format))
    if other == "query-1.csv":
        shutil.copy(pool.run_dir / "query-001.csv", pool.run_dir / other)
    fill(pool.run_dir / "query-001.csv", {ids[0]: "negative", ids[1]: "positive"})
    fill(pool.run_dir / other, {ids[0]: "negative", ids[1]: "negative"})
    with pytest.raises(AnnotationError, match=rf"have different labels for '{ids[1]}'"):
        ask(pool.store, FileAnnotator("csv"))
    assert said(pool) == []


def test_a_pipe_in_the_place_of_a_file_is_refused_and_not_waited_for(pool: Pool) -> None:
    add_query(pool, ids_of(pool)[:2])
    os.mkfifo(pool.run_dir / "query-001.csv")
    with pytest.raises(AnnotationError, match=r"query-001\.csv is no file: move it away"):
        ask(pool.store, FileAnnotator("csv"))


@pytest.mark.parametrize("name", ["query-001 (1).csv", "query-001.CSV", "Query-001.csv", "query-001 copy.jsonl"])
def test_a_file_that_is_not_read_because_of_its_name_is_said(
    pool: Pool, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    add_query(pool, ids_of(pool)[:2])
    ask_in_vain(pool, FileAnnotator("csv"))
    assert "is not read" not in caplog.text
    (pool.run_dir / "query-001.csv").rename(pool.run_dir / name)
    ask_in_vain(pool, FileAnnotator("csv"))
    assert f"{name} is not read: files with answers are called query-001.csv, query-002.csv, ..." in caplog.text


# -- names of annotators -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["dataset", "Dataset", "", " ", "a\nb", "a\x1b[2J", "a\u200bb", " anna", None, 3, "\ud800"]
)
@pytest.mark.parametrize("start", [ask, collect])
def test_an_annotator_of_a_name_that_cannot_be_recorded_is_not_asked(
    pool: Pool, name: Any, start: Callable[..., None]
) -> None:
    add_query(pool, ids_of(pool)[:2])
    annotator = Scripted(positive)
    annotator.name = name
    with pytest.raises(ArgumentError, match=r"^the name of the annotator \(Scripted\) is ") as error:
        start(pool.store, annotator)
    assert str(error.value).isprintable()
    assert (annotator.asked, pool.store.answers()) == ([], [])


def test_an_answer_that_names_the_data_as_its_annotator_is_refused_and_those_before_it_are_kept(pool: Pool) -> None:
    ids = ids_of(pool)
    add_query(pool, ids[:2])
    ours = [Answer(ids[0], "positive"), Answer(ids[1], "positive", annotator="dataset")]
    with pytest.raises(AnnotationError, match=r"annotator 'dataset', but 'dataset' is kept for labels that came with"):
        ask(pool.store, Scripted(lambda query: iter(ours)))
    assert said(pool) == [(ids[0], "positive", "label", "ann")]
    assert pool.labels_bought() == 1


@pytest.mark.parametrize("name", ["simulated", "model:gpt", "Model:gpt", "dataset", ""])
@pytest.mark.parametrize("make", [TerminalAnnotator, partial(FileAnnotator, "csv")])
def test_people_have_no_names_that_say_that_nobody_labels(make: Callable[..., Any], name: str) -> None:
    with pytest.raises(ArgumentError, match=r"^name is '"):
        make(name=name)
    for good in ("anna", "Анна 2", "می‌خواهم", "annotator-1"):
        assert make(name=good).name == good


def test_an_annotator_of_ones_own_sees_other_columns_if_it_wants(tmp_path, texts):
    data = Dataset.from_dict({"text": texts[:2], "n": [1, None]})
    pool = Pool(data, tmp_path, "text", label_names=["negative", "positive"], show_columns=["n"])
    ids = ids_of(pool)
    add_query(pool, ids)
    record_shown(pool.store, pool._examples)
    seen: list[OpenQuery] = []

    def answers_to(query: OpenQuery) -> Iterator[Answer]:
        seen.append(query)
        yield from (Answer(question.example_id, "positive") for question in query.questions)

    ask(pool.store, Scripted(answers_to))
    (query,) = seen
    assert query.shown_columns == ("n",)
    assert [question.shown for question in query.questions] == [{"n": "1"}, {}]
    assert [query.shown_of(i) for i in ids] == [{"n": "1"}, {}]
    assert query.shown_of("nobody") == {}
    assert pool.labels() == dict.fromkeys(ids, "positive")


# -- several people ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("people", "overlap", "fits"),
    [
        (None, 1, True),
        (None, 2, False),
        ([], 2, False),
        (["anna"], 2, False),
        (["anna", "ben"], 2, True),
        (["anna", "ben"], 3, False),
        (["anybody"], 9, True),
    ],
)
def test_a_team_has_as_many_people_as_are_to_label_a_text(people: Any, overlap: int, fits: bool) -> None:
    annotator = Scripted(positive)
    if people is not None:
        annotator.annotators = people  # type: ignore[attr-defined]
    if fits:
        check_team(annotator, overlap)
        return
    with pytest.raises(ArgumentError, match=rf"^overlap={overlap} .*: name more, or lower it$"):
        check_team(annotator, overlap)


@pytest.mark.parametrize(
    "make",
    [
        partial(TerminalAnnotator, "ben"),
        partial(WebAnnotator, open_browser=False),
        partial(FileAnnotator, "csv"),
    ],
)
def test_nobody_comes_back_in_other_capitals(pool: Pool, make: Callable[..., Any]) -> None:
    """Who did would be given their own texts."""
    ids = ids_of(pool)
    add_query(pool, ids[:2])
    pool.record(Answer(ids[0], "negative", annotator="Zoë"))
    for ask_or_collect in (ask, collect):
        with pytest.raises(ArgumentError, match="annotators has 'ZOË', but there are labels of 'Zoë': write it so"):
            ask_or_collect(pool.store, make(annotators=["ben", "ZOË"]))
    collect(pool.store, make(annotators=["ben", "Zoë"]))
