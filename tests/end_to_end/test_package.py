"""The wheel: what it carries works without the clone."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path


ROOT = Path(__file__).parents[2]


def test_the_wheel_carries_the_recipe_that_hfal_run_runs(tmp_path):
    shutil.rmtree(ROOT / "build", ignore_errors=True)  # setuptools would carry modules of an earlier build along
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--wheel-dir", tmp_path, ROOT], check=True, cwd=tmp_path)
    (wheel,) = tmp_path.glob("hfal-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "site")
    templates = ("dataset_card.md", "model_card.md", "agreement.html")
    assert {f"hfal/export/templates/{name}" for name in templates} <= set(names)
    assert {"hfal/py.typed", "hfal/recipes/text_classification.py", "hfal/comparison/templates/report.html"} <= set(
        names
    )
    page = {f"hfal/annotators/web/static/{path.name}" for path in (ROOT / "hfal/annotators/web/static").iterdir()}
    assert "hfal/annotators/web/static/index.html" in page
    assert page <= set(names)
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "hfal").rglob("*.py")}
    assert modules <= set(names)  # each package is listed in pyproject.toml
    assert all(name.startswith(("hfal/", "hfal-0.1.0.dist-info/")) for name in names)
    # -S leaves out the installed hfal, also an editable one; what hfal needs is put back by path.
    script = (
        "import sys; sys.path[1:1] = sys.argv[2:]; sys.path.insert(0, sys.argv[1]);"
        "import hfal.recipes.text_classification as recipe; print(recipe.__file__)"
    )
    paths = [p for p in sys.path if "site-packages" in p]
    run = [sys.executable, "-S", "-c", script, tmp_path / "site", *paths]
    found = subprocess.run(run, check=True, cwd=tmp_path, capture_output=True, text=True).stdout.strip()
    assert found == str(tmp_path / "site" / "hfal" / "recipes" / "text_classification.py")
