"""Weights on the disk: a round's initial weights, its checkpoints and its final model.

Together with `hfal.training.loop` and `hfal.training.trainer_state`, all that touches a Trainer's attributes.
"""

import contextlib
import json
import os
import shutil
import traceback
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors import SafetensorError
from transformers import EarlyStoppingCallback, PreTrainedConfig, Trainer, TrainerState, set_seed
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_callback import ExportableState

from hfal.errors import RunDirectoryError
from hfal.store.run_directory import checkpoints_in, initial_model, model_folder, round_folder
from hfal.training.damage import checkpoint_damage, weights_damage
from hfal.utils.distributed import is_main, on_main, shared_failure
from hfal.utils.output import get_logger
from hfal.utils.spelling import counted, message_of


logger = get_logger(__name__)


class Weights:
    """Gives each round the weights that it begins with.

    Weights come from disk, never from a copy in memory: it costs a tenth of a second, takes no second model, and is
    the same after a restart, when the user's script has made another random head.
    """

    def __init__(self, trainer: Trainer, run_dir: Path, retrain: str):
        self.trainer = trainer
        self.run_dir = run_dir
        self.retrain = retrain
        self.in_memory: int | None = None  # the round whose final weights the Trainer's model has
        self._dtype = next((p.dtype for p in trainer.model.parameters() if p.is_floating_point()), None)
        self._model_init = trainer.model_init
        if self._model_init is None and not on_main(lambda: _has_initial_model(trainer, initial_model(run_dir))):
            save_model(trainer, initial_model(run_dir))

    def prepare(self, number: int) -> None:
        """Set the Trainer's model to what this round begins with, or leave it to its `model_init`."""
        if self.retrain == "continue" and number > 1:
            self.trainer.model_init = None
            self.load_round(number - 1)
        elif self._model_init is None:
            self._load(initial_model(self.run_dir))
        else:
            self.trainer.model_init = self._model_init
        self.in_memory = None

    def begin_again(self, number: int, checkpoint: str | None) -> None:
        """Undo what was trained: out of memory, `auto_find_batch_size` begins the round again, but not its weights.

        Args:
            number: The round.
            checkpoint: Where its training went on, if it did; the Trainer loads again what is not weights.
        """
        if checkpoint is not None:
            load_weights(self.trainer, Path(checkpoint))
            return
        self.prepare(number)
        set_seed(self.trainer.args.seed)
        if self.trainer.model_init is not None:
            self.trainer.model.load_state_dict(self.trainer.call_model_init().state_dict())
        self.trainer.optimizer.state.clear()

    def load_round(self, number: int) -> None:
        """Give the Trainer the final model of a round, unless it has it."""
        if self.in_memory != number:
            self._load(model_folder(self.run_dir, number))
            self.in_memory = number

    def of_rounds_before(self, number: int, count: int) -> list[dict[str, torch.Tensor]]:
        """Return the parameters and buffers of the final models of the last rounds before one, newest first.

        Args:
            number: The round, whose own weights the Trainer's model has, before and after.
            count: How many rounds; fewer where there were not as many, or are no longer.

        Returns:
            For each round what differs from the Trainer's model, by name, on the same device.
        """
        wanted = range(number - 1, max(number - 1 - count, 0), -1)
        there = [before for before in wanted if fits(self.trainer, model_folder(self.run_dir, before))]
        if len(there) < len(wanted):
            logger.warning("the committee is smaller: of %d earlier models %d are whole", len(wanted), len(there))
        if not there:
            return []
        self.load_round(number)
        now = {name: tensor.detach().clone() for name, tensor in self._tensors()}
        found = []
        try:
            for before in there:
                self.load_round(before)
                differing = [(n, t) for n, t in self._tensors() if not torch.equal(t, now[n])]
                found.append({name: tensor.detach().clone() for name, tensor in differing})
        finally:
            self.load_round(number)
        return found

    def _tensors(self) -> list[tuple[str, torch.Tensor]]:
        model = self.trainer.model
        return [*model.named_parameters(), *model.named_buffers()]

    def _load(self, folder: Path) -> None:
        if self.trainer.args.bf16_full_eval or self.trainer.args.fp16_full_eval:
            self.trainer.model.to(self._dtype)  # an evaluation has cast it for good
            if not self.trainer.is_model_parallel:
                self.trainer.model.to(self.trainer.args.device)  # where the Trainer would put it only to train
        load_weights(self.trainer, folder)


def _has_initial_model(trainer: Trainer, folder: Path) -> bool:
    damage = weights_damage(folder) if folder.exists() else None
    if damage is not None:
        logger.warning(
            "%s is damaged (%s): the rounds to come begin with the weights that the Trainer's model has now",
            folder,
            damage,
        )
    return fits(trainer, folder)


def fits(trainer: Trainer, folder: Path) -> bool:
    """Return whether a folder is there and has whole weights for a model like the Trainer's.

    Those of another model would be loaded without complaint as far as the names agree, as those of a head alone do.
    """
    return weights_damage(folder) is None and _difference(trainer, folder) is None


_OF_A_KIND = ("hidden_size", "num_hidden_layers", "vocab_size", "encoder_name_or_path", "encoder_layer")
_OF_AN_ADAPTER = ("peft_type", "r", "base_model_name_or_path")


def _difference(trainer: Trainer, folder: Path) -> str | None:
    """Return how the model saved in a folder differs from the Trainer's, as far as its configuration says."""
    model = trainer.accelerator.unwrap_model(trainer.model, keep_torch_compile=False)
    adapter, config = next(iter(getattr(model, "peft_config", {}).values()), None), getattr(model, "config", None)
    is_adapter = (folder / "adapter_config.json").is_file()
    if is_adapter and adapter is None:
        return "they are those of an adapter, and the Trainer's model has none"
    if adapter is None and not isinstance(config, PreTrainedConfig):
        return None  # no model of transformers
    file = folder / ("adapter_config.json" if is_adapter else "config.json")
    if not file.is_file():
        return None
    saved = json.loads(file.read_text("utf-8"))
    was, now = (saved.get("architectures") or [""])[0], type(model).__name__
    if was and was != now:
        return f"it is a {was}, the Trainer's a {now}"
    labels = len(saved.get("id2label") or "01")  # two, unless it says otherwise
    if not is_adapter and labels != (of_model := getattr(config, "num_labels", labels)):
        return f"it has {counted(labels, 'label')}, the Trainer's {of_model}"
    for name in _OF_AN_ADAPTER if is_adapter else _OF_A_KIND:
        is_now = getattr(adapter if is_adapter else config, name, None)
        if saved.get(name) is not None and is_now not in (None, saved[name]):
            return f"it has {name}={saved[name]!r}, the Trainer's {is_now!r}"
    return None


def load_weights(trainer: Trainer, folder: Path) -> None:
    """Give the Trainer's model the weights of a folder.

    Raises:
        RunDirectoryError: The folder is not there, is damaged, or has those of another kind of model.
    """
    if not folder.exists():
        raise RunDirectoryError(
            f"{folder} is missing: it has the weights to go on with. Was it removed, or was that round trained "
            "outside of rounds()? Put it back, or export the labels (hfal export) and begin a new run with them"
        )
    damage = weights_damage(folder)
    if damage is not None:
        raise RunDirectoryError(
            f"{folder} is damaged ({damage}): it has the weights to go on with. Put a copy in its place, or export "
            "the labels (hfal export) and begin a new run with them"
        )
    difference = _difference(trainer, folder)
    if difference is not None:
        raise RunDirectoryError(f"{folder} has the weights of another model: {difference}")
    trainer._load_from_checkpoint(str(folder))


def save_model(trainer: Trainer, folder: Path) -> None:
    """Save the Trainer's model so that the folder is there whole or not at all.

    Raises:
        RunDirectoryError: It cannot be written, as on a full disk.
    """
    part = folder.with_name(folder.name + ".part")
    on_main(lambda: shutil.rmtree(part, ignore_errors=True))
    try:
        # As a checkpoint is saved: without a push to the Hub, which `save_model` would make for every round.
        with shared_failure():
            trainer.save_model(str(part), _internal_call=True)
    except Exception as error:
        if is_main():
            shutil.rmtree(part, ignore_errors=True)  # what is left there takes room that the labels need
        if not is_of_disk(error):
            raise
        raise not_saved(folder, error) from error

    def put_in_place() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(part, folder)

    on_main(put_in_place)


@contextlib.contextmanager
def saving_checkpoints(trainer: Trainer) -> Iterator[None]:
    """Say in one line, if the Trainer cannot write a checkpoint, where, and that no label is lost.

    Raises:
        RunDirectoryError: It cannot be written, as on a full disk.
    """
    try:
        yield
    except Exception as error:
        frames = traceback.walk_tb(error.__traceback__)
        if not is_of_disk(error) or not any(f.f_code is Trainer._save_checkpoint.__code__ for f, _ in frames):
            raise
        raise not_saved(Path(trainer.args.output_dir), error) from error


def is_of_disk(error: Exception) -> bool:
    """Whether an error while a model was saved is one of the disk, not of the model."""
    if isinstance(error, SafetensorError):
        return "I/O error" in str(error)
    of_torch = isinstance(error, RuntimeError) and "inline_container" in str(error)  # the file that torch.save writes
    of_tokenizers = "(os error " in str(error)  # which has no class of its own for it
    return isinstance(error, OSError) or of_torch or of_tokenizers


def not_saved(folder: Path, error: Exception) -> RunDirectoryError:
    """Return the error about weights that cannot be written in a folder, as on a full disk."""
    reason = message_of(error)
    there = next(place for place in (folder, *folder.parents) if place.exists())
    return RunDirectoryError(
        f"weights cannot be saved in {folder} ({reason}; {shutil.disk_usage(there).free / 2**20:,.0f} MB are free "
        "there). The labels are safe: make room on the disk, and start the run again"
    )


def prune(run_dir: Path, number: int, keep_models: int | None) -> None:
    """Remove what no restart needs: the checkpoints of finished rounds, and the models of old ones."""
    for checkpoint in checkpoints_in(round_folder(run_dir, number)):
        shutil.rmtree(checkpoint, ignore_errors=True)
    if keep_models is not None:
        for old in range(1, number - keep_models + 1):
            shutil.rmtree(model_folder(run_dir, old), ignore_errors=True)


def last_whole_checkpoint(folder: Path, best_is_loaded: bool = False) -> str | None:
    """Return the newest checkpoint of a round that training can go on from, or `None`; say which are passed over.

    Args:
        folder: The round's folder.
        best_is_loaded: See `hfal.training.damage.checkpoint_damage`.
    """
    steps = {checkpoint: checkpoint.name.rpartition("-")[2] for checkpoint in checkpoints_in(folder)}
    numbered = {int(step): checkpoint for checkpoint, step in steps.items() if step.isdecimal()}
    for _, checkpoint in sorted(numbered.items(), reverse=True):
        damage = checkpoint_damage(checkpoint, best_is_loaded)
        if damage is None:
            return str(checkpoint)
        logger.warning("%s is passed over: %s", checkpoint, damage)
    return None


def restore_callbacks(trainer: Trainer, checkpoint: str) -> None:
    """Give callbacks that count something (early stopping its patience) what they had counted.

    The Trainer would not, or would replace the user's objects by new ones.
    """
    saved = TrainerState.load_from_json(os.path.join(checkpoint, TRAINER_STATE_NAME)).stateful_callbacks
    for callback in trainer.callback_handler.callbacks:
        state = saved.get(type(callback).__name__)
        if isinstance(callback, ExportableState) and isinstance(state, dict):
            for name, value in state["attributes"].items():
                setattr(callback, name, value)


def stopped_early_at(trainer: Trainer, checkpoint: str) -> str | None:
    """Return the checkpoint with the outcome of a training that early stopping had ended by this one, or `None`.

    Resumed, it would train on: `train()` begins by forgetting that it was told to stop.
    """
    state = TrainerState.load_from_json(os.path.join(checkpoint, TRAINER_STATE_NAME))
    saved = state.stateful_callbacks.get(EarlyStoppingCallback.__name__)
    if not isinstance(saved, dict):
        return None
    if saved["attributes"]["early_stopping_patience_counter"] < saved["args"]["early_stopping_patience"]:
        return None
    best = state.best_model_checkpoint if trainer.args.load_best_model_at_end else None
    return best or checkpoint
