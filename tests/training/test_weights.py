"""The checkpoints and models of rounds on the disk: which are whole, which is gone on from, what a full disk does."""

import contextlib
import json
import logging
import resource
import shutil
import signal
from pathlib import Path

import pytest
import torch
from transformers import BertForSequenceClassification, DataCollatorWithPadding, Trainer, TrainingArguments

from hfal import ActiveLearningCallback, Pool, SimulatedAnnotator
from hfal.errors import RunDirectoryError
from hfal.store.run_directory import initial_model, model_folder, round_folder
from hfal.training.weights import fits, last_whole_checkpoint, save_model
from support.models import tiny_config, tiny_model, tiny_model_init
from support.texts import load_reviews, load_tokenizer
from support.training import InterruptAt


STEPS = {"num_train_epochs": 4, "save_strategy": "epoch"}
ROUND_2 = ["checkpoint-3", "checkpoint-6"]  # of 20 labels in batches of 8, until it is interrupted


def half(file: Path) -> None:
    """Leave the first half of a file, as a full disk does."""
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def queries(active) -> list[list[tuple[str, float]]]:
    return [[(e.example_id, e.score) for e in query.examples] for query in active.pool.store.queries()]


class InterruptRound2(InterruptAt):
    """Ctrl-C behind the second checkpoint of round 2."""

    def on_step_end(self, args, state, control, **kwargs):
        if self.trains == 2 and state.global_step == 8:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A folder with a run of three rounds that nothing has happened to, and one that was interrupted in its second."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("runs")
    arguments = {"per_device_train_batch_size": 8, "learning_rate": 1e-3, "report_to": "none", "use_cpu": True}
    for name, callbacks in (("whole", []), ("cut", [InterruptRound2("ctrl-c")])):
        pool = Pool(load_reviews(300), folder / name, "text", "label")
        active = ActiveLearningCallback(pool, strategy="margin", query_size=10, annotator=SimulatedAnnotator(pool))
        args = TrainingArguments(str(folder / "trainer"), disable_tqdm=True, **arguments, **STEPS)
        trainer = Trainer(model_init=tiny_model_init, args=args, callbacks=[active, *callbacks])
        trainer.data_collator = DataCollatorWithPadding(load_tokenizer())
        with contextlib.suppress(KeyboardInterrupt):
            active.run(trainer, rounds=3)
        pool.store.close()
    assert sorted(path.name for path in (folder / "cut" / "rounds" / "002").glob("checkpoint-*")) == ROUND_2
    return folder


@pytest.fixture
def whole(made, make_active):
    """The run that nothing has happened to."""
    return make_active(made / "whole")


@pytest.fixture
def cut(made, tmp_path) -> Path:
    """A copy of the folder of the interrupted round."""
    return round_folder(Path(shutil.copytree(made / "cut", tmp_path / "run")), 2)


def spoil(folder: Path, name: str) -> None:
    """Damage a file of a checkpoint."""
    match name:
        case "trainer_state.json of {}":
            (folder / "trainer_state.json").write_text("{}")
        case "no optimizer.pt":
            (folder / "optimizer.pt").unlink()
        case "empty model.safetensors":
            (folder / "model.safetensors").write_bytes(b"")
        case _:
            half(folder / name)


SPOILED = [
    "model.safetensors",
    "empty model.safetensors",
    "config.json",
    "optimizer.pt",
    "no optimizer.pt",
    "scheduler.pt",
    "rng_state.pth",
    "trainer_state.json",
    "trainer_state.json of {}",
]


def test_every_damage_to_a_checkpoint_is_seen_and_the_newest_whole_one_taken(cut, tmp_path, caplog):
    for name in SPOILED:
        copy = tmp_path / name
        shutil.copytree(cut, copy)
        assert last_whole_checkpoint(copy) == str(copy / ROUND_2[1])
        spoil(copy / ROUND_2[1], name)
        caplog.clear()
        assert last_whole_checkpoint(copy) == str(copy / ROUND_2[0]), name
        (line,) = caplog.messages
        assert line.startswith(f"{copy / ROUND_2[1]} is passed over: ")
        assert name.split()[-1].removeprefix("{}") in line or name.split()[0] in line
        spoil(copy / ROUND_2[0], name)
        assert last_whole_checkpoint(copy) is None, name
    assert last_whole_checkpoint(tmp_path / "nothing") is None


def test_a_checkpoint_that_was_not_saved_to_its_end_is_passed_over(cut, caplog):
    (cut / ROUND_2[1] / "checkpoint-is-incomplete.txt").touch()
    assert last_whole_checkpoint(cut) == str(cut / ROUND_2[0])
    (cut / ROUND_2[0] / "trainer_state.json").unlink()
    assert last_whole_checkpoint(cut) is None
    assert "not saved to its end" in caplog.text


def test_a_checkpoint_whose_best_model_is_damaged_ends_with_another_one_and_is_passed_over(cut):
    file = cut / ROUND_2[1] / "trainer_state.json"
    state = json.loads(file.read_text())
    file.write_text(json.dumps({**state, "best_model_checkpoint": str(cut / ROUND_2[0])}))
    half(cut / ROUND_2[0] / "model.safetensors")
    assert last_whole_checkpoint(cut, best_is_loaded=False) == str(cut / ROUND_2[1])
    assert last_whole_checkpoint(cut, best_is_loaded=True) is None


@pytest.mark.parametrize("damaged", [1, 2], ids=["the newest", "all of them"])
def test_a_run_goes_on_from_an_older_checkpoint_or_from_the_beginning_to_the_same_queries(
    whole, cut, make_active, make_trainer, caplog, damaged
):
    for name in ROUND_2[-damaged:]:
        half(cut / name / "optimizer.pt")
    again, resumed = make_active(cut.parents[1]), []
    trainer = make_trainer([again], **STEPS)
    for current in again.rounds(trainer, 3):
        resumed.append(current.checkpoint and Path(current.checkpoint).name)
        trainer.train(resume_from_checkpoint=current.checkpoint)
    assert resumed == [ROUND_2[0] if damaged == 1 else None, None]
    assert caplog.text.count("is passed over: optimizer.pt is cut off or damaged") == damaged
    assert queries(again) == queries(whole)


@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_a_trained_round_whose_model_is_damaged_is_trained_again_to_the_same_query(
    whole, make_active, make_trainer, caplog, damage
):
    active = make_active()
    rounds = active.rounds(trainer := make_trainer([active], **STEPS), 3)
    trainer.train(resume_from_checkpoint=next(rounds).checkpoint)
    rounds.close()  # the model is saved and the query recorded, but not that the round is over
    active.pool.store.close()
    model = model_folder(active.pool.run_dir, 1)
    half(model / "model.safetensors") if damage == "cut" else shutil.rmtree(model)
    again = make_active()
    again.run(make_trainer([again], **STEPS), rounds=3)
    assert f"{model} is damaged" in caplog.text
    assert "round 1 is trained again, on the same labels" in caplog.text
    assert queries(again) == queries(whole)


def test_a_finished_round_whose_model_is_damaged_is_trained_again_to_make_its_query(
    whole, make_active, make_trainer, caplog
):
    short = make_active()
    short.run(make_trainer([short], **STEPS), rounds=2)
    half(model_folder(short.pool.run_dir, 2) / "model.safetensors")
    again = make_active()
    assert len(again.run(make_trainer([again], **STEPS), rounds=2)) == 2  # which needs no model
    assert "the Trainer does not have the model of round 2" in caplog.text
    again.run(make_trainer([again], **STEPS), rounds=3)
    assert "round 2 is trained again" in caplog.text
    assert queries(again) == queries(whole)


def test_a_round_that_begins_with_a_damaged_model_is_refused_in_one_line_before_anybody_is_asked(
    make_active, make_trainer
):
    active = make_active(retrain="continue")
    active.run(make_trainer([active]), rounds=2)
    labels = len(active.pool.labels())
    folder = model_folder(active.pool.run_dir, 2)
    half(folder / "model.safetensors")
    again = make_active(retrain="continue")
    with pytest.raises(RunDirectoryError, match=rf"{folder} is damaged \(model.safetensors is cut off") as caught:
        again.run(make_trainer([again]), rounds=3)
    assert "\n" not in str(caught.value)
    assert len(again.pool.labels()) == labels


def test_a_damaged_initial_model_is_replaced_and_that_is_said(make_active, make_trainer, caplog):
    active = make_active()
    active.run(make_trainer([active], model=tiny_model()), rounds=1)
    folder = initial_model(active.pool.run_dir)
    before = (folder / "model.safetensors").read_bytes()
    for name in ("model.safetensors", "config.json"):
        half(folder / name)
        again = make_active()
        caplog.clear()
        again.run(make_trainer([again], model=tiny_model()), rounds=1)
        assert f"{folder} is damaged ({name}" in caplog.text
        assert (folder / "model.safetensors").read_bytes() == before


def test_a_committee_does_without_a_damaged_member(make_active, make_trainer, caplog):
    caplog.set_level(logging.WARNING)
    options = {"strategy": "bald", "committee": 3}
    active = make_active(**options)
    active.run(make_trainer([active]), rounds=3)
    half(model_folder(active.pool.run_dir, 1) / "model.safetensors")
    again = make_active(**options)
    again.run(make_trainer([again]), rounds=4)
    assert "the committee is smaller: of 2 earlier models 1 are whole" in caplog.text


# -- a full disk ---------------------------------------------------------------------------------------------------


@pytest.fixture
def file_size():
    """A function that limits how large a file may get, to what a full disk does to it: an error in mid-write."""
    handler, limits = signal.signal(signal.SIGXFSZ, signal.SIG_IGN), resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit(size: int) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))

    yield limit
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    signal.signal(signal.SIGXFSZ, handler)


class FillsTheDisk(SimulatedAnnotator):
    """Answers, after which files can no longer get larger than `size`."""

    def __init__(self, pool, file_size, size):
        super().__init__(pool)
        self.file_size, self.size = file_size, size

    def annotate(self, query):
        yield from super().annotate(query)
        self.file_size(self.size)


MODEL_SIZE = sum(p.nbytes for p in tiny_model().parameters())


@pytest.mark.parametrize(
    ("size", "options"),
    [
        (MODEL_SIZE // 2, {}),
        (MODEL_SIZE // 2, {"save_strategy": "epoch"}),
        (MODEL_SIZE * 3 // 2, {"save_strategy": "epoch"}),  # of the optimizer, which has two numbers a weight
    ],
    ids=["the round's model", "weights of a checkpoint", "optimizer of a checkpoint"],
)
def test_a_full_disk_while_weights_are_saved_is_one_line_and_the_next_start_goes_on(
    make_active, make_trainer, file_size, size, options
):
    active = make_active()
    active.annotator = FillsTheDisk(active.pool, file_size, size)
    with pytest.raises(RunDirectoryError, match=r"weights cannot be saved in .*001.*The labels are safe") as caught:
        active.run(make_trainer([active], **options), rounds=2)
    assert "\n" not in str(caught.value)
    file_size(resource.RLIM_INFINITY)
    labels = active.pool.labels()
    assert len(labels) == 10
    assert not list(active.pool.run_dir.rglob("*.part"))
    active.pool.store.close()

    again = make_active()
    again.run(make_trainer([again], **options), rounds=2)
    assert labels.items() <= again.pool.labels().items()
    undisturbed = make_active(active.pool.run_dir.with_name("undisturbed"))
    undisturbed.run(make_trainer([undisturbed], **options), rounds=2)
    assert queries(again) == queries(undisturbed)


@pytest.mark.parametrize("options", [{}, {"model": tiny_model()}], ids=["model_init", "model"])
def test_a_disk_that_is_full_when_a_run_starts_is_said_before_anybody_is_asked(
    make_active, make_trainer, file_size, options
):
    active = make_active()
    trainer = make_trainer([active], **options)
    file_size(MODEL_SIZE // 2)
    message = f"weights cannot be saved in {active.pool.run_dir} .*File too large.*The labels are safe"
    with pytest.raises(RunDirectoryError, match=message) as caught:
        active.run(trainer, rounds=2)
    assert "\n" not in str(caught.value)
    assert active.pool.store.queries() == []
    assert sorted(path.name for path in active.pool.run_dir.iterdir()) == ["labels.sqlite", "run.lock"]


def test_a_model_that_no_file_can_hold_is_not_taken_for_a_full_disk(make_trainer, tmp_path):
    model = torch.nn.Module()
    model.weight = torch.nn.Parameter(torch.ones(2))
    model.same = torch.nn.Module()
    model.same.weight = model.weight  # of which a file of tensors would have two copies
    with pytest.raises(RuntimeError, match="share memory") as caught:
        save_model(make_trainer([], model=model), tmp_path / "001")
    assert not isinstance(caught.value, RunDirectoryError)
    assert list(tmp_path.glob("*.part")) == []


def test_old_models_and_checkpoints_are_removed(make_active, make_trainer):
    for keep, kept in ((1, ["003"]), (2, ["002", "003"]), (None, ["001", "002", "003"])):
        active = make_active(f"{make_trainer([]).args.output_dir}-{keep}", keep_models=keep)
        active.run(make_trainer([active], save_strategy="epoch"), rounds=3)
        rounds = active.pool.run_dir / "rounds"
        assert sorted(p.parent.name for p in rounds.glob("*/model")) == kept
        assert list(rounds.glob("*/checkpoint-*")) == []


@pytest.mark.parametrize(("labels", "fit"), [(2, True), (1, False), (5, False)])
def test_weights_with_another_number_of_labels_are_those_of_another_model(make_trainer, tmp_path, labels, fit):
    BertForSequenceClassification(tiny_config(labels)).save_pretrained(tmp_path / "model")
    assert fits(make_trainer(), tmp_path / "model") is fit
