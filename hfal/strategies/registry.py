"""The strategies that have a name, by what their scores read, and what is said of a name that is none.

There are three families of scores:

- `"classes"`: probabilities of classes of which one is right, float[B, C];
- `"labels"`: a probability of each label by itself, float[B, L];
- `"words"`: probabilities of classes for each word, float[B, L, C], with a mask bool[B, L].
"""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hfal.errors import ArgumentError
from hfal.strategies.bayesian import bald, batchbald, epig
from hfal.strategies.committee import mean_kl, vote_entropy
from hfal.strategies.diversity import kcenter, kmeans, probcover, typiclust
from hfal.strategies.gradients import badge
from hfal.strategies.label_scores import LABEL_SCORES, LabelScore
from hfal.strategies.predicted_classes import class_balanced, cluster_margin
from hfal.strategies.selection import SIGNALS, SelectFunction, random
from hfal.strategies.similarity import cal, density, neighbors
from hfal.strategies.stochastic import power, softmax, softrank
from hfal.strategies.token_scores import WORD_SCORES, TokenScore, mnlp
from hfal.strategies.uncertainty import entropy, least_confidence, margin


_OF_CLASSES: dict[str, Callable[..., Any]] = {
    "entropy": entropy,
    "least_confidence": least_confidence,
    "margin": margin,
    "bald": bald,
    "vote_entropy": vote_entropy,
    "mean_kl": mean_kl,
    "epig": epig,
    "cal": cal,
}
_ON_EMBEDDINGS: dict[str, SelectFunction] = {
    "random": random,
    "kmeans": kmeans,
    "kcenter": kcenter,
    "typiclust": typiclust,
    "probcover": probcover,
    "density": density,
    "power": power,
    "softmax": softmax,
    "softrank": softrank,
    "neighbors": neighbors,
}
_ON_CLASSES: dict[str, SelectFunction] = {
    "badge": badge,
    "cluster_margin": cluster_margin,
    "batchbald": batchbald,
    "class_balanced": class_balanced,
}


@dataclass(frozen=True)
class Family:
    """The strategies for one kind of model outputs.

    Attributes:
        applies_to: What is labeled, in README's table.
        score_parameters: What a score of batches takes; empty where batches are not scored.
        signals: The fields of `Signals` that can be had.
        scores: The scores by name; there may be none.
        selections: The selections by name.
    """

    applies_to: str
    score_parameters: tuple[str, ...]
    signals: frozenset[str]
    scores: Mapping[str, Callable[..., Any]]
    selections: Mapping[str, SelectFunction]

    @property
    def without_score(self) -> list[str]:
        """The names of the selections that are strategies by themselves."""
        return [name for name, select in self.selections.items() if "scores" not in getattr(select, "needs", ())]


FAMILIES: dict[str, Family] = {
    "classes": Family("texts", ("probabilities",), frozenset(SIGNALS), _OF_CLASSES, {**_ON_EMBEDDINGS, **_ON_CLASSES}),
    "labels": Family(
        "sets of labels",
        ("probabilities",),
        frozenset(SIGNALS) - {"labels"},
        {name: LabelScore(name) for name in LABEL_SCORES},
        _ON_EMBEDDINGS,
    ),
    "words": Family(
        "words",
        ("probabilities", "mask"),
        frozenset({"scores", "embeddings", "labeled_embeddings"}),
        {**{name: TokenScore(name) for name in WORD_SCORES}, "mnlp": mnlp},
        _ON_EMBEDDINGS,
    ),
}
"""The families by name, as `hfal.tasks.kinds.Kind.family` has it."""

SCORES = {name: family.scores for name, family in FAMILIES.items()}
"""The scores by name, of each family."""

SELECTIONS = {name: family.selections for name, family in FAMILIES.items()}
"""The selections by name, of each family."""

SEED_SELECTIONS = {name: _ON_EMBEDDINGS[name] for name in ("kmeans", "kcenter", "typiclust", "probcover")}
"""Those that can pick a seed set: they need no model and no label."""

_INSTEAD = {
    "badge": "'{score}+kmeans' joins uncertainty and diversity here",
    "cluster_margin": "'{score}+kmeans' joins uncertainty and diversity here",
    "batchbald": "'bald+kmeans' spreads a batch here",
    "class_balanced": "'{score}+kmeans' spreads a query here",
    "epig": "'bald' reads the same draws here",
    "cal": "'{score}+kmeans' looks at embeddings here",
    "mnlp": "'least_confidence' ranks whole texts like it",
}
_ONE_OF_CLASSES = "it asks which one of the classes is right; '{score}' takes each label by itself"
_INSTEAD_FOR_SETS = {
    **dict.fromkeys(("bald", "vote_entropy", "mean_kl", "epig"), _ONE_OF_CLASSES),
    "batchbald": "'{score}+kmeans' spreads a batch here",
    "mnlp": "'least_confidence' is its like for sets of labels",
}

_ALSO_KNOWN_AS = {
    "breaking_ties": "margin",
    "contrastive": "cal",
    "core_set": "kcenter",
    "coreset": "kcenter",
    "information_density": "entropy+density",
    "kl_divergence": "mean_kl",
    "mc_dropout": "bald",
    "powerbald": "bald+power",
    "qbc": "vote_entropy",
    "query_by_committee": "vote_entropy",
    "smallest_margin": "margin",
}


def refuse_for_family(strategy: str | Callable[..., Any], family: str, called: Mapping[str, str]) -> None:
    """Refuse a strategy that other families have, by its name or given as a function; say what to use instead.

    Of functions these are the ones that read probabilities as those of classes of which one is right, where each label
    has its own.

    Args:
        strategy: The name or function.
        family: What scores read here.
        called: What the message calls a family; those that are missing, by their own name.

    Raises:
        ArgumentError: It is one.
    """
    if isinstance(strategy, str):
        name: str | None = strategy
        families = [known for known, of in FAMILIES.items() if name in {*of.scores, *of.selections}]
    else:
        name = next((name for name, known in {**_OF_CLASSES, **_ON_CLASSES}.items() if strategy is known), None)
        families = ["classes"] if name is not None and family == "labels" else []
    if families and family not in families:
        instead = _instead(str(name), family)
        theirs = " and ".join(called.get(one, one) for one in families)
        raise ArgumentError(f"strategy {name!r} is for {theirs}, and this is {called.get(family, family)}: {instead}")


def _instead(name: str, family: str) -> str:
    """Return what a message offers in the place of a strategy that a family does not have."""
    known = FAMILIES[family]
    template = _INSTEAD.get(name)
    if family == "labels":
        template = _INSTEAD_FOR_SETS.get(name, template or _ONE_OF_CLASSES)
    if template is None or not known.scores:
        return f"take one of {', '.join([*known.scores, *known.without_score])}"
    return template.format(score=next(iter(known.scores)))


def unknown_name(what: str, name: str, known: list[str]) -> str:
    """Return the message for an unknown name, with the nearest known one."""
    written = name.lower().replace("-", "_")
    near = [_ALSO_KNOWN_AS[written]] if written in _ALSO_KNOWN_AS else difflib.get_close_matches(written, known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"unknown {what} {name!r}.{hint} Known are: {', '.join(sorted(known))}"
