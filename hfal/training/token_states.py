"""Hidden states of a data set's tokens by a frozen encoder: computed once, kept on the disk."""

import hashlib
import os
from functools import lru_cache
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from tqdm.auto import tqdm
from transformers import AutoModel, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from hfal.acquisition.embeddings import hash_weights
from hfal.acquisition.forward import forward_columns
from hfal.acquisition.token_batches import ACCELERATOR_TOKEN_BUDGET, CPU_TOKEN_BUDGET, plan_batches
from hfal.data.checkpoints import load_model, load_tokenizer
from hfal.data.pool_examples import STATES
from hfal.data.references import resolve_model
from hfal.utils.arrow import check_free, tables_of
from hfal.utils.distributed import on_main
from hfal.utils.files import computed_once


def add_token_states(dataset: datasets.Dataset, model: str, folder: str | os.PathLike[str]) -> datasets.Dataset:
    """Add the states of its tokens to a data set, in the column `token_states` and in the format of NumPy.

    Args:
        dataset: Tokenized by `hfal.tokenize_words`, with the tokenizer of this model.
        model: The encoder: its Hub name, a path, or `package:NAME/path`.
        folder: Where the states are kept; see `states_file`.

    Returns:
        The data set; its new column has for each row float16[L * D], a token behind the other.

    Raises:
        ArgumentError: The data has a column of this name.
    """
    check_free(dataset, STATES)
    return with_token_states(dataset, load_states(dataset, model, folder))


def load_states(dataset: datasets.Dataset, model: str, folder: str | os.PathLike[str]) -> np.ndarray:
    """Return the states of a data set's tokens as `states_file` has them, memory-mapped; called by all processes."""
    file = on_main(lambda: states_file(dataset, model, folder))
    states: np.ndarray = np.load(file, mmap_mode="r", allow_pickle=False)
    return states


def with_token_states(dataset: datasets.Dataset, states: np.ndarray) -> datasets.Dataset:
    """Return a data set with the states of its tokens, float16[T, D], as `add_token_states` does."""
    offsets = np.concatenate([[0], np.cumsum(_lengths(dataset))]) * states.shape[1]
    column = pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), pa.array(states.reshape(-1)))  # mapped
    feature = datasets.LargeList(datasets.Value("float16"))
    return dataset.add_column(STATES, column, feature=feature).with_format("numpy")


def sentence_means(dataset: datasets.Dataset) -> np.ndarray:
    """Return the mean of the states of each sentence's tokens, float32[N, D], of a data set with these states."""
    means = []
    for table in tables_of(dataset, STATES, "input_ids"):
        lengths = pc.list_value_length(table["input_ids"]).to_numpy().astype(np.int64)
        flat = table[STATES].combine_chunks().flatten().to_numpy()
        states = flat.reshape(lengths.sum(), -1).astype(np.float32)
        starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        means.append(np.add.reduceat(states, starts) / lengths[:, None])
    return np.concatenate(means)


def states_file(dataset: datasets.Dataset, model: str, folder: str | os.PathLike[str]) -> Path:
    """Return the file with the hidden state of every token of a data set; make it if it is not there.

    Those of the layer in the middle (`middle_layer`): in the last one there is little left of a word by itself.

    Args:
        dataset: With what the encoder takes, `input_ids` at least.
        model: The encoder: its Hub name, a path, or `package:NAME/path`.
        folder: Where the file is kept; several runs may share the folder.

    Returns:
        A NumPy file, float16[T, D], the tokens of all rows one behind the other. Its name is made of the model's
        weights and of the tokens, so that another one is made when either changes.
    """
    encoder, tokenizer = _load(model)
    digest = hashlib.blake2b(f"layer {middle_layer(encoder.config)}".encode(), digest_size=16)
    hash_weights(encoder, digest)
    lengths = _lengths(dataset)
    digest.update(lengths.tobytes())
    for table in tables_of(dataset, "input_ids"):
        for chunk in table["input_ids"].chunks:
            digest.update(chunk.flatten().to_numpy().tobytes())
    path = Path(folder, f"{digest.hexdigest()}.npy")
    return computed_once(path, lambda part: _compute(dataset, lengths, encoder, tokenizer, part))


def middle_layer(config: PreTrainedConfig) -> int:
    """Return the layer whose states tell most of entities, as an index into an encoder's `hidden_states`.

    A linear head on all-MiniLM-L6-v2, trained on 300 sentences of CoNLL-2003, has an F1 of 0.57 on layer 2 of 6, 0.61
    on layer 3, 0.62 on layer 4, 0.58 on layer 5 and 0.44 on layer 6.
    Tenney et al., "BERT Rediscovers the Classical NLP Pipeline" (ACL 2019), find them in the middle of BERT as well.
    """
    return int(config.num_hidden_layers) // 2


@lru_cache(maxsize=1)
def _load(model: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    checkpoint = resolve_model(model)
    tokenizer = load_tokenizer(checkpoint)
    with torch.random.fork_rng():
        encoder = load_model(AutoModel, checkpoint, tokenizer)
    return encoder.eval(), tokenizer


def _lengths(dataset: datasets.Dataset) -> np.ndarray:
    parts = [pc.list_value_length(table["input_ids"]).to_numpy() for table in tables_of(dataset, "input_ids")]
    return np.concatenate(parts).astype(np.int64)


def _compute(
    dataset: datasets.Dataset,
    lengths: np.ndarray,
    encoder: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    path: Path,
) -> None:
    starts = np.concatenate([[0], np.cumsum(lengths)])
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    budget = CPU_TOKEN_BUDGET if device.type == "cpu" else ACCELERATOR_TOKEN_BUDGET
    rows = dataset.select_columns(forward_columns(encoder, dataset.column_names)).with_format(None)
    states = np.lib.format.open_memmap(path, "w+", np.float16, (int(starts[-1]), encoder.config.hidden_size))
    layer = middle_layer(encoder.config)
    encoder.to(device)
    with torch.inference_mode(), tqdm(total=len(dataset), desc="encoding", unit=" texts", leave=False) as bar:
        for batch in plan_batches(lengths, budget):
            inputs = tokenizer.pad(rows[batch.tolist()], return_tensors="pt").to(device)
            hidden = encoder(**inputs, output_hidden_states=True).hidden_states[layer]
            found = hidden[inputs["attention_mask"].bool()].half().cpu().numpy()
            ends = np.cumsum(lengths[batch])
            for row, end in zip(batch, ends, strict=True):
                states[starts[row] : starts[row + 1]] = found[end - lengths[row] : end]
            bar.update(len(batch))
    encoder.to("cpu")
    states.flush()
