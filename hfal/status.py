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
        labeled = {i: a for i, a in answers.items() if a.label is not None}
        given = sum(answer.annotator == "dataset" for answer in labeled.values())
        counts = [
            f"{len(labeled) - given} labels bought",
            f"{len(store.holdout_ids() & labeled.keys())} of them held out",
            f"{len(answers) - len(labeled)} skipped",
            *([f"{given} came with the data"] if given else []),
        ]
        lines = [f"Run in {store.run_dir}", ", ".join(counts)]
        lines += [f"Labels: {', '.join(store.meta('label_names') or [])}"]
        for query in store.open_queries():
            left = sum(e.example_id not in answers for e in query.examples)
            if left:
                lines.append(f"Query {query.number}: {left} of {len(query.examples)} answers are missing")
        records = store.rounds()
        lines += ["", rounds_table(records)] if records else ["No round has begun."]
        return "\n".join(lines)
    finally:
        store.close()
