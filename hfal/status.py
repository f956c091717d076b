"""How far a run is, read beside a process that may be working on it."""

import os
import shlex
from pathlib import Path

from hfal.config import CONFIG_NAME
from hfal.evaluation.curves import rounds_table
from hfal.store import DATASET, Query, RoundRecord, Store


def describe_run(run_dir: str | os.PathLike[str]) -> str:
    """What a run has, what is being asked, its rounds, and what to do next.

    Raises:
        RunDirectoryError: There is no run in `run_dir`.
    """
    store = Store(run_dir, read_only=True)
    try:
        plan = store.meta("plan") or {}
        lines = [f"Run in {store.run_dir}", *_setup(store, plan), _answers(store), *_left(store, plan)]
        lines += [f"Query {q.number}: {n} of {len(q.examples)} answers are missing" for q, n in unanswered(store)]
        records = store.rounds()
        lines += ["", rounds_table(records) if records else "No round has begun.", "", next_step(store, run_dir)]
        return "\n".join(lines)
    finally:
        store.close()


def unanswered(store: Store) -> list[tuple[Query, int]]:
    """The open queries with how many of their questions have no answer yet."""
    answers = store.current_answers()
    counts = [(query, sum(e.example_id not in answers for e in query.examples)) for query in store.open_queries()]
    return [(query, count) for query, count in counts if count]


def next_step(store: Store, run_dir: str | os.PathLike[str]) -> str:
    """What there is to do, as a command.

    Args:
        store: The run's store.
        run_dir: The run directory as the user writes it.
    """
    name = shlex.quote(os.fspath(run_dir))
    by_command = Path(run_dir, CONFIG_NAME).is_file()
    go_on = f"hfal run {name}" if by_command else "start the script of this run again"
    plan, records = store.meta("plan") or {}, store.rounds()
    for query, _ in [] if plan.get("simulated") else unanswered(store):
        for path in sorted(Path(run_dir).glob(f"query-{query.number:03d}.*")):
            return f"Next: fill in {path}, then {go_on}"
        return f"Next: hfal label {name}"
    why = _why_finished(store, plan, records)
    if why is None:
        return f"Next: {go_on}"
    more = f"; more rounds: hfal run {name} --rounds {len(records) + 5}" if by_command and plan.get("rounds") else ""
    return f"Finished, {why}. The labels: hfal export {name} --to labels.csv{more}"


def _setup(store: Store, plan: dict) -> list[str]:
    strategy = [f"Strategy {plan['strategy']}, {plan['query_size']} texts a query"] if plan else []
    return [*strategy, f"Labels: {', '.join(store.meta('label_names') or [])}"]


def _answers(store: Store) -> str:
    answers = store.current_answers()
    labeled = {i: a for i, a in answers.items() if a.label is not None}
    given = sum(answer.annotator == DATASET for answer in labeled.values())
    unsure = sum(answer.action == "unsure" for answer in answers.values())
    counts = [
        f"{len(labeled) - given} labels bought",
        f"{len(store.holdout_ids() & labeled.keys())} of them held out",
        f"{len(answers) - len(labeled) - unsure} skipped",
        f"{unsure} unsure",
        *([f"{given} came with the data"] if given else []),
    ]
    return ", ".join(counts)


def _left(store: Store, plan: dict) -> list[str]:
    if not plan:
        return []
    left = f"Pool: {plan['pool_size']} texts, {plan['pool_size'] - len(store.current_answers())} without an answer"
    if plan["budget"] is None:
        return [left]
    return [f"{left}; budget: {max(plan['budget'] - store.labels_bought(), 0)} of {plan['budget']} labels left"]


def _why_finished(store: Store, plan: dict, records: list[RoundRecord]) -> str | None:
    """Why a run does not go on, where the store alone can tell."""
    if not plan or not records or records[-1].finished is None:
        return None
    last = records[-1]
    if plan["rounds"] is not None and last.number >= plan["rounds"]:
        return f"{plan['rounds']} rounds were asked for"
    metric, target = plan["target_metric"], plan["target"]
    value = (last.metrics or {}).get(f"eval_{metric}", (last.metrics or {}).get(str(metric)))
    if value is not None and (value <= target if metric.endswith("loss") else value >= target):
        return f"{metric} is {value:.4f}, the target was {target}"
    if store.labels_bought() > last.labels:
        return None
    if plan["budget"] is not None and store.labels_bought() >= plan["budget"]:
        return "the budget is spent"
    return "nothing is left to ask" if plan["pool_size"] <= len(store.current_answers()) else None
