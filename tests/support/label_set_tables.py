"""Short texts with the labels of each, as data sets."""

from typing import Any

from datasets import Dataset

from hfal.tasks.label_set_column import label_set_coding, read_label_sets
from support.texts import load_tokenizer


TEXTS = ["Ann Lee met IBM", "Rain", "in Rome", "to be read"]
SETS = [["PER", "ORG"], [], ["LOC"], None]
ORDERED = [["ORG", "PER"], [], ["LOC"], None]
TYPES = ["LOC", "MISC", "ORG", "PER"]


def table(labels: list, feature: Any = None) -> Dataset:
    data = Dataset.from_dict({"text": TEXTS[: len(labels)], "types": labels})
    return data if feature is None else data.cast_column("types", feature)


def tokenized(data: Dataset) -> Dataset:
    tokenizer = load_tokenizer()
    return data.map(lambda batch: tokenizer(batch["text"], truncation=True, max_length=64), batched=True)


def read(data: Dataset, names: list[str] | None = None):
    return read_label_sets(data, "types", label_set_coding(data, "types", names))
