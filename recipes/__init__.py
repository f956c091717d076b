"""Scripts to copy and edit; installed as `hfal.recipes`, where `hfal run` finds them.

A recipe for a task is a module with the task's name, and has `main`.
"""

import gc
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    from hfal.config.load_data import LoadedData


def run_recipe(
    argv: Sequence[str], task: str, data: "LoadedData | None" = None, run: Callable[..., Any] | None = None
) -> None:
    """Run the recipe for a task, as its file does when it is started.

    Args:
        argv: The command line.
        task: The name of the task.
        data: What `load_data` has found for these options; the recipe reads it by itself if it is left out.
        run: Called in the place of `ActiveLearningCallback.run`.
    """
    recipe = import_module(f"{__name__}.{task}")
    if not gc.get_freeze_count():
        # Every `train()` collects garbage, and would go through all that was imported: half a second each time.
        gc.collect()
        gc.freeze()
    recipe.main(argv, data, **({} if run is None else {"run": run}))
