"""How characters of strange texts are shown on a terminal."""

import pytest

from hfal.utils.visible_text import clip, masked, one_line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\U0001f468\u200d\U0001f469", None),
        ("\U0001f3f3\ufe0f\u200d\U0001f308", None),
        ("\u2764\ufe0f", None),
        ("1\ufe0f\u20e3", None),
        ("\u0645\u06cc\u200c\u062e", None),
        ("\u0915\u094d\u200d\u0937", None),
        ("\u0d28\u0d4d\u200d ", None),
        ("e\u0301", None),
        ("\u845b\U000e0100", None),
        ("a\u200db", "a<U+200D>b"),
        ("a\ufe0f", "a<U+FE0F>"),
        ("\u0645\u200c\u200c\u062e", "\u0645<U+200C><U+200C>\u062e"),
        ("\u0645\u061c\u200c\u062e", "\u0645<U+061C><U+200C>\u062e"),
        ("\u2764\ufe0f\ufe0f", "\u2764\ufe0f<U+FE0F>"),
        ("\u200d", "<U+200D>"),
        ("a\nb\tc", "a<U+000A>b<U+0009>c"),
        ("a\u00a0b\u3000c", None),
        ("\u06dd12", None),
    ],
)
def test_joiners_and_selectors_stay_where_they_are_needed(text, shown):
    assert one_line(text) == (text if shown is None else shown)


def test_names_are_clipped_to_the_cells_there_are():
    assert clip("abcdef", 6) == "abcdef"
    assert clip("abcdefg", 6) == "abc..."
    assert clip("\u65e5\u672c\u8a9e\u65e5\u672c", 8) == "\u65e5\u672c..."


def test_an_editor_shows_as_many_characters_as_there_are():
    assert masked("a\x1b\u202eb\u0301\u200d") == "a\ufffd\ufffdb\u0301\u200d"
