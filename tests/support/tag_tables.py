"""Sentences of a few words with their tags, as data sets."""

from typing import Any

from datasets import Dataset, Features

from hfal import tokenize_words
from hfal.tasks.tag_column import count_words, read_tags, tag_names_of
from support.texts import load_tokenizer


WORDS = [["Ann", "Lee", "met", "IBM"], ["Rain"], ["in", "Rome"]]
IOB2 = [["B-PER", "I-PER", "O", "B-ORG"], ["O"], ["O", "B-LOC"]]
TYPES = ["O", "B-LOC", "I-LOC", "B-ORG", "I-ORG", "B-PER", "I-PER"]


def table(tags: list, words: list = WORDS, feature: Any = None, text: str = "tokens") -> Dataset:
    data = Dataset.from_dict({text: words, "ner_tags": tags})
    return data if feature is None else data.cast(Features({**data.features, "ner_tags": feature}))


def tokenized(data: Dataset, column: str = "tokens") -> Dataset:
    options = {"tokenizer": load_tokenizer(), "text_column": column}
    return data.map(tokenize_words, batched=True, fn_kwargs=options)


def read(data: Dataset, names: list[str] | None = None, text: str = "tokens"):
    names = tag_names_of(data, "ner_tags", names)
    return read_tags(data, text, "ner_tags", names, count_words(data, text))
