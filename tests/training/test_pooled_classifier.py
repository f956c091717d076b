"""The classifiers that `probe_init` makes: their pooling, their loss, their checkpoints."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from transformers import (
    AutoModel,
    AutoModelForSequenceClassification,
    DistilBertConfig,
    GPT2Config,
    ModernBertConfig,
    PreTrainedConfig,
    PreTrainedTokenizerBase,
    RobertaConfig,
)

from hfal import ActiveLearningCallback, Pool, SimulatedAnnotator, probe_init
from hfal.data.checkpoints import embedding_rows
from hfal.data.references import resolve_model
from hfal.errors import ArgumentError
from hfal.training.pooled_classifier import (
    Head,
    PooledClassifierForSequenceClassification,
    PooledClassifierForTokenClassification,
)
from hfal.training.pooled_config import PooledClassifierConfig
from hfal.training.probe import read_pooling
from support.models import MINILM, save_tiny_encoder


TEXTS = ["good", "a film that is much longer than the first, and not as good as that", "bad , bad film"]


@pytest.fixture
def pool(tmp_path: Path, reviews) -> Pool:
    return Pool(reviews.select(range(60)), tmp_path / "run", "text", "label")


def classifier(encoder: str, token: bool = False, **options) -> torch.nn.Module:
    """A classifier of three classes on an encoder, as `probe_init` makes it, with random weights in its head."""
    pooling, normalize = read_pooling(encoder)
    body = AutoModel.from_pretrained(encoder)
    of_kind = PooledClassifierForTokenClassification if token else PooledClassifierForSequenceClassification
    config = PooledClassifierConfig(body.config, pooling, normalize, **{"num_labels": 3, **options})
    model = of_kind(config, body).eval()
    made = torch.Generator().manual_seed(0)
    weight = model.classifier.weight
    model.classifier.set(torch.randn(weight.shape, generator=made), torch.randn(3, generator=made))
    return model


@pytest.mark.parametrize(
    ("pooling", "normalize"),
    [("mean", False), ("mean", True), ("cls", True), ("max", False), (["mean", "max"], False), ("lasttoken", False)],
)
def test_texts_are_pooled_as_sentence_transformers_does(
    tmp_path: Path, tokenizer: PreTrainedTokenizerBase, pooling, normalize: bool
) -> None:
    encoder = save_tiny_encoder(tmp_path / "encoder", pooling, normalize)
    assert read_pooling(encoder) == (pooling, normalize)
    model = classifier(encoder)
    with torch.no_grad():
        found = model.head_inputs(**tokenizer(TEXTS, padding=True, return_tensors="pt"))
    expected = SentenceTransformer(encoder).encode(TEXTS)
    assert np.abs(expected[0] - expected[1]).max() > 0.01
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)


def test_the_real_encoder_is_pooled_as_sentence_transformers_does(tokenizer: PreTrainedTokenizerBase) -> None:
    encoder = resolve_model(MINILM)
    with torch.no_grad():
        found = classifier(encoder).head_inputs(**tokenizer(TEXTS, padding=True, return_tensors="pt"))
    np.testing.assert_allclose(found.numpy(), SentenceTransformer(encoder).encode(TEXTS), atol=1e-5)


def test_an_encoder_of_none_of_them_is_pooled_by_the_mean(tmp_path: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    encoder = save_tiny_encoder(tmp_path / "encoder")
    batch = tokenizer(TEXTS[:1], return_tensors="pt")
    with torch.no_grad():
        found = classifier(encoder).head_inputs(**batch)
        states = AutoModel.from_pretrained(encoder)(**batch).last_hidden_state
    torch.testing.assert_close(found, states.mean(dim=1))


@pytest.mark.parametrize("pooling", ["mean", "max", "cls"])
def test_padding_changes_nothing(tmp_path: Path, tokenizer: PreTrainedTokenizerBase, pooling: str) -> None:
    model = classifier(save_tiny_encoder(tmp_path / "encoder", pooling))
    rows = [tokenizer(text) for text in TEXTS]
    with torch.no_grad():
        alone = model(**tokenizer.pad(rows[:1], return_tensors="pt")).logits[0]
        together = model(**tokenizer.pad(rows, padding_side="right", return_tensors="pt")).logits[0]
        more = tokenizer.pad(rows, padding="max_length", max_length=60, padding_side="right", return_tensors="pt")
        torch.testing.assert_close(alone, together, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(alone, model(**more).logits[0], atol=1e-5, rtol=1e-5)


def test_losses_are_those_of_transformers(tmp_path: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    encoder = save_tiny_encoder(tmp_path / "encoder")
    batch = tokenizer(TEXTS, padding=True, return_tensors="pt")
    model = classifier(encoder)
    classes = torch.tensor([0, 2, 1])
    out = model(**batch, labels=classes)
    torch.testing.assert_close(out.loss, torch.nn.functional.cross_entropy(out.logits, classes))
    sets = torch.tensor([[1.0, 0, 1], [0, 0, 0], [0, 1, 0]])
    out = classifier(encoder, problem_type="multi_label_classification")(**batch, labels=sets)
    expected = torch.nn.functional.binary_cross_entropy_with_logits(out.logits, sets)
    torch.testing.assert_close(out.loss, expected)
    tags = torch.full(batch["input_ids"].shape, -100)
    tags[:, 1] = classes
    out = classifier(encoder, token=True)(**batch, labels=tags)
    assert out.logits.shape == (*tags.shape, 3)
    torch.testing.assert_close(out.loss, torch.nn.functional.cross_entropy(out.logits[:, 1], classes))


def test_a_new_one_gives_every_class_the_same_probability(tmp_path: Path, tokenizer) -> None:
    config = AutoModel.from_pretrained(save_tiny_encoder(tmp_path / "encoder")).config
    model = PooledClassifierForSequenceClassification(PooledClassifierConfig(config, num_labels=3))
    assert (model(**tokenizer(TEXTS, padding=True, return_tensors="pt")).logits == 0).all()


@pytest.mark.parametrize("factor", [1.0, 20.0])
def test_the_head_learns_faster_by_its_factor(factor: float) -> None:
    head = Head(4, 2, factor)
    weight, bias = torch.arange(8.0).reshape(2, 4), torch.tensor([1.0, -1.0])
    head.set(weight, bias)
    plain = torch.nn.Linear(4, 2)
    plain.load_state_dict({"weight": weight, "bias": bias})
    inputs = torch.eye(4)
    torch.testing.assert_close(head(inputs), plain(inputs))
    for layer, rate in ((head, 1e-3), (plain, 1e-3 * factor)):  # the same as this learning rate
        optimizer = torch.optim.AdamW(layer.parameters(), lr=rate, weight_decay=0.0)
        for _ in range(3):
            layer(inputs).logsumexp(-1).sum().backward()
            optimizer.step()
            optimizer.zero_grad()
    assert (plain(inputs) - weight.T - bias).abs().max() > 2e-3 * factor
    torch.testing.assert_close(head(inputs), plain(inputs), atol=1e-5, rtol=1e-5)


# -- checkpoints -----------------------------------------------------------------------------------------------------

LOAD = """
import json, sys
import transformers, torch
rows = json.load(sys.stdin)
model = getattr(transformers, sys.argv[2]).from_pretrained(sys.argv[1])
tokenizer = transformers.AutoTokenizer.from_pretrained(sys.argv[1])
with torch.no_grad():
    logits = model(**tokenizer(rows, padding=True, return_tensors="pt")).logits
print(json.dumps([type(model).__name__, logits.tolist()]))
"""
IMPORTS = {
    "hfal first": "import hfal, sys; assert not {'torch', 'transformers'} & {*sys.modules}",
    "hfal last": "from transformers import AutoModelForSequenceClassification, Trainer; import hfal",
}


def load(folder: Path, auto_class: str, before: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", f"{before}\n{LOAD}", str(folder), auto_class],
        input=json.dumps(TEXTS),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )


@pytest.mark.parametrize("imports", IMPORTS)
def test_checkpoints_are_loaded_after_import_hfal(tmp_path: Path, tokenizer, imports: str) -> None:
    encoder = tmp_path / "encoder"
    token = imports == "hfal first"
    model = classifier(save_tiny_encoder(encoder, ["mean", "max"], normalize=True), token, head_learning_rate_factor=5)
    model.save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    encoder.rename(tmp_path / "gone")
    auto_class = f"AutoModelFor{'Token' if token else 'Sequence'}Classification"
    done = load(tmp_path / "model", auto_class, IMPORTS[imports])
    assert done.returncode == 0, done.stderr
    name, logits = json.loads(done.stdout)
    assert name == type(model).__name__
    with torch.no_grad():
        expected = model(**tokenizer(TEXTS, padding=True, return_tensors="pt")).logits
    torch.testing.assert_close(torch.tensor(logits), expected, atol=1e-6, rtol=1e-6)


def test_without_hfal_a_checkpoint_is_an_error(tmp_path: Path, tokenizer) -> None:
    classifier(save_tiny_encoder(tmp_path / "encoder")).save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    done = load(tmp_path / "model", "AutoModelForSequenceClassification", "")
    assert done.returncode != 0
    assert "hfal_pooled_classifier" in done.stderr


SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "vocab_size": 99,
    "pad_token_id": 0,
}


@pytest.mark.parametrize(
    "config",
    [
        RobertaConfig(**SIZES),
        DistilBertConfig(dim=32, n_layers=2, n_heads=2, hidden_dim=64, vocab_size=99),  # takes no token types
        ModernBertConfig(**SIZES, cls_token_id=1, sep_token_id=2, bos_token_id=1, eos_token_id=2),
        GPT2Config(n_embd=32, n_layer=2, n_head=2, vocab_size=99, bos_token_id=0, eos_token_id=0),
    ],
    ids=lambda config: config.model_type,
)
def test_other_architectures(tmp_path: Path, config: PreTrainedConfig) -> None:
    model = PooledClassifierForSequenceClassification(PooledClassifierConfig(config, num_labels=3)).eval()
    torch.nn.init.normal_(model.classifier.weight)
    model.save_pretrained(tmp_path)
    again, found = AutoModelForSequenceClassification.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(found.values())
    tokens = torch.randint(5, 90, (3, 12))
    mask = torch.ones_like(tokens)
    mask[0, 6:] = 0
    batch = {"input_ids": tokens, "attention_mask": mask, "token_type_ids": torch.zeros_like(tokens)}
    with torch.no_grad():
        torch.testing.assert_close(again.eval()(**batch).logits, model(**batch).logits)
        assert again(**batch).logits.std() > 0
    assert embedding_rows(again) == 99
    again.activation_checkpointing_enable()
    again.train()(**batch, labels=torch.tensor([0, 1, 2])).loss.backward()


def test_weights_are_loaded_in_another_precision(tmp_path: Path, tokenizer) -> None:
    model = classifier(save_tiny_encoder(tmp_path / "encoder", "mean"))
    model.save_pretrained(tmp_path / "model")
    again = AutoModelForSequenceClassification.from_pretrained(tmp_path / "model", dtype=torch.bfloat16).eval()
    assert {weight.dtype for weight in again.parameters()} == {torch.bfloat16}
    batch = tokenizer(TEXTS, padding=True, return_tensors="pt")
    with torch.no_grad():
        torch.testing.assert_close(again(**batch).logits.float(), model(**batch).logits, atol=0.2, rtol=0.05)


# -- in a run --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kinds", ["Transformer Pooling Dense", "Transformer", "Pooling", "WordEmbeddings Pooling"])
def test_other_modules_are_refused(tmp_path: Path, kinds: str) -> None:
    encoder = save_tiny_encoder(tmp_path / "encoder", "mean")
    modules = [{"type": f"sentence_transformers.models.{kind}", "path": f"1_{kind}"} for kind in kinds.split()]
    (tmp_path / "encoder" / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(ArgumentError, match=rf"of the modules {', '.join(kinds.split())}; expected Transformer, "):
        read_pooling(encoder)


@pytest.mark.parametrize(
    ("file", "text"), [("modules.json", "[3]"), ("modules.json", "{"), ("1_Pooling/config.json", "[]")]
)
def test_damaged_files_are_one_line(tmp_path: Path, file: str, text: str) -> None:
    encoder = save_tiny_encoder(tmp_path / "encoder", "mean")
    (tmp_path / "encoder" / file).write_text(text)
    with pytest.raises(ArgumentError, match=r"whose pooling cannot be read \(.*: copy the model again") as caught:
        read_pooling(encoder)
    assert "\n" not in str(caught.value)


def test_strategies_get_what_goes_into_the_head(pool: Pool, tmp_path: Path, make_trainer, tokenizer) -> None:
    seen = []

    def remember(signals, k, rng):
        seen.append(signals)
        return np.arange(k)

    remember.needs = frozenset({"embeddings", "features", "probabilities"})
    encoder = save_tiny_encoder(tmp_path / "encoder", "max")
    active = ActiveLearningCallback(pool, strategy=remember, annotator=SimulatedAnnotator(pool), query_size=10)
    trainer = make_trainer([active], model_init=probe_init(pool, encoder))
    for current in active.rounds(trainer, 2):
        rows = pool.unlabeled_positions()
        trainer.train(resume_from_checkpoint=current.checkpoint)
        if current.number == 1:
            batch = tokenizer.pad(
                [{"input_ids": pool.dataset[int(row)]["input_ids"]} for row in rows], return_tensors="pt"
            )
            with torch.no_grad():
                expected = trainer.model.eval().head_inputs(**batch).numpy()
    np.testing.assert_allclose(seen[0].embeddings, expected, atol=1e-4)
    np.testing.assert_allclose(seen[0].features, expected, atol=1e-4)
