"""The configuration of a classifier with its encoder's own pooling, known to transformers by its `model_type`.

`import hfal` has it registered as soon as transformers asks which configurations there are, so that the `Auto` classes
load such a checkpoint. Nothing else is imported here: that moment is in the middle of an import of transformers.
"""

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

from transformers.configuration_utils import PreTrainedConfig
from transformers.models.auto.configuration_auto import CONFIG_MAPPING


class PooledClassifierConfig(PreTrainedConfig):
    """The configuration of `hfal.training.pooled_classifier`.

    Args:
        encoder_config: That of the encoder, as an object or as JSON has it.
        pooling: How one vector is made of the states of a text's tokens, as sentence-transformers calls it:
            `"mean"`, `"cls"`, `"max"`, ...; several are concatenated. Not used where each token gets a tag.
        normalize: Whether this vector is brought to length 1.
        classifier_dropout: The probability with which the head drops a number of it in training.
        head_learning_rate_factor: See `hfal.training.probe.probe_init`.
        encoder_name_or_path: The encoder that the weights were first loaded from.
        **kwargs: What every configuration has, such as `num_labels`.
    """

    model_type = "hfal_pooled_classifier"

    def __init__(
        self,
        encoder_config: PreTrainedConfig | Mapping[str, Any] | None = None,
        pooling: str | Sequence[str] = "mean",
        normalize: bool = False,
        classifier_dropout: float = 0.1,
        head_learning_rate_factor: float = 1.0,
        encoder_name_or_path: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if isinstance(encoder_config, Mapping):
            encoder_config = CONFIG_MAPPING[encoder_config["model_type"]].from_dict(dict(encoder_config))
        self.encoder_config: Any = encoder_config
        self.pooling = pooling if isinstance(pooling, str) else list(pooling)
        self.normalize = normalize
        self.classifier_dropout = classifier_dropout
        self.head_learning_rate_factor = head_learning_rate_factor
        self.encoder_name_or_path = encoder_name_or_path
        # Whoever has a configuration is about to ask for its model, and transformers is whole by then.
        importlib.import_module("hfal.training.pooled_classifier")

    @property
    def vocab_size(self) -> int | None:
        """The number of tokens that the encoder knows."""
        return getattr(self.encoder_config, "vocab_size", None)


CONFIG_MAPPING.register(PooledClassifierConfig.model_type, PooledClassifierConfig, exist_ok=True)
