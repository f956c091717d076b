"""Write to the terminal and to the log: nothing that a terminal would obey, and no secret.

Names of labels and columns, ids, paths, and what a server answers come from elsewhere. Whatever hfal prints or logs
goes through `say` or a logger of `get_logger`; nothing else in the package calls `print`.
"""

import logging
import os
import sys
import traceback
from types import TracebackType
from typing import TextIO

from hfal.errors import AnnotationError, HfalError
from hfal.utils.files import DISK_IS_FULL
from hfal.utils.secrets import without_secrets
from hfal.utils.spelling import message_of
from hfal.utils.visible_text import one_line


def shown_line(text: object) -> str:
    """Return a text as one line that may be shown: what a terminal might obey is spelled out, secrets are hidden."""
    return one_line(without_secrets(str(text)))


def say(*lines: object, file: TextIO | None = None) -> None:
    """Print lines. Line ends in one of them are spelled out: text of others cannot make lines of its own.

    Args:
        *lines: Each a line.
        file: Where to; `sys.stdout` by default.
    """
    stream: TextIO | None = sys.stdout if file is None else file
    if stream is None:  # the process was started without one
        return
    stream.write("".join(f"{shown_line(line)}\n" for line in lines))
    stream.flush()


def get_logger(name: str) -> logging.Logger:
    """Return the logger of a module, whose messages any handler may write to a terminal.

    A message is one line of hfal's own with values from elsewhere in it. It is made and spelled out when it is
    logged, and not by a handler: those are the application's, and Python has one of its own for a script without any.
    """
    logger = logging.getLogger(name)
    if not any(isinstance(one, _Shown) for one in logger.filters):
        logger.addFilter(_Shown())
    return logger


class _Shown(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = shown_line(record.getMessage()), ()
        return True


def show_log(level: int = logging.INFO) -> None:
    """Show the log of hfal from a level on, and that of everything else as it is set up."""
    logging.basicConfig(format="%(message)s")
    logging.getLogger("hfal").setLevel(level)


def say_error(error: BaseException) -> None:
    """Say on stderr what went wrong: in one line if it is known what to do, else with where it happened."""
    if isinstance(error, AnnotationError):  # it lists what is wrong in a file
        say(*f"hfal: error: {error}".split("\n"), file=sys.stderr)
    elif isinstance(error, OSError) and error.errno in DISK_IS_FULL:
        what = "a file, maybe of a cache," if error.filename is None else repr(os.fspath(error.filename))
        say(
            f"hfal: error: {what} cannot be written ({error.strerror}): make room on the disk, and start again; the "
            "labels recorded so far are safe",
            file=sys.stderr,
        )
    elif isinstance(error, HfalError | OSError):
        say(f"hfal: error: {message_of(error)}", file=sys.stderr)
    else:
        say_traceback(error)


def say_traceback(error: BaseException) -> None:
    """Print an error with where it happened, as Python does, to stderr."""
    say(*"".join(traceback.format_exception(error)).rstrip("\n").split("\n"), file=sys.stderr)


def show_errors() -> None:
    """Have errors that end a script printed by `say_error`."""

    def show(kind: type[BaseException], error: BaseException, where: TracebackType | None) -> None:
        if isinstance(error, Exception):
            say_error(error)
        else:
            sys.__excepthook__(kind, error, where)

    sys.excepthook = show
