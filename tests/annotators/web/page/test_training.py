"""The command is ended while a round trains and the page is open; started again at the same port, the page goes on."""

import signal
import subprocess

import pytest
from selenium.webdriver.common.keys import Keys

from hfal.store.store import Store
from support.browser import Page
from support.command import HFAL, SMALL, environment, write_csv
from support.models import tiny_model
from support.texts import load_reviews


DATA = ["--data", "reviews.csv", "--text", "review", "--labels", "negative,positive", "--annotator", "web"]
PAGE = ["--no_browser", "--annotator_name", "ann", "--rounds", "2", "--holdout", "0"]
LONG = ["--num_train_epochs", "60", "--save_strategy", "steps", "--save_steps", "2"]


@pytest.fixture
def folder(tmp_path, tokenizer):
    """A folder with texts, and a model that is small."""
    tiny_model().save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    write_csv(tmp_path / "reviews.csv", ["review"], [[row["text"]] for row in load_reviews(60)])
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=lambda number: number.name)
def test_a_page_goes_on_after_the_command_was_ended_while_it_trained(folder, browsers, free_port, number):
    started = []

    def start(*words: str) -> subprocess.Popen:
        command = [HFAL, "run", *words]
        with open(folder / "said.txt", "a") as said:
            started.append(subprocess.Popen(command, cwd=folder, env=environment(folder), stdout=said, stderr=said))
        return started[-1]

    def label_all() -> list[str]:
        seen = []
        while page.comes_to("ready", "answered").state == "ready":
            seen.append(page.says("#texts"))
            page.press("2")
        return seen

    page = Page(browsers(False), f"http://127.0.0.1:{free_port}/")
    try:
        process = start(*DATA, *PAGE, "--port", str(free_port), *SMALL, *LONG)
        page.until(page.is_there, patience=120)
        page.comes_to("ready", patience=60)
        seen = label_all()
        page.press_now(Keys.ENTER)
        page.comes_to("waiting").sees("Round 1 trains on 6 labeled texts", "Step ")
        run_dir = folder / "runs" / "reviews"
        page.until(lambda: [*run_dir.glob("rounds/*/checkpoint-*/trainer_state.json")], patience=60)
        assert page.state == "waiting"  # it is in the middle of the training
        process.send_signal(number)
        assert process.wait(60) == -number
        page.until(lambda: page.find("#connection").is_displayed(), patience=60)
        process = start("runs/reviews")  # which has kept the port
        page.comes_to("ready", patience=240)
        assert not page.find("#connection").is_displayed()
        seen += label_all()
        page.press_now(Keys.ENTER)
        page.comes_to("ended", patience=240).sees("The run has ended: 2 rounds", "hfal export")
        assert process.wait(60) == 0, (folder / "said.txt").read_text()
        assert page.errors() == []
    finally:
        for process in started:
            process.kill()
            process.wait()
        page.driver.get("about:blank")
    store = Store(run_dir, read_only=True)
    answers, records = store.answers(), store.rounds()
    store.close()
    assert len(set(seen)) == len(answers) == 12
    assert {(answer.action, answer.label, answer.annotator) for answer in answers} == {("label", "positive", "ann")}
    assert [record.train_size for record in records] == [6, 12]
