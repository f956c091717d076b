"""Neighbors of words in the word embeddings of an encoder."""

from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise

import numpy as np
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS
from transformers import PreTrainedTokenizerBase

from hfal.acquisition.synthesis import TOKENS


_MOST = 10  # neighbors for one place
_LEAST_SIMILARITY = 0.4
_SHORTEST = 3  # letters of a word
_STEM = 4  # letters by which two words are forms of one
_CONTRACTED = (
    "ain aren couldn didn doesn don hadn hasn haven isn mightn mustn needn shan shouldn wasn weren won wouldn"
)
_ENDINGS = ("ing", "ed", "ly", "est", "er", "s")


class WordNeighbors:
    """The words that are nearest to a word by the cosine of their embeddings in an encoder's input layer.

    Only whole words of small letters that are one token for the tokenizer are known, without English stop words. Other
    forms of the same word are no neighbors, nor are words with another ending (`-s`, `-ed`, `-ing`, ...), which would
    not fit into its sentence.

    Args:
        tokenizer: The encoder's tokenizer.
        embeddings: The weights of the encoder's input layer, float[V, D].
        texts: Texts in which a neighbor has to stand somewhere behind the word before it, and somewhere before the
            one behind it.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, embeddings: np.ndarray, texts: Iterable[str]):
        self._words = _whole_words(tokenizer, len(embeddings))
        self._names = list(self._words)
        rows = embeddings[list(self._words.values())].astype(np.float32)
        self._rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
        self._places = {word: place for place, word in enumerate(self._names)}
        self._pairs = set[tuple[str, str]]()
        for text in texts:
            words = ["", *(token.lower() for token in TOKENS.findall(text)), ""]
            self._pairs.update(pairwise(words))
        self._nearest = lru_cache(maxsize=None)(self._find)

    def __call__(self, word: str, before: str, after: str) -> list[str]:
        """Return words for the place of a word, the nearest first, with its capitals.

        Args:
            word: The word; there are no neighbors of one that is not known.
            before: The word or sign before it, or an empty string.
            after: The one behind it.
        """
        small, before, after = word.lower(), before.lower(), after.lower()
        if small not in self._places or word not in (small, small.capitalize(), small.upper()):
            return []
        fit = [n for n in self._nearest(small) if (before, n) in self._pairs and (n, after) in self._pairs][:_MOST]
        return fit if word == small else [n.upper() if word.isupper() else n.capitalize() for n in fit]

    def _find(self, word: str) -> tuple[str, ...]:
        similarity = self._rows @ self._rows[self._places[word]]
        similarity[self._places[word]] = -1
        near = np.flatnonzero(similarity >= _LEAST_SIMILARITY)
        names = [self._names[place] for place in near[np.argsort(-similarity[near], kind="stable")]]
        return tuple(name for name in names if _ending(name) == _ending(word) and not _same_stem(name, word))


def _whole_words(tokenizer: PreTrainedTokenizerBase, size: int) -> dict[str, int]:
    """Return the words that are one token, and its number."""
    found, left_out = {}, ENGLISH_STOP_WORDS.union(_CONTRACTED.split())
    numbers = sorted(number for number in tokenizer.get_vocab().values() if number < size)
    for number, word in zip(numbers, map(str.strip, tokenizer.batch_decode([[n] for n in numbers])), strict=True):
        if len(word) >= _SHORTEST and word.isalpha() and word == word.lower() and word not in left_out:
            found[word] = number
    if not found:
        return {}
    # With a blank before it, as it stands in a sentence: what begins no word is another token then.
    tokens = tokenizer([f" {word}" for word in found], add_special_tokens=False)["input_ids"]
    return {word: number for (word, number), ids in zip(found.items(), tokens, strict=True) if list(ids) == [number]}


def _ending(word: str) -> str:
    return next((ending for ending in _ENDINGS if word.endswith(ending)), "")


def _same_stem(one: str, other: str) -> bool:
    length = max(_STEM, min(len(one), len(other)) - 2)
    return one[:length] == other[:length]
