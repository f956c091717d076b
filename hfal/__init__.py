"""hfal: active learning for the Hugging Face Trainer.

What a script needs is imported from here. A package imports only what stands below it, never its neighbor on a line:

    cli                     the command, one file for each subcommand
    comparison              `hfal compare`: a grid of runs, its statistics and its report
    config                  options, the files that keep them, loading the data that they name
    export | training       what others get of a run | the callback, and the loop around the user's Trainer
    acquisition             from a model to a recorded query: signals, scoring, selection, provenance
    data                    the pool, the identity of its examples, references to data and models
    annotators | stopping   who answers, and how they are asked | when a run ends
    store                   queries, answers and rounds on disk; the paths in a run directory
    tasks                   tasks, the kinds of answers they have, their metrics
    strategies              query strategies: pure functions of arrays
    utils                   what knows nothing of active learning
    errors
"""

import importlib
from typing import TYPE_CHECKING, Any

from hfal.utils.imports import after_import


if TYPE_CHECKING:
    from hfal.annotators.base import Annotator, OpenQuery, Question
    from hfal.annotators.file.annotator import FileAnnotator
    from hfal.annotators.simulated import SimulatedAnnotator
    from hfal.annotators.terminal.annotator import TerminalAnnotator
    from hfal.annotators.web.annotator import WebAnnotator
    from hfal.data.pool import Pool
    from hfal.errors import AnswersPending, HfalError, RunInterrupted
    from hfal.export.curves import plot_learning_curve, rounds_table
    from hfal.export.hub import push_to_hub
    from hfal.export.labels import export_labels
    from hfal.stopping.criteria import Budget, Change, Criterion, FChange, Kappa, Plateau, Target, Uncertainty
    from hfal.store.records import Answer, Query, RoundRecord
    from hfal.store.store import Store
    from hfal.strategies import (
        BalancedQuantile,
        FixedThreshold,
        Hybrid,
        LabelRank,
        LabelScore,
        ProbCover,
        QuantileThreshold,
        Ranks,
        Schedule,
        Signals,
        Subset,
        TokenScore,
        VariableUncertainty,
        needs,
    )
    from hfal.tasks.aggregation import Aggregate, dawid_skene, majority_vote
    from hfal.tasks.agreement import (
        agreement_with_others,
        count_opinions,
        krippendorff_alpha,
        label_confusion,
        pairwise_kappa,
    )
    from hfal.tasks.asking_again import ask_again_scores
    from hfal.tasks.metrics import (
        F1,
        Accuracy,
        EntityF1,
        LabelSetF1,
        classification_metrics,
        entity_metrics,
        label_set_metrics,
    )
    from hfal.tasks.tokenization import tokenize_words
    from hfal.training.callback import ActiveLearningCallback
    from hfal.training.loop import Round
    from hfal.training.probe import probe_init
    from hfal.training.stream import Stream
    from hfal.training.synthesizer import Synthesizer

__version__ = "0.1.0"

__all__ = [
    "F1",
    "Accuracy",
    "ActiveLearningCallback",
    "Aggregate",
    "Annotator",
    "Answer",
    "AnswersPending",
    "BalancedQuantile",
    "Budget",
    "Change",
    "Criterion",
    "EntityF1",
    "FChange",
    "FileAnnotator",
    "FixedThreshold",
    "HfalError",
    "Hybrid",
    "Kappa",
    "LabelRank",
    "LabelScore",
    "LabelSetF1",
    "OpenQuery",
    "Plateau",
    "Pool",
    "ProbCover",
    "QuantileThreshold",
    "Query",
    "Question",
    "Ranks",
    "Round",
    "RoundRecord",
    "RunInterrupted",
    "Schedule",
    "Signals",
    "SimulatedAnnotator",
    "Store",
    "Stream",
    "Subset",
    "Synthesizer",
    "Target",
    "TerminalAnnotator",
    "TokenScore",
    "Uncertainty",
    "VariableUncertainty",
    "WebAnnotator",
    "agreement_with_others",
    "ask_again_scores",
    "classification_metrics",
    "count_opinions",
    "dawid_skene",
    "entity_metrics",
    "export_labels",
    "krippendorff_alpha",
    "label_confusion",
    "label_set_metrics",
    "majority_vote",
    "needs",
    "pairwise_kappa",
    "plot_learning_curve",
    "probe_init",
    "push_to_hub",
    "rounds_table",
    "tokenize_words",
]

# Loaded when first used: `hfal status` should not wait ten seconds for torch and transformers.
_MODULES = {
    "hfal.annotators.base": ["Annotator", "OpenQuery", "Question"],
    "hfal.annotators.file.annotator": ["FileAnnotator"],
    "hfal.annotators.simulated": ["SimulatedAnnotator"],
    "hfal.annotators.terminal.annotator": ["TerminalAnnotator"],
    "hfal.annotators.web.annotator": ["WebAnnotator"],
    "hfal.data.pool": ["Pool"],
    "hfal.errors": ["AnswersPending", "HfalError", "RunInterrupted"],
    "hfal.export.curves": ["plot_learning_curve", "rounds_table"],
    "hfal.export.hub": ["push_to_hub"],
    "hfal.export.labels": ["export_labels"],
    "hfal.stopping.criteria": [
        "Budget",
        "Change",
        "Criterion",
        "FChange",
        "Kappa",
        "Plateau",
        "Target",
        "Uncertainty",
    ],
    "hfal.store.store": ["Store"],
    "hfal.store.records": ["Answer", "Query", "RoundRecord"],
    "hfal.strategies": [
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
        "Subset",
        "TokenScore",
        "VariableUncertainty",
        "needs",
    ],
    "hfal.tasks.aggregation": ["Aggregate", "dawid_skene", "majority_vote"],
    "hfal.tasks.agreement": [
        "agreement_with_others",
        "count_opinions",
        "krippendorff_alpha",
        "label_confusion",
        "pairwise_kappa",
    ],
    "hfal.tasks.asking_again": ["ask_again_scores"],
    "hfal.tasks.metrics": [
        "Accuracy",
        "EntityF1",
        "F1",
        "LabelSetF1",
        "classification_metrics",
        "entity_metrics",
        "label_set_metrics",
    ],
    "hfal.tasks.tokenization": ["tokenize_words"],
    "hfal.training.callback": ["ActiveLearningCallback"],
    "hfal.training.loop": ["Round"],
    "hfal.training.probe": ["probe_init"],
    "hfal.training.synthesizer": ["Synthesizer"],
    "hfal.training.stream": ["Stream"],
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

# So that the `Auto` classes of transformers load what `probe_init` has made.
after_import(
    "transformers.models.auto.configuration_auto", lambda: importlib.import_module("hfal.training.pooled_config")
)


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'hfal' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
