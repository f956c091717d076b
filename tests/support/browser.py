"""Somebody at the page: a real Chromium without a window, with keys, a mouse, or a finger on a phone's screen."""

import contextlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.common.exceptions import ElementNotInteractableException, WebDriverException
from selenium.webdriver import ActionChains
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.actions.action_builder import ActionBuilder
from selenium.webdriver.common.actions.pointer_input import PointerInput
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement


CHROMIUM, CHROMEDRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")  # as Debian has them
_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-dev-shm-usage",
)
_PHONE = {"deviceMetrics": {"width": 360, "height": 640, "pixelRatio": 2, "touch": True}}
_GLANCE = 0.36  # seconds; what is clicked sooner was meant for the text before

# Stands before the page's own scripts. `lose` responses of POST never come, though the server has had the request;
# `late` is a promise for which responses with a state wait; `came` counts those that have come so far.
_WIRE = """
window.wire = {lose: 0, sent: 0, came: 0, late: Promise.resolve()};
const real = window.fetch;
window.fetch = async (path, options = {}) => {
  if (options.method === "POST") wire.sent += 1;
  const response = await real(path, options);
  wire.came += 1;
  await wire.late;
  if (options.method === "POST" && wire.lose > 0) {
    wire.lose -= 1;
    throw new TypeError("lost");
  }
  return response;
};
"""


def start_chromium(on_phone: bool = False) -> webdriver.Chrome:
    """Start a browser, of a desk or of a small phone."""
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*_FLAGS, "--window-size=1280,860"):
        options.add_argument(flag)
    if on_phone:
        options.add_experimental_option("mobileEmulation", _PHONE)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, Service(str(CHROMEDRIVER)))
    driver.set_script_timeout(60)
    driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": _WIRE})
    return driver


class Page:
    """The page in a browser.

    Args:
        driver: The browser.
        address: Where the page is.
        annotator: The annotator that serves it, where that is in this process.
    """

    def __init__(self, driver: webdriver.Chrome, address: str, annotator: Any = None):
        self.driver = driver
        self.address = address
        self.annotator = annotator
        driver.get_log("browser")  # of the page before

    # -- looking ---------------------------------------------------------------------------------------------------

    def open(self, state: str = "ready") -> "Page":
        """Load the page, and wait until it shows something."""
        self.driver.get(self.address)
        return self.comes_to(state)

    def find(self, css: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, css)

    def all(self, css: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def says(self, css: str) -> str:
        """What can be read in an element; nothing where it is hidden."""
        return " ".join(self.find(css).text.replace("\xa0", " ").split())

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def until(self, holds: Callable[[], Any], patience: float = 20) -> Any:
        """Wait until something holds."""
        end = time.monotonic() + patience
        while not (found := holds()):
            assert time.monotonic() < end, (self.state, self.says("body"), self.driver.get_log("browser"))
            time.sleep(0.02)
        return found

    @property
    def state(self) -> str | None:
        return self.find("body").get_attribute("data-state")

    def is_there(self) -> bool:
        """Load the page; whether there is a server."""
        try:
            self.driver.get(self.address)
        except WebDriverException:
            return False
        return bool(self.all("#labels"))

    def comes_to(self, *states: str, patience: float = 20) -> "Page":
        """Wait until the page is in one of these states."""
        self.until(lambda: self.state in states, patience)
        return self

    def sees(self, *texts: str, where: str = "body") -> "Page":
        """Wait until these can be read."""
        self.until(lambda: all(text in self.says(where) for text in texts))
        return self

    def label(self, name: str) -> WebElement:
        """The button of a label."""
        return next(button for button in self.all("#labels button") if button.get_attribute("value") == name)

    def chosen(self) -> list[str]:
        return [str(button.get_attribute("value")) for button in self.all("#labels button.chosen")]

    def marks(self) -> list[tuple[str, str, bool]]:
        """The marked words as they are read, with their types, and whether they are the model's alone."""
        read = "[...arguments[0].querySelectorAll('.word, .gap')].map(part => part.textContent).join('').trim()"
        return [
            (
                self.run(f"return {read}", mark),
                mark.find_element(By.CSS_SELECTOR, ".type").text,
                "suggested" in str(mark.get_attribute("class")),
            )
            for mark in self.all("#texts mark")
        ]

    def errors(self) -> list[str]:
        """What the browser has complained about, but for requests without a response."""
        messages = [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]
        return [message for message in messages if "Failed to load resource" not in message]

    # -- a keyboard ------------------------------------------------------------------------------------------------

    def press(self, *keys: str) -> "Page":
        """Press keys, one after the other, each when the page can be read."""
        for key in keys:
            self.comes_to("ready", "answered")
            time.sleep(0.11)  # sooner, the same key once more would be one that is held down
            ActionChains(self.driver, duration=0).send_keys(key).perform()
        return self.comes_to("ready", "answered", "waiting", "ended")

    def press_now(self, key: str) -> "Page":
        """Press a key whatever the page does."""
        time.sleep(0.15)
        return self.type(key)

    def press_with(self, modifier: str, *keys: str) -> "Page":
        actions = ActionChains(self.driver, duration=0).key_down(modifier)
        for key in keys:
            actions.send_keys(key)
        actions.key_up(modifier).perform()
        return self

    def type(self, text: str) -> "Page":
        """Type into what has the focus."""
        ActionChains(self.driver, duration=0).send_keys(text).perform()
        return self

    def hold(self, key: str, repeats: int) -> None:
        """Hold a key down."""
        event = {"key": key, "text": key, "code": f"Digit{key}" if key.isdigit() else f"Key{key.upper()}"}
        for repeat in range(repeats):
            self.driver.execute_cdp_cmd(
                "Input.dispatchKeyEvent", {"type": "keyDown", "autoRepeat": repeat > 0, **event}
            )
            time.sleep(0.03)
        self.driver.execute_cdp_cmd("Input.dispatchKeyEvent", {"type": "keyUp", **event})

    # -- a mouse ---------------------------------------------------------------------------------------------------

    def click(self, target: str | WebElement) -> "Page":
        """Look, and click."""
        self.comes_to("ready", "answered")
        time.sleep(_GLANCE)
        ActionChains(self.driver, duration=0).click(self._element(target)).perform()
        return self.comes_to("ready", "answered", "waiting", "ended")

    def click_now(self, css: str) -> "Page":
        """Click whatever the page does; if it is still there."""
        with contextlib.suppress(ElementNotInteractableException):
            self.find(css).click()
        return self

    def drag(self, first: WebElement, last: WebElement) -> "Page":
        ActionChains(self.driver, duration=50).click_and_hold(first).move_to_element(last).release().perform()
        return self

    # -- a finger --------------------------------------------------------------------------------------------------

    def tap(self, target: str | WebElement) -> "Page":
        """Look, and tap; what does not fit on the screen has to be scrolled to first."""
        self.comes_to("ready", "answered")
        time.sleep(_GLANCE)
        element = self._element(target)
        box = self.run(
            "const {x, y, width, height} = arguments[0].getBoundingClientRect();"
            "return [x + width / 2, y + height / 2, innerWidth, innerHeight]",
            element,
        )
        is_seen = 0 < box[0] < box[2] and 0 < box[1] < box[3]
        assert is_seen, (box, element.get_attribute("outerHTML"))
        finger = ActionBuilder(self.driver, mouse=PointerInput("touch", "finger"), duration=0)
        finger.pointer_action.move_to_location(round(box[0]), round(box[1])).pointer_down().pointer_up()
        finger.perform()
        return self.comes_to("ready", "answered", "waiting", "ended")

    def _element(self, target: str | WebElement) -> WebElement:
        return self.find(target) if isinstance(target, str) else target

    # -- the wire --------------------------------------------------------------------------------------------------

    def lose(self, responses: int) -> None:
        """Lose so many responses to what the page sends; the server has had the requests."""
        self.run("wire.lose = arguments[0]", responses)

    def goes_offline(self, offline: bool = True) -> None:
        conditions = {"offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        self.driver.execute_cdp_cmd("Network.enable", {})
        self.driver.execute_cdp_cmd("Network.emulateNetworkConditions", conditions)

    # -- how it looks ----------------------------------------------------------------------------------------------

    def in_the_dark(self, dark: bool = True) -> "Page":
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        time.sleep(0.25)  # colors change by and by
        return self

    def out_of_reach(self, elements: Sequence[WebElement]) -> list[str]:
        """Those that are not wholly on the screen, or smaller than a finger."""
        look = """
            const {left, right, top, bottom} = arguments[0].getBoundingClientRect();
            return left >= 0 && right <= innerWidth && top >= 0 && bottom <= innerHeight
              && right - left >= 44 && bottom - top >= 44;
        """
        return [str(one.get_attribute("outerHTML")) for one in elements if not self.run(look, one)]

    def violations(self, axe: str) -> list[str]:
        """What axe-core finds: rules of WCAG 2.2 AA, and its best practices."""
        self.driver.execute_cdp_cmd("Runtime.evaluate", {"expression": axe})
        return self.driver.execute_async_script(
            """
            const done = arguments[0];
            const only = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
            axe.run(document, {runOnly: only}).then(found => done(
              found.violations.flatMap(rule => rule.nodes.map(node => `${rule.id}: ${node.html.slice(0, 120)}`))));
            """
        )


@contextlib.contextmanager
def offline(page: Page):
    """A page without a network, for the length of a `with` block."""
    page.goes_offline()
    try:
        yield
    finally:
        page.goes_offline(False)
