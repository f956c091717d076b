"""Query strategies: pure functions of arrays. They know neither models nor datasets nor SQL."""

from hfal.strategies.bayesian import bald, batchbald, epig
from hfal.strategies.combine import Hybrid, Ranks, Schedule, Subset
from hfal.strategies.committee import mean_kl, vote_entropy
from hfal.strategies.configured import configured_strategy, label_set_strategy, token_strategy
from hfal.strategies.diversity import ProbCover, kcenter, kmeans, probcover, typiclust
from hfal.strategies.gradients import badge
from hfal.strategies.label_scores import LabelRank, LabelScore
from hfal.strategies.predicted_classes import class_balanced, cluster_margin
from hfal.strategies.registry import SCORES, SEED_SELECTIONS, SELECTIONS
from hfal.strategies.resolve import Strategy, resolve_schedule, resolve_strategy
from hfal.strategies.seed_set import stratified
from hfal.strategies.selection import Signals, needs, random, top_k
from hfal.strategies.similarity import cal, density, neighbors
from hfal.strategies.stochastic import power, softmax, softrank
from hfal.strategies.stream_budgets import (
    BalancedQuantile,
    FixedThreshold,
    QuantileThreshold,
    VariableUncertainty,
    resolve_budget_manager,
)
from hfal.strategies.token_scores import TokenScore, mnlp
from hfal.strategies.uncertainty import entropy, least_confidence, margin


__all__ = [
    "SCORES",
    "SEED_SELECTIONS",
    "SELECTIONS",
    "BalancedQuantile",
    "FixedThreshold",
    "Hybrid",
    "LabelRank",
    "LabelScore",
    "ProbCover",
    "QuantileThreshold",
    "Ranks",
    "Schedule",
    "Signals",
    "Strategy",
    "Subset",
    "TokenScore",
    "VariableUncertainty",
    "badge",
    "bald",
    "batchbald",
    "cal",
    "class_balanced",
    "cluster_margin",
    "configured_strategy",
    "density",
    "entropy",
    "epig",
    "kcenter",
    "kmeans",
    "label_set_strategy",
    "least_confidence",
    "margin",
    "mean_kl",
    "mnlp",
    "needs",
    "neighbors",
    "power",
    "probcover",
    "random",
    "resolve_budget_manager",
    "resolve_schedule",
    "resolve_strategy",
    "softmax",
    "softrank",
    "stratified",
    "token_strategy",
    "top_k",
    "typiclust",
    "vote_entropy",
]
