"""The registry of annotators: what `--annotator` takes, made without loading the others."""

import subprocess
import sys

from hfal import Pool
from hfal.annotators.registry import ANNOTATORS, PERSON, SIMULATION, AnnotatorOptions
from hfal.config.arguments import ActiveLearningArguments


def test_what_is_registered_is_made_by_its_name(tmp_path, reviews):
    pool = Pool(reviews, tmp_path / "run", "text", "label")
    made = {
        name: entry.make(AnnotatorOptions(pool, "ann", show_suggestions=False)) for name, entry in ANNOTATORS.items()
    }
    names = {name: annotator.name for name, annotator in made.items()}
    people = {"terminal": "ann", "web": "ann", "jsonl": "ann", "csv": "ann", "conll": "ann"}
    assert names == {**people, "simulated": "simulated"}
    assert not made["terminal"].show_suggestions
    assert not made["web"].show_suggestions
    assert {name for name, entry in ANNOTATORS.items() if entry.is_simulation} == {"simulated"}
    assert (PERSON, SIMULATION) == ("terminal", "simulated")


def test_the_option_offers_what_is_registered():
    choices = ActiveLearningArguments.__dataclass_fields__["annotator"].metadata["choices"]
    assert choices == ["terminal", "web", "jsonl", "csv", "conll", "simulated"] == list(ANNOTATORS)


def test_the_names_are_known_without_loading_an_annotator():
    code = """
import sys
import hfal.annotators.registry
import hfal.config.arguments
slow = {"torch", "transformers", "datasets", "prompt_toolkit", "starlette", "uvicorn", "hfal.annotators.simulated"}
assert not slow & set(sys.modules), slow & set(sys.modules)
others = ("hfal.annotators.terminal", "hfal.annotators.web", "hfal.annotators.file")
assert not [name for name in sys.modules if name.startswith(others)]
"""
    subprocess.run([sys.executable, "-c", code], check=True)
