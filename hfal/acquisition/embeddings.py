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
_MOST_FILES = 8  # of which it is looked for out whether they have the first texts: each takes a hash of the weights


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


def embed_texts(
    dataset: datasets.Dataset,
    text_columns: Sequence[str],
    model: "str | os.PathLike[str] | SentenceTransformer",
) -> np.ndarray:
    """Return the embedding of every row of a data set, float32[n, D], which is kept nowhere.

    Args:
        dataset: The data set.
        text_columns: As for `embeddings_file`.
        model: As for `embeddings_file`.
    """
    encoder = sentence_encoder(model)
    found: np.ndarray = encoder.encode(_joined(dataset, text_columns, 0, len(dataset)), show_progress_bar=False)
    return found


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
        made when either changes. Where others of these texts follow, what is there of the first ones is copied.
    """
    encoder = sentence_encoder(model)
    texts = dataset.select_columns(list(text_columns))
    hashes = hash_texts(texts, text_columns, of_words=True)
    path = Path(folder, f"{_fingerprint(encoder, hashes)}.npy")

    def compute(part: Path) -> None:
        _compute(texts, encoder, _of_first_texts(path, encoder, hashes), part, progress)

    return computed_once(path, compute)


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


def _joined(texts: datasets.Dataset, text_columns: Sequence[str], start: int, stop: int) -> list[str]:
    """Return the texts of some rows, each as one."""
    columns = texts.select_columns(list(text_columns)).with_format(None)[start:stop].values()
    return ["\n".join(map(plain_text, row)) for row in zip(*columns, strict=True)]


def _of_first_texts(path: Path, model: "SentenceTransformer", hashes: np.ndarray) -> np.ndarray | None:
    """Return the embeddings of the first texts, if a file beside `path` has them: of as many texts as possible."""
    found = []
    for file in path.parent.glob("*.npy"):
        try:
            rows = np.load(file, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError):  # something else of that name
            continue
        if rows.ndim == 2 and rows.shape[1] == model.get_embedding_dimension() and 0 < len(rows) < len(hashes):
            found.append((len(rows), file.stem, rows))
    for size, name, rows in sorted(found, key=lambda one: one[:2], reverse=True)[:_MOST_FILES]:
        if _fingerprint(model, hashes[:size]) == name:
            return rows
    return None


def _compute(
    texts: datasets.Dataset, model: "SentenceTransformer", first: np.ndarray | None, path: Path, progress: bool
) -> None:
    rows = np.lib.format.open_memmap(path, "w+", np.float32, (len(texts), model.get_embedding_dimension()))
    known = 0 if first is None else len(first)
    for start in range(0, known, _TEXTS_AT_A_TIME):
        stop = min(start + _TEXTS_AT_A_TIME, known)
        rows[start:stop] = first[start:stop]  # type: ignore[index]
    for start in range(known, len(texts), _TEXTS_AT_A_TIME):
        joined = _joined(texts, texts.column_names, start, min(start + _TEXTS_AT_A_TIME, len(texts)))
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
