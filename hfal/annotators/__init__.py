"""Who answers a query; one file each."""

import importlib
from typing import TYPE_CHECKING, Any

from hfal.annotators.file import FileAnnotator
from hfal.annotators.protocol import Annotator, OpenQuery, Question


if TYPE_CHECKING:
    from hfal.annotators.simulated import SimulatedAnnotator
    from hfal.annotators.terminal import TerminalAnnotator


__all__ = ["Annotator", "FileAnnotator", "OpenQuery", "Question", "SimulatedAnnotator", "TerminalAnnotator"]

# Loaded when first used: labeling needs no torch, and training no prompt_toolkit.
_MODULE_OF = {"SimulatedAnnotator": "hfal.annotators.simulated", "TerminalAnnotator": "hfal.annotators.terminal"}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'hfal.annotators' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULE_OF[name]), name)
