"""Draws of a model's parameters, by dropout or from a committee; each draw is called like the model.

A draw has the same parameters for every example that it is called on, whatever batch the example is in and however it
is padded. So scores do not depend on batches, processes or the order of the pool, and examples can be compared within
a draw, as BatchBALD and EPIG do.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

from hfal.acquisition.forward import eval_mode
from hfal.errors import ArgumentError
from hfal.strategies.scores import required_parameters
from hfal.utils.spelling import joined_names


Draw = Callable[..., Any]
Members = Sequence[torch.nn.Module | Mapping[str, torch.Tensor]]
"""Of a committee: models, or parameters by name."""
Committee = int | Sequence[torch.nn.Module] | Callable[[int], Sequence[torch.nn.Module]]
"""Where a committee comes from: so many last rounds, other models, or what gives them for a round."""

COMMITTEE_OF_ROUNDS = (
    "committee= takes the models of earlier rounds, which only run() and rounds() keep: call these, or pass models"
)


@contextlib.contextmanager
def mc_dropout(model: torch.nn.Module, passes: int, seed: Sequence[int]) -> Iterator[list[Draw]]:
    """Draw by Monte-Carlo dropout: each draw drops other features behind the model's dropout layers.

    Gal & Ghahramani, "Dropout as a Bayesian Approximation" (ICML 2016). A draw drops the same features of every token,
    as Gal & Ghahramani (NeurIPS 2016) do for sequences, and of every example, as Kirsch et al., "BatchBALD" (NeurIPS
    2019) do. The layers stay in `eval()`, hooks multiply what comes out of them, and the masks come from a generator
    of their own: neither the model's modes nor any random number generator changes. Dropout that a model's code calls
    as a function stays off, and so does that of attention weights, which are of positions and not of features.

    Args:
        model: The model; its modes are put back when the `with` block ends.
        passes: How many draws.
        seed: Seeds the masks.

    Raises:
        ArgumentError: The model has no dropout layer that drops anything; also when a draw is called, if its layers
            are there but not used.
    """
    layers = dropout_layers(model)
    now: list[int | None] = [None]
    masks: dict[tuple[int, int, int], torch.Tensor] = {}

    def drop(number: int, layer: Any, _inputs: Any, outputs: torch.Tensor) -> torch.Tensor:
        if now[0] is None or outputs.ndim > 3:  # attention weights have four dimensions, the last one of positions
            return outputs
        key = (number, now[0], outputs.shape[-1])  # one layer may be called in several places (XLNet)
        if key not in masks:
            kept = np.random.default_rng([*seed, *key]).random(outputs.shape[-1]) >= layer.p
            masks[key] = torch.tensor(kept / (1 - layer.p), dtype=torch.float32, device=outputs.device)
        return outputs * masks[key].to(outputs.dtype)

    def draw(number: int, **inputs: Any) -> Any:
        now[0] = number
        try:
            outputs = model(**inputs)
        finally:
            now[0] = None
        if not masks:
            raise _nothing_drops(model)
        return outputs

    hooks = [layer.register_forward_hook(partial(drop, number)) for number, layer in enumerate(layers)]
    try:
        with eval_mode(model):
            yield [partial(draw, number) for number in range(passes)]
    finally:
        for hook in hooks:
            hook.remove()


def dropout_layers(model: torch.nn.Module) -> list[torch.nn.Module]:
    """Return the layers that drop something in training.

    Raises:
        ArgumentError: There are none.
    """
    layers: list[torch.nn.Module] = [
        m for m in model.modules() if isinstance(m, torch.nn.modules.dropout._DropoutNd) and 0 < m.p < 1
    ]
    if not layers:
        raise _nothing_drops(model)
    return layers


def _nothing_drops(model: torch.nn.Module) -> ArgumentError:
    return ArgumentError(
        f"{type(model).__name__} calls no dropout layer with a probability above 0, so that all draws would be the "
        "same: set its dropout (hidden_dropout_prob=0.1 in a BERT's config), or take the draws from a committee "
        "(committee=3)"
    )


@contextlib.contextmanager
def committee(model: torch.nn.Module, others: Members) -> Iterator[list[Draw]]:
    """Treat each committee member's forward pass as one draw: the model's own, and the others'.

    Seung, Opper & Sompolinsky, "Query by Committee" (COLT 1992).

    Args:
        model: The model.
        others: Models that take the same batches, or parameters and buffers by name that stand in the place of this
            model's while it is called.

    Raises:
        ArgumentError: There is no other member.
    """
    if not others:
        raise ArgumentError("the committee has no member beside the model: name others, or take draws by dropout")
    with contextlib.ExitStack() as stack:
        members: list[Draw] = [model]
        for other in others:
            if isinstance(other, torch.nn.Module):
                stack.enter_context(eval_mode(other))
                members.append(partial(_call_other, other))
            else:
                members.append(partial(_call_with, model, dict(other)))
        stack.enter_context(eval_mode(model))
        yield members


def _call_other(model: torch.nn.Module, **inputs: Any) -> Any:
    device = next((p.device for p in model.parameters()), None)
    return model(**{name: tensor.to(device) for name, tensor in inputs.items()})


def _call_with(model: torch.nn.Module, tensors: dict[str, torch.Tensor], **inputs: Any) -> Any:
    return torch.func.functional_call(model, tensors, (), inputs)


def members_for(
    given: Committee | None,
    round_number: int,
    members: Callable[[int], Members] | None,
    label_names: Sequence[str],
) -> Members:
    """Return the committee of a round, without the round's own model.

    Args:
        given: Where it comes from.
        round_number: The round.
        members: Gives the parameters of the models of so many rounds before, or of as many as there are.
        label_names: The names of the labels, which each member has to have.

    Raises:
        ArgumentError: A member has others, or there are no models of rounds.
    """
    if callable(given):
        found = given(round_number)
        check_committee(found, label_names)
        return found
    if not isinstance(given, int):
        assert given is not None
        return given
    if members is None:
        raise ArgumentError(COMMITTEE_OF_ROUNDS)
    return members(given - 1)


def check_committee(members: Any, label_names: Sequence[str]) -> None:
    """Refuse now what would otherwise fail when the first round has been paid for."""
    if members is None or isinstance(members, int):
        return
    if isinstance(members, torch.nn.Module) or not (callable(members) or isinstance(members, list | tuple)):
        raise ArgumentError(
            f"committee is a {type(members).__name__}, expected a number of rounds, a list of models, or a function "
            "that gives a list of models for the number of a round"
        )
    if callable(members):
        if len(required_parameters(members)) != 1:
            raise ArgumentError(
                f"committee takes {len(required_parameters(members))} arguments, expected one: committee(round_number)"
            )
        return
    if not members:
        raise ArgumentError("committee is empty, expected at least one model beside the one that is trained")
    for member in members:
        if not isinstance(member, torch.nn.Module):
            raise ArgumentError(f"a member of the committee is a {type(member).__name__}, expected a model")
        config = getattr(member, "config", None)
        names = [str(name) for _, name in sorted((getattr(config, "id2label", None) or {}).items())]
        if not label_names:
            continue
        in_another_order = set(names) == set(label_names) and names != list(label_names)
        if getattr(config, "num_labels", len(label_names)) != len(label_names) or in_another_order:
            raise ArgumentError(
                f"a member of the committee has the labels {joined_names(names)}, the pool has "
                f"{joined_names(label_names)}: expected the same in the same order"
            )
