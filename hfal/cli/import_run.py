"""`hfal import`: make a run directory of an export."""

import argparse
import contextlib
import os
import shlex
from pathlib import Path
from typing import Any

from hfal.utils.output import say
from hfal.utils.spelling import counted


def add_parser(commands: Any) -> None:
    """Add the parser of the command, where `argparse` keeps those of all commands."""
    parser = commands.add_parser(
        "import",
        help="make a run directory of an export, to go on from there",
        description="Make a run directory in which `hfal run` goes on where an export stopped. It takes one that was "
        "made with --unlabeled and --answers.",
    )
    parser.add_argument("source", metavar="SOURCE", help="a folder, or hub:OWNER/NAME for a data set on the Hub")
    parser.add_argument("--to", required=True, metavar="RUN_DIR", help="the new run's folder")
    parser.add_argument("--revision", metavar="NAME", help="of a data set on the Hub")
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Make the run directory, and print how to go on; return the exit code."""
    import datasets

    from hfal.export.hub import hub_name

    datasets.disable_progress_bars()
    source, run_dir = arguments.source, arguments.to
    hub_name(source)  # which refuses what cannot be one
    texts, answers = import_run(source, run_dir, arguments.revision)
    say(
        f"{run_dir}: {counted(texts, 'text')}, {counted(answers, 'answer')}. Go on with: hfal run "
        f"{shlex.quote(run_dir)}, with --model, --strategy, --query_size and what else the first run was given"
    )
    return 0


def import_run(
    source: str | os.PathLike[str], run_dir: str | os.PathLike[str], revision: str | None = None
) -> tuple[int, int]:
    """Make a run directory in which `hfal run` goes on where an export stopped: labels, texts, and options for them.

    A run of one's own script goes on with `Pool.from_export` instead.

    Args:
        source: A folder, or the name of a data set on the Hub.
        run_dir: The new run directory.
        revision: Of a data set on the Hub.

    Returns:
        How many texts there are, and how many answers.

    Raises:
        ArgumentError: It is no export, or one without what it takes to go on.
        RunDirectoryError: There are other things in `run_dir`.
    """
    from hfal.config.kept_config import IMPORTED, keep_published_options, write_options
    from hfal.export.restore import load_export, restored
    from hfal.store.run_directory import config_file, imported_data
    from hfal.store.store import Store
    from hfal.utils.files import naming

    rows, history = load_export(source, revision)
    with restored(history, rows, run_dir) as folder:
        if not config_file(folder).exists():
            with naming(imported_data(folder)):
                rows.to_parquet(imported_data(folder))
            data = str(imported_data(Path(os.path.realpath(run_dir))))
            names = {"labels": history.label_names} if history.label_names else {}
            about = {"data": data, "task": history.task, "text": history.text_columns, **names, "id": "id"}
            about |= {"show": list(history.shown_columns)} if history.shown_columns else {}
            about |= {"aggregate_labels": history.aggregate_labels} if history.plan else {}
            write_options(config_file(folder), about, IMPORTED)
            with contextlib.closing(Store(folder)) as store:
                keep_published_options(store)
    return len(rows), len(history.answers)
