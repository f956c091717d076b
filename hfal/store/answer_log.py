"""Derive what is said now from a log of answers, oldest first."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from hfal.errors import AnnotationError
from hfal.store.annotator_names import name_problem
from hfal.store.records import DATASET, Answer
from hfal.utils.spelling import shown


SETTLE = "settle"
"""The action of an answer that holds whatever others have said."""

NONSENSE = "nonsense"
"""The action of an answer that a synthesized text makes no sense."""

WITH_LABEL = ("label", "correct", SETTLE)
WITHOUT_LABEL = ("skip", "unsure", NONSENSE, "undo")
ACTIONS = (*WITH_LABEL, *WITHOUT_LABEL)


def makes_no_sense(answer: Answer) -> bool:
    """Return whether an answer says that a synthesized text makes no sense, or settles it."""
    return answer.action == NONSENSE or (answer.action == SETTLE and answer.label is None)


def check_answer(answer: Answer) -> None:
    """Check that an answer has an action, an annotator, and a label just where one belongs.

    Raises:
        AnnotationError: It has not, or its probability is none.
    """
    if answer.action not in ACTIONS:
        raise AnnotationError(f"{answer.action!r} is no action; the actions are: {', '.join(ACTIONS)}")
    if not answer.annotator:
        raise AnnotationError(f"the answer to {answer.example_id!r} does not say who the annotator is")
    if answer.action in WITHOUT_LABEL and answer.label is not None:
        raise AnnotationError(
            f"the answer to {answer.example_id!r} is {answer.action!r}, which has no label, and has the label "
            f"{answer.label!r}: leave one of the two out"
        )
    if answer.action in WITH_LABEL and answer.label is None and not makes_no_sense(answer):
        raise AnnotationError(
            f"None is no label: the answer to {answer.example_id!r} is {answer.action!r}, which takes one"
        )
    probability = answer.probability
    if probability is not None and not (isinstance(probability, int | float) and 0 <= probability <= 1):
        raise AnnotationError(
            f"the answer to {answer.example_id!r} has the probability {probability!r}, expected one from 0 to 1"
        )


def check_given_by_annotator(answer: Answer) -> None:
    """Check that an answer is of an annotator whose name can be recorded.

    Labels that came with the data can be taken back, but no other answer is given in their name.

    Raises:
        AnnotationError: It is not.
    """
    problem = name_problem(answer.annotator)
    if problem is not None and not (answer.annotator == DATASET and answer.action == "undo"):
        raise AnnotationError(
            f"the answer to {answer.example_id!r} is by the annotator {shown(answer.annotator)}, {problem}"
        )


def entry_for(answer: Answer, said: Answer | None) -> Answer | None:
    """Return an answer as it is appended to the log; `None` if it says what the same annotator already said.

    Args:
        answer: The new answer.
        said: What its annotator says of the example so far.

    Raises:
        AnnotationError: There is nothing to undo.
    """
    if said is None and answer.action == "undo":
        raise AnnotationError(f"there is no answer of {answer.annotator!r} to {answer.example_id!r} to undo")
    action = answer.action
    if said is not None and action != "undo":
        if answer.label is not None and action != SETTLE:
            action = SETTLE if said.action == SETTLE else "correct"
        same_kind = action == said.action or {action, said.action} <= {"label", "correct"}
        about = (answer.label, answer.comment, answer.probability)
        if same_kind and (said.label, said.comment, said.probability) == about:
            return None
    comment = answer.comment and answer.comment.encode("utf-8", "replace").decode()  # no half surrogate pairs
    return replace(answer, action=action, comment=comment)


def by_annotator(answers: Iterable[Answer], settled: bool = True) -> dict[tuple[str, str], Answer]:
    """Return what each annotator now says: `(example_id, annotator)` to the last answer that was not undone.

    Args:
        answers: The log, oldest first.
        settled: Whether what an annotator has settled stands for what they had said before.
    """
    said: dict[tuple[str, str], list[Answer]] = {}
    for answer in answers:
        history = said.setdefault((answer.example_id, str(answer.annotator)), [])
        if answer.action != "undo":
            history.append(answer)
        elif history:
            history.pop()
    if not settled:
        said = {key: [one for one in history if one.action != SETTLE] for key, history in said.items()}
    return {key: history[-1] for key, history in said.items() if history}


def opinions_in(answers: Iterable[Answer]) -> dict[str, dict[str, Answer]]:
    """Return what each person says of each example, by example and by annotator, both in the order of the log.

    What was settled is no opinion, and what came with the data is not a person's.

    Args:
        answers: The log, oldest first.
    """
    found: dict[str, dict[str, Answer]] = {}
    for (example_id, annotator), answer in by_annotator(answers, settled=False).items():
        if annotator != DATASET:
            found.setdefault(example_id, {})[annotator] = answer
    return {i: dict(sorted(of.items(), key=lambda one: one[1].number or 0)) for i, of in found.items()}


def latest(said: Mapping[tuple[str, str], Answer]) -> dict[str, Answer]:
    """Return the answer to each example that holds, of those that `by_annotator` gives: settled, or said last."""
    current: dict[str, Answer] = {}
    for (example_id, _), answer in said.items():
        held = current.get(example_id)
        if held is None or _place(answer) > _place(held):
            current[example_id] = answer
    return current


def _place(answer: Answer) -> tuple[bool, int]:
    return answer.action == SETTLE, answer.number or 0
