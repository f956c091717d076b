"""Every path in the directory of a run, and the files that tell runs from comparisons.

Nothing here loads what takes long.
"""

import os
from pathlib import Path

from hfal.errors import RunDirectoryError


STORE_NAME = "labels.sqlite"
"""In the directory of a run: all that is known about its labels."""

CONFIG_NAME = "config.yaml"
"""In the directory of a run that `hfal run` has begun: the options it was started with."""

COMPARE_NAME = "compare.yaml"
"""In the directory of a comparison: what it was started with."""


def has_run(folder: Path) -> bool:
    """Whether a folder has the store of a run; an empty file, which a killed process may have left, is none."""
    file = store_file(folder)
    return file.exists() and file.stat().st_size > 0


def has_comparison(folder: Path) -> bool:
    """Whether a comparison has begun in a folder."""
    return (folder / COMPARE_NAME).is_file()


def check_no_comparison(folder: Path) -> None:
    """Check that a run does not begin among the files of a comparison, which could then not go on.

    Raises:
        RunDirectoryError: There is a comparison.
    """
    if (folder / COMPARE_NAME).exists():
        raise RunDirectoryError(
            f"{folder} is the directory of a comparison (hfal compare): choose another run directory"
        )


def check_store_is_not_lost(run_dir: Path) -> None:
    """Check that a directory without a store is not one of a run that has asked, which would begin again unnoticed.

    Raises:
        RunDirectoryError: There are queries, rounds, or half of a transaction.
    """
    journal = Path(f"{store_file(run_dir)}-journal")
    queries = run_dir.glob("query-[0-9][0-9][0-9]*.*")
    made_by_rounds = [folder for folder in (initial_model(run_dir), rounds_folder(run_dir)) if folder.exists()]
    cut_off = [journal] if journal.exists() and not store_file(run_dir).exists() and journal.stat().st_size else []
    trace = next(iter([*made_by_rounds, *sorted(queries), *cut_off]), None)
    if trace is not None:
        state = "empty" if store_file(run_dir).exists() else "missing"
        raise RunDirectoryError(
            f"{store_file(run_dir)}, which has all answers, is {state}, though a run has worked here (there is "
            f"{trace.name}): put a backup of it in its place, make a new run directory of an export with `hfal "
            "import`, name another run directory, or delete this one to begin anew"
        )


# -- files of the run ----------------------------------------------------------------------------------------------


def store_file(run_dir: Path) -> Path:
    """The SQLite file of the store."""
    return run_dir / STORE_NAME


def lock_file(run_dir: Path) -> Path:
    """The file whose lock the process holds that works on the run."""
    return run_dir / "run.lock"


def config_file(run_dir: str | os.PathLike[str]) -> Path:
    """The options that `hfal run` was started with; missing where a user's own script started the run."""
    return Path(run_dir, CONFIG_NAME)


def query_file(folder: Path, number: int, format: str, part: str = "") -> Path:
    """The file in which a query is answered, or a part of it, in the run directory or the `FileAnnotator`'s folder."""
    return folder / f"query-{number:03d}{part}.{format}"


def imported_data(run_dir: Path) -> Path:
    """The pool of a run that `hfal import` has made from an export."""
    return run_dir / "data.parquet"


def embeddings_folder(run_dir: str | os.PathLike[str]) -> Path:
    """The folder with sentence embeddings of the pool, unless another one was given."""
    return Path(run_dir, "sentence_embeddings")


def tensorboard_folder(run_dir: Path) -> Path:
    """The folder with the logs of all rounds for TensorBoard."""
    return run_dir / "tensorboard"


def trial_folder(run_dir: Path) -> Path:
    """The folder in which a model is saved on trial before a run begins; there only meanwhile."""
    return run_dir / "trial.part"


def learning_curve_file(run_dir: str | os.PathLike[str]) -> Path:
    """The picture of the learning curve that recipes draw."""
    return Path(run_dir, "learning_curve.png")


def output_file(run_dir: Path) -> Path:
    """The output of a run of a comparison."""
    return run_dir / "output.txt"


def training_output_file(run_dir: Path) -> Path:
    """What a process has written to its terminal while somebody was asked there beside a training."""
    return run_dir / "training_output.txt"


def error_file(run_dir: Path) -> Path:
    """The error by which a run of a comparison has failed."""
    return run_dir / "error.txt"


# -- files of the rounds -------------------------------------------------------------------------------------------


def initial_model(run_dir: Path) -> Path:
    """The folder with the weights that a Trainer with `model=` began with."""
    return run_dir / "initial_model"


def rounds_folder(run_dir: Path) -> Path:
    """The folder with a folder for each round."""
    return run_dir / "rounds"


def round_folder(run_dir: Path, number: int) -> Path:
    """The folder of a round: the Trainer's `output_dir`, with its checkpoints, and the files below."""
    return rounds_folder(run_dir) / f"{number:03d}"


def checkpoints_in(folder: Path) -> list[Path]:
    """The Trainer's checkpoints in the folder of a round, complete or not."""
    return list(folder.glob("checkpoint-*"))


def model_folder(run_dir: Path, number: int) -> Path:
    """The folder with the final model of a round."""
    return round_folder(run_dir, number) / "model"


def predictions_file(run_dir: Path, number: int) -> Path:
    """The predictions of a round's model for self-training, kept until the next round is over."""
    return round_folder(run_dir, number) / "predictions.parquet"


def pseudo_labels_file(run_dir: Path, number: int) -> Path:
    """The predictions that a round was trained on in self-training."""
    return round_folder(run_dir, number) / "pseudo_labels.parquet"
