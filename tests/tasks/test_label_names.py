"""Names of labels that people cannot tell apart, wherever they come in."""

from enum import Enum
from typing import Any

import numpy as np
import pandas as pd
import pytest
from datasets import ClassLabel, Dataset, List, Value

from hfal import Pool
from hfal.errors import ArgumentError
from hfal.tasks.kinds import KINDS
from hfal.tasks.label_names import check_label_names, given_names, in_order, look_alike_hint
from support.hostile import HOSTILE


ALIKE = {
    "composed and decomposed": ("caf\u00e9", "cafe\u0301"),
    "a zero-width space": ("good", "go\u200bod"),
    "a soft hyphen": ("good", "go\u00adod"),
    "a no-break space": ("very good", "very\u00a0good"),
    "two blanks": ("very good", "very  good"),
    "a blank behind it": ("good", "good "),
    "a byte order mark": ("\ufeffgood", "good"),
    "a direction": ("good", "\u202dgood"),
    "a control character": ("good", "good\x00"),
    "a mark behind a zero-width space": ("\u00e9", "e\u200b\u0301"),
    "angstrom and a ring": ("\u212b", "\u00c5"),
}
DIFFERENT = [
    ("good", "Good"),
    ("a b", "ab"),
    ("e", "\u00e9"),
    ("0", "1"),
    ("می‌خواهم", "می"),
    ("a", "\u0430"),
    ("-", "|"),
]
TWO = r" look alike, '.*' and '.*': make them one, or tell them apart by other names$"


@pytest.mark.parametrize("names", ALIKE.values(), ids=ALIKE.keys())
def test_names_that_look_alike_are_refused_with_both_of_them(names: tuple[str, str]) -> None:
    with pytest.raises(ArgumentError) as error:
        check_label_names(["other", *names], argument="--labels")
    message = str(error.value)
    assert message.isascii()
    assert message.isprintable()
    assert message.startswith(f"--labels has two names that look alike, {names[0]!a} and {names[1]!a}: ")
    assert (
        look_alike_hint(names[1], names[:1])
        == f" ({names[1]!a} looks like {names[0]!a}: write it with the same characters)"
    )


def test_a_name_that_no_file_can_have_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"^--labels has the name 'caf\\udce9' with half a surrogate pair"):
        check_label_names(["caf\udce9", "tea"], argument="--labels")  # Latin-1, in a terminal of UTF-8


def test_names_that_can_be_told_apart_are_names() -> None:
    for names in DIFFERENT:
        check_label_names(names, least=2)
        assert look_alike_hint(names[1], names[:1]) == ""
    shown = [text for text in HOSTILE.values() if 0 < len(text) < 1000 and text.strip()]
    for text in shown:
        check_label_names([text])


@pytest.mark.parametrize("name", ["", " ", "\t", "\u200b", "\u00a0", "\u3164", "\ufeff "])
def test_a_name_of_which_nothing_is_seen_is_refused(name: str) -> None:
    with pytest.raises(ArgumentError, match=r"^label_names has the name .*, of which nothing is seen"):
        check_label_names(["good", name])


@pytest.mark.parametrize(
    "names", [{0: "neg", 1: "pos"}, "negative", b"ab", [None, "b"], [["a"], "b"], [True, "b"], [0.5, 1]]
)
def test_what_is_no_list_of_names_is_refused(names: Any) -> None:
    with pytest.raises(ArgumentError, match=r"^label_names (is|has) .* expected (a list of )?names"):
        given_names(names)
    assert given_names([0, "b"]) == ("0", "b")


class Colors(Enum):
    RED = "red"
    BLUE = "blue"


class Texts(str, Enum):  # noqa: UP042 - whose `str` is no value, as that of a StrEnum is
    RED = "red"
    BLUE = "blue"


def test_names_of_every_type_are_strings() -> None:
    for names in (["a", "b"], np.array(["a", "b"]), ("a", np.str_("b")), pd.Series(["a", "b"]), iter("ab")):
        assert given_names(names) == ("a", "b")
    assert given_names(np.array([1, 2])) == ("1", "2")
    assert [type(name) for name in given_names([np.str_("a"), np.int64(1)])] == [str, str]
    assert given_names(Texts) == given_names([*Texts]) == ("red", "blue")


@pytest.mark.parametrize(
    ("names", "instead"),
    [
        ({"b", "a"}, "['a', 'b']"),
        (frozenset("ab"), "['a', 'b']"),
        ({"b": 0, "a": 1}, "['b', 'a']"),
        ({0: "b", 1: "a"}, "['b', 'a']"),
        (ClassLabel(names=["b", "a"]), "['b', 'a']"),
        (2, "['no', 'yes']"),
        ("a,b", "['no', 'yes']"),
    ],
)
def test_what_has_names_in_no_order_is_refused_with_a_list_of_them(names: Any, instead: str) -> None:
    with pytest.raises(ArgumentError) as error:
        given_names(names)
    assert str(error.value).endswith(f"expected a list of names, in their order: {instead}")


def test_members_of_an_enum_are_refused() -> None:
    with pytest.raises(ArgumentError, match=r"expected names: pass \[one.name for one in E\], or their values"):
        given_names(Colors)


def test_numbers_are_sorted_by_value() -> None:
    assert in_order(str(number) for number in range(12, -2, -1)) == [str(number) for number in range(-1, 13)]
    assert in_order(["10", "9.5", "1", "01"]) == ["01", "1", "9.5", "10"]
    assert in_order(["10", "9", "a"]) == ["10", "9", "a"]


PAIR = ALIKE["composed and decomposed"]
TEXTS = {"text": ["a", "b", "c"], "tokens": [["a"], ["b"], ["c"]]}
WAYS = {
    "names of classes": ({}, {"label_names": PAIR}),
    "names of sets": ({}, {"label_names": PAIR, "task": "multi_label_classification"}),
    "names of types": ({}, {"text_column": "tokens", "label_names": PAIR}),
    "names of tags": ({}, {"text_column": "tokens", "label_names": ["O", *(f"B-{name}" for name in PAIR)]}),
    "strings": ({"y": [*PAIR, None]}, {"label_column": "y"}),
    "class labels": ({"y": ([0, 1, 0], ClassLabel(names=[*PAIR]))}, {"label_column": "y"}),
    "lists of strings": ({"y": [[PAIR[0]], [PAIR[1]], []]}, {"label_column": "y"}),
    "lists of class labels": ({"y": ([[0], [1], []], List(ClassLabel(names=[*PAIR])))}, {"label_column": "y"}),
    "tags": ({"y": [[f"B-{PAIR[0]}"], [f"B-{PAIR[1]}"], ["O"]]}, {"text_column": "tokens", "label_column": "y"}),
    "spans": (
        {"y": [[{"start": 0, "end": 1, "label": name}] for name in PAIR] + [[]]},
        {"label_column": "y", "task": "token_classification"},
    ),
}


@pytest.mark.parametrize(("columns", "options"), WAYS.values(), ids=WAYS.keys())
def test_a_pool_refuses_them_wherever_they_come_from(tmp_path: Any, columns: Any, options: dict[str, Any]) -> None:
    data = Dataset.from_dict(TEXTS)
    for name, values in columns.items():
        values, feature = values if isinstance(values, tuple) else (values, None)
        data = data.add_column(name, values, feature=feature)
    options = {"text_column": "text", **options}
    with pytest.raises(ArgumentError, match=TWO) as error:
        Pool(data, tmp_path / "run", **options)
    assert str(error.value).startswith("label_names has" if "label_names" in options else "label_column='y' has")
    assert not (tmp_path / "run").exists()


def test_one_label_is_a_choice_only_where_a_text_may_have_none(tmp_path: Any) -> None:
    data = Dataset.from_dict(TEXTS)
    for more in ({}, {"text_column": "tokens", "label_names": ["O"]}):
        with pytest.raises(
            ArgumentError, match=r"^label_names is \['\w+'\], expected at least 2 names to choose from$"
        ):
            Pool(data, tmp_path / "run", **{"text_column": "text", "label_names": ["negative"], **more})
    with pytest.raises(ArgumentError, match=r"^label_column='y' is \['0'\], expected at least 2 names"):
        Pool(data.add_column("y", [0, -1, -1], feature=Value("int64")), tmp_path / "run", "text", "y")
    assert not (tmp_path / "run").exists()
    assert Pool(data, tmp_path / "sets", "text", None, ["spam"], task="multi_label_classification").label_names == (
        "spam",
    )
    assert len(Pool(data, tmp_path / "types", "tokens", None, ["PER"]).label_names) == 3


@pytest.mark.parametrize(
    ("task", "label"),
    [
        ("text_classification", PAIR[1]),
        ("multi_label_classification", [PAIR[1]]),
        ("token_classification", [f"B-{PAIR[1]}"]),
    ],
)
def test_an_answer_that_looks_like_a_label_is_refused_and_said_why(task: str, label: Any) -> None:
    names = [f"B-{PAIR[0]}", "O"] if task == "token_classification" else [PAIR[0], "other"]
    with pytest.raises(ArgumentError, match=r"\('.*' looks like '.*': write it with the same characters\)$"):
        KINDS[task].check(label, {"text": ["a"]} if task == "token_classification" else {"text": "a"}, names)
    # What a person writes into a file is taken for the one label that it looks like.
    texts = {"tokens": ["a"]}
    for said in (label, [f"{one}\u200b" for one in label] if isinstance(label, list) else f"{label}\u200b "):
        found = KINDS[task].from_cell(said, texts, names, "IOB2")
        assert found in (names[0], [names[0]])
