"""What does not fit is said before anything is asked."""

import pytest
import torch
from datasets import ClassLabel, Value

from support.models import NAMES, tiny_model
from support.texts import load_reviews


def complains(active, trainer, complaint, rounds=2, error=ValueError) -> None:
    with pytest.raises(error, match=complaint):
        active.run(trainer, rounds=rounds)
    assert active.pool.store.queries() == []


def test_optimizers_are_refused(make_active, make_trainer):
    active, model = make_active(), tiny_model()
    optimizer = torch.optim.AdamW(model.parameters())
    scheduler = torch.optim.lr_scheduler.ConstantLR(optimizer)
    for optimizers in ((optimizer, scheduler), (optimizer, None)):
        complains(active, make_trainer([active], model=model, optimizers=optimizers), "optimizers= was passed")


def test_a_trainer_without_model_and_model_init_is_refused_by_itself(make_active, make_trainer):
    with pytest.raises(RuntimeError, match="requires either a `model` or `model_init`"):
        make_trainer([make_active()], model=None)


def test_a_model_that_was_trained_before_cannot_begin_from_scratch(make_active, make_trainer, reviews):
    active = make_active()
    trainer = make_trainer([], model=tiny_model(), train_dataset=reviews.select(range(8)))
    trainer.train()
    trainer.add_callback(active)
    complains(active, trainer, "needs weights to begin with.*pass model_init=")


def test_a_trainer_without_the_callback(make_active, make_trainer):
    complains(make_active(), make_trainer([]), r"pass callbacks=\[active\]")


def test_a_callback_without_an_annotator(make_active, make_trainer):
    active = make_active(annotator=None)
    complains(active, make_trainer([active]), "annotator is missing")


def test_a_model_with_another_number_of_classes(make_active, make_trainer):
    active, model = make_active(), tiny_model()
    model.config.num_labels = 5
    complains(active, make_trainer([active], model=model), "the model has 5 classes, but the pool has 2 label names")


def test_texts_longer_than_the_model_can_take(make_active, make_trainer, tokenizer):
    data = load_reviews(20)
    long = tokenizer("word " * 10_000)  # not truncated
    data = data.map(lambda row, i: {**row, **long} if i == 3 else row, with_indices=True)
    active = make_active(data=data)
    long_id = active.pool.ids[3].as_py()
    complains(
        active, make_trainer([active]), f"more than the 512 tokens .*ids {long_id}, longest 10002.*max_length=512"
    )


def test_a_pool_that_is_not_tokenized(make_active, make_trainer, reviews):
    active = make_active(data=reviews.remove_columns(["input_ids", "attention_mask", "token_type_ids"]))
    complains(active, make_trainer([active]), r"tokenize it first.*\n.*dataset\.map")


def test_a_holdout_beside_an_eval_dataset(make_active, make_trainer, eval_reviews):
    active = make_active(holdout=5)
    complains(active, make_trainer([active], eval_dataset=eval_reviews), "leave one of them out")


def test_a_holdout_that_leaves_nothing_to_ask(make_active, make_trainer, reviews):
    active = make_active(data=reviews.select(range(20)), holdout=20)
    complains(active, make_trainer([active]), "holdout=20 of 20 unlabeled examples leaves nothing")


def test_a_collator_that_needs_labels(make_active, make_trainer, tokenizer):
    def collate(rows):
        return {**tokenizer.pad(rows, return_tensors="pt"), "labels": torch.tensor([row["label"] for row in rows])}

    active = make_active()
    complains(active, make_trainer([active], data_collator=collate), "cannot collate unlabeled .*KeyError: 'label'")


@pytest.mark.parametrize("kind", ["pandas", "arrow", "custom"])
def test_rows_in_a_format_that_no_collator_takes(make_active, make_trainer, reviews, kind):
    changed = reviews.with_transform(lambda batch: {"x": batch["text"]}) if kind == "custom" else None
    active = make_active(data=changed or reviews.with_format(kind))
    said = r"has (a transform|the format 'pandas'|the format 'arrow'): pass Pool\(dataset.with_format\(None\), ...\)"
    complains(active, make_trainer([active]), said)
    again = make_active(data=active.pool.dataset.with_format(None))
    assert len(again.run(make_trainer([again]), rounds=1)) == 1


@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_rows_in_a_format_that_collators_take(make_active, make_trainer, reviews, kind):
    active = make_active(data=reviews.with_format(kind))
    assert len(active.run(make_trainer([active]), rounds=1)) == 1


def test_an_eval_dataset_whose_labels_are_numbered_otherwise(make_active, make_trainer, eval_reviews):
    active = make_active()
    swapped = eval_reviews.remove_columns("label").add_column(
        "label", eval_reviews["label"][:], feature=ClassLabel(names=NAMES[::-1])
    )
    complains(
        active, make_trainer([active], eval_dataset={"a": swapped}), "numbers its labels positive, negative, the"
    )


@pytest.mark.parametrize(("wrong", "shown"), [(-1, "-1"), (None, "None"), (2, "2")])
def test_an_eval_dataset_with_a_label_that_is_no_number_of_a_name(
    make_active, make_trainer, eval_reviews, wrong, shown
):
    active = make_active()
    labels = [*eval_reviews["label"][:-1], wrong]
    some = eval_reviews.remove_columns("label").add_column("label", labels, feature=Value("int64"))
    complains(
        active,
        make_trainer([active], eval_dataset=some),
        rf"has {shown} in column 'label', expected the number .* 0 to 1 for negative, positive: pass eval_dataset=",
    )


def test_an_eval_dataset_whose_numbers_are_names_of_labels(make_active, make_trainer, reviews, eval_reviews):
    def from_one(data):
        labels = [label + 1 for label in data["label"]]
        return data.remove_columns("label").add_column("label", labels, feature=Value("int64"))

    active = make_active(data=from_one(reviews))
    assert active.pool.label_names == ("1", "2")
    ones = from_one(eval_reviews).filter(lambda row: row["label"] == 1)
    complains(active, make_trainer([active], eval_dataset=ones), "has 1 in column 'label', expected the number of a")
    assert active.pool.with_labels(ones)["label"][:] == [0] * len(ones)


def test_a_target_without_anything_to_evaluate_on_or_of_an_unknown_name(make_active, make_trainer, eval_reviews):
    active = make_active(target_metric="accuracy", target=0.9)
    complains(active, make_trainer([active]), "needs an eval_dataset")
    with pytest.raises(ValueError, match="'accuracy' is no metric of the Trainer; it gave: eval_loss"):
        active.run(make_trainer([active], eval_dataset=eval_reviews), rounds=2)
