"""The forward pass of a model: its input columns, and the signals, embeddings and features that it gives.

Hidden states and the inputs of the head are caught by hooks, so that one pass gives them together with the logits.
"""

import contextlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from accelerate.utils.memory import clear_device_cache

from hfal.errors import ScoringError
from hfal.strategies.scores import reads
from hfal.tasks.label_column import LABEL_COLUMNS


_OTHER_EMBEDDINGS = "pass embeddings=<name or path of a sentence-transformers model>, or a strategy without embeddings"


def forward_columns(model: torch.nn.Module, columns: Sequence[str]) -> list[str]:
    """Return the columns that `forward` takes, without labels: those that the Trainer's `remove_unused_columns` keeps.

    Args:
        model: The model; of a PEFT model the wrapped one counts.
        columns: The columns there are.
    """
    parameters = inspect.signature(without_adapters(model).forward).parameters
    return [c for c in columns if c in parameters and c not in LABEL_COLUMNS]


def without_adapters(model: torch.nn.Module) -> torch.nn.Module:
    """Return the model that a PEFT model wraps, or the model itself."""
    get_base_model = getattr(model, "get_base_model", None)
    return get_base_model() if callable(get_base_model) else model


def longest_input(model: torch.nn.Module) -> int | None:
    """Return how many tokens the model's position embeddings can number, or `None` if it has no such table."""
    longest = [
        module.num_embeddings - (0 if module.padding_idx is None else module.padding_idx + 1)
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Embedding) and name.endswith("position_embeddings")
    ]
    return min(longest, default=None)


@contextlib.contextmanager
def eval_mode(model: torch.nn.Module) -> Iterator[None]:
    """Put the model into `eval()` for a `with` block; then each of its modules is as it was."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


class Forward:
    """One model's forward passes over batches, and the signals that are kept of each batch.

    Args:
        model: The model.
        device: Where it takes its inputs.
        lengths: Tokens of each example of this run, int[n].
        keep: See `hfal.acquisition.scoring.ScoringPass.run`.
        signals: See `hfal.acquisition.scoring.ScoringPass`.
        score: See `hfal.acquisition.scoring.ScoringPass.run`.
        draws: See `hfal.acquisition.scoring.ScoringPass.run`.
        autocast: See `hfal.acquisition.scoring.ScoringPass`.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        device: torch.device,
        lengths: np.ndarray,
        *,
        keep: frozenset[str],
        signals: Callable[..., dict[str, torch.Tensor]],
        score: Callable[..., torch.Tensor] | None,
        draws: Sequence[Callable[..., Any]],
        autocast: torch.dtype | None,
    ):
        self.model = model
        self.device = device
        self.longest = int(lengths.max(initial=0))
        self.equally_long = len(np.unique(lengths)) < 2
        self.signals = signals
        self.score = score
        self.draws = draws
        self.precision = contextlib.nullcontext() if autocast is None else torch.autocast(device.type, autocast)
        self.features = "features" in keep
        self.embeddings = keep & {"embeddings", "entity_embeddings"}
        of_entities = {"entity_words"} if "entity_embeddings" in keep else frozenset()
        self.said = (keep - self.embeddings - {"features"}) | of_entities
        # Of draws alone the model as it is says nothing.
        reads_model = bool(keep - {"scores", "draws"}) or (score is not None and "probabilities" in reads(score))
        self.plain = reads_model or not draws
        self._hidden: list[torch.Tensor] = []
        self._into_head: list[tuple[torch.Tensor, torch.Tensor]] = []

    @contextlib.contextmanager
    def hooks(self) -> Iterator[None]:
        """Catch what the logits do not show while the `with` block lasts, where it is to be kept."""
        with (
            _last_hidden_states(self.model, bool(self.embeddings)) as self._hidden,
            _last_layer(self.model, self.features) as self._into_head,
        ):
            yield

    def __call__(self, inputs: dict[str, torch.Tensor], words: torch.Tensor | None) -> dict[str, torch.Tensor]:
        """Run a batch; return what is kept of it by name, and `finite`."""
        with self.precision:
            drawn = None
            if self.draws:
                drawn = torch.stack([_logits(draw(**inputs)).to(self.device) for draw in self.draws], dim=-2)
            logits = _logits(self.model(**inputs)) if self.plain else None
        kept = self.signals(logits, drawn, words, self.said, self.score)
        entity_words = kept.pop("entity_words", None)
        if self.features:
            kept["features"] = _features(self.model, self._into_head, logits)
        if self.embeddings:
            states = self._last_states()
            for name in self.embeddings:
                mask = inputs.get("attention_mask") if name == "embeddings" else entity_words
                kept[name] = _embeddings(self.model, states, mask, self.equally_long)
        if "tags" in kept:  # as wide as the longest example, since batches differ
            kept["tags"] = torch.nn.functional.pad(kept["tags"], (0, self.longest - kept["tags"].shape[1]))
        return kept

    def _last_states(self) -> torch.Tensor:
        if not self._hidden:
            raise ScoringError(
                f"{type(self.model).__name__} shows no hidden states: its base model was not called, or gave none; "
                f"{_OTHER_EMBEDDINGS}"
            )
        return self._hidden.pop()

    def free_memory(self) -> None:
        """Free what a batch that did not fit the memory has left."""
        self._hidden.clear()
        self._into_head.clear()
        clear_device_cache(garbage_collection=True)


def _logits(outputs: Any) -> torch.Tensor:
    logits: torch.Tensor = outputs["logits"] if isinstance(outputs, dict) else outputs[0]
    return logits


def _features(
    model: torch.nn.Module, into_head: list[tuple[torch.Tensor, torch.Tensor]], logits: torch.Tensor | None
) -> torch.Tensor:
    """Return the input of the layer that gave the logits [B, C], float32[B, H]."""
    assert logits is not None
    for inputs, outputs in reversed(into_head):
        if outputs.shape[-1] != logits.shape[-1]:
            continue
        into_head.clear()
        if inputs.ndim == 3:  # a decoder's head is called for every token, and one of them counts
            token = (outputs - logits[:, None]).abs().sum(dim=-1).argmin(dim=1)
            inputs = inputs[torch.arange(len(inputs), device=inputs.device), token]
        return inputs.float()
    raise ScoringError(
        f"{type(model).__name__} has no linear layer that gives its logits, so there are no gradients of it: use a "
        "strategy without 'features', such as 'margin+kmeans'"
    )


def _embeddings(
    model: torch.nn.Module, hidden: torch.Tensor, mask: torch.Tensor | None, equally_long: bool
) -> torch.Tensor:
    """Return the mean of the hidden states [B, L, D] over the tokens that are no padding, float32[B, D].

    A body that pools by itself, as that of `hfal.probe_init`, gives [B, D], which stays as it is.
    """
    if hidden.ndim == 2:
        return hidden.float()
    if mask is None:
        if not equally_long:
            raise ScoringError(
                f"embeddings would be of the padding too, since the batches for {type(model).__name__} have no "
                f"attention_mask; {_OTHER_EMBEDDINGS}"
            )
        mask = torch.ones(hidden.shape[:2])
    virtual = hidden.shape[1] - mask.shape[1]
    if virtual > 0 and virtual == getattr(getattr(model, "active_peft_config", None), "num_virtual_tokens", None):
        hidden = hidden[:, virtual:]  # a learned prompt stands in front of the text
    if hidden.shape[:2] != mask.shape:
        raise ScoringError(
            f"{type(model).__name__} has hidden states of shape {list(hidden.shape)} for inputs of shape "
            f"{list(mask.shape)}, not one for each token; {_OTHER_EMBEDDINGS}"
        )
    hidden = hidden.float()
    weights = mask.to(hidden)  # also to its device: the model may be spread over several
    return torch.bmm(weights.unsqueeze(1), hidden).squeeze(1) / weights.sum(dim=1, keepdim=True).clamp(min=1)


@contextlib.contextmanager
def _last_hidden_states(model: torch.nn.Module, wanted: bool) -> Iterator[list[torch.Tensor]]:
    """Catch the last hidden states of each forward pass by a hook on the model under the head."""
    caught: list[torch.Tensor] = []
    if not wanted:
        yield caught
        return
    base = without_adapters(model)
    body = getattr(base, "base_model", None)
    if not isinstance(body, torch.nn.Module) or body is base:
        raise ScoringError(f"{type(model).__name__} has no base_model to take embeddings from: {_OTHER_EMBEDDINGS}")

    def catch(_module: torch.nn.Module, _inputs: Any, outputs: Any) -> None:
        if isinstance(outputs, tuple):
            outputs = outputs[0]
        elif isinstance(outputs, Mapping):
            outputs = outputs.get("last_hidden_state")
        caught[:] = [outputs] if isinstance(outputs, torch.Tensor) else []

    hook = body.register_forward_hook(catch)
    try:
        yield caught
    finally:
        hook.remove()


@contextlib.contextmanager
def _last_layer(model: torch.nn.Module, wanted: bool) -> Iterator[list[tuple[torch.Tensor, torch.Tensor]]]:
    """Catch inputs and outputs of the head's linear layers in each forward pass, in their order."""
    caught: list[tuple[torch.Tensor, torch.Tensor]] = []
    if not wanted:
        yield caught
        return
    base = without_adapters(model)
    body = getattr(base, "base_model", None)
    in_body = set(body.modules()) if isinstance(body, torch.nn.Module) and body is not base else set()

    def catch(_module: torch.nn.Module, inputs: tuple[torch.Tensor, ...], outputs: torch.Tensor) -> None:
        caught.append((inputs[0], outputs))

    head = [m for m in base.modules() if isinstance(m, torch.nn.Linear) and m not in in_body]
    hooks = [module.register_forward_hook(catch) for module in head]
    try:
        yield caught
    finally:
        for hook in hooks:
            hook.remove()
