"""`hfal label`: answer the open questions of a run in the terminal."""

import argparse
import contextlib
import logging
from typing import Any

from hfal.errors import AnswersPending, HfalError
from hfal.utils.output import say, show_log


def add_parser(commands: Any) -> None:
    """Add the parser of the command, where `argparse` keeps those of all commands."""
    parser = commands.add_parser(
        "label", help="answer open questions in the terminal", description="Answer open questions in the terminal."
    )
    parser.add_argument(
        "--annotator_name",
        "--annotator-name",
        metavar="NAME",
        help="who you are; by default the name that the run was started with, else the login name",
    )
    parser.add_argument(
        "--hide_suggestions",
        "--hide-suggestions",
        action="store_true",
        help="do not show what the model would answer",
    )
    parser.add_argument("run_dir", metavar="RUN_DIR", help="the run's folder")
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Ask, record the answers, and print what to do next; return the exit code.

    Raises:
        AnswersPending: Some questions are left.
        HfalError: There is no run, another process works on it, or it is a simulation.
    """
    from hfal.annotators.asking import ask, take_in_files
    from hfal.annotators.terminal.annotator import TerminalAnnotator
    from hfal.cli.describe import next_step, unanswered
    from hfal.config.kept_config import kept_options
    from hfal.store.annotator_names import check_person_name
    from hfal.store.store import Store

    show_log(logging.WARNING)
    run_dir = arguments.run_dir
    with contextlib.closing(Store(run_dir, read_only=True)) as store:  # which makes nothing where there is no run
        store.check_has_begun()
    kept = kept_options(run_dir)
    name = kept.get("annotator_name") if arguments.annotator_name is None else arguments.annotator_name
    if name is not None:
        check_person_name(name, "--annotator_name")
    show_suggestions = not (arguments.hide_suggestions or kept.get("hide_suggestions"))
    store = Store(run_dir)
    try:
        with store.own():
            if store.plan is not None and store.plan.simulated:
                raise HfalError(
                    f"the answers of this run are revealed by a SimulatedAnnotator, which yours would not be. "
                    f"{next_step(store, run_dir)}"
                )
            take_in_files(store, name=kept.get("annotator_name") or "file")
            asked = sum(count for _, count in unanswered(store))
            if asked:
                try:
                    ask(store, TerminalAnnotator(name, show_suggestions))
                except AnswersPending:
                    if unanswered(store):
                        raise
            say("Every text that was asked has an answer." if asked else "No text waits for an answer.")
            say(next_step(store, run_dir))
    finally:
        store.close()
    return 0
