"""How the page looks: without violations of WCAG 2.2 AA in light and dark, on a desk and on a small phone."""

import pytest
from selenium.webdriver.common.keys import Keys

from support import entity_queries, label_queries
from support.browser import Page


TEXTS = ["A gem of a film, quietly funny, and over too soon.", "Two lost hours."]
TAGS = ["B-ORG", "O", "B-MISC", "O", "O", "O", "O", "O", "O"]


@pytest.fixture(params=["label", "label_set", "entities", "many labels"])
def sit_at(request, store, sit_down, tmp_path):
    """A function that opens the page of a task, with everything on it that there can be."""
    guide = tmp_path / "guide.md"
    guide.write_text("# What is positive?\n\n- Irony counts.\n\n| a | b |\n|---|---|\n| 1 | 2 |\n")
    if request.param == "entities":
        request.getfixturevalue("entities")
        entity_queries.add_query(store, [entity_queries.EU, entity_queries.PETER], [TAGS])
    elif request.param == "label_set":
        request.getfixturevalue("sets")
        label_queries.add_query(store, TEXTS, suggestion=["law"])
    elif request.param == "label":
        label_queries.add_query(store, TEXTS, suggestion="positive")
    else:
        store.set_meta("label_names", [f"class {number} of many, with a name of some length" for number in range(200)])
        label_queries.add_query(store, TEXTS)

    def sit(on_phone: bool) -> Page:
        return sit_down(on_phone=on_phone, guidelines=guide)

    return sit


@pytest.mark.parametrize("on_phone", [False, True], ids=["desk", "phone"])
def test_axe_finds_nothing(sit_at, on_phone, axe):
    page = sit_at(on_phone)
    try:
        for dark in (False, True):
            assert page.in_the_dark(dark).violations(axe) == []
        screen = page.find("body").get_attribute("data-screen")
        page.press(*{"label": "1", "label_set": ["1", Keys.ENTER], "entities": [Keys.TAB, "1"]}[str(screen)])
        if screen == "entities":  # something is selected, and marked
            assert page.violations(axe) == []
            page.press(Keys.ENTER)
        page.press(",").sees("Your answer:")
        for dark in (True, False):
            assert page.in_the_dark(dark).violations(axe) == []
    finally:
        page.in_the_dark(False)


@pytest.mark.parametrize("on_phone", [False, True], ids=["desk", "phone"])
def test_axe_finds_nothing_where_nothing_is_asked_or_a_window_is_open(store, sit_down, on_phone, axe):
    label_queries.add_query(store, TEXTS[:1])
    page = sit_down(on_phone=on_phone)
    for key in ("?", "c", "q"):
        page.press(key)
        assert page.violations(axe) == [], key
        page.type(Keys.ESCAPE)
    page.press("1").sees("The only text of this query is answered")
    assert page.violations(axe) == []
    page.press(Keys.ENTER).comes_to("ended")
    assert page.violations(axe) == []


def test_everything_fits_on_a_phone_and_under_a_thumb(sit_at):
    page = sit_at(True)
    assert page.run("return [document.documentElement.scrollWidth, document.documentElement.scrollHeight]") == [
        360,
        640,
    ]
    seen = [button for button in page.all("#commands button, #propose button, #top button") if button.is_displayed()]
    assert len(seen) >= 7
    assert page.out_of_reach(seen) == []
    assert page.out_of_reach(page.all("#labels button")[:2]) == []
    assert page.run("return document.getElementById('pane').clientHeight") >= 110


@pytest.mark.parametrize("on_phone", [False, True], ids=["desk", "phone"])
def test_no_text_is_smaller_than_14_pixels(sit_at, on_phone):
    page = sit_at(on_phone)
    smallest = page.run(
        """
        const sizes = [];
        const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
        while (texts.nextNode()) {
          if (!texts.currentNode.data.trim()) continue;
          sizes.push(parseFloat(getComputedStyle(texts.currentNode.parentElement).fontSize));
        }
        return Math.min(...sizes);
        """
    )
    assert smallest >= 14


def test_nothing_moves_where_less_motion_is_wanted(store, sit_down):
    label_queries.add_query(store, TEXTS)
    page = sit_down()
    media = [{"name": "prefers-reduced-motion", "value": "reduce"}]
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})
    try:
        assert page.run("return getComputedStyle(document.querySelector('.breath')).animationName") == "none"
        assert page.run("return getComputedStyle(document.getElementById('bar-done')).transitionDuration") == "0s"
    finally:
        page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
