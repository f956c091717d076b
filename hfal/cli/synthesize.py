"""`hfal synthesize`: make texts near the decision boundary up, and have them asked."""

import argparse
import contextlib
import logging
from typing import Any

from hfal.errors import HfalError
from hfal.utils.output import say, show_log
from hfal.utils.spelling import counted


_DESCRIPTION = """Make texts up that the model of the last round is unsure of, and have them asked. Parts of two
labeled texts are joined, and words are replaced by neighbors in the encoder's embeddings. The texts join the pool;
the next round trains on the answers. For English texts that have a label each, or a set of labels."""


def add_parser(commands: Any) -> None:
    """Add the parser of the command, where `argparse` keeps those of all commands."""
    parser = commands.add_parser(
        "synthesize", help="make texts up that the model is unsure of, and have them asked", description=_DESCRIPTION
    )
    parser.add_argument("--size", type=int, default=50, metavar="N", help="how many texts (default: 50)")
    parser.add_argument(
        "--strategy",
        default="margin",
        metavar="NAME",
        help="chooses among those that were made, four times as many: a score, or one with a selection, such as "
        "margin+kmeans (default: margin)",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seeds every choice (default: 0)")
    parser.add_argument("run_dir", metavar="RUN_DIR", help="the run's folder")
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Make the texts, record their query, and print what to do next; return the exit code.

    Raises:
        HfalError: There is no run, it is a simulation or one of somebody's own script, or no round is finished.
    """
    from hfal.acquisition.options import check_strategy_name
    from hfal.cli.describe import next_step
    from hfal.store.run_directory import config_file
    from hfal.store.run_info import RunPlan
    from hfal.store.store import Store

    check_strategy_name(arguments.strategy, "--strategy is")
    run_dir = arguments.run_dir
    with contextlib.closing(Store(run_dir, read_only=True)) as store:  # which makes nothing where there is no run
        store.check_has_begun()
        if not store.last_finished():
            raise HfalError(
                f"texts are made up with a round's model, but no round is finished. {next_step(store, run_dir)}"
            )
        if (store.plan or RunPlan()).simulated:
            raise HfalError(
                f"{run_dir} is a simulation, which reveals labels of the data: nobody is there to label other texts"
            )
    if not config_file(run_dir).is_file():
        raise HfalError(f"{run_dir} is a run of your own script: call Synthesizer(pool, trainer).propose() there")
    show_log(logging.INFO)
    import datasets
    import transformers

    datasets.disable_progress_bars()
    transformers.utils.logging.disable_progress_bar()
    from hfal.config.last_model import open_with_last_model
    from hfal.training.synthesizer import Synthesizer

    pool, model, al = open_with_last_model(run_dir)
    with contextlib.closing(pool.store) as store:
        options = {"size": arguments.size, "strategy": arguments.strategy, "seed": arguments.seed}
        query = Synthesizer(pool, model, overlap=al.overlap, **options).propose()
        if query is not None:
            say(f"Query {query.number} asks about {counted(len(query.examples), 'text')} that the program made up.")
        say(next_step(store, run_dir))
    return 0
