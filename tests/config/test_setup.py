"""What the recipes share."""

from pathlib import Path
from typing import Any

import datasets
import pytest

from hfal import FileAnnotator, Pool, SimulatedAnnotator
from hfal.annotators.terminal.annotator import TerminalAnnotator
from hfal.config.arguments import ActiveLearningArguments
from hfal.config.setup import check_stop, make_annotator
from hfal.errors import ArgumentError


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


def test_simulated_people_err_as_the_options_and_the_seed_of_the_run_say(tmp_path: Path) -> None:
    data = datasets.Dataset.from_dict({"text": ["a", "b"], "label": [0, 1]})
    pool = Pool(data, tmp_path / "run", "text", "label")
    given = ActiveLearningArguments(data="a.csv", annotator="simulated", annotators=["anna", "ben"], error_rate=0.3)
    made: Any = make_annotator(given, pool, 7)
    assert (made.annotators, made.error_rate, made.seed) == (["anna", "ben"], 0.3, 7)


METRICS = ["loss", "accuracy", "f1_macro"]


@pytest.mark.parametrize(
    "options",
    [
        {"stop": "plateau and kappa"},
        {"stop": "plateau(estimated_f1_macro, 0.02)", "estimate": True},
        {"target_metric": "estimated_accuracy", "target": 0.9, "estimate": True},
    ],
)
def test_metrics_and_estimates_that_there_will_be_can_end_a_run(options: dict[str, Any]) -> None:
    check_stop(ActiveLearningArguments(data="x.csv", task="text_classification", **options), METRICS, "accuracy")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"stop": "plateau(acuracy)"}, "metric='acuracy' is no metric of the Trainer; it gave: eval_loss, eval_acc"),
        ({"stop": "plateau(estimated_f1)", "estimate": True}, "it gave: .* eval_f1_macro, estimated_accuracy, estim"),
        ({"stop": "plateau(estimated_accuracy)"}, "'estimated_accuracy' is an estimate .* recorded: add --estimate"),
        (
            {"target_metric": "estimated_f1_macro", "target": 0.9},
            "^target_metric='estimated_f1_macro' is an estimate that is not recorded: add --estimate true$",
        ),
    ],
)
def test_metrics_that_there_will_not_be_are_refused(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ArgumentError, match=complaint):
        check_stop(ActiveLearningArguments(data="x.csv", task="text_classification", **options), METRICS, "accuracy")


@pytest.mark.parametrize(
    ("evaluated", "holdout", "estimate", "metric"),
    [
        (False, 0, True, "estimated_accuracy"),
        (True, 0, True, "accuracy"),
        (False, 1, True, "accuracy"),
        (False, 0, False, "accuracy"),
    ],
)
def test_a_plateau_is_of_the_estimate_where_nothing_is_measured(
    tmp_path: Path, evaluated: bool, holdout: int, estimate: bool, metric: str
) -> None:
    data = datasets.Dataset.from_dict({"text": ["a", "b", "c"], "label": [0, 1, None]})
    pool = Pool(data, tmp_path / "run", "text", "label", ["no", "yes"])
    al = ActiveLearningArguments(data="x.csv", stop="plateau", holdout=holdout, estimate=estimate)
    assert str(al.criterion("accuracy")) == "plateau(accuracy, 0.01, rounds=3)"  # before it is known
    al.settle(pool, evaluated)
    options = al.callback_options()
    assert str(options["stop"]) == f"plateau({metric}, 0.01, rounds=3)"
    assert options["embeddings"] == (al.model if estimate else "model")
