"""hfal: active learning for the Hugging Face Trainer."""

from hfal.annotators import Annotator, FileAnnotator, OpenQuery, Question, SimulatedAnnotator
from hfal.callback import ActiveLearningCallback
from hfal.errors import AnswersPending, HfalError, RunInterrupted
from hfal.pool import Pool
from hfal.rounds import Round
from hfal.store import Answer, Query, RoundRecord, Store
from hfal.strategies import Hybrid, Signals, needs


__version__ = "0.1.0"

__all__ = [
    "ActiveLearningCallback",
    "Annotator",
    "Answer",
    "AnswersPending",
    "FileAnnotator",
    "HfalError",
    "Hybrid",
    "OpenQuery",
    "Pool",
    "Query",
    "Question",
    "Round",
    "RoundRecord",
    "RunInterrupted",
    "Signals",
    "SimulatedAnnotator",
    "Store",
    "needs",
]
