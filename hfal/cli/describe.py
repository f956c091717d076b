"""Describe how far a run or a comparison is, beside a process that may be working on it, and what to do next."""

import os
import shlex
from pathlib import Path

from hfal.annotators.asking import open_query
from hfal.annotators.base import OpenQuery
from hfal.annotators.file.annotator import FileAnnotator, query_files
from hfal.annotators.file.file_log import FileLog, number_of
from hfal.annotators.file.parts import files_of_people, is_of_a_person, questions_of
from hfal.annotators.session.make import people_asked
from hfal.cli.describe_stream import describe_stream
from hfal.comparison.plan import failures, grid, is_finished, rounds_of
from hfal.comparison.results import read_options
from hfal.errors import AnnotationError, ArgumentError
from hfal.export.curves import rounds_table
from hfal.stopping.criteria import Target
from hfal.stopping.expressions import NEVER, parse_stop
from hfal.store.annotator_names import ANYBODY
from hfal.store.answer_log import makes_no_sense
from hfal.store.learning_curve import about_estimates
from hfal.store.records import DATASET, HEAD, Query, RoundRecord
from hfal.store.run_directory import config_file
from hfal.store.run_info import RunPlan
from hfal.store.store import Store
from hfal.utils.spelling import counted, joined_names
from hfal.utils.visible_text import one_line


def describe_run(run_dir: str | os.PathLike[str]) -> str:
    """Describe a run: its setup, its answers, what is being asked, its rounds, and what to do next.

    Raises:
        NoRunError: There is no run in `run_dir`, or nothing was asked yet.
    """
    store = Store(run_dir, read_only=True)
    try:
        store.check_has_begun()
        plan = store.plan
        lines = [f"Run in {store.run_dir}", *_setup(store, plan), _answers(store), *_people(store, plan)]
        lines += _left(store, plan)
        for query, _ in unanswered(store):
            missing = sum(store.opinions_left(query).values())
            wanted = sum(query.opinions_on(asked.example_id) for asked in query.examples)
            lines.append(f"Query {query.number}: {missing} of {counted(wanted, 'answer is', 'answers are')} missing")
            lines += _not_read(store, query)
        records = store.rounds()
        table = rounds_table(records).split("\n") if records else ["No round has begun."]
        table += filter(None, [about_estimates(records)])
        table += describe_stream(store)
        return "\n".join(map(one_line, [*lines, "", *table, "", next_step(store, run_dir)]))
    finally:
        store.close()


def describe_comparison(out: str | os.PathLike[str]) -> str:
    """Describe a comparison: what is compared, how many runs there are so far, and what to do next.

    Raises:
        RunDirectoryError: There is no comparison in `out`.
    """
    options, settings = read_options(Path(out))
    cells = grid(options, int(settings.get("seed", 42)))
    run_dirs = {cell: cell.run_dir(Path(out)) for cell in cells}
    finished = {cell for cell in cells if is_finished(run_dirs[cell])}
    failed = failures(Path(out), cells)
    rounds_begun = {c: len(rounds_of(run_dirs[c])) for c in cells if c not in finished and c not in failed}
    begun = {cell: rounds for cell, rounds in rounds_begun.items() if rounds}
    lines = [
        f"Comparison in {Path(out).absolute()}",
        f"{', '.join('/'.join(pair) for pair in options.pairs)}; {counted(options.seeds, 'seed')}",
        f"{len(finished)} of {counted(len(cells), 'run is', 'runs are')} finished; failed: {len(failed)}; begun: "
        f"{len(begun)}",
        *(f"{cell}: {counted(rounds, 'round has', 'rounds have')} begun" for cell, rounds in begun.items()),
        *(f"{cell} has failed: {problem}" for cell, problem in failed.items()),
        "",
        f"Finished. The report: {Path(out, 'report.md')}"
        if len(finished) == len(cells)
        else f"Next: hfal compare {shlex.quote(os.fspath(out))}",
    ]
    return "\n".join(map(one_line, lines))


def unanswered(store: Store) -> list[tuple[Query, int]]:
    """Return the open queries, each with how many of its questions have no answer yet."""
    counts = [(query, len(store.opinions_left(query))) for query in store.open_queries()]
    return [(query, count) for query, count in counts if count]


def _not_read(store: Store, query: Query) -> list[str]:
    """Return what the files of an open query have that the run has not read: answers, or errors."""
    log, lines = FileLog(store), []
    asked = open_query(store, query)
    of_people = files_of_people(store.run_dir, store.kind.formats, asked.annotators)
    files = dict.fromkeys([*query_files(store.run_dir, query.number), *of_people, *log.files()])
    for file in files:
        if number_of(file) == query.number and file.is_file():
            name = log.files().get(file, of_people.get(file)) if is_of_a_person(file) else None
            try:
                new = len(log.unread(file, FileAnnotator(file.suffix.removeprefix(".")).read(file, asked), name))
            except AnnotationError as error:
                lines += str(error).split("\n")
            else:
                there_are = counted(new, "answer that is", "answers that are")
                lines += [f"{file.name} has {there_are} not read yet"] * bool(new)
    return lines


def next_step(store: Store, run_dir: str | os.PathLike[str]) -> str:
    """Return what to do next, as a command.

    Args:
        store: The run's store.
        run_dir: The run directory as the user writes it.
    """
    name = shlex.quote(os.fspath(run_dir))
    by_command = config_file(run_dir).is_file()
    go_on = f"hfal run {name}" if by_command else "start the script of this run again"
    if by_command and store.stream_plan is not None:
        go_on = f"hfal stream {name}{' --data -' if store.stream_plan.data == '-' else ''}"
    plan, records = store.plan or RunPlan(), store.rounds()
    for query, _ in [] if plan.simulated else unanswered(store):
        asked = open_query(store, query)
        if files := _to_fill_in(store, asked, run_dir) or query_files(run_dir, query.number)[:1]:
            return f"Next: fill in {' and '.join(map(str, files))}, then {go_on}"
        if people := people_asked(asked):
            who = next(iter(people))
            who = "NAME" if who == ANYBODY else shlex.quote(who)
            return f"Next: hfal label {name} --annotator_name {who} (in a browser: hfal label {name} --web)"
        if not plan.annotators:
            return f"Next: hfal label {name} (in a browser: hfal label {name} --web)"
    why = store.why_ended()
    if why is None or (by_command and store.stream_plan is not None):
        return f"Next: {go_on}"
    ending = store.kind.export_ending
    more = ""
    if by_command and _ended_by_stop(plan, records, why):
        more = f"; to go on all the same: hfal run {name} --stop none"
    elif by_command and plan.rounds:
        more = f"; more rounds: hfal run {name} --rounds {len(records) + 5}"
    return f"Finished, {why}. The labels: hfal export {name} --to labels.{ending}{more}"


def _to_fill_in(store: Store, query: OpenQuery, run_dir: str | os.PathLike[str]) -> list[Path]:
    """Return the files that several people have to fill in, each of them one, for a query that is open."""
    log, files = FileLog(store), []
    parts = questions_of(query, log.parts(query.number), query.annotators)
    for part in (part for part, questions in parts if questions):
        named = [part.path(Path(run_dir), query.number, format) for format in query.kind.formats]
        names = {path.name for path in named}
        elsewhere = [path for path in log.files() if path.name in names and path.parent != store.run_dir]
        files += [path for path in [*named, *elsewhere] if path.is_file()][:1]
    return files


def _setup(store: Store, plan: RunPlan | None) -> list[str]:
    queries = store.queries()
    starts = [query.strategy for query in queries if query.purpose == "seed"]
    strategy, stop = [], []
    if plan is not None:
        size = counted(plan.query_size, "word" if plan.unit == "words" else "text")
        strategy = [f"Strategy {plan.strategy}, {size} a query"]
        if plan.queries_per_round > 1:
            strategy[0] += f", {plan.queries_per_round} queries a round"
        if queries and queries[-1].purpose == HEAD:
            strategy[0] += ", picked by a head on a frozen encoder"
        stop = [f"Stops at {plan.stop}"] if plan.stop else []
    start = [f"Start: {starts[0]}"] if starts else []
    names = joined_names(store.kind.choices(store.info.label_names))
    return [*strategy, *start, *stop, *([f"Labels: {names}"] if store.kind.needs_names else [])]


def _answers(store: Store) -> str:
    answers = store.current_answers()
    labeled = {i: a for i, a in answers.items() if a.label is not None}
    given = sum(answer.annotator == DATASET for answer in labeled.values())
    unsure, nonsense = sum(a.action == "unsure" for a in answers.values()), sum(map(makes_no_sense, answers.values()))
    words = f" of {counted(store.words_bought(), 'word')}" if store.kind.of_words else ""
    texts, bought = len(labeled) - given, store.labels_bought()  # several people may have labeled a text
    of_texts = "" if texts == bought else f" for {counted(texts, 'text')}"
    counts = [
        f"{counted(bought, 'label')} bought{words}{of_texts}",
        f"{len(store.holdout_ids() & labeled.keys())} of them held out",
        f"{len(answers) - len(labeled) - unsure - nonsense} skipped",
        f"{unsure} unsure",
        *([f"{nonsense} nonsense"] if nonsense else []),
        *([f"{given} came with the data"] if given else []),
    ]
    return ", ".join(counts)


def _people(store: Store, plan: RunPlan | None) -> list[str]:
    """Return how many labels each of several people has given, and how many opinions are missing."""
    if plan is None or not plan.annotators:
        return []
    count = {name: 0 for name in plan.annotators if name != ANYBODY}
    for of in store.opinions().values():
        for name, answer in of.items():
            count[name] = count.get(name, 0) + (answer.label is not None)
    missing = sum(store.opinions_asked().values())
    each = joined_names(f"{name} {number:,}" for name, number in count.items())
    return [f"Labels by {each}; {counted(missing, 'opinion is', 'opinions are')} missing"] if each else []


def _left(store: Store, plan: RunPlan | None) -> list[str]:
    if plan is None:
        return []
    left = (
        f"Pool: {counted(plan.pool_size, 'text')}, {plan.pool_size - len(store.current_answers())} without an answer"
    )
    if plan.budget is None:
        return [left]
    unit = "words" if plan.unit == "words" else "labels"
    return [f"{left}; budget: {max(plan.budget - _spent(store, plan), 0)} of {plan.budget} {unit} left"]


def _spent(store: Store, plan: RunPlan) -> int:
    return store.words_bought() if plan.unit == "words" else store.labels_bought()


def _ended_by_stop(plan: RunPlan, records: list[RoundRecord], why: str) -> bool:
    """Return whether `--stop` ended the run, and not the target alone, which is another option."""
    try:
        stop = parse_stop(plan.stop or NEVER)
    except ArgumentError:  # a criterion of the user's own
        return False
    return stop is not None and not isinstance(stop, Target) and stop.reason(records) == why
