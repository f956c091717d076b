"""Record how a comparison was made when it begins: its command, commit and machine."""

import json
import os
import platform
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hfal.utils.files import atomic_write
from hfal.utils.secrets import without_secrets


FACTS_NAME = "facts.json"
"""In the result directory."""


def keep_facts(out: Path, argv: Sequence[str], seeds: int, *, changes: bool, has_results: bool) -> None:
    """Write down how a comparison was started; of a later start what makes a difference.

    Args:
        out: The result directory.
        argv: The words behind `hfal`: `["compare", "config.yaml"]`. Tokens among them are left out.
        seeds: How many there are to be.
        changes: Whether its options are others than before.
        has_results: Whether a run of it is finished, so that somebody may have looked at its report.
    """
    path, commit, command = out / FACTS_NAME, _commit(), without_secrets(shlex.join(["hfal", *_without_tokens(argv)]))
    facts = kept_facts(out) or {
        "command": command,
        "commit": commit,
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
    }
    if not has_results:
        facts["seeds"] = seeds
    for name, value in {**({"command": command} if changes else {}), "commit": commit}.items():
        values = [facts[name], *facts.get(f"later_{name}s", [])]
        if value != values[-1]:
            facts[f"later_{name}s"] = [*values[1:], value]
    with atomic_write(path) as part:
        part.write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", "utf-8")


def kept_facts(out: Path) -> dict[str, Any]:
    """Read what `keep_facts` has written; empty where it was not called."""
    path = out / FACTS_NAME
    facts: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return facts


def _without_tokens(argv: Sequence[str]) -> list[str]:
    """The words without the values of `--hub_token` and its like: the report is there to be shown."""
    words: list[str] = []
    for word in argv:
        name, equals, _ = word.partition("=")
        if words and _is_token(words[-1]) and not word.startswith("-"):
            words.append("...")
        else:
            words.append(f"{name}=..." if equals and _is_token(name) else word)
    return words


def _is_token(word: str) -> bool:
    return word.startswith("-") and word.endswith("token")


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
