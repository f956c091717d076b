"""`hfal run --model` with decoders that have no token to pad with, and with folders that cannot be trained."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from transformers import (
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
)

from hfal.data.references import resolve_path
from support.command import error_line, in_a_fork, write_csv
from support.models import NAMES, tiny_model
from support.texts import CONLL, byte_level_tokenizer, load_reviews, load_tokenizer


QUICK = ["--max_length", "32", "--num_train_epochs", "1", "--use_cpu", "--rounds", "2", "--query_size", "6"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tiny decoders as their makers leave them, a tokenizer of real words, and labeled data."""
    home = tmp_path_factory.mktemp("somewhere")
    sizes: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 1000}
    ends = {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": None}
    models = {
        "gpt2": GPT2LMHeadModel(GPT2Config(**sizes, **ends)),
        "llama": LlamaForCausalLM(LlamaConfig(num_key_value_heads=2, intermediate_size=64, **sizes, **ends)),
    }
    for name, model in models.items():
        model.save_pretrained(home / name)
        tokenizer = byte_level_tokenizer()
        tokenizer.padding_side = "left"  # as those who generate text have it
        tokenizer.save_pretrained(home / name)
    write_csv(home / "labeled.csv", ["text", "label"], [(r["text"], NAMES[r["label"]]) for r in load_reviews(60)])
    sentences = Path(resolve_path(f"{CONLL}/train.txt")).read_text("utf-8").split("\n\n")
    (home / "news.conll").write_text("\n\n".join(sentences[:61]) + "\n", "utf-8")
    return home


@pytest.fixture
def folder(home: Path, tmp_path: Path) -> Path:
    for file in home.iterdir():
        (tmp_path / file.name).symlink_to(file)
    return tmp_path


CLASSIFICATION = ["--data", "labeled.csv", "--label", "label"]
SETS = ["--data", "news.conll", "--text", "text", "--label", "entity_types", "--task", "multi_label_classification"]
ENTITIES = ["--data", "news.conll", "--text", "tokens", "--label", "ner_tags"]


@pytest.mark.parametrize(
    ("model", "data", "kind"),
    [
        ("gpt2", CLASSIFICATION, AutoModelForSequenceClassification),
        ("gpt2", SETS, AutoModelForSequenceClassification),
        ("gpt2", ENTITIES, AutoModelForTokenClassification),
        ("llama", CLASSIFICATION, AutoModelForSequenceClassification),
    ],
    ids=["gpt2", "gpt2 label sets", "gpt2 entities", "llama"],
)
def test_a_decoder_without_a_token_to_pad_with_is_trained_and_saved_with_one(folder, model, data, kind):
    done = in_a_fork(folder, "run", *data, "--model", f"./{model}", "--eval_size", "12", *QUICK)
    assert done.code == 0, done.stderr
    assert "LOAD REPORT" not in done.stderr
    (saved,) = folder.glob("runs/*/rounds/002/model")
    tokenizer = AutoTokenizer.from_pretrained(saved)
    assert kind.from_pretrained(saved).config.pad_token_id == tokenizer.pad_token_id == tokenizer.eos_token_id
    assert tokenizer.padding_side == "right"


@pytest.mark.parametrize("freeze", [[], ["--freeze_encoder"]], ids=["trained", "frozen"])
@pytest.mark.parametrize("data", [CLASSIFICATION, SETS, ENTITIES], ids=["classes", "sets", "entities"])
def test_a_model_that_would_train_on_nothing_leaves_no_run_behind(folder, data, freeze):
    tiny_model().save_pretrained(folder / "bare")
    stopped = in_a_fork(folder, "run", *data, "--model", "./bare", *freeze, *QUICK)
    assert "which has no tokenizer files (tokenizer.json, vocab.txt, ...)" in error_line(stopped)
    load_tokenizer().save_pretrained(folder / "bare")
    config = folder / "bare" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "hidden_size": 64}))
    stopped = in_a_fork(folder, "run", *data, "--model", "./bare", *freeze, *QUICK)
    assert "whose config.json is not that of its weights" in error_line(stopped)
    assert not list(folder.rglob("labels.sqlite"))


def test_other_folders_that_are_no_model_are_refused_by_every_command_that_takes_one(folder):
    tiny_model().save_pretrained(folder / "bare")
    compare = [
        "compare",
        *CLASSIFICATION,
        "--strategies",
        "random,margin",
        "--output_dir",
        "grid",
        "--eval_size",
        "12",
    ]
    for words, message in (
        ([*compare, *QUICK, "--model", "./bare"], "bare, which has no tokenizer files"),
        (["run", *CLASSIFICATION, "--model", "./gpt2", "--embeddings", "./bare", *QUICK], "--embeddings is"),
        (["run", *CLASSIFICATION, "--model", "nobody/nothing", *QUICK], "nobody/nothing"),
    ):
        assert message in error_line(in_a_fork(folder, *words))
    shutil.rmtree(folder / "bare")
    (folder / "bare").mkdir()
    assert "is no model" in error_line(in_a_fork(folder, "run", *CLASSIFICATION, "--model", "./bare", *QUICK))
