"""A linear head on the outputs of a frozen encoder: the model of rounds that take a second.

The encoder's embeddings are computed once, and are a column of the data set. What the Trainer trains, and what scores
the pool, is the head alone.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import torch
from transformers import AutoConfig, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput, TokenClassifierOutput

from hfal.acquisition.embeddings import embeddings_file
from hfal.data.pool_examples import EMBEDDING, STATES
from hfal.data.references import absolute_reference
from hfal.tasks.label_column import LABEL_COLUMNS
from hfal.tasks.tokenization import NO_WORD
from hfal.training.token_states import middle_layer
from hfal.utils.arrow import check_free
from hfal.utils.distributed import on_main


_MANY = 500  # texts for which embedding takes long enough to want a progress bar


class FrozenEncoderConfig(PreTrainedConfig):
    """The configuration of a head on a frozen encoder.

    Args:
        hidden_size: Numbers in an embedding, or in the state of a token.
        classifier_dropout: The probability with which the head drops one of them in training.
        encoder_name_or_path: The encoder that they are of.
        encoder_layer: The index into its `hidden_states` where the states of tokens are.
        **kwargs: What every configuration has, such as `num_labels`.
    """

    model_type = "hfal_frozen_encoder"

    def __init__(
        self,
        hidden_size: int = 384,
        classifier_dropout: float = 0.1,
        encoder_name_or_path: str | None = None,
        encoder_layer: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.hidden_size = hidden_size
        self.classifier_dropout = classifier_dropout
        self.encoder_name_or_path = encoder_name_or_path
        self.encoder_layer = encoder_layer


class _Head(PreTrainedModel):
    """Dropout and one layer, which gives every class the same probability before it is trained."""

    config_class = FrozenEncoderConfig
    base_model_prefix = "encoder"

    def __init__(self, config: FrozenEncoderConfig):
        super().__init__(config)
        self.num_labels = config.num_labels
        self.encoder = _Frozen()
        self.dropout = torch.nn.Dropout(config.classifier_dropout)
        self.classifier = torch.nn.Linear(config.hidden_size, config.num_labels)
        self.post_init()

    def _init_weights(self, module: torch.nn.Module) -> None:
        if isinstance(module, torch.nn.Linear):
            torch.nn.init.zeros_(module.weight)
            torch.nn.init.zeros_(module.bias)


class FrozenEncoderForSequenceClassification(_Head):
    """A linear classifier of sentence embeddings: dropout and one layer.

    For new texts it takes what the encoder says of them:

        head = FrozenEncoderForSequenceClassification.from_pretrained("runs/reviews/rounds/010/model")
        encoder = SentenceTransformer(head.config.encoder_name_or_path)
        logits = head(torch.from_numpy(encoder.encode(texts))).logits
    """

    main_input_name = EMBEDDING

    @classmethod
    def on(cls, dataset: datasets.Dataset, encoder: str, **options: Any) -> "FrozenEncoderForSequenceClassification":
        """Return an untrained head, which gives every class the same probability.

        Args:
            dataset: What `add_embeddings` has returned.
            encoder: The encoder's name.
            **options: Of `FrozenEncoderConfig`.
        """
        size = dataset.features[EMBEDDING].length
        name = absolute_reference(encoder)
        return cls(FrozenEncoderConfig(size, encoder_name_or_path=name, name_or_path=name, **options))

    def forward(self, embedding: torch.Tensor, labels: torch.Tensor | None = None) -> SequenceClassifierOutput:
        """Classify texts.

        Args:
            embedding: Their sentence embeddings, float[B, D].
            labels: Classes int[B], or, for `problem_type="multi_label_classification"`, float[B, L] of 1 and 0.

        Returns:
            The logits, float[B, C], and the loss, if there are labels.
        """
        states = self.encoder(embedding.unsqueeze(1)).squeeze(1)
        logits = self.classifier(self.dropout(states))
        loss = None
        if labels is not None:
            loss = self.loss_function(labels=labels, pooled_logits=logits, config=self.config)
        return SequenceClassifierOutput(loss=loss, logits=logits)


class FrozenEncoderForTokenClassification(_Head):
    """A linear classifier of the states of tokens: dropout and one layer.

    For new texts it takes what the encoder says of their tokens:

        head = FrozenEncoderForTokenClassification.from_pretrained("runs/news/rounds/010/model")
        tokenizer = AutoTokenizer.from_pretrained(head.config.encoder_name_or_path)
        encoder = AutoModel.from_pretrained(head.config.encoder_name_or_path)
        tokens = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
        states = encoder(**tokens, output_hidden_states=True).hidden_states[head.config.encoder_layer]
        logits = head(states, tokens["attention_mask"]).logits
    """

    main_input_name = STATES

    @classmethod
    def on(cls, dataset: datasets.Dataset, encoder: str, **options: Any) -> "FrozenEncoderForTokenClassification":
        """Return an untrained head, which gives every tag the same probability.

        Args:
            dataset: What `hfal.training.token_states.add_token_states` has returned.
            encoder: The encoder's name.
            **options: Of `FrozenEncoderConfig`.
        """
        row = dataset[0]
        size = len(row[STATES]) // len(row["input_ids"])
        name = absolute_reference(encoder)
        options = {**options, "encoder_name_or_path": name, "name_or_path": name}
        layer = middle_layer(AutoConfig.from_pretrained(encoder))
        return cls(FrozenEncoderConfig(size, encoder_layer=layer, **options))

    def forward(
        self, token_states: torch.Tensor, attention_mask: torch.Tensor, labels: torch.Tensor | None = None
    ) -> TokenClassifierOutput:
        """Tag tokens.

        Args:
            token_states: Their states, float[B, L, D].
            attention_mask: Which of them are no padding, int[B, L].
            labels: Tags, int[B, L]; -100 where there is none.

        Returns:
            The logits, float[B, L, C], and the loss, if there are labels.
        """
        logits = self.classifier(self.dropout(self.encoder(token_states)))
        loss = None if labels is None else self.loss_function(labels=labels, logits=logits, config=self.config)
        return TokenClassifierOutput(loss=loss, logits=logits)


class _Frozen(torch.nn.Module):
    """Stands where the encoder would, and gives its hidden states [B, L, D], scaled to numbers of about 1.

    The length of embeddings differs from encoder to encoder, and an optimizer of the Adam family moves each weight by
    about the learning rate, whatever the inputs are.
    """

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.normalize(states.float(), dim=-1) * states.shape[-1] ** 0.5


def add_embeddings(
    dataset: datasets.Dataset, text_columns: Sequence[str], model: str, folder: str | os.PathLike[str]
) -> datasets.Dataset:
    """Add the embeddings of its texts to a data set, in the column `embedding` and in the format of NumPy.

    Args:
        dataset: The data set.
        text_columns: Its columns with texts.
        model: A sentence-transformers model, its Hub name, a path, or `package:NAME/path`.
        folder: Where the embeddings are kept; see `hfal.acquisition.embeddings.embeddings_file`.

    Raises:
        ArgumentError: The data has a column of this name.
    """
    check_free(dataset, EMBEDDING)
    file = on_main(lambda: embeddings_file(dataset, text_columns, model, folder, progress=len(dataset) > _MANY))
    rows = np.load(file, mmap_mode="r", allow_pickle=False)
    column, feature = embedding_column(rows)
    return dataset.add_column(EMBEDDING, column, feature=feature).with_format("numpy")


def embedding_column(rows: np.ndarray) -> tuple[pa.FixedSizeListArray, datasets.List]:
    """Return embeddings, float32[N, D], as a column of a data set, mapped and not copied, and its type."""
    column = pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), rows.shape[1])
    return column, datasets.List(datasets.Value("float32"), length=rows.shape[1])


def embeddings_of(dataset: datasets.Dataset) -> np.ndarray:
    """Return the column that `add_embeddings` has made, float32[N, D]."""
    column = dataset.select_columns([EMBEDDING]).with_format("arrow")[:][EMBEDDING].combine_chunks()
    return column.flatten().to_numpy().reshape(len(dataset), -1)


def stack_rows(rows: Sequence[Mapping[str, np.ndarray]]) -> dict[str, torch.Tensor]:
    """A `data_collator` for data in the format of NumPy whose rows have the same shape; labels are called `labels`."""
    return {
        "labels" if name in LABEL_COLUMNS else name: torch.from_numpy(np.stack([row[name] for row in rows]))
        for name in rows[0]
    }


def pad_states(rows: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
    """A `data_collator` for rows with `token_states`, float16[L * D]; labels are called `labels`."""
    lengths = [len(row["attention_mask"]) for row in rows]
    states = np.zeros((len(rows), max(lengths), len(rows[0][STATES]) // lengths[0]), np.float16)
    mask = np.zeros(states.shape[:2], np.int64)
    for place, (row, length) in enumerate(zip(rows, lengths, strict=True)):
        states[place, :length] = row[STATES].reshape(length, -1)
        mask[place, :length] = 1
    batch = {STATES: torch.from_numpy(states), "attention_mask": torch.from_numpy(mask)}
    name = next((name for name in LABEL_COLUMNS if name in rows[0]), None)
    if name is not None:
        labels = np.full(mask.shape, NO_WORD)
        for place, (row, length) in enumerate(zip(rows, lengths, strict=True)):
            labels[place, :length] = row[name]
        batch["labels"] = torch.from_numpy(labels)
    return batch
