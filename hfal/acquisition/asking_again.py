"""Ask once more about texts that have opinions, where that is worth more than a first opinion on a new text."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from hfal.acquisition.label_budget import LabelBudget
from hfal.acquisition.provenance import Made, record_query
from hfal.data.pool import Pool
from hfal.store.annotator_names import ANYBODY
from hfal.store.answer_log import SETTLE
from hfal.store.records import DATASET, Query
from hfal.store.run_info import RunPlan
from hfal.store.store import Store
from hfal.tasks.asking_again import ask_again_scores
from hfal.tasks.base import Task
from hfal.tasks.opinions import annotators_of, opinion_tables


class OldTexts(NamedTuple):
    """The texts that have opinions, of those that are trained on.

    Attributes:
        positions: Their places in the pool, int64[n].
        opinions: Their classes by annotator, int64[n, A]; -1 for no opinion.
        answered: How many people have answered each, if only to skip it, int64[n].
        may_ask_again: Which of them somebody may be asked about, bool[n].
        probabilities: Of a model that was not trained on them, float64[n, C].
    """

    positions: np.ndarray
    opinions: np.ndarray
    answered: np.ndarray
    may_ask_again: np.ndarray
    probabilities: np.ndarray


class AskedAgain(NamedTuple):
    """What a query asks again, and how much of it is new.

    Attributes:
        positions: Of the texts to ask again, in the pool, int64[k], best first.
        opinions: How many people are to label each in all, int64[k].
        probabilities: Of a model that was not trained on them, float64[k, C].
        scores: What they were chosen by, float64[k].
        new: How many new texts to ask.
        scores_of_new: The same scores of all candidates, float64[U].
    """

    positions: np.ndarray
    opinions: np.ndarray
    probabilities: np.ndarray
    scores: np.ndarray
    new: int
    scores_of_new: np.ndarray

    def suggestions(self, task: Task) -> Sequence[tuple[Any, float]]:
        """Return what a model would answer that has not seen the labels which others have given."""
        return task.suggestions({"probabilities": self.probabilities}, self.positions)

    def scores_by_id(self, pool: Pool, candidates: np.ndarray, chosen: np.ndarray) -> dict[str, dict[str, float]]:
        """Return for the record of the query the scores of the `old` texts and of those `new` ones that are asked.

        Args:
            pool: The pool.
            candidates: The positions of the candidates, int64[U].
            chosen: Those of the new texts that are asked.
        """
        score = dict(zip(candidates.tolist(), self.scores_of_new.tolist(), strict=True))
        old = {str(pool.ids[int(row)]): float(of) for row, of in zip(self.positions, self.scores, strict=True)}
        return {"old": old, "new": {str(pool.ids[int(row)]): score[int(row)] for row in chosen}}


def choose(
    opinions: np.ndarray,
    probabilities: np.ndarray,
    may_ask_again: np.ndarray,
    size: int,
    costs: np.ndarray | None = None,
    left: int | None = None,
) -> tuple[np.ndarray, int, np.ndarray]:
    """Choose by one score among texts with opinions and new ones: see `hfal.tasks.asking_again.ask_again_scores`.

    Args:
        opinions: int[N, A], -1 for no opinion; the rows of new texts are -1 throughout.
        probabilities: Of a model that was not trained on the text, float[N, C].
        may_ask_again: Which rows may be asked again, bool[N]; new ones are asked in any case.
        size: How many texts to ask.
        costs: How many opinions of a budget each row takes, int[N]; one by default.
        left: How many opinions the budget still pays for; `None` without a limit.

    Returns:
        The rows to ask again, int64[k], best first; how many new texts to ask; and the scores, float64[N].

    Example:
        >>> table = np.array([[0, 0], [0, 1], [1, 1], [0, -1], [-1, -1], [-1, -1]])  # of two people
        >>> p = np.array([[0.9, 0.1], [0.5, 0.5], [0.3, 0.7], [0.4, 0.6], [0.6, 0.4], [0.9, 0.1]])
        >>> old, new, scores = choose(table, p, np.array([0, 0, 0, 1, 0, 0], bool), size=2)
        >>> old.tolist(), new, scores.round(2).tolist()
        ([3], 1, [0.03, 0.5, 0.21, 0.35, 0.35, 0.03])
    """
    is_old = np.asarray((opinions >= 0).any(axis=1))
    scores = ask_again_scores(opinions, probabilities)
    rows = np.flatnonzero(~is_old | may_ask_again)
    best = rows[np.argsort(-scores[rows], kind="stable")][:size]
    if left is not None:
        spent = np.cumsum(np.ones(len(best), np.int64) if costs is None else costs[best])
        best = best[: np.searchsorted(spent, left, side="right")]
    old = best[is_old[best]]
    return old, len(best) - len(old), scores


def ask_again(
    old: OldTexts,
    positions: np.ndarray,
    arrays: Mapping[str, np.ndarray],
    budget: LabelBudget,
    size: int,
) -> AskedAgain:
    """Choose which texts to ask again, and how many new ones to ask.

    Args:
        old: The texts with opinions.
        positions: The new ones, int64[U].
        arrays: The signals of the pass over these, with their probabilities, if there are any.
        budget: What may be bought.
        size: How many texts to ask in all.
    """
    probabilities = arrays["probabilities"][: len(positions)] if len(positions) else old.probabilities[:0]
    count, new = len(old.positions), len(probabilities)
    rows, number, scores = choose(
        np.concatenate([old.opinions, np.full((new, old.opinions.shape[1]), -1)]),
        np.concatenate([old.probabilities, probabilities]),
        np.concatenate([old.may_ask_again, np.zeros(new, bool)]),
        size,
        np.concatenate([np.ones(count, np.int64), budget.costs[positions]]),
        budget.left(),
    )
    return AskedAgain(
        old.positions[rows], old.answered[rows] + 1, old.probabilities[rows], scores[rows], number, scores[count:]
    )


def ids_to_ask_again(store: Store, until: int | None = None) -> set[str]:
    """Return the ids of labeled examples about which somebody may be asked who has not answered yet.

    That leaves out what is held out, settled, skipped, or part of a query that is still being asked. Where all who
    come to the page may label, those are asked who have answered anything: nobody can tell who else will come.

    Args:
        store: The run's store, of whose plan the annotators are.
        until: The number of the last answer to see; `None` for all.
    """
    said = store.answers_by_annotator(until)
    people = set((store.plan or RunPlan()).annotators)
    if people == {ANYBODY}:
        people = {annotator for _, annotator in said} - {DATASET}
    answered: dict[str, set[str]] = {}
    for example_id, annotator in said:
        answered.setdefault(example_id, set()).add(annotator)
    asking = {asked.example_id for query in store.open_queries() for asked in query.examples}
    return {
        example_id
        for example_id, answer in store.training_answers(until).items()
        if answer.action != SETTLE and example_id not in asking and people - answered[example_id]
    }


def old_texts(pool: Pool, ids: Sequence[str], probabilities: np.ndarray, until: int) -> OldTexts:
    """Collect the texts that have opinions.

    Args:
        pool: The pool.
        ids: The examples to train on.
        probabilities: Of these, float[n, C], of a model that was not trained on them.
        until: The number of the last answer to see.
    """
    all_opinions = pool.store.opinions(until)
    labels: dict[str, dict[str, Any]] = {
        i: {name: answer.label for name, answer in all_opinions.get(i, {}).items() if answer.label is not None}
        for i in ids
    }
    rows = [row for row, i in enumerate(ids) if labels[i]]
    old = [ids[row] for row in rows]
    given = [labels[i] for i in old]
    table = opinion_tables(pool.task.kind, pool.label_names, given, annotators_of(given))[0].opinions
    asked = ids_to_ask_again(pool.store, until)
    return OldTexts(
        pool.positions(old),
        table,
        np.array([len(all_opinions[i]) for i in old], np.int64),
        np.array([i in asked for i in old], bool),
        probabilities[rows],
    )


def record_asked_again(
    budget: LabelBudget,
    made: Made,
    again: AskedAgain,
    candidates: np.ndarray,
    chosen: np.ndarray,
    scores: np.ndarray | None,
    suggested: Sequence[tuple[Any, float]],
) -> Query:
    """Record a query that asks old texts again, which come first, and new ones.

    Args:
        budget: What may be bought, and of which pool.
        made: How it was made.
        again: The old ones.
        candidates: The positions of the candidates, int64[U].
        chosen: Those of the new texts that are asked, int64[k].
        scores: The acquisition scores of these, float[k], if there are any.
        suggested: What the model says of each of these, and how sure it is.
    """
    settings = {**made.settings, "ask_again": again.scores_by_id(budget.pool, candidates, chosen)}
    return record_query(
        budget.pool,
        made._replace(settings=settings),
        np.concatenate([again.positions, chosen]),
        np.concatenate([again.opinions, budget.opinions[chosen]]),
        None if scores is None else np.concatenate([np.full(len(again.positions), np.nan), scores]),
        [*again.suggestions(budget.pool.task), *suggested],
    )
