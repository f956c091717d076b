"""Tokens that the model does not know, and padding that changes what it says, are refused before anything is asked."""

import numpy as np
import pytest
import torch
from transformers import (
    DataCollatorForTokenClassification,
    GPT2Config,
    GPT2ForSequenceClassification,
    GPT2ForTokenClassification,
    LlamaConfig,
    LlamaForSequenceClassification,
    XLNetConfig,
    XLNetForSequenceClassification,
    set_seed,
)

from hfal import ActiveLearningCallback, Pool, SimulatedAnnotator, tokenize_words
from hfal.acquisition.forward import forward_columns
from hfal.acquisition.scoring import ScoringPass
from hfal.errors import ArgumentError
from hfal.training.checks import check_trainer
from hfal.training.input_checks import check_padding
from support.models import TAGS, tiny_model
from support.texts import load_sentences


def check(active, trainer) -> str | None:
    """The one line by which a Trainer is refused, or nothing: then the seed set is asked."""
    try:
        next(active.rounds(trainer, 1))
    except ArgumentError as refusal:
        found = str(refusal)
    else:
        return None
    assert active.pool.store.queries() == []
    assert "\n" not in found
    return found


def gpt2(pad: int | None, kind=GPT2ForSequenceClassification, labels: int = 2):
    set_seed(0)
    return kind(GPT2Config(n_embd=32, n_layer=2, n_head=2, vocab_size=1000, num_labels=labels, pad_token_id=pad))


def llama(pad: int | None):
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2}
    set_seed(0)
    return LlamaForSequenceClassification(
        LlamaConfig(intermediate_size=64, vocab_size=1000, num_labels=2, pad_token_id=pad, **sizes)
    )


def xlnet(pad: int | None):
    set_seed(0)
    return XLNetForSequenceClassification(
        XLNetConfig(d_model=32, n_layer=2, n_head=2, d_inner=64, vocab_size=1000, num_labels=2, pad_token_id=pad)
    )


@pytest.fixture
def tokenize(byte_level, reviews):
    """A function that tokenizes 40 reviews by a tokenizer like GPT-2's; some end with its end-of-text token."""

    def tokenize(side: str):
        byte_level.pad_token, byte_level.padding_side = byte_level.eos_token, side
        texts = reviews.select(range(40)).select_columns(["text", "label"])

        def tokens(row, number):
            return byte_level(row["text"] + "<|endoftext|>" * (number % 4 == 0), truncation=True, max_length=48)

        return byte_level, texts.map(tokens, with_indices=True)

    return tokenize


@pytest.mark.parametrize(
    ("model", "side", "refused"),
    [
        (gpt2, "right", False),
        (gpt2, "left", True),
        (llama, "right", False),
        (llama, "left", False),
        (xlnet, "right", True),
        (xlnet, "left", False),
    ],
)
def test_padding_on_either_side_gives_the_same_scores_and_embeddings_or_is_refused(
    make_active, make_trainer, tokenize, model, side, refused
):
    tokenizer, data = tokenize(side)
    active = make_active(data=data)
    trainer = make_trainer([active], model_init=lambda: model(tokenizer.pad_token_id))
    trainer.processing_class = trainer.data_collator.tokenizer = tokenizer
    found = check(active, trainer)
    assert (found is not None) == refused
    if refused:
        other = "right" if side == "left" else "left"
        assert f"padded on the {side}" in found
        assert f"tokenizer.padding_side='{other}'" in found
        return
    scores = []
    for budget in (1, 200, 4000):
        columns = data.select_columns(forward_columns(trainer.model, data.column_names))
        scoring = ScoringPass(trainer.model, columns, active.pool.lengths, trainer.data_collator, token_budget=budget)
        scores.append(scoring.run(np.arange(len(data)), keep=frozenset({"probabilities", "embeddings"})))
    for name in ("probabilities", "embeddings"):
        for others in scores[1:]:
            np.testing.assert_allclose(others[name], scores[0][name], atol=1e-5)
        assert scores[0][name].std(axis=0).max() > 1e-4


@pytest.mark.parametrize(("side", "refused"), [("right", False), ("left", True)])
def test_the_logits_of_words_do_not_depend_on_padding_or_the_model_is_refused(
    tmp_path, make_trainer, byte_level, side, refused
):
    byte_level.pad_token, byte_level.padding_side = byte_level.eos_token, side
    byte_level.backend_tokenizer.pre_tokenizer.add_prefix_space = True
    data = load_sentences(40).remove_columns(["input_ids", "attention_mask", "token_type_ids", "word_ids"])
    data = data.map(tokenize_words, batched=True, fn_kwargs={"tokenizer": byte_level})
    pool = Pool(data, tmp_path / "run", "tokens", "ner_tags")
    active = ActiveLearningCallback(pool, strategy="mnlp", query_size=5, annotator=SimulatedAnnotator(pool))
    model = gpt2(byte_level.pad_token_id, GPT2ForTokenClassification, len(TAGS))
    trainer = make_trainer(
        [active], model=model, data_collator=DataCollatorForTokenClassification(byte_level, padding=True)
    )
    trainer.processing_class = byte_level
    found = check(active, trainer)
    assert (found is not None) == refused, found


def test_a_model_without_a_token_to_pad_with_is_told_what_to_set(make_active, make_trainer, tokenize):
    tokenizer, data = tokenize("right")
    active = make_active(data=data)
    advice = "set tokenizer.pad_token = tokenizer.eos_token and model.config.pad_token_id = tokenizer.pad_token_id"

    def refused(model) -> str | None:
        trainer = make_trainer([active], model=model)
        trainer.processing_class = trainer.data_collator.tokenizer = tokenizer
        return check(active, trainer)

    assert advice in refused(gpt2(None))
    assert "model.config.pad_token_id to the tokenizer's" in refused(gpt2(5))
    tokenizer.pad_token = None
    assert f"the tokenizer has no token to pad with, which batches of texts of several lengths need: {advice}" in (
        refused(gpt2(0))
    )


def test_tokens_that_the_model_does_not_know_are_refused(make_active, make_trainer, reviews, tokenizer):
    active = make_active()
    model = tiny_model()
    model.resize_token_embeddings(30000)
    assert "tokenizer has 30522 tokens, but the model embeddings for 30000" in check(
        active, make_trainer([active], model=model)
    )
    model.resize_token_embeddings(200)
    trainer = make_trainer([active], model=model)
    trainer.processing_class = None
    trainer.data_collator = lambda rows: tokenizer.pad(rows, return_tensors="pt")
    assert "tokens up to 2" in check(active, trainer)
    assert "but the model embeddings for 200" in check(active, trainer)


def test_a_pool_of_words_that_the_tokenizer_does_not_know_is_refused(make_active, make_trainer, reviews, tokenizer):
    def unknown(row):
        special = tokenizer.all_special_ids
        return {"input_ids": [i if i in special else tokenizer.unk_token_id for i in row["input_ids"]]}

    active = make_active(data=reviews.map(unknown))
    found = check(active, make_trainer([active]))
    assert found.startswith("the tokenizer knows 0 of ")
    mixed = reviews.map(lambda row, i: unknown(row) if i % 3 == 0 else row, with_indices=True)
    active = make_active(active.pool.run_dir.with_name("mixed"), data=mixed)
    assert check(active, make_trainer([active])) is None


def test_checking_leaves_the_model_and_the_random_numbers_as_they_were(make_active, make_trainer):
    active, model = make_active(), tiny_model().train()
    trainer = make_trainer([active], model=model)
    before, state = {n: t.clone() for n, t in model.state_dict().items()}, torch.get_rng_state()
    check_trainer(trainer, active.acquisition, active.options)
    assert model.training
    assert all(torch.equal(before[n], t) for n, t in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)


def test_a_model_that_is_divided_when_training_begins_is_not_run_before(make_active, make_trainer, tokenize):
    active = make_active(data=tokenize("right")[1])
    trainer = make_trainer([active])
    rows = active.pool.rows_to_score(["input_ids", "attention_mask"])
    trainer.model.to("meta")  # as a process has it that FSDP sends the weights to
    with pytest.raises(ArgumentError, match="cannot take a batch"):
        check_padding(trainer, active.pool, rows, trainer.data_collator)
    trainer.is_fsdp_enabled = True
    check_padding(trainer, active.pool, rows, trainer.data_collator)
