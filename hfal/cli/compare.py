"""`hfal compare`: find out which strategy saves labels, on labeled data."""

from collections.abc import Sequence
from typing import Any


def add_parser(commands: Any) -> None:
    """Name the command in `hfal --help`; its options are those of dataclasses, which `execute` parses."""
    commands.add_parser("compare", help="find out which strategy saves labels on labeled data", add_help=False)


def execute(words: Sequence[str]) -> int:
    """Run the comparison that the words behind `hfal compare` describe; return the exit code."""
    from hfal.comparison.options import compare_help

    if {"-h", "--help"} & set(words):
        print(compare_help())
        return 0
    from hfal.comparison.experiments import compare

    return compare(words)
