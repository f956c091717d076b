"""`hfal stream`: consider texts as they come; ask about some, and train on the answers."""

import argparse
import contextlib
import os
import shlex
from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from hfal.annotators.registry import ANNOTATORS, PERSON, SIMULATION
from hfal.errors import UsageError
from hfal.utils.output import say


if TYPE_CHECKING:
    from hfal.data.stream_files import Batch
    from hfal.store.stream_log import StreamPlan
    from hfal.training.callback import ActiveLearningCallback

_DESCRIPTION = """Read texts as they come, one JSON object a line; ask about those that the last round's model is
unsure of, as far as the budget goes, and let the others go. When enough are asked and answered a round trains, and the
stream goes on with the new model. What was decided on is not read again: started again, it goes on where it was, with
the options of the last start. The run has to be one of `hfal run`."""

_EPILOG = """examples:
  hfal stream runs/reviews --data new.jsonl
  hfal stream runs/reviews --data logs/ --follow --annotator web
  hfal stream runs/reviews"""


def add_parser(commands: Any) -> None:
    """Add the parser of the command, where `argparse` keeps those of all commands."""
    parser = commands.add_parser(
        "stream",
        help="consider texts as they come, ask about some, and train on the answers",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--data",
        metavar="FILE",
        help="JSON Lines with the columns of the run's texts (or text), a folder of such files, or - for standard "
        "input, with which the terminal cannot ask",
    )
    parser.add_argument("--follow", action="store_true", default=None, help="go on as files grow, and new ones come")
    _add(parser, "stream_budget", float, "X", "the share of texts that may be asked (default: 0.05)")
    _add(parser, "stream_strategy", str, "NAME", "the score: margin, entropy, least_confidence (default: margin)")
    _add(
        parser,
        "manager",
        str,
        "NAME",
        "how the threshold follows the scores (docs/growing_pools.md; default: quantile)",
    )
    _add(parser, "threshold", float, "X", "in its place: ask what scores so much, as far as the budget goes")
    _add(parser, "random_share", float, "X", "the part of the budget for random, held-out texts (default: 0.1)")
    _add(parser, "train_after", int, "N", "after how many texts that were asked a round trains (default: query_size)")
    parser.add_argument(
        "--annotator", choices=[*ANNOTATORS], metavar="NAME", help=f"who answers: {', '.join(ANNOTATORS)}"
    )
    parser.add_argument("run_dir", metavar="RUN_DIR", help="the run's folder")
    parser.set_defaults(execute=execute)


def _add(parser: argparse.ArgumentParser, name: str, kind: type, metavar: str, about: str) -> None:
    spellings = dict.fromkeys([f"--{name}", f"--{name.replace('_', '-')}"])
    parser.add_argument(*spellings, dest=name, type=kind, metavar=metavar, help=about)


def execute(arguments: argparse.Namespace) -> int:
    """Consider the stream to its end, and print what to do next; return the exit code.

    Raises:
        AnswersPending: People have to answer first.
        HfalError: There is no run of `hfal run`, or an option or a text does not fit.
    """
    from hfal.cli.run import read_data
    from hfal.config.kept_config import read_ahead
    from hfal.data.stream_files import check_stream
    from hfal.store.store import Store

    run_dir = arguments.run_dir
    words = [run_dir, *(["--annotator", arguments.annotator] if arguments.annotator else [])]
    al, options = read_ahead(words)
    with contextlib.closing(Store(run_dir, read_only=True)) as store:  # which makes nothing where there is no run
        hidden = store.info.labels_are_hidden
        plan = _plan(arguments, store.stream_plan, al.query_size or 50)
    check_stream(plan.data)
    annotator = al.annotator or (SIMULATION if hidden else PERSON)
    if plan.data == "-" and annotator == PERSON:
        raise UsageError(
            "--data - is standard input, so the terminal cannot ask: add --annotator web, or csv or jsonl to answer "
            "in files; or write the texts to a file, and name that with --data"
        )
    data = read_data(al, options)
    from hfal.recipes import run_recipe

    run_recipe(words, data.task, data, partial(_run, plan))
    name = shlex.quote(run_dir)
    say(f"How the stream went: hfal status {name}")
    return 0


def _plan(arguments: argparse.Namespace, kept: "StreamPlan | None", query_size: int) -> "StreamPlan":
    """Return what is asked of the stream: what was given, else what it was started with before."""
    from hfal.store.stream_log import StreamPlan

    data = arguments.data
    if arguments.manager == "fixed":
        raise UsageError("--manager fixed takes a score: write --threshold 0.6, or the like, in its place")
    if data is not None and data != "-":
        data = os.path.realpath(data)
    if data is None and (kept is None or kept.data == "-"):
        raise UsageError("--data is missing: name a file of JSON Lines, a folder of them, or - for standard input")
    given = {
        "data": data,
        "follow": arguments.follow,
        "budget": arguments.stream_budget,
        "strategy": arguments.stream_strategy,
        "manager": arguments.manager,
        "threshold": arguments.threshold,
        "random_share": arguments.random_share,
        "train_after": arguments.train_after,
    }
    before: dict[str, Any] = {"train_after": query_size} if kept is None else dict(vars(kept))
    if arguments.manager is not None:
        before["threshold"] = None
    return StreamPlan(**{**before, **{name: value for name, value in given.items() if value is not None}})


def _run(plan: "StreamPlan", active: "ActiveLearningCallback", trainer: Any, rounds: int | None) -> Any:
    """Consider the stream in the place of the recipe's rounds."""
    from hfal.data.stream_files import read_stream
    from hfal.training.stream_rounds import StreamRounds, batch_size, row_of

    def batches(offsets: Mapping[str, int]) -> Iterable["Batch"]:
        return read_stream(plan.data, offsets, row_of(active.pool), batch_size(plan), plan.follow)

    StreamRounds(active, trainer, plan).run(batches)
    return active.history
