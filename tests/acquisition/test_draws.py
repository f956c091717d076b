"""Draws of a model's parameters: what they leave alone, what they are, and whole rounds with them."""

import copy
import random

import numpy as np
import pytest
import torch
from transformers import BertForSequenceClassification, DataCollatorForTokenClassification, DataCollatorWithPadding

from hfal import ActiveLearningCallback, Pool, SimulatedAnnotator, TokenScore
from hfal.acquisition.draws import committee, mc_dropout
from hfal.acquisition.forward import forward_columns
from hfal.acquisition.scoring import ScoringPass
from hfal.errors import ArgumentError, ScoringError
from hfal.store.run_directory import round_folder
from hfal.strategies import bald, entropy
from hfal.tasks.registry import make_task
from support.models import tiny_config, tiny_model, tiny_tagger


@pytest.fixture
def model() -> BertForSequenceClassification:
    """Untrained, but sure of what it says, so that dropping features matters."""
    model = tiny_model()
    with torch.no_grad():
        model.classifier.weight.mul_(50)
    return model.train()


@pytest.fixture(scope="module")
def texts(reviews):
    return reviews.select(range(60))


def inputs_of(rows, tokenizer) -> dict[str, torch.Tensor]:
    names = ("input_ids", "token_type_ids", "attention_mask")
    return dict(tokenizer.pad({name: list(rows[name]) for name in names}, return_tensors="pt"))


def score(model, data, tokenizer, **options) -> dict[str, np.ndarray]:
    options = {"keep": frozenset({"draws"}), "token_budget": 300, **options}
    scoring = ScoringPass(
        model,
        data.select_columns(forward_columns(model, data.column_names)),
        np.array([len(row) for row in data["input_ids"][:]]),
        DataCollatorWithPadding(tokenizer),
        token_budget=options.pop("token_budget"),
    )
    return scoring.run(np.arange(len(data)), **options)


def state_of(model: torch.nn.Module) -> tuple:
    generators = torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(), random.getstate()
    hooks = [(len(m._forward_hooks), len(m._forward_pre_hooks)) for m in model.modules()]
    tensors = [t.clone() for t in [*model.parameters(), *model.buffers()]]
    return generators, hooks, [m.training for m in model.modules()], tensors


def assert_same_state(before: tuple, after: tuple) -> None:
    assert before[:3] == after[:3]
    assert all(torch.equal(a, b) for a, b in zip(before[3], after[3], strict=True))


# -- Monte-Carlo dropout -------------------------------------------------------------------------------------------


class WithBatchNorm(torch.nn.Module):
    """A model whose batch normalization would learn from what it sees if it were in `train()`."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = torch.nn.Embedding(30522, 16)
        self.norm = torch.nn.BatchNorm1d(16)
        self.dropout = torch.nn.Dropout(0.3)
        self.head = torch.nn.Linear(16, 2)

    def forward(self, input_ids, attention_mask):
        mean = (self.embed(input_ids) * attention_mask[..., None]).sum(1) / attention_mask.sum(1, keepdim=True)
        return {"logits": self.head(self.dropout(self.norm(mean)))}


@pytest.mark.parametrize("make", [tiny_model, WithBatchNorm])
def test_dropout_leaves_modes_weights_hooks_and_generators_as_they_were(make, texts, tokenizer):
    model = make().train()
    next(iter(model.children())).eval()  # some frozen by hand, as people do
    before = state_of(model)
    with mc_dropout(model, 3, [1]) as draws:
        found = score(model, texts, tokenizer, draws=draws)["draws"]
    assert found.shape == (60, 3, 2)
    assert_same_state(before, state_of(model))
    with pytest.raises(RuntimeError, match="in the middle"), mc_dropout(model, 2, [1]):
        raise RuntimeError("in the middle")
    assert_same_state(before, state_of(model))


def test_a_draw_is_the_same_for_an_example_alone_and_in_any_batch(model, texts, tokenizer):
    with mc_dropout(model, 4, [7]) as draws, torch.no_grad():
        alone = np.stack(
            [
                np.stack(
                    [draw(**inputs_of(texts[[row]], tokenizer))["logits"].softmax(-1)[0].numpy() for draw in draws]
                )
                for row in range(len(texts))
            ]
        )
    for budget in (64, 300, 10_000):
        with mc_dropout(model, 4, [7]) as draws:
            found = score(model, texts, tokenizer, draws=draws, token_budget=budget)["draws"]
        np.testing.assert_allclose(found, alone, atol=1e-5)
    assert np.abs(alone[:, 0] - alone[:, 1]).max() > 0.01
    with mc_dropout(model, 4, [8]) as draws:
        other = score(model, texts, tokenizer, draws=draws)["draws"]
    assert np.abs(other - alone).max() > 0.01


def test_what_is_dropped_is_a_share_p_of_the_features_of_all_tokens_and_the_rest_is_scaled(model, texts, tokenizer):
    seen: dict[str, list[tuple[torch.Tensor, torch.Tensor]]] = {}
    layers = {n: m for n, m in model.named_modules() if isinstance(m, torch.nn.Dropout)}
    inputs = inputs_of(texts[:8], tokenizer)
    dropped = []
    with mc_dropout(model, 50, [3]) as draws, torch.no_grad():
        for name, layer in layers.items():  # called behind the hooks of mc_dropout
            layer.register_forward_hook(lambda m, i, o, name=name: seen.setdefault(name, []).append((i[0], o)))
        for draw in draws:
            seen.clear()
            draw(**inputs)
            for name, ((before, after),) in seen.items():
                mask = after / torch.where(before == 0, 1.0, before)
                mask = mask.reshape(-1, mask.shape[-1])
                known = (before != 0).reshape(mask.shape)
                p = layers[name].p
                of_feature = mask.max(0).values
                assert torch.allclose(torch.where(known, mask, of_feature), of_feature.expand_as(mask), atol=1e-4)
                assert set(of_feature.mul(1 - p).round(decimals=3).tolist()) <= {0.0, 1.0}
                dropped.append((of_feature == 0).double().mean().item())
    # p = 0.1; 50 draws of 6 layers of 32 features, standard deviation 0.003
    assert len(seen) == 6
    assert abs(np.mean(dropped) - 0.1) < 0.015


def test_a_plain_pass_within_the_block_drops_nothing(model, texts, tokenizer):
    plain = score(model, texts, tokenizer, keep=frozenset({"probabilities"}))["probabilities"]
    with mc_dropout(model, 2, [1]) as draws:
        both = score(model, texts, tokenizer, keep=frozenset({"probabilities", "draws"}), draws=draws)
    assert (both["probabilities"] == plain).all()


def test_a_model_without_dropout_is_refused_with_what_to_do(tmp_path, texts, tokenizer, make_trainer):
    config = tiny_config(2)
    config.hidden_dropout_prob = 0.0
    # A BERT has layers for the dropout of attention weights, too, but calls a function of their probability.
    model = BertForSequenceClassification(config)
    message = r"calls no dropout layer with a probability above 0.*committee=3"
    with mc_dropout(model, 2, [1]) as draws, pytest.raises(ArgumentError, match=message):
        draws[0](**inputs_of(texts[:2], tokenizer))
    config.attention_probs_dropout_prob = 0.0
    pool = Pool(texts, tmp_path, "text", "label")
    active = ActiveLearningCallback(pool, strategy="bald", annotator=SimulatedAnnotator(pool), query_size=6)
    with pytest.raises(ArgumentError, match=message):
        active.run(make_trainer([active], model=BertForSequenceClassification(config)), rounds=2)
    assert not pool.store.queries()


def test_scores_of_draws_take_so_many_passes_and_no_other(model, texts, tokenizer):
    calls = []
    model.register_forward_pre_hook(lambda *_: calls.append(1))
    one = score(model, texts, tokenizer, keep=frozenset({"scores"}), score=entropy)
    batches = len(calls)
    calls.clear()
    with mc_dropout(model, 5, [1]) as draws:
        two = score(model, texts, tokenizer, keep=frozenset({"scores"}), score=bald, draws=draws)
    assert len(calls) == 5 * batches
    calls.clear()
    with mc_dropout(model, 5, [1]) as draws:
        kept = score(model, texts, tokenizer, draws=draws)["draws"].astype(np.float64)
    assert len(calls) == 5 * batches

    def h(p):
        return -(p * np.log(p)).sum(-1)

    np.testing.assert_allclose(two["scores"], h(kept.mean(1)) - h(kept).mean(1), atol=1e-5)
    assert one["scores"].shape == two["scores"].shape == (60,)
    with pytest.raises(ScoringError, match=r"of draws .* and there are none"):
        score(model, texts, tokenizer, keep=frozenset({"scores"}), score=bald)


# -- committee -----------------------------------------------------------------------------------------------------


def test_a_committee_of_models_or_of_tensors_votes_as_its_members_do(model, texts, tokenizer):
    others = [tiny_model(1), tiny_model(2)]
    for other in others:
        with torch.no_grad():
            other.classifier.weight.mul_(30)
    alone = [score(m, texts, tokenizer, keep=frozenset({"probabilities"}))["probabilities"] for m in (model, *others)]
    before = state_of(model)
    for members in (others, [copy.deepcopy(other).state_dict() for other in others]):
        with committee(model, members) as draws:
            found = score(model, texts, tokenizer, draws=draws)["draws"]
        np.testing.assert_allclose(found, np.stack(alone, axis=1), atol=1e-6)
    assert_same_state(before, state_of(model))
    with pytest.raises(ArgumentError, match="no member beside the model"), committee(model, []):
        pass


# -- whole rounds --------------------------------------------------------------------------------------------------


def reference(strategy: str, draws: np.ndarray) -> np.ndarray:
    """float[N] of float64[N, T, C], written anew."""
    if strategy == "vote_entropy":
        votes = np.array([np.bincount(row.argmax(-1), minlength=row.shape[-1]) for row in draws]) / draws.shape[1]
        return np.array([-sum(v * np.log(v) for v in row if v > 0) for row in votes])
    mean = draws.mean(1, keepdims=True)
    return (draws * np.log(draws / mean)).sum(-1).mean(-1)


@pytest.mark.parametrize("strategy", ["mean_kl", "vote_entropy"])
def test_a_committee_of_the_last_rounds(tmp_path, texts, tokenizer, make_trainer, strategy):
    pool = Pool(texts, tmp_path / "run", "text", "label")
    active = ActiveLearningCallback(
        pool, strategy=strategy, annotator=SimulatedAnnotator(pool), query_size=6, committee=3, token_budget=300
    )
    # At which each round ends somewhere else, so that they disagree.
    trainer = make_trainer([active], learning_rate=0.02, num_train_epochs=3)
    queries = {}
    for round in active.rounds(trainer, 4):
        trainer.train(resume_from_checkpoint=round.checkpoint)
        query = pool.store.query_of_round(round.number)
        if query is None:
            continue
        # The models of this round and of the two before, read from the disk by plain transformers.
        numbers = range(max(round.number - 2, 1), round.number + 1)
        members = [
            BertForSequenceClassification.from_pretrained(round_folder(pool.run_dir, n) / "model") for n in numbers
        ]
        rows = texts.select(pool.positions([e.example_id for e in query.examples]))
        draws = np.stack(
            [score(m, rows, tokenizer, keep=frozenset({"probabilities"}))["probabilities"] for m in members], axis=1
        ).astype(np.float64)
        if round.number == 1:  # a committee of one
            assert query.strategy == "random"
            assert "draws" not in query.settings
        else:
            np.testing.assert_allclose([e.score for e in query.examples], reference(strategy, draws), atol=1e-5)
            assert query.settings["draws"] == f"committee of {round.number} rounds"
        same = members[-1].state_dict()
        assert all(torch.equal(t, same[n]) for n, t in trainer.model.state_dict().items())
        queries[round.number] = [e.score for e in query.examples]
    assert queries.keys() == {1, 2, 3}
    assert max(max(queries[2]), max(queries[3])) > 0


def test_a_committee_that_grows_takes_the_models_that_are_there(tmp_path, texts, make_trainer, caplog):
    pool = Pool(texts, tmp_path / "run", "text", "label")
    options = {"annotator": SimulatedAnnotator(pool), "query_size": 6}
    active = ActiveLearningCallback(pool, strategy="margin", **options)
    active.run(make_trainer([active]), rounds=3)
    active = ActiveLearningCallback(pool, strategy="mean_kl", committee=4, **options)
    active.run(make_trainer([active]), rounds=6)
    drawn = {q.round: q.settings.get("draws", q.strategy) for q in pool.store.queries() if q.round > 2}
    # Only the last round's model was kept until then.
    assert drawn == {3: "random", 4: "committee of 2 rounds", 5: "committee of 3 rounds"}
    assert "the committee is smaller: of 2 earlier models 0 are whole" in caplog.text


def test_a_committee_of_other_models(tmp_path, texts, make_trainer):
    pool = Pool(texts, tmp_path / "run", "text", "label")
    others = [tiny_model(seed) for seed in (1, 2)]
    active = ActiveLearningCallback(
        pool, strategy="mean_kl", annotator=SimulatedAnnotator(pool), query_size=6, committee=others
    )
    active.run(make_trainer([active]), rounds=2)
    _, query = pool.store.queries()
    assert query.settings["draws"] == "committee of 3 models"
    assert all(e.score > 0 for e in query.examples)


def test_a_committee_of_several_seeds_also_after_a_restart(tmp_path, texts, make_trainer):
    def run(folder, *rounds):
        pool = Pool(texts, tmp_path / folder, "text", "label")
        trained = []

        def of_other_seeds(number: int) -> list[torch.nn.Module]:
            """Models that are trained on the same labels."""
            trained.append(number)
            others = [make_trainer(train_dataset=pool.labeled, learning_rate=0.02, seed=seed) for seed in (1, 2)]
            for other in others:
                other.train()
            return [other.model for other in others]

        for number in rounds:  # each as a script that is started again
            active = ActiveLearningCallback(
                pool, strategy="mean_kl", annotator=SimulatedAnnotator(pool), query_size=6, committee=of_other_seeds
            )
            active.run(make_trainer([active], learning_rate=0.02), rounds=number)
        assert trained == [1, 2]
        queries = [query for query in pool.store.queries() if query.round]
        assert {query.settings["draws"] for query in queries} == {"committee of 3 models"}
        assert all(e.score > 0 for query in queries for e in query.examples)
        return [[(e.example_id, e.score) for e in query.examples] for query in queries]

    assert run("at once", 3) == run("one by one", 1, 2, 3)


def test_dropout_in_whole_rounds_asks_the_same_for_the_same_seed(tmp_path, texts, make_trainer):
    found = []
    for name, data in (("a", texts), ("b", texts.shuffle(seed=1)), ("other", texts)):
        pool = Pool(data, tmp_path / name, "text", "label")
        active = ActiveLearningCallback(
            pool,
            strategy="bald",
            annotator=SimulatedAnnotator(pool),
            query_size=6,
            passes=4,
            token_budget=300,
            seed=2 if name == "other" else 1,
        )
        active.run(make_trainer([active]), rounds=2)
        seed_set, query = pool.store.queries()
        assert query.settings["draws"] == "dropout, 4 passes"
        found.append(([e.example_id for e in seed_set.examples], [(e.example_id, e.score) for e in query.examples]))
    assert found[0] == found[1]
    assert found[0] != found[2]


@pytest.mark.parametrize("name", ["bald", "vote_entropy", "mean_kl"])
def test_words_are_scored_by_draws(sentences, tokenizer, name):
    model, data = tiny_tagger(), sentences.select(range(40))
    with torch.no_grad():
        model.classifier.weight.mul_(20)
    task = make_task("token_classification", data, ["tokens"], "ner_tags", None)
    columns = ["input_ids", "token_type_ids", "attention_mask"]
    with mc_dropout(model, 3, [5]) as draws:
        scoring = ScoringPass(
            model,
            data.select_columns([*columns, "word_ids"]),
            np.array([len(row) for row in data["input_ids"][:]]),
            task.collator(DataCollatorForTokenClassification(tokenizer), columns),
            signals=task.signals,
            token_budget=256,
        )
        found = scoring.run(
            np.arange(len(data)), keep=frozenset({"scores"}), score=TokenScore(name, aggregate="max"), draws=draws
        )["scores"]
        for row in range(len(data)):
            inputs = {name: torch.tensor([data[row][name]]) for name in columns}
            with torch.no_grad():
                drawn = np.stack([d(**inputs)["logits"].softmax(-1)[0].double().numpy() for d in draws], axis=1)
            ids = data[row]["word_ids"]
            first = [i for i, w in enumerate(ids) if w is not None and (i == 0 or ids[i - 1] != w)]
            expected = reference("vote_entropy" if name == "vote_entropy" else "mean_kl", drawn[first]).max()
            assert found[row] == pytest.approx(expected, abs=1e-5)


def test_bad_arguments(tmp_path, texts, make_trainer, caplog):
    pool = Pool(texts, tmp_path / "run", "text", "label")
    for options, message in (
        ({"passes": 1}, "passes=1, expected at least 2"),
        ({"committee": 1}, "committee=1, expected at least 2"),
        ({"passes": 2.5}, "passes=2.5, expected a whole number"),
        ({"committee": []}, "committee is empty, expected at least one model"),
        ({"committee": tiny_model()}, "committee is a BertForSequenceClassification, expected a number of rounds"),
        ({"committee": lambda: []}, "committee takes 0 arguments, expected one"),
        ({"committee": ["path"]}, "a member of the committee is a str, expected a model"),
        ({"committee": [BertForSequenceClassification(tiny_config(3))]}, "a member of the committee has the labels"),
    ):
        with pytest.raises(ArgumentError, match=message):
            ActiveLearningCallback(pool, strategy="bald", **options)
    active = ActiveLearningCallback(
        pool, strategy="bald", annotator=SimulatedAnnotator(pool), query_size=6, committee=2
    )
    active.acquisition.first.propose_seed_set()
    active.annotate()
    trainer = make_trainer([active], train_dataset=pool.labeled)
    with pytest.raises(ArgumentError, match=r"only run\(\) and rounds\(\) keep"):
        trainer.train()
    assert trainer.state.global_step == 0  # before anything was trained
    ActiveLearningCallback(pool, strategy="margin", committee=5)
    assert "committee= is not used" in caplog.text
