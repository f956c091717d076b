"""`hfal export --unlabeled --answers` and `hfal import`: a run goes on from an export."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import datasets

from hfal import Pool
from hfal.store.records import Answer
from support.command import SMALL, Result, error_line, read_csv
from support.models import NAMES


def test_export_of_the_unlabeled_texts_reads_the_data_again_without_torch_and_an_import_goes_on(
    hfal: Callable[..., Result], folder: Path
) -> None:
    reviews = read_csv(folder / "reviews.csv")
    data = datasets.Dataset.from_dict({"review": [row["review"] for row in reviews]})
    pool = Pool(data, folder / "runs" / "own", "review", label_names=NAMES)
    for row in (0, 1):
        pool.record(Answer(pool.ids[row].as_py(), NAMES[row], annotator="Anna Secret"))
    pool.store.close()
    config = {"data": str(folder / "reviews.csv"), "text": ["review"], "labels": NAMES}
    (pool.run_dir / "config.yaml").write_text(json.dumps(config))
    script = (
        "import sys; from hfal.cli.main import main; code = main(sys.argv[1:]);"
        "sys.exit(code or 'torch' in sys.modules)"
    )
    export = [sys.executable, "-c", script, "export", "runs/own", "--to", "all", "--unlabeled"]
    for more in (["--answers", "--no-comments"], ["--answers", "--annotator-names", "--no_provenance"]):
        done = subprocess.run([*export, *more], cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert f"unlabeled.parquet: {len(data) - 2} unlabeled texts\n" in done.stdout
        assert "answers.parquet: 2 answers\n" in done.stdout
        names = "--annotator-names" in more
        assert any(b"Anna" in file.read_bytes() for file in (folder / "all").iterdir()) == names
        assert not any(str(folder).encode() in file.read_bytes() for file in (folder / "all").iterdir())
    loaded = datasets.load_dataset("all")
    assert loaded["unlabeled"].column_names == ["id", "review", "label"]
    assert {*loaded["train"]["review"], *loaded["unlabeled"]["review"]} == set(data["review"])
    assert len(Pool.from_export("all", folder / "runs" / "more").labels()) == 2
    imported = hfal("import", "all", "--to", "runs/imported")
    assert imported.stdout.startswith(
        f"runs/imported: {len(data)} texts, 2 answers. Go on with: hfal run runs/imported"
    )
    went_on = hfal("run", "runs/imported", *SMALL, "--annotator", "csv", "--rounds", "2")
    assert went_on.code == 75
    assert "changed since the last start" not in went_on.stderr
    assert "changed since the last start: rounds" in hfal("run", "runs/imported", "--rounds", "3").stderr
    assert "Query 1 (held-out examples): 17 texts wait" in went_on.stderr
    assert "2 labels bought" in hfal("status", "runs/imported").stdout
    assert "has no hfal.json" in error_line(hfal("import", "runs", "--to", "runs/other"))
