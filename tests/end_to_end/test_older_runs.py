"""Runs, exports and heads that hfal made before its modules moved: they open, and runs go on as they would have."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml

from hfal import Pool
from hfal.store.store import Store
from hfal.training import frozen_encoder
from made_by_0_1.make import fill_in, states_for
from support.command import Result, error_line


MADE = Path(__file__).parents[1] / "made_by_0_1"
NAMES = ["reviews", "reports", "names"]
EXPECTED = json.loads((MADE / "expected.json").read_text("utf-8"))
LABELS = {"reviews": (12, 12), "reports": (6, 12), "names": (6, 12)}  # given, and asked for


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """All of it, in the current folder, to which the paths in it lead."""
    shutil.copytree(MADE, tmp_path, dirs_exist_ok=True)
    for config in tmp_path.glob("runs/*/config.yaml"):
        config.write_text(config.read_text("utf-8").replace("FOLDER", str(tmp_path)), "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    return tmp_path


@pytest.mark.parametrize("name", NAMES)
def test_the_store_opens(folder: Path, name: str) -> None:
    given, asked = LABELS[name]
    for read_only in (True, False):
        store = Store(folder / "runs" / name, read_only=read_only)
        labels = {id_: answer.label for id_, answer in store.current_answers().items()}
        assert len(labels) == given
        assert labels.items() <= EXPECTED[name]["labels"].items()
        assert sum(len(query.examples) for query in store.queries()) == asked
        assert [query.purpose for query in store.queries()] == ["seed", "round"]
        assert len(store.open_queries()) == (0 if name == "reviews" else 1)
        assert [record.metrics for record in store.rounds()] == EXPECTED[name]["metrics"][: len(store.rounds())]
        store.close()


@pytest.mark.parametrize("name", NAMES)
def test_the_store_opens_where_nothing_may_be_written(folder: Path, name: str) -> None:
    run_dir = folder / "runs" / name
    (run_dir / "labels.sqlite").chmod(0o444)
    run_dir.chmod(0o555)
    script = """
import os, sys
from hfal.cli.main import main
from hfal.store.store import Store
assert not os.access(sys.argv[1], os.W_OK)
print(len(Store(sys.argv[1], read_only=True).current_answers()), flush=True)
raise SystemExit(main(["status", sys.argv[1]]))
"""
    # Permissions do not bind root, who has to give up the capability to override them.
    weak = ["setpriv", "--bounding-set", "-dac_override"] if os.geteuid() == 0 else []
    command = [*weak, sys.executable, "-c", script, f"runs/{name}"]
    said = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    assert said.stdout == f"{LABELS[name][0]}\n" + status_of(folder, name)
    assert not (run_dir / "run.lock").exists()


def status_of(folder: Path, name: str) -> str:
    return EXPECTED[name]["status"].replace("FOLDER", str(folder))


@pytest.mark.parametrize("name", NAMES)
def test_commands_read_the_run(hfal: Callable[..., Result], folder: Path, name: str) -> None:
    run_dir, given = f"runs/{name}", LABELS[name][0]
    assert hfal("status", run_dir).stdout == status_of(folder, name)
    exported = hfal("export", run_dir, "--to", "labels.jsonl")
    assert exported.code == 0, exported.stderr
    rows = [json.loads(line) for line in (folder / "labels.jsonl").read_text("utf-8").splitlines()]
    assert len(rows) == given
    labels = EXPECTED[name]["labels"]
    assert all(labels[row["id"]] == row["label"] for row in rows)
    asked = hfal("label", run_dir)
    if name == "reviews":
        line = error_line(asked)
        assert "the answers of this run are revealed by a SimulatedAnnotator, which yours would not be" in line
        assert "Finished, 2 rounds were asked for." in line
    else:
        assert asked.code == 75  # here is no terminal
        assert "Query 2 (of round 1): 6 texts wait to be labeled: `hfal label" in asked.stderr


@pytest.mark.parametrize("name", NAMES)
def test_the_card_has_the_options(hfal: Callable[..., Result], folder: Path, name: str) -> None:
    shown = hfal("export", f"runs/{name}", "--to", "hub:me/labels", "--dry-run")
    assert shown.code == 0, shown.stderr
    kept = yaml.safe_load((folder / "runs" / name / "config.yaml").read_text("utf-8"))
    (options,) = re.findall(r"```yaml\n(.*?)```", shown.stdout, re.DOTALL)
    assert yaml.safe_load(options) == {option: value for option, value in kept.items() if option != "data"}


@pytest.mark.parametrize("name", NAMES)
def test_the_run_goes_on_as_it_would_have(hfal: Callable[..., Result], folder: Path, name: str) -> None:
    run_dir = folder / "runs" / name
    if name == "reviews":
        went_on = hfal("run", f"runs/{name}", "--rounds", "3")
    else:
        fill_in(run_dir, 2)
        went_on = hfal("run", f"runs/{name}")
    assert went_on.code == (0 if name == "reviews" else 75), went_on.stderr
    store = Store(run_dir, read_only=True)
    last = store.queries()[-1]
    assert [example.example_id for example in last.examples] == EXPECTED[name]["query"]
    assert [example.score for example in last.examples] == pytest.approx(EXPECTED[name]["scores"], rel=1e-3)
    assert {id_: answer.label for id_, answer in store.current_answers().items()} == EXPECTED[name]["labels"]
    metrics = [record.metrics for record in store.rounds()]
    assert metrics == [pytest.approx(expected, rel=1e-4, abs=1e-6) for expected in EXPECTED[name]["metrics"]]


@pytest.mark.parametrize("name", NAMES)
def test_the_export_opens(hfal: Callable[..., Result], folder: Path, name: str) -> None:
    imported = hfal("import", f"exports/{name}", "--to", "runs/imported")
    assert imported.code == 0, imported.stderr
    pool = Pool.from_export(f"exports/{name}", folder / "runs" / "pool")
    old = Store(folder / "runs" / name, read_only=True)
    assert list(pool.label_names) == old.meta("label_names")
    # Who answered and where the model lay stay private, and the last round of no query yet is to be trained again.
    who = {"simulated": "simulated", "file": "annotator-1"}
    answers = [replace(answer, annotator=who[answer.annotator]) for answer in old.answers()]
    queries = [replace(query, model=query.model and query.model.split(" from ")[0]) for query in old.queries()]
    rounds = old.rounds()
    if name == "reviews":
        rounds[-1] = replace(rounds[-1], trained=None, metrics=None, finished=None)
    for new in ("imported", "pool"):
        store = Store(folder / "runs" / new, read_only=True)
        assert store.answers() == answers
        assert store.queries() == queries
        assert store.rounds() == rounds


@pytest.mark.parametrize("name", NAMES)
def test_the_head_loads(name: str) -> None:
    (model,) = (MADE / "runs" / name).glob("rounds/*/model")
    (architecture,) = json.loads((model / "config.json").read_text())["architectures"]
    head = getattr(frozen_encoder, architecture).from_pretrained(model).eval()
    with torch.no_grad():
        logits = head(**states_for(head)).logits
    torch.testing.assert_close(logits, torch.tensor(EXPECTED[name]["logits"]), rtol=0, atol=1e-6)
