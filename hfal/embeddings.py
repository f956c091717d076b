"""Embeddings of a whole pool by a sentence-transformers model: computed once, kept on the disk."""

import hashlib
import os
from typing import TYPE_CHECKING

import numpy as np
import torch

from hfal.pool import Pool
from hfal.references import resolve_model
from hfal.spans import plain_text


if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_TEXTS_AT_A_TIME = 4096


def sentence_embeddings(
    pool: Pool, model: "str | os.PathLike[str] | SentenceTransformer", progress: bool = False
) -> np.ndarray:
    """The embedding of every example of the pool.

    Args:
        pool: The pool; of a text pair the texts are joined by a line break, of a sentence in words these by blanks.
        model: A sentence-transformers model, its Hub name, a path, or `package:NAME/path`.
        progress: Show a progress bar.

    Returns:
        float32[N, D], memory-mapped from a file in the run directory, whose name is made of the model's weights and
        the pool's texts, so that it is computed again when either changes.
    """
    # Imported here: it takes seconds, and most strategies do not need it.
    from sentence_transformers import SentenceTransformer

    if not isinstance(model, SentenceTransformer):
        with torch.random.fork_rng():
            model = SentenceTransformer(resolve_model(os.fspath(model)))
    path = pool.run_dir / "sentence_embeddings" / f"{_fingerprint(pool, model)}.npy"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        part = path.with_suffix(".part")
        dimension = model.get_embedding_dimension()
        rows = np.lib.format.open_memmap(part, "w+", np.float32, (len(pool), dimension))
        for start in range(0, len(pool), _TEXTS_AT_A_TIME):
            positions = range(start, min(start + _TEXTS_AT_A_TIME, len(pool)))
            texts = ["\n".join(map(plain_text, columns.values())) for columns in pool.texts(positions)]
            rows[start : start + len(texts)] = model.encode(texts, show_progress_bar=progress)
        rows.flush()
        del rows
        os.replace(part, path)
    embeddings: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    return embeddings


def _fingerprint(pool: Pool, model: "SentenceTransformer") -> str:
    digest = hashlib.blake2b(digest_size=16)
    digest.update(f"{model} {model.prompts} {model.default_prompt_name}".encode())  # pooling, lengths, prompts
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    for position in range(len(pool)):
        digest.update(pool.content(position).encode())
    return digest.hexdigest()
