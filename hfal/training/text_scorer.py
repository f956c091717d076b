"""A model, or a head on a frozen encoder, that is run over texts which are not in the pool."""

from collections.abc import Callable, Sequence
from typing import Any

import datasets
import numpy as np
import torch
from transformers import PreTrainedTokenizerBase, Trainer

from hfal.acquisition.embeddings import sentence_encoder
from hfal.acquisition.forward import forward_columns
from hfal.acquisition.provenance import model_name
from hfal.acquisition.scoring import ScoringPass
from hfal.data.pool import Pool
from hfal.errors import ArgumentError
from hfal.training.frozen_encoder import FrozenEncoderForSequenceClassification, stack_rows
from hfal.training.frozen_head import FrozenHead, embedding_rows
from hfal.utils.distributed import on_main


class TextScorer:
    """Runs a classifier over texts as `ScoringPass` does over examples of a pool; nothing of it is kept.

    Args:
        pool: The pool, which has one column with texts, and the `prepare` that makes the model's columns of them.
        trainer_or_head: A Trainer, of which the model is taken as it is, or a head, which is fitted to the labels that
            there are.

    Attributes:
        model: The model that is run.
        name: What the record of a query says of it.

    Raises:
        ArgumentError: It is a head on embeddings that were given as an array.
        TypeError: It is neither.
    """

    def __init__(self, pool: Pool, trainer_or_head: Trainer | FrozenHead):
        self.pool = pool
        self.model: torch.nn.Module
        self._trainer: Trainer | None = None
        encoder: Any = None
        if isinstance(trainer_or_head, FrozenHead):
            encoder = trainer_or_head.encoder
            if isinstance(encoder, np.ndarray):
                raise ArgumentError(
                    "the head was made of an array of embeddings, which has none of new texts: make it with the name "
                    "of the encoder, FrozenHead(pool, 'sentence-transformers/all-MiniLM-L6-v2')"
                )
            self.model = on_main(trainer_or_head.fit)
            if isinstance(encoder, str):
                self.model.config.name_or_path = encoder
        elif isinstance(trainer_or_head, Trainer):
            self._trainer, self.model = trainer_or_head, trainer_or_head.model
            if isinstance(self.model, FrozenEncoderForSequenceClassification):
                encoder = self.model.config.encoder_name_or_path
        else:
            raise TypeError(f"expected a Trainer or a FrozenHead, got a {type(trainer_or_head).__name__}")
        self._encoder = None if encoder is None else sentence_encoder(encoder)
        self.name = model_name(self.model)

    def signals(
        self, texts: Sequence[str], keep: frozenset[str], score: Callable[..., torch.Tensor] | None = None
    ) -> dict[str, np.ndarray]:
        """Return what the model says of texts; called by all processes.

        Args:
            texts: The texts.
            keep: See `ScoringPass.run`.
            score: The acquisition score, for `"scores"`.

        Returns:
            Arrays by name, float32[n, ...]; see `ScoringPass.run`. The embeddings are a frozen encoder's, if there is
            one.
        """
        if self._encoder is None:
            return self._pass(texts).run(np.arange(len(texts)), keep=keep, score=score)
        embeddings = self._encoder.encode(list(texts), show_progress_bar=False)
        lengths = np.ones(len(texts), np.int64)
        scoring = ScoringPass(
            self.model, embedding_rows(embeddings), lengths, stack_rows, signals=self.pool.task.signals
        )
        arrays = scoring.run(np.arange(len(texts)), keep=keep - {"embeddings"}, score=score)
        return arrays | ({"embeddings": embeddings} if "embeddings" in keep else {})

    def _pass(self, texts: Sequence[str]) -> ScoringPass:
        assert self._trainer is not None
        args, task, columns = self._trainer.args, self.pool.task, self.pool.columns_without_labels
        if args.remove_unused_columns:
            columns = forward_columns(self.model, columns)
        rows = self._rows(texts)
        lengths = np.array([len(tokens) for tokens in rows.with_format(None)["input_ids"]], np.int64)
        return ScoringPass(
            self.model,
            rows.select_columns(task.columns_to_score(columns)),
            lengths,
            task.collator(self._trainer.data_collator, columns),
            signals=task.signals,
            autocast=torch.bfloat16 if args.bf16 else torch.float16 if args.fp16 else None,
        )

    def _rows(self, texts: Sequence[str]) -> datasets.Dataset:
        """Return texts as rows with the model's columns, in the format of the pool's, and without a bar."""
        bars_are_shown = not datasets.are_progress_bars_disabled()
        datasets.disable_progress_bars()
        try:
            rows = self.pool.rows_of([{self.pool.text_columns[0]: text} for text in texts])
        finally:
            if bars_are_shown:
                datasets.enable_progress_bars()
        kind = self.pool.dataset.format
        return rows.with_format(kind["type"], **kind["format_kwargs"])

    def word_embeddings(self) -> tuple[PreTrainedTokenizerBase, np.ndarray] | None:
        """Return the tokenizer of the encoder, and the weights of its input layer, float[V, D]; `None` without any."""
        if self._encoder is not None:
            module, tokenizer = self._encoder, self._encoder.tokenizer
        else:
            assert self._trainer is not None
            module, tokenizer = self.model, self._trainer.processing_class
        # Those of positions and of types of tokens are smaller.
        tables = [part for part in module.modules() if isinstance(part, torch.nn.Embedding)]
        if not tables or not isinstance(tokenizer, PreTrainedTokenizerBase):
            return None
        words = max(tables, key=lambda table: table.num_embeddings).weight
        return None if words.device.type == "meta" else (tokenizer, words.detach().float().cpu().numpy())
