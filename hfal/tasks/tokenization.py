"""Tokenizing sentences that are words: which token belongs to which word is kept beside the tokens."""

from collections.abc import Mapping, Sequence
from typing import Any

from transformers import PreTrainedTokenizerBase

from hfal.errors import ArgumentError
from hfal.tasks.words import words_of


NO_WORD = -100
"""In the place of a label, for a token that begins no word: what PyTorch's cross-entropy ignores."""


def tokenize_words(
    batch: Mapping[str, list[Any]],
    tokenizer: PreTrainedTokenizerBase,
    text_column: str = "tokens",
    max_length: int | None = None,
) -> dict[str, list[Any]]:
    """Tokenize sentences, and say of each token which word it is of; for `Dataset.map`.

        dataset = dataset.map(tokenize_words, batched=True, fn_kwargs={"tokenizer": tokenizer})

    Args:
        batch: Some rows of the data set, by column.
        tokenizer: A fast tokenizer, which knows the words of its tokens.
        text_column: The column with the sentences, in words or as raw text (see `hfal.tasks.words.word_offsets`).
        max_length: Tokens after which a sentence is cut; what the tokenizer says by default.

    Returns:
        The tokenizer's columns (`input_ids`, ...) and `word_ids`: for each token the number of its word, counted from
        0, `None` for special tokens.

    Raises:
        ArgumentError: The tokenizer is a slow one, or loses the blanks between words.
    """
    if not getattr(tokenizer, "is_fast", False):
        raise ArgumentError(
            f"the tokenizer {type(tokenizer).__name__} is a slow one, which cannot say of what words its tokens are: "
            "load it with AutoTokenizer.from_pretrained(..., use_fast=True), or use a model that has a fast one"
        )
    # As byte-level tokenizers do that take a blank for a part of the word behind it, where there is none in a list.
    if tokenizer.tokenize("to be") != tokenizer.tokenize(["to", "be"], is_split_into_words=True):
        raise ArgumentError(
            f"the tokenizer {type(tokenizer).__name__} makes other tokens of the words 'to', 'be' than of 'to be': "
            "load it with AutoTokenizer.from_pretrained(..., add_prefix_space=True); if that changes nothing, set "
            "tokenizer.backend_tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=True)"
        )
    words = [words_of(text) for text in batch[text_column]]
    encoded = tokenizer(words, is_split_into_words=True, truncation=True, max_length=max_length)
    return {**encoded, "word_ids": [encoded.word_ids(row) for row in range(len(words))]}


def first_tokens(word_ids: Sequence[int | None]) -> list[int]:
    """For each token the number of the word that it begins, or `NO_WORD`: special tokens, and the rest of a word."""
    return [
        NO_WORD if word is None or word == before else word
        for word, before in zip(word_ids, [None, *word_ids], strict=False)
    ]
