"""`hfal label`: answer the open questions of a run, in the terminal or on a page in the browser."""

import argparse
import contextlib
import dataclasses
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hfal.config.option_fields import split_words, type_name
from hfal.config.page_options import PageOptions
from hfal.errors import AnswersPending, HfalError, UsageError
from hfal.utils.output import say, show_log


if TYPE_CHECKING:
    from hfal.annotators.base import Annotator


def add_parser(commands: Any) -> None:
    """Add the parser of the command, where `argparse` keeps those of all commands."""
    description = "Answer open questions in the terminal, or on a page in the browser."
    parser = commands.add_parser(
        "label", help="answer open questions in the terminal or the browser", description=description
    )
    parser.add_argument(
        "--annotator_name",
        "--annotator-name",
        metavar="NAME",
        help="who you are; by default the name that the run was started with, else the login name; where several "
        "people label, the login name alone",
    )
    parser.add_argument(
        "--hide_suggestions",
        "--hide-suggestions",
        action="store_true",
        help="do not show what the model would answer",
    )
    parser.add_argument("--web", action="store_true", help="serve a page for the browser")
    parser.add_argument(
        "--annotators",
        action="append",
        metavar="NAME,NAME",
        help="with --web: who labels, where that is more than one person; by default as the run was started",
    )
    add_page_options(parser.add_argument_group("with --web (by default as the run was started)"))
    parser.add_argument("run_dir", metavar="RUN_DIR", help="the run's folder")
    parser.set_defaults(execute=execute)


def add_page_options(group: Any) -> None:
    """Add the options of the page, each `None` where it is not given."""
    for option in dataclasses.fields(PageOptions):
        spellings = list(dict.fromkeys([f"--{option.name}", f"--{option.name.replace('_', '-')}"]))
        about: dict[str, Any] = {"help": option.metadata["help"], "default": None, "dest": option.name}
        if type_name(option) == "bool":
            about["action"] = "store_true"
        elif option.default_factory is not dataclasses.MISSING:
            about.update(action="append", metavar=option.metadata["metavar"])
        else:
            kind = {"int": int, "float": float}.get(type_name(option), str)
            about.update(type=kind, metavar=option.metadata.get("metavar", "N"))
        group.add_argument(*spellings, **about)


def execute(arguments: argparse.Namespace) -> int:
    """Ask, record the answers, and print what to do next; return the exit code.

    Raises:
        AnswersPending: Some questions are left.
        HfalError: There is no run, another process works on it, or it is a simulation.
    """
    from hfal.annotators.asking import ask, take_in_files
    from hfal.annotators.session.make import name_at_terminal
    from hfal.cli.describe import next_step, unanswered
    from hfal.config.kept_config import kept_options
    from hfal.store.annotator_names import check_person_name
    from hfal.store.run_info import RunPlan
    from hfal.store.store import Store

    show_log(logging.WARNING)
    run_dir = arguments.run_dir
    with contextlib.closing(Store(run_dir, read_only=True)) as store:  # which makes nothing where there is no run
        store.check_has_begun()
        plan = store.plan or RunPlan()
    kept = kept_options(run_dir)
    people = [] if plan.simulated else list(plan.annotators)
    is_one_of_team = bool(people) and not arguments.web
    name = arguments.annotator_name
    if name is None and not is_one_of_team:
        name = kept.get("annotator_name")
    if name is not None:
        check_person_name(name, "--annotator_name")
    if is_one_of_team:
        name = name_at_terminal(name, people, "--annotator_name")
    show_suggestions = not (arguments.hide_suggestions or kept.get("hide_suggestions"))
    annotator = _annotator(arguments, kept, name, show_suggestions, people)
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
                    ask(store, annotator)
                except AnswersPending:
                    if unanswered(store):
                        raise
            say("Every text that was asked has an answer." if asked else "No text waits for an answer.")
            say(next_step(store, run_dir))
    finally:
        store.close()
    return 0


def _annotator(
    arguments: argparse.Namespace,
    kept: Mapping[str, Any],
    name: str | None,
    show_suggestions: bool,
    people: Sequence[str],
) -> "Annotator":
    """Make the annotator for the terminal or the page; of the page's options, what is not given is as it was kept."""
    given = page_options_given(arguments)
    if arguments.annotators:
        people = split_words("annotators", *arguments.annotators)
    if not arguments.web:
        if given or arguments.annotators:
            raise UsageError(f"--{next(iter(given), 'annotators')} is for the page: add --web")
        from hfal.annotators.terminal.annotator import TerminalAnnotator

        return TerminalAnnotator(name, show_suggestions, people)
    from hfal.annotators.web.annotator import WebAnnotator

    page = page_options(kept, given).page_arguments()
    return WebAnnotator(name, annotators=people, show_suggestions=show_suggestions, **page)


def page_options_given(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the options of the page that are given, by name."""
    names = [option.name for option in dataclasses.fields(PageOptions)]
    given = {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}
    # `hfal run` takes A,B; here an option may be given twice, too, since RUN_DIR behind it would be one of its values.
    return given | {name: split_words(name, *value) for name, value in given.items() if isinstance(value, list)}


def page_options(kept: Mapping[str, Any], given: Mapping[str, Any]) -> PageOptions:
    """Return the options of the page: what is given, else what the run has kept."""
    names = [option.name for option in dataclasses.fields(PageOptions)]
    return PageOptions(**{name: kept[name] for name in names if kept.get(name) is not None} | dict(given))
