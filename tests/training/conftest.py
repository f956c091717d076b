"""Tagged sentences with the states of their tokens."""

from pathlib import Path

import pytest
from datasets import Dataset

from hfal import Pool
from hfal.training.token_states import add_token_states
from support.models import MINILM
from support.texts import load_sentences


@pytest.fixture(scope="session")
def tagged(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """60 tagged sentences of CoNLL-2003 with the states of their tokens."""
    return add_token_states(load_sentences(60), MINILM, tmp_path_factory.mktemp("states"))


@pytest.fixture
def news(tmp_path: Path, tagged: Dataset) -> Pool:
    return Pool(tagged, tmp_path / "run", "tokens", "ner_tags")
