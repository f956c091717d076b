"""How a comparison was made, as it is written down."""

import json
from pathlib import Path

import pytest

from hfal.comparison.facts import keep_facts


def test_facts_are_those_of_the_first_start_and_what_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commits = iter(["a1", "a1", "b2", "b2", "c3"])
    monkeypatch.setattr("hfal.comparison.facts._commit", lambda: next(commits))
    for name in ("first", "second", "third", "fourth", "fifth"):
        argv = ["compare", f"{name}.yaml", "--hub_token", "hf_secret", "--push-to-hub-token=hf_secret"]
        seeds = {"first": 3, "second": 5}.get(name, 9)
        keep_facts(
            tmp_path, argv, seeds, changes=name in ("first", "third"), has_results=name not in ("first", "second")
        )
    facts = json.loads((tmp_path / "facts.json").read_text("utf-8"))
    assert "hf_secret" not in str(facts)
    assert facts["command"] == "hfal compare first.yaml --hub_token ... --push-to-hub-token=..."
    assert facts["later_commands"] == ["hfal compare third.yaml --hub_token ... --push-to-hub-token=..."]
    assert facts["seeds"] == 5  # those that there were before there was a result
    assert (facts["commit"], facts["later_commits"]) == ("a1", ["b2", "c3"])
    assert "cores" in facts["machine"]
