"""No token and no password on the disk or on the screen, however it was given."""

import os
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from transformers import TrainerCallback

from hfal import ActiveLearningCallback, Pool, SimulatedAnnotator
from support.command import SMALL, Result


# None looks like a token of the Hub, which are found by their looks.
NAMES = ("env", "option", "yaml", "misspelt", "url", "compare", "args")
SECRETS = {name: f"secret-{name}-{'xyz' * 3}" for name in NAMES}
SIGNED = f"https://me:{SECRETS['url']}@127.0.0.1/x.csv?sig={SECRETS['url']}"


def contents(path: Path) -> Iterator[bytes]:
    """The bytes of a file, and what is packed in it."""
    yield path.read_bytes()
    if path.suffix == ".parquet":
        yield repr(pq.read_table(path).to_pylist()).encode()
    elif zipfile.is_zipfile(path):  # as torch saves things
        with zipfile.ZipFile(path) as packed:
            yield from map(packed.read, packed.namelist())


def with_secrets(folder: Path) -> list[str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert not any("secret-" in str(path) for path in folder.rglob("*"))
    assert files
    secrets = [secret.encode() for secret in SECRETS.values()]
    return [str(path) for path in files for part in contents(path) if any(secret in part for secret in secrets)]


def test_a_run_its_exports_and_a_comparison(
    hfal: Callable[..., Result],
    folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_TOKEN", SECRETS["env"])  # and put back what the command has made of it
    data = ["--data", "labeled.csv", "--text", "review", "--label", "sentiment", "--eval_size", "10", *SMALL]
    own, wrong, broken = (tmp_path_factory.mktemp("configs") / name for name in ("own.yaml", "wrong.yaml", "no.yaml"))
    own.write_text(f"hub_token: {SECRETS['yaml']}\nsave_strategy: epoch\n")
    wrong.write_text(f"hub_tokn: {SECRETS['misspelt']}\n")
    broken.write_text(f"hub_token: {SECRETS['misspelt']}: x\n")
    misspelt = [[f"--hub_tokn={SECRETS['misspelt']}"], ["--hub_tokn", SECRETS["misspelt"]]]
    refused = [
        *(["run", *data, *words] for words in misspelt),
        *(["compare", *data, *words] for words in misspelt),
        ["run", *data, "--hub_token", "a", SECRETS["misspelt"]],
        ["run", str(wrong), *data],
        ["run", str(broken), *data],
        *(["run", *data, f"--{name}", SIGNED] for name in ("data", "model", "embeddings", "export", "output_dir")),
        ["run", *data, "--run_name", SIGNED],
        ["compare", *data, "--embeddings_dir", SIGNED],
        ["export", "runs/labeled", "--to", SIGNED],
        ["export", SIGNED, "--to", "x.csv"],
        ["import", SIGNED, "--to", "x"],
        ["import", "labels", "--to", SIGNED],
        ["status", SIGNED],
        ["label", SIGNED],
        ["export", "runs/labeled", "--to", "x.csv", f"--tokn={SECRETS['misspelt']}"],
    ]
    first = ["run", *data, "--rounds", "1", "--hub_token", SECRETS["option"], "--save_strategy", "epoch"]
    said = [hfal(*words) for words in (first, *refused)]
    assert [bool(one.code) for one in said] == [False, *([True] * len(refused))], [one.stderr for one in said]
    assert os.environ["HF_TOKEN"] == SECRETS["option"]  # where the Hub's client finds it
    assert "--hub_token is used like HF_TOKEN, and kept nowhere" in said[0].stderr
    grid = ["--strategies", "random", "--starts", "random", "--seeds", "1", "--full_runs", "0", "--rounds", "1"]
    for words in (
        ["run", str(own), *data, "--output_dir", "runs/other", "--rounds", "1"],
        ["run", "runs/labeled", "--rounds", "2", f"--hub-token={SECRETS['option']}", "--report_to", "tensorboard"],
        ["compare", *data, *grid, "--output_dir", "out", "--hub_token", SECRETS["compare"]],
        ["status", "runs/labeled"],
        ["status", "out"],
        ["export", "runs/labeled", "--to", "labels.csv"],
        ["export", "runs/labeled", "--to", "labels", "--unlabeled", "--answers"],
        ["export", "runs/labeled", "--to", "hub:me/x", "--model", "hub:me/y", "--dry-run"],
        ["import", "labels", "--to", "imported"],
    ):
        said.append(hfal(*words))
        assert said[-1].code == 0, said[-1].stderr
    assert list(folder.glob("runs/*/rounds/*/model/training_args.bin"))
    assert with_secrets(folder) == []
    shown = "".join(one.stdout + one.stderr for one in said)
    assert [secret for secret in SECRETS.values() if secret in shown] == []


class Environment(TrainerCallback):
    def __init__(self) -> None:
        self.seen: set[str | None] = set()

    def on_step_end(self, args, state, control, **kwargs):
        self.seen.add(os.environ.get("HF_TOKEN"))
        assert args.hub_token is None


@pytest.mark.parametrize("before", [None, "another"])
def test_a_trainer_of_ones_own_keeps_its_token(
    tmp_path, monkeypatch, make_trainer, reviews, before: str | None
) -> None:
    monkeypatch.setenv("HF_TOKEN", "another")
    if before is None:
        monkeypatch.delenv("HF_TOKEN")
    pool = Pool(reviews.select(range(30)), tmp_path / "run", "text", "label")
    active = ActiveLearningCallback(pool, strategy="random", query_size=8, annotator=SimulatedAnnotator(pool))
    watcher = Environment()
    trainer = make_trainer(
        [active, watcher], hub_token=SECRETS["args"], save_strategy="epoch", report_to=["tensorboard"]
    )
    active.run(trainer, rounds=1)
    assert watcher.seen == {SECRETS["args"]}
    assert (trainer.args.hub_token, os.environ.get("HF_TOKEN")) == (SECRETS["args"], before)
    assert list((tmp_path / "run").rglob("training_args.bin"))
    assert with_secrets(tmp_path) == []
