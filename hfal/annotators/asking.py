"""Ask an annotator the open queries, and record each answer before the annotator goes on."""

import contextlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import cache
from pathlib import Path

from hfal.annotators.base import Annotator, OpenQuery, Question
from hfal.annotators.file.annotator import FileAnnotator
from hfal.annotators.file.file_log import FileLog, files_in, log_read, misnamed_in, number_of
from hfal.annotators.file.parts import file_name_of, files_of_people, is_of_a_person
from hfal.errors import AnnotationError, AnswersPending, ArgumentError
from hfal.store.annotator_names import ANYBODY, check_annotator_name
from hfal.store.records import AHEAD, DATASET, HEAD, STREAM, SYNTHESIS, Answer, Queried, Query
from hfal.store.run_info import RunPlan
from hfal.store.store import Store
from hfal.tasks.kinds import kind_of
from hfal.utils.output import get_logger, shown_line
from hfal.utils.spelling import joined_names, shown


logger = get_logger(__name__)


def open_query(store: Store, query: Query, may_wait: bool = True) -> OpenQuery:
    """A query as annotators see it: what nobody has answered yet, or not as many as are to answer."""
    left = store.opinions_left(query)
    plan, info = store.plan or RunPlan(), store.info
    shown = store.shown_values()

    def question(asked: Queried) -> Question:
        beside = shown.get(asked.example_id, {})
        opinions = left.get(asked.example_id, 0)
        is_made_up = asked.origin == SYNTHESIS
        return Question(
            asked.example_id, asked.texts, asked.suggestion, asked.confidence, beside, opinions, is_made_up
        )

    @cache  # only who looks back at answers needs it
    def asked_last() -> dict[str, Queried]:
        return {asked.example_id: asked for one in store.queries() for asked in one.examples}

    def question_of(example_id: str) -> Question | None:
        asked = asked_last().get(example_id)
        return None if asked is None else question(asked)

    return OpenQuery(
        number=query.number,
        purpose=query.purpose,
        round=query.round,
        size=len(query.examples),
        questions=tuple(question(asked) for asked in query.examples if asked.example_id in left),
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
        file_log=FileLog(store),
        shown_columns=tuple(store.shown_columns),
        shown_of=lambda example_id: shown.get(example_id, {}),
        question_of=question_of,
        sequence=query.sequence,
        annotators=tuple(plan.annotators),
    )


def check_annotator(annotator: Annotator) -> None:
    """Check that answers of an annotator can be recorded under its name, before it is asked.

    Raises:
        ArgumentError: They cannot.
    """
    check_annotator_name(getattr(annotator, "name", None), f"the name of the annotator ({type(annotator).__name__})")


def check_team(annotator: Annotator, overlap: int, ask_again: bool = False) -> None:
    """Check that there are as many people as are to label a text.

    Args:
        annotator: Who is asked.
        overlap: How many people label a text.
        ask_again: Whether another person may be asked about a labeled text.

    Raises:
        ArgumentError: There are fewer.
    """
    people = list(getattr(annotator, "annotators", ()))
    if people == [ANYBODY]:
        return
    who = f"annotators has {joined_names(people)}" if people else "there is one annotator"
    if overlap > max(len(people), 1):
        raise ArgumentError(f"overlap={overlap} has so many people label a text, but {who}: name more, or lower it")
    if ask_again and len(people) < 2:
        raise ArgumentError(
            f"ask_again=True asks another person about a labeled text, but {who}: name more, or leave it out"
        )


def _check_spelling(store: Store, annotator: Annotator) -> None:
    """Check that nobody of several people has another name than before but for capitals: their texts came twice.

    Raises:
        ArgumentError: Somebody has.
    """
    people = list(getattr(annotator, "annotators", ()))
    if not people or people == [ANYBODY]:
        return
    known = {str(name) for _, name in store.answers_by_annotator()}
    spelled = {name.casefold(): name for name in known}
    for name in people:
        if name not in known and name.casefold() in spelled:
            raise ArgumentError(
                f"annotators has {shown(name)}, but there are labels of {shown(spelled[name.casefold()])}: write it so"
            )


def served(annotator: Annotator, store: Store) -> AbstractContextManager[None]:
    """Let an annotator serve, for the length of a `with` block, what people see while they are asked or wait.

    Args:
        annotator: The annotator; most have nothing to serve.
        store: The run's store.
    """
    serve = getattr(annotator, "serve", None)
    return contextlib.nullcontext() if serve is None else serve(store)


def collect(store: Store, annotator: Annotator) -> None:
    """Record what was answered, or corrected, since the last query was closed. Nobody is asked anything.

    Raises:
        AnnotationError: Files of queries have errors; nothing of them is recorded.
        ArgumentError: A name cannot be recorded, or differs in capitals alone from that of who has labeled before.
    """
    check_annotator(annotator)
    _check_spelling(store, annotator)
    take_in_files(store, annotator)
    closed = [query for query in store.queries() if query.closed]
    if closed:
        _record(store, annotator, replace(open_query(store, closed[-1], may_wait=False), questions=()))


def take_in_files(store: Store, annotator: Annotator | None = None, name: str = "file") -> None:
    """Record what is filled in so far in files of queries, so that nobody else is asked that again.

    These are the files in the run directory, and those that a `FileAnnotator` has written elsewhere. Their answers get
    the name under which they were written.

    Args:
        store: The run's store.
        annotator: Who is asked next; files that a `FileAnnotator` reads itself are only compared with the others.
        name: Who fills in files that an older hfal has written, which did not note that.

    Raises:
        AnnotationError: The files have errors, or contradict each other; nothing of them is recorded.
    """
    queries = store.queries()
    if not queries:
        return
    query = replace(open_query(store, queries[-1], may_wait=False), questions=())
    log = FileLog(store)
    numbers = {one.number for one in queries}
    own = annotator.files_with_names(store.run_dir) if isinstance(annotator, FileAnnotator) else {}
    people = [*query.annotators, *(annotator.annotators if isinstance(annotator, FileAnnotator) else [])]
    of_people = files_of_people(store.run_dir, store.kind.formats, people)
    names = {**dict.fromkeys(files_in(store.run_dir, store.kind.formats), name), **of_people, **log.files()}
    for path in misnamed_in(store.run_dir, store.kind.formats):
        if path not in names:
            called = [f"query-{number:03d}{f'.{file_name_of(people[0])}' if people else ''}.csv" for number in (1, 2)]
            logger.warning("%s is not read: files with answers are called %s, ...", path.name, ", ".join(called))
    names |= own
    files = [path for path in names if number_of(path) in numbers and path.is_file()]
    found, errors = {}, []
    for path in sorted(files, key=number_of):
        try:
            found[path] = FileAnnotator(path.suffix.removeprefix("."), path.parent).read(path, query)
        except AnnotationError as error:
            errors.append(str(error))
    if errors:
        raise AnnotationError("\n".join(errors))
    person = {path: names[path] if is_of_a_person(path) else None for path in found}
    unread = {path: log.unread(path, answers, person[path]) for path, answers in found.items()}
    _check_agreement(unread, person)
    with store.at_once():
        for path, answers in found.items():
            if path in own:
                continue
            for answer in unread[path]:
                store.record(replace(answer, annotator=names[path]))
            log.note(path, names[path], answers)
    left = {one.number: len(store.opinions_left(one)) for one in queries if not one.closed}
    for path, new in unread.items():
        if path not in own:
            log_read(path, len(new), left.get(number_of(path), 0) if person[path] is None else 0)


def _check_agreement(unread: Mapping[Path, Sequence[Answer]], person: Mapping[Path, str | None]) -> None:
    """Check that no two files of a query have different answers to one example, of which neither was read before.

    Args:
        unread: The answers of each file that were not read before.
        person: Whose it is, of a file that is of one person of several, who may have other answers than others.
    """
    said: dict[tuple[str, int | None, str | None], tuple[Path, Answer]] = {}
    for path, answers in unread.items():
        for answer in answers:
            other, its = said.setdefault((answer.example_id, answer.query, person[path]), (path, answer))
            if (its.action, its.label) != (answer.action, answer.label):
                raise AnnotationError(
                    f"{other} and {path} have different labels for {shown(answer.example_id)}; nothing of them was "
                    "recorded: empty the one that is wrong"
                )


def ask(store: Store, annotator: Annotator, may_wait: bool = True) -> None:
    """Have every query that is still open answered.

    Args:
        store: The run's store.
        annotator: Who answers.
        may_wait: Whether there is time to wait for a person.

    Raises:
        AnswersPending: Some questions need a person, and all queries have been asked first; or the person left.
        AnnotationError: An answer cannot be recorded; those before it are.
        ArgumentError: A name cannot be recorded, or differs in capitals alone from that of who has labeled before.
    """
    check_annotator(annotator)
    _check_spelling(store, annotator)
    take_in_files(store, annotator)
    with served(annotator, store):
        _ask_all(store, annotator, may_wait)


def _ask_all(store: Store, annotator: Annotator, may_wait: bool) -> None:
    waiting: list[str] = []
    asked: set[int] = set()
    has_left = False

    def is_next(query: Query) -> bool:
        # An answer that is taken back may open an earlier query again; whoever leaves then wants to leave that, too.
        return query.number not in asked and not (waiting and query.number < max(asked))

    while query := next(filter(is_next, store.open_queries()), None):
        asked.add(query.number)
        questions = open_query(store, query, may_wait)
        # Where others have given all answers, the files of those who label now are to be read, too.
        if not has_left and (questions.questions or isinstance(annotator, FileAnnotator)):
            _record(store, annotator, questions)
            has_left = getattr(annotator, "has_left", False)
            questions = open_query(store, query, may_wait)
        wanted = annotator.waiting_for(questions) if questions.questions else None
        if wanted is None:
            store.close_query(query.number)
        else:
            waiting.append(f"Query {query.number} ({_purpose(query)}): {wanted}")
    if has_left and not waiting:
        waiting.append("Every text that was asked has an answer, and all are saved. Start the run again to go on.")
    if waiting:
        lines = [shown_line(line) for line in "\n".join(waiting).split("\n")]
        pending = AnswersPending("\n".join(lines))
        if isinstance(pending, SystemExit):  # of which Python takes the exit code, but prints nothing
            for line in lines:
                logger.warning("%s", line)
        raise pending


def _record(store: Store, annotator: Annotator, query: OpenQuery) -> None:
    with store.at_once() if getattr(annotator, "at_once", False) else contextlib.nullcontext():
        for answer in annotator.annotate(query):
            name = answer.annotator or annotator.name
            store.record(replace(answer, annotator=name, query=answer.query or query.number))


def _said(store: Store) -> list[Answer]:
    said = [answer for answer in store.answers_by_annotator().values() if answer.annotator != DATASET]
    return sorted(said, key=lambda answer: answer.number or 0)


def _purpose(query: Query) -> str:
    if query.purpose == HEAD:
        return f"number {query.sequence} for round {query.round + 1}"
    if query.purpose == AHEAD:
        return f"more of round {query.round}"
    if query.purpose == STREAM:
        return f"from the stream, since round {query.round}"
    named = {"holdout": "held-out examples", "seed": "seed set", SYNTHESIS: "texts made up by a program"}
    return named.get(query.purpose, f"of round {query.round}")
