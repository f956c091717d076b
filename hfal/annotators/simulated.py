"""The simulated annotator: it reveals the labels that the data set hides."""

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import Any, Protocol

import numpy as np

from hfal.annotators.base import OpenQuery
from hfal.errors import AnnotationError, ArgumentError
from hfal.store.annotator_names import ANYBODY, SIMULATED, check_annotator_name, check_team_names
from hfal.store.answer_log import NONSENSE
from hfal.store.records import Answer


class HiddenLabels(Protocol):
    """A pool with labels to reveal: the part of `Pool` that this annotator uses."""

    @property
    def label_column(self) -> str | None:
        """The column with the labels; `None` if there are none."""
        ...

    def hidden_label(self, example_id: str) -> Any:
        """Return the label of an example, or `None`; `"nonsense"` of a synthesized one that makes no sense."""
        ...


class SimulatedAnnotator:
    """Answers every question with the label in the pool's data set, or as several people who err would.

    Args:
        pool: A pool whose `label_column` has a label for every example that may be asked.
        name: Recorded with each answer.
        annotators: The names of several, each of whom gives a text a label at most once; `name` is not used then. They
            take turns, by the example's place in its query.
        error_rate: The probability that an answer is another label, all of which are equally likely; for text
            classification. The same annotator errs on the same texts again, whatever was asked before.
        seed: Of the errors.

    Raises:
        ArgumentError: The pool has no label column, a name cannot be recorded, or an argument has a value that it
            cannot have.
    """

    is_simulation = True
    """Nobody is asked: `hfal label` and `hfal status` offer no questions of such a run to a person."""

    at_once = True
    """Its answers to a query are committed together: no person's work is lost with them, and for each alone the disk
    would be waited for."""

    def __init__(
        self,
        pool: HiddenLabels,
        name: str = SIMULATED,
        *,
        annotators: Sequence[str] = (),
        error_rate: float = 0.0,
        seed: int = 0,
    ):
        if pool.label_column is None:
            raise ArgumentError("a SimulatedAnnotator needs a pool with a label_column, whose labels it can reveal")
        self.pool = pool
        self.name = check_annotator_name(name, "name")
        self.annotators = check_team_names(annotators)
        if self.annotators == [ANYBODY]:
            raise ArgumentError(f"annotators is {ANYBODY!r}, which is for people: name those who are simulated")
        if not 0 <= error_rate < 1:
            raise ArgumentError(f"error_rate={error_rate}, expected a share from 0 up to 1")
        self.error_rate = error_rate
        self.seed = seed

    def annotate(self, query: OpenQuery) -> Iterator[Answer]:
        """Answer every question, in order, as often as it is asked.

        Raises:
            AnnotationError: An example has no label, or errors are wanted where a text has more than a label.
        """
        if self.error_rate and not (query.kind.one_class and not query.kind.lists):
            raise AnnotationError(f"error_rate={self.error_rate} is for text classification: leave it out")
        said: dict[str, set[str]] = {}
        for answer in query.answers() if self.annotators else ():
            said.setdefault(answer.example_id, set()).add(str(answer.annotator))
        answered = query.size - len(query.questions)  # by a process that was stopped: the turns go on
        for place, question in enumerate(query.questions, start=answered):
            label = self.pool.hidden_label(question.example_id)
            if label is None:
                raise AnnotationError(
                    f"example {question.example_id} has no label in column {self.pool.label_column!r}: a simulation "
                    "needs them all; have the rest labeled by a FileAnnotator, or drop these rows"
                )
            is_nonsense = question.synthesized and label == NONSENSE and NONSENSE not in query.label_names
            people = self.annotators or [self.name]
            turns = [*people[place % len(people) :], *people[: place % len(people)]]
            of_example = [name for name in turns if name not in said.get(question.example_id, ())]
            for name in of_example[: question.opinions]:
                if is_nonsense:
                    yield Answer(question.example_id, action=NONSENSE, annotator=name)
                    continue
                given = self._given(question.example_id, label, name, query.label_names)
                yield Answer(question.example_id, given, annotator=name)

    def _given(self, example_id: str, label: Any, name: str, names: Sequence[str]) -> Any:
        if not self.error_rate:
            return label
        key = blake2b(f"{name}\n{example_id}".encode(), digest_size=8).digest()
        rng = np.random.default_rng([self.seed, int.from_bytes(key, "little")])
        if rng.random() >= self.error_rate:
            return label
        return str(rng.choice([other for other in names if other != label]))

    def waiting_for(self, query: OpenQuery) -> str | None:
        """Nothing: it never leaves a question."""
        return None
