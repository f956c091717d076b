"""From what the user writes to a strategy: a name such as `"margin+kmeans"`, a function, or a `Hybrid`."""

import difflib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from hfal.errors import ArgumentError, StrategyError
from hfal.strategies.diversity import kmeans
from hfal.strategies.selection import SelectFunction, Signals, random, top_k
from hfal.strategies.tokens import WORD_SCORES, TokenScore, mnlp
from hfal.strategies.uncertainty import entropy, least_confidence, margin


ScoreFunction = Callable[..., torch.Tensor]

SCORES: dict[str, ScoreFunction] = {"entropy": entropy, "least_confidence": least_confidence, "margin": margin}
TOKEN_SCORES: dict[str, ScoreFunction] = {**{name: TokenScore(name) for name in WORD_SCORES}, "mnlp": mnlp}
SELECTIONS: dict[str, SelectFunction] = {"kmeans": kmeans, "random": random}
_COUNTED = {1: "one", 2: "two"}
_SCORES = {"text_classification": SCORES, "token_classification": TOKEN_SCORES}
_SCORE_ARGUMENTS = {"text_classification": ("probabilities",), "token_classification": ("probabilities", "mask")}


@dataclass(frozen=True)
class Strategy:
    """A score function, or none, and the select function that is called on what the pass computed.

    Attributes:
        name: As it is recorded with each query.
        score: Called on each batch's class probabilities as it streams by, for token classification with a mask of
            the words; only its floats are kept.
        select: Called once, on the signals in `needs`.
        needs: Fields of `Signals` that the pass has to fill.
        settings: Its arguments, as they are recorded with each query.
    """

    name: str
    score: ScoreFunction | None
    select: Callable[..., Any]
    needs: frozenset[str]
    settings: Mapping[str, Any] = field(default_factory=dict)

    def pick(self, signals: Signals, k: int, rng: np.random.Generator) -> np.ndarray:
        """Call `select` and check that what it returned is a query.

        Returns:
            Rows of the signals, int64[k].

        Raises:
            StrategyError: Not k different rows came back.
        """
        picked = np.asarray(self.select(signals, k, rng))
        if picked.shape != (k,) or not np.issubdtype(picked.dtype, np.integer):
            raise StrategyError(
                f"strategy {self.name!r} returned {picked.dtype}{list(picked.shape)}, expected {k} integer rows"
            )
        if k and (picked.min() < 0 or picked.max() >= signals.size):
            raise StrategyError(
                f"strategy {self.name!r} returned rows from {picked.min()} to {picked.max()}, "
                f"but the signals have {signals.size} rows"
            )
        if len(np.unique(picked)) != k:
            raise StrategyError(f"strategy {self.name!r} returned a row more than once")
        return picked.astype(np.int64)


@dataclass(frozen=True)
class Hybrid:
    """Keep the best `candidate_factor * k` by a score, then select k among them: `"margin+kmeans"` with arguments.

    Args:
        score: A score function or its name.
        select: A select function or its name.
        candidate_factor: How many candidates for each example of the query. Zhdanov (2019) uses 10 to 50.
    """

    score: str | ScoreFunction
    select: str | SelectFunction
    candidate_factor: int = 10

    def __post_init__(self) -> None:
        if self.candidate_factor < 1:
            raise ArgumentError(f"candidate_factor={self.candidate_factor}, expected at least 1")


def resolve_strategy(
    strategy: str | Hybrid | Callable[..., Any], task: str = "text_classification", outside: int = 0
) -> Strategy:
    """The strategy that a name, a function or a `Hybrid` stands for.

    A function of one argument, `score(probabilities)`, gives scores of which the highest are asked; a function of
    three, `select(signals, k, rng)`, picks the rows itself (see `needs` for declaring what it reads; without it
    it is given probabilities and embeddings). For token classification a score takes two arguments, `probabilities`
    and `mask` (see `hfal.strategies.tokens`), and there are no probabilities among the signals.

    Args:
        strategy: The name, function or `Hybrid`.
        task: Of the pool.
        outside: For token classification, the index of the tag `O`; -1 if there is none.

    Raises:
        ValueError: The name is not known (the nearest one is offered), or the function takes other arguments.
        TypeError: It is neither a name, a function nor a `Hybrid`.
    """
    scores = _SCORES[task]
    of_score = len(_SCORE_ARGUMENTS[task])
    if isinstance(strategy, Hybrid):
        score, select = _score(strategy.score, task, outside), _selection(strategy.select, scores)
        return Strategy(
            name=f"{_name(score)}+{_name(strategy.select)}",
            score=score,
            select=_among_the_best(select, strategy.candidate_factor),
            needs=_needs(select, task) | {"scores"},
            settings={"candidate_factor": strategy.candidate_factor, **getattr(score, "settings", {})},
        )
    if isinstance(strategy, str):
        parts = [part.strip() for part in strategy.split("+")]
        if len(parts) == 2:
            return resolve_strategy(Hybrid(parts[0], parts[1]), task, outside)
        if len(parts) != 1 or strategy not in scores:
            select = _selection(strategy, scores, offered=[*scores, *SELECTIONS, *(f"{a}+kmeans" for a in scores)])
            return Strategy(strategy, None, select, _needs(select, task))
        strategy = scores[strategy]
    if not callable(strategy):
        raise TypeError(f"strategy is a {type(strategy).__name__}, expected a name, a function or a Hybrid")
    if _arguments(strategy) == of_score:
        score = _score(strategy, task, outside)
        return Strategy(_name(score), score, top_k, _needs(top_k, task), getattr(score, "settings", {}))
    if _arguments(strategy) != 3:
        wrapped = " (or wrap it in a TokenScore)" if task == "token_classification" else ""
        raise ArgumentError(
            f"strategy {_name(strategy)!r} takes {_arguments(strategy)} arguments, expected "
            f"score({', '.join(_SCORE_ARGUMENTS[task])}) with {_COUNTED[of_score]}{wrapped} or "
            "select(signals, k, rng) with three"
        )
    if "scores" in _needs(strategy, task):
        raise ArgumentError(
            f"strategy {_name(strategy)!r} needs scores, and nothing gives them: pass Hybrid(score, "
            f"{_name(strategy)}) with the score to use"
        )
    return Strategy(_name(strategy), None, strategy, _needs(strategy, task))


def token_strategy(name: str, aggregate: str, k: int, sure_outside: float | None) -> str | TokenScore | Hybrid:
    """What a strategy's name means for token classification, with the arguments of its `TokenScore` if it has one.

    Args:
        name: The strategy's name, such as `"entropy"` or `"entropy+kmeans"`.
        aggregate: See `TokenScore`.
        k: See `TokenScore`.
        sure_outside: See `TokenScore`.
    """
    score, plus, select = (part.strip() for part in name.partition("+"))
    if score not in WORD_SCORES:
        return name
    tokens = TokenScore(score, aggregate, k, sure_outside)
    return Hybrid(tokens, select) if plus else tokens


def _among_the_best(select: SelectFunction, candidate_factor: int) -> SelectFunction:
    def select_among_the_best(signals: Signals, k: int, rng: np.random.Generator) -> np.ndarray:
        assert signals.scores is not None
        rows = np.sort(top_k(signals, min(signals.size, candidate_factor * k), rng))
        candidates = replace(
            signals,
            size=len(rows),
            scores=signals.scores[rows],
            probabilities=None if signals.probabilities is None else signals.probabilities[rows],
            embeddings=None if signals.embeddings is None else signals.embeddings[rows],
        )
        picked = rows[select(candidates, k, rng)]
        # Asked in the order of the score: where only some get answered, it is the better ones.
        return picked[np.lexsort((picked, -signals.scores[picked]))]

    return select_among_the_best


def _score(score: str | ScoreFunction, task: str, outside: int) -> ScoreFunction:
    scores = _SCORES[task]
    if isinstance(score, str):
        if score not in scores:
            raise ArgumentError(_unknown("score", score, [*scores]))
        score = scores[score]
    if _arguments(score) != len(_SCORE_ARGUMENTS[task]):
        raise ArgumentError(
            f"score {_name(score)!r} takes {_arguments(score)} arguments, expected "
            f"{' and '.join(_SCORE_ARGUMENTS[task])}"
        )
    if isinstance(score, TokenScore):
        if score.sure_outside is not None and outside < 0:
            raise ArgumentError(f"sure_outside={score.sure_outside}, but the labels have no 'O'")
        score = replace(score, outside=max(outside, 0))
    return score


def _selection(
    select: str | SelectFunction, scores: Mapping[str, ScoreFunction], offered: list[str] | None = None
) -> SelectFunction:
    if not isinstance(select, str):
        if _arguments(select) != 3:
            raise ArgumentError(
                f"select {_name(select)!r} takes {_arguments(select)} arguments: signals, k, rng expected"
            )
        return select
    if select in scores and offered is None:
        raise ArgumentError(
            f"{select!r} is a score, which stands before the +, as in '{select}+kmeans'; what selects among the best "
            f"stands behind it: {', '.join(sorted(SELECTIONS))}"
        )
    if select not in SELECTIONS:
        raise ArgumentError(_unknown("strategy", select, offered or [*SELECTIONS]))
    return SELECTIONS[select]


def _unknown(what: str, name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name.lower().replace("-", "_"), known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"unknown {what} {name!r}.{hint} Known are: {', '.join(sorted(known))}"


def _arguments(function: Callable[..., Any]) -> int:
    return len(inspect.signature(function).parameters)


def _needs(select: Callable[..., Any], task: str) -> frozenset[str]:
    of_words = task == "token_classification"
    needed: frozenset[str] = getattr(
        select, "needs", frozenset({"embeddings"} if of_words else {"probabilities", "embeddings"})
    )
    if of_words and "probabilities" in needed:
        raise ArgumentError(
            f"strategy {_name(select)!r} needs probabilities, but of the words of a whole pool they are not kept: "
            "reduce them to scores in Hybrid(score, select), or declare @needs('embeddings')"
        )
    return needed


def _name(part: str | Callable[..., Any]) -> str:
    if isinstance(part, str | TokenScore):
        return part if isinstance(part, str) else part.name
    return getattr(part, "__name__", type(part).__name__)
