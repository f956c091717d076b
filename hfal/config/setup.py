"""Make what the options name (annotator, strategy, stopping criterion), and report and export when a run ends."""

import logging
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hfal.annotators.asking import check_team
from hfal.annotators.base import Annotator
from hfal.annotators.registry import ANNOTATORS, SIMULATION, AnnotatorOptions
from hfal.config.arguments import ActiveLearningArguments
from hfal.data.pool import Pool
from hfal.errors import ArgumentError, HfalError
from hfal.export.curves import plot_learning_curve, rounds_table
from hfal.export.hub import hub_name, push_to_hub
from hfal.export.labels import export_labels
from hfal.export.publication import describe_rows
from hfal.stopping.criteria import metric_value
from hfal.store.learning_curve import about_estimates, metric_names
from hfal.store.records import RoundRecord
from hfal.strategies import Subset, configured_strategy, resolve_strategy
from hfal.tasks.kinds import ESTIMATED, TASK_OF_FAMILY, kind_of
from hfal.utils.distributed import is_main
from hfal.utils.output import get_logger, say, show_errors, show_log


logger = get_logger(__name__)


def start_logging() -> None:
    """Show the log of hfal, that of the main process only where there are several, and its errors in one line."""
    show_log(logging.INFO if is_main() else logging.WARNING)
    show_errors()


def make_annotator(al: ActiveLearningArguments, pool: Pool, seed: int = 0) -> Annotator:
    """Make the annotator who answers the queries, as `--annotator` names it.

    Args:
        al: The options.
        pool: The run's pool.
        seed: Of the errors of a simulation.

    Raises:
        ArgumentError: An option does not go with this annotator.
    """
    registered = ANNOTATORS[str(al.annotator)]
    if al.error_rate and not registered.is_simulation:
        raise ArgumentError(
            f"--error_rate is {al.error_rate}, which is for --annotator {SIMULATION}: leave it out, or have "
            f"{SIMULATION} annotators label in the place of {al.annotator}"
        )
    options = AnnotatorOptions(
        pool,
        al.annotator_name,
        al.annotators,
        not al.hide_suggestions,
        al.page_arguments(),
        error_rate=al.error_rate,
        seed=seed,
    )
    annotator = registered.make(options)
    check_team(annotator, al.overlap)
    return annotator


def make_strategy(al: ActiveLearningArguments, task: str) -> Any:
    """Return the query strategy for `ActiveLearningCallback`.

    Args:
        al: The options.
        task: The name of the task.

    Raises:
        ArgumentError: There is none of this name for the task.
    """
    family = kind_of(task).family
    strategy: Any = configured_strategy(al.strategy, family, al.aggregate, al.top_words, al.sure_outside)
    resolve_strategy(strategy, family, called=TASK_OF_FAMILY)
    return strategy if al.candidates is None else Subset(strategy, al.candidates)


def check_stop(al: ActiveLearningArguments, metrics: Sequence[str], usual: str) -> None:
    """Check the stopping criterion of `--stop`, before data is read of which it may depend what it looks at.

    Args:
        al: The options.
        metrics: The names of all metrics that there will be, without the estimates.
        usual: The metric that `plateau` looks at where it does not say.

    Raises:
        ArgumentError: It cannot be read, or it or `--target_metric` names a metric that there is not, which would be
            found when the first round has been paid for.
    """
    stop = al.criterion(usual)
    known = {f"eval_{name}": 0.0 for name in metrics}
    estimates = [f"{ESTIMATED}{name}" for name in metrics if f"{ESTIMATED}{name}" in kind_of(al.task).estimates]
    if al.estimate:
        known |= dict.fromkeys(estimates, 0.0)
    named = {"target_metric": [al.target_metric] if al.target_metric else []}
    named[f"stop={al.stop!r}: metric"] = [] if stop is None else stop.metrics
    for argument, names in named.items():
        for name in names:
            if name in estimates and not al.estimate:
                raise ArgumentError(f"{argument}={name!r} is an estimate that is not recorded: add --estimate true")
            metric_value(known, name, argument)


def report(records: Sequence[RoundRecord], picture: Path, metric: str, title: str) -> None:
    """Print the rounds, and draw the learning curve of a metric, or of its estimate where it was not measured.

    Args:
        records: All rounds of the run.
        picture: Where to draw the curve.
        metric: The metric's name, `"eval_accuracy"`.
        title: What stands above the curve.
    """
    if not is_main():
        return
    say("", *rounds_table(records).split("\n"), *filter(None, [about_estimates(records)]), "")
    names = metric_names(records)
    if metric not in names:
        metric = f"{ESTIMATED}{metric.removeprefix('eval_')}"
    if metric in names:
        try:
            plot_learning_curve(records, picture, metric, title)
            say(f"Learning curve: {picture}")
        except ImportError as error:
            say(error)


def export(al: ActiveLearningArguments, pool: Pool) -> None:
    """Write or publish the labels, if the options say where to.

    Args:
        al: The options.
        pool: The run's pool.

    Raises:
        HfalError: That cannot be; the message says how to do it later.
    """
    if al.export is None or not is_main():
        return
    try:
        repo_id = hub_name(al.export)
        if repo_id is None:
            if al.export_license or al.export_language:
                logger.warning(
                    "export_license and export_language are for the Hub: --export %s has no card", al.export
                )
            say(*describe_rows(export_labels(pool.run_dir, al.export)).split("\n"))
        else:
            say(push_to_hub(pool.run_dir, repo_id, license=al.export_license, language=al.export_language))
    except HfalError as error:
        later = ["hfal", "export", str(pool.run_dir), "--to", al.export]
        later += ["--license", al.export_license] if al.export_license else []
        later += ["--language", *al.export_language] if al.export_language else []
        raise HfalError(
            f"the labels are safe in {pool.run_dir}, but were not exported: {error}. Then: {shlex.join(later)}"
        ) from error
