"""Strategies by name with the arguments of their scores, as options give them."""

from hfal.strategies.combine import Hybrid
from hfal.strategies.label_scores import LABEL_SCORES, LabelRank, LabelScore
from hfal.strategies.token_scores import WORD_SCORES, TokenScore


def configured_strategy(
    name: str, family: str, aggregate: str, k: int, sure_outside: float | None
) -> str | TokenScore | LabelScore | LabelRank | Hybrid:
    """Return what a strategy's name means where scores read `family`, with the arguments of its score if it has any.

    Args:
        name: The strategy's name, such as `"entropy"` or `"entropy+kmeans"`.
        family: See `hfal.strategies.registry`.
        aggregate: See `token_strategy` and `label_set_strategy`.
        k: See `token_strategy`.
        sure_outside: See `token_strategy`.
    """
    if family == "words":
        return token_strategy(name, aggregate, k, sure_outside)
    return label_set_strategy(name, aggregate) if family == "labels" else name


def token_strategy(name: str, aggregate: str, k: int, sure_outside: float | None) -> str | TokenScore | Hybrid:
    """Return the strategy of a name for words, with the arguments of its `TokenScore` if it has one.

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


def label_set_strategy(name: str, aggregate: str) -> str | LabelScore | LabelRank | Hybrid:
    """Return the strategy of a name for sets of labels, with the aggregate of its score if it has one.

    Args:
        name: The strategy's name, such as `"entropy"` or `"entropy+kmeans"`.
        aggregate: `"mean"` or `"max"` of a `LabelScore`, or `"rank"` for a `LabelRank`.
    """
    score, plus, select = (part.strip() for part in name.partition("+"))
    if score not in LABEL_SCORES:
        return name
    labels = LabelRank(score) if aggregate == "rank" else LabelScore(score, aggregate)
    return Hybrid(labels, select) if plus else labels
