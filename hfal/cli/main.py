"""The command `hfal`.

Nothing here imports torch before `hfal run` needs it: the other commands answer at once.
"""

import argparse
import io
import logging
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hfal import __version__
from hfal.errors import ArgumentError, HfalError, RunStopped


if TYPE_CHECKING:
    from hfal.config.arguments import ActiveLearningArguments, TrainingOptions
    from hfal.data.identity import Examples

_DESCRIPTION = """Active learning for the Hugging Face Trainer: have texts labeled, train on them, pick the
texts worth labeling next, and so on."""

_EXAMPLES = """examples:
  hfal run --data reviews.csv --text review --labels negative,positive
  hfal label runs/reviews
  hfal status runs/reviews
  hfal export runs/reviews --to labels.csv
  hfal export runs/reviews --to hub:me/reviews --license cc-by-4.0
  hfal import hub:me/reviews --to runs/more
  hfal compare configs/compare_demo.yaml

Exit codes: 0 done, 1 an error, 2 no such command, 75 waiting for labels (start it again later), 130 Ctrl-C."""

_EXPORT_OPTIONS = {
    "unlabeled": "also write the texts that have no label, as a split of their own; into a folder",
    "answers": "also write the whole log of answers, and the queries and rounds; into a folder",
    "annotator_names": "write the names of annotators, who are annotator-1, annotator-2, ... without it",
    "no_provenance": "leave out the columns al_..., which say where each label came from",
}

_BIG = 50_000  # rows for which preparing takes long enough to want a progress bar


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: The arguments; those of the process by default.

    Returns:
        The exit code: 0, 1 after an error, 75 while labels are missing, 130 after Ctrl-C, 141 when nobody reads the
        output any more, 143 after SIGTERM.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a label may have letters that the terminal's encoding lacks
            stream.reconfigure(errors="backslashreplace")
    try:
        own_options = {"run": _run, "compare": _compare}.get(words[0]) if words else None
        code = _command(words) if own_options is None else own_options(words[1:])
        sys.stdout.flush()
        return code
    except RunStopped as stop:
        return stop.exit_code  # the run has said why
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `hfal status | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it flushes
        return 141
    except HfalError as error:
        print(f"hfal: error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"hfal: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 1


def _command(words: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="hfal",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"hfal {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("run", help="label, train and pick, round by round; also goes on with a run", add_help=False)
    commands.add_parser("compare", help="find out which strategy saves labels on labeled data", add_help=False)

    label = commands.add_parser(
        "label", help="answer open questions in the terminal", description="Answer open questions in the terminal."
    )
    label.add_argument(
        "--annotator_name",
        "--annotator-name",
        metavar="NAME",
        help="who you are; by default the name that the run was started with, else the login name",
    )
    label.add_argument(
        "--hide_suggestions",
        "--hide-suggestions",
        action="store_true",
        help="do not show what the model would answer",
    )

    status = commands.add_parser(
        "status", help="show how far a run or a comparison is", description="Show how far a run or a comparison is."
    )

    export = commands.add_parser(
        "export",
        help="write the labels to a file, or publish them on the Hub",
        description="Write each label with its text, round, score, strategy, annotator and time. A file that is there "
        "is replaced only if it is an earlier export of this run.",
    )
    export.add_argument(
        "--to",
        required=True,
        metavar="PATH",
        help="FILE.csv (not for tags of words), FILE.conll (only for these), FILE.jsonl, FILE.parquet, a folder "
        "for load_dataset, or hub:OWNER/NAME for a data set on the Hub",
    )
    export.add_argument(
        "--format", choices=["parquet", "jsonl", "csv", "conll"], help="of the files in a folder; Parquet by default"
    )
    for option, what in _EXPORT_OPTIONS.items():
        spellings = dict.fromkeys([f"--{option}", f"--{option.replace('_', '-')}"])
        export.add_argument(*spellings, action="store_true", help=what)
    export.add_argument(
        "--comments",
        action="store_true",
        default=None,
        help="publish what annotators had to say about a text, which stays out on the Hub without it",
    )
    export.add_argument(
        "--no_comments", "--no-comments", action="store_false", dest="comments", help="leave it out of files too"
    )
    export.add_argument(
        "--dry-run", "--dry_run", action="store_true", help="only show what would be written, or sent to the Hub"
    )
    on_hub = export.add_argument_group("on the Hub")
    on_hub.add_argument("--private", action="store_true", default=None, help="make a new repository private")
    on_hub.add_argument("--license", metavar="NAME", help="of the data, as the Hub writes it: cc-by-4.0")
    on_hub.add_argument("--language", metavar="CODE", nargs="+", help="of the texts, in ISO 639-1: en")
    on_hub.add_argument("--model", metavar="hub:OWNER/NAME", help="publish the model of the last round too")

    importing = commands.add_parser(
        "import",
        help="make a run directory of an export, to go on from there",
        description="Make a run directory in which `hfal run` goes on where an export stopped. It takes one that was "
        "made with --unlabeled and --answers.",
    )
    importing.add_argument("source", metavar="SOURCE", help="a folder, or hub:OWNER/NAME for a data set on the Hub")
    importing.add_argument("--to", required=True, metavar="RUN_DIR", help="the new run's folder")
    importing.add_argument("--revision", metavar="NAME", help="of a data set on the Hub")

    for command in (label, status, export):
        command.add_argument("run_dir", metavar="RUN_DIR", help="the run's folder")
    arguments = parser.parse_args(words)
    if arguments.command == "label":
        return _label(arguments.run_dir, arguments.annotator_name, arguments.hide_suggestions)
    if arguments.command == "export":
        return _export(arguments)
    if arguments.command == "import":
        return _import(arguments.source, arguments.to, arguments.revision)
    from hfal.cli.status import describe_comparison, describe_run
    from hfal.store.run_directory import has_comparison

    is_comparison = has_comparison(Path(arguments.run_dir))
    print(describe_comparison(arguments.run_dir) if is_comparison else describe_run(arguments.run_dir))
    return 0


def _export(arguments: argparse.Namespace) -> int:
    from hfal.export.hub import hub_name, preview_push, push_to_hub
    from hfal.export.labels import export_labels
    from hfal.export.publication import describe_rows, preview_export

    run_dir, to, format = arguments.run_dir, arguments.to, arguments.format
    about = {name: getattr(arguments, name) for name in ("license", "language")}
    repo_id = hub_name(to)
    if repo_id is None:
        for name, value in {**about, "private": arguments.private, "model": arguments.model}.items():
            if value is not None:
                raise ArgumentError(f"--{name} is for the Hub, but --to {to!r} is a path: write --to hub:OWNER/NAME")
        contents = _contents(arguments)
        if arguments.dry_run:
            print(preview_export(run_dir, to, format, **contents))
            return 0
        print(describe_rows(export_labels(run_dir, to, format, **contents)))
        return 0
    if format is not None:
        raise ArgumentError(f"--format {format!r} is for files; on the Hub they are Parquet: leave it out")
    about["model_repo_id"] = model = arguments.model and hub_name(arguments.model)
    if arguments.model and not model:
        raise ArgumentError(f"--model {arguments.model!r}: expected hub:OWNER/NAME")
    contents = _contents(arguments) | {"comments": bool(arguments.comments)}
    if arguments.dry_run:
        print(preview_push(run_dir, repo_id, **about, **contents))
        return 0
    url = push_to_hub(run_dir, repo_id, private=arguments.private, **about, **contents)
    print(url)
    if model:
        from huggingface_hub import constants

        print(f"{constants.ENDPOINT}/{model}")
    return 0


def _import(source: str, run_dir: str, revision: str | None) -> int:
    import datasets

    from hfal.export.hub import hub_name
    from hfal.export.restore import import_run

    datasets.disable_progress_bars()
    texts, answers = import_run(hub_name(source) or source, run_dir, revision)
    print(
        f"{run_dir}: {texts:,} texts, {answers:,} answers. Go on with: hfal run {shlex.quote(run_dir)}, with --model, "
        "--strategy, --query_size and what else the first run was given"
    )
    return 0


def _contents(arguments: argparse.Namespace) -> dict[str, Any]:
    """Which examples and columns are wanted, as `export_labels` takes it; may read all of the data."""
    return {
        "provenance": not arguments.no_provenance,
        "comments": arguments.comments is not False,
        "annotator_names": arguments.annotator_names,
        "unlabeled": _examples(arguments.run_dir) if arguments.unlabeled else None,
        "answers": arguments.answers,
    }


def _examples(run_dir: str) -> "Examples":
    """All texts of a run, read again from where it found them."""
    import datasets

    from hfal.config.kept_config import read_ahead
    from hfal.config.load_data import load_data
    from hfal.config.parser import CONFIG_NAME
    from hfal.data.identity import Examples
    from hfal.store import Store
    from hfal.tasks.kinds import kind_of

    Store(run_dir, read_only=True).close()
    if not Path(run_dir, CONFIG_NAME).is_file():
        raise HfalError(
            f"{run_dir} is a run of your own script, which alone knows its data: call "
            "export_labels(run_dir, to, unlabeled=pool) there"
        )
    datasets.disable_progress_bars()
    al, options = read_ahead([run_dir])
    data = load_data(al, run_dir, options.seed)
    return Examples(data.pool, data.text, al.id, of_words=kind_of(data.task).of_words)


def _label(run_dir: str, annotator_name: str | None, hide_suggestions: bool) -> int:
    from hfal.annotators.asking import ask, take_in_files
    from hfal.annotators.terminal.annotator import TerminalAnnotator
    from hfal.cli.status import next_step, unanswered
    from hfal.config.kept_config import kept_options
    from hfal.store import Store

    logging.basicConfig(format="%(message)s")
    Store(run_dir, read_only=True).close()  # which makes nothing where there is no run
    kept = kept_options(run_dir)
    name = annotator_name or kept.get("annotator_name")
    show_suggestions = not (hide_suggestions or kept.get("hide_suggestions"))
    store = Store(run_dir)
    try:
        with store.own():
            if (store.meta("plan") or {}).get("simulated"):
                raise HfalError(
                    f"the answers of this run are revealed by a SimulatedAnnotator, which yours would not be. "
                    f"{next_step(store, run_dir)}"
                )
            take_in_files(store, kept.get("annotator_name") or "file")
            asked = sum(count for _, count in unanswered(store))
            if asked:
                ask(store, TerminalAnnotator(name, show_suggestions))
            print("Every text that was asked has an answer." if asked else "No text waits for an answer.")
            print(next_step(store, run_dir))
    finally:
        store.close()
    return 0


def _run(words: list[str]) -> int:
    from hfal.config.kept_config import help_text, read_ahead
    from hfal.config.parser import CONFIG_NAME

    if {"-h", "--help"} & set(words):
        print(help_text())
        return 0
    if "--help-all" in words:
        from hfal.config.setup import run_recipe

        run_recipe(words, None)
    al, options = read_ahead(words)
    run_dir = str(options.output_dir)
    try:
        task = _look_ahead(al, options)
        from hfal.config.setup import run_recipe

        run_recipe(words, task)
        if _is_main_process():
            from hfal.tasks.kinds import kind_of

            name = f"labels.{kind_of(task).export_ending}"
            print(f"The labels in a file: hfal export {shlex.quote(run_dir)} --to {name}")
    except KeyboardInterrupt:
        begun = Path(run_dir, CONFIG_NAME).is_file()
        message = (
            f"all answers are saved. Go on with: hfal run {shlex.quote(run_dir)}" if begun else "nothing was asked."
        )
        print(f"\nInterrupted; {message}", file=sys.stderr)
        return 130
    return 0


def _compare(words: list[str]) -> int:
    from hfal.comparison.options import compare_help

    if {"-h", "--help"} & set(words):
        print(compare_help())
        return 0
    from hfal.comparison.experiments import compare

    return compare(words)


def _look_ahead(al: "ActiveLearningArguments", options: "TrainingOptions") -> str:
    """Find what is wrong with the data and the name of the model before torch is loaded, which takes some seconds.

    Returns:
        The name of the task, which the data may say.
    """
    if _is_main_process():
        print(f"hfal {__version__}: reading {al.data}", file=sys.stderr)
    import datasets
    import huggingface_hub
    import transformers

    from hfal.config.load_data import load_data
    from hfal.data.references import resolve_model
    from hfal.export.hub import hub_name
    from hfal.export.hub_errors import check_can_publish

    if al.export is not None and hub_name(al.export):  # what cannot be is found before anything is asked
        check_can_publish()
    al.criterion("accuracy")
    datasets.disable_progress_bars()
    data = load_data(al, str(options.output_dir), options.seed)
    if len(data.pool) > _BIG:
        datasets.enable_progress_bars()
    resolve_model(al.model)
    if _is_main_process():
        print(f"{len(data.pool):,} texts; loading torch and transformers ...", file=sys.stderr)
    transformers.utils.logging.disable_progress_bar()  # of loading and saving weights, in every round
    huggingface_hub.utils.enable_progress_bars()  # which it disables too; of downloads
    return data.task


def _is_main_process() -> bool:
    """Of several that torchrun starts; `hfal.utils.distributed` knows it too, but loads torch."""
    return int(os.environ.get("RANK", 0)) == 0
