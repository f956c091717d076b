"""How a comparison was made: its command, version, commit and machine, written down when it begins."""

import json
import os
import platform
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hfal import __version__


FACTS_NAME = "facts.json"
"""In the result directory."""


def keep_facts(out: Path, argv: Sequence[str]) -> None:
    """Write down how a comparison was started; of a later start only the commit, if it is another one.

    Args:
        out: The result directory.
        argv: The words behind `hfal`: `["compare", "config.yaml"]`.
    """
    path, commit = out / FACTS_NAME, _commit()
    facts = kept_facts(out) or {
        "command": shlex.join(["hfal", *argv]),
        "version": __version__,
        "commit": commit,
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
    }
    commits = [facts["commit"], *facts.get("later_commits", [])]
    if commit != commits[-1]:
        facts["later_commits"] = [*commits[1:], commit]
    part = path.with_name(f"{FACTS_NAME}.part")
    part.write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", "utf-8")
    os.replace(part, path)


def kept_facts(out: Path) -> dict[str, Any]:
    """What `keep_facts` has written; empty where it was not called."""
    path = out / FACTS_NAME
    facts: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return facts


def _commit() -> str | None:
    """The commit of the clone that hfal runs from, with a note if files of it were changed; `None` if it is none."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    git = ["git", "-C", str(root)]
    try:
        commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
        changed = subprocess.run(
            [*git, "status", "--porcelain", "--untracked-files=no"], capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"{commit} with changed files" if changed else commit
