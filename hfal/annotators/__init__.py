"""Who answers a query; one file each."""

from hfal.annotators.file import FileAnnotator
from hfal.annotators.protocol import Annotator, OpenQuery, Question
from hfal.annotators.simulated import SimulatedAnnotator


__all__ = ["Annotator", "FileAnnotator", "OpenQuery", "Question", "SimulatedAnnotator"]
