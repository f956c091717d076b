"""Tokens of words: which tokenizers and which `word_ids` are refused."""

import pytest
import tokenizers
from datasets import Dataset
from transformers import (
    BertTokenizerFast,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)

from hfal import Pool, tokenize_words
from hfal.errors import ArgumentError
from hfal.tasks.tokenization import first_tokens
from support.tag_tables import WORDS, tokenized


def test_a_slow_tokenizer_is_refused(tokenizer: PreTrainedTokenizerBase):
    class Slow(BertTokenizerFast):
        is_fast = False

    slow = Slow(vocab=tokenizer.get_vocab())
    with pytest.raises(ArgumentError, match=r"the tokenizer Slow is a slow one.*use_fast=True"):
        tokenize_words({"tokens": WORDS}, slow)


def test_a_tokenizer_that_loses_blanks_is_refused():
    def byte_level(add_prefix_space: bool) -> PreTrainedTokenizerFast:
        tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token="?"))
        tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space)
        trainer = tokenizers.trainers.BpeTrainer(special_tokens=["?"], vocab_size=400, show_progress=False)
        tokenizer.train_from_iterator(["to be or not to be", "Ann Lee met IBM"] * 20, trainer)
        return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="?")

    with pytest.raises(ArgumentError, match="add_prefix_space=True"):
        tokenize_words({"tokens": WORDS}, byte_level(False))
    assert tokenize_words({"tokens": WORDS}, byte_level(True))["word_ids"][1][0] == 0


def test_tokens_without_words_and_of_other_words_are_refused(tmp_path):
    plain = Dataset.from_dict({"tokens": WORDS})
    pool = Pool(plain, tmp_path / "a", "tokens", label_names=["PER"])
    with pytest.raises(ArgumentError, match=r"no column 'input_ids'(.|\n)*dataset.map\(tokenize_words"):
        _ = pool.lengths
    data = tokenized(plain)
    with pytest.raises(ArgumentError, match="no column 'word_ids'"):
        _ = Pool(data.remove_columns("word_ids"), tmp_path / "a", "tokens", label_names=["PER"]).lengths
    longer = data.remove_columns("tokens").add_column("tokens", [w[:1] for w in WORDS])
    with pytest.raises(ArgumentError, match="row 0 has tokens of word 4, but only 1 word in 'tokens'"):
        _ = Pool(longer, tmp_path / "b", "tokens", label_names=["PER"]).lengths
    shorter = data.map(lambda row: {"word_ids": row["word_ids"][:-1]})
    with pytest.raises(ArgumentError, match="row 0 has 5 word_ids for 6 tokens"):
        _ = Pool(shorter, tmp_path / "a", "tokens", label_names=["PER"]).lengths
    nothing = tokenized(Dataset.from_dict({"tokens": [["a"], ["\u200b", "\u200b"]]}))
    with pytest.raises(ArgumentError, match=r"of 1 sentence the tokenizer keeps no word at all \(rows 1"):
        _ = Pool(nothing, tmp_path / "c", "tokens", label_names=["PER"]).lengths


def test_first_tokens():
    assert first_tokens([None, 0, 0, 1, 3, 3, None]) == [-100, 0, -100, 1, 3, -100, -100]
    assert first_tokens([]) == []
    assert first_tokens([0]) == [0]
