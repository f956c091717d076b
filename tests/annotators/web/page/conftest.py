"""The page in real browsers, which are started once; nothing here runs without `pytest -m browser`."""

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hfal.store.store import Store
from hfal.tasks.tags import tag_names
from support import web_page
from support.entity_queries import TYPES


pytest.importorskip("selenium")

from support.browser import CHROMEDRIVER, CHROMIUM, Page, start_chromium


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a browser."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def browsers() -> Iterator[Callable[[bool], Any]]:
    """A function that gives the browser of a desk, or of a phone."""
    if not (CHROMIUM.exists() and CHROMEDRIVER.exists()):
        pytest.fail("there is no Chromium: apt-get install chromium chromium-driver")
    started: dict[bool, Any] = {}

    def browser(on_phone: bool) -> Any:
        if on_phone not in started:
            started[on_phone] = start_chromium(on_phone)
        return started[on_phone]

    yield browser
    for driver in started.values():
        driver.quit()


@pytest.fixture
def sit_down(browsers, label_on_page) -> Iterator[Callable[..., Page]]:
    """A function that opens the page of the store; afterwards the browser must not have complained."""
    pages: list[Page] = []

    def sit(on_phone: bool = False, **options: Any) -> Page:
        labeling = label_on_page(**options)
        page = Page(browsers(on_phone), labeling.annotator.address, labeling.annotator)
        page.run("localStorage.clear(); sessionStorage.clear()") if pages else None
        pages.append(page.open())
        return page

    yield sit
    for page in pages:
        assert page.errors() == []
        page.driver.get("about:blank")  # which ends what it waits for


@pytest.fixture
def entities(store: Store) -> Store:
    """A run in which entities are marked."""
    store.set_meta("task", "token_classification")
    store.set_meta("scheme", "IOB2")
    store.set_meta("label_names", tag_names(TYPES))
    store.set_meta("plan", {"budget": 500, "rounds": 10, "unit": "words"})
    return store


@pytest.fixture
def sets(store: Store) -> Store:
    """A run in which a text may have several labels."""
    store.set_meta("task", "multi_label_classification")
    store.set_meta("label_names", ["sports", "law", "money"])
    return store


@pytest.fixture
def free_port() -> int:
    return web_page.free_port()


@pytest.fixture(scope="session")
def axe() -> str:
    """The script of axe-core, from a package that is not imported."""
    package = importlib.util.find_spec("axe_playwright_python")
    if package is None or package.origin is None:
        pytest.skip("no axe-core: pip install --no-deps axe-playwright-python==0.1.8")
    return Path(package.origin).with_name("axe.min.js").read_text()
