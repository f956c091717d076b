"""What the real TensorBoard and the real Trackio show of a run: read back from their files, no server, no network."""

import os
import tempfile


os.environ["TRACKIO_DIR"] = tempfile.mkdtemp(prefix="trackio-")  # which Trackio reads when it is imported

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import trackio
import trackio.utils
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from trackio.sqlite_storage import SQLiteStorage
from transformers import TrainerCallback
from transformers.integrations import TensorBoardCallback

from hfal import ActiveLearningCallback, Pool, SimulatedAnnotator
from hfal.errors import ArgumentError
from hfal.tasks.metrics import classification_metrics
from support.command import FAST, environment


BOTH = {"report_to": ["tensorboard", "trackio"], "logging_steps": 1}


@pytest.fixture(scope="module", autouse=True)
def _trackio_dir():
    folder = os.environ["TRACKIO_DIR"]
    assert Path(folder) == trackio.utils.TRACKIO_DIR
    yield
    shutil.rmtree(folder)


@pytest.fixture
def make_active(tmp_path, reviews):
    def make(run_dir="reviews") -> ActiveLearningCallback:
        pool = Pool(reviews.select(range(60)), tmp_path / run_dir, "text", "label")
        return ActiveLearningCallback(pool, strategy="margin", query_size=10, annotator=SimulatedAnnotator(pool))

    return make


@pytest.fixture
def make_tracked(make_trainer, eval_reviews):
    """A function that makes a Trainer that reports to both."""

    def make(callbacks, **options):
        options = {"eval_dataset": eval_reviews, "compute_metrics": classification_metrics, **BOTH, **options}
        return make_trainer(callbacks, **options)

    return make


Points = dict[str, list[tuple[int, float]]]


def tensorboards(folder: Path) -> dict[Path, Points]:
    """Of each run that TensorBoard shows of a folder: its scalars as (step, value)."""
    shown = {}
    for run in sorted({file.parent for file in folder.rglob("events.out.tfevents.*")}):
        events = EventAccumulator(str(run), size_guidance={"scalars": 0}).Reload()
        shown[run] = {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
    return shown


def trackio_runs(project: str) -> dict[str, list[dict]]:
    """Of each run that Trackio shows of a project: what was logged."""
    trackio.finish()
    runs = list(trackio.Api().runs(project))
    shown = {run.name: SQLiteStorage.get_logs(project, run.name, run_id=run.id) for run in runs}
    assert len(shown) == len(runs)  # Trackio lets two runs have the same name
    return shown


def of_rounds(rows: list[dict]) -> list[dict]:
    """What Trackio shows with `train/labels` on the x-axis."""
    return [row for row in rows if "train/labels" in row]


class InterruptRound2(TrainerCallback):
    """Ctrl-C in the middle of the training of round 2, or when its final model was evaluated."""

    def __init__(self, when: str):
        self.when = when
        self.trained = False

    def on_step_end(self, args, state, control, **kwargs):
        if self.when == "training" and Path(args.output_dir).name == "002":
            raise KeyboardInterrupt

    def on_train_end(self, args, state, control, **kwargs):
        self.trained = Path(args.output_dir).name == "002"

    def on_evaluate(self, args, state, control, **kwargs):
        if self.when == "evaluation" and self.trained:
            raise KeyboardInterrupt


@pytest.mark.parametrize("when", ["training", "evaluation"])
def test_a_run_and_its_restarts_are_one_run_with_a_point_per_round_at_the_labels_bought(
    make_active, make_tracked, tmp_path, when
):
    options = {"project": f"one-{when}", "eval_strategy": "epoch"}
    active = make_active()
    with pytest.raises(KeyboardInterrupt):
        active.run(make_tracked([active, InterruptRound2(when)], **options), rounds=3)
    for _ in range(2):  # the second finds the run finished
        active = make_active()
        records = active.run(make_tracked([active], **options), rounds=3)
    assert [record.labels for record in records] == [10, 20, 30]

    ((folder, points),) = tensorboards(tmp_path).items()
    assert folder == active.pool.run_dir / "tensorboard"
    assert points["train/round"] == [(10, 1), (20, 2), (30, 3)]
    for name in ("loss", "accuracy", "f1_macro"):
        expected = [(r.labels, pytest.approx(r.metrics[f"eval_{name}"], rel=1e-6)) for r in records]
        assert points[f"eval/round_{name}"] == expected
    # The training's own logs are there as ever: each round counts its steps from 1.
    assert [step for step, _ in points["train/loss"]].count(1) == 3
    assert max(step for step, _ in points["eval/accuracy"]) < 10

    ((name, rows),) = trackio_runs(options["project"]).items()
    assert name.startswith("reviews-")
    assert [row["train/labels"] for row in of_rounds(rows)] == [10, 20, 30]
    assert [row["train/global_step"] for row in of_rounds(rows)] == [10, 20, 30]
    assert [row["train/round"] for row in of_rounds(rows)] == [1, 2, 3]
    assert [row["eval/round_accuracy"] for row in of_rounds(rows)] == [r.metrics["eval_accuracy"] for r in records]
    assert [row["eval/round_loss"] for row in of_rounds(rows)] == [r.metrics["eval_loss"] for r in records]
    assert not any("train/epoch" in row for row in of_rounds(rows))  # it would be that of the last step
    assert [row["step"] for row in rows] == list(range(len(rows)))  # its own x-axis goes on from round to round


def test_the_name_and_the_folder_that_a_user_chose_stay(
    make_active, make_tracked, eval_reviews, tmp_path, monkeypatch
):
    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", str(tmp_path / "board"))
    active = make_active()
    evaluations = {"a": eval_reviews, "b": eval_reviews.select(range(9))}
    trainer = make_tracked([active], project="chosen", run_name="mine", eval_dataset=evaluations)
    records = active.run(trainer, rounds=2)
    assert trainer.args.run_name == "mine"
    ((folder, points),) = tensorboards(tmp_path).items()
    assert folder == tmp_path / "board"
    ((name, rows),) = trackio_runs("chosen").items()
    assert name == "mine"
    for evaluation in evaluations:
        losses = [record.metrics[f"eval_{evaluation}_loss"] for record in records]
        assert [value for _, value in points[f"eval/round_{evaluation}_loss"]] == pytest.approx(losses, rel=1e-6)
        assert [row[f"eval/round_{evaluation}_loss"] for row in of_rounds(rows)] == losses


def test_two_runs_in_folders_of_one_name_are_two_runs(make_active, make_tracked, tmp_path):
    folders = []
    for parent in ("first", "second"):
        active = make_active(f"{parent}/reviews")
        active.run(make_tracked([active], project="two"), rounds=1)
        folders.append(active.pool.run_dir / "tensorboard")
    assert list(tensorboards(tmp_path)) == folders
    runs = trackio_runs("two")
    assert len(runs) == 2
    assert all([row["train/labels"] for row in of_rounds(rows)] == [10] for rows in runs.values())


def test_the_trainers_reporters_are_as_they_were_after_the_run(make_active, make_tracked):
    active = make_active()
    trainer = make_tracked([active], report_to=["tensorboard"])
    arguments = trainer.args.to_dict()
    active.run(trainer, rounds=1)
    assert trainer.args.to_dict() == arguments
    assert arguments["run_name"] is None
    (board,) = (c for c in trainer.callback_handler.callbacks if isinstance(c, TensorBoardCallback))
    assert board.logging_dir is None


def test_without_an_evaluation_set_there_is_nothing_to_report_of_a_round(make_active, make_tracked, tmp_path):
    active = make_active()
    active.run(make_tracked([active], report_to=["tensorboard"], eval_dataset=None), rounds=2)
    ((folder, points),) = tensorboards(tmp_path).items()
    assert folder == active.pool.run_dir / "tensorboard"
    assert "train/loss" in points
    assert not [tag for tag in points if "round" in tag]


def test_mlflow_has_one_run_for_each_start(make_active, make_tracked, tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", str(tmp_path / "mlruns"))
    for rounds in (2, 3):
        active = make_active()
        active.run(make_tracked([active], report_to=["mlflow"]), rounds=rounds)
        assert mlflow.active_run() is None
    client = mlflow.MlflowClient(str(tmp_path / "mlruns"))
    runs = client.search_runs(["0"], order_by=["attributes.start_time ASC"])
    assert len({run.info.run_name for run in runs}) == 1
    assert [run.info.status for run in runs] == ["FINISHED", "FINISHED"]
    points = [client.get_metric_history(run.info.run_id, "eval_round_accuracy") for run in runs]
    assert [[point.step for point in ones] for ones in points] == [[10, 20], [30]]
    mine = {record.labels: record.metrics["eval_accuracy"] for record in active.pool.store.rounds()}
    assert {point.step: point.value for ones in points for point in ones} == pytest.approx(mine)
    with mlflow.start_run(run_name="mine") as mine:
        active = make_active("other")
        active.run(make_tracked([active], report_to=["mlflow"]), rounds=1)
        assert mlflow.active_run().info.run_id == mine.info.run_id


def test_what_trackers_lack_is_found_before_anybody_is_asked(make_active, make_tracked, tmp_path, monkeypatch):
    pytest.importorskip("mlflow")
    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE", raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "gopher://nowhere")
    active = make_active()
    with pytest.raises(ArgumentError, match=r"report_to=\['mlflow'\]: MLflow cannot open gopher://nowhere"):
        active.run(make_tracked([active], report_to=["mlflow"]), rounds=1)
    assert not active.pool.store.queries()


def test_wandb_without_a_key_is_found_before_anybody_is_asked_and_offline_works(tmp_path):
    pytest.importorskip("wandb")
    script = (
        "import sys; from hfal.cli.main import main; from support.fault_scenarios import write_data; "
        "from pathlib import Path; Path('model').exists() or write_data(Path('.')); sys.exit(main(sys.argv[1:]))"
    )
    options = ["--data", "labeled.csv", "--text", "text", "--label", "label", "--eval_size", "10", "--query_size", "5"]
    options += ["--rounds", "2", "--report_to", "wandb", "--output_dir", "run", *FAST]
    given = {**environment(tmp_path), "HOME": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[1])}
    given = {name: value for name, value in given.items() if not name.startswith("WANDB_")}

    def run(**variables):
        command = [sys.executable, "-c", script, "run", *options]
        return subprocess.run(
            command, cwd=tmp_path, env={**given, **variables}, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )

    refused = run()
    assert refused.returncode == 1
    assert "report_to=['wandb']: W&B has no API key: log in with `wandb login`" in refused.stderr.splitlines()[-1]
    assert not (tmp_path / "run" / "rounds").exists()
    assert run(WANDB_MODE="offline").returncode == 0
    assert len(list(tmp_path.glob("wandb/offline-run-*/*.wandb"))) == 1
