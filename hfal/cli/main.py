"""The command `hfal`: run the command that is named, and return its exit code.

Each command has a file of its own, with `add_parser` and `execute`. None of them imports torch before `hfal run` needs
it, nor anything slow before its command has been parsed: the other commands answer at once.
"""

import argparse
import io
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from hfal import __version__
from hfal.cli import agreement, compare, export, import_run, label, run, status, stream, synthesize
from hfal.errors import ArgumentError, RunStopped, UsageError
from hfal.utils.command_line import check_words
from hfal.utils.output import say, say_error
from hfal.utils.spelling import did_you_mean


_DESCRIPTION = """Active learning for the Hugging Face Trainer: have texts labeled, train on them, pick the
texts worth labeling next, and so on."""

_EXAMPLES = """examples:
  hfal run --data reviews.csv --text review --labels negative,positive
  hfal stream runs/reviews --data new.jsonl
  hfal label runs/reviews
  hfal status runs/reviews
  hfal synthesize runs/reviews --size 50
  hfal agreement runs/reviews
  hfal export runs/reviews --to labels.csv
  hfal export runs/reviews --to hub:me/reviews --license cc-by-4.0
  hfal import hub:me/reviews --to runs/more
  hfal compare configs/compare_demo.yaml

Exit codes: 0 done, 1 an error, 2 a command line that cannot be read (no such command or option), 75 waiting for
labels (start it again later), 130 Ctrl-C."""

_COMMANDS: dict[str, Any] = {  # in the order of `hfal --help`
    "run": run,
    "stream": stream,
    "compare": compare,
    "label": label,
    "synthesize": synthesize,
    "status": status,
    "agreement": agreement,
    "export": export,
    "import": import_run,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: The arguments; those of the process by default.

    Returns:
        The exit code: 0, 1 after an error, 2 if the command line cannot be read, 75 while labels are missing, 130
        after Ctrl-C, 141 when nobody reads the output any more, 143 after SIGTERM.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    for output in (sys.stdout, sys.stderr):
        if isinstance(output, io.TextIOWrapper):  # a label may have letters that the terminal's encoding lacks
            output.reconfigure(errors="backslashreplace")
    try:
        code = _execute(words)
        if sys.stdout is not None:  # as it is where it was closed before the start
            sys.stdout.flush()
        return code
    except RunStopped as stop:
        return stop.exit_code  # the run has said why
    except KeyboardInterrupt:
        say("", "Interrupted.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `hfal status | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it flushes
        return 141
    except UsageError as error:
        say_error(error)
        return 2
    except Exception as error:
        say_error(error)
        return 1


def _execute(words: Sequence[str]) -> int:
    match words:
        case ["--", *rest]:
            return _execute(rest)
        case ["run", *options]:  # these two have the options of dataclasses, which a YAML file sets too
            return run.execute(options)
        case ["compare", *options]:
            return compare.execute(options)
        case [command, *_] if not command.startswith("-") and command not in _COMMANDS:
            raise UsageError(f"unknown command {command!r}.{did_you_mean(command, _COMMANDS)} (hfal --help)")
    arguments = _parser().parse_args(words)
    _refuse_addresses(arguments)
    code: int = arguments.execute(arguments)
    return code


def _refuse_addresses(arguments: argparse.Namespace) -> None:
    """Refuse addresses where a path belongs: a folder would be made of it, with the password in its name."""
    for name, value in vars(arguments).items():
        if isinstance(value, str) and "://" in value:
            from hfal.data.references import address_problem

            if problem := address_problem(value):
                raise ArgumentError(f"{name.upper() if name in ('run_dir', 'source') else f'--{name}'} is {problem}")


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, misspelt options first; `argparse` would print the usage."""

    def __init__(self, **options: Any):
        super().__init__(**{"allow_abbrev": False, **options})

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Check the options, then parse them; options behind a command are left to the parser of that command."""
        words = list(args or ())
        own = next((place for place, word in enumerate(words) if not word.startswith("-")), len(words))
        try:
            check_words(words[:own] if self._subparsers else words, self._actions)
        except ArgumentError as error:
            self.error(str(error))
        return super().parse_known_args(words, namespace)

    def error(self, message: str) -> NoReturn:
        """Raise the message, which `argparse` would print before it exits."""
        raise UsageError(f"{message} ({self.prog} --help)")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="hfal",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"hfal {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in _COMMANDS.values():
        command.add_parser(commands)
    return parser
