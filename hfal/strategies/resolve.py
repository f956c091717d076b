"""Resolve a name such as `"margin+kmeans"`, a function, or an object of `combine` to a strategy."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from scipy.stats import rankdata

from hfal.errors import ArgumentError, StrategyError
from hfal.strategies.combine import Hybrid, Ranks, Schedule, Subset
from hfal.strategies.label_scores import LabelRank, LabelScore
from hfal.strategies.registry import FAMILIES, SEED_SELECTIONS, Family, refuse_for_family, unknown_name
from hfal.strategies.scores import GIVEN, ScoreFunction, Stack, reads_draws, required_parameters
from hfal.strategies.selection import SIGNALS, SelectFunction, Signals, random, top_k
from hfal.strategies.similarity import best_distinct
from hfal.strategies.token_scores import TokenScore


_COUNTED = {1: "one", 2: "two"}


@dataclass(frozen=True)
class _Use:
    """The use of a strategy: the arguments of `resolve_strategy` beside the strategy."""

    family: str
    outside: int = 0
    called: Mapping[str, str] = field(default_factory=dict)

    @property
    def known(self) -> Family:
        """The strategies of the family."""
        return FAMILIES[self.family]


@dataclass(frozen=True)
class Strategy:
    """Up to three functions that turn what a pass over the pool computes into a query.

    Attributes:
        name: As it is recorded with each query.
        score: Called on each batch's class probabilities, or draws of them, as it streams by, for token classification
            with a mask of the words; only its floats are kept. `None` if nothing is scored so.
        rescore: Makes the acquisition scores, float[N], of all signals; by default they are what `score` gave.
        select: Called once, on the signals in `needs`.
        needs: Fields of `Signals` that have to be filled.
        settings: Its arguments, as they are recorded with each query.
        among: Chooses the candidates beforehand.
    """

    name: str
    score: ScoreFunction | None
    select: SelectFunction
    needs: frozenset[str]
    settings: Mapping[str, Any] = field(default_factory=dict)
    rescore: Callable[[Signals, np.random.Generator], np.ndarray] | None = None
    among: "Among | None" = None

    @property
    def draws(self) -> bool:
        """Whether it takes draws of the model's parameters."""
        needs = self.needs if self.among is None else self.needs | self.among.needs
        return "draws" in needs or (self.score is not None and reads_draws(self.score))

    def scored(self, signals: Signals, rng: np.random.Generator) -> Signals:
        """The signals with the final acquisition scores.

        Raises:
            StrategyError: These are not N finite numbers.
        """
        if self.rescore is None:
            return signals
        with _saying_what_was_given(self, signals):
            scores = np.asarray(self.rescore(signals, rng))
        if scores.shape != (signals.size,) or not np.isfinite(scores).all():
            raise StrategyError(
                f"the scores of strategy {self.name!r} are {scores.dtype}{list(scores.shape)}, expected "
                f"{signals.size} finite numbers"
            )
        return replace(signals, scores=scores)

    def pick(self, signals: Signals, k: int, rng: np.random.Generator) -> np.ndarray:
        """Call `select` and check that what it returned is a query.

        Returns:
            Rows of the signals, int64[k].

        Raises:
            StrategyError: Not k different rows came back.
        """
        with _saying_what_was_given(self, signals):
            rows = self.select(signals, k, rng)
        return _checked_rows(self.name, rows, k, signals.size)


@dataclass(frozen=True)
class Among:
    """How candidates are chosen before the strategy sees any.

    Attributes:
        select: Chooses them.
        needs: Fields of `Signals` that it reads.
        size: How many.
    """

    select: SelectFunction
    needs: frozenset[str]
    size: int

    def pick(self, signals: Signals, rng: np.random.Generator) -> np.ndarray:
        """Rows of the signals, int64[n], in their order: all of them if there are no more than `size`.

        Raises:
            StrategyError: Not `size` different rows came back.
        """
        if self.size >= signals.size:
            return np.arange(signals.size)
        rows = self.select(signals, self.size, rng)
        return np.sort(_checked_rows(_name(self.select), rows, self.size, signals.size))


@contextlib.contextmanager
def _saying_what_was_given(strategy: Strategy, signals: Signals) -> Iterator[None]:
    """What somebody's own function did not declare is `None`, which an error of Python's does not say."""
    try:
        yield
    except (AttributeError, TypeError) as error:
        given = [name for name in SIGNALS if getattr(signals, name) is not None]
        others = [name for name in SIGNALS if name not in given]
        error.add_note(
            f"strategy {strategy.name!r} was given the signals {', '.join(given) or 'none'}; what it reads of "
            f"{', '.join(others)} has to be declared: @needs('{others[0]}')"
        )
        raise


def _checked_rows(name: str, rows: Any, k: int, size: int) -> np.ndarray:
    if rows is None:
        raise StrategyError(f"strategy {name!r} returned nothing, expected {k} integer rows")
    picked = np.asarray(rows)
    if picked.shape != (k,) or not np.issubdtype(picked.dtype, np.integer):
        raise StrategyError(
            f"strategy {name!r} returned {picked.dtype}{list(picked.shape)}, expected {k} integer rows"
        )
    if k and (picked.min() < 0 or picked.max() >= size):
        raise StrategyError(
            f"strategy {name!r} returned rows from {picked.min()} to {picked.max()}, but the signals have {size} rows"
        )
    if len(np.unique(picked)) != k:
        raise StrategyError(f"strategy {name!r} returned a row more than once")
    return picked.astype(np.int64)


RANDOM = Strategy("random", None, random, frozenset())
"""What asks where a strategy has nothing to go by."""


def resolve_schedule(
    strategy: str | Hybrid | Ranks | Subset | Schedule | Callable[..., Any],
    family: str = "classes",
    outside: int = 0,
    called: Mapping[str, str] | None = None,
) -> dict[int, Strategy]:
    """Return the round from which each strategy is used, to the strategy; see `resolve_strategy`."""
    by_round = strategy.strategies if isinstance(strategy, Schedule) else {1: strategy}
    return {number: resolve_strategy(by_round[number], family, outside, called) for number in sorted(by_round)}


def resolve_strategy(
    strategy: str | Hybrid | Ranks | Subset | Callable[..., Any],
    family: str = "classes",
    outside: int = 0,
    called: Mapping[str, str] | None = None,
) -> Strategy:
    """Return the strategy that a name, a function or an object of `hfal.strategies.combine` stands for.

    There are three kinds of functions. `score(probabilities)` is called on each batch and gives scores of which the
    highest are asked; with a parameter named `draws` it is given several draws of the probabilities, and for words it
    takes a second argument, `mask` (see `hfal.strategies.token_scores`). `score(signals)`, or
    `score(signals, rng)`, gives the scores of all candidates at once, from arrays. `select(signals, k, rng)` picks the
    rows itself. The latter two declare what they read with `needs`; without it they are given probabilities and
    embeddings.

    Args:
        strategy: The name, function or object.
        family: What scores read; see `hfal.strategies.registry`.
        outside: For words, the index of the tag `O`; -1 if there is none.
        called: What messages call the families, such as the names of their tasks; by default by their own names.

    Raises:
        ValueError: The name is not known (the nearest one is offered), or the function takes other arguments.
        TypeError: It is nothing of the kind.
    """
    return _resolved(strategy, _Use(family, outside, called or {}))


def _resolved(strategy: Any, use: _Use) -> Strategy:
    if isinstance(strategy, Subset):
        return _subset(strategy, use)
    if isinstance(strategy, Hybrid):
        return _hybrid(strategy, use)
    if isinstance(strategy, str):
        parts = [part.strip() for part in strategy.split("+")]
        if len(parts) == 2:
            return _hybrid(Hybrid(parts[0], parts[1]), use)
        if len(parts) > 2:
            raise ArgumentError(f"strategy {strategy!r} has {len(parts) - 1} '+', expected one: a score + a selection")
        if strategy not in use.known.scores:
            offered = [
                *use.known.scores,
                *use.known.selections,
                *(f"{score}+kmeans" for score in use.known.scores),
            ]
            return _selecting(_selection(strategy, use, offered), use)
    elif isinstance(strategy, Schedule):
        raise TypeError("strategy is a Schedule, expected the strategy of one round (see resolve_schedule)")
    elif not isinstance(strategy, Ranks) and not callable(strategy):
        raise TypeError(f"strategy is a {type(strategy).__name__}, expected a name, a function or a Hybrid")
    elif callable(strategy) and _selects(strategy):
        return _selecting(strategy, use)
    score = _score(strategy, use, "strategy")
    return _asking(score, score.name, top_k, use)


def resolve_seed_strategy(strategy: str | SelectFunction) -> Strategy:
    """The strategy that picks a seed set: one of `SEED_SELECTIONS`, or a function `select(signals, k, rng)`.

    Raises:
        ArgumentError: It is something else, or needs what only a model or labels can say.
    """
    use = _Use("classes")  # embeddings are the same for all of them
    select = SEED_SELECTIONS[strategy] if isinstance(strategy, str) else _selection(strategy, use)
    needs = _needs(select, use)
    if needs - {"embeddings", "labeled_embeddings"}:
        raise ArgumentError(
            f"seed_strategy={_name(select)!r} needs {', '.join(sorted(needs))}, but no model has been trained yet: "
            "take a function that reads nothing but embeddings, and declares so: @needs('embeddings')"
        )
    return Strategy(_name(select), None, select, needs, _settings(select))


# -- scores --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Score:
    """A score: what is called on batches, and what makes the final scores of that and of other signals."""

    name: str
    stream: ScoreFunction | None
    needs: frozenset[str] = frozenset()
    rescore: Callable[[Signals, np.random.Generator], np.ndarray] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


def _score(score: Any, use: _Use, what: str = "score") -> _Score:
    if isinstance(score, Ranks):
        return _ranks(score, use)
    if isinstance(score, Hybrid | Subset | Schedule) or not (isinstance(score, str) or callable(score)):
        raise ArgumentError(
            f"{what} is a {type(score).__name__}, expected a score function, its name or Ranks (a Subset holds a "
            "Hybrid, and a Schedule holds either)"
        )
    if isinstance(score, str):
        if score in use.known.selections:
            raise ArgumentError(f"{score!r} selects, which stands behind the +, as in 'margin+{score}'")
        if score not in use.known.scores:
            refuse_for_family(score, use.family, use.called)
            raise ArgumentError(unknown_name("score", score, [*use.known.scores]))
        score = use.known.scores[score]
    refuse_for_family(score, use.family, use.called)
    if isinstance(score, LabelScore | LabelRank) and use.family != "labels":
        raise ArgumentError(f"{score.name!r} is a score of sets of labels: take {score.score!r} here")
    parameters = required_parameters(score)
    if parameters in (["signals"], ["signals", "rng"]):
        return _Score(_name(score), None, _needs(score, use), score if len(parameters) == 2 else _without_rng(score))
    if isinstance(score, TokenScore):
        if use.family != "words":
            raise ArgumentError(f"{_name(score)!r} is a score of words: take {_name(score).partition('(')[0]!r} here")
        if score.sure_outside is not None and use.outside < 0:
            raise ArgumentError(f"sure_outside={score.sure_outside}, but the labels have no 'O'")
        score = replace(score, outside=max(use.outside, 0))
    elif not _scores_batches(parameters, use):
        wrapped = " (or wrap it in a TokenScore)" if use.family == "words" else ""
        arguments = use.known.score_parameters
        if not arguments:
            raise ArgumentError(
                f"{what} {_name(score)!r} scores batches, but here no probabilities are to be had: expected "
                "score(signals) or select(signals, k, rng), which declare what they read with @needs"
            )
        selecting = " or select(signals, k, rng) with three" if what == "strategy" else ""
        raise ArgumentError(
            f"{what} {_name(score)!r} takes {len(parameters)} arguments, expected "
            f"score({', '.join(arguments)}) with {_COUNTED[len(arguments)]}{wrapped}{selecting}"
        )
    return _Score(_name(score), score, settings=_settings(score))


def _scores_batches(parameters: list[str], use: _Use) -> bool:
    """Whether these are the parameters of a score of batches: as many as the family has, or `draws` among them."""
    if not use.known.score_parameters:
        return False
    if "draws" in parameters:
        return set(parameters) <= set(GIVEN) and ("mask" in parameters) == (use.family == "words")
    return len(parameters) == len(use.known.score_parameters)


def _selects(function: Callable[..., Any]) -> bool:
    parameters = required_parameters(function)
    return len(parameters) == 3 and not set(parameters) <= set(GIVEN)


def _without_rng(score: Callable[..., Any]) -> Callable[[Signals, np.random.Generator], np.ndarray]:
    return lambda signals, rng: score(signals)


def _ranks(ranks: Ranks, use: _Use) -> _Score:
    parts = [_score(score, use) for score in ranks.scores]
    streams = tuple(part.stream for part in parts if part.stream is not None)
    weights = np.array(ranks.weights) / sum(ranks.weights)

    def rescore(signals: Signals, rng: np.random.Generator) -> np.ndarray:
        columns = iter(() if signals.scores is None else signals.scores.T)
        total = np.zeros(signals.size)
        for part, weight in zip(parts, weights, strict=True):
            scores = next(columns) if part.rescore is None else part.rescore(replace(signals, scores=None), rng)
            rank = rankdata(-scores) / signals.size
            total += weight * (np.log(rank) if ranks.combine == "product" else rank)
        return 1 - (np.exp(total) if ranks.combine == "product" else total)

    return _Score(
        f"ranks({', '.join(part.name for part in parts)})",
        Stack(streams) if streams else None,
        frozenset().union(*(part.needs for part in parts)),
        rescore,
        {
            "weights": list(ranks.weights),
            "combine": ranks.combine,
            **({"parts": [dict(part.settings) for part in parts]} if any(part.settings for part in parts) else {}),
        },
    )


# -- selections ----------------------------------------------------------------------------------------------------


def _hybrid(hybrid: Hybrid, use: _Use) -> Strategy:
    score, select = _score(hybrid.score, use), _selection(hybrid.select, use)
    factor = hybrid.candidate_factor
    if factor is None and "scores" not in _needs(select, use):
        factor = 10
    name = f"{score.name}+{_name(hybrid.select)}"
    if factor is None:
        return _asking(score, name, select, use, settings=_settings(select))
    among = partial(_among_the_best, select, factor)
    return _asking(score, name, among, use, _needs(select, use), {"candidate_factor": factor, **_settings(select)})


def _asking(
    score: _Score,
    name: str,
    select: SelectFunction,
    use: _Use,
    needs: frozenset[str] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Strategy:
    needs = _needs(select, use) if needs is None else needs
    return Strategy(
        name=name,
        score=score.stream,
        select=select,
        needs=(needs | score.needs) - {"scores"} | ({"scores"} if score.stream is not None else set()),
        settings={**(settings or {}), **score.settings},
        rescore=score.rescore,
    )


def _selecting(select: SelectFunction, use: _Use) -> Strategy:
    if "scores" in _needs(select, use):
        by_name = [f", or '{score}+{_name(select)}'" for score in use.known.scores]
        raise ArgumentError(
            f"strategy {_name(select)!r} needs scores, and nothing gives them: pass Hybrid(score, "
            f"{_name(select)}) with the score to use{''.join(by_name[:1])}"
        )
    return Strategy(_name(select), None, select, _needs(select, use), _settings(select))


def _subset(subset: Subset, use: _Use) -> Strategy:
    strategy = _resolved(subset.strategy, use)
    by = _selection(subset.by, use)
    needs = _needs(by, use)
    if "scores" in needs:
        raise ArgumentError(
            f"by={_name(by)!r} reads scores, and candidates are chosen before there are any: 'random' and 'neighbors' "
            "do without"
        )
    return replace(
        strategy,
        among=Among(by, needs, subset.size),
        settings={**strategy.settings, "subset": subset.size, "subset_by": _name(by)},
    )


def _among_the_best(
    select: SelectFunction, candidate_factor: int, signals: Signals, k: int, rng: np.random.Generator
) -> np.ndarray:
    assert signals.scores is not None
    count = candidate_factor * k
    if signals.embeddings is None:
        rows = np.sort(top_k(signals, min(signals.size, count), rng))
    else:
        rows = best_distinct(signals.scores, signals.embeddings, count, k)
    picked = rows[select(signals.rows(rows), k, rng)]
    # Asked in the order of the score: where only some get answered, it is the better ones.
    return picked[np.lexsort((picked, -signals.scores[picked]))]


def _selection(select: str | SelectFunction, use: _Use, offered: list[str] | None = None) -> SelectFunction:
    known = use.known.selections
    if not isinstance(select, str):
        if not callable(select):
            raise ArgumentError(f"select is a {type(select).__name__}, expected a select function or its name")
        if not _selects(select):
            raise ArgumentError(
                f"select {_name(select)!r} takes {len(required_parameters(select))} arguments: "
                "signals, k, rng expected"
            )
        return select
    if select in use.known.scores and offered is None:
        raise ArgumentError(
            f"{select!r} is a score, which stands before the +, as in '{select}+kmeans'; what selects among the best "
            f"stands behind it: {', '.join(sorted(known))}"
        )
    if select not in known:
        refuse_for_family(select, use.family, use.called)
        raise ArgumentError(unknown_name("strategy", select, offered or [*known]))
    return known[select]


# -- what functions say of themselves ------------------------------------------------------------------------------


def _needs(select: Callable[..., Any], use: _Use) -> frozenset[str]:
    select = _original(select)
    refuse_for_family(select, use.family, use.called)
    needed: frozenset[str] = getattr(select, "needs", use.known.signals & {"probabilities", "embeddings"})
    missing = needed - use.known.signals
    if missing and use.family == "words":
        raise ArgumentError(
            f"strategy {_name(select)!r} needs {', '.join(sorted(needed))}, but what a model says of the words of a "
            "whole pool is not kept: reduce it to scores in Hybrid(score, select), or declare @needs('embeddings')"
        )
    if "labels" in missing and use.family == "labels":
        raise ArgumentError(
            f"strategy {_name(select)!r} needs labels, one class for each labeled example, but here an example has a "
            "set of them: it can read labeled_probabilities or labeled_embeddings"
        )
    if missing:
        raise ArgumentError(
            f"strategy {_name(select)!r} needs {', '.join(sorted(missing))}, which this task does not give: it can "
            f"read {', '.join(sorted(use.known.signals))}"
        )
    return needed


def _name(part: str | Callable[..., Any]) -> str:
    if isinstance(part, str):
        return part
    part = _original(part)
    return str(getattr(part, "name", None) or getattr(part, "__name__", type(part).__name__))


def _settings(part: Any) -> dict[str, Any]:
    """The arguments that the name does not say: those that an object names, or that a `partial` has fixed."""
    found = dict(getattr(_original(part), "settings", {}))
    return {**found, **part.keywords} if isinstance(part, partial) else found


def _original(part: Any) -> Any:
    return part.func if isinstance(part, partial) else part
