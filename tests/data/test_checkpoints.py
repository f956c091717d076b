"""Checkpoints as people have them: what is no model, or would train on nothing, is refused in one line."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from transformers import (
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
    BertForMaskedLM,
    BertForSequenceClassification,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedTokenizerBase,
    T5Config,
    T5EncoderModel,
    T5ForConditionalGeneration,
    ViTConfig,
    ViTForImageClassification,
)

from hfal.acquisition.embeddings import embeddings_file
from hfal.data.checkpoints import check_encoder, check_model, load_model, load_model_and_missing, load_tokenizer
from hfal.data.references import resolve_model
from hfal.errors import ArgumentError
from support.models import MINILM, tiny_config


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, tokenizer: PreTrainedTokenizerBase) -> Path:
    """An encoder with a head for masked words and a tokenizer, as the Hub has them."""
    folder = tmp_path_factory.mktemp("models") / "encoder"
    BertForMaskedLM(tiny_config(2)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "model"))


def configure(folder: Path, **changes) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def without_tokenizer(folder: Path) -> None:
    for file in folder.glob("tokenizer*"):
        file.unlink()


def as_pickle(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def with_code(folder: Path) -> None:
    configure(folder, model_type="mine", auto_map={"AutoConfig": "code.Config", "AutoModel": "code.Model"})
    (folder / "code.py").write_text(f"open({str(folder / 'it ran')!r}, 'w')")


def of_images(folder: Path) -> None:
    config = ViTConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8, image_size=32)
    ViTForImageClassification(config).save_pretrained(folder)


def without_end_and_padding(folder: Path) -> None:
    file = folder / "tokenizer_config.json"
    names = {"pad_token", "eos_token"}
    file.write_text(json.dumps({n: v for n, v in json.loads(file.read_text()).items() if n not in names}))
    configure(folder, pad_token_id=None)


BROKEN: dict[str, tuple[Callable[[Path], None], str]] = {
    "no tokenizer": (without_tokenizer, r"no tokenizer files .*tokenizer\.save_pretrained\(folder\)"),
    "a cut tokenizer": (lambda f: cut(f / "tokenizer.json"), "whose tokenizer is missing or damaged"),
    "a cut tokenizer_config": (lambda f: cut(f / "tokenizer_config.json"), "whose tokenizer is missing or damaged"),
    "another width": (
        lambda f: configure(f, hidden_size=64),
        r"config\.json is not that of its weights: .* has the shape \[32\] in the file, and \[64\] by the",
    ),
    "another inner width": (lambda f: configure(f, intermediate_size=8), "is not that of its weights: .*intermediate"),
    "fewer layers": (lambda f: configure(f, num_hidden_layers=1), "file has 2 layers in encoder.layer, and .* 1"),
    "more layers": (lambda f: configure(f, num_hidden_layers=3), r"encoder\.layer\.2\..* has no weights in the"),
    "a billion layers": (lambda f: configure(f, num_hidden_layers=10**9), "has num_hidden_layers=1000000000: copy"),
    "fewer tokens": (lambda f: configure(f, vocab_size=99), r"shape \[30522, 32\] in the file, and \[99, 32\] by"),
    "another family": (lambda f: configure(f, model_type="roberta"), "is not that of its weights: .*no weights"),
    "pickled weights": (as_pickle, r"no model\.safetensors.*python -c \"from transformers import AutoModel; AutoMod"),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), r"has no model\.safetensors"),
    "cut weights": (lambda f: cut(f / "model.safetensors"), "weights cannot be loaded .*SafetensorError"),
    "a cut config": (lambda f: cut(f / "config.json"), r"whose config\.json cannot be read"),
    "an empty config": (lambda f: (f / "config.json").write_text("{}"), "has model_type=None"),
    "a list as config": (lambda f: (f / "config.json").write_text("[]"), r"whose config\.json cannot be read"),
    "custom code": (with_code, r"brings code of its own \(auto_map .*trust_remote_code=True"),
    "a model of images": (of_images, "a vit, which takes pixel_values, no text: name a text model"),
}


@pytest.mark.parametrize("broken", list(BROKEN))
@pytest.mark.parametrize("kind", [AutoModelForSequenceClassification, AutoModel], ids=["trained", "frozen"])
def test_what_cannot_be_trained_is_refused_in_one_line(folder, broken, kind):
    breaks, message = BROKEN[broken]
    breaks(folder)
    with pytest.raises(ArgumentError, match=message) as caught:
        check_model(kind, str(folder), load_tokenizer(str(folder)))
    assert str(caught.value).startswith(f"--model is {folder}, ")
    assert "\n" not in str(caught.value)
    assert not (folder / "it ran").exists()
    with pytest.raises(ArgumentError, match=f"--embeddings is {folder}, "):
        check_encoder(str(folder), "--embeddings")


def test_a_tokenizer_that_is_larger_than_the_model_is_refused(folder, tokenizer):
    BertForSequenceClassification(tiny_config(2)).save_pretrained(folder)
    check_model(AutoModelForSequenceClassification, str(folder), load_tokenizer(str(folder)))
    larger = AutoTokenizer.from_pretrained(folder)
    larger.add_tokens(["<mine>"])
    larger.save_pretrained(folder)
    with pytest.raises(ArgumentError, match=r"has 30523 tokens, .* embeddings for 30522: .*resize_token_emb"):
        check_model(AutoModelForSequenceClassification, str(folder), load_tokenizer(str(folder)))


def test_a_pickle_is_loaded_after_it_was_converted_as_the_message_says(folder):
    weights = load_file(folder / "model.safetensors")
    as_pickle(folder)
    with pytest.raises(ArgumentError) as caught:
        check_model(AutoModel, str(folder), load_tokenizer(str(folder)))
    code = str(caught.value).rpartition("python -c ")[2].strip('"')
    exec(code, {})
    model = load_model(AutoModelForSequenceClassification, str(folder), load_tokenizer(str(folder)))
    name = "bert.encoder.layer.1.output.dense.weight"
    assert torch.equal(model.get_parameter(name), weights[name])


def test_a_head_of_other_labels_and_a_missing_pooling_layer_make_way_for_new_ones(folder, tokenizer):
    before = load_file(folder / "model.safetensors")
    head, name = ["classifier.bias", "classifier.weight"], "bert.embeddings.word_embeddings.weight"
    for labels, missing in ((5, ["bert.pooler.dense.bias", "bert.pooler.dense.weight", *head]), (3, head)):
        kind = AutoModelForSequenceClassification
        model, found = load_model_and_missing(kind, str(folder), tokenizer, num_labels=labels)
        assert found == missing
        assert model.classifier.out_features == labels
        assert torch.equal(model.get_parameter(name), before[name])
        model.save_pretrained(folder)
    load_model(AutoModelForTokenClassification, str(folder), tokenizer, num_labels=9)
    model, missing = load_model_and_missing(AutoModelForMaskedLM, str(folder), tokenizer)
    assert all(name.startswith("cls.") for name in missing)


def test_checking_loads_no_weights_and_draws_no_random_numbers(folder, tokenizer, monkeypatch):
    devices = set()

    class Watched(AutoModelForSequenceClassification):
        @classmethod
        def from_pretrained(cls, *arguments, **options):
            model, found = AutoModelForSequenceClassification.from_pretrained(*arguments, **options)
            devices.update(parameter.device.type for parameter in model.parameters())
            return model, found

    state = torch.get_rng_state()
    check_model(Watched, str(folder), tokenizer)
    assert devices == {"meta"}
    assert torch.equal(torch.get_rng_state(), state)


def test_an_encoder_of_an_encoder_decoder_may_embed_texts(tmp_path, tokenizer):
    sizes = {"d_model": 8, "d_kv": 4, "d_ff": 8, "num_layers": 1, "num_heads": 2, "vocab_size": 30522}
    tokenizer.save_pretrained(tmp_path)
    for kind in (T5ForConditionalGeneration, T5EncoderModel):
        kind(T5Config(**sizes)).save_pretrained(tmp_path)
        check_encoder(str(tmp_path), "--embeddings")


def test_a_model_without_a_token_to_pad_with_gets_its_end_of_text_and_keeps_it(tmp_path, byte_level):
    GPT2LMHeadModel(GPT2Config(n_embd=8, n_layer=1, n_head=1, vocab_size=len(byte_level))).save_pretrained(tmp_path)
    byte_level.save_pretrained(tmp_path)
    found = load_tokenizer(str(tmp_path))
    assert (found.pad_token, found.padding_side) == ("<|endoftext|>", "right")
    model = load_model(AutoModelForSequenceClassification, str(tmp_path), found, num_labels=3)
    assert model.config.pad_token_id == found.pad_token_id == found.eos_token_id
    model.save_pretrained(tmp_path / "saved")
    found.save_pretrained(tmp_path / "saved")
    again = AutoModelForSequenceClassification.from_pretrained(tmp_path / "saved")
    assert again.config.pad_token_id == AutoTokenizer.from_pretrained(tmp_path / "saved").pad_token_id
    byte_level.eos_token = None
    byte_level.save_pretrained(tmp_path)
    with pytest.raises(ArgumentError, match="neither a token to pad with nor an end-of-text token"):
        load_tokenizer(str(tmp_path))


def test_a_sentence_encoder_without_a_token_to_pad_with_embeds_texts(tmp_path, byte_level, reviews):
    GPT2LMHeadModel(GPT2Config(n_embd=8, n_layer=1, n_head=1, vocab_size=len(byte_level))).save_pretrained(
        tmp_path / "model"
    )
    byte_level.save_pretrained(tmp_path / "model")
    file = embeddings_file(reviews.select(range(5)), ["text"], str(tmp_path / "model"), tmp_path)
    assert file.stat().st_size > 5 * 8 * 4


def test_the_real_encoder_passes():
    check_encoder(MINILM, "--model")


def test_a_sentence_encoder_without_a_transformer_is_let_through(tmp_path):
    SentenceTransformer(modules=[StaticEmbedding(load_tokenizer(resolve_model(MINILM)), embedding_dim=16)]).save(
        str(tmp_path)
    )
    assert not (tmp_path / "config.json").exists()
    check_encoder(str(tmp_path), "--embeddings")
