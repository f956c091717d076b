"""A worker makes runs, and says which of them have failed."""

from pathlib import Path

from hfal.comparison.worker import make_run
from hfal.store.store import Store


def test_a_worker_says_what_went_wrong_and_begins_anew(folder: Path) -> None:
    options = {"task": "text_classification", "data": "labeled.csv", "text": ["review"], "label": "sentiment"}
    options |= {"model": "./model", "eval_size": 20, "max_length": 32, "num_train_epochs": 1, "use_cpu": True}
    options |= {"query_size": 6, "rounds": 2, "disable_tqdm": True, "annotator": "simulated"}
    problem = make_run(folder / "run", {**options, "learning_rate": 1e30})
    assert problem is not None
    assert problem.startswith("DivergedError: after round 1")
    assert (folder / "run" / "error.txt").read_text("utf-8") == f"{problem}\n"
    assert make_run(folder / "run", options) is None
    assert not (folder / "run" / "error.txt").exists()
    store = Store(folder / "run", read_only=True)
    assert [record.labels for record in store.rounds()] == [6, 12]
    store.close()
