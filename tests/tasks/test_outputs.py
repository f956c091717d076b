"""What a batch's logits are made into, against values worked out by hand."""

import math

import pytest
import torch

from hfal.errors import ArgumentError
from hfal.tasks.outputs import class_probabilities, finite, label_probabilities


def test_probabilities_are_float32_whatever_the_logits_are() -> None:
    logits = torch.tensor([[0.0, math.log(3)]], dtype=torch.bfloat16)
    third = math.exp(logits[0, 1].item())  # as bfloat16 has it
    classes, labels = class_probabilities(logits, 2, "head"), label_probabilities(logits, 2, "head")
    assert classes.dtype == labels.dtype == torch.float32
    assert classes.tolist() == [pytest.approx([1 / (1 + third), third / (1 + third)])]
    assert labels.tolist() == [pytest.approx([0.5, third / (1 + third)])]


@pytest.mark.parametrize("make", [class_probabilities, label_probabilities])
@pytest.mark.parametrize(("dimensions", "expected"), [(2, r"\[batch, classes\]"), (3, r"\[batch, tokens, classes\]")])
def test_logits_of_another_shape_are_refused(make, dimensions: int, expected: str) -> None:
    message = rf"have shape \[5(, 1)+\], expected {expected}: use a model with a head of its own"
    with pytest.raises(ArgumentError, match=message):
        make(torch.zeros([5] + [1] * (4 - dimensions)), dimensions, "head of its own")


def test_examples_are_finite_if_all_within_their_mask_is() -> None:
    inf, nan = math.inf, math.nan
    of_texts = torch.tensor([[0.5, 0.5], [nan, 0.5], [0.5, inf]])
    draws = torch.tensor([[[0.5, nan]], [[0.5, 0.5]], [[0.5, 0.5]]])
    assert finite(of_texts, None).tolist() == [True, False, False]
    assert finite(None, draws).tolist() == [False, True, True]
    assert finite(of_texts, draws).tolist() == [False, False, False]
    of_words = torch.tensor([[[0.5], [nan]], [[nan], [0.5]]])
    mask = torch.tensor([[True, False], [True, False]])
    assert finite(of_words, None, mask).tolist() == [True, False]
    assert finite(None, of_words[:, :, None], mask).tolist() == [True, False]
