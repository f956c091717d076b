"""Checks of whether a model can make sense of the pool's tokens and of padding, before anything is asked."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from accelerate.utils.memory import should_reduce_batch_size
from transformers import PreTrainedTokenizerBase, Trainer

from hfal.acquisition.forward import eval_mode, without_adapters
from hfal.data.checkpoints import check_vocabulary, embedding_rows
from hfal.data.pool import Pool
from hfal.errors import ArgumentError
from hfal.tasks.label_column import LABEL_COLUMNS
from hfal.utils.spelling import message_of


_SAMPLE = 1000  # rows, evenly from the whole pool
_ROUNDING = 0.03  # of logits in float32: random models of 13 families stay below 0.02, or are off by 0.28 and more
_ROUNDING_OF_HALF = 0.1

_HOW_TO_PAD = "set tokenizer.pad_token = tokenizer.eos_token and model.config.pad_token_id = tokenizer.pad_token_id"


def check_tokens(trainer: Trainer, pool: Pool) -> None:
    """Check that the model has an embedding for every token, and the tokenizer tokens for the pool's words.

    Raises:
        ArgumentError: It has not; or examples cannot be padded to one length.
    """
    tokenizer = trainer.processing_class
    if not isinstance(tokenizer, PreTrainedTokenizerBase):
        tokenizer = getattr(trainer.data_collator, "tokenizer", None)
    if "input_ids" not in pool.dataset.column_names:
        return
    model = without_adapters(trainer.model)
    rows = np.unique(np.linspace(0, len(pool) - 1, _SAMPLE).astype(np.int64))
    table = pool.dataset.select_columns(["input_ids"]).with_format("arrow")[rows]
    ids = table["input_ids"].combine_chunks().flatten().to_numpy()
    embeddings = embedding_rows(model)
    if embeddings is not None and ids.max() >= embeddings:
        raise ArgumentError(
            f"the pool has tokens up to {ids.max()}, but the model embeddings for {embeddings}: tokenize with the "
            "tokenizer that it was trained with, or call model.resize_token_embeddings(len(tokenizer))"
        )
    if not isinstance(tokenizer, PreTrainedTokenizerBase):
        return
    check_vocabulary(model, tokenizer)
    if tokenizer.pad_token is None and len(np.unique(pool.lengths)) > 1:
        raise ArgumentError(
            f"the tokenizer has no token to pad with, which batches of texts of several lengths need: {_HOW_TO_PAD}"
        )
    of_words = ids[~np.isin(ids, tokenizer.all_special_ids)]
    others = {tokenizer.pad_token_id, tokenizer.eos_token_id, tokenizer.bos_token_id}
    unknown = 0 if tokenizer.unk_token_id in others else int((ids == tokenizer.unk_token_id).sum())
    if unknown > len(of_words) or not len(of_words):
        raise ArgumentError(
            f"the tokenizer knows {len(of_words)} of {len(of_words) + unknown} tokens in {len(rows)} texts of the "
            "pool that were looked at, so the model could not tell them apart: take the tokenizer that the model was "
            "trained with, and a model of the texts' language"
        )


def check_padding(trainer: Trainer, pool: Pool, rows: Any, collate: Callable[[list[Any]], Mapping[str, Any]]) -> None:
    """Check that the model says the same of an example alone and padded beside a longer one.

    With GPT-2, padding on the left moves a text to other positions; XLNet, padded on the right, reads its answer off
    the padding. Scores would depend on what else is in the batch. Not checked with DeepSpeed and FSDP.

    Args:
        trainer: The Trainer, whose model is run as it is.
        pool: The pool.
        rows: Its rows, with the columns that the model takes.
        collate: Makes a batch of rows.

    Raises:
        ArgumentError: It does not, or cannot take the batch.
    """
    short, long = int(pool.lengths.argmin()), int(pool.lengths.argmax())
    if pool.lengths[short] == pool.lengths[long]:
        return
    if trainer.is_deepspeed_enabled or trainer.is_fsdp_enabled:
        return  # they divide the model when training begins, and may have taken its weights away until then
    model = trainer.model
    both = collate([rows[short], rows[long]])
    try:
        alone, padded = _logits(model, collate([rows[short]])), _logits(model, both)
    except Exception as error:
        if should_reduce_batch_size(error):
            return  # scoring goes on with less at a time, and says so where that does not help
        config = getattr(model, "config", None)
        help = f": {_HOW_TO_PAD}" if getattr(config, "pad_token_id", 0) is None else ""
        raise ArgumentError(
            f"{type(model).__name__} cannot take a batch of two examples of the pool ({type(error).__name__}: "
            f"{message_of(error)}){help}"
        ) from error
    mask = both.get("attention_mask")
    found, expected = padded[0], alone[0]
    if expected.ndim == 2:  # of tokens
        if mask is None or len(mask[0]) != len(found):
            return
        found = found[mask[0].bool().to(found.device)]
    difference = float((found - expected).norm() / expected.norm()) if expected.shape == found.shape else np.inf
    half = next(model.parameters()).dtype in (torch.float16, torch.bfloat16)
    if difference > (_ROUNDING_OF_HALF if half else _ROUNDING):
        side = "left" if mask is not None and not mask[0, 0] else "right"
        other = "right" if side == "left" else "left"
        raise ArgumentError(
            f"{type(model).__name__} says something else of a text that is padded on the {side} (its logits move by "
            f"{difference:.0%}), so that scores would depend on the batch: set tokenizer.padding_side={other!r} (in "
            "tokenizer_config.json of the model's folder), and model.config.pad_token_id to the tokenizer's"
        )


def _logits(model: torch.nn.Module, batch: Mapping[str, Any]) -> torch.Tensor:
    """Return the logits of a batch in float32, with everything but the batch as it was."""
    device = next(p.device for p in model.parameters() if p.device.type != "meta")
    inputs = {
        name: tensor.to(device)
        for name, tensor in batch.items()
        if name not in LABEL_COLUMNS and isinstance(tensor, torch.Tensor)
    }
    with (
        torch.random.fork_rng(),
        torch.inference_mode(),
        torch.compiler.set_stance("force_eager"),
        eval_mode(model),
    ):
        outputs = model(**inputs)
    logits: torch.Tensor = outputs["logits"] if isinstance(outputs, dict) else outputs[0]
    return logits.float()
