"""Models as people have them: adapters, half precision, compiled, spread over devices, of families other than BERT."""

from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import Dataset
from peft import LoraConfig, PeftModel, PrefixTuningConfig, PromptTuningConfig, get_peft_model
from torch._dynamo.utils import counters
from transformers import (
    BartConfig,
    BartForSequenceClassification,
    BertForSequenceClassification,
    DataCollatorWithPadding,
    DebertaV2Config,
    DebertaV2ForSequenceClassification,
    FunnelConfig,
    FunnelForSequenceClassification,
    GPT2Config,
    GPT2ForSequenceClassification,
    LlamaConfig,
    LlamaForSequenceClassification,
    ModernBertConfig,
    ModernBertForSequenceClassification,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    T5Config,
    T5ForSequenceClassification,
    Trainer,
    TrainerCallback,
    XLNetConfig,
    XLNetForSequenceClassification,
    set_seed,
)

from hfal import ActiveLearningCallback, Pool, SimulatedAnnotator
from hfal.acquisition.draws import mc_dropout
from hfal.acquisition.forward import forward_columns
from hfal.acquisition.scoring import ScoringPass
from hfal.errors import RunDirectoryError, ScoringError
from hfal.strategies import margin
from hfal.training.weights import fits, load_weights, save_model
from support.models import tiny_model, tiny_model_init


@pytest.fixture(scope="module")
def texts(reviews) -> Dataset:
    return reviews.select(range(60))


@pytest.fixture
def make_active(tmp_path, texts):
    """A function that makes a callback with a simulated annotator on a pool of 60 sentences."""

    def make(run_dir="run", **options) -> ActiveLearningCallback:
        pool = Pool(texts, tmp_path / run_dir, "text", "label")
        options = {"strategy": "margin+kmeans", "query_size": 6, "token_budget": 300, **options}
        return ActiveLearningCallback(pool, annotator=SimulatedAnnotator(pool), **options)

    return make


def score(model, data, tokenizer, keep=("probabilities", "embeddings"), token_budget=300) -> dict[str, np.ndarray]:
    """The scoring pass, in batches that are padded."""
    scoring = ScoringPass(
        model,
        data.select_columns(forward_columns(model, data.column_names)),
        np.array([len(row) for row in data["input_ids"][:]]),
        DataCollatorWithPadding(tokenizer),
        token_budget=token_budget,
    )
    return scoring.run(np.arange(len(data)), keep=frozenset(keep), score=margin)


def one_by_one(model, data) -> dict[str, np.ndarray]:
    """Each example alone, never padded, through the model as anybody would call it."""
    modes = [module.training for module in model.modules()]
    model.eval()
    probabilities, embeddings = [], []
    with torch.no_grad():
        for row in data:
            inputs = {name: torch.tensor([row[name]]) for name in forward_columns(model, data.column_names)}
            outputs = model(**inputs, output_hidden_states=True)
            states = outputs.get("decoder_hidden_states") or outputs["hidden_states"]
            probabilities.append(outputs["logits"].float().softmax(-1)[0].numpy())
            embeddings.append(states[-1][0].float().mean(0).numpy())
    for module, training in zip(model.modules(), modes, strict=True):
        module.training = training
    return {"probabilities": np.stack(probabilities), "embeddings": np.stack(embeddings)}


def queried(active) -> list[list[tuple[str, float | None]]]:
    return [[(e.example_id, e.score) for e in query.examples] for query in active.pool.store.queries()]


def check_scores(query, pool, model, atol=1e-5) -> None:
    """The scores that a query was recorded with are those of this model, by plain transformers."""
    data = pool.dataset.select(pool.positions([e.example_id for e in query.examples]))
    p = np.sort(one_by_one(model, data)["probabilities"], axis=1)
    np.testing.assert_allclose([e.score for e in query.examples], 1 - (p[:, -1] - p[:, -2]), atol=atol)


# -- families ------------------------------------------------------------------------------------------------------

TOKENS = {"vocab_size": 30522, "num_labels": 2, "pad_token_id": 0, "bos_token_id": 101, "eos_token_id": 102}
ENCODER = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64, **TOKENS}


def bart() -> PreTrainedModel:
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
    layers = {"encoder_layers": 2, "decoder_layers": 2, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64}
    config = BartConfig(d_model=32, decoder_start_token_id=102, forced_eos_token_id=None, **heads, **layers, **TOKENS)
    return BartForSequenceClassification(config)


def t5() -> PreTrainedModel:
    config = T5Config(d_model=32, d_kv=16, d_ff=64, num_layers=2, num_heads=2, decoder_start_token_id=0, **TOKENS)
    return T5ForSequenceClassification(config)


def gpt2() -> PreTrainedModel:
    return GPT2ForSequenceClassification(GPT2Config(n_embd=32, n_layer=2, n_head=2, **TOKENS))


def llama() -> PreTrainedModel:
    return LlamaForSequenceClassification(LlamaConfig(num_key_value_heads=2, **ENCODER))


def deberta() -> PreTrainedModel:
    attention = {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": 16}
    return DebertaV2ForSequenceClassification(DebertaV2Config(**attention, **ENCODER))


def modernbert() -> PreTrainedModel:
    return ModernBertForSequenceClassification(ModernBertConfig(cls_token_id=101, sep_token_id=102, **ENCODER))


def xlnet() -> PreTrainedModel:
    return XLNetForSequenceClassification(XLNetConfig(d_model=32, n_layer=2, n_head=2, d_inner=64, **TOKENS))


def padding_on_the(side: str, tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    tokenizer = type(tokenizer).from_pretrained(tokenizer.name_or_path)
    tokenizer.padding_side = side
    return tokenizer


FAMILIES = [
    (bart, "right"),
    (t5, "right"),
    (gpt2, "right"),
    (llama, "right"),
    (llama, "left"),
    (deberta, "right"),
    (modernbert, "right"),
    (xlnet, "left"),
]


@pytest.mark.parametrize(("family", "side"), FAMILIES, ids=lambda value: getattr(value, "__name__", value))
def test_embeddings_are_the_mean_over_the_tokens_of_the_last_hidden_states(family, side, texts, tokenizer):
    set_seed(0)
    model = family().train()
    data = texts.select(range(30))
    found = score(model, data, padding_on_the(side, tokenizer))
    expected = one_by_one(model, data)
    assert expected["embeddings"].std(axis=0).mean() > 0.01  # so that one text's cannot pass for another's
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], atol=1e-4, err_msg=name)


@pytest.mark.parametrize(("family", "side"), FAMILIES, ids=lambda value: getattr(value, "__name__", value))
def test_features_are_what_the_last_layer_makes_the_logits_of(family, side, texts, tokenizer):
    set_seed(0)
    model = family()
    *_, last = (m for m in model.modules() if isinstance(m, torch.nn.Linear) and m.out_features == 2)
    data = texts.select(range(30))
    with torch.no_grad():
        last.weight.mul_(1000)  # untrained, all texts are nearly alike to it
    found = score(model, data, padding_on_the(side, tokenizer), keep=["features", "probabilities"])
    with torch.no_grad():
        probabilities = last(torch.tensor(found["features"])).softmax(-1)
    np.testing.assert_allclose(probabilities, found["probabilities"], atol=1e-4)
    np.testing.assert_allclose(found["probabilities"], one_by_one(model, data)["probabilities"], atol=1e-2)
    assert len(np.unique(found["features"].round(6), axis=0)) == 30


@pytest.mark.parametrize(
    ("family", "side"),
    [(t5, "right"), (gpt2, "right"), (deberta, "right"), (xlnet, "left")],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_draw_is_the_same_alone_and_padded_on_any_side(family, side, texts, tokenizer):
    set_seed(0)
    model, data = family(), texts.select(range(20))
    *_, last = (m for m in model.modules() if isinstance(m, torch.nn.Linear) and m.out_features == 2)
    features = score(model, data, padding_on_the(side, tokenizer), keep=["features"])["features"]
    with torch.no_grad():
        logits = torch.tensor(features) @ last.weight.T
        last.weight.mul_(1 / (logits[:, 0] - logits[:, 1]).abs().mean())  # neither all alike nor all certain
    found = []
    for budget in (1, 300):
        scoring = ScoringPass(
            model,
            data.select_columns(forward_columns(model, data.column_names)),
            np.array([len(row) for row in data["input_ids"][:]]),
            DataCollatorWithPadding(padding_on_the(side, tokenizer)),
            token_budget=budget,
        )
        with mc_dropout(model, 3, [4]) as draws:
            found.append(scoring.run(np.arange(len(data)), keep=frozenset({"draws"}), draws=draws)["draws"])
    np.testing.assert_allclose(found[0], found[1], atol=1e-3)
    assert np.ptp(found[0], axis=1).max() > 0.01  # and the draws are not all the same


def test_a_model_whose_last_layer_is_none_has_no_features(texts, tokenizer):
    class Cosine(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = torch.nn.Embedding(30522, 8)
            self.between = torch.nn.Linear(8, 5)
            self.prototypes = torch.nn.Parameter(torch.randn(2, 5))

        def forward(self, input_ids, attention_mask):
            mean = (self.embed(input_ids) * attention_mask[..., None]).sum(1) / attention_mask.sum(1, keepdim=True)
            return {"logits": self.between(mean) @ self.prototypes.T}

    with pytest.raises(ScoringError, match=r"no linear layer that gives its logits.*margin\+kmeans"):
        score(Cosine(), texts.select(range(8)), tokenizer, keep=["features"])


@pytest.mark.parametrize(("family", "side"), [(bart, "right"), (llama, "left"), (xlnet, "left")])
def test_encoder_decoders_and_decoders_go_through_whole_rounds(
    make_active, make_trainer, tokenizer, texts, family, side
):
    active = make_active()
    trainer = make_trainer(
        [active],
        model_init=lambda: family(),
        eval_dataset=texts.select(range(8)),
        data_collator=DataCollatorWithPadding(padding_on_the(side, tokenizer)),
    )
    for current in active.rounds(trainer, 2):
        trainer.train(resume_from_checkpoint=current.checkpoint)
        if current.number == 1:
            check_scores(active.pool.store.query_of_round(1), active.pool, trainer.model)
    assert [len(query.examples) for query in active.pool.store.queries()] == [6, 6]


def test_a_model_that_merges_tokens_has_no_embeddings_but_scores(texts, tokenizer):
    sizes = {"d_model": 32, "n_head": 2, "d_head": 16, "d_inner": 64}
    funnel = FunnelForSequenceClassification(FunnelConfig(block_sizes=[1, 1], **sizes, **TOKENS))
    data = texts.select(range(8))
    assert score(funnel, data, tokenizer, keep=["scores"])["scores"].shape == (8,)
    with pytest.raises(ScoringError, match=r"Funnel.* not one for each token; pass embeddings="):
        score(funnel, data, tokenizer)


class Bag(torch.nn.Module):
    """Somebody's own classifier, whose forward knows of no mask."""

    def __init__(self, states: bool = True):
        super().__init__()
        self.base_model = torch.nn.Embedding(30522, 8)
        self.head = torch.nn.Linear(8, 2)
        self.states = states

    def forward(self, input_ids):
        hidden = self.base_model(input_ids) if self.states else self.base_model.weight[input_ids]
        return {"logits": self.head(hidden.mean(1))}


def pad(rows):
    ids = [torch.tensor(row["input_ids"]) for row in rows]
    return {"input_ids": torch.nn.utils.rnn.pad_sequence(ids, batch_first=True)}


def test_without_a_mask_there_are_embeddings_only_if_nothing_is_padded(texts):
    def run(model, lengths):
        data = Dataset.from_dict({"input_ids": [ids[:n] for ids, n in zip(texts["input_ids"], lengths, strict=False)]})
        scoring = ScoringPass(model, data, np.array(lengths), pad)
        return scoring.run(np.arange(len(lengths)), keep=frozenset({"embeddings"}))["embeddings"], data

    bag = Bag()
    found, data = run(bag, [5, 5, 5])
    np.testing.assert_allclose(found, bag.base_model(torch.tensor(data["input_ids"][:])).mean(1).detach(), atol=1e-6)
    with pytest.raises(ScoringError, match=r"of the padding too.*Bag have no attention_mask; pass embeddings="):
        run(bag, [5, 4, 5])
    with pytest.raises(ScoringError, match=r"Bag shows no hidden states.*; pass embeddings="):
        run(Bag(states=False), [5, 5, 5])


# -- adapters ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    """A model that was trained before, on the disk."""
    path = tmp_path_factory.mktemp("base")
    tiny_model(7).save_pretrained(path)
    return path


LORA = LoraConfig(task_type="SEQ_CLS", r=4, target_modules=["query", "value"])


def lora(base: Path) -> PeftModel:
    """Adapters, and the head, which PEFT adds to `modules_to_save` for this task."""
    return get_peft_model(BertForSequenceClassification.from_pretrained(base), LORA)


def test_adapters_of_another_kind_do_not_fit(base, make_trainer, tmp_path):
    with_lora = make_trainer(model=lora(base))
    save_model(with_lora, tmp_path / "lora")
    plain = make_trainer(model=BertForSequenceClassification.from_pretrained(base))
    save_model(plain, tmp_path / "plain")
    wider = make_trainer(
        model=get_peft_model(plain.model, LoraConfig(task_type="SEQ_CLS", r=8, target_modules=["query"]))
    )
    assert fits(with_lora, tmp_path / "lora")
    assert not fits(with_lora, tmp_path / "plain")
    assert not fits(wider, tmp_path / "lora")
    again = make_trainer(model=BertForSequenceClassification.from_pretrained(base))
    assert fits(again, tmp_path / "plain")
    assert not fits(again, tmp_path / "lora")
    with pytest.raises(RunDirectoryError, match="has the weights of another model: they are those of an adapter"):
        load_weights(again, tmp_path / "lora")


def trained_part(model) -> dict[str, torch.Tensor]:
    return {n: p.detach().clone() for n, p in model.named_parameters() if "lora_" in n or "modules_to_save" in n}


def frozen_part(model) -> dict[str, torch.Tensor]:
    return {n: p.detach().clone() for n, p in model.state_dict().items() if n not in trained_part(model)}


def equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


class Watch(TrainerCallback):
    """Notes the adapters that each training begins with, and that it trains them and nothing else."""

    def __init__(self) -> None:
        self.first: list[dict[str, torch.Tensor]] = []

    def on_train_begin(self, args, state, control, model=None, **kwargs):
        self.first.append(trained_part(model))
        assert {n for n, p in model.named_parameters() if p.requires_grad} == self.first[-1].keys()


LORA_TRAINING = {"learning_rate": 1e-2, "num_train_epochs": 2}


@pytest.mark.parametrize("retrain", ["from_scratch", "continue"])
def test_adapters_begin_a_round_as_they_were_and_the_base_never_changes(
    make_active, make_trainer, eval_reviews, base, retrain
):
    set_seed(1)
    model = lora(base)
    initial, frozen = trained_part(model), frozen_part(model)
    active, watch, last = make_active(retrain=retrain), Watch(), []
    trainer = make_trainer([active, watch], model=model, eval_dataset=eval_reviews, **LORA_TRAINING)
    for current in active.rounds(trainer, 3):
        trainer.train(resume_from_checkpoint=current.checkpoint)
        last.append(trained_part(trainer.model))
        if current.number == 1:
            check_scores(active.pool.store.query_of_round(1), active.pool, trainer.model)
    begin = [initial, initial, initial] if retrain == "from_scratch" else [initial, last[0], last[1]]
    assert all(map(equal, watch.first, begin))
    assert not any(map(equal, watch.first, last))  # something was trained
    assert equal(frozen_part(trainer.model), frozen)


def test_model_init_gives_each_round_fresh_adapters(make_active, make_trainer, base):
    active, watch = make_active(), Watch()
    trainer = make_trainer([active, watch], model_init=lambda: lora(base), **LORA_TRAINING)
    active.run(trainer, rounds=3)
    fresh = []
    for record in active.pool.store.rounds():
        set_seed(record.seed)
        fresh.append(trained_part(lora(base)))
    assert not equal(fresh[0], fresh[1])
    assert all(map(equal, watch.first, fresh))


def test_a_round_leaves_adapters_and_head_that_load_again(make_active, make_trainer, texts, base):
    active = make_active()
    trainer = make_trainer([active], model=lora(base), **LORA_TRAINING)
    active.run(trainer, rounds=2)
    folder = active.pool.run_dir / "rounds" / "002" / "model"
    assert [path.name for path in folder.glob("*.safetensors")] == ["adapter_model.safetensors"]
    assert (folder / "adapter_model.safetensors").stat().st_size < (base / "model.safetensors").stat().st_size / 100
    loaded = PeftModel.from_pretrained(BertForSequenceClassification.from_pretrained(base), folder)
    found, expected = (one_by_one(model, texts.select(range(5))) for model in (loaded, trainer.model))
    np.testing.assert_array_equal(found["probabilities"], expected["probabilities"])


class InterruptRound2(TrainerCallback):
    """Ctrl-C after a step of round 2."""

    def __init__(self, step: int):
        self.step = step

    def on_step_end(self, args, state, control, **kwargs):
        if Path(args.output_dir).name == "002" and state.global_step == self.step:
            raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("own", "retrain", "step", "checkpoint"),
    [
        ("model", "from_scratch", 1, None),
        ("model", "continue", 3, "checkpoint-2"),
        ("model_init", "continue", 1, None),
    ],
)
def test_an_interrupted_run_with_adapters_goes_on_like_one_that_was_not(
    make_active, make_trainer, base, own, retrain, step, checkpoint
):
    options = {**LORA_TRAINING, "save_strategy": "steps", "save_steps": 2}

    def make(seed, callbacks):
        set_seed(seed)  # a script that is started again has made other adapters
        model = {"model": lora(base)} if own == "model" else {"model_init": lambda: lora(base)}
        return make_trainer(callbacks, **model, **options)

    whole = make_active("whole", retrain=retrain)
    uninterrupted = make(1, [whole])
    whole.run(uninterrupted, rounds=2)

    first = make_active("cut", retrain=retrain)
    with pytest.raises(KeyboardInterrupt):
        first.run(make(1, [InterruptRound2(step), first]), rounds=2)
    again, resumed = make_active("cut", retrain=retrain), []
    trainer = make(2, [again])
    for current in again.rounds(trainer, 2):
        resumed.append((current.number, current.checkpoint and Path(current.checkpoint).name))
        trainer.train(resume_from_checkpoint=current.checkpoint)
    assert resumed == [(2, checkpoint)]
    assert queried(again) == queried(whole)
    assert equal(trained_part(trainer.model), trained_part(uninterrupted.model))


@pytest.mark.parametrize(
    "config",
    [
        LORA,
        PromptTuningConfig(task_type="SEQ_CLS", num_virtual_tokens=5),
        PrefixTuningConfig(task_type="SEQ_CLS", num_virtual_tokens=5),
    ],
    ids=lambda config: type(config).__name__,
)
def test_embeddings_of_a_model_with_adapters_are_of_its_text(texts, tokenizer, base, config):
    set_seed(1)
    model = get_peft_model(BertForSequenceClassification.from_pretrained(base), config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_()  # else untrained adapters change nothing
    data = texts.select(range(20))
    found, expected = score(model, data, tokenizer), one_by_one(model, data)
    if config is LORA:
        np.testing.assert_allclose(found["embeddings"], expected["embeddings"], atol=1e-5)
    else:
        # Alone or in a padded batch, and the learned prompt does not count as text.
        alone = score(model, data, tokenizer, token_budget=1)["embeddings"]
        np.testing.assert_allclose(found["embeddings"], alone, atol=1e-5)
        states = []
        hook = model.get_base_model().bert.register_forward_hook(lambda _m, _i, out: states.append(out[0][0]))
        one_by_one(model, data.select([3]))
        hook.remove()
        length = len(data[3]["input_ids"])
        np.testing.assert_allclose(found["embeddings"][3], states[0][-length:].mean(0).numpy(), atol=1e-5)
    np.testing.assert_allclose(found["probabilities"], expected["probabilities"], atol=1e-5)


# -- precision -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_mixed_precision_scores_as_it_trains(make_active, make_trainer, eval_reviews, texts, tokenizer, precision):
    active = make_active()
    trainer = make_trainer([active], eval_dataset=eval_reviews, **{precision: True})
    for current in active.rounds(trainer, 2):
        trainer.train(resume_from_checkpoint=current.checkpoint)
        if current.number == 1:
            check_scores(active.pool.store.query_of_round(1), active.pool, trainer.model, atol=5e-3)
            own = BertForSequenceClassification(trainer.model.config)  # no trace of the Trainer's autocast
            own.load_state_dict(trainer.model.state_dict())
    assert {p.dtype for p in own.parameters()} == {torch.float32}
    query = active.pool.store.query_of_round(1)
    check_scores(query, active.pool, own, atol=5e-3)
    with pytest.raises(AssertionError):  # but scored in half precision it was
        check_scores(query, active.pool, own, atol=1e-7)


@pytest.mark.parametrize("retrain", ["from_scratch", "continue"])
def test_a_model_in_bfloat16_scores_in_float32_and_stays_in_bfloat16(make_active, make_trainer, base, retrain):
    class Begin(TrainerCallback):
        def on_train_begin(self, args, state, control, model=None, **kwargs):
            first.append(model.classifier.weight.detach().clone())

    first, last = [], []
    model = BertForSequenceClassification.from_pretrained(base, dtype=torch.bfloat16)
    initial = model.classifier.weight.detach().clone()
    active = make_active(retrain=retrain)
    trainer = make_trainer([active, Begin()], model=model, learning_rate=1e-2)
    for current in active.rounds(trainer, 2):
        trainer.train(resume_from_checkpoint=current.checkpoint)
        last.append(trainer.model.classifier.weight.detach().clone())
        if current.number == 1:
            check_scores(active.pool.store.query_of_round(1), active.pool, trainer.model, atol=2e-2)
    assert {p.dtype for p in trainer.model.parameters()} == {torch.bfloat16}
    assert torch.equal(first[1], initial if retrain == "from_scratch" else last[0])
    assert not torch.equal(last[0], initial)


def test_probabilities_of_a_bfloat16_model_are_those_of_its_logits_in_float32(texts, tokenizer, base):
    model = BertForSequenceClassification.from_pretrained(base, dtype=torch.bfloat16)
    data = texts.select(range(12))
    found = score(model, data, tokenizer, token_budget=1)
    for name, expected in one_by_one(model, data).items():
        assert found[name].dtype == np.float32
        np.testing.assert_allclose(found[name], expected, atol=1e-6, err_msg=name)
    assert (np.abs(found["probabilities"].sum(1) - 1) < 1e-6).all()  # a softmax in bfloat16 is off by a hundredth


# -- torch.compile -------------------------------------------------------------------------------------------------


def compiled_graphs() -> int:
    return counters["stats"]["unique_graphs"]


@pytest.mark.parametrize(
    "backend",
    ["eager", pytest.param("inductor", marks=pytest.mark.slow)],  # which calls a C++ compiler
)
@pytest.mark.parametrize("how", ["torch_compile", pytest.param("model.compile", marks=pytest.mark.slow)])
def test_a_compiled_model_scores_uncompiled_with_embeddings(make_active, make_trainer, tokenizer, how, backend):
    """Scoring has a batch shape of its own for almost every batch: no graph is to be compiled for any."""
    torch.compiler.reset()
    counters.clear()
    graphs: list[int] = []

    def watched(signals, k, rng):
        graphs.append(compiled_graphs())
        assert signals.embeddings.shape == (signals.size, 32)
        return np.argsort(signals.probabilities.max(1), kind="stable")[:k]

    watched.needs = frozenset({"probabilities", "embeddings"})
    active = make_active(strategy=watched, token_budget=200)
    config = tiny_model().config
    config.num_hidden_layers = 1
    model = BertForSequenceClassification(config)
    if how == "torch_compile":
        options = {"torch_compile": True, "torch_compile_backend": backend}
        trainer = make_trainer([active], model=model, max_steps=1, **options)
    else:
        model.compile(backend=backend)
        trainer = make_trainer([active], model=model, max_steps=1)

    class Trained(TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            after_training[:] = [compiled_graphs()]

    after_training: list[int] = []
    trainer.add_callback(Trained())
    # A hook that is lost would be so when a graph without it, of the suggestions, is there: in the second query.
    rounds = 2 if how == "torch_compile" else 3
    for current in active.rounds(trainer, rounds):
        trainer.train(resume_from_checkpoint=current.checkpoint)
        if current.number < rounds:
            assert after_training[0] > 0  # it was compiled
            assert graphs[-1] == after_training[0]
            assert compiled_graphs() == after_training[0]  # nor for the suggestions
            query = active.pool.store.query_of_round(current.number)
            data = active.pool.dataset.select(active.pool.positions([e.example_id for e in query.examples]))
            with torch.compiler.set_stance("force_eager"):
                expected = one_by_one(trainer.model, data)["probabilities"].max(1)
            np.testing.assert_allclose([e.confidence for e in query.examples], expected, atol=1e-5)
    assert len(graphs) == rounds - 1


def test_a_compiled_wrapper_that_hides_what_the_model_takes_is_refused(make_active, make_trainer):
    active = make_active()
    trainer = make_trainer([active], model=torch.compile(tiny_model(), backend="eager"))
    with pytest.raises(ValueError, match=r"OptimizedModule.forward names none of .*input_ids.*torch_compile=True"):
        active.run(trainer, rounds=2)
    assert active.pool.store.queries() == []


# -- a Trainer of one's own ----------------------------------------------------------------------------------------


class Weighted(Trainer):
    """Weighs the classes so unevenly that it shows in what the model says."""

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        labels = inputs.pop("labels")
        outputs = model(**inputs)
        loss = torch.nn.functional.cross_entropy(outputs.logits, labels, weight=torch.tensor([0.01, 1.0]))
        return (loss, outputs) if return_outputs else loss


def weighted(outputs, labels, num_items_in_batch=None):
    return torch.nn.functional.cross_entropy(outputs.logits, labels, weight=torch.tensor([0.01, 1.0]))


@pytest.mark.parametrize("how", ["subclass", "compute_loss_func", "plain"])
def test_a_loss_of_ones_own_is_what_the_rounds_train_with(make_active, make_trainer, eval_reviews, tokenizer, how):
    active = make_active(query_size=16, seed_strategy="stratified")
    trainer = (Weighted if how == "subclass" else Trainer)(
        args=make_trainer(num_train_epochs=6, learning_rate=5e-3).args,
        model_init=tiny_model_init,
        eval_dataset=eval_reviews,
        processing_class=tokenizer,
        callbacks=[active],
        compute_loss_func=weighted if how == "compute_loss_func" else None,
    )
    attributes, kind = vars(trainer).keys() - {"_signature_columns"}, type(trainer)
    records = active.run(trainer, rounds=2)
    query = active.pool.store.query_of_round(1)
    sure = [e.suggestion == "positive" and e.confidence > 0.75 for e in query.examples]
    assert not any(sure) if how == "plain" else all(sure)
    assert records[-1].metrics["eval_loss"] == pytest.approx(trainer.evaluate()["eval_loss"], rel=1e-6)
    # Nothing was hung on it that shadows a method.
    assert type(trainer) is kind
    assert not [name for name in vars(trainer).keys() - attributes if hasattr(kind, name)]


# -- device_map ----------------------------------------------------------------------------------------------------


def test_a_model_with_a_device_map_goes_through_whole_rounds(make_active, make_trainer, base):
    active = make_active()
    model = BertForSequenceClassification.from_pretrained(base, device_map="cpu")
    trainer = make_trainer([active], model=model)
    for current in active.rounds(trainer, 2):
        trainer.train(resume_from_checkpoint=current.checkpoint)
        if current.number == 1:
            check_scores(active.pool.store.query_of_round(1), active.pool, trainer.model)


def offloaded(base: Path, folder: Path) -> BertForSequenceClassification:
    """Its first weights are on the disk, and on the device "meta" where a forward pass does not need them."""
    parts = {"bert.embeddings": "disk", "bert.encoder": "cpu", "bert.pooler": "cpu", "classifier": "cpu"}
    model = BertForSequenceClassification.from_pretrained(base, device_map=parts, offload_folder=folder)
    assert next(model.parameters()).device.type == "meta"
    return model


def test_a_model_with_weights_on_the_disk_scores_like_one_without(texts, tokenizer, base, tmp_path):
    whole = BertForSequenceClassification.from_pretrained(base)
    found = score(offloaded(base, tmp_path), texts, tokenizer)
    for name, expected in one_by_one(whole, texts).items():
        np.testing.assert_allclose(found[name], expected, atol=1e-5, err_msg=name)


def test_adapters_on_a_base_with_weights_on_the_disk_go_through_whole_rounds(
    make_active, make_trainer, base, tmp_path
):
    active = make_active()
    trainer = make_trainer(
        [active], model_init=lambda: get_peft_model(offloaded(base, tmp_path / "weights"), LORA), **LORA_TRAINING
    )
    for current in active.rounds(trainer, 2):
        trainer.train(resume_from_checkpoint=current.checkpoint)
        if current.number == 1:
            whole = lora(base)
            whole.load_state_dict(trained_part(trainer.model), strict=False)
            check_scores(active.pool.store.query_of_round(1), active.pool, whole)
    assert len(active.pool.store.queries()) == 2


# -- memory --------------------------------------------------------------------------------------------------------


class Greedy(BertForSequenceClassification):
    """From its third step on, a training asks for more memory than there is, for batches of more than so many rows."""

    most_rows = 100

    def forward(self, input_ids=None, attention_mask=None, token_type_ids=None, labels=None, **kwargs):
        if self.training:
            self.steps = getattr(self, "steps", 0) + 1
            if self.steps > 2 and len(input_ids) > Greedy.most_rows:
                torch.empty(2**55, dtype=torch.uint8)
        return super().forward(
            input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids, labels=labels
        )


@pytest.mark.parametrize("own", ["model_init", "model, continued", "model_init, from a checkpoint"])
def test_a_round_that_runs_out_of_memory_begins_again_with_smaller_batches(
    make_active, make_trainer, monkeypatch, own
):
    """The Trainer by itself would begin again with the weights and Adam's moments that it had got to."""

    class Begin(TrainerCallback):
        def __init__(self) -> None:
            self.seen: list[tuple] = []

        def on_train_begin(self, args, state, control, model=None, optimizer=None, train_dataloader=None, **kwargs):
            batch, weights = train_dataloader.total_batch_size, model.state_dict()
            self.seen.append((Path(args.output_dir).name, batch, state.global_step, len(optimizer.state), weights))
            self.seen[-1][-1].update({name: tensor.clone() for name, tensor in weights.items()})

    active = make_active(query_size=16, retrain="continue" if "continued" in own else "from_scratch")
    begin = Begin()
    options = {"auto_find_batch_size": True, "num_train_epochs": 2, "learning_rate": 1e-2}
    if "checkpoint" in own:
        options |= {"save_strategy": "steps", "save_steps": 2}
    config = tiny_model().config
    model = {"model_init": lambda: Greedy(config)} if "init" in own else {"model": Greedy(config)}
    trainer = make_trainer([active, begin], **options, **model)
    for current in active.rounds(trainer, 3):
        if current.number == 2:
            if "checkpoint" in own:
                trainer.add_callback(InterruptRound2(3))
                with pytest.raises(KeyboardInterrupt):
                    trainer.train()
                trainer.remove_callback(InterruptRound2)
                break
            trainer.model.steps = 0
            monkeypatch.setattr(Greedy, "most_rows", 7)
        trainer.train(resume_from_checkpoint=current.checkpoint)
    if "checkpoint" in own:
        begin.seen.pop()
        monkeypatch.setattr(Greedy, "most_rows", 7)
        for current in active.rounds(trainer, 3):
            assert (current.checkpoint is None) == (current.number == 3)
            trainer.train(resume_from_checkpoint=current.checkpoint)

    step = 2 if "checkpoint" in own else 0
    # `TrainingArguments` keep the batch size asked for, the Trainer the one it found: also for the next round.
    assert [seen[:3] for seen in begin.seen] == [("001", 8, 0), ("002", 8, step), ("002", 7, step), ("003", 7, 0)]
    assert trainer.args.per_device_train_batch_size == 8
    _, before, after, _ = begin.seen
    assert equal(after[-1], before[-1])
    if not step:
        assert after[3] == 0  # Adam knows nothing yet
    assert [(q.purpose, q.round) for q in active.pool.store.queries()] == [("seed", 0), ("round", 1), ("round", 2)]
    assert [(r.number, r.labels, r.train_size) for r in active.pool.store.rounds()] == [
        (1, 16, 16),
        (2, 32, 32),
        (3, 48, 48),
    ]
