"""`hfal status`: how far a run or a comparison is, and what to do next."""

import argparse
from pathlib import Path
from typing import Any

from hfal.utils.output import say


def add_parser(commands: Any) -> None:
    """Add the parser of the command, where `argparse` keeps those of all commands."""
    parser = commands.add_parser(
        "status", help="show how far a run or a comparison is", description="Show how far a run or a comparison is."
    )
    parser.add_argument("run_dir", metavar="RUN_DIR", help="the run's folder")
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Print how far the run is, or the comparison; return the exit code."""
    from hfal.cli.describe import describe_comparison, describe_run
    from hfal.store.run_directory import has_comparison

    describe = describe_comparison if has_comparison(Path(arguments.run_dir)) else describe_run
    say(*describe(arguments.run_dir).split("\n"))
    return 0
