"""Query strategies: pure functions of arrays. They know neither models nor datasets nor SQL."""

from hfal.strategies.diversity import kmeans
from hfal.strategies.names import (
    SCORES,
    SELECTIONS,
    TOKEN_SCORES,
    Hybrid,
    Strategy,
    resolve_strategy,
    token_strategy,
)
from hfal.strategies.seed import stratified
from hfal.strategies.selection import Signals, needs, random, top_k
from hfal.strategies.tokens import TokenScore, mnlp
from hfal.strategies.uncertainty import entropy, least_confidence, margin


__all__ = [
    "SCORES",
    "SELECTIONS",
    "TOKEN_SCORES",
    "Hybrid",
    "Signals",
    "Strategy",
    "TokenScore",
    "entropy",
    "kmeans",
    "least_confidence",
    "margin",
    "mnlp",
    "needs",
    "random",
    "resolve_strategy",
    "stratified",
    "token_strategy",
    "top_k",
]
