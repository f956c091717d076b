"""The server is killed, and started again, while somebody labels in a browser and knows nothing of it."""

import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys

from hfal.store.store import Store
from support.browser import Page
from support.label_queries import LABELS, add_query


TESTS = str(Path(__file__).parents[3])
SERVE = f"import sys; sys.path.insert(0, {TESTS!r}); from support.web_server import *; serve_slowly(*sys.argv[1:])"


class Killer(threading.Thread):
    """Serves the page on one port, and kills the server so many times, each time at a random instant."""

    def __init__(self, run_dir: Path, port: int, kills: int):
        super().__init__(daemon=True)
        self.run_dir, self.port, self.kills, self.killed = run_dir, port, kills, 0
        self.is_over = threading.Event()
        self.answers = 0  # that the person has seen acknowledged

    def run(self) -> None:
        chance = random.Random(self.kills)
        while not self.is_over.is_set():
            arguments = [str(self.run_dir), str(self.port), str(self.killed)]
            process = subprocess.Popen([sys.executable, "-c", SERVE, *arguments], stdout=subprocess.DEVNULL)
            seen = self.answers
            while self.answers == seen and process.poll() is None and not self.is_over.is_set():
                time.sleep(0.002)
            if self.killed < self.kills:
                time.sleep(chance.uniform(0, 0.4))
                process.kill()
                self.killed += 1
            process.wait(60)
            if self.killed == self.kills and process.returncode == 0:
                return


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_a_killed_server_loses_doubles_and_swaps_nothing(kills, tmp_path, browsers, free_port):
    store = Store(tmp_path / "run")
    store.set_meta("label_names", LABELS)
    add_query(store, [f"text {number}" for number in range(4 * kills)])
    asked = [example.example_id for example in store.queries()[0].examples]
    store.close()
    killer = Killer(tmp_path / "run", free_port, kills)
    killer.start()
    page = Page(browsers(False), f"http://127.0.0.1:{free_port}/")
    try:
        page.until(lambda: page.is_there(), patience=60)
        page.comes_to("ready", patience=60)
        while page.state != "answered":
            text = page.says("#texts")
            page.press_now(str(1 + int(text.split()[1]) % 2))
            page.until(lambda text=text: page.state == "answered" or page.says("#texts") != text, patience=60)
            killer.answers += 1
            page.comes_to("ready", "answered", patience=60)
        page.press_now(Keys.ENTER).comes_to("ended", patience=60)
    finally:
        killer.is_over.set()
    killer.join(60)
    assert killer.killed == kills
    store = Store(tmp_path / "run", read_only=True)
    found = [(answer.example_id, answer.action, answer.label) for answer in store.answers()]
    store.close()
    assert found == [(example, "label", LABELS[number % 2]) for number, example in enumerate(asked)]
