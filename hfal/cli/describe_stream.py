"""Describe a stream: how much was asked, and how scores, threshold and hits have changed, by which drift is seen."""

from collections.abc import Sequence
from typing import Any

from hfal.store.round_records import aligned
from hfal.store.store import Store
from hfal.store.stream_log import ASKED, COPY, RANDOM, SAMPLE, StreamDecision
from hfal.utils.spelling import counted


_PARTS = 5
_LEAST = 500  # texts of a part, of which the decisions on about ten that were let go are kept
_HEADER = ["texts", "asked", "threshold", "score 10%", "50%", "90%", "random", "right"]


def describe_stream(store: Store) -> list[str]:
    """Return the lines about the stream of a run; empty if it has none.

    The table has a row for each of up to five parts of the stream. Quantiles of scores are estimated from the
    decisions that are kept: all on asked texts, and one of fifty of the others. Of the random share it says how many
    texts are labeled, and of how many of them the model, when they came, has said what the label is.
    """
    state = store.stream
    if state is None or not state.seen:
        return []
    asked = state.outcomes.get(ASKED, 0) + state.outcomes.get(RANDOM, 0)
    copies = state.outcomes.get(COPY, 0)
    about = (
        f"Stream: {counted(state.seen, 'text')}, {asked:,} asked ({asked / max(state.seen - copies, 1):.1%} of those "
        f"that are no copies; budget {state.budget:.1%}), {state.outcomes.get(RANDOM, 0):,} of them drawn at random "
        f"and held out, {counted(copies, 'copy', 'copies')} let go; {state.strategy}, {state.manager}"
    )
    parts = max(min(_PARTS, state.seen // _LEAST), 1)
    right = _right(store)
    kept = store.stream_decisions()
    rows = []
    for part in range(parts):
        begin, end = state.seen * part // parts, state.seen * (part + 1) // parts
        rows.append(_row(begin, end, [one for one in kept if begin < one.seen <= end], right))
    return ["", about, *aligned([_HEADER, *rows]).split("\n")]


def _row(begin: int, end: int, kept: Sequence[StreamDecision], right: dict[str, bool]) -> list[str]:
    """Return the cells of one part of the stream, which has the texts after `begin` up to `end`."""
    asked = [one for one in kept if one.outcome in (ASKED, RANDOM)]
    thresholds = sorted(one.threshold for one in kept if one.threshold is not None)
    scores = [(one.score, 1 if one.outcome in (ASKED, RANDOM) else SAMPLE) for one in kept if one.score is not None]
    drawn = [right[one.example_id] for one in kept if one.example_id in right]
    return [
        f"{begin + 1:,}-{end:,}",
        f"{len(asked) / (end - begin):.1%}",
        _number(thresholds[len(thresholds) // 2] if thresholds else None),
        *(_number(_quantile(scores, share)) for share in (0.1, 0.5, 0.9)),
        str(len(drawn)),
        f"{sum(drawn) / len(drawn):.1%}" if drawn else "",
    ]


def _quantile(weighted: Sequence[tuple[float, int]], share: float) -> float | None:
    """Return a quantile of numbers with weights; `None` of no number."""
    left = share * sum(weight for _, weight in weighted)
    for value, weight in sorted(weighted):
        left -= weight
        if left <= 0:
            return value
    return None


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _right(store: Store) -> dict[str, bool]:
    """Return whether the model has said the label of each labeled text of the random share, by id."""
    said: dict[str, Any] = {}
    for query in store.queries():
        if query.purpose == "holdout" and "stream" in query.settings:
            said |= query.settings["stream"]["predictions"]
    labels = {i: answer.label for i, answer in store.current_answers().items() if answer.label is not None}
    return {i: _plain(said[i]) == _plain(labels[i]) for i in said if i in labels}


def _plain(label: Any) -> Any:
    return list(label) if isinstance(label, list | tuple) else label
