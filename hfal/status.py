"""How far a run is, read beside a process that may be working on it."""

import os

from hfal.evaluation.curves import rounds_table
from hfal.store import Store


def describe_run(run_dir: str | os.PathLike[str]) -> str:
    """A few lines on a run: its labels, what is being asked, its rounds.

    Raises:
        RunDirectoryError: There is no run in `run_dir`.
    """
    store = Store(run_dir, read_only=True)
    try:
        answers = store.current_answers()
        holdout = {e.example_id for q in store.queries() if q.purpose == "holdout" for e in q.examples}
        labeled = [i for i, answer in answers.items() if answer.action != "skip"]
        held_out = sum(i in holdout for i in labeled)
        lines = [
            f"Run in {store.run_dir}",
            f"{len(labeled)} labels bought ({held_out} of them held out), {len(answers) - len(labeled)} skipped; "
            f"labels: {', '.join(store.meta('label_names') or [])}",
        ]
        closed = store.closed_queries()
        for query in store.queries():
            left = sum(e.example_id not in answers for e in query.examples)
            if query.number not in closed and left:
                lines.append(f"Query {query.number} waits for {left} of {len(query.examples)} answers")
        records = store.rounds()
        lines += ["", rounds_table(records)] if records else ["No round has begun."]
        return "\n".join(lines)
    finally:
        store.close()
