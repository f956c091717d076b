"""What starts without torch, and what needs no library at all: asked of `sys.modules` in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from support.published_run import make_run


IMPORT = "import importlib; importlib.import_module({!r})"
# Every module of a package. A `__main__` would run.
WALK = """
import importlib, pkgutil
package = importlib.import_module({!r})
for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    importlib.import_module(module.name)
"""
COMMAND = "from hfal.cli.main import main; assert main({!r}) == {}"
HELP = """
from hfal.cli.main import main
try:
    main(["--help"])
except SystemExit as end:
    assert end.code == 0
"""


def loaded_by(code: str, folder: Path) -> set[str]:
    """The top-level names of the modules that are there after this code."""
    code += "\nimport json, sys\nprint(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    "code",
    [
        pytest.param(IMPORT.format("hfal"), id="hfal"),
        pytest.param(WALK.format("hfal.store"), id="hfal.store"),
        pytest.param(WALK.format("hfal.annotators"), id="hfal.annotators"),
        pytest.param(WALK.format("hfal.stopping"), id="hfal.stopping"),
        pytest.param(WALK.format("hfal.export"), id="hfal.export"),
        pytest.param("from hfal import Aggregate, ask_again_scores, krippendorff_alpha", id="several opinions"),
        pytest.param(HELP, id="hfal --help"),
        pytest.param(COMMAND.format(["status", "run"], 0), id="hfal status"),
        pytest.param(COMMAND.format(["label", "run"], 0), id="hfal label"),
        pytest.param(COMMAND.format(["agreement", "run"], 0), id="hfal agreement"),
        *(
            pytest.param(COMMAND.format(["export", "run", "--to", f"labels.{suffix}"], 0), id=f"hfal export {suffix}")
            for suffix in ("csv", "jsonl", "parquet")
        ),
        pytest.param(COMMAND.format(["export", "run", "--to", "labels"], 0), id="hfal export folder"),
    ],
)
def test_it_starts_without_torch(code: str, tmp_path: Path) -> None:
    make_run(tmp_path / "run").close()
    assert "torch" not in loaded_by(code, tmp_path)


@pytest.mark.parametrize("package", ["hfal.strategies", "hfal.stopping"])
def test_it_needs_neither_models_nor_data_sets_nor_a_database(package: str, tmp_path: Path) -> None:
    loaded = loaded_by(WALK.format(package), tmp_path)
    assert not loaded & {"transformers", "datasets", "sqlite3", "_sqlite3"}
