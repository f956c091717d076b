"""Keep a terminal for a screen: what else the process writes there goes to a file meanwhile."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO


_STANDARD = (1, 2)  # the descriptors of standard output and error


@contextlib.contextmanager
def terminal_output_to(path: Path) -> Iterator[TextIO]:
    """Append to a file, for the length of a `with` block, what the process writes to its terminal.

    The descriptors are redirected, and not `sys.stdout` and `sys.stderr`: progress bars and handlers of a log keep the
    object that they were made with, native code and programs that are started know the descriptors alone. What is no
    terminal, as with `2> file`, is left as it is. A process that was started before keeps its terminal.

    Args:
        path: The file.

    Yields:
        A stream that writes to the terminal that `sys.stdout` is.

    Raises:
        OSError: The file cannot be written.
    """
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(open(path, "ab"))
        terminal = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding=sys.stdout.encoding, errors="backslashreplace")
        stack.enter_context(terminal)
        _flush()
        for descriptor in filter(os.isatty, _STANDARD):
            kept = os.dup(descriptor)
            stack.callback(os.close, kept)
            stack.callback(os.dup2, kept, descriptor)
            os.dup2(file.fileno(), descriptor)
        stack.callback(_flush)
        yield terminal


def _flush() -> None:
    """Have what was written so far go where it belongs, and not to what comes next."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):  # no such stream, a closed one, a full disk
            stream.flush()
