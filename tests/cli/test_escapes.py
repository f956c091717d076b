"""Names from elsewhere on the terminal: what the commands write has no control sequence, and no line of others."""

from collections.abc import Callable
from pathlib import Path

from hfal.cli.describe import describe_comparison
from hfal.config.kept_config import write_options
from hfal.store.records import Answer
from hfal.store.store import Store
from support.command import Result, write_csv
from support.hub_server import Failure, client, serve
from support.output import obeyed
from support.texts import load_reviews


ESCAPES = "\x1b]0;title\x07\x1b[2J\x9b31m\u202e"
FORGED = "\r\nhfal: error: all is lost"
POSITIVE, NEGATIVE = f"pos{ESCAPES}", f"neg{ESCAPES}"
TEXT, LABEL, ID = f"te{ESCAPES}xt", f"la{ESCAPES}bel", f"i{ESCAPES}d"
OPTIONS = ["--model", "./model", "--max_length", "16", "--max_steps", "1", "--use_cpu", "--query_size", "6"]


def checked(result: Result) -> Result:
    said = result.stdout + result.stderr.replace("\x1b[A", "").replace("\r", "\n").replace("\t", " ")
    bars = [line for line in said.split("\n") if "%|" not in line]  # of the Trainer, which rewrites its own
    assert obeyed("\n".join(bars)) == []
    assert not any(line.startswith("hfal: error: all is lost") for line in bars)
    assert "<U+001B>" in said or "\\x1b" in said
    return result


def test_a_run_whose_names_hold_escape_codes(hfal: Callable[..., Result], folder: Path) -> None:
    labels = (NEGATIVE, POSITIVE)
    rows = [(f"{n}{ESCAPES}", row["text"], labels[row["label"]]) for n, row in enumerate(load_reviews(40))]
    data, run_dir = f"da{ESCAPES}ta.csv", f"runs/a{ESCAPES}"
    write_csv(folder / data, [ID, TEXT, LABEL], rows)
    run = ["run", "--data", data, "--text", TEXT, "--id", ID, "--output_dir", run_dir, *OPTIONS]
    for wrong in (["--label", "lable\x1b[2J"], ["--label", LABEL, "--data_filter", f"{LABEL}=\x1b[2J"]):
        assert checked(hfal(*run, *wrong)).code == 1
    names = ["--labels", f"{POSITIVE},{NEGATIVE}", "--holdout", "0"]
    assert checked(hfal(*run, *names, "--annotator_name", f"Anna{ESCAPES}")).code == 1
    assert checked(hfal(*run, *names, "--annotator", "csv")).code == 75
    assert checked(hfal("status", run_dir)).code == 0
    assert checked(hfal("label", run_dir)).code == 75
    query = next((folder / run_dir).glob("**/query-001.csv"))
    query.write_text(query.read_text("utf-8").replace(",,", f",n{ESCAPES},", 1), "utf-8")
    checked(hfal("run", run_dir))
    query.unlink()

    store = Store(folder / run_dir)
    comment = f"so{ESCAPES}{FORGED}"
    for number, example in enumerate(store.open_queries()[0].examples):
        label = (POSITIVE, NEGATIVE)[number % 2]
        store.record(Answer(example.example_id, label, "label", "Anna", query=1, comment=comment))
    store.close()
    done = checked(hfal("run", run_dir, "--rounds", "1", "--export", f"o{ESCAPES}.csv"))
    assert done.code == 0, done.stderr
    for words in (["--to", f"x{ESCAPES}.csv"], ["--to", f"y{ESCAPES}", "--unlabeled", "--answers"]):
        for more in (["--dry-run"], []):
            exported = hfal("export", run_dir, "--comments", *words, *more)
            assert checked(exported).code == 0, exported.stderr
    assert checked(hfal("export", run_dir, "--to", "hub:me/x", "--dry-run", "--license", "mit")).code == 0
    assert checked(hfal("import", f"y{ESCAPES}", "--to", f"z{ESCAPES}")).code == 0
    checked(hfal("import", f"missing{ESCAPES}", "--to", "z"))
    checked(hfal("status", f"missing{ESCAPES}"))
    checked(hfal(f"sta{ESCAPES}"))
    checked(hfal("run", f"--{ESCAPES}"))
    written = [path for path in folder.rglob("*") if path.suffix in (".md", ".html")]
    assert written
    for path in written:
        assert obeyed(path.read_text("utf-8").replace("\t", "")) == []


def test_metrics_files_and_reasons_add_no_lines(hfal: Callable[..., Result], run_dir: Path) -> None:
    store = Store(run_dir)
    metrics = {f"eval_accu{ESCAPES}{FORGED}": 0.5}
    store.start_round(1, seed=1, train_size=3)
    store.finish_round(1, metrics)
    store.close()
    assert checked(hfal("status", run_dir)).code == 0


def test_a_comparison_with_escape_codes(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    write_options(
        out / "compare.yaml",
        {"data": "d", "strategies": [f"random{ESCAPES}{FORGED}"], "starts": ["random"], "seeds": 1},
    )
    said = describe_comparison(out)
    assert obeyed(said) == []
    assert len(said.split("\n")) == 5


def test_a_page_of_the_hub_with_escape_codes(run_dir: Path, folder: Path) -> None:
    store = Store(run_dir)
    store.record(Answer("a", "positive", "label", "Anna", query=1))
    store.close()
    with serve() as hub:
        hub.failures.append(Failure("/api/", "escapes", 99))
        done = client(hub, folder, "-m", "hfal", "export", str(run_dir), "--to", "hub:me/x")
    assert done.returncode == 1
    assert "<U+001B>]0;title" in done.stderr
    assert done.stderr.count("\n") == 1
    assert obeyed(done.stdout + done.stderr) == []
