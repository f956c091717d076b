"""The scoring pass against one-by-one forwards of the plain model."""

import random

import numpy as np
import pytest
import torch
from datasets import Dataset
from transformers import BertForSequenceClassification, DataCollatorWithPadding

from hfal.acquisition.forward import forward_columns, longest_input
from hfal.acquisition.scoring import NonFiniteOutputError, ScoringPass
from hfal.acquisition.token_batches import plan_batches
from hfal.errors import ScoringError
from hfal.strategies import entropy
from support.models import tiny_model


COLUMNS = ["input_ids", "token_type_ids", "attention_mask"]


@pytest.fixture(scope="module")
def model() -> BertForSequenceClassification:
    model = tiny_model()
    with torch.no_grad():
        model.classifier.weight.mul_(50)  # an untrained head says 50:50 of everything
    return model.train()


@pytest.fixture(scope="module")
def one_by_one(model, reviews) -> dict[str, np.ndarray]:
    """Each example alone, never padded, through the model as anybody would call it."""
    model.eval()
    probabilities, embeddings = [], []
    with torch.no_grad():
        for row in reviews:
            inputs = {name: torch.tensor([row[name]]) for name in COLUMNS}
            outputs = model(**inputs, output_hidden_states=True)
            probabilities.append(outputs.logits.softmax(-1)[0].numpy())
            embeddings.append(outputs.hidden_states[-1][0].mean(0).numpy())
    model.train()
    p = np.stack(probabilities)
    return {"probabilities": p, "scores": -(p * np.log(p)).sum(1), "embeddings": np.stack(embeddings)}


def run(model, data, tokenizer, positions=None, keep=("scores",), **options):
    positions = np.arange(len(data)) if positions is None else positions
    columns = data.select_columns(forward_columns(model, data.column_names))
    lengths = np.array([len(row) for row in data["input_ids"][:]])
    collate_fn = options.pop("collate_fn", DataCollatorWithPadding(tokenizer))
    scoring = ScoringPass(model, columns, lengths, collate_fn, **options)
    return scoring.run(positions, keep=frozenset(keep), score=entropy)


@pytest.mark.parametrize("token_budget", [1, 64, 500, 2048, 10**9])
def test_equals_one_by_one_forwards_for_any_token_budget(model, reviews, tokenizer, one_by_one, token_budget):
    found = run(model, reviews, tokenizer, keep=one_by_one, token_budget=token_budget)
    assert found.keys() == one_by_one.keys()
    for name in one_by_one:
        np.testing.assert_allclose(found[name], one_by_one[name], atol=1e-5, err_msg=name)


def test_equals_one_by_one_forwards_in_any_order_and_for_any_subset(model, reviews, tokenizer, one_by_one):
    positions = np.random.default_rng(0).permutation(len(reviews))[:123]
    found = run(model, reviews, tokenizer, positions, keep=one_by_one)
    for name in one_by_one:
        np.testing.assert_allclose(found[name], one_by_one[name][positions], atol=1e-5, err_msg=name)


def test_texts_alike_but_for_padding_score_alike(model, tokenizer):
    """The mask is honored: a short text scores the same beside a short and beside a long one."""
    texts = ["a fine film", "a fine film " * 100]
    data = Dataset.from_dict(dict(tokenizer(texts)))
    together = run(model, data, tokenizer, keep=["scores", "embeddings"], token_budget=10**6)
    alone = run(model, data, tokenizer, np.array([0]), keep=["scores", "embeddings"])
    np.testing.assert_allclose(together["scores"][:1], alone["scores"], atol=1e-6)
    np.testing.assert_allclose(together["embeddings"][:1], alone["embeddings"], atol=1e-6)


def test_only_what_is_asked_for_is_kept(model, reviews, tokenizer):
    assert run(model, reviews, tokenizer).keys() == {"scores"}
    found = run(model, reviews, tokenizer, keep=["probabilities"])
    assert found.keys() == {"probabilities"}
    assert found["probabilities"].dtype == np.float32


def test_model_mode_hooks_and_random_numbers_are_as_before(model, reviews, tokenizer):
    model.train()
    model.bert.encoder.layer[0].eval()  # as somebody who freezes a layer does
    modes = [m.training for m in model.modules()]
    hooks = [list(m._forward_hooks) for m in model.modules()]
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    run(model, reviews, tokenizer, keep=["embeddings"])
    assert [m.training for m in model.modules()] == modes
    assert [list(m._forward_hooks) for m in model.modules()] == hooks
    assert (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()) == states
    model.train()


def test_a_plan_covers_every_row_once_within_the_budget_longest_first():
    lengths = np.random.default_rng(0).integers(1, 300, size=1000)
    plan = plan_batches(lengths, 1000)
    assert sorted(np.concatenate(plan)) == list(range(1000))
    assert all(len(rows) * lengths[rows].max() <= 1000 for rows in plan)
    longest = [lengths[rows].max() for rows in plan]
    assert longest == sorted(longest, reverse=True)
    padded = sum(len(rows) * lengths[rows].max() for rows in plan)
    assert padded / lengths.sum() < 1.05
    with pytest.raises(ValueError, match="token_budget=0"):
        plan_batches(lengths, 0)


def test_the_plan_does_not_depend_on_the_order_but_through_ties(reviews):
    lengths = np.random.default_rng(0).permutation(500) + 1
    order = np.random.default_rng(1).permutation(500)
    assert [sorted(lengths[b]) for b in plan_batches(lengths, 999)] == [
        sorted(lengths[order][b]) for b in plan_batches(lengths[order], 999)
    ]


# -- memory --------------------------------------------------------------------------------------------------------


class LimitedMemory(torch.nn.Module):
    """A classifier that really runs out of memory: above a number of tokens it asks for more than there is."""

    def __init__(self, model: torch.nn.Module, most_tokens: int):
        super().__init__()
        self.model = model
        self.base_model = model.bert
        self.most_tokens = most_tokens
        self.calls: list[int] = []

    def forward(self, input_ids, attention_mask=None, token_type_ids=None):
        self.calls.append(input_ids.numel())
        if input_ids.numel() > self.most_tokens:
            torch.empty(2**55, dtype=torch.uint8)
        return self.model(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids)


def test_the_out_of_memory_error_that_the_tests_force_is_the_real_one(model):
    with pytest.raises(RuntimeError, match="can't allocate memory"):
        LimitedMemory(model, 0)(torch.ones(1, 1, dtype=torch.long))


def test_out_of_memory_splits_the_batch_and_the_result_is_the_same(model, reviews, tokenizer, one_by_one):
    limited = LimitedMemory(model, most_tokens=300)
    found = run(limited, reviews, tokenizer, keep=one_by_one, token_budget=2048)
    for name in one_by_one:
        np.testing.assert_allclose(found[name], one_by_one[name], atol=1e-5, err_msg=name)
    # What did not fit once is not tried again: three halvings of the budget, not one for every batch.
    assert sum(tokens > 300 for tokens in limited.calls) <= 4


def test_no_memory_for_even_one_example_is_an_error_that_the_trainer_does_not_take_for_its_own(
    model, reviews, tokenizer
):
    from accelerate.utils.memory import should_reduce_batch_size

    with pytest.raises(ScoringError, match="even one example of") as caught:
        run(LimitedMemory(model, most_tokens=10), reviews, tokenizer)
    assert not should_reduce_batch_size(caught.value)


def test_other_errors_of_the_model_come_through(model, reviews, tokenizer):
    class Broken(LimitedMemory):
        def forward(self, input_ids, attention_mask=None, token_type_ids=None):
            raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        run(Broken(model, 1), reviews, tokenizer)


def test_large_results_lie_in_a_file_that_vanishes(model, reviews, tokenizer, one_by_one, tmp_path, monkeypatch):
    monkeypatch.setattr("hfal.utils.arrays._IN_MEMORY_BYTES", 1000)
    found = run(model, reviews, tokenizer, keep=["embeddings"], scratch_dir=tmp_path)["embeddings"]
    assert isinstance(found, np.memmap)
    np.testing.assert_allclose(found, one_by_one["embeddings"], atol=1e-5)
    assert list(tmp_path.iterdir()) == []


# -- what does not work --------------------------------------------------------------------------------------------


def test_nan_logits_are_reported_with_their_rows(model, reviews, tokenizer):
    class Diverged(LimitedMemory):
        def forward(self, input_ids, attention_mask=None, token_type_ids=None):
            outputs = super().forward(input_ids, attention_mask, token_type_ids)
            outputs.logits[input_ids[:, 1] == first_token] = float("nan")
            return outputs

    first_token = reviews[17]["input_ids"][1]
    rows = [i for i, ids in enumerate(reviews["input_ids"][:]) if ids[1] == first_token]
    with pytest.raises(NonFiniteOutputError) as caught:
        run(Diverged(model, 10**9), reviews, tokenizer)
    assert caught.value.rows.tolist() == rows


def test_a_score_function_of_the_wrong_shape_or_with_nan_is_an_error(model, reviews, tokenizer):
    columns = reviews.select_columns(COLUMNS)
    lengths = np.array([len(row) for row in reviews["input_ids"][:]])

    def with_score(score):
        scoring = ScoringPass(model, columns, lengths, DataCollatorWithPadding(tokenizer))
        return scoring.run(np.arange(len(reviews)), keep=frozenset({"scores"}), score=score)

    with pytest.raises(ScoringError, match=r"returned .* expected a tensor"):
        with_score(lambda probabilities: probabilities)
    with pytest.raises(NonFiniteOutputError, match="scores are NaN"):
        with_score(lambda probabilities: torch.log(-probabilities[:, 0]))


def test_a_model_without_a_body_has_no_embeddings(reviews, tokenizer):
    class Plain(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = torch.nn.EmbeddingBag(30522, 2)

        def forward(self, input_ids, attention_mask=None):
            return {"logits": self.embedding(input_ids)}

    assert run(Plain(), reviews, tokenizer)["scores"].shape == (300,)
    with pytest.raises(ScoringError, match="no base_model to take embeddings from: pass embeddings="):
        run(Plain(), reviews, tokenizer, keep=["embeddings"])


def test_token_logits_are_refused(model, reviews, tokenizer):
    class Tagger(LimitedMemory):
        def forward(self, input_ids, attention_mask=None, token_type_ids=None):
            return {"logits": torch.zeros(*input_ids.shape, 9)}

    with pytest.raises(ValueError, match="use a model with a sequence classification head"):
        run(Tagger(model, 1), reviews, tokenizer)


def test_bf16_is_close_and_in_float32(model, reviews, tokenizer, one_by_one):
    found = run(model, reviews, tokenizer, keep=["probabilities"], autocast=torch.bfloat16)["probabilities"]
    assert found.dtype == np.float32
    assert np.abs(found - one_by_one["probabilities"]).max() < 0.1
    assert not np.array_equal(found, run(model, reviews, tokenizer, keep=["probabilities"])["probabilities"])


def test_position_embeddings_say_how_long_an_input_may_be(model):
    from transformers import RobertaConfig, RobertaForSequenceClassification

    small = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    roberta = RobertaForSequenceClassification(RobertaConfig(vocab_size=50, max_position_embeddings=40, **small))
    assert longest_input(model) == 512
    longest = longest_input(roberta)
    roberta(torch.full((1, longest), 5))
    with pytest.raises((IndexError, RuntimeError)):
        roberta(torch.full((1, longest + 1), 5))
