"""The simulated annotator: it reveals the labels that the data set hides."""

from collections.abc import Iterator
from typing import Any, Protocol

from hfal.annotators.base import OpenQuery
from hfal.errors import AnnotationError, ArgumentError
from hfal.store.annotator_names import SIMULATED, check_annotator_name
from hfal.store.records import Answer


class HiddenLabels(Protocol):
    """A pool with labels to reveal: the part of `Pool` that this annotator uses."""

    @property
    def label_column(self) -> str | None:
        """The column with the labels; `None` if there are none."""
        ...

    def hidden_label(self, example_id: str) -> Any:
        """Return the label of an example, or `None`."""
        ...


class SimulatedAnnotator:
    """Answers every question with the label in the pool's data set.

    Args:
        pool: A pool whose `label_column` has a label for every example that may be asked.
        name: Recorded with each answer.

    Raises:
        ArgumentError: The pool has no label column, or the name cannot be recorded.
    """

    is_simulation = True
    """Nobody is asked: `hfal label` and `hfal status` offer no questions of such a run to a person."""

    at_once = True
    """Its answers to a query are committed together: no person's work is lost with them, and for each alone the disk
    would be waited for."""

    def __init__(self, pool: HiddenLabels, name: str = SIMULATED):
        if pool.label_column is None:
            raise ArgumentError("a SimulatedAnnotator needs a pool with a label_column, whose labels it can reveal")
        self.pool = pool
        self.name = check_annotator_name(name, "name")

    def annotate(self, query: OpenQuery) -> Iterator[Answer]:
        """Answer every question, in order."""
        for question in query.questions:
            label = self.pool.hidden_label(question.example_id)
            if label is None:
                raise AnnotationError(
                    f"example {question.example_id} has no label in column {self.pool.label_column!r}: a simulation "
                    "needs them all; have the rest labeled by a FileAnnotator, or drop these rows"
                )
            yield Answer(question.example_id, label)

    def waiting_for(self, query: OpenQuery) -> str | None:
        """Nothing: it never leaves a question."""
        return None
