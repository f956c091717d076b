"""One streaming pass of a model over examples, from which only what a strategy needs is kept.

Batches are cut from one global plan: examples sorted by length, the longest first, as many as fit a token budget. So
hardly anything is padded, memory is bounded, a batch that is too large shows at once, and results do not depend on the
order of the data. Several processes take the batches of this plan in turn, so that results do not depend on how many
they are, either.
"""

import contextlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from os import PathLike
from typing import Any

import datasets
import numpy as np
import torch
from accelerate.utils.memory import clear_device_cache, should_reduce_batch_size
from torch.utils.data import DataLoader
from tqdm.auto import tqdm

from hfal.errors import ArgumentError, ScoringError
from hfal.strategies.scores import reads
from hfal.tasks.label_column import LABEL_COLUMNS
from hfal.tasks.text_classification import TextClassification
from hfal.utils.arrays import scratch_array
from hfal.utils.distributed import gather, merge_rows, rank_and_size, shared_failure


# On CPU measured best, or within noise of it (recipes/benchmarks/README.md); on accelerators an estimate.
CPU_TOKEN_BUDGET = 2048
ACCELERATOR_TOKEN_BUDGET = 16_384

_OTHER_EMBEDDINGS = "pass embeddings=<name or path of a sentence-transformers model>, or a strategy without embeddings"


class NonFiniteOutputError(ScoringError):
    """The model gave NaN or infinity for some examples, whose places in the call are `rows`."""

    def __init__(self, rows: np.ndarray, what: str, probabilities_are_finite: bool = False):
        super().__init__(f"{what} for {len(rows)} examples")
        self.rows = rows
        self.what = what
        self.probabilities_are_finite = probabilities_are_finite


def plan_batches(lengths: np.ndarray, token_budget: int) -> list[np.ndarray]:
    """Cut examples into batches of at most `token_budget` tokens, padding included, longest first.

    Args:
        lengths: Tokens of each example, int[N].
        token_budget: Rows times the longest length of a batch; a longer example makes a batch of its own.

    Returns:
        Batches of rows, int64 each; every row is in exactly one. Ties in length keep the order of rows.
    """
    if token_budget < 1:
        raise ArgumentError(f"token_budget={token_budget}, expected at least 1 token")
    order = np.argsort(-lengths.astype(np.int64), kind="stable")
    batches = []
    start = 0
    while start < len(order):
        size = max(1, token_budget // max(1, int(lengths[order[start]])))
        batches.append(order[start : start + size])
        start += size
    return batches


def forward_columns(model: torch.nn.Module, columns: Sequence[str]) -> list[str]:
    """The columns that the model's `forward` takes, labels left out; what the Trainer's `remove_unused_columns` keeps.

    Args:
        model: The model; of a PEFT model the wrapped one counts.
        columns: The columns there are.
    """
    parameters = inspect.signature(without_adapters(model).forward).parameters
    return [c for c in columns if c in parameters and c not in LABEL_COLUMNS]


def without_adapters(model: torch.nn.Module) -> torch.nn.Module:
    """The model that a PEFT model wraps, or the model itself."""
    get_base_model = getattr(model, "get_base_model", None)
    return get_base_model() if callable(get_base_model) else model


def longest_input(model: torch.nn.Module) -> int | None:
    """How many tokens the model's position embeddings can number, or `None` if it has no such table."""
    longest = [
        module.num_embeddings - (0 if module.padding_idx is None else module.padding_idx + 1)
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Embedding) and name.endswith("position_embeddings")
    ]
    return min(longest, default=None)


def score_examples(
    model: torch.nn.Module,
    dataset: datasets.Dataset,
    positions: np.ndarray,
    lengths: np.ndarray,
    collate_fn: Callable[[list[Any]], Any],
    *,
    keep: frozenset[str],
    score: Callable[..., torch.Tensor] | None = None,
    signals: Callable[..., dict[str, torch.Tensor]] = TextClassification.signals,
    draws: Sequence[Callable[..., Any]] = (),
    token_budget: int | None = None,
    autocast: torch.dtype | None = None,
    num_workers: int = 0,
    scratch_dir: str | PathLike[str] | None = None,
    progress: str | None = None,
) -> dict[str, np.ndarray]:
    """Run the model once over some examples and keep what is asked for.

    The model is put into `eval()` for the pass and back as it was; no random number is drawn.

    Args:
        model: A classifier whose output has `logits`, [B, C] or [B, L, C].
        dataset: The pool's data, with only the columns that `collate_fn` and the model take; no labels.
        positions: Rows of the dataset to score, int[N].
        lengths: Tokens of each of these examples, int[N].
        collate_fn: Makes a padded batch of tensors from a list of rows (the Trainer's own).
        keep: `"embeddings"`, `"entity_embeddings"`, `"features"`, and what the task's `signals` can say.
        score: The acquisition score, for `"scores"`: probabilities, or draws, on the device to float [B].
        signals: What a batch's logits say: the method of this name of a task of `hfal.tasks`.
        draws: Each is called like the model, and stands for other parameters of it (see `hfal.acquisition.draws`).
        token_budget: Tokens of a batch, padding included; 2,048 on CPU and 16,384 elsewhere by default.
        autocast: Run the forward pass under autocast to this type. Faster on hardware made for it; reorders near-ties.
        num_workers: Worker processes that fetch and collate.
        scratch_dir: Where results of over 256 MiB are memory-mapped; they vanish when no longer used.
        progress: Title of a progress bar, or `None` for none.

    Returns:
        Float32 arrays by name, rows in the order of `positions`: what `signals` says, such as `scores` [N] and
        `probabilities` [N, C]; `embeddings` [N, D], the mean over the unpadded tokens of the last hidden states (the
        decoder's, of an encoder-decoder), from the same pass; `entity_embeddings` [N, D], their mean over the first
        tokens of the words that the model takes for entities; `features` [N, H], what goes into the last layer.

    Raises:
        NonFiniteOutputError: Probabilities or scores are not finite.
        ScoringError: Not even one example fits the memory, or the model shows no hidden states for the tokens.
    """
    # Of a model spread over devices, the first that holds weights; those on "meta" are elsewhere and come when needed.
    device = next((p.device for p in model.parameters() if p.device.type != "meta"), torch.device("cpu"))
    if token_budget is None:
        token_budget = CPU_TOKEN_BUDGET if device.type == "cpu" else ACCELERATOR_TOKEN_BUDGET
    rank, processes = rank_and_size()
    plan = plan_batches(lengths, token_budget)[rank::processes]
    loader = DataLoader(
        dataset,
        batch_sampler=[positions[rows].tolist() for rows in plan],
        collate_fn=collate_fn,
        num_workers=num_workers,
        pin_memory=device.type == "cuda",
        generator=torch.Generator(),  # else every pass would draw from the global one
    )
    precision = contextlib.nullcontext() if autocast is None else torch.autocast(device.type, autocast)
    results: dict[str, np.ndarray] = {}
    finite = np.zeros(len(positions), bool)
    equally_long = len(np.unique(lengths)) < 2
    embed = keep & {"embeddings", "entity_embeddings"}
    said = (keep - embed - {"features"}) | ({"entity_words"} if "entity_embeddings" in keep else frozenset())
    # Of draws alone the model as it is says nothing.
    plain = bool(keep - {"scores", "draws"}) or (score is not None and "probabilities" in reads(score)) or not draws

    def run(
        inputs: dict[str, torch.Tensor],
        words: torch.Tensor | None,
        hidden: list[torch.Tensor],
        into_head: list[tuple[torch.Tensor, torch.Tensor]],
    ) -> dict[str, torch.Tensor]:
        with precision:
            drawn = torch.stack([_logits(draw(**inputs)).to(device) for draw in draws], dim=-2) if draws else None
            logits = _logits(model(**inputs)) if plain else None
        kept = signals(logits, drawn, words, said, score)
        entity_words = kept.pop("entity_words", None)
        if "features" in keep:
            kept["features"] = _features(model, into_head, logits)
        if embed:
            if not hidden:
                raise ScoringError(
                    f"{type(model).__name__} shows no hidden states: its base model was not called, or gave none; "
                    f"{_OTHER_EMBEDDINGS}"
                )
            states = hidden.pop()
            for name in embed:
                mask = inputs.get("attention_mask") if name == "embeddings" else entity_words
                kept[name] = _embeddings(model, states, mask, equally_long)
        if "tags" in kept:  # as wide as the longest example, since batches differ
            kept["tags"] = torch.nn.functional.pad(kept["tags"], (0, int(lengths.max()) - kept["tags"].shape[1]))
        return kept

    with (
        shared_failure(),
        torch.inference_mode(),
        # A compiled model would be compiled again for these shapes, and may not call a hook that it does not know.
        torch.compiler.set_stance("force_eager"),
        eval_mode(model),
        _last_hidden_states(model, bool(embed)) as hidden,
        _last_layer(model, "features" in keep) as into_head,
        tqdm(total=sum(map(len, plan)), desc=progress, unit=" texts", leave=False, disable=progress is None) as bar,
    ):
        fitting = token_budget  # halved when the memory turns out to be too small
        for rows, batch in zip(plan, loader, strict=True):
            inputs = {
                name: tensor.to(device, non_blocking=True)
                for name, tensor in batch.items()
                if name not in LABEL_COLUMNS and isinstance(tensor, torch.Tensor)
            }
            words = next((batch[name] for name in LABEL_COLUMNS if name in batch), None)
            parts = [(0, len(rows))]
            while parts:
                start, stop = parts.pop(0)
                tokens = (stop - start) * int(lengths[rows[0]])
                if tokens > fitting and stop - start > 1:
                    middle = (start + stop) // 2
                    parts[:0] = [(start, middle), (middle, stop)]
                    continue
                try:
                    kept = run(
                        {name: tensor[start:stop] for name, tensor in inputs.items()},
                        None if words is None else words[start:stop],
                        hidden,
                        into_head,
                    )
                except Exception as error:
                    if not should_reduce_batch_size(error):
                        raise
                    if stop - start == 1:
                        # Not the original error: `auto_find_batch_size` would take it and train the round again.
                        raise ScoringError(
                            f"no memory to score even one example of {tokens} tokens: tokenize with a smaller "
                            f"max_length, or free memory on {device}"
                        ) from error
                    fitting = tokens // 2
                    parts.insert(0, (start, stop))
                    kept = None
                if kept is None:  # outside of `except`, whose traceback holds on to the memory
                    hidden.clear()
                    into_head.clear()
                    clear_device_cache(garbage_collection=True)
                    continue
                part = rows[start:stop]
                finite[part] = kept.pop("finite").cpu().numpy()
                for name, tensor in kept.items():
                    if name not in results:
                        results[name] = scratch_array((len(positions), *tensor.shape[1:]), scratch_dir)
                    results[name][part] = tensor.float().cpu().numpy()
            bar.update(len(rows))

    _merge(results, finite, scratch_dir)
    if not finite.all():
        raise NonFiniteOutputError(np.flatnonzero(~finite), "the model's outputs are NaN or infinite")
    for name, values in results.items():
        for block in range(0, len(values), 100_000):
            bad = ~np.isfinite(values[block : block + 100_000]).reshape(len(values[block : block + 100_000]), -1).all(
                1
            )
            if bad.any():
                raise NonFiniteOutputError(
                    block + np.flatnonzero(bad), f"the {name} are NaN or infinite", name == "scores"
                )
    return results


def _logits(outputs: Any) -> torch.Tensor:
    logits: torch.Tensor = outputs["logits"] if isinstance(outputs, dict) else outputs[0]
    return logits


def _features(
    model: torch.nn.Module, into_head: list[tuple[torch.Tensor, torch.Tensor]], logits: torch.Tensor | None
) -> torch.Tensor:
    """What went into the layer that gave the logits [B, C], float32[B, H]."""
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
    """Mean of the hidden states [B, L, D] over the tokens that are no padding, float32[B, D]."""
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


def _merge(results: dict[str, np.ndarray], finite: np.ndarray, scratch_dir: str | PathLike[str] | None) -> None:
    """Complete what this process computed by what the others did, in place."""
    merge_rows(finite)
    shapes: dict[str, tuple[int, ...]] = {}
    for part in gather({name: array.shape for name, array in results.items()}):
        shapes.update(part)
    for name, shape in sorted(shapes.items()):
        if name not in results:  # there were fewer batches than processes
            results[name] = scratch_array(shape, scratch_dir)
        merge_rows(results[name])


@contextlib.contextmanager
def eval_mode(model: torch.nn.Module) -> Iterator[None]:
    """A `with` block in which the model is in `eval()`; then each of its modules is as it was."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


@contextlib.contextmanager
def _last_hidden_states(model: torch.nn.Module, wanted: bool) -> Iterator[list[torch.Tensor]]:
    """The last hidden states of each forward pass, caught by a hook on the model under the head."""
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
    """What goes into, and comes out of, the linear layers of the head in each forward pass, in their order."""
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
