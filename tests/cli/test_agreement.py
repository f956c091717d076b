"""`hfal agreement`: what people agree on is shown, and what they do not agree on is settled."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hfal.store.records import Answer
from hfal.store.store import Store
from support import forks
from support.command import FAST, HFAL, Result, environment, error_line
from support.entity_queries import mark
from support.hostile import HOSTILE
from support.html_page import Page
from support.person import ENTER, LEFT, RIGHT, Person, assert_harmless
from support.team_runs import NAMES, PEOPLE, SETS, TAGS, TASKS, TEXT, drawn_opinions, make_team_run
from support.web_page import Client


A, B = NAMES[TEXT]
OPINIONS = [{"anna": A, "ben": B, "carl": A}, {"anna": B, "ben": B}, {"anna": A, "ben": B}, {"anna": B, "ben": A}]


def make(folder: Path, task: str, opinions: Any, **options: Any) -> None:
    make_team_run(folder / "runs" / "team", task, opinions, **options).close()
    (folder / "runs" / "team" / "config.yaml").write_text("data: reviews.csv\n")


def settled(folder: Path) -> list[tuple[Any, ...]]:
    """What was settled, oldest first, with what was taken back."""
    store = Store(folder / "runs" / "team", read_only=True)
    try:
        log = [answer for answer in store.answers() if answer.action in ("settle", "undo")]
        return [(a.example_id, a.action, a.label, a.annotator, a.query) for a in log]
    finally:
        store.close()


# -- the report ----------------------------------------------------------------------------------------------------


def test_what_is_printed(hfal: Callable[..., Result], folder: Path) -> None:
    make(folder, TEXT, OPINIONS, method="majority")
    done = hfal("agreement", "runs/team", "--most", "2")
    assert (done.code, done.stderr) == (0, "")
    assert done.stdout == (
        "4 texts have labels of at least two people, 9 labels in all.\n"
        "Krippendorff's alpha, of the labels: -0.200 (1 is perfect, 0 is chance)\n"
        "\n"
        "person  labels  shared  agreement  accuracy  pace  skips  unsure\n"
        "anna         4       4      0.400     0.750     -      0       0\n"
        "ben          4       4      0.200     0.000     -      0       0\n"
        "carl         1       1      0.500     1.000     -      0       0\n"
        "shared: labels on texts that others have labeled, too.\n"
        "agreement: how often another one agrees on these, in pairs of opinions (labels).\n"
        "accuracy: the share that is right, as estimated from all opinions (one coin).\n"
        "pace: median seconds from answer to answer; pauses above 5 minutes are left out.\n"
        "\n"
        "pair        texts shared  Cohen's kappa\n"
        "anna, ben              4         -0.500\n"
        "ben, carl              1          0.000\n"
        "anna, carl             1              -\n"
        "\n"
        "Pairs of labels on one text:\n"
        "          negative  positive\n"
        "negative         1         4\n"
        "positive         4         1\n"
        "\n"
        "3 texts have different labels (the least certain first, 2 are shown):\n"
        "  1  word2 of text number2 here\n"
        "     holds: positive (50%) | anna: negative, ben: positive\n"
        "  2  word3 of text number3 here\n"
        "     holds: positive (50%) | anna: positive, ben: negative\n"
        "\n"
        "Next: hfal agreement runs/team --settle (in a browser: hfal agreement runs/team --settle --web)\n"
    )


@pytest.mark.parametrize("task", TASKS)
def test_files_have_what_is_printed(task: str, hfal: Callable[..., Result], folder: Path) -> None:
    make(folder, task, drawn_opinions(task, seed=2, texts=14))
    done = hfal("agreement", "runs/team", "--json", "a.json", "--html", "a.html", "--most", "3")
    assert done.stdout.endswith("\nWritten to a.json\nWritten to a.html\n")
    read = json.loads((folder / "a.json").read_text())
    assert f": {read['alpha']:.3f} (1 is perfect" in done.stdout
    page = Page((folder / "a.html").read_text())
    assert f"{read['alpha']:.3f}" in page.texts
    assert [tag for tag, _ in page.tags].count("dl") == min(3, len(read["disagreements"])) > 0
    for pair in read["pairs"]:
        assert f"{pair['kappa']:.3f}" in page.texts


def test_nothing_to_compare_yet(hfal: Callable[..., Result], folder: Path) -> None:
    store = make_team_run(folder / "runs" / "team", TEXT, [{"anna": A, "ben": B}])
    store.record(Answer("t0", None, "undo", "ben"))
    store.close()
    done = hfal("agreement", "runs/team", "--html", "a.html")
    said = "1 opinion is missing of texts that several people label; who is next: hfal status runs/team"
    assert done.stdout.split("\n")[1] == said
    assert said in (folder / "a.html").read_text()


def test_nothing_to_compare(hfal: Callable[..., Result], folder: Path) -> None:
    make(folder, TEXT, [{"anna": A}, {"ben": A}, {"anna": "nonsense"}])
    done = hfal("agreement", "runs/team", "--html", "a.html")
    assert done.stdout.startswith(
        "There is nothing to compare: no text has labels of two people (2 texts have the label of one).\n"
        "To have each text labeled by two people: hfal run runs/team --annotators anna,ben --overlap 2 "
    )
    assert (
        "  skips  unsure  nonsense\nanna         1       0          -         -     -      0       0         1\n"
        in done.stdout
    )
    assert "hfal run runs/team --annotators anna,ben --overlap 2" in (folder / "a.html").read_text()
    done = hfal("agreement", "runs/team", "--settle")
    assert (done.code, done.stdout) == (0, "There is no disagreement to settle.\nNext: hfal run runs/team\n")


def test_many_labels_and_many_people_are_listed_by_the_worst(hfal: Callable[..., Result], folder: Path) -> None:
    names = [f"label {n}" for n in range(40)]
    opinions = [{f"p{n % 7}": names[n % 3], f"p{(n + 1 + n % 5) % 7}": names[n % 5]} for n in range(90)]
    make(folder, TEXT, opinions, names=names)
    done = hfal("agreement", "runs/team", "--html", "a.html")
    assert "and 1 more pair, who agree no less\n" in done.stdout
    lines = done.stdout.split("\n")
    title = lines.index("Labels that are confused on one text, in pairs of opinions (18 pairs agree):")
    assert lines[title + 1].split() == ["labels", "pairs"]
    counts = [int(line.split()[-1]) for line in lines[title + 2 : lines.index("", title)]]
    assert counts == sorted(counts, reverse=True)
    assert sum(counts) == 72


@pytest.mark.parametrize("task", [TEXT, TAGS])
def test_what_somebody_typed_stays_text(task: str, hfal: Callable[..., Result], folder: Path) -> None:
    texts: list[Any] = [f"<script>alert(1)</script>{text}" for text in HOSTILE.values() if len(text) < 10_000]
    names = ["<img src=x onerror=alert(1)>", "\x1b[31mred\u202e"]
    people = ["<b>anna</b>", "ben & co"]
    if task == TAGS:
        texts = [text.split(" ") for text in texts]
        names = ["O", *(f"B-{name}" for name in names)]
    labels: list[Any] = names[-2:] if task == TEXT else [names[1], names[2]]

    def label(place: int, words: int) -> Any:
        return labels[place] if task == TEXT else [labels[place]] * words

    opinions = [{name: label(place, len(text)) for place, name in enumerate(people)} for text in texts]
    make(folder, task, opinions, texts=texts, names=names)
    done = hfal("agreement", "runs/team", "--most", "100", "--html", "a.html", "--json", "a.json")
    assert (done.code, done.stderr) == (0, "")
    assert_harmless(done.stdout.replace("\n", "\r\n").encode())
    page = Page((folder / "a.html").read_text())
    assert not {"script", "img", "b"} & {tag for tag, _ in page.tags}
    assert sum(text.startswith("<script>alert(1)</script>") for text in page.texts) == len(texts)
    assert not set("".join(page.texts)) & {"\x1b", "\u202e", "\u2066"}
    assert len(json.loads((folder / "a.json").read_text())["disagreements"]) == len(texts)


def test_a_run_of_simulated_people(hfal: Callable[..., Result], folder: Path) -> None:
    run = ["run", "--data", "labeled.csv", "--text", "review", "--label", "sentiment", "--eval_size", "10", *FAST]
    run += ["--annotators", "anna,ben,carl", "--overlap", "3", "--error_rate", "0.15", "--freeze_encoder"]
    done = hfal(*run, "--output_dir", "runs/team", "--query_size", "15", "--rounds", "2", "--seed_strategy", "random")
    assert done.code == 0, done.stderr
    done = hfal("agreement", "runs/team", "--json", "a.json")
    assert done.stdout.startswith("30 texts have labels of at least two people, 90 labels in all.\n")
    read = json.loads((folder / "a.json").read_text())
    assert 0 < read["alpha"] < 0.7
    assert {one["name"]: (one["labels"], one["shared"]) for one in read["people"]} == dict.fromkeys(
        ["anna", "ben", "carl"], (30, 30)
    )
    store = Store(folder / "runs" / "team", read_only=True)
    opinions = store.opinions()
    different = [i for i, of in opinions.items() if len({answer.label for answer in of.values()}) > 1]
    store.close()
    assert {one["example_id"] for one in read["disagreements"]} == {*different}


def test_the_next_round_trains_on_what_was_settled(hfal: Callable[..., Result], folder: Path) -> None:
    run = ["run", "--data", "labeled.csv", "--text", "review", "--label", "sentiment", "--eval_size", "10", *FAST]
    run += ["--annotators", "anna,ben", "--overlap", "2", "--error_rate", "0.4", "--freeze_encoder"]
    run += ["--output_dir", "runs/team", "--query_size", "12", "--seed_strategy", "random"]
    assert hfal(*run, "--rounds", "1").code == 0
    before = trained_on(folder)
    person = Person(forks.hfal, "agreement", "runs/team", "--settle", "--annotator_name", "dora", cwd=folder)
    person.sees("Disagreements | 0/", "Holds so far (")
    person.press("2" if re.search(r"Holds so far \(\d+%\): negative", person.screen) else "1")
    person.sees("Saved:")
    person.press("q")
    assert person.leaves() == 75
    ((example_id, _, label, name, _),) = settled(folder)
    assert (name, before[example_id] != label) == ("dora", True)
    done = hfal("run", "runs/team", "--rounds", "2")
    assert done.code == 0, done.stderr
    assert trained_on(folder)[example_id] == label
    agreement = hfal("agreement", "runs/team", "--most", "1000").stdout
    assert f"holds: {label} (settled by dora) | anna: " in agreement


def trained_on(folder: Path) -> dict[str, Any]:
    """What the last round was trained on."""
    store = Store(folder / "runs" / "team", read_only=True)
    try:
        return {i: answer.label for i, answer in store.training_answers(store.rounds()[-1].answers_seen).items()}
    finally:
        store.close()


# -- settling ------------------------------------------------------------------------------------------------------


def settle_in_terminal(folder: Path, *options: str, name: str = "dora") -> Person:
    command = ["agreement", "runs/team", "--settle", "--annotator_name", name, *options]
    return Person(forks.hfal, *command, cwd=folder)


def test_labels_are_settled_in_the_terminal(hfal: Callable[..., Result], folder: Path) -> None:
    make(folder, TEXT, OPINIONS, method="majority")
    person = settle_in_terminal(folder)
    person.sees("Disagreements | 0/3 answered | 9 labels bought", "anna: negative", "ben: positive", "word2 of")
    person.sees("Holds so far (50%): positive")
    person.press("2")
    person.sees("Saved: positive", "1/3 answered | 9 labels bought", "word3 of", "anna: positive", "ben: negative")
    person.press("s")
    person.sees("Left for later.", "word0 of", "Holds so far (67%): negative", "carl: negative")
    person.press("u")
    person.sees("Taken back: positive", "0/3 answered", "word2 of")
    person.press("1")
    person.sees("Saved: negative", "1/3 answered")
    person.press("q")
    assert person.leaves() == 75
    assert "2 disagreements are left; all answers are saved." in person.screen
    assert settled(folder) == [
        ("t2", "settle", B, "dora", 1),
        ("t2", "undo", None, "dora", 1),
        ("t2", "settle", A, "dora", 1),
    ]

    person = settle_in_terminal(folder, name="anna")  # who has labeled these herself
    person.sees("Disagreements | 0/2 answered", "word3 of")
    person.press(ENTER)
    person.sees("Saved: positive", "1/2 answered", "word0 of")
    person.press("n")
    person.sees("This is the last one that is not settled.", "word0 of")
    person.press(LEFT)
    person.sees("Your answer 1/1: positive", "word3 of", "ben: negative")
    person.press("s")
    person.sees("This is settled: choose another label, or undo.")
    person.press("1", RIGHT, ENTER)
    person.sees("2/2 answered", "2 texts are settled.", "[Enter] or [q] ends.")
    person.look(0.2)  # Enter, held down, would not count
    person.press(ENTER)
    assert person.leaves() == 0
    assert "Every disagreement is settled.\nNext: hfal run runs/team" in person.screen
    assert settled(folder)[3:] == [
        ("t3", "settle", B, "anna", 1),
        ("t3", "settle", A, "anna", 1),
        ("t0", "settle", A, "anna", 1),
    ]
    store = Store(folder / "runs" / "team", read_only=True)
    held = {i: (answer.label, answer.action) for i, answer in store.training_answers().items()}
    assert held == {"t0": (A, "settle"), "t1": (B, "label"), "t2": (A, "settle"), "t3": (A, "settle")}
    assert store.opinions()["t3"]["anna"].label == B  # her opinion is what it was
    assert store.labels_bought() == 9
    assert store.open_queries() == []
    store.close()
    assert hfal("agreement", "runs/team", "--settle").stdout.startswith("There is no disagreement to settle.\n")
    report = hfal("agreement", "runs/team").stdout
    assert "3 texts have different labels, 3 of them settled:\n" in report
    assert "Next:" not in report


def test_what_somebody_settled_before_can_be_taken_back(folder: Path) -> None:
    make(folder, TEXT, OPINIONS, method="majority")
    person = settle_in_terminal(folder)
    person.sees("word2 of")
    person.press("1", "q")
    assert person.leaves() == 75
    person = settle_in_terminal(folder)
    person.sees("word3 of", "0/2 answered")
    person.press("u")
    person.sees("Taken back: negative", "word2 of", "0/2 answered", "anna: negative")
    person.press("q")
    assert person.leaves() == 75
    assert "3 disagreements are left" in person.screen
    assert [action for _, action, *_ in settled(folder)] == ["settle", "undo"]


def test_sets_are_settled_in_the_terminal(folder: Path) -> None:
    make(
        folder,
        SETS,
        [{"anna": [], "ben": ["law"], "carl": ["law"]}, {"anna": ["money"], "ben": []}],
        method="majority",
    )
    person = settle_in_terminal(folder)
    person.sees("Disagreements | 0/2 answered", "anna: money", "ben: none of them")
    person.press("1", ENTER)
    person.sees("1/2 answered", "carl: law", "as it holds so far (87%)")
    person.look(0.2)  # Enter, held down, would not count
    person.press(ENTER)
    person.sees("2 texts are settled.")
    person.press("q")
    assert person.leaves() == 0
    first, second = settled(folder)
    assert (first[0], first[1], "sports" in first[2], second[:3]) == ("t1", "settle", True, ("t0", "settle", ["law"]))


def test_entities_are_settled_in_the_terminal(folder: Path) -> None:
    opinions = [{"anna": ["B-PER", "I-PER", "O"], "ben": ["O", "B-LOC", "O"], "carl": ["B-PER", "I-PER", "O"]}]
    make(folder, TAGS, opinions, texts=[["Ann", "Lee", "sings"]], method="majority")
    person = settle_in_terminal(folder)
    person.sees("Disagreements | 0/1 answered", "anna: [Ann Lee]PER", "ben: [Lee]LOC", "as it holds so far")
    mark(person, "2", "3")
    person.press(ENTER)
    person.sees("1 text is settled.")
    person.press("q")
    assert person.leaves() == 0
    assert settled(folder) == [("t0", "settle", ["B-PER", "I-PER", "B-LOC"], "dora", 1)]


def test_labels_are_settled_on_the_page(folder: Path) -> None:
    make(folder, TEXT, OPINIONS, method="majority")
    command = [HFAL, "agreement", "runs/team", "--settle", "--web", "--no_browser", "--annotator_name", "dora"]
    options: dict[str, Any] = {"stdout": subprocess.PIPE, "stdin": subprocess.DEVNULL, "text": True}
    with subprocess.Popen(command, cwd=folder, env=environment(folder), **options) as process:
        assert process.stdout is not None
        page = Client(int(process.stdout.readline().rpartition(":")[2].strip("/\n")))
        state = page.answers(page.waits_for("asking"), A)
        assert state["progress"]["title"] == "Disagreements"
        state = page.does("leave", state)
        assert (state["phase"], state["then"]) == ("ended", "To go on:")
        assert state["command"] == f"hfal agreement {folder}/runs/team --settle --web"
        assert process.stdout.read().startswith("2 disagreements are left; all answers are saved.\n")
        assert process.wait() == 75
    assert settled(folder) == [("t2", "settle", A, "dora", 1)]


def test_who_settles_needs_a_terminal_and_the_run(hfal: Callable[..., Result], folder: Path) -> None:
    make(folder, TEXT, OPINIONS)
    waiting = hfal("agreement", "runs/team", "--settle")  # pytest has no terminal
    assert waiting.code == 75
    settle = "hfal agreement runs/team --settle"
    assert waiting.stdout == (
        "3 disagreements are left; all answers are saved.\n"
        f"    Go on with `{settle}` in a terminal, or `{settle} --web`.\n"
    )
    store = Store(folder / "runs" / "team")
    with store.own():
        assert "is in use by another Store" in error_line(hfal("agreement", "runs/team", "--settle"))
        assert hfal("agreement", "runs/team").code == 0  # which only reads
    store.close()


def test_what_cannot_be_is_said_in_one_line(hfal: Callable[..., Result], folder: Path) -> None:
    make(folder, TEXT, OPINIONS)

    def error(*options: str) -> str:
        return error_line(hfal("agreement", "runs/team", *options))

    assert "--port is for the page: add --settle --web" in error("--settle", "--port", "8000")
    assert "--web is for who settles disagreements: add --settle" in error("--web")
    assert "--annotator_name is for who settles disagreements" in error("--annotator_name", "ann")
    assert "--html is for the report, and --settle asks you" in error("--settle", "--html", "a.html")
    assert "--most -1, expected a number from 0" in error("--most", "-1")
    assert "--annotator_name is 'model:x', but names that begin" in error("--settle", "--annotator_name", "model:x")
    assert "no run in" in error_line(hfal("agreement", "runs/none"))
    assert "--html 'none/a.html': there is no folder 'none'" in error("--html", "none/a.html")
    assert settled(folder) == []
    assert PEOPLE[0] in hfal("agreement", "runs/team").stdout
