"""Neighbors of words, in made embeddings and in those of MiniLM."""

import numpy as np
import pytest
from transformers import AutoModel, AutoTokenizer

from hfal.acquisition.word_neighbors import WordNeighbors
from hfal.data.references import resolve_path
from support.models import MINILM


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(resolve_path(MINILM))


def test_neighbors_are_the_nearest_words_that_fit_in(tokenizer):
    places = tokenizer.get_vocab()
    rows = np.random.default_rng(0).normal(size=(len(places), 64))
    near = {"bad": 0.1, "fine": 0.2, "goods": 0.1, "worse": 0.3, "the": 0.1, "liked": 0.1, "##er": 0.1, "7": 0.1}
    for word, distance in near.items():
        rows[places[word]] = rows[places["good"]] + distance * rows[places[word]]
    texts = ["a fine film", "So bad, a BAD film", "a worse one", "the film"]
    neighbors = WordNeighbors(tokenizer, rows, texts)
    assert neighbors("good", "a", "film") == ["bad", "fine"]  # no other form, ending, part of a word, number
    assert neighbors("good", "so", ",") == ["bad"]
    assert neighbors("good", "the", "film") == neighbors("good", "a", "") == []
    assert neighbors("GOOD", "A", "film") == ["BAD", "FINE"]
    assert neighbors("Good", "a", "film") == ["Bad", "Fine"]
    assert neighbors("gOOD", "a", "film") == neighbors("the", "a", "film") == neighbors("unheardof", "a", "b") == []


def test_neighbors_in_minilm_are_words_of_the_same_kind(tokenizer):
    encoder = AutoModel.from_pretrained(resolve_path(MINILM))
    rows = encoder.get_input_embeddings().weight.detach().numpy()
    words = "excellent bad great nice dull exciting bored table glasgow house"
    neighbors = WordNeighbors(tokenizer, rows, [f"a {word} day" for word in words.split()])
    assert neighbors("good", "a", "day") == ["excellent", "bad", "great", "nice"]
    assert neighbors("boring", "a", "day") == ["exciting"]
    assert neighbors("London", "a", "day") == ["Glasgow"]
    assert neighbors("hasn", "a", "day") == neighbors("not", "a", "day") == []
