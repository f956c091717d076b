"""The data of a comparison: the pool and the held-out examples, drawn once and read by every run."""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import numpy as np

from hfal.comparison.plan import DATA_DIR
from hfal.config.arguments import ActiveLearningArguments
from hfal.config.load_data import load_data
from hfal.errors import ArgumentError
from hfal.utils.files import atomic_write
from hfal.utils.spelling import counted


_SETTLED = ("task", "text", "label", "labels")
_OPTIONS_NAME = "options.json"


@dataclass(frozen=True)
class SharedData:
    """The data that all runs of a comparison share.

    Attributes:
        options: The options that say where the data is, and what is in it.
        cost: What the whole pool costs, in the unit of the sizes: examples or words.
        parts: The pool as `train`, the held-out examples as `test`.
    """

    options: dict[str, Any]
    cost: int
    parts: datasets.DatasetDict

    def save(self, out: Path) -> None:
        """Write it to `OUT/data`; half of it is never there."""
        if (out / DATA_DIR).exists():
            return
        settled = {name: self.options[name] for name in _SETTLED}
        with atomic_write(out / DATA_DIR) as part:
            self.parts.save_to_disk(str(part))
            (part / _OPTIONS_NAME).write_text(json.dumps(settled, ensure_ascii=False), "utf-8")


def changed_since(out: Path, data: str) -> bool:
    """Whether the file that a comparison has drawn its data from was written to after that."""
    drawn, source = out / DATA_DIR / _OPTIONS_NAME, Path(data).expanduser()
    return drawn.is_file() and source.is_file() and source.stat().st_mtime > drawn.stat().st_mtime


def read_shared_data(al: ActiveLearningArguments, out: Path, seed: int) -> SharedData:
    """Read the data in `OUT/data`; where there is none, load what the options name.

    Args:
        al: The options of every run; `task`, `text` and `labels` are filled in from the data.
        out: The result directory.
        seed: Seeds the draw of the pool and the held-out examples.

    Raises:
        ArgumentError: The data does not fit the options, or lacks labels.
        FileNotFoundError: There is no such data.
    """
    folder = (out / DATA_DIR).absolute()
    if folder.exists():
        parts = datasets.load_from_disk(str(folder))
        al.data, al.split, al.eval_split, al.data_config = str(folder), "train", "test", None
        al.pool_size = al.eval_size = al.data_filter = None
        if (folder / _OPTIONS_NAME).is_file():  # the drawn part may have fewer labels than all of the data
            for name, value in json.loads((folder / _OPTIONS_NAME).read_text("utf-8")).items():
                setattr(al, name, value)
    al.show = []  # nobody is shown anything
    with tempfile.TemporaryDirectory() as nothing:
        found = load_data(al, nothing, seed)
    al.task, al.text, al.labels = found.task, found.text, found.labels
    if not folder.exists():
        assert found.evaluation is not None
        columns = list(dict.fromkeys([*al.text, *filter(None, [al.label, al.id])]))
        parts = datasets.DatasetDict(
            train=found.pool.select_columns(columns), test=found.evaluation.select_columns(columns)
        )
    from hfal.tasks.registry import make_task  # which loads torch: what is wrong with the data has been said by now

    for part in (parts["test"], parts["train"]):
        task = make_task(al.task, part, al.text, al.label, al.labels)
        missing = np.flatnonzero(~task.given())
        if len(missing):
            first = part[int(missing[0])][al.text[0]]
            raise ArgumentError(
                f"{len(missing)} of {counted(len(part), 'example has', 'examples have')} no label in column "
                f"{al.label!r} (the first begins with "
                f"{str(first)[:60]!r}): a comparison needs all of them; leave these rows out of the data"
            )
    if al.unit == "words" and task.words is None:
        raise ArgumentError("--unit is words, which is for token classification: leave it out to count examples")
    cost = len(parts["train"]) if al.unit == "examples" or task.words is None else int(task.words.sum())
    options = {
        "data": str(folder),
        "task": al.task,
        "split": "train",
        "eval_split": "test",
        "text": list(al.text),
        "label": al.label,
        "labels": list(al.labels or []),
        "embeddings_dir": str(folder / "embeddings"),
    }
    return SharedData(options, cost, parts)
