"""What the page has in common with the terminal: the keys of labels, and which characters are spelled out."""

import unicodedata

import pytest

from hfal.annotators.terminal import entity_screen, label_screen, label_set_screen
from hfal.annotators.terminal.widgets import keys_of
from hfal.utils.visible_text import one_line
from support.label_queries import add_query


NAMES = [
    ["negative", "positive"],
    ["5", "none", "0", "1", "x"],
    [f"label {number}" for number in range(40)],
]


@pytest.mark.parametrize("names", NAMES, ids=len)
def test_labels_have_the_same_keys(store, sit_down, names):
    add_query(store, ["A gem."])
    page = sit_down()
    for screen, module in (("label", label_screen), ("label_set", label_set_screen), ("entities", entity_screen)):
        script = """
            const [names, screen, done] = arguments;
            import("./static/keys.js").then(keys => done([...keys.keysOf(names, screen, false)]));
        """
        found = page.driver.execute_async_script(script, names, screen)
        assert dict(found) == keys_of(names, module._KEYS)


def test_the_same_characters_are_spelled_out(store, sit_down):
    add_query(store, ["A gem."])
    page = sit_down()
    blocks = [range(0xD800), range(0xF8F0, 0x10000), range(0x11000, 0x11100), range(0x1F300, 0x1F800)]
    points = [point for block in (*blocks, range(0xE0000, 0xE0200)) for point in block]
    # What Python's Unicode does not know yet, the browser's may; tabs and line ends lay a text out.
    points = [point for point in points if unicodedata.category(chr(point)) != "Cn" and chr(point) not in "\t\n"]
    script = """
        const [points, done] = arguments;
        const isSpelled = (text, {oneLine, spell}) => oneLine(`x${text}y`).includes(`<${spell(text)}>`);
        import("./static/text.js").then(module => done(
          points.filter(point => isSpelled(String.fromCodePoint(point), module))));
    """
    spelled = page.driver.execute_async_script(script, points)
    assert spelled == [point for point in points if f"<U+{point:04X}>" in one_line(f"x{chr(point)}y")]
    assert len(spelled) > 100
