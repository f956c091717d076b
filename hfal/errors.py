"""The exceptions of hfal, and the two ways in which a run ends before it is finished."""

import sys
from collections.abc import Sequence


_LISTED = 20


class HfalError(Exception):
    """Base of hfal's own errors."""


class ArgumentError(HfalError, ValueError):
    """An argument has a value that it cannot have; the message names it, and says what to do."""


class UsageError(ArgumentError):
    """The command line cannot be read: it has an unknown command or option, or a word where none belongs."""


class RowError(ArgumentError):
    """Rows of the data set have a value that they cannot have.

    Attributes:
        row: The place of the first one.
        rows: The places of all that are wrong in this way.
        problem: What is wrong.
    """

    def __init__(self, row: int, problem: str, rows: Sequence[int] = ()):
        self.row = row
        self.rows = list(rows) or [row]
        self.problem = problem
        super().__init__(f"{listed('row', self.rows)}: {problem}")


def listed(what: str, numbers: Sequence[int]) -> str:
    """Name some rows: `row 3`, or `rows 3, 5, 9`; more than twenty are counted."""
    shown = ", ".join(map(str, numbers[:_LISTED]))
    more = f" and {len(numbers) - _LISTED} more" if len(numbers) > _LISTED else ""
    return f"{what}{'s' * (len(numbers) > 1)} {shown}{more}"


class RunDirectoryError(HfalError):
    """The run directory belongs to another pool or schema, or is damaged."""


class NoRunError(RunDirectoryError):
    """No run has begun in the directory: nothing has been asked there."""


class RunDirectoryBusyError(RunDirectoryError):
    """Another living process owns the run directory."""


class AnnotationError(HfalError):
    """An annotator gave something that cannot be recorded; nothing recorded so far is lost."""


class ScoringError(HfalError):
    """The model could not score the pool: NaN or infinite outputs, or no memory even for one example."""


class DivergedError(ScoringError):
    """The trained model's outputs are NaN or infinite: the round has to be trained again, with other settings."""


class StrategyError(HfalError):
    """A query strategy returned something that is no query."""


class HubError(HfalError):
    """The Hub refused what it was asked, or failed."""


class HubUnreachableError(HubError):
    """The Hub cannot be reached, or the connection was cut."""


class RunStopped(BaseException):
    """Base of the two ways in which a run ends before it is finished; a script that does not catch it exits.

    For that it is also a `SystemExit`, except in IPython, which would add a traceback and advice on how to leave it:
    there only the message is shown.
    """

    exit_code: int
    _exit: "type[RunStopped]"

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if not issubclass(cls, SystemExit):
            cls._exit = type(cls.__name__, (cls, SystemExit), {"__module__": cls.__module__, "__doc__": cls.__doc__})

    def __new__(cls, message: str) -> "RunStopped":
        """Make a `SystemExit`, except in IPython."""
        return super().__new__(cls if _is_in_ipython() else cls._exit, message)

    def __reduce__(self) -> tuple[type["RunStopped"], tuple[str]]:
        """Pickle under the class without `SystemExit`, which alone can be imported."""
        kind = type(self)
        return kind.__bases__[0] if isinstance(self, SystemExit) else kind, (self.message,)

    def __init__(self, message: str):
        super().__init__(message)
        self.message = message
        self.code = self.exit_code

    def __str__(self) -> str:
        return self.message

    def _render_traceback_(self) -> list[str]:
        """Return the lines that IPython shows in the place of a traceback."""
        return f"{type(self).__name__}: {self.message}".split("\n")


def _is_in_ipython() -> bool:
    """Whether the code runs in a cell of a notebook, or in an IPython shell."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and ipython.get_ipython() is not None


class AnswersPending(RunStopped):
    """The run has asked all it can and stops until somebody answers.

    Exit code 75 (`EX_TEMPFAIL` of sysexits.h: "try again later"). Started again, the run goes on from the same place.
    """

    exit_code = 75


class RunInterrupted(RunStopped):
    """The run was told to stop (SIGTERM) and saved a checkpoint; exit code 143, as the shell reports SIGTERM."""

    exit_code = 143
