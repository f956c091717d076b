"""`hfal compare`: find out which strategy saves labels, on labeled data."""

from collections.abc import Sequence
from typing import Any

from hfal.utils.output import say


def add_parser(commands: Any) -> None:
    """Name the command in `hfal --help`; its options are those of dataclasses, which `execute` parses."""
    commands.add_parser("compare", help="find out which strategy saves labels on labeled data", add_help=False)


def execute(words: Sequence[str]) -> int:
    """Run the comparison that the words behind `hfal compare` describe; return the exit code."""
    if {"-h", "--help"} & set(words):
        from hfal.comparison.options import compare_help

        say(*compare_help().split("\n"))
        return 0
    from hfal.comparison.command_line import read_ahead

    read_ahead(words)  # what is wrong there is found before anything slow is imported
    from hfal.comparison.experiments import compare

    return compare(words)
