"""The paths in a run directory are those that hfal 0.1 has written."""

from pathlib import Path

import pytest

from hfal.errors import RunDirectoryError
from hfal.store import run_directory


def test_paths_are_those_of_0_1():
    run_dir = Path("runs/reviews")
    paths = {
        run_directory.store_file(run_dir): "labels.sqlite",
        run_directory.lock_file(run_dir): "run.lock",
        run_directory.config_file(run_dir): "config.yaml",
        run_directory.query_file(run_dir, 7, "csv"): "query-007.csv",
        run_directory.imported_data(run_dir): "data.parquet",
        run_directory.embeddings_folder(run_dir): "sentence_embeddings",
        run_directory.tensorboard_folder(run_dir): "tensorboard",
        run_directory.learning_curve_file(run_dir): "learning_curve.png",
        run_directory.output_file(run_dir): "output.txt",
        run_directory.error_file(run_dir): "error.txt",
        run_directory.initial_model(run_dir): "initial_model",
        run_directory.round_folder(run_dir, 12): "rounds/012",
        run_directory.model_folder(run_dir, 12): "rounds/012/model",
        run_directory.predictions_file(run_dir, 12): "rounds/012/predictions.parquet",
        run_directory.pseudo_labels_file(run_dir, 12): "rounds/012/pseudo_labels.parquet",
    }
    assert list(paths) == [run_dir / name for name in paths.values()]


def test_a_run_and_a_comparison_are_told_apart_by_a_file(tmp_path):
    assert not run_directory.has_run(tmp_path)
    assert not run_directory.has_comparison(tmp_path)
    run_directory.check_no_comparison(tmp_path)
    (tmp_path / "labels.sqlite").touch()
    assert not run_directory.has_run(tmp_path)
    (tmp_path / "labels.sqlite").write_text("tables")
    assert run_directory.has_run(tmp_path)
    (tmp_path / "compare.yaml").touch()
    assert run_directory.has_comparison(tmp_path)
    with pytest.raises(RunDirectoryError, match="choose another run directory"):
        run_directory.check_no_comparison(tmp_path)


def test_checkpoints_of_a_round(tmp_path):
    for name in ("checkpoint-10", "checkpoint-20", "model"):
        (tmp_path / name).mkdir()
    assert sorted(path.name for path in run_directory.checkpoints_in(tmp_path)) == ["checkpoint-10", "checkpoint-20"]
