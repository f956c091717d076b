"""What goes wrong on the page: held keys, double clicks, lost responses, hostile texts, two tabs."""

import concurrent.futures
import threading
import time

import pytest
from selenium.webdriver import ActionChains
from selenium.webdriver.common.keys import Keys

from hfal.annotators.asking import ask
from hfal.annotators.web.annotator import WebAnnotator
from support.browser import Page, offline
from support.label_queries import add_query, labels, log


TEXTS = ["A gem.", "Two lost hours.", "Fine, then not.", "In Klingon."]


def test_a_key_that_is_held_down_counts_once(store, sit_down):
    add_query(store, TEXTS)
    page = sit_down()
    page.hold("2", repeats=12)
    page.sees("Two lost hours.")
    assert labels(store) == {"a": "positive"}


def test_a_double_click_counts_once(store, sit_down):
    add_query(store, TEXTS)
    page = sit_down()
    time.sleep(0.4)
    ActionChains(page.driver, duration=0).double_click(page.label("positive")).perform()
    page.sees("Two lost hours.")
    time.sleep(0.4)
    assert labels(store) == {"a": "positive"}


def test_a_second_click_that_was_meant_for_the_text_before_answers_nothing(store, sit_down):
    add_query(store, TEXTS)
    page = sit_down()
    script = """
        const button = arguments[0];
        const click = () => button.dispatchEvent(new MouseEvent("click", {bubbles: true, detail: 1}));
        new MutationObserver(() => document.body.dataset.state === "ready" && setTimeout(click, 100)).observe(
          document.body, {attributes: true});
        click();
    """
    time.sleep(0.4)
    page.run(script, page.label("positive"))
    page.sees("Two lost hours.")
    time.sleep(0.3)
    assert labels(store) == {"a": "positive"}


def test_enter_on_a_button_is_the_button_and_held_down_nothing_more(store, sit_down):
    add_query(store, TEXTS, suggestion="negative")
    page = sit_down()
    page.run("document.querySelectorAll('#labels button')[1].focus()")
    page.press(Keys.ENTER).sees("Two lost hours.")
    assert labels(store) == {"a": "positive"}


def test_a_click_does_not_leave_enter_to_its_button(store, sit_down):
    add_query(store, TEXTS, suggestion="negative")
    page = sit_down()
    page.click(page.label("positive")).sees("Two lost hours.").press(Keys.ENTER).sees("Fine, then not.")
    assert labels(store) == {"a": "positive", "b": "negative"}


def test_keys_before_the_first_text_are_dropped(store, sit_down):
    add_query(store, TEXTS)
    page = sit_down()
    hold = "wire.late = new Promise(done => { window.go = done });"
    found = page.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": hold})
    try:
        page.open("loading")
        page.type("2211")
        page.run("window.go()")
        page.comes_to("ready").sees("A gem.")
        time.sleep(0.2)
        assert log(store) == []
    finally:
        page.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", found)


def test_keys_while_an_answer_is_on_its_way_are_dropped(store, sit_down):
    add_query(store, TEXTS)
    page = sit_down()
    page.run("wire.late = new Promise(done => { window.go = done });")
    page.press_now("2")
    page.comes_to("busy")
    page.type("1111n")
    page.until(lambda: page.all("body.late"))  # one sees that it takes long
    page.run("window.go()")
    page.sees("Two lost hours.")
    assert page.all("body.late") == []
    assert labels(store) == {"a": "positive"}


def test_a_key_that_was_pressed_before_the_text_was_seen_is_dropped(store, sit_down):
    add_query(store, TEXTS)
    page = sit_down()
    page.run(
        "window.early = new KeyboardEvent('keydown', {key: '2', code: 'Digit2', bubbles: true, cancelable: true})"
    )
    page.press("1").sees("Two lost hours.")
    time.sleep(0.15)
    page.run("document.body.dispatchEvent(window.early)")
    time.sleep(0.3)
    assert labels(store) == {"a": "negative"}
    page.run("document.body.dispatchEvent(new KeyboardEvent('keydown', {key: '2', code: 'Digit2', bubbles: true}))")
    page.sees("Fine, then not.")
    assert labels(store) == {"a": "negative", "b": "positive"}


@pytest.mark.parametrize("lost", [1, 2])
def test_a_lost_response_loses_and_doubles_nothing(store, sit_down, lost):
    add_query(store, TEXTS)
    page = sit_down()
    for label, following in (("2", "Two lost hours."), ("1", "Fine, then not."), ("2", "In Klingon.")):
        page.lose(lost)
        page.press(label).sees(following)
        assert "Nothing was recorded" not in page.says("#notice")
    assert page.run("return wire.sent") == 3 * (1 + lost)
    assert log(store) == [("a", "label", "positive"), ("b", "label", "negative"), ("c", "label", "positive")]
    page.lose(1)
    page.press("u").sees("Fine, then not.")
    assert labels(store) == {"a": "positive", "b": "negative"}


def test_without_a_connection_an_answer_is_kept_and_sent_later(store, sit_down):
    add_query(store, TEXTS)
    page = sit_down()
    with offline(page):
        page.press_now("2")
        page.sees("What you did is kept, and sent again")
        assert log(store) == []
        assert page.state == "busy"
    page.click_now("#retry").sees("Two lost hours.")
    assert not page.find("#connection").is_displayed()
    assert labels(store) == {"a": "positive"}


def test_a_comment_without_a_connection_is_not_lost(store, sit_down):
    add_query(store, TEXTS)
    page = sit_down().press("c").type("a long thought")
    with offline(page):
        page.type(Keys.ENTER).sees("What you did is kept")
        assert page.run("return JSON.parse(sessionStorage['hfal my run']).comment.a") == "a long thought"
    page.click_now("#retry").sees("Comment: a long thought")


def test_a_stale_tab_answers_nothing_and_shows_what_holds(store, sit_down):
    add_query(store, TEXTS)
    page = sit_down()
    first = page.driver.current_window_handle
    page.driver.switch_to.new_window("tab")
    try:
        page.open().press("2").sees("Two lost hours.")
        page.driver.switch_to.window(first)
        page.sees("Two lost hours.")  # it has heard of it by itself
        came = page.run("wire.late = new Promise(() => {}); return wire.came")  # now it hears nothing of the other
        page.driver.switch_to.window(page.driver.window_handles[-1])
        page.press("1").sees("Fine, then not.")
        page.driver.switch_to.window(first)
        page.until(lambda: page.run("return wire.came") > came)
        page.run("wire.late = Promise.resolve()")
        page.press_now("2")
        page.sees("Fine, then not.", "Nothing was recorded: ")
    finally:
        page.driver.switch_to.window(page.driver.window_handles[-1])
        page.driver.close()
        page.driver.switch_to.window(first)
    assert log(store) == [("a", "label", "positive"), ("b", "label", "negative")]


def test_two_windows_of_one_person_take_turns_and_answer_at_once(store, sit_down, browsers):
    texts = [f"text {number}" for number in range(16)]
    add_query(store, texts)
    page = sit_down()
    windows = [page, Page(browsers(True), page.address).open()]
    for number in range(4):  # in turns: each sees what the other has done
        windows[number % 2].press("12"[number % 2])
        for each in windows:
            each.comes_to("ready").sees(f"text {number + 1}", where="#texts")

    def answer_all(one: Page, key: str) -> None:
        while one.state != "answered":
            one.press(key)

    with concurrent.futures.ThreadPoolExecutor(2) as people:  # and at once
        for done in [people.submit(answer_all, one, key) for one, key in zip(windows, "12", strict=True)]:
            done.result(120)
    windows[1].press(Keys.ENTER).comes_to("ended")
    page.comes_to("ended")
    asked = [example.example_id for example in store.queries()[0].examples]
    assert [(example, action) for example, action, _ in log(store)] == [(example, "label") for example in asked]
    assert list(labels(store).values())[:4] == ["negative", "positive", "negative", "positive"]
    assert windows[1].errors() == []
    windows[1].driver.get("about:blank")


HOSTILE = [
    "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>",
    "<style>body { display: none }</style></div></main><iframe src='javascript:parent.hacked = 1'></iframe>",
    "&lt;b&gt; &amp; {{x}} ${x} javascript:alert(1)\u202egnp.exe\u202c\u200b\x1b[31m",
]


def test_hostile_texts_and_names_stay_text(store, sit_down):
    store.set_meta("label_names", ["<b>bold</b>", "<img src=x onerror='window.hacked=1'>"])
    add_query(store, HOSTILE, suggestion="<b>bold</b>")
    page = sit_down()
    for text in HOSTILE[:2]:
        assert page.run("return document.querySelector('#texts').textContent") == text
        assert page.all("#texts :not(.text):not(.code), #labels b, #labels img, iframe, #accept b") == []
        page.press("c").type(text).type(Keys.ENTER).press("1")
    shown = page.run("return document.querySelector('#texts').textContent")
    assert shown == HOSTILE[2].replace("\u202e", "U+202E").replace("\u202c", "U+202C").replace(
        "\u200b", "U+200B"
    ).replace("\x1b", "U+001B")
    assert page.run("return window.hacked") is None
    assert page.label("<b>bold</b>").text.startswith("<b>bold</b>")


def test_a_page_goes_on_by_itself_when_a_round_has_trained(store, browsers):
    add_query(store, TEXTS[:1])
    annotator = WebAnnotator("ann", open_browser=False)
    trained = threading.Event()

    def run() -> None:
        with annotator.serve(store):
            ask(store, annotator)
            annotator.note("Round 2 trains on 1 label")
            trained.wait(60)
            add_query(store, TEXTS[1:2])
            ask(store, annotator)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    while annotator.address is None:
        time.sleep(0.01)
    page = Page(browsers(False), annotator.address).open()
    page.press("2", Keys.ENTER).comes_to("waiting").sees("Round 2 trains on 1 label", "This page goes on by itself.")
    page.press_now("2")
    trained.set()
    page.comes_to("ready").sees("Two lost hours.").press("1", Keys.ENTER).comes_to("ended")
    thread.join(30)
    assert not thread.is_alive()
    assert labels(store) == {"a": "positive", "b": "negative"}
    assert page.errors() == []
