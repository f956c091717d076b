"""The command `hfal`."""

import argparse
import sys
from collections.abc import Sequence

from hfal.errors import HfalError, RunStopped


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: The arguments; those of the process by default.

    Returns:
        The exit code: 0, 1 after an error, 75 while the run waits for labels, 143 after SIGTERM.
    """
    parser = argparse.ArgumentParser(prog="hfal", description="Active learning for the Hugging Face Trainer.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser(
        "run",
        help="run a configuration, or go on with it",
        add_help=False,
        usage="hfal run CONFIG.yaml [--OPTION VALUE]",
    )
    run.add_argument("arguments", nargs=argparse.REMAINDER)
    status = commands.add_parser("status", help="show how far a run is", description="Show how far a run is.")
    status.add_argument("run_dir", metavar="RUN_DIR", help="the run's folder")
    arguments, more = parser.parse_known_args(argv)
    if more and arguments.command != "run":
        parser.error(f"unrecognized arguments: {' '.join(more)}")
    try:
        if arguments.command == "status":
            # Imported here: what only `run` needs takes seconds to load.
            from hfal.status import describe_run

            print(describe_run(arguments.run_dir))
            return 0
        from hfal.recipes.text_classification import main as run_recipe

        run_recipe([*more, *arguments.arguments])
        return 0
    except RunStopped as stop:
        return stop.exit_code  # the run has said why
    except (HfalError, FileNotFoundError) as error:
        print(f"hfal: error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
