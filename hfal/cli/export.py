"""`hfal export`: write the labels of a run to a file, or publish them on the Hub."""

import argparse
import contextlib
from typing import TYPE_CHECKING, Any

from hfal.errors import ArgumentError, HfalError
from hfal.utils.output import say


if TYPE_CHECKING:
    from hfal.data.identity import Examples

_FLAGS = {
    "unlabeled": "also write the texts that have no label, as a split of their own; into a folder",
    "answers": "also write the whole log of answers, and the queries and rounds; into a folder",
    "annotator_names": "write the names of annotators, who are annotator-1, annotator-2, ... without it",
    "no_provenance": "leave out the columns al_..., which say where each label came from",
}


def add_parser(commands: Any) -> None:
    """Add the parser of the command, where `argparse` keeps those of all commands."""
    parser = commands.add_parser(
        "export",
        help="write the labels to a file, or publish them on the Hub",
        description="Write each label with its text, round, score, strategy, annotator and time. A file that is there "
        "is replaced only if it is an earlier export of this run.",
    )
    parser.add_argument(
        "--to",
        required=True,
        metavar="PATH",
        help="FILE.csv (not for tags of words), FILE.conll (only for these), FILE.jsonl, FILE.parquet, a folder "
        "for load_dataset, or hub:OWNER/NAME for a data set on the Hub",
    )
    parser.add_argument(
        "--format", choices=["parquet", "jsonl", "csv", "conll"], help="of the files in a folder; Parquet by default"
    )
    for option, what in _FLAGS.items():
        spellings = dict.fromkeys([f"--{option}", f"--{option.replace('_', '-')}"])
        parser.add_argument(*spellings, action="store_true", help=what)
    parser.add_argument(
        "--comments",
        action="store_true",
        default=None,
        help="publish what annotators had to say about a text, which stays out on the Hub without it",
    )
    parser.add_argument(
        "--no_comments", "--no-comments", action="store_false", dest="comments", help="leave it out of files too"
    )
    parser.add_argument(
        "--leave_out",
        "--leave-out",
        metavar="ORIGIN,ORIGIN",
        type=lambda text: text.split(","),
        default=[],
        help="leave out the examples that are not of the data: stream, synthesis, or both",
    )
    parser.add_argument(
        "--dry-run", "--dry_run", action="store_true", help="only show what would be written, or sent to the Hub"
    )
    on_hub = parser.add_argument_group("on the Hub")
    on_hub.add_argument("--private", action="store_true", default=None, help="make a new repository private")
    on_hub.add_argument("--license", metavar="NAME", help="of the data, as the Hub writes it: cc-by-4.0")
    on_hub.add_argument("--language", metavar="CODE", nargs="+", help="of the texts, in ISO 639-1: en")
    on_hub.add_argument("--model", metavar="hub:OWNER/NAME", help="publish the model of the last round too")
    parser.add_argument("run_dir", metavar="RUN_DIR", help="the run's folder")
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Write or publish the labels, and print where they are; return the exit code.

    Raises:
        HfalError: The options do not fit each other, there is no run, or the Hub refused.
    """
    from hfal.export.hub import hub_name

    repo_id = hub_name(arguments.to)
    if repo_id is None:
        _to_files(arguments)
    else:
        _to_hub(arguments, repo_id)
    return 0


def _to_files(arguments: argparse.Namespace) -> None:
    from hfal.export.labels import export_labels
    from hfal.export.publication import describe_rows, preview_export

    run_dir, to, format = arguments.run_dir, arguments.to, arguments.format
    for name in ("license", "language", "private", "model"):
        if getattr(arguments, name) is not None:
            raise ArgumentError(f"--{name} is for the Hub, but --to {to!r} is a path: write --to hub:OWNER/NAME")
    contents = _contents(arguments)
    if arguments.dry_run:
        say(*preview_export(run_dir, to, format, **contents).split("\n"))
    else:
        say(*describe_rows(export_labels(run_dir, to, format, **contents)).split("\n"))


def _to_hub(arguments: argparse.Namespace, repo_id: str) -> None:
    from hfal.config.kept_config import keep_options_of_older_run
    from hfal.export.hub import hub_name, preview_push, push_to_hub

    if arguments.format is not None:
        raise ArgumentError(f"--format {arguments.format!r} is for files; on the Hub they are Parquet: leave it out")
    model = arguments.model and hub_name(arguments.model)
    if arguments.model and not model:
        raise ArgumentError(f"--model {arguments.model!r}: expected hub:OWNER/NAME")
    keep_options_of_older_run(arguments.run_dir)
    about = {"license": arguments.license, "language": arguments.language, "model_repo_id": model}
    contents = _contents(arguments) | {"comments": bool(arguments.comments)}
    if arguments.dry_run:
        say(*preview_push(arguments.run_dir, repo_id, **about, **contents).split("\n"))
        return
    say(push_to_hub(arguments.run_dir, repo_id, private=arguments.private, **about, **contents))
    if model:
        from huggingface_hub import constants

        say(f"{constants.ENDPOINT}/{model}")


def _contents(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return which examples and columns to export, as `export_labels` takes it; may read all of the data."""
    return {
        "provenance": not arguments.no_provenance,
        "comments": arguments.comments is not False,
        "annotator_names": arguments.annotator_names,
        "unlabeled": _examples(arguments.run_dir) if arguments.unlabeled else None,
        "answers": arguments.answers,
        "leave_out": arguments.leave_out,
    }


def _examples(run_dir: str) -> "Examples":
    """Read all texts of a run again, from where it found them, and those that were added to them."""
    import datasets

    from hfal.config.kept_config import read_ahead
    from hfal.config.load_data import load_data
    from hfal.data.added_rows import added_rows, append_rows
    from hfal.data.identity import Examples
    from hfal.store.run_directory import config_file
    from hfal.store.store import Store
    from hfal.tasks.kinds import kind_of

    with contextlib.closing(Store(run_dir, read_only=True)) as store:
        store.check_has_begun()
        added = store.added_examples()
    if not config_file(run_dir).is_file():
        raise HfalError(
            f"{run_dir} is a run of your own script, which alone knows its data: call "
            "export_labels(run_dir, to, unlabeled=pool) there"
        )
    datasets.disable_progress_bars()
    al, options = read_ahead([run_dir], strict=False)
    al.export = None  # that of the run itself, which may no longer be possible
    data = load_data(al, run_dir, options.seed)
    columns = [name for name in data.pool.column_names if name in (*data.text, al.id, *data.show)]
    given = data.pool.select_columns(columns)
    examples = Examples(given, data.text, al.id, kind_of(data.task).of_words, data.show)
    if not added:
        return examples
    rows = added_rows([one.columns for one in added], given.features)
    return examples.followed_by(append_rows(given, rows), rows, [one.example_id for one in added])
