"""Labels and sets of labels on the page: whole queries by keys, by mouse, by touch; what one can do besides."""

import time

import pytest
from selenium.webdriver import ActionChains
from selenium.webdriver.common.keys import Keys

from hfal.annotators.base import Steps
from hfal.store.store import Store
from support.label_queries import add_query, labels, log
from support.stores import begin_round


TEXTS = ["A gem.", "Two lost hours.", "Fine, then not.", "In Klingon."]


def sets_of(store: Store) -> dict[str, list[str] | str]:
    return {
        example_id: answer.action if answer.label is None else list(answer.label)
        for example_id, answer in store.current_answers().items()
    }


# -- whole queries ----------------------------------------------------------------------------------------------------


def test_a_query_by_keys(store, sit_down):
    add_query(store, TEXTS, suggestion="negative")
    page = sit_down().sees("A gem.", "Round 2 of 10", "0 of 4", "Suggested, 87% negative", "positive 2")
    page.press("2").sees("Two lost hours.", "1 of 4", "Saved: positive")
    assert labels(store) == {"a": "positive"}
    page.press(Keys.ENTER).sees("Fine, then not.", "Saved: negative")
    page.press("n").sees("In Klingon.")
    page.press("s").sees("All 4 texts of this query are answered", "4 of 4")
    assert log(store) == [
        ("a", "label", "positive"),
        ("b", "label", "negative"),
        ("c", "unsure", None),
        ("d", "skip", None),
    ]
    page.press(Keys.ENTER).comes_to("ended").sees("You may close this page.")


def test_a_query_by_mouse(store, sit_down):
    add_query(store, TEXTS, suggestion="negative")
    page = sit_down().sees("A gem.")
    page.click(page.label("positive")).sees("Two lost hours.", "1 of 4")
    page.click("#accept").sees("Fine, then not.")
    page.click("#unsure").sees("In Klingon.")
    page.click("#skip").sees("All 4 texts of this query are answered")
    page.click("#close").comes_to("ended")
    assert log(store) == [
        ("a", "label", "positive"),
        ("b", "label", "negative"),
        ("c", "unsure", None),
        ("d", "skip", None),
    ]


def test_a_query_by_touch(store, sit_down):
    add_query(store, TEXTS, suggestion="negative")
    page = sit_down(on_phone=True).sees("A gem.")
    assert page.run("return [innerWidth, document.documentElement.scrollWidth]") == [360, 360]
    page.tap(page.label("positive")).sees("Two lost hours.", "1 of 4")
    page.tap("#accept").sees("Fine, then not.")
    page.tap("#unsure").sees("In Klingon.")
    page.tap("#skip").sees("All 4 texts of this query are answered")
    page.tap("#rest-undo").sees("In Klingon.", "Taken back: skip")
    page.tap(page.label("positive")).tap("#close").comes_to("ended")
    assert labels(store) == {"a": "positive", "b": "negative", "c": None, "d": "positive"}


def test_sets_by_keys(sets, sit_down):
    add_query(sets, TEXTS, suggestion=["law"])
    page = sit_down().sees("A gem.", "Save: law as suggested, 87%")
    assert page.chosen() == ["law"]
    page.press("1", "3").sees("Save: sports, law, money", "Chosen: money")
    page.press("2").sees("Save: sports, money", "No longer chosen: law").press(Keys.ENTER).sees("Two lost hours.")
    page.press("2").sees("Save: none of them").press("r").sees("Save: law").press(Keys.ENTER).sees("Fine, then not.")
    page.press("2", Keys.ENTER).sees("In Klingon.", "Saved: none of them").press("s").sees("All 4 texts")
    page.press(Keys.ENTER).comes_to("ended")
    assert sets_of(sets) == {"a": ["sports", "money"], "b": ["law"], "c": [], "d": "skip"}


def test_sets_by_mouse(sets, sit_down):
    add_query(sets, TEXTS[:2], suggestion=["law"])
    page = sit_down().sees("A gem.")
    page.click(page.label("sports")).click(page.label("law")).sees("Save: sports")
    assert page.label("sports").get_attribute("aria-pressed") == "true"
    page.click("#accept").sees("Two lost hours.")
    page.click(page.label("money")).click("#restore").sees("Save: law").click("#accept").sees("All 2 texts")
    page.click("#close").comes_to("ended")
    assert sets_of(sets) == {"a": ["sports"], "b": ["law"]}


def test_sets_by_touch(sets, sit_down):
    add_query(sets, TEXTS[:2])
    page = sit_down(on_phone=True).sees("A gem.", "Save: none of them")
    page.tap(page.label("sports")).tap(page.label("money")).tap("#accept").sees("Two lost hours.")
    page.tap(page.label("law")).tap(page.label("law")).tap("#accept").sees("All 2 texts").tap("#close")
    page.comes_to("ended")
    assert sets_of(sets) == {"a": ["sports", "money"], "b": []}


@pytest.mark.parametrize("on_phone", [False, True], ids=["desk", "phone"])
def test_a_text_that_a_program_has_made_up_may_make_no_sense(store, sit_down, axe, on_phone):
    add_query(store, TEXTS, made_up="bc")
    page = sit_down(on_phone=on_phone).sees("A gem.")
    assert page.all("#nonsense") == []
    page.press("-").sees("“-” is no key here").press("1").sees("Two lost hours.", "Makes no sense")
    for dark in (True, False):
        assert page.in_the_dark(dark).violations(axe) == []
    size = "return [scrollWidth <= innerWidth, scrollHeight <= innerHeight]"
    assert page.run(f"const {{scrollWidth, scrollHeight}} = document.documentElement; {size}") == [True, True]
    buttons = page.all("#labels button, #commands button")
    assert page.out_of_reach(buttons) == []
    assert [button.text.split("\n")[0] for button in buttons][3:6] == ["Not sure", "Makes no sense", "Undo"]
    page.press("?").sees("It makes no sense: a program has made it up").type(Keys.ESCAPE)
    page.press("-").sees("Fine, then not.", "Saved: makes no sense").click("#nonsense").sees("In Klingon.")
    assert page.all("#nonsense") == []
    page.press("u").sees("Fine, then not.", "Taken back: makes no sense").press("2").sees("In Klingon.")
    page.press(",", ",").sees("Two lost hours.", "Your answer: makes no sense")
    assert page.find("#nonsense.chosen").is_displayed()
    page.press("2").sees("Saved: positive").press(",", ".", "-").sees("Saved: makes no sense")
    page.press(Keys.ESCAPE).sees("In Klingon.")
    assert [(i, a.action) for i, a in store.current_answers().items()] == [
        ("a", "label"),
        ("b", "nonsense"),
        ("c", "label"),
    ]
    said = " ".join(action for _, action, _ in log(store))
    assert said == "label nonsense nonsense undo label correct nonsense"


# -- undo, look back, change, comment -------------------------------------------------------------------------------


def test_undo_goes_back_to_the_first_answer(store, sit_down):
    add_query(store, TEXTS[:3])
    page = sit_down().press("1", "2").sees("Fine, then not.")
    page.press("u").sees("Two lost hours.", "Taken back: positive", "1 of 3")
    page.press("u").sees("A gem.", "0 of 3").press("u").sees("There is nothing to undo.")
    page.press("2").sees("Two lost hours.")
    assert labels(store) == {"a": "positive"}


def test_a_set_that_is_taken_back_is_there_to_be_changed(sets, sit_down):
    add_query(sets, TEXTS[:2])
    page = (
        sit_down().press("1", "3", Keys.ENTER).sees("Two lost hours.").press("u").sees("A gem.", "Save: sports, money")
    )
    page.press("3", Keys.ENTER).sees("Two lost hours.")
    assert sets_of(sets) == {"a": ["sports"]}


@pytest.mark.parametrize("back", [",", Keys.ARROW_LEFT])
def test_an_answer_is_changed_by_looking_back(store, sit_down, back):
    add_query(store, TEXTS)
    page = sit_down().press("1", "1").sees("Fine, then not.")
    page.press(back).sees("Two lost hours.", "Your answer: negative", "Answer 2 of 2")
    assert page.chosen() == ["negative"]
    page.press(back).sees("A gem.", "Answer 1 of 2").press(back).sees("This is your first answer.")
    page.press("1").sees("That is the answer already: negative")
    page.press("2").sees("Saved: positive")
    page.press(Keys.ESCAPE).sees("Fine, then not.")
    assert page.find("#looking").is_displayed() is False
    assert labels(store) == {"a": "positive", "b": "negative"}


def test_an_answer_is_changed_by_mouse(store, sit_down):
    add_query(store, TEXTS)
    page = sit_down().click("#skip").click("#back").sees("A gem.", "Your answer: skipped")
    page.click("#forward").sees("Two lost hours.").click("#back").sees("A gem.").click("#return").sees(
        "Two lost hours."
    )
    page.click("#back").sees("A gem.").click(page.label("positive")).sees("Saved: positive")
    assert labels(store) == {"a": "positive"}


def test_a_comment_comes_with_the_answer_or_after_it(store, sit_down):
    add_query(store, TEXTS)
    page = sit_down().press("c").type("an  ironic <b>gem</b>" + Keys.ENTER).sees("Comment: an ironic <b>gem</b>")
    page.press("2").sees("Two lost hours.")
    assert store.current_answers()["a"].comment == "an ironic <b>gem</b>"
    page.press(",").sees("Comment: an ironic").click("#comment")
    page.run("arguments[0].value = ''", page.find("#comment-input"))
    page.click("#comment-dialog .primary").sees("The comment is saved.")
    assert store.current_answers()["a"].comment is None
    assert labels(store) == {"a": "positive"}


def test_keys_are_text_in_a_comment_and_escape_forgets_it(store, sit_down):
    add_query(store, TEXTS)
    page = sit_down().press("c").type("12sn?" + Keys.ESCAPE).press("c")
    assert page.find("#comment-input").get_property("value") == ""
    page.type(Keys.ENTER)
    assert log(store) == []


# -- suggestions, search, guidelines --------------------------------------------------------------------------------


def test_a_hidden_suggestion_is_not_accepted(store, sit_down):
    add_query(store, TEXTS, suggestion="negative")
    page = sit_down(show_suggestions=False).sees("A gem.", "Show suggestion")
    assert "87%" not in page.says("body")
    assert page.all("#labels .suggested") == []
    page.press(Keys.ENTER).sees("There is no suggestion to accept.")
    page.press("h").sees("Suggested, 87% negative").press("h", "h", Keys.ENTER).sees("Two lost hours.", "87%")
    assert labels(store) == {"a": "negative"}


def test_labels_are_found_by_a_part_of_their_names(store, sit_down):
    names = [f"class {number:03}" for number in range(198)] + ["Ärger über Gebühren", "accounts"]
    store.set_meta("label_names", names)
    add_query(store, TEXTS)
    page = sit_down().press("/").type("uber geb").sees("1 found; Enter: Ärger über Gebühren").type(Keys.ENTER)
    page.sees("Two lost hours.").press("/").type("class 01").sees("10 found; Enter: class 010")
    page.type(Keys.ARROW_DOWN).sees("Enter: class 011").type(Keys.ENTER).sees("Fine, then not.")
    page.press("/").type("nothing").sees("No match").type(Keys.ENTER + Keys.ESCAPE)
    assert len([button for button in page.all("#labels button") if button.is_displayed()]) == 200
    page.click("#search").type("accou").click(page.label("accounts")).sees("In Klingon.")
    assert labels(store) == {"a": "Ärger über Gebühren", "b": "class 011", "c": "accounts"}


def test_a_rating_has_its_own_key(store, sit_down):
    store.set_meta("label_names", ["0", "1", "2", "none"])
    add_query(store, TEXTS)
    sit_down().press("0", "3", "2").sees("In Klingon.")
    assert labels(store) == {"a": "0", "b": "none", "c": "2"}


def test_g_is_the_key_of_a_label_where_there_are_no_guidelines(store, sit_down):
    store.set_meta("label_names", [f"class {number}" for number in range(20)])
    add_query(store, TEXTS)
    page = sit_down().sees("class 14 g")
    assert page.says("#side-toggle") == "Progress"
    page.press("g").sees("Two lost hours.")
    assert labels(store) == {"a": "class 14"}


def test_guidelines_are_shown_and_hidden(store, sit_down, tmp_path):
    guide = tmp_path / "guide.md"
    guide.write_text("# Films\n\n**Irony** counts.\n\n[more](https://example.org) <script>window.x = 1</script>\n")
    add_query(store, TEXTS)
    page = sit_down(guidelines=guide).sees("Films", "Irony counts.")
    assert page.find("#guidelines strong").text == "Irony"
    assert page.find("#guidelines a").get_attribute("rel") == "noopener noreferrer"
    assert page.run("return window.x") is None
    page.press("g")
    assert not page.find("#side").is_displayed()
    page.press("g").sees("Films")


def test_guidelines_on_a_phone_are_a_sheet(store, sit_down, tmp_path):
    guide = tmp_path / "guide.md"
    guide.write_text("**Irony** counts.\n")
    add_query(store, TEXTS)
    page = sit_down(on_phone=True, guidelines=guide)
    assert "Irony" not in page.says("body")
    page.tap("#side-toggle").sees(
        "Irony counts.", "0 of 4 texts answered", "0 of 500 labels of the budget", "ann labels my run"
    )
    page.tap("#sheet-dialog .close")
    assert "Irony" not in page.says("body")
    page.tap(page.label("positive")).sees("Two lost hours.")


def test_all_keys_are_listed_and_can_be_taken_off(store, sit_down):
    add_query(store, TEXTS)
    page = sit_down().press("?").sees("Undo your last answer", "Skip: it cannot be labeled", "g Progress")
    assert "Search" not in page.says("#help-dialog")  # two labels are seen at a glance
    page.find("#keys-on").click()
    page.type(Keys.ESCAPE).press("2", "s")
    assert log(store) == []
    page.press(Keys.TAB).click("#help")
    page.find("#keys-on").click()
    page.type(Keys.ESCAPE).press("2").sees("Two lost hours.")


def test_a_training_beside_the_query_is_told_and_disturbs_nothing(store, sit_down):
    add_query(store, TEXTS)
    page = sit_down().press("2").sees("Two lost hours.", "Saved: positive")
    page.annotator.note("Round 1 trains on 75 labeled texts")
    page.press("/").sees("All of them are in sight.")
    page.annotator.note("Round 1 trains on 75 labeled texts", Steps(30, 120, 95.0))
    page.sees("Round 1 trains on 75 labeled texts. Step 30 of 120, about 2 minutes left", "All of them are in sight.")
    page.annotator.note("Round 1 is trained, and is evaluated")
    page.until(lambda: "Step" not in page.says("#side"))
    page.press("1").sees("Fine, then not.")
    assert labels(store) == {"a": "positive", "b": "negative"}


def test_a_training_beside_the_query_takes_no_click_away(store, sit_down):
    add_query(store, TEXTS, suggestion="positive")
    page = sit_down()
    time.sleep(0.5)  # a click sooner would have been meant for the text before
    mouse = ActionChains(page.driver, duration=0)
    mouse.click_and_hold(page.find("#accept .name")).perform()
    page.annotator.note("Round 1 trains on 75 labeled texts", Steps(30, 120, 95.0))
    page.sees("Step 30 of 120")
    mouse.reset_actions()
    mouse.release().perform()
    page.sees("Two lost hours.")
    assert labels(store) == {"a": "positive"}


@pytest.mark.parametrize(("purpose", "said"), [("holdout", "Held out: to measure"), ("seed", "Seed set: the")])
def test_a_newcomer_is_told_what_the_first_queries_are_for(store, sit_down, purpose, said):
    add_query(store, TEXTS, purpose=purpose)
    page = sit_down().sees("A gem.")
    assert said in page.says("#notice")
    assert said in page.says("#progress-about")
    page.press("1").sees("Saved: negative")


def test_texts_of_a_pair_and_columns_beside_them(store, sit_down):
    add_query(store, [{"premise": "A man sleeps.", "hypothesis": "He is awake."}, {"premise": "A", "hypothesis": "B"}])
    store.set_shown(["date", "author"], {"a": {"date": "2024-05-01", "author": "<i>Ann</i>"}})
    page = sit_down().sees("date 2024-05-01 author <i>Ann</i> premise A man sleeps. hypothesis He is awake.")
    assert [heading.text for heading in page.all("#texts h2")] == ["premise", "hypothesis"]
    page.press("1").sees("premise A hypothesis B")
    assert not page.find("#beside").is_displayed()


def test_a_long_text_scrolls_and_the_labels_stay_in_sight(store, sit_down):
    add_query(store, ["\n\n".join(f"Paragraph {number}. " + "word " * 80 for number in range(100)), "Short."])
    page = sit_down()
    pane = page.find("#pane")
    top = "return arguments[0].scrollTop"
    assert page.out_of_reach([*page.all("#labels button"), *page.all("#commands button")]) == []
    page.press(Keys.SPACE)
    below = page.run(top, pane)
    assert 0.8 * page.run("return arguments[0].clientHeight", pane) < below
    page.press(Keys.ARROW_DOWN, Keys.END)
    assert page.run("return arguments[0].scrollTop + arguments[0].clientHeight >= arguments[0].scrollHeight - 1", pane)
    page.press(Keys.PAGE_UP, Keys.HOME)
    assert page.run(top, pane) == 0
    page.press(Keys.SPACE, "2").sees("Short.")
    assert page.run(top, pane) == 0


def test_progress_and_the_learning_curve_are_shown(store, sit_down):
    add_query(store, TEXTS)
    for number, (count, accuracy) in enumerate([(50, 0.625), (100, 0.75)], 1):
        begin_round(store, number, labels=count)
        store.finish_round(number, {"eval_accuracy": accuracy})
    page = sit_down().sees("0 of 4 texts answered", "0 of 500 labels of the budget", "accuracy 0.75 with 100 labels")
    curve = page.find("#curve svg")
    assert "0.625 at 50, 0.75 at 100" in str(curve.get_attribute("aria-label"))
    points = str(curve.find_element("css selector", "polyline").get_attribute("points")).split()
    (x1, y1), (x2, y2) = (map(float, point.split(",")) for point in points)
    assert (x1 < x2, y1 > y2) == (True, True)
    page.press("2").sees("1 of 4 texts answered", "1 of 500 labels of the budget")
    assert page.run("return document.getElementById('bar-done').style.width") == "25%"


def test_one_leaves_and_everything_is_saved(store, sit_down):
    add_query(store, TEXTS)
    page = sit_down().press("1").press("q").type(Keys.ESCAPE).press("1").press("q").type(Keys.ENTER)
    page.comes_to("ended").sees("You may close this page.")
    assert labels(store) == {"a": "negative", "b": "negative"}
