"""Find damage in saved weights and checkpoints by the ends of their files, without reading the weights themselves.

A process or a machine that dies, a full disk and an incomplete copy leave files that are cut off. A safetensors file
says in its first bytes how long it is; a file of `torch.save` has its directory at its end.
"""

import json
import zipfile
from pathlib import Path

from safetensors import SafetensorError, safe_open
from transformers import TrainerState
from transformers.trainer import OPTIMIZER_NAME, SCHEDULER_NAME, TRAINER_STATE_NAME
from transformers.utils import SAFE_WEIGHTS_INDEX_NAME


_CONFIGURATIONS = ("config.json", "adapter_config.json")
_INCOMPLETE = "checkpoint-is-incomplete.txt"  # which a training that SIGTERM ends leaves until it has saved all


def weights_damage(folder: Path) -> str | None:
    """Return what is wrong with the model in a folder; `None` if it is whole, as far as headers and lengths tell."""
    if not folder.is_dir():
        return "it is missing"
    expected: set[str] = set()
    for name in (*_CONFIGURATIONS, SAFE_WEIGHTS_INDEX_NAME):
        if (folder / name).is_file():
            try:
                content = json.loads((folder / name).read_text("utf-8"))
                expected |= {*content.get("weight_map", {}).values()}
            except (OSError, ValueError, AttributeError) as error:
                return f"{name} cannot be read ({error})"
    missing = sorted(name for name in expected if not (folder / name).is_file())
    if missing:
        return f"{missing[0]} is missing"
    weights = sorted(folder.rglob("*.safetensors"))
    pickled = sorted(folder.glob("*model*.bin"))
    if not weights and not pickled:
        return "it has no weights"
    for file in weights:
        try:
            with safe_open(file, "pt"):  # which compares the header with the length of the file
                pass
        except (OSError, SafetensorError) as error:
            return f"{file.relative_to(folder)} is cut off or damaged ({error})"
    return next(filter(None, map(_archive_damage, pickled)), None)


def checkpoint_damage(folder: Path, best_is_loaded: bool) -> str | None:
    """Return why training cannot go on from a checkpoint; `None` if it can.

    Args:
        folder: The checkpoint, as the Trainer saves it; its name ends in the number of its step.
        best_is_loaded: Whether the training ends by loading the best model, which is in another checkpoint.
    """
    # The Trainer writes its state last.
    if (folder / _INCOMPLETE).exists() or not (folder / TRAINER_STATE_NAME).is_file():
        return "it was not saved to its end"
    try:
        state = TrainerState.load_from_json(str(folder / TRAINER_STATE_NAME))
    except (OSError, ValueError, TypeError) as error:
        return f"{TRAINER_STATE_NAME} cannot be read ({error})"
    if str(state.global_step) != folder.name.rpartition("-")[2]:
        return f"{TRAINER_STATE_NAME} is of step {state.global_step}"
    damage = weights_damage(folder)
    if damage is not None:
        return damage
    if best_is_loaded and state.best_model_checkpoint is not None:
        damage = weights_damage(Path(state.best_model_checkpoint))
        if damage is not None:
            return f"{state.best_model_checkpoint}, its best model, is damaged: {damage}"
    of_deepspeed = (folder / "latest").exists()  # which keeps the states of the optimizer in its own way
    for name in () if of_deepspeed else (OPTIMIZER_NAME, SCHEDULER_NAME):
        if not any(folder.glob(f"{Path(name).stem}*")):
            return f"{name} is missing"
    archives = sorted(file for file in folder.glob("*.pt*") if file.is_file())
    return next(filter(None, map(_archive_damage, archives)), None)


def _archive_damage(file: Path) -> str | None:
    """Return what is wrong with a file of `torch.save`: nothing in it is unpickled."""
    try:
        with zipfile.ZipFile(file):
            return None
    except (OSError, zipfile.BadZipFile) as error:
        return f"{file.name} is cut off or damaged ({error})"
