"""The answer that holds where several people have labeled the same example."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from hfal.store.answer_log import SETTLE, by_annotator, latest, opinions_in
from hfal.store.records import Answer
from hfal.tasks.kinds import Kind
from hfal.tasks.opinions import class_posteriors, combine


def answers_that_hold(log: Iterable[Answer], kind: Kind, names: Sequence[str], method: str) -> dict[str, Answer]:
    """Return example id to the answer that holds, in the order of the first answers.

    Args:
        log: All answers, oldest first.
        kind: The kind of the labels.
        names: Their names.
        method: One of `hfal.store.run_info.AGGREGATIONS`.
    """
    log = list(log)
    held = latest(by_annotator(log))
    return held if method == "latest" else aggregated(held, opinions_in(log), kind, names, method)


def aggregated(
    held: Mapping[str, Answer],
    opinions: Mapping[str, Mapping[str, Answer]],
    kind: Kind,
    names: Sequence[str],
    method: str,
) -> dict[str, Answer]:
    """Return the answers that hold, with one label made of several.

    An example that somebody has settled, or that nobody has given a label, keeps its answer. The others have the label
    that is made of all, with its probability; time, comment and annotator are those of the last who gave just that
    label, or else of the last who gave any.

    Args:
        held: The latest answer to each example, or what was settled.
        opinions: What each person says of each example, by annotator.
        kind: The kind of the labels.
        names: Their names.
        method: One of `hfal.store.run_info.AGGREGATIONS`, but for `"latest"`.
    """
    labeled = _labeled(held, opinions)
    labels = [{name: answer.label for name, answer in of.items()} for of in labeled.values()]
    answers = dict(held)
    for (example_id, of), made in zip(labeled.items(), combine(kind, names, labels, method), strict=True):
        if made is not None:
            label, probability = made
            by_time = sorted(of.values(), key=lambda answer: (answer.label == label, answer.number or 0))
            answers[example_id] = replace(by_time[-1], label=label, probability=probability)
    return answers


def posteriors(log: Iterable[Answer], kind: Kind, names: Sequence[str], method: str) -> dict[str, np.ndarray]:
    """Return the probability of each class, float64[C], by example, of those whose label is made of several people's.

    Args:
        log: All answers, oldest first.
        kind: The kind of the labels, of which each text has one.
        names: The names of the classes.
        method: One of `hfal.store.run_info.AGGREGATIONS`; by `"latest"` no label is made of several.
    """
    if method == "latest":
        return {}
    log = list(log)
    labeled = _labeled(latest(by_annotator(log)), opinions_in(log))
    labels = [{name: answer.label for name, answer in of.items()} for of in labeled.values()]
    found = zip(labeled, labels, class_posteriors(kind, names, labels, method), strict=True)
    return {example_id: posterior for example_id, of, posterior in found if len(of) > 1}


def _labeled(held: Mapping[str, Answer], opinions: Mapping[str, Mapping[str, Answer]]) -> dict[str, dict[str, Answer]]:
    """Return the opinions with a label on each example of which one is made, by annotator."""
    labeled = {
        example_id: {name: answer for name, answer in of.items() if answer.label is not None}
        for example_id, of in opinions.items()
        if example_id in held and held[example_id].action != SETTLE
    }
    return {example_id: of for example_id, of in labeled.items() if of}
