"""What tells the directory of a run from that of a comparison: a file in it. Nothing here loads what takes long."""

from pathlib import Path

from hfal.errors import RunDirectoryError


STORE_NAME = "labels.sqlite"
"""In the directory of a run: all that is known about its labels."""

COMPARE_NAME = "compare.yaml"
"""In the directory of a comparison: what it was started with."""


def has_run(folder: Path) -> bool:
    """Whether a run has begun in a folder."""
    return (folder / STORE_NAME).exists()


def has_comparison(folder: Path) -> bool:
    """Whether a comparison has begun in a folder."""
    return (folder / COMPARE_NAME).is_file()


def check_no_comparison(folder: Path) -> None:
    """See that a run does not begin among the files of a comparison, which could then not go on.

    Raises:
        RunDirectoryError: There is a comparison.
    """
    if (folder / COMPARE_NAME).exists():
        raise RunDirectoryError(
            f"{folder} is the directory of a comparison (hfal compare): choose another run directory"
        )


def round_folder(run_dir: Path, number: int) -> Path:
    """Where a round's checkpoints and its final model, `model`, are."""
    return run_dir / "rounds" / f"{number:03d}"


def initial_model(run_dir: Path) -> Path:
    """Where the weights are that a Trainer with `model=` began with."""
    return run_dir / "initial_model"
