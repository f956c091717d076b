"""Queries that go on with the ranking of a round's model, for people who would wait while the next round trains."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from hfal.acquisition.label_budget import LabelBudget
from hfal.acquisition.provenance import Made, record_query
from hfal.store.records import AHEAD, Query


QUERIES_AHEAD = 5
"""How many queries a round's model picks beyond its own: enough for a training that takes five times as long as its
labels."""

Picked = tuple[np.ndarray, np.ndarray | None]
"""The positions of a query, int64[k], in the order in which to ask, and their scores, float[k], if there are any."""


def pick_in_turn(
    select: Callable[[np.ndarray, Mapping[str, np.ndarray], Sequence[int]], Picked],
    positions: np.ndarray,
    arrays: Mapping[str, np.ndarray],
    key: Sequence[int],
    taken: np.ndarray,
    queries: int,
) -> list[Picked]:
    """Pick several queries, each of what those before it have left.

    Args:
        select: Picks one of candidates, with their signals and what seeds the random choices.
        positions: The candidates, int64[N].
        arrays: Their signals; rows behind these are of labeled examples.
        key: What seeds the choices of the first query; those of the others have their number behind it.
        taken: Candidates that are not to be picked, bool[N].
        queries: How many there are to be; fewer if nothing is left.
    """
    picked: list[Picked] = []
    while len(picked) < queries and not taken.all():
        left = arrays
        if taken.any():
            count = len(taken)
            left = {name: np.concatenate([of[:count][~taken], of[count:]]) for name, of in arrays.items()}
        picked.append(select(positions[~taken], left, (*key, len(picked)) if picked else key))
        if not len(picked[-1][0]):  # the budget does not pay for more
            return picked[:-1] or picked
        taken = taken | np.isin(positions, picked[-1][0])
    return picked


def record_with_ranking(
    budget: LabelBudget, made: Made, picked: Sequence[Picked], suggested: Sequence[tuple[Any, float]] | None
) -> Query:
    """Record a query, and where more was picked what comes after it, in the place of what came after the one before.

    Args:
        budget: What may be bought, and of which pool.
        made: How all of them were made.
        picked: The query, and those that come after it.
        suggested: What the model says of each example of all of them, and how sure it is.
    """
    pool, queries, at = budget.pool, [], 0
    for positions, scores in picked:
        of_query = None if suggested is None else suggested[at : at + len(positions)]
        queries.append((positions, scores, of_query))
        at += len(positions)
    if len(queries) == 1 and not pool.store.meta("ranking"):
        return _record(budget, made, *queries[0])
    after = [
        {
            "examples": [str(pool.ids[int(position)]) for position in positions],
            "scores": None if scores is None else [float(score) for score in scores],
            "suggested": of_query and [(label, float(sure)) for label, sure in of_query],
        }
        for positions, scores, of_query in queries[1:]
    ]
    with pool.store.at_once():
        pool.store.set_meta("ranking", {**made._asdict(), "purpose": AHEAD, "queries": after})
        return _record(budget, made, *queries[0])


def propose_ahead(budget: LabelBudget) -> Query | None:
    """Record the next query of the ranking that is kept, of what is unlabeled and paid for.

    Args:
        budget: What may be bought, and of which pool.

    Returns:
        The query; `None` if there is no ranking, nothing of it is left, or the budget is spent.
    """
    pool, kept = budget.pool, budget.pool.store.meta("ranking")
    if kept is None:
        return None
    made = Made(*(kept[name] for name in Made._fields))
    with pool.store.at_once():
        of_round = [query for query in pool.store.queries() if query.round == made.round]
        asked = [query.sequence for query in of_round if query.purpose == AHEAD]
        for number, query in enumerate(kept["queries"], start=1):
            if number <= max(asked, default=0):
                continue
            positions = pool.positions(query["examples"])
            rows = np.flatnonzero(np.isin(positions, budget.affordable()))
            rows = rows[: budget.paid(positions[rows])]
            if len(rows):
                settings = {**made.settings, "sequence": number, "answers_seen": pool.store.last_answer()}
                scores, suggested = query["scores"], query["suggested"]
                return _record(
                    budget,
                    made._replace(settings=settings),
                    positions[rows],
                    None if scores is None else np.array(scores)[rows],
                    suggested and [tuple(suggested[row]) for row in rows],
                )
    return None


def _record(
    budget: LabelBudget,
    made: Made,
    positions: np.ndarray,
    scores: np.ndarray | None,
    suggested: Sequence[tuple[Any, float]] | None,
) -> Query:
    return record_query(budget.pool, made, positions, budget.opinions[positions], scores, suggested)
