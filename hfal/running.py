"""What the recipes share: who labels, by the option's name, and what is said in the end."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hfal.annotators import Annotator, FileAnnotator, SimulatedAnnotator, TerminalAnnotator
from hfal.evaluation.curves import plot_learning_curve, rounds_table
from hfal.export import export_labels
from hfal.hub import hub_name, push_to_hub
from hfal.options import ActiveLearningArguments
from hfal.pool import Pool
from hfal.processes import is_main
from hfal.publication import describe_rows
from hfal.records import RoundRecord
from hfal.strategies import Subset, label_set_strategy, resolve_strategy, token_strategy


def start_logging() -> None:
    """Show what hfal has to say, of several processes once."""
    logging.basicConfig(format="%(message)s")
    logging.getLogger("hfal").setLevel(logging.INFO if is_main() else logging.WARNING)


def make_annotator(al: ActiveLearningArguments, pool: Pool) -> Annotator:
    """Who answers the queries."""
    if al.annotator == "simulated":
        return SimulatedAnnotator(pool)
    if al.annotator == "terminal":
        return TerminalAnnotator(al.annotator_name, show_suggestions=not al.hide_suggestions)
    return FileAnnotator(str(al.annotator), name=al.annotator_name or "file")


def make_strategy(al: ActiveLearningArguments, task: str) -> Any:
    """The query strategy, for `ActiveLearningCallback`.

    Raises:
        ArgumentError: There is none of this name for the task.
    """
    strategy: Any = al.strategy
    if task == "token_classification":
        strategy = token_strategy(al.strategy, al.aggregate, al.top_words, al.sure_outside)
    elif task == "multi_label_classification":
        strategy = label_set_strategy(al.strategy, al.aggregate)
    resolve_strategy(strategy, task)
    return strategy if al.candidates is None else Subset(strategy, al.candidates)


def report(records: Sequence[RoundRecord], picture: Path, metric: str, title: str) -> None:
    """Print the rounds, and draw the learning curve of a metric, if it was measured.

    Args:
        records: All rounds of the run.
        picture: Where to draw the curve.
        metric: The metric's name, `"eval_accuracy"`.
        title: What stands above the curve.
    """
    if not is_main():
        return
    print(f"\n{rounds_table(records)}\n")
    if any(metric in (record.metrics or {}) for record in records):
        try:
            plot_learning_curve(records, picture, metric, title)
            print(f"Learning curve: {picture}")
        except ImportError as error:
            print(error)


def export(al: ActiveLearningArguments, pool: Pool) -> None:
    """Write or publish the labels, if the options say where to.

    Args:
        al: The options.
        pool: The run's pool.

    Raises:
        HfalError: That cannot be; the labels are safe in the run directory.
    """
    if al.export is None or not is_main():
        return
    repo_id = hub_name(al.export)
    if repo_id is None:
        print(describe_rows(export_labels(pool.run_dir, al.export)))
    else:
        print(push_to_hub(pool.run_dir, repo_id))
