"""The examples in docstrings, of which each gives what it says."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest

import hfal


ROOT = Path(hfal.__file__).parent
MODULES = sorted(
    ".".join(("hfal", *path.relative_to(ROOT).with_suffix("").parts))
    for path in ROOT.rglob("*.py")
    if ">>> " in path.read_text("utf-8")
)


@pytest.mark.parametrize("module", MODULES)
def test_examples_give_what_they_say(module: str) -> None:
    failed, attempted = doctest.testmod(import_module(module))
    assert attempted
    assert not failed


def test_there_are_examples() -> None:
    assert "hfal.tasks.metrics" in MODULES
