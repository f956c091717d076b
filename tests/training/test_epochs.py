"""At least so many steps in a round with few labels."""

import math

import pytest
from transformers import Trainer, TrainerCallback, TrainingArguments

from hfal import ActiveLearningCallback, Answer, Pool, SimulatedAnnotator
from hfal.config.arguments import ActiveLearningArguments
from hfal.config.kept_config import parse_arguments
from hfal.errors import ArgumentError
from hfal.training.epochs import epochs_of
from support.models import tiny_model


class Watch(TrainerCallback):
    """Notes the steps of each training, and the loss that it trained with."""

    def __init__(self) -> None:
        self.steps: list[int] = []

    def on_train_end(self, args, state, control, **kwargs):
        self.steps.append(state.global_step)


def test_rounds_with_few_labels_have_more_epochs_and_the_arguments_are_put_back(tmp_path, reviews, make_trainer):
    pool = Pool(reviews, tmp_path / "run", "text", "label")
    watch = Watch()
    active = ActiveLearningCallback(
        pool, strategy="random", annotator=SimulatedAnnotator(pool), query_size=24, min_steps=10
    )
    trainer = make_trainer([active, watch], num_train_epochs=2)  # in batches of 8
    active.run(trainer, rounds=3)
    assert watch.steps == [10, 12, 18]  # more than 3 epochs of 3 steps, 2 epochs of 6, 2 epochs of 9
    assert trainer.args.num_train_epochs == 2


def test_max_steps_go_before(tmp_path, reviews, make_trainer):
    pool = Pool(reviews, tmp_path / "run", "text", "label")
    watch = Watch()
    active = ActiveLearningCallback(pool, annotator=SimulatedAnnotator(pool), query_size=8, min_steps=10)
    active.run(make_trainer([active, watch], max_steps=3), rounds=1)
    assert watch.steps == [3]


@pytest.mark.parametrize("examples", [1, 7, 8, 9, 64, 100])
@pytest.mark.parametrize(("accumulate", "drop_last"), [(1, False), (3, False), (1, True)])
def test_steps_are_counted_as_the_trainer_does(tmp_path, reviews, examples, accumulate, drop_last):
    args = TrainingArguments(
        str(tmp_path),
        per_device_train_batch_size=8,
        gradient_accumulation_steps=accumulate,
        dataloader_drop_last=drop_last and examples >= 8,
        num_train_epochs=1.5,
        use_cpu=True,
        report_to="none",
    )
    args.num_train_epochs = epochs_of(args, examples, 20)
    trainer = Trainer(tiny_model(), args, train_dataset=reviews.select(range(examples)))
    loader = trainer.get_train_dataloader()
    steps_of_epoch, steps = (trainer.set_initial_training_values(args, loader)[n] for n in (1, 6))
    assert steps == max(20, math.ceil(1.5 * steps_of_epoch))
    assert epochs_of(TrainingArguments(str(tmp_path), num_train_epochs=1.5), examples, 0) == 1.5


def test_who_sets_epochs_gets_no_other_steps(tmp_path):
    def min_steps(*argv):
        (al,) = parse_arguments((ActiveLearningArguments,), ["--data", "x.csv", *argv])
        return al.callback_options()["min_steps"]

    assert min_steps() == 100
    assert min_steps("--min_steps", "7") == 7
    al, _ = parse_arguments((ActiveLearningArguments, TrainingArguments), ["--data", "x", "--num_train_epochs", "3"])
    assert al.callback_options()["min_steps"] == 0


class SkipsMost(SimulatedAnnotator):
    """Has no answer to any but the first four questions of a query."""

    def annotate(self, query):
        for number, answer in enumerate(super().annotate(query)):
            yield answer if number < 4 else Answer(answer.example_id, None, action="skip")


def test_a_round_without_a_step_is_an_error_and_not_recorded_as_trained(make_active, make_trainer):
    active = make_active()
    active.annotator = SkipsMost(active.pool)
    message = "dataloader_drop_last=True .* 4 labeled examples do not fill one of 8"
    with pytest.raises(ArgumentError, match=message) as caught:
        active.run(make_trainer([active], dataloader_drop_last=True), rounds=2)
    assert "\n" not in str(caught.value)
    assert [record.trained for record in active.pool.store.rounds()] == [None]
    assert [query.purpose for query in active.pool.store.queries()] == ["seed"]
    again = make_active()
    assert [record.train_size for record in again.run(make_trainer([again]), rounds=2)] == [4, 14]


def test_a_first_round_that_could_not_make_a_step_is_refused_before_anybody_is_asked(make_active, make_trainer):
    options = {"dataloader_drop_last": True, "per_device_train_batch_size": 16}
    active = make_active()
    with pytest.raises(ArgumentError, match="10 labeled examples do not fill one of 16, so nothing would be trained"):
        active.run(make_trainer([active], **options), rounds=1)
    assert active.pool.store.queries() == []
    enough = make_active(seed_size=16)
    assert len(enough.run(make_trainer([enough], **options), rounds=1)) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_train_epochs": 0}, "without a single step"),
        (
            {"dataloader_drop_last": True, "per_device_train_batch_size": 16, "max_steps": 3},
            "10 labeled examples do not fill one of 16",
        ),
    ],
)
def test_a_plain_training_without_a_step_proposes_no_query(make_active, make_trainer, options, message):
    active = make_active(seed_strategy="random")
    active.acquisition.first.propose_seed_set()
    active.annotate()
    trainer = make_trainer([active], train_dataset=active.pool.labeled, **options)
    with pytest.raises(ArgumentError, match=message):
        trainer.train()
    assert active.pool.store.rounds() == []
