"""Scores of sentences, against plain transformers and NumPy: one sentence at a time, in float64."""

import math
from itertools import product

import numpy as np
import pytest
import torch
from datasets import Dataset
from transformers import DataCollatorForTokenClassification

from hfal import Pool, TokenScore, tokenize_words
from hfal.acquisition.scoring import ScoringPass
from hfal.errors import ScoringError
from hfal.strategies import entropy, mnlp
from support.models import TAGS, tiny_tagger
from support.texts import load_sentences, load_tokenizer


@pytest.fixture(scope="module")
def data() -> Dataset:
    """200 real sentences of 1 to about 60 words."""
    rows = load_sentences(200)
    assert min(map(len, rows["tokens"])) == 1
    assert max(map(len, rows["tokens"])) > 40
    return rows


@pytest.fixture(scope="module")
def model() -> torch.nn.Module:
    """An untrained tagger, made to have opinions, to which it is the same on what side a batch is padded."""
    model = tiny_tagger(seed=5).eval()
    model.classifier.weight.data.mul_(60)
    model.bert.embeddings.position_embeddings.weight.data.zero_()
    return model


@pytest.fixture(scope="module")
def words(data: Dataset, model: torch.nn.Module) -> list[np.ndarray]:
    """The probabilities of each sentence's words, float64[words, C]: alone, by the lengths of words' own pieces."""
    tokenizer = load_tokenizer()
    found = []
    for tokens in data["tokens"]:
        pieces = tokenizer(tokens, add_special_tokens=False)["input_ids"]
        ids = [tokenizer.cls_token_id, *(p for word in pieces for p in word), tokenizer.sep_token_id]
        first = np.cumsum([1, *map(len, pieces)])[:-1]
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([ids])).logits[0].double().numpy()
        exp = np.exp(logits - logits.max(axis=1, keepdims=True))
        found.append((exp / exp.sum(axis=1, keepdims=True))[first])
    assert len({int(p.argmax()) for sentence in found for p in sentence}) > 3
    return found


def reference(words: list[np.ndarray], score: str, aggregate: str, k: int = 3, sure_outside: float = 2.0):
    scores = []
    for probabilities in words:
        kept = probabilities[probabilities[:, 0] < sure_outside]
        ordered = np.sort(kept, axis=1)
        of_words = {
            "entropy": -(kept * np.log(kept)).sum(axis=1),
            "least_confidence": 1 - ordered[:, -1],
            "margin": 1 - (ordered[:, -1] - ordered[:, -2]),
        }[score]
        if not len(of_words):
            scores.append(0.0)
            continue
        top = sorted(of_words, reverse=True)[:k]
        scores.append(
            {"mean": np.mean(of_words), "sum": np.sum(of_words), "max": max(of_words), "top": sum(top) / len(top)}[
                aggregate
            ]
        )
    return np.array(scores)


def run(data: Dataset, model: torch.nn.Module, tmp_path, score, order=None, padding="right", budget=512, keep=None):
    pool = Pool(data, tmp_path / "run", "tokens", label_names=TAGS)
    tokenizer = load_tokenizer()
    tokenizer.padding_side = padding
    positions = np.arange(len(data)) if order is None else order
    scoring = ScoringPass(
        model,
        data.select_columns(["input_ids", "attention_mask", "word_ids"]),
        pool.lengths,
        pool.task.collator(DataCollatorForTokenClassification(tokenizer), ["input_ids", "attention_mask"]),
        signals=pool.task.signals,
        token_budget=budget,
    )
    return scoring.run(positions, keep=frozenset(keep or {"scores"}), score=score)


@pytest.mark.parametrize(
    ("score", "aggregate"), list(product(["entropy", "least_confidence", "margin"], ["mean", "sum", "max", "top"]))
)
def test_scores_are_those_of_each_sentence_alone(data, model, words, tmp_path, score, aggregate):
    found = run(data, model, tmp_path, TokenScore(score, aggregate))["scores"]
    np.testing.assert_allclose(found, reference(words, score, aggregate), rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("budget", [1, 64, 300, 100_000])
@pytest.mark.parametrize("padding", ["left", "right"])
def test_neither_batches_nor_order_nor_the_side_of_padding_change_them(data, model, words, tmp_path, budget, padding):
    order = np.random.default_rng(budget).permutation(len(data))
    for score, expected in (
        (TokenScore("entropy", "top", k=2), reference(words, "entropy", "top", 2)),
        (TokenScore("margin", "mean", sure_outside=0.5), reference(words, "margin", "mean", sure_outside=0.5)),
        (mnlp, np.array([-np.mean(np.log(p.max(axis=1))) for p in words])),
    ):
        found = run(data, model, tmp_path, score, order, padding, budget)["scores"]
        np.testing.assert_allclose(found, expected[order], rtol=1e-4, atol=2e-5)


def test_suggested_tags_and_their_probability(data, model, words, tmp_path):
    order = np.random.default_rng(0).permutation(len(data))[:60]
    arrays = run(data, model, tmp_path, None, order, keep={"tags", "confidences"})
    task = Pool(data, tmp_path / "run", "tokens", label_names=TAGS).task
    for row, (tags, confidence) in zip(order, task.suggestions(arrays, order), strict=True):
        best = words[row].max(axis=1)
        assert tags == [TAGS[i] for i in words[row].argmax(axis=1)]
        assert confidence == pytest.approx(math.prod(best) ** (1 / len(best)), rel=1e-4)


def test_embeddings_of_the_words_taken_for_entities(data, model, words, tmp_path):
    order = np.arange(0, 200, 4)
    found = run(data, model, tmp_path, None, order, keep={"entity_embeddings", "embeddings"})
    tokenizer = load_tokenizer()
    without = 0
    for place, row in enumerate(order):
        encoded = tokenizer(data["tokens"][row], is_split_into_words=True, return_tensors="pt")
        with torch.no_grad():
            hidden = model.bert(**encoded).last_hidden_state[0].double().numpy()
        first = [encoded.word_ids(0).index(word) for word in range(len(words[row]))]
        entities = [t for t, p in zip(first, words[row], strict=True) if p.argmax() != 0]
        without += not entities
        np.testing.assert_allclose(found["entity_embeddings"][place], hidden[entities or first].mean(0), atol=1e-5)
        np.testing.assert_allclose(found["embeddings"][place], hidden.mean(0), atol=1e-5)
    assert without < len(order)


def test_words_that_are_cut_or_dropped_count_for_nothing(model, tmp_path, caplog):
    tokens = [["Paris", "\u200b", "fell"], ["a", "b", "c", "d", "e", "f", "g", "h"], ["\u200b", "Rome"]]
    data = Dataset.from_dict({"tokens": tokens})
    options = {"tokenizer": load_tokenizer(), "max_length": 7}
    data = data.map(tokenize_words, batched=True, fn_kwargs=options)
    found = run(data, model, tmp_path, TokenScore("entropy", "mean"), keep={"scores", "tags", "confidences"})
    task = Pool(data, tmp_path / "run", "tokens", label_names=TAGS).task
    tags = [tags for tags, _ in task.suggestions(found, np.arange(3))]
    assert [len(t) for t in tags] == [3, 8, 2]
    assert tags[0][1] == tags[2][0] == "O"
    assert tags[1][5:] == ["O"] * 3
    messages = " ".join(caplog.messages)
    assert "3 words of 1 sentence beyond the length" in messages
    assert "makes no token of 2 words in 2 sentences" in messages
    alone = Dataset.from_dict({"tokens": [["Paris", "fell"]]}).map(tokenize_words, batched=True, fn_kwargs=options)
    expected = run(alone, model, tmp_path / "alone", TokenScore("entropy", "mean"))["scores"]
    np.testing.assert_allclose(found["scores"][0], expected[0], rtol=1e-5)


def test_a_function_of_ones_own_gets_words_and_mask(data, model, words, tmp_path):
    def count(probabilities: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        assert probabilities.shape[:2] == mask.shape
        assert probabilities.dtype == torch.float32
        return mask.sum(dim=1).float()

    assert run(data, model, tmp_path, count)["scores"].tolist() == [len(p) for p in words]
    own = run(data, model, tmp_path, TokenScore(entropy, "sum"))["scores"]
    np.testing.assert_allclose(own, reference(words, "entropy", "sum"), rtol=1e-4)
    with pytest.raises(ScoringError, match=r"returned \[\d+, \d+\] for \d+ examples"):
        run(data, model, tmp_path, lambda probabilities, mask: mask.float())
