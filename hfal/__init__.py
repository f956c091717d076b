"""hfal: active learning for the Hugging Face Trainer."""

import importlib
from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    from hfal.annotators import Annotator, FileAnnotator, OpenQuery, Question, SimulatedAnnotator, TerminalAnnotator
    from hfal.callback import ActiveLearningCallback
    from hfal.errors import AnswersPending, HfalError, RunInterrupted
    from hfal.pool import Pool
    from hfal.records import Answer, Query, RoundRecord
    from hfal.rounds import Round
    from hfal.store import Store
    from hfal.strategies import (
        Hybrid,
        LabelRank,
        LabelScore,
        ProbCover,
        Ranks,
        Schedule,
        Signals,
        Subset,
        TokenScore,
        needs,
    )
    from hfal.tokenization import tokenize_words

__version__ = "0.1.0"

__all__ = [
    "ActiveLearningCallback",
    "Annotator",
    "Answer",
    "AnswersPending",
    "FileAnnotator",
    "HfalError",
    "Hybrid",
    "LabelRank",
    "LabelScore",
    "OpenQuery",
    "Pool",
    "ProbCover",
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
    "Subset",
    "TerminalAnnotator",
    "TokenScore",
    "needs",
    "tokenize_words",
]

# Loaded when first used: `hfal status` should not wait ten seconds for torch and transformers.
_MODULES = {
    "hfal.annotators": [
        "Annotator",
        "FileAnnotator",
        "OpenQuery",
        "Question",
        "SimulatedAnnotator",
        "TerminalAnnotator",
    ],
    "hfal.callback": ["ActiveLearningCallback"],
    "hfal.errors": ["AnswersPending", "HfalError", "RunInterrupted"],
    "hfal.pool": ["Pool"],
    "hfal.rounds": ["Round"],
    "hfal.records": ["Answer", "Query", "RoundRecord"],
    "hfal.store": ["Store"],
    "hfal.strategies": [
        "Hybrid",
        "LabelRank",
        "LabelScore",
        "ProbCover",
        "Ranks",
        "Schedule",
        "Signals",
        "Subset",
        "TokenScore",
        "needs",
    ],
    "hfal.tokenization": ["tokenize_words"],
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'hfal' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
