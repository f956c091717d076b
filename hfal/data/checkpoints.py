"""Load the tokenizer and the model of a checkpoint, and refuse in one line what cannot be trained.

transformers makes a tokenizer of five tokens where a folder has none, and fills in random weights where those in the
file are of another size or missing: a run would train on that to its end. `load_model` takes random weights for the
head alone.
"""

import contextlib
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
from transformers import (
    CONFIG_MAPPING,
    AutoModel,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import cached_file, logging

from hfal.data.references import resolve_model
from hfal.errors import ArgumentError


_LAYERS = ("num_hidden_layers", "num_layers", "n_layer", "n_layers", "encoder_layers")
_MOST_LAYERS = 10_000
_LEAST_TOKENS = 2  # T5's tokenizer has one without a file, the mark of a word's beginning


def load_tokenizer(checkpoint: str, called: str = "--model", **options: Any) -> PreTrainedTokenizerBase:
    """Load the tokenizer of a checkpoint, with a token to pad with.

    One that has none, as of GPT-2 and Llama, gets its end-of-text token for that, and pads on the right: the attention
    mask says what is padding, and `load_model` tells the model.

    Args:
        checkpoint: What `resolve_model` has returned.
        called: The option that names it, for messages.
        **options: For `AutoTokenizer.from_pretrained`.

    Raises:
        ArgumentError: There is none, it is damaged, or it has no token to pad with; or the model is none of text.
    """
    _check_config(AutoModel, checkpoint, called)
    try:
        tokenizer = AutoTokenizer.from_pretrained(checkpoint, trust_remote_code=False, **options)
        vocabulary = {*tokenizer.get_vocab()} - {*tokenizer.all_special_tokens} - {*tokenizer.added_tokens_encoder}
    except Exception as error:  # each kind of tokenizer fails in its own way
        raise ArgumentError(
            f"{called} is {checkpoint}, whose tokenizer is missing or damaged ({_first_line(error)}): "
            f"{_SAVE_TOKENIZER}"
        ) from error
    if len(vocabulary) < _LEAST_TOKENS:
        raise ArgumentError(
            f"{called} is {checkpoint}, which has no tokenizer files (tokenizer.json, vocab.txt, ...), so that no "
            f"word would be known: {_SAVE_TOKENIZER}"
        )
    if tokenizer.pad_token is None:
        if tokenizer.eos_token is None:
            raise ArgumentError(
                f"{called} is {checkpoint}, whose tokenizer has neither a token to pad with nor an end-of-text token: "
                "set tokenizer.pad_token to one of its tokens, and save the tokenizer to the model's folder"
            )
        tokenizer.pad_token = tokenizer.eos_token
        tokenizer.padding_side = "right"
    return tokenizer


_SAVE_TOKENIZER = "save that of the model it was made from to the folder, with tokenizer.save_pretrained(folder)"


def load_model(
    auto_class: Any, checkpoint: str, tokenizer: PreTrainedTokenizerBase, **options: Any
) -> PreTrainedModel:
    """Load a model; a head that is missing, or made for other labels, makes way for a new one with random weights.

    Args:
        auto_class: `AutoModelForSequenceClassification`, for example.
        checkpoint: What `resolve_model` has returned.
        tokenizer: As `load_tokenizer` gave it; the model pads with the same token.
        **options: For `from_pretrained`, such as `num_labels`.

    Raises:
        ArgumentError: It is no such model, or its weights are missing, damaged, pickles, or not those that its
            configuration describes.
    """
    return load_model_and_missing(auto_class, checkpoint, tokenizer, **options)[0]


def label_options(names: Sequence[str]) -> dict[str, Any]:
    """Return what `from_pretrained` takes for a model of these labels."""
    numbered = dict(enumerate(names))
    return {
        "num_labels": len(numbered),
        "id2label": numbered,
        "label2id": {name: number for number, name in numbered.items()},
    }


def check_model(auto_class: Any, checkpoint: str, tokenizer: PreTrainedTokenizerBase, called: str = "--model") -> None:
    """Check that `load_model` can load a model, by all but the values of its weights, which takes a tenth of a second.

    Raises:
        ArgumentError: It cannot; the message says why.
    """
    with _silent():
        load_model_and_missing(auto_class, checkpoint, tokenizer, called, device_map="meta")


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Keep transformers from reporting what it loads: the model that is trained does so, if the user wants it."""
    verbosity, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bar:
            logging.enable_progress_bar()


def check_encoder(reference: str, called: str) -> None:
    """Check that a model can be loaded to embed texts with.

    Args:
        reference: Its Hub name, a path, or `package:NAME/path`.
        called: The option that names it, for messages.

    Raises:
        ArgumentError: It cannot; the message says why.
        FileNotFoundError: There is none.
        HubUnreachableError: It is a Hub name, is not in the cache, and the Hub cannot be reached.
    """
    checkpoint = resolve_model(reference)
    if _has_file(checkpoint, "modules.json") and not _has_file(checkpoint, "config.json"):
        return  # of sentence-transformers, without a transformer or with it in a folder of its own
    check_model(AutoModel, checkpoint, load_tokenizer(checkpoint, called), called)


def _has_file(checkpoint: str, name: str) -> bool:
    try:
        return cached_file(checkpoint, name) is not None
    except OSError:
        return False


def load_model_and_missing(
    auto_class: Any, checkpoint: str, tokenizer: PreTrainedTokenizerBase, called: str = "--model", **options: Any
) -> tuple[PreTrainedModel, list[str]]:
    """Load a model as `load_model` does; also return which parameters the checkpoint has no weights for.

    Args:
        auto_class: See `load_model`.
        checkpoint: See `load_model`.
        tokenizer: See `load_model`.
        called: The option that names the checkpoint, for messages.
        **options: See `load_model`.
    """
    _check_config(auto_class, checkpoint, called)
    try:
        model, found = auto_class.from_pretrained(
            checkpoint,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
            use_safetensors=True,
            trust_remote_code=False,
            pad_token_id=tokenizer.pad_token_id,
            **options,
        )
    except Exception as error:
        raise ArgumentError(f"{called} is {checkpoint}, {_why_not_loaded(auto_class, checkpoint, error)}") from error
    other = _body_of_another_model(model, found)
    if other is not None:
        raise ArgumentError(
            f"{called} is {checkpoint}, whose config.json is not that of its weights: {other}. Take both from the "
            "same model"
        )
    check_vocabulary(model, tokenizer, f"{called} is {checkpoint}, whose")
    return model, sorted({*found["missing_keys"], *(name for name, *_ in found["mismatched_keys"])})


def check_vocabulary(model: torch.nn.Module, tokenizer: PreTrainedTokenizerBase, whose: str = "the Trainer's") -> None:
    """Check that the model has an embedding for every token of a tokenizer.

    Args:
        model: The model; one without an embedding for each token has nothing to check.
        tokenizer: The tokenizer.
        whose: How the message begins.

    Raises:
        ArgumentError: It has not.
    """
    rows = embedding_rows(model)
    if rows is not None and len(tokenizer) > rows:
        raise ArgumentError(
            f"{whose} tokenizer has {len(tokenizer)} tokens, but the model embeddings for {rows}: take the tokenizer "
            "that the model was trained with, or call model.resize_token_embeddings(len(tokenizer)) and save the model"
        )


def embedding_rows(model: torch.nn.Module) -> int | None:
    """Return how many tokens a model has embeddings for; `None` if it has no such table."""
    if not isinstance(model, PreTrainedModel) or getattr(model.config, "vocab_size", None) is None:
        return None
    try:
        embeddings = model.get_input_embeddings()
    except (AttributeError, NotImplementedError):
        return None
    return embeddings.num_embeddings if isinstance(embeddings, torch.nn.Embedding) else None


def _check_config(auto_class: Any, checkpoint: str, called: str) -> None:
    """Refuse by its configuration what is no such model, before its weights are looked at."""
    try:
        config, _ = PreTrainedConfig.get_config_dict(checkpoint)
        kind = config.get("model_type")
    except Exception as error:
        raise ArgumentError(
            f"{called} is {checkpoint}, whose config.json cannot be read ({_first_line(error)}): copy the model again"
        ) from error
    for name in _LAYERS:
        layers = config.get(name)
        if isinstance(layers, int) and layers > _MOST_LAYERS:  # building them, even without weights, would never end
            raise ArgumentError(
                f"{called} is {checkpoint}, whose config.json has {name}={layers}: copy the model again"
            )
    if kind in CONFIG_MAPPING:
        model = auto_class._model_mapping.get(CONFIG_MAPPING[kind], None)
        takes = getattr(model[0] if isinstance(model, tuple) else model, "main_input_name", "input_ids")
        if model is None or takes != "input_ids":
            why = (
                f"of which transformers has no {auto_class.__name__}"
                if model is None
                else f"which takes {takes}, no text"
            )
            raise ArgumentError(
                f"{called} is {checkpoint}, a {kind}, {why}: name a text model such as BERT, RoBERTa or ModernBERT"
            )
        return
    if "auto_map" in config:
        raise ArgumentError(
            f"{called} is {checkpoint}, which brings code of its own (auto_map in its config.json), and hfal runs "
            "none: name a model that is part of transformers, or load it in a script of your own, with "
            "trust_remote_code=True"
        )
    raise ArgumentError(
        f"{called} is {checkpoint}, whose config.json has model_type={kind!r}, which this version of transformers "
        "does not know: name a model that save_pretrained of transformers has written"
    )


def _why_not_loaded(auto_class: Any, checkpoint: str, error: Exception) -> str:
    """Return why the weights of a checkpoint could not be loaded, and what to do."""
    if isinstance(error, OSError) and "model.safetensors" in str(error):
        kind = auto_class.__name__ if auto_class.__name__.endswith("MaskedLM") else AutoModel.__name__
        return (
            "which has no model.safetensors. Weights in a pickle (pytorch_model.bin) can run code when they are "
            'loaded, so hfal does not load them; if you trust them, convert them once: python -c "from transformers '
            f"import {kind}; {kind}.from_pretrained('{checkpoint}').save_pretrained('{checkpoint}')\""
        )
    return f"whose weights cannot be loaded ({type(error).__name__}: {_first_line(error)}): copy the model again"


def _body_of_another_model(model: PreTrainedModel, found: dict[str, Any]) -> str | None:
    """Return how the weights differ from the model below its head, or `None` if they do not.

    A pooling layer may be missing, as in every checkpoint of a masked language model; decoders of encoder-decoders may
    be where only the encoder is used.
    """
    body = getattr(model, model.base_model_prefix, model)
    prefix = "" if body is model else f"{model.base_model_prefix}."
    mismatched = {name: shapes for name, *shapes in found["mismatched_keys"] if name.startswith(prefix)}
    if mismatched:
        name = min(mismatched)
        was, now = (list(shape) for shape in mismatched[name])
        return f"{name} has the shape {was} in the file, and {now} by the configuration{_and_more(mismatched)}"
    missing = [n for n in found["missing_keys"] if n.startswith(prefix) and ".pooler." not in f".{n}"]
    if body is model:
        missing = [name for name in missing if not name.startswith("decoder.")]
    if missing:
        return f"{min(missing)} has no weights in the file{_and_more(missing)}"
    for name, layers in body.named_modules():
        if isinstance(layers, torch.nn.ModuleList):
            pattern = re.compile(rf"(?:.*\.)?{re.escape(name)}\.(\d+)\.")
            numbers = [int(m[1]) for m in map(pattern.match, found["unexpected_keys"]) if m]
            if any(number >= len(layers) for number in numbers):
                return f"the file has {max(numbers) + 1} layers in {name}, and the configuration {len(layers)}"
    return None


def _and_more(names: Iterable[str]) -> str:
    count = len([*names]) - 1
    return f" ({count} more)" if count else ""


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".: ") if lines else type(error).__name__
