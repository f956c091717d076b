"""README's example runs as it stands, and its commands are those that CI runs."""

import csv
import json
import re
import runpy
from pathlib import Path

import pytest
from transformers import BertModel

from hfal import Pool
from hfal.strategies import SCORES, SELECTIONS
from hfal.strategies.table import strategies_table
from support.models import tiny_config, tiny_model
from support.texts import load_reviews, load_sentences


ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def run_script(script: Path) -> int:
    """The exit code of a script, which runs in this process: loading torch takes longer than the script."""
    try:
        runpy.run_path(str(script), run_name="__main__")
    except SystemExit as end:
        return end.code
    return 0


def test_the_example_runs_waits_for_labels_and_goes_on_when_they_are_there(tmp_path, tokenizer, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    hub_name = '"distilbert/distilbert-base-uncased"'
    assert hub_name in example
    script = tmp_path / "script.py"
    script.write_text(example.replace(hub_name, '"tiny"').replace("rounds=10", "rounds=1"))
    tiny_model().save_pretrained(tmp_path / "tiny")
    tokenizer.save_pretrained(tmp_path / "tiny")
    reviews = load_reviews(200)
    reviews.select_columns(["text"]).to_csv(tmp_path / "reviews.csv")

    assert run_script(script) == 75
    assert "query-001.csv" in caplog.text
    assert "query-002.csv" in caplog.text
    for name in ("query-001.csv", "query-002.csv"):
        path = tmp_path / "runs" / "reviews" / name
        header, *rows = csv.reader(path.read_text(encoding="utf-8-sig").splitlines())
        assert header == ["id", "text", "suggestion", "confidence", "label", "comment"]
        with open(path, "w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(
                [header, *([*row[:4], ("negative", "positive")[i % 2], ""] for i, row in enumerate(rows))]
            )

    assert run_script(script) == 0
    with open(tmp_path / "labeled.csv", encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["al_split"] for row in rows].count("train") == 50
    assert [row["al_split"] for row in rows].count("test") == 100


def test_the_commands_name_files_and_extras_that_exist():
    demo, tests = re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
    assert (ROOT / re.search(r"hfal run (\S+)", demo)[1]).is_file()
    pyproject = (ROOT / "pyproject.toml").read_text()
    for extras in re.findall(r'"\.\[(.*?)\]"', demo + tests):
        assert all(re.search(rf"^{extra} = \[", pyproject, re.MULTILINE) for extra in extras.split(","))
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for link in re.findall(r"\]\((?!http)([^)#]+)", page.read_text("utf-8")):
            assert (page.parent / link).is_dir() or (page.parent / link).stat().st_size > 0, link


@pytest.mark.parametrize(
    ("page", "file", "column", "label"),
    [
        ("entities", "sentences", "tokens", lambda words: ["B-ORG", *["O"] * (len(words) - 1)]),
        ("multi_label", "news", "text", lambda text: ["law"] if "e" in text[:9] else []),
    ],
)
def test_the_example_of_a_page_waits_for_labels_and_goes_on_when_they_are_there(
    tmp_path, tokenizer, monkeypatch, page, file, column, label
):
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / f"{page}.md").read_text("utf-8"), re.DOTALL)
    (hub_name,) = re.findall(r'"distilbert/distilbert-base-\w+"', example)
    BertModel(tiny_config(2)).save_pretrained(tmp_path / "tiny")
    tokenizer.save_pretrained(tmp_path / "tiny")
    data = load_sentences(150) if column == "tokens" else load_reviews(200)
    data.select_columns([column]).to_json(tmp_path / f"{file}.jsonl")
    script = tmp_path / "script.py"
    assert "annotator=TerminalAnnotator()" in example
    example = re.sub(r"\bTerminalAnnotator\b(?!\()", "FileAnnotator", example)
    example = example.replace("TerminalAnnotator()", 'FileAnnotator("jsonl")')
    script.write_text(
        example.replace(hub_name, '"tiny"').replace("rounds=10", "rounds=1").replace("epochs=10", "epochs=1")
    )
    for attempt in (1, 2):
        for path in (tmp_path / "runs" / "news").glob("query-*.jsonl"):
            rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
            rows = [{**row, "label": label(row[column])} for row in rows]
            path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        assert run_script(script) == (75 if attempt == 1 else 0)


def test_the_table_of_strategies_is_that_of_their_docstrings():
    table = strategies_table()
    assert f"\n{table}\n<!-- end -->" in README
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in table.splitlines()[2:]]
    names = {name for by_task in (SCORES, SELECTIONS) for names in by_task.values() for name in names}
    assert sorted(row[0].strip('`"…+') for row in rows) == sorted(names)
    assert all(re.fullmatch(r".+ (19|20)\d\d", row[2]) for row in rows if row[0] != '`"random"`')
    assert all(asks and needs and tasks for _, asks, _, needs, tasks in rows)


def test_the_examples_of_strategies_run(tmp_path, reviews):
    """Each of them makes a callback; names of functions that stand there are those that stand above."""
    page = (ROOT / "docs" / "strategies.md").read_text("utf-8")
    examples = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(examples) >= 3
    known = {"pool": Pool(reviews, tmp_path / "run", "text", "label")}
    for example in examples:
        exec(example, known)
    assert {*re.findall(r"`\"(\w+)\"`", page)} <= {
        *(name for by_task in (SCORES, SELECTIONS) for names in by_task.values() for name in names),
        "stratified",
        "model",
        "sum",
        "product",
    }
