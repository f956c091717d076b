"""The registry of annotators, by the names that `--annotator` takes.

A new one is its file, and here its line with what makes it. Importing this module loads none of them: what a terminal
needs is not wanted where a file is filled in, and the names are wanted where nobody is asked at all.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    from hfal.annotators.base import Annotator
    from hfal.annotators.simulated import HiddenLabels


@dataclass(frozen=True)
class AnnotatorOptions:
    """The options of `hfal run` for annotators; each annotator takes those that it needs.

    Attributes:
        pool: The run's pool, for one that knows the labels.
        name: Recorded with each answer; `None` leaves it to the annotator.
        annotators: Who answers, where that is more than one person.
        show_suggestions: Whether to show, at first, what the model would say.
        page: The keyword arguments of `WebAnnotator` that are for a page alone.
        error_rate: The share of wrong answers, for a simulation.
        seed: What is random in a simulation.
    """

    pool: "HiddenLabels"
    name: str | None = None
    annotators: Sequence[str] = ()
    show_suggestions: bool = True
    page: Mapping[str, Any] = field(default_factory=dict)
    error_rate: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class RegisteredAnnotator:
    """An annotator that has a name.

    Attributes:
        make: Makes it; imports its module.
        is_simulation: Whether it reveals labels that the data has, so that nobody is asked.
    """

    make: Callable[[AnnotatorOptions], "Annotator"]
    is_simulation: bool = False


def _terminal(options: AnnotatorOptions) -> "Annotator":
    from hfal.annotators.terminal.annotator import TerminalAnnotator

    return TerminalAnnotator(options.name, show_suggestions=options.show_suggestions, annotators=options.annotators)


def _web(options: AnnotatorOptions) -> "Annotator":
    from hfal.annotators.web.annotator import WebAnnotator

    return WebAnnotator(
        options.name, annotators=options.annotators, show_suggestions=options.show_suggestions, **options.page
    )


def _file(format: str, options: AnnotatorOptions) -> "Annotator":
    from hfal.annotators.file.annotator import FileAnnotator

    return FileAnnotator(format, name="file" if options.name is None else options.name, annotators=options.annotators)


def _simulated(options: AnnotatorOptions) -> "Annotator":
    from hfal.annotators.simulated import SimulatedAnnotator

    return SimulatedAnnotator(
        options.pool, annotators=options.annotators, error_rate=options.error_rate, seed=options.seed
    )


PERSON = "terminal"
"""Who answers where nobody is named and the data does not have all labels."""

SIMULATION = "simulated"
"""Who answers where nobody is named and the data has all labels."""

ANNOTATORS: dict[str, RegisteredAnnotator] = {
    PERSON: RegisteredAnnotator(_terminal),
    "web": RegisteredAnnotator(_web),
    "jsonl": RegisteredAnnotator(partial(_file, "jsonl")),
    "csv": RegisteredAnnotator(partial(_file, "csv")),
    "conll": RegisteredAnnotator(partial(_file, "conll")),
    SIMULATION: RegisteredAnnotator(_simulated, is_simulation=True),
}
"""The annotators by name, in the order in which they are named to the user."""
