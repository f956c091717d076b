"""Continue the pre-training of an encoder on the texts of a pool, before anything is labeled."""

import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path

import datasets
from transformers import AutoModel, AutoModelForMaskedLM, PreTrainedModel, PreTrainedTokenizerBase

from hfal.config.arguments import ActiveLearningArguments
from hfal.config.load_data import LoadedData, load_data
from hfal.config.training_arguments import RoundTrainingArguments
from hfal.data.checkpoints import load_model_and_missing
from hfal.data.pool import Pool
from hfal.errors import ArgumentError
from hfal.store.records import SYNTHESIS
from hfal.store.run_directory import has_run
from hfal.tasks.words import words_of


@dataclass
class PretrainingArguments(RoundTrainingArguments):
    """`RoundTrainingArguments` with defaults for masked language modeling, and what it needs beside them.

    Learning rate, part of the tokens and warm-up are those of task-adaptive pre-training in Gururangan et al. (2020),
    who train for 100 epochs in batches of 256; these defaults are for minutes on a CPU.
    """

    output_dir: str | None = field(default=None, metadata={"help": "Where the model goes; what --model then takes."})
    run_dir: str | None = field(
        default=None, metadata={"help": "A run that has begun, whose held-out texts are left out."}
    )
    mlm_probability: float = field(default=0.15, metadata={"help": "The part of the tokens that is to be guessed."})
    new_head: bool = field(
        default=False, metadata={"help": "Begin with a fresh head where the model has none for masked words."}
    )
    warmup_steps: float = field(default=0.06, metadata={"help": "Steps of warm-up; below 1, a part of all steps."})
    per_device_train_batch_size: int = field(default=32, metadata={"help": "Texts of a training batch."})
    logging_strategy: str = field(default="epoch", metadata={"help": "When the loss is logged."})


def load_texts(al: ActiveLearningArguments, run_dir: str | None, seed: int) -> LoadedData:
    """Read the texts of the pool that `hfal run` makes with the same options and seed: never those it evaluates on.

    Args:
        al: The options of the run.
        run_dir: A run that has begun on this data, if there is one: its own draw holds, though the data has grown
            since, and what it holds out is left out too, with all that has the same text. Texts that were added to
            it from a stream are there too, those that were synthesized are not.
        seed: Of the run.

    Returns:
        What `load_data` returns, of the pool only the columns with text.

    Raises:
        ArgumentError: The data does not fit the options.
        RunDirectoryError: `run_dir` is no run, or one of other data.
    """
    if run_dir is not None and not has_run(Path(run_dir)):
        raise ArgumentError(f"--run_dir is {run_dir}, which is no run: leave it out until the run has begun")
    with tempfile.TemporaryDirectory() as nowhere:  # a draw is written down where it is made
        data = load_data(al, nowhere if run_dir is None else run_dir, seed)
    pool = data.pool
    if run_dir is not None:
        run = Pool(pool, run_dir, data.text, al.label, data.labels, al.id, data.task, prepare=lambda rows: rows)
        held_out = run.positions(sorted(run.store.holdout_ids()))
        taken = {run.content(int(row)) for row in held_out}
        made = {i for i, of in run.store.origins().items() if of.origin == SYNTHESIS}
        rows = [row for row, example_id in enumerate(run.ids.to_pylist()) if example_id not in made]
        pool = run.dataset.select([row for row in rows if run.content(row) not in taken])
        run.store.close()
    return replace(data, pool=pool.select_columns(data.text))


def tokenize_texts(
    data: datasets.Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int, of_words: bool
) -> datasets.Dataset:
    """Tokenize each text, or pair of texts, and keep only the columns that the model takes.

    Args:
        data: Columns with text.
        tokenizer: The model's.
        max_length: Tokens after which a text is cut.
        of_words: Whether the one column has sentences for token classification, in words or as raw text.
    """

    def tokenize(batch: dict[str, list]) -> dict[str, list]:
        columns = list(batch.values())
        if of_words:
            columns = [[words_of(text) for text in columns[0]]]
        found: dict[str, list] = tokenizer(
            *columns, is_split_into_words=of_words, truncation=True, max_length=max_length
        )
        return found

    return data.map(tokenize, batched=True, remove_columns=data.column_names)


def load_masked_language_model(
    checkpoint: str, tokenizer: PreTrainedTokenizerBase, new_head: bool = False
) -> PreTrainedModel:
    """A model that guesses masked tokens.

    Args:
        checkpoint: Name or folder of the encoder.
        tokenizer: Its tokenizer.
        new_head: Whether a head with random weights will do where the checkpoint has none.

    Raises:
        ArgumentError: The architecture is not made for it, or the checkpoint has no head.
    """
    model, missing = load_model_and_missing(AutoModelForMaskedLM, checkpoint, tokenizer)
    if missing and not new_head:
        raise ArgumentError(
            f"--model is {checkpoint}, which has no head to guess masked words with (no weights for "
            f"{', '.join(missing[:3])}{', …' * (len(missing) > 3)}), as models for sentence embeddings or for "
            "classification have none: name one that has it, or begin with a fresh head: --new_head"
        )
    return model


def save_encoder(model: PreTrainedModel, checkpoint: str, folder: str) -> None:
    """Save a masked language model, and what its checkpoint had beside it, so that a classifier begins with both.

    That is the pooling layer of BERT and its like, which the masked language model does not have, but a classifier
    does: without it each would begin with a random one.

    Args:
        model: As `load_masked_language_model` gave it, trained.
        checkpoint: What it was loaded from.
        folder: Where to save it.
    """
    encoder, found = AutoModel.from_pretrained(checkpoint, output_loading_info=True)
    prefix = model.base_model_prefix
    tensors = model.state_dict()
    for name, tensor in encoder.state_dict().items():
        if name not in found["missing_keys"]:
            tensors.setdefault(f"{prefix}.{name}", tensor)
    model.save_pretrained(folder, state_dict=tensors)
