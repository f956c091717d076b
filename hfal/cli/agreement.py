"""`hfal agreement`: show how far the people agree who label a run, or settle what they disagree about."""

import argparse
import contextlib
import json
import logging
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hfal.cli.label import add_page_options, page_options, page_options_given
from hfal.errors import ArgumentError, UsageError
from hfal.utils.output import say, show_log


if TYPE_CHECKING:
    from hfal.annotators.base import Annotator

_MOST = 20


def add_parser(commands: Any) -> None:
    """Add the parser of the command, where `argparse` keeps those of all commands."""
    parser = commands.add_parser(
        "agreement",
        help="show how far several people agree, or settle what they disagree about",
        description="Show how far the people agree who label a run (Krippendorff's alpha, Cohen's kappa of each pair, "
        "which labels are confused, what each person has done), and about which texts they disagree. With --settle: "
        "say which label holds.",
    )
    parser.add_argument("--most", type=int, metavar="N", help=f"how many disagreements to list; {_MOST} by default")
    parser.add_argument("--json", metavar="FILE", help="also write all of it as JSON")
    parser.add_argument("--html", metavar="FILE", help="also write it as a page")
    parser.add_argument(
        "--settle", action="store_true", help="ask you about each disagreement; what you answer holds from then on"
    )
    settling = parser.add_argument_group("with --settle")
    settling.add_argument(
        "--annotator_name", "--annotator-name", metavar="NAME", help="who you are; by default the login name"
    )
    settling.add_argument("--web", action="store_true", help="serve a page for the browser")
    add_page_options(parser.add_argument_group("with --settle --web (by default as the run was started)"))
    parser.add_argument("run_dir", metavar="RUN_DIR", help="the run's folder")
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Print how far people agree, or ask what holds; return the exit code: 75 if disagreements are left to settle.

    Raises:
        HfalError: The options do not fit each other, there is no run, or, to settle, another process works on it.
    """
    of_page = next(iter(page_options_given(arguments)), None)
    if of_page is not None and not arguments.web:
        raise UsageError(f"--{of_page} is for the page: add --settle --web")
    if arguments.settle:
        for option in ("most", "json", "html"):
            if getattr(arguments, option) is not None:
                raise UsageError(f"--{option} is for the report, and --settle asks you: leave one of the two out")
        return _settle(arguments)
    for option in ("web", "annotator_name"):
        if getattr(arguments, option) not in (None, False):
            raise UsageError(f"--{option} is for who settles disagreements: add --settle")
    if arguments.most is not None and arguments.most < 0:
        raise UsageError(f"--most {arguments.most}, expected a number from 0")
    _report(arguments)
    return 0


def _report(arguments: argparse.Namespace) -> None:
    from hfal.export.agreement import measure_agreement
    from hfal.export.agreement_report import agreement_lines, agreement_page
    from hfal.store.store import reading
    from hfal.utils.files import atomic_write

    run_dir, most = arguments.run_dir, _MOST if arguments.most is None else arguments.most
    for option in ("json", "html"):
        path = getattr(arguments, option)
        if path is not None and not Path(path).parent.is_dir():
            raise ArgumentError(f"--{option} {path!r}: there is no folder {str(Path(path).parent)!r}; make it first")
    with reading(run_dir) as store:
        agreement = measure_agreement(store)
    say(*agreement_lines(agreement, run_dir, most, shutil.get_terminal_size((100, 24)).columns))
    files = {}
    if arguments.json is not None:
        files[arguments.json] = json.dumps(agreement.to_json(), indent=1, ensure_ascii=False) + "\n"
    if arguments.html is not None:
        files[arguments.html] = agreement_page(agreement, run_dir, most)
    for path, content in files.items():
        with atomic_write(Path(path)) as part:
            part.write_text(content, "utf-8", "backslashreplace")
    if files:
        say("", *(f"Written to {path}" for path in files))


def _settle(arguments: argparse.Namespace) -> int:
    from hfal.annotators.asking import take_in_files
    from hfal.annotators.settling import settle
    from hfal.cli.describe import next_step
    from hfal.config.kept_config import kept_options
    from hfal.store.annotator_names import check_person_name
    from hfal.store.store import Store
    from hfal.utils.spelling import counted

    show_log(logging.WARNING)
    run_dir, name = arguments.run_dir, arguments.annotator_name
    with contextlib.closing(Store(run_dir, read_only=True)) as store:  # which makes nothing where there is no run
        store.check_has_begun()
    if name is not None:
        check_person_name(name, "--annotator_name")
    kept = kept_options(run_dir)
    annotator = _annotator(arguments, kept, name)
    store = Store(run_dir)
    try:
        with store.own():
            take_in_files(store, name=kept.get("annotator_name") or "file")
            asked, left = settle(store, annotator)
            if left:
                command = f"hfal agreement {shlex.quote(run_dir)} --settle"
                say(f"{counted(left, 'disagreement is', 'disagreements are')} left; all answers are saved.")
                say(f"    Go on with `{command}` in a terminal, or `{command} --web`.")
                return 75
            say("Every disagreement is settled." if asked else "There is no disagreement to settle.")
            say(next_step(store, run_dir))
    finally:
        store.close()
    return 0


def _annotator(arguments: argparse.Namespace, kept: dict[str, Any], name: str | None) -> "Annotator":
    """Make the annotator: one person, however many label."""
    if not arguments.web:
        from hfal.annotators.terminal.annotator import TerminalAnnotator

        return TerminalAnnotator(name)
    from hfal.annotators.web.annotator import WebAnnotator

    return WebAnnotator(name, **page_options(kept, page_options_given(arguments)).page_arguments())
