"""The page that `hfal agreement --html` writes, and the page on which one settles, in real browsers."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.keys import Keys

from hfal.export.agreement import measure_agreement
from hfal.export.agreement_report import agreement_page
from hfal.store.store import Store
from support.browser import Page
from support.hostile import HOSTILE
from support.settling import Settling
from support.team_runs import NAMES, TAGS, TASKS, TEXT, drawn_opinions, make_team_run


def report(store: Store, file: Path) -> str:
    file.write_text(agreement_page(measure_agreement(store), str(store.run_dir), 20), "utf-8", "backslashreplace")
    store.close()
    return file.as_uri()


@pytest.mark.parametrize("on_phone", [False, True], ids=["desk", "phone"])
@pytest.mark.parametrize("task", [*TASKS, "hostile"])
def test_report_fits_the_screen_and_can_be_read(
    task: str, on_phone: bool, browsers: Callable[[bool], Any], axe: str, tmp_path: Path
) -> None:
    if task == "hostile":
        texts = ["<script>document.title = 'run'</script>", "x" * 3000, *HOSTILE.values()]
        names = ["<img src=x onerror=alert(1)>", "a name that goes on and on and on and does not stop here either"]
        opinions = [{"<b>anna</b>": names[n % 2], "a" * 60: names[(n // 2) % 2]} for n in range(len(texts))]
        store = make_team_run(tmp_path / "run", TEXT, opinions, texts=texts, names=names)
    else:
        store = make_team_run(tmp_path / "run", task, drawn_opinions(task, seed=1))
    address = report(store, tmp_path / "a.html")
    page = Page(browsers(on_phone), address)
    for dark in (False, True):
        page.in_the_dark(dark)
        page.driver.get(address)
        assert page.says("h1") == "Agreement in run"
        assert page.driver.title == "Agreement in run"
        assert page.run("return document.documentElement.scrollWidth <= innerWidth")
        assert page.violations(axe) == []
    assert page.all("script, img") == []
    assert page.driver.get_log("browser") == []
    page.in_the_dark(False)


@pytest.fixture
def settle_in_browser(browsers: Callable[[bool], Any], tmp_path: Path) -> Iterator[Callable[..., tuple[Store, Page]]]:
    """A function that makes a run, and opens the page on which its disagreements are settled."""
    begun: list[tuple[Store, Settling, Page]] = []

    def settle(on_phone: bool, *arguments: Any, **options: Any) -> tuple[Store, Page]:
        store = make_team_run(tmp_path / "run", *arguments, method="majority", **options)
        settling = Settling(store)
        page = Page(browsers(on_phone), str(settling.annotator.address), settling.annotator)
        begun.append((store, settling, page))
        return store, page.open()

    yield settle
    for store, settling, page in begun:
        assert page.errors() == []
        page.driver.get("about:blank")
        settling.stands_up()
        store.close()


@pytest.mark.parametrize("on_phone", [False, True], ids=["desk", "phone"])
def test_labels_are_settled(on_phone: bool, settle_in_browser: Callable[..., tuple[Store, Page]], axe: str) -> None:
    a, b = NAMES[TEXT]
    opinions = [{"anna": a, "ben": b, "carl": a}, {"anna": b, "ben": b}, {"anna": b, "ben": b, "carl": b, "dora": a}]
    store, page = settle_in_browser(on_phone, TEXT, opinions)
    page.sees("word0 of text number0 here", "anna", a, "ben", b, "Holds so far, 67%")
    assert page.violations(axe) == []
    if on_phone:
        page.tap(page.label(b)).sees("word2 of", "dora", where="main")
        page.tap("#accept")
    else:
        page.press("s").sees("word2 of", "dora", "Left for later.").press(Keys.ENTER).sees("word0 of").press("2")
    page.comes_to("answered").sees("All 2 texts of this query are answered")
    assert {i: (one.label, one.action) for i, one in store.current_answers().items()} == {
        "t0": (b, "settle"),
        "t1": (b, "label"),
        "t2": (b, "settle"),
    }
    page.press(Keys.ENTER) if not on_phone else page.tap("#close")
    page.comes_to("ended").sees("Every text is settled. All answers are saved.")


def test_entities_are_settled(settle_in_browser: Callable[..., tuple[Store, Page]]) -> None:
    opinions = [{"anna": ["B-PER", "I-PER", "O"], "ben": ["O", "B-LOC", "O"], "carl": ["B-PER", "I-PER", "O"]}]
    store, page = settle_in_browser(False, TAGS, opinions, texts=[["Ann", "Lee", "sings"]])
    page.sees("anna", "[Ann Lee]PER", "ben", "[Lee]LOC")
    assert page.marks() == [("Ann Lee", "PER", True)]
    page.press(Keys.ENTER).comes_to("answered")
    assert store.current_answers()["t0"].action == "settle"
