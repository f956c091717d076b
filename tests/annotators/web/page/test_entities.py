"""Entities on the page: marked by arrow keys and Shift, by mouse, by taps."""

from selenium.webdriver import ActionChains
from selenium.webdriver.common.keys import Keys

from support.browser import Page
from support.entity_queries import EU, PETER, RAIN, add_query, said


SUGGESTED = ["B-ORG", "O", "B-MISC", "O", "O", "O", "O", "O", "O"]


def word(page: Page, number: int):
    return page.find(f'#texts .word[data-word="{number}"]')


def selected(page: Page) -> str:
    return page.run(
        "return [...document.querySelectorAll('#texts .selected')].map(part => part.textContent).join('').trim()"
    )


# -- whole queries ----------------------------------------------------------------------------------------------------


def test_a_query_by_keys(entities, sit_down):
    add_query(entities, [EU, PETER, RAIN], [SUGGESTED])
    page = sit_down().sees("EU", "rejects", "Save: 2 entities as suggested, 87%", "0 of 3")
    assert page.marks() == [("EU", "ORG", True), ("German", "MISC", True)]
    page.press(*[Keys.ARROW_RIGHT] * 7)
    assert selected(page) == "British"
    page.press("4").sees("Marked: British (MISC)", "Save: 3 entities")
    assert page.marks() == [("EU", "ORG", True), ("German", "MISC", True), ("British", "MISC", False)]
    page.press(Keys.ENTER).sees("Peter", "1 of 3", "Saved:")
    page.press(Keys.ARROW_RIGHT).press_with(Keys.SHIFT, Keys.ARROW_RIGHT)
    assert selected(page) == "Peter Blackburn"
    page.press("1", Keys.END, "2", Keys.ENTER).sees("rains").press(Keys.ENTER).sees("All 3 texts")
    page.press(Keys.ENTER).comes_to("ended")
    assert said(entities) == {
        "a": [(0, 1, "ORG"), (2, 3, "MISC"), (6, 7, "MISC")],
        "b": [(0, 2, "PER"), (3, 4, "ORG")],
        "c": [],
    }
    assert entities.words_bought() == 16


def test_a_query_by_mouse(entities, sit_down):
    add_query(entities, [PETER, EU, RAIN], [None, SUGGESTED])
    page = sit_down().sees("Peter", "Save: no entity", "Select words with the mouse,")
    page.drag(word(page, 1), word(page, 0))
    assert selected(page) == "Peter Blackburn"
    page.click(page.label("PER"))
    ActionChains(page.driver, duration=0).double_click(word(page, 3)).perform()
    assert selected(page) == "Reuters"
    page.click(page.label("ORG"))
    assert page.marks() == [("Peter Blackburn", "PER", False), ("Reuters", "ORG", False)]
    page.click("#accept").sees("EU", "1 of 3")
    page.click("#texts mark:nth-of-type(2) .type").sees("MISC: German").click("#unmark").sees("Removed: German (MISC)")
    page.click("#accept").sees("rains").click("#skip").sees("All 3 texts").click("#close").comes_to("ended")
    assert said(entities) == {"a": [(0, 2, "PER"), (3, 4, "ORG")], "b": [(0, 1, "ORG")], "c": "skip"}


def test_a_query_by_touch(entities, sit_down):
    add_query(entities, [PETER, EU], [None, SUGGESTED])
    page = sit_down(on_phone=True).sees("Peter")
    page.tap(word(page, 0)).tap(word(page, 1))
    assert selected(page) == "Peter Blackburn"
    page.tap(page.label("PER")).tap(word(page, 3)).tap(page.label("ORG")).tap("#accept").sees("EU", "1 of 2")
    page.tap(word(page, 2)).sees("MISC: German").tap("#unmark").tap(word(page, 0)).tap(page.label("LOC"))
    assert page.marks() == [("EU", "LOC", False)]
    page.tap("#accept").sees("All 2 texts").tap("#close").comes_to("ended")
    assert said(entities) == {"a": [(0, 2, "PER"), (3, 4, "ORG")], "b": [(0, 1, "LOC")]}


# -- marking ----------------------------------------------------------------------------------------------------------


def test_overlapping_marks_are_refused(entities, sit_down):
    add_query(entities, [PETER])
    page = sit_down().press(Keys.ARROW_RIGHT).press_with(Keys.SHIFT, Keys.ARROW_RIGHT).press("1")
    page.drag(word(page, 1), word(page, 3)).press("2").sees(
        "Marks may not overlap. Remove this first: Peter Blackburn (PER)"
    )
    assert page.marks() == [("Peter Blackburn", "PER", False)]


def test_tab_goes_from_mark_to_mark_and_backspace_removes_one(entities, sit_down):
    add_query(entities, [EU], [SUGGESTED])
    page = sit_down().press(Keys.TAB)
    assert selected(page) == "EU"
    page.press(Keys.TAB)
    assert selected(page) == "German"
    page.press_with(Keys.SHIFT, Keys.TAB)
    assert selected(page) == "EU"
    page.press("3").sees("Marked: EU (LOC)").press(Keys.TAB, Keys.BACKSPACE).sees("Removed: German (MISC)")
    assert page.marks() == [("EU", "LOC", False)]
    page.press("r").sees("Marked as the model suggests.")
    assert [mark[:2] for mark in page.marks()] == [("EU", "ORG"), ("German", "MISC")]
    # Behind the last mark the key does what it does on every page, so that nobody is caught.
    page.press(Keys.TAB, Keys.TAB, Keys.TAB)
    assert page.run("return document.activeElement !== document.body")


def test_whoever_leaves_hears_of_marks_that_are_not_saved(entities, sit_down):
    add_query(entities, [EU, PETER], [SUGGESTED])
    page = sit_down().press("q").sees("Everything that you answered is saved.").press(Keys.ESCAPE)
    page.press(Keys.END, "4", "q").sees("is not saved: 3 entities").press(Keys.ENTER).comes_to("ended")
    assert said(entities) == {}


def test_hidden_suggestions_are_not_marked(entities, sit_down):
    add_query(entities, [EU], [SUGGESTED])
    page = sit_down(show_suggestions=False).sees("Save: no entity")
    assert page.marks() == []
    page.press("h").sees("Save: 2 entities").press("h", Keys.ENTER).sees("The only text of this query is answered")
    assert said(entities) == {"a": []}


def test_marks_are_changed_by_looking_back(entities, sit_down):
    add_query(entities, [EU, PETER], [SUGGESTED])
    page = sit_down().press(Keys.ENTER).sees("Peter").press(",").sees("Your answer: 2 entities", "Saved: 2 entities")
    page.press(Keys.ENTER).sees("That is the answer already: 2 entities")
    page.press(Keys.TAB, "x").sees("Change to: 1 entity").press(Keys.ENTER).press(Keys.ESCAPE).sees("Peter")
    page.press("u", "u").sees("Taken back")
    assert said(entities) == {}


def test_words_behind_pictures_and_marks_are_the_right_ones(entities, sit_down):
    add_query(entities, [["🐑🐑", "e\u0301te\u0301", "👩‍👩‍👧", "Zola", "\U0001d49cb"]])
    page = sit_down().sees("Zola")
    page.click(word(page, 3)).press("1").click(word(page, 4)).press("2", Keys.ENTER).sees("The only text")
    assert said(entities) == {"a": [(3, 4, "PER"), (4, 5, "ORG")]}


def test_arrows_go_where_they_point_in_right_to_left_text(entities, sit_down):
    add_query(entities, [["قال", "محمد", "صلاح", "في", "لندن"]])
    page = sit_down().press(Keys.HOME, Keys.ARROW_LEFT)
    assert selected(page) == "محمد"
    page.press_with(Keys.SHIFT, Keys.ARROW_LEFT)
    assert selected(page) == "محمد صلاح"
    page.press("1", Keys.ARROW_RIGHT)
    assert selected(page) == "قال"
    page.press(Keys.ENTER).sees("The only text")
    assert said(entities) == {"a": [(1, 3, "PER")]}


def test_up_and_down_go_from_line_to_line(entities, sit_down):
    add_query(entities, [[f"word{number:03}" for number in range(60)]])
    page = sit_down().press(Keys.ARROW_RIGHT, Keys.ARROW_DOWN)
    assert page.run("return arguments[0].getBoundingClientRect().left", word(page, 0)) == page.run(
        "return document.querySelector('.head').getBoundingClientRect().left"
    )
    assert selected(page) != "word000"
    page.press(Keys.ARROW_UP)
    assert selected(page) == "word000"


def test_a_long_text_scrolls_to_the_mark(entities, sit_down):
    words = [f"w{number}" for number in range(3000)]
    tags = ["O"] * 2000 + ["B-PER", "I-PER"] + ["O"] * 998
    add_query(entities, [words], [tags])
    page = sit_down()
    mark = page.find("#texts mark")
    inside = "const pane = document.getElementById('pane').getBoundingClientRect();"
    inside += "const box = arguments[0].getBoundingClientRect();"
    inside += "return box.top >= pane.top && box.bottom <= pane.bottom"
    assert not page.run(inside, mark)
    page.press(Keys.TAB)
    assert page.run(inside, mark)
    assert page.out_of_reach([*page.all("#labels button"), page.find("#accept")]) == []
    page.press(Keys.ENTER).sees("The only text")
    assert said(entities) == {"a": [(2000, 2002, "PER")]}


def test_a_draft_outlives_a_reload(entities, sit_down):
    add_query(entities, [PETER])
    page = sit_down().press(Keys.ARROW_RIGHT, "2")
    page.open()
    assert page.marks() == [("Peter", "ORG", False)]


def test_a_skipped_sentence_can_be_said_to_have_no_entity(entities, sit_down):
    add_query(entities, [PETER, EU])
    page = sit_down().press("s").sees("EU").press(",").sees("Peter", "Your answer: skipped", "Change to: no entity")
    page.press(Keys.ENTER).sees("Saved: no entity")
    assert said(entities) == {"a": []}
