"""Several people at the page, each in a browser of their own: the door, who labels, and waiting for others."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from selenium.webdriver.common.keys import Keys

from support.browser import Page, start_chromium
from support.label_queries import LABELS, add_query
from support.web_team import LabelingTeam
from support.web_team_kills import NAMES, label_of, serve_with_kills


TEXTS = ["A gem of a film, quietly funny, and over too soon.", "Two lost hours.", "It has its moments."]
ENDS = ("answered", "waiting", "ended")


@pytest.fixture
def come(browsers, team_on_page) -> Iterator[Callable[..., tuple[Page, LabelingTeam]]]:
    """A function that opens the page of the store for these people; nobody has said yet who is there."""
    pages: list[Page] = []

    def come(*annotators: str, on_phone: bool = False, **options: Any) -> tuple[Page, LabelingTeam]:
        team = team_on_page(*annotators, **options)
        page = Page(browsers(on_phone), str(team.annotator.address))
        pages.append(page)
        page.driver.get(page.address)
        page.run("localStorage.clear(); sessionStorage.clear()")
        page.driver.get(page.address)
        page.until(lambda: page.all("#door-dialog[open]"))
        return page, team

    yield come
    for page in pages:
        assert page.errors() == []
        page.driver.get("about:blank")


@pytest.fixture(scope="session")
def four_browsers() -> Iterator[list[Any]]:
    """Four browsers, each with a storage of its own."""
    with ThreadPoolExecutor(4) as starting:
        drivers = list(starting.map(lambda _: start_chromium(), NAMES))
    yield drivers
    for driver in drivers:
        driver.quit()


@pytest.mark.parametrize("on_phone", [False, True], ids=["desk", "phone"])
def test_axe_finds_nothing_at_the_door_and_behind_it(store, come, on_phone, axe):
    add_query(store, TEXTS[:2], suggestion="positive", opinions=2)
    page, team = come("anna", "ben", "Charlotte", on_phone=on_phone)
    for dark in (False, True):
        assert page.in_the_dark(dark).violations(axe) == []
    page.in_the_dark(False)
    assert page.out_of_reach(page.all("#door-names button")) == []
    page.find("#door-names button").click()
    page.comes_to("ready").sees("anna", where="#walk" if on_phone else "#who")
    assert page.violations(axe) == []
    team.person("ben").gets_a_text()
    page.press("1", "2").sees("Waiting for others: 2 texts are with ben", "2 of 4 opinions are in.")
    for dark in (False, True):
        assert page.in_the_dark(dark).violations(axe) == []
    page.in_the_dark(False)


def test_the_door_takes_a_key_and_no_escape_and_the_browser_remembers(store, come):
    add_query(store, TEXTS)
    page, _ = come("anna", "ben")
    for _ in range(3):
        page.type(Keys.ESCAPE)
    assert page.all("#door-dialog[open]")
    page.type("2")  # which is no answer
    page.type(Keys.TAB)
    page.type(Keys.ENTER)
    page.comes_to("ready").sees("ben", where="#who")
    page.open().sees("ben", where="#who")
    page.find("#person").click()
    page.until(lambda: page.all("#door-dialog[open]"))
    page.type(Keys.ESCAPE)
    page.until(lambda: not page.all("#door-dialog[open]"))
    assert page.says("#person") == "Not ben?"
    page.find("#person").click()
    page.until(lambda: page.all("#door-dialog[open]"))
    page.find("#door-names button").click()
    page.until(lambda: page.says("#annotator") == "anna")
    page.comes_to("ready").press("2").sees(TEXTS[1])
    assert [(answer.example_id, answer.annotator) for answer in store.answers()] == [("a", "anna")]


def test_anybody_gives_a_name_which_is_shown_as_it_is(store, come):
    add_query(store, TEXTS, opinions=2)
    page, team = come("anybody")
    page.type("simulated" + Keys.ENTER)
    page.sees("which means that no person labels", where="#door-problem")
    name = "<img src=x onerror=alert(1)>"
    page.type(name + Keys.ENTER)
    page.comes_to("ready").sees(name, where="#who")
    team.person("<b>ben</b>").gets_a_text()
    page.press("1", "1", "1").sees("Waiting for others: 3 texts are with <b>ben</b>")
    assert page.all("#who img, #message b") == []


@pytest.mark.parametrize("texts", [1, 2])
def test_a_text_that_others_were_given_meanwhile_is_told(store, come, texts):
    add_query(store, TEXTS[:texts])
    page, team = come("anna", "ben", lease_minutes=5)
    page.find("#door-names button").click()
    page.comes_to("ready")
    page.run("wire.late = new Promise(done => { window.go = done });")  # the news do not reach her
    time.sleep(0.3)
    team.seconds_ahead += 301
    ben = team.person("ben")
    his = ben.gets_a_text()
    page.type("2")
    page.comes_to("busy")
    page.run("window.go()")
    page.sees("Nothing was recorded: this text was given to ben, as you had it for long")
    if texts == 2:
        page.sees(TEXTS[1]).press("1")
    page.sees("Waiting for others: 1 text is with ben")
    ben.answers(his, "negative")
    page.comes_to("ended")
    assert [answer.annotator for answer in store.answers()] == ["anna", "ben"][2 - texts :]


def test_those_who_wait_may_go_on(store, come):
    add_query(store, TEXTS[:1], opinions=2)
    page, team = come("anna", "ben")
    page.find("#door-names button").click()
    page.comes_to("ready").press("2").sees("1 text needs somebody else, who is not here", "Go on without them")
    page.press_now(Keys.ENTER).comes_to("ended")
    assert team.ends() is None


def test_leaving_ends_the_page_and_not_the_run(store, come):
    add_query(store, TEXTS)
    page, team = come("anna", "ben")
    page.find("#door-names button").click()
    page.comes_to("ready")
    ben = team.person("ben")
    ben.gets_a_text()
    page.press_now("q").sees("Others can go on")
    page.type(Keys.ENTER)
    page.comes_to("ended").sees("You have left. All answers are saved.", "Load it again to come back.")
    assert ben.state()["phase"] == "asking"
    page.open().sees("anna", where="#who")


@pytest.mark.parametrize(
    ("answers", "kills"), [(3, 1), pytest.param(60, 10, marks=pytest.mark.slow)], ids=["short", "long"]
)
def test_four_browsers_lose_double_and_swap_nothing(answers, kills, tmp_path, four_browsers, free_port):
    """Four people press keys at their own pace while the server is killed, and started again."""
    seen: dict[str, list[str]] = {name: [] for name in NAMES}
    problems: list[BaseException] = []

    def label(name: str, driver: Any) -> None:
        try:
            page = Page(driver, f"http://127.0.0.1:{free_port}/")
            page.until(page.is_there, patience=90)
            page.until(lambda: page.all("#door-dialog[open]"), patience=90)
            page.find("#door-input").send_keys(name + Keys.ENTER)
            while page.comes_to("ready", "ended", patience=120).state != "ended":
                if len({*seen[name]}) == answers:
                    page.press_now("q").until(lambda: page.all("#leave-dialog[open]"))
                    page.type(Keys.ENTER)
                    page.comes_to("ended", patience=120)
                    break
                text = page.says("#texts")
                assert page.says("#annotator") == name
                seen[name].append(text)
                page.press_now(str(1 + LABELS.index(label_of(name, text))))
                page.until(lambda text=text: page.state in ENDS or page.says("#texts") not in ("", text), patience=120)
            assert page.errors() == []
        except BaseException as error:
            problems.append(error)

    people = [threading.Thread(target=label, args=pair) for pair in zip(NAMES, four_browsers, strict=True)]
    for person in people:
        person.start()
    found, asked = serve_with_kills(
        tmp_path / "run",
        free_port,
        texts=len(NAMES) * answers,
        overlap=1,
        kills=kills,
        names=["anybody"],
        people=people,
    )
    for person in people:
        person.join(120)
    if problems:
        raise problems[0]
    assert Counter(example for example, *_ in found) == dict.fromkeys(asked, 1)
    for example, annotator, action, name in found:
        assert (action, name) == ("label", label_of(annotator, asked[example]))
    said = sorted((annotator, asked[example]) for example, annotator, *_ in found)
    assert said == sorted({(name, text) for name, texts in seen.items() for text in texts})
    assert Counter(annotator for _, annotator, *_ in found) == dict.fromkeys(NAMES, answers)
