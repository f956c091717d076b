"""Embeddings of texts by a sentence-transformers model: computed once, kept on the disk."""

import hashlib
import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import datasets
import numpy as np
import torch

from hfal.data.checkpoints import check_encoder
from hfal.data.identity import hash_texts
from hfal.data.pool import Pool
from hfal.data.references import resolve_model
from hfal.store.run_directory import embeddings_folder
from hfal.tasks.words import plain_text
from hfal.utils.files import computed_once


if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_TEXTS_AT_A_TIME = 4096


def sentence_embeddings(
    pool: Pool,
    model: "str | os.PathLike[str] | SentenceTransformer",
    progress: bool = False,
    folder: str | os.PathLike[str] | None = None,
) -> np.ndarray:
    """Return the embedding of every example of the pool.

    Args:
        pool: The pool.
        model: A sentence-transformers model, its Hub name, a path, or `package:NAME/path`.
        progress: Show a progress bar.
        folder: Where they are kept; in the run directory by default.

    Returns:
        float32[N, D], memory-mapped from a file.
    """
    file = embeddings_file(pool.dataset, pool.text_columns, model, folder or embeddings_folder(pool.run_dir), progress)
    embeddings: np.ndarray = np.load(file, mmap_mode="r", allow_pickle=False)
    return embeddings


def embeddings_file(
    dataset: datasets.Dataset,
    text_columns: Sequence[str],
    model: "str | os.PathLike[str] | SentenceTransformer",
    folder: str | os.PathLike[str],
    progress: bool = False,
) -> Path:
    """Return the file with the embedding of every row of a data set; make it if it is not there.

    Args:
        dataset: The data set.
        text_columns: Its columns with texts; of a text pair the texts are joined by a line break, of a sentence in
            words these by blanks.
        model: A sentence-transformers model, its Hub name, a path, or `package:NAME/path`. Of any other encoder, the
            mean over the tokens of its last hidden states.
        folder: Where the file is kept; several runs may share the folder.
        progress: Show a progress bar.

    Returns:
        A NumPy file, float32[N, D]. Its name is made of the model's weights and of the texts, so that another one is
        made when either changes.
    """
    model = sentence_encoder(model)
    texts = dataset.select_columns(list(text_columns))
    path = Path(folder, f"{_fingerprint(model, hash_texts(texts, text_columns, of_words=True))}.npy")
    return computed_once(path, lambda part: _compute(texts, model, part, progress))


def sentence_encoder(model: "str | os.PathLike[str] | SentenceTransformer") -> "SentenceTransformer":
    """Return a sentence-transformers model, which is loaded where its name, a path or `package:NAME/path` is given."""
    # Imported here: it takes seconds, and most strategies do not need it.
    from sentence_transformers import SentenceTransformer

    return model if isinstance(model, SentenceTransformer) else _load(os.fspath(model))


@lru_cache(maxsize=1)
def _load(model: str) -> "SentenceTransformer":
    from sentence_transformers import SentenceTransformer

    check_encoder(model, "--embeddings")
    with torch.random.fork_rng():
        encoder = SentenceTransformer(resolve_model(model))
    if getattr(encoder.tokenizer, "pad_token", "") is None:
        encoder.tokenizer.pad_token = encoder.tokenizer.eos_token  # as `load_tokenizer` does
    return encoder


def _compute(texts: datasets.Dataset, model: "SentenceTransformer", path: Path, progress: bool) -> None:
    rows = np.lib.format.open_memmap(path, "w+", np.float32, (len(texts), model.get_embedding_dimension()))
    for start in range(0, len(texts), _TEXTS_AT_A_TIME):
        columns = texts.with_format(None)[start : start + _TEXTS_AT_A_TIME].values()
        joined = ["\n".join(map(plain_text, row)) for row in zip(*columns, strict=True)]
        rows[start : start + len(joined)] = model.encode(joined, show_progress_bar=progress)
    rows.flush()


def _fingerprint(model: "SentenceTransformer", hashes: np.ndarray) -> str:
    digest = hashlib.blake2b(hashes.tobytes(), digest_size=16)
    digest.update(f"{model} {model.prompts} {model.default_prompt_name}".encode())  # pooling, lengths, prompts
    hash_weights(model, digest)
    return digest.hexdigest()


def hash_weights(model: torch.nn.Module, digest: "hashlib.blake2b") -> None:
    """Add the weights of a model to a hash, with their names."""
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
