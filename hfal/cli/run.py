"""`hfal run`: label, train and pick, round by round."""

import logging
import os
import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hfal import __version__
from hfal.utils.output import say, show_log
from hfal.utils.spelling import counted


if TYPE_CHECKING:
    from hfal.config.arguments import ActiveLearningArguments, TrainingOptions
    from hfal.config.load_data import LoadedData

_BIG = 50_000  # rows for which preparing takes long enough to want a progress bar


def add_parser(commands: Any) -> None:
    """Name the command in `hfal --help`; its options are those of dataclasses, which `execute` parses."""
    commands.add_parser("run", help="label, train and pick, round by round; also goes on with a run", add_help=False)


def execute(words: Sequence[str]) -> int:
    """Run the recipe for the data that the words behind `hfal run` name; return the exit code."""
    from hfal.config.kept_config import help_text, read_ahead
    from hfal.store.run_directory import config_file
    from hfal.tasks.kinds import kind_of
    from hfal.training.argument_values import check_argument_values

    if {"-h", "--help"} & set(words):
        say(*help_text().split("\n"))
        return 0
    if "--help-all" in words:
        from hfal.recipes import run_recipe

        run_recipe(words, kind_of(None).task)  # which prints the help that all recipes have, and exits
    al, options = read_ahead(words)
    check_argument_values(options)
    run_dir = str(options.output_dir)
    try:
        data = read_data(al, options)
        from hfal.recipes import run_recipe

        run_recipe(words, data.task, data)
        if _is_main_process():
            ending = kind_of(data.task).export_ending
            if al.overlap > 1:
                say(f"How far people agree: hfal agreement {shlex.quote(run_dir)}")
            say(f"The labels in a file: hfal export {shlex.quote(run_dir)} --to labels.{ending}")
    except KeyboardInterrupt:
        begun = config_file(run_dir).is_file()
        message = (
            f"all answers are saved. Go on with: hfal run {shlex.quote(run_dir)}" if begun else "nothing was asked."
        )
        say("", f"Interrupted; {message}", file=sys.stderr)
        return 130
    return 0


def read_data(al: "ActiveLearningArguments", options: "TrainingOptions") -> "LoadedData":
    """Read the data, and find errors in it and in the model's name before torch is loaded, which takes seconds."""
    show_log(logging.INFO if _is_main_process() else logging.WARNING)
    if _is_main_process():
        say(f"hfal {__version__}: reading {al.data}", file=sys.stderr)
    import datasets
    import huggingface_hub
    import transformers

    from hfal.config.load_data import load_data
    from hfal.data.references import resolve_model
    from hfal.export.hub import hub_name
    from hfal.export.hub_errors import check_can_publish

    if al.export is not None and hub_name(al.export):  # what cannot be is found before anything is asked
        check_can_publish()
    datasets.disable_progress_bars()
    data = load_data(al, str(options.output_dir), options.seed)
    if len(data.pool) > _BIG:
        datasets.enable_progress_bars()
    resolve_model(al.model)
    if _is_main_process():
        say(f"{counted(len(data.pool), 'text')}; loading torch and transformers ...", file=sys.stderr)
    transformers.utils.logging.disable_progress_bar()  # of loading and saving weights, in every round
    huggingface_hub.utils.enable_progress_bars()  # which it disables too; of downloads
    return data


def _is_main_process() -> bool:
    """Return whether this is the main process of torchrun; `hfal.utils.distributed` knows it too, but loads torch."""
    return int(os.environ.get("RANK", 0)) == 0
