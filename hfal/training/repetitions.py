"""Show warnings and load reports once in a run, not in every round."""

import contextlib
import logging
import re
import warnings
from collections.abc import Iterator
from typing import Any

from transformers import Trainer
from transformers.utils.logging import get_logger

from hfal.acquisition.forward import without_adapters


_REPORT = re.compile(r"(\w+) LOAD REPORT from: (.*)")
_STYLE = re.compile("\x1b\\[[0-9;]*m")


@contextlib.contextmanager
def without_repetitions(trainer: Trainer) -> Iterator[None]:
    """Show each warning once, and no load report of the model that the Trainer has made before.

    transformers reports which weights of a model are new whenever one is made of a checkpoint. The Trainer makes its
    first one in its constructor, where the user sees it; `model_init` makes the same in each round.

    Args:
        trainer: The Trainer.
    """
    report = _Reports(trainer)
    loader = get_logger("transformers.modeling_utils")
    show = warnings.showwarning
    shown: set[tuple[Any, ...]] = set()

    def show_once(
        message: Warning | str, category: type[Warning], filename: str, lineno: int, file: Any = None, line: Any = None
    ) -> None:
        # Python itself forgets what it has shown whenever somebody changes the filters for a while.
        if (found := (str(message), category, filename, lineno)) not in shown:
            shown.add(found)
            show(message, category, filename, lineno, file, line)

    loader.addFilter(report)
    warnings.showwarning = show_once
    try:
        yield
    finally:
        loader.removeFilter(report)
        if warnings.showwarning is show_once:
            warnings.showwarning = show


class _Reports(logging.Filter):
    """Filter out load reports of a model that were shown before."""

    def __init__(self, trainer: Trainer):
        super().__init__()
        self._seen = set()
        if trainer.model_init is not None:
            model = without_adapters(trainer.model)
            self._seen.add((type(model).__name__, getattr(getattr(model, "config", None), "_name_or_path", "")))

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record is to be shown."""
        found = _REPORT.match(_STYLE.sub("", record.getMessage()))
        if found is None:
            return True
        is_new = found.groups() not in self._seen
        self._seen.add((found[1], found[2]))
        return is_new
