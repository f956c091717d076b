"""The options of `hfal compare`."""

from hfal.comparison.options import GROUPS, CompareOptions, compare_help
from hfal.store.run_directory import COMPARE_NAME


def test_help_shows_every_option_once() -> None:
    shown = [name for names in GROUPS.values() for name in names.split()]
    assert sorted(shown) == sorted(CompareOptions.__dataclass_fields__)
    text = compare_help()
    assert all(f"  --{name} " in text or f"  --{name}\n" in text for name in shown)
    assert "Default: random,margin+kmeans." in " ".join(text.split())
    assert COMPARE_NAME == "compare.yaml"
