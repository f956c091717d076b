"""What the recipes share."""

from pathlib import Path
from typing import Any

import datasets

from hfal import FileAnnotator, Pool, SimulatedAnnotator
from hfal.annotators.terminal.annotator import TerminalAnnotator
from hfal.config.arguments import ActiveLearningArguments
from hfal.config.setup import make_annotator


def test_the_annotator_is_the_one_of_the_options(tmp_path: Path) -> None:
    data = datasets.Dataset.from_dict({"text": ["a", "b"], "label": [0, 1]})
    pool = Pool(data, tmp_path / "runs" / "any", "text", "label")

    def made(**options: Any) -> Any:
        return make_annotator(ActiveLearningArguments(data="reviews.csv", **options), pool)

    terminal = made(annotator="terminal", annotator_name="ann", hide_suggestions=True)
    assert (type(terminal), terminal.name, terminal.show_suggestions) == (TerminalAnnotator, "ann", False)
    assert made(annotator="terminal").show_suggestions
    for name in ("csv", "jsonl"):
        file = made(annotator=name)
        assert (type(file), file.format, file.name) == (FileAnnotator, name, "file")
    assert made(annotator="csv", annotator_name="ann").name == "ann"
    assert type(made(annotator="simulated")) is SimulatedAnnotator
