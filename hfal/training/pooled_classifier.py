"""An encoder, its own pooling and a linear head: what linear probing and then fine-tuning trains.

transformers' classifiers put a pooling layer and a head with random weights on an encoder. Here the pooling is that of
the encoder's sentence embeddings, so that a probe of them is a head that fits. `hfal.training.probe` makes the models.
"""

import inspect
from typing import Any

import torch
from transformers import (
    AutoModel,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    PreTrainedModel,
)
from transformers.modeling_outputs import SequenceClassifierOutput, TokenClassifierOutput

from hfal.training.pooled_config import PooledClassifierConfig


class Head(torch.nn.Linear):
    """A linear layer whose weights are `factor` times its parameters.

    An optimizer of the Adam family moves a parameter by about its learning rate, whatever the gradient's scale: so the
    weights move `factor` times as fast as those of other layers. A group of parameters with a learning rate of its own
    would need the optimizer changed before the Trainer loads a checkpoint of it, for which it has no event.

    Args:
        inputs: Numbers in the input.
        outputs: Numbers in the output.
        factor: See above.
    """

    def __init__(self, inputs: int, outputs: int, factor: float):
        super().__init__(inputs, outputs)
        self.factor = factor

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Return the logits, float[..., C], of float[..., D]."""
        return torch.nn.functional.linear(input, self.weight * self.factor, self.bias * self.factor)

    @torch.no_grad()
    def set(self, weight: torch.Tensor, bias: torch.Tensor) -> None:
        """Set the weights, float[C, D] and float[C], as the layer is to use them."""
        self.weight.copy_(weight / self.factor)
        self.bias.copy_(bias / self.factor)


class _PooledClassifier(PreTrainedModel):
    """What both classifiers have: the head, which gives every class the same probability before anything is set."""

    config_class = PooledClassifierConfig
    base_model_prefix = "encoder"

    def __init__(self, config: PooledClassifierConfig, inputs: int, encoder: torch.nn.Module):
        super().__init__(config)
        self.num_labels = config.num_labels
        self.encoder = encoder
        self.supports_gradient_checkpointing = self._body.supports_gradient_checkpointing
        self.dropout = torch.nn.Dropout(config.classifier_dropout)
        self.classifier = Head(inputs, config.num_labels, config.head_learning_rate_factor).to(self._body.dtype)
        self._takes_types = "token_type_ids" in inspect.signature(self._body.forward).parameters
        self.post_init()

    @property
    def _body(self) -> PreTrainedModel:
        body: PreTrainedModel = self.encoder.model if isinstance(self.encoder, PooledEncoder) else self.encoder
        return body

    def _init_weights(self, module: torch.nn.Module) -> None:
        if isinstance(module, Head):
            torch.nn.init.zeros_(module.weight)
            torch.nn.init.zeros_(module.bias)

    def get_input_embeddings(self) -> torch.nn.Module:
        """Return the encoder's."""
        return self._body.get_input_embeddings()

    def set_input_embeddings(self, value: torch.nn.Module) -> None:
        """Set the encoder's."""
        self._body.set_input_embeddings(value)

    def head_inputs(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return what goes into the head, without dropout: of texts float[B, D], of tokens float[B, L, D]."""
        types = {"token_type_ids": token_type_ids} if self._takes_types else {}
        states = self.encoder(input_ids=input_ids, attention_mask=attention_mask, **types)
        return states if isinstance(states, torch.Tensor) else states.last_hidden_state


class PooledClassifierForSequenceClassification(_PooledClassifier):
    """A classifier of texts: the encoder's sentence embedding, dropout and one layer.

    Args:
        config: The configuration.
        body: The encoder, with its weights; a new one without.
    """

    def __init__(self, config: PooledClassifierConfig, body: PreTrainedModel | None = None):
        encoder = PooledEncoder(config, body)
        super().__init__(config, encoder.dimension, encoder)

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
    ) -> SequenceClassifierOutput:
        """Classify texts.

        Args:
            input_ids: Their tokens, int[B, L].
            attention_mask: Which of them are no padding, int[B, L].
            token_type_ids: Which text of a pair each belongs to, int[B, L]; left out where the encoder knows none.
            labels: Classes int[B], or, for `problem_type="multi_label_classification"`, float[B, C] of 1 and 0.

        Returns:
            The logits, float[B, C], and the loss, if there are labels.
        """
        logits = self.classifier(self.dropout(self.head_inputs(input_ids, attention_mask, token_type_ids)))
        loss = None
        if labels is not None:
            loss = self.loss_function(labels=labels, pooled_logits=logits, config=self.config)
        return SequenceClassifierOutput(loss=loss, logits=logits)


class PooledClassifierForTokenClassification(_PooledClassifier):
    """A classifier of tokens: the encoder's last state of each, dropout and one layer. Nothing is pooled.

    Args:
        config: The configuration.
        body: The encoder, with its weights; a new one without.
    """

    def __init__(self, config: PooledClassifierConfig, body: PreTrainedModel | None = None):
        encoder = _new_encoder(config) if body is None else body
        super().__init__(config, config.encoder_config.hidden_size, encoder)

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
    ) -> TokenClassifierOutput:
        """Tag tokens.

        Args:
            input_ids: The tokens, int[B, L].
            attention_mask: Which of them are no padding, int[B, L].
            token_type_ids: Which text of a pair each belongs to, int[B, L]; left out where the encoder knows none.
            labels: Tags, int[B, L]; -100 where there is none.

        Returns:
            The logits, float[B, L, C], and the loss, if there are labels.
        """
        logits = self.classifier(self.dropout(self.head_inputs(input_ids, attention_mask, token_type_ids)))
        loss = None if labels is None else self.loss_function(labels=labels, logits=logits, config=self.config)
        return TokenClassifierOutput(loss=loss, logits=logits)


class PooledEncoder(torch.nn.Module):
    """An encoder and its pooling: tokens in, one vector for each text out.

    Args:
        config: The configuration.
        body: The encoder, with its weights; a new one without.

    Attributes:
        dimension: How many numbers the vector has.
    """

    def __init__(self, config: PooledClassifierConfig, body: PreTrainedModel | None = None):
        from sentence_transformers.sentence_transformer.modules import Pooling  # which takes seconds

        super().__init__()
        self.model = _new_encoder(config) if body is None else body
        self.pooling = Pooling(config.encoder_config.hidden_size, config.pooling)
        self.normalize = config.normalize
        self.dimension = self.pooling.get_embedding_dimension()

    def forward(self, attention_mask: torch.Tensor | None = None, **inputs: Any) -> torch.Tensor:
        """Return the vectors, float[B, D]."""
        features = {"token_embeddings": self.model(attention_mask=attention_mask, **inputs).last_hidden_state}
        if attention_mask is not None:
            features["attention_mask"] = attention_mask
        pooled: torch.Tensor = self.pooling(features)["sentence_embedding"]
        return torch.nn.functional.normalize(pooled, dim=-1) if self.normalize else pooled


def _new_encoder(config: PooledClassifierConfig) -> PreTrainedModel:
    """Make an encoder without its weights, in the precision in which a checkpoint is being loaded."""
    return AutoModel.from_config(config.encoder_config, dtype=torch.get_default_dtype())


AutoModelForSequenceClassification.register(
    PooledClassifierConfig, PooledClassifierForSequenceClassification, exist_ok=True
)
AutoModelForTokenClassification.register(PooledClassifierConfig, PooledClassifierForTokenClassification, exist_ok=True)
