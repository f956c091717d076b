"""`hfal compare`: its help and its errors; tests/comparison has the rest."""

from collections.abc import Callable
from pathlib import Path

from support.command import Result, error_line


def test_help_and_an_option_that_is_missing(hfal: Callable[..., Result], folder: Path) -> None:
    for option in ("-h", "--help"):
        shown = hfal("compare", "missing.yaml", option)
        assert (shown.code, shown.stderr) == (0, "")
        assert shown.stdout.startswith("usage: hfal compare CONFIG.yaml")
    assert "--data is missing" in error_line(hfal("compare"))
    assert not (folder / "runs").exists()
