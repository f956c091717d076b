"""What a model can take, and what its forward pass gives."""

import pytest
import torch

from hfal.acquisition.forward import eval_mode, forward_columns, longest_input


def test_position_embeddings_say_how_long_an_input_may_be(model):
    from transformers import RobertaConfig, RobertaForSequenceClassification

    small = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    roberta = RobertaForSequenceClassification(RobertaConfig(vocab_size=50, max_position_embeddings=40, **small))
    assert longest_input(model) == 512
    longest = longest_input(roberta)
    roberta(torch.full((1, longest), 5))
    with pytest.raises((IndexError, RuntimeError)):
        roberta(torch.full((1, longest + 1), 5))


def test_columns_that_the_model_takes_are_those_of_forward_without_labels(model):
    columns = ["text", "labels", "attention_mask", "label", "input_ids", "word_ids"]
    assert forward_columns(model, columns) == ["attention_mask", "input_ids"]


def test_each_module_is_in_its_own_mode_again(model):
    model.train()
    model.bert.encoder.layer[0].eval()  # as somebody who freezes a layer does
    before = [module.training for module in model.modules()]
    assert len({*before}) == 2
    with eval_mode(model):
        assert not any(module.training for module in model.modules())
    with pytest.raises(RuntimeError, match="in the middle"), eval_mode(model):
        raise RuntimeError("in the middle")
    assert [module.training for module in model.modules()] == before
