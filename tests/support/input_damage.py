"""What people and accidents do to exports, model folders, query files and run directories."""

import csv
import json
import random
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors.torch import load_file, save_file

from support.fault_scenarios import MADE
from support.input_files import reading
from support.input_grammar import (
    ASKED,
    Case,
    Row,
    damaged,
    expect,
    labels_of,
    odd_value,
    part_of,
    pick,
    rows_of,
)
from support.models import NAMES


ROWS: list[Row] = [
    (f"{number} The soup was {'good' if number % 2 else 'cold'}", NAMES[number % 2]) for number in range(12)
]
SEED = 6
"""Texts of the query that waits in the run that is damaged."""

Prepared = dict[str, Path]


def copy_run(made: Path, folder: Path) -> None:
    """Copy a run with its data, which its options then name where the copy is."""
    shutil.copytree(
        made, folder, dirs_exist_ok=True, ignore=lambda at, _: {"model", "hf"} if at == str(made) else set()
    )
    config = folder / "run" / "config.yaml"
    config.write_text(config.read_text("utf-8").replace(str(made), str(folder)), "utf-8")


def damage(path: Path, chance: random.Random) -> str:
    """Damage the bytes of a file; says what was done."""
    content, what = damaged(path.read_bytes(), chance)
    path.write_bytes(content)
    return f"{path.name} {what}"


def _replace_somewhere(written: Any, chance: random.Random) -> str:
    """Replace, remove or repeat a value anywhere in JSON; says where."""
    place, path = written, ""
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = chance.choice(keys)
        path += f"/{key}"
        inner = place[key]
        if isinstance(inner, dict | list) and inner and chance.random() < 0.85:
            place = inner
            continue
        match chance.randrange(3):
            case 0:
                del place[key]
                return f"{path} removed"
            case 1:
                if isinstance(place, list):
                    place.insert(key, inner)
                    return f"{path} repeated"
        place[key] = odd_value(chance)
        return f"{path} is {str(place[key])[:40]!r}"


# -- exports ---------------------------------------------------------------------------------------------------------


def export_case(folder: Path, chance: random.Random) -> Case:
    """An export that `hfal import` reads: labels that are accepted are those that were exported."""
    name = chance.choice(["reviews", "names", "reports"])
    source = folder / "export"
    shutil.copytree(MADE / "exports" / name, source)
    whole = folder / "whole"
    shutil.copytree(source, whole)
    fails: bool | None = None
    file = chance.choice(["hfal.json", "answers.parquet", "train.parquet", "unlabeled.parquet"])
    tables = ["answers.parquet", "train.parquet", "unlabeled.parquet"]
    match pick(chance, "json json json bytes cell cell column rows gone swap extra same file cardless"):
        case "json":
            written = json.loads((source / "hfal.json").read_text("utf-8"))
            what = _replace_somewhere(written, chance)
            (source / "hfal.json").write_text(json.dumps(written), "utf-8")
        case "bytes":
            what = damage(source / file, chance)
        case "cell":
            what = _cell(source / chance.choice(tables), chance)
        case "column":
            what = _column(source / chance.choice(tables), chance)
        case "rows":
            file = chance.choice(tables)
            found = pq.read_table(source / file)
            start = chance.randrange(len(found))
            what = chance.choice(["a row less", "a row twice", "in reverse"])
            if what == "in reverse":
                found = found.take(list(reversed(range(len(found)))))
            else:
                rest = pa.concat_tables([found.slice(0, start), found.slice(start + 1)])
                found = rest if what == "a row less" else pa.concat_tables([found, found.slice(start, 1)])
                fails = True
            pq.write_table(found, source / file)
            what = f"{file} {what}"
        case "gone":
            (source / file).unlink()
            what, fails = f"{file} is gone", file != "train.parquet" or None
        case "swap":
            other = chance.choice([one for one in ("reviews", "names", "reports") if one != name])
            shutil.copy(MADE / "exports" / other / file, source / file)
            what, fails = f"{file} of {other}", True
        case "extra":
            (source / chance.choice(["x.parquet", ".DS_Store", "train.csv", "notes.txt"])).write_bytes(b"x")
            what, fails = "one more file", False
        case "same":
            what, fails = "unchanged", False
        case "file":
            shutil.rmtree(source)
            source.write_bytes(chance.choice([b"", b"PAR1", b"{}"]))
            what, fails = "a file in the place of the folder", True
        case _:
            (source / "README.md").write_bytes(chance.choice([b"", b"\xff\xfe", b"---\n- a: [\n---\n"]))
            what, fails = "the card is damaged", False
    commands = [["import", "export", "--to", "run"], ["status", "run"], ["export", "run", "--to", "again.jsonl"]]
    columns = ["id", "text", "tokens", "label", "answer", "query", "time", "annotator", "al_"]
    return Case(
        f"export of {name}: {what}",
        commands,
        named=["export", *columns],
        fails=fails,
        check=lambda: _same_labels(folder, whole),
        after_error=lambda: "half a run is left" if (folder / "run").exists() else None,
    )


def _same_labels(folder: Path, whole: Path) -> str | None:
    from hfal.cli.import_run import import_run

    other = folder / "as it was"
    import_run(whole, other)
    found, wanted = labels_of(folder / "run"), labels_of(other)
    return None if found == wanted else f"the labels are {str(found)[:300]}, expected {str(wanted)[:300]}"


def _cell(file: Path, chance: random.Random) -> str:
    found = pq.read_table(file)
    column, row = chance.choice(found.schema.names), chance.randrange(len(found))
    values = found[column].to_pylist()
    others = [value for value in values if value != values[row]] or [None]
    values[row] = chance.choice([None, chance.choice(others)])
    kind = found.schema.field(column)
    pq.write_table(found.set_column(found.schema.get_field_index(column), kind, pa.array(values, kind.type)), file)
    return f"{file.name}, row {row + 1}, {column} is {str(values[row])[:40]!r}"


def _column(file: Path, chance: random.Random) -> str:
    found = pq.read_table(file)
    column = chance.choice(found.schema.names)
    place = found.schema.get_field_index(column)
    what = chance.choice(["gone", "renamed", "numbers", "words", "twice", "null"])
    match what:
        case "gone":
            found = found.drop_columns([column])
        case "renamed":
            found = found.rename_columns([f"{n}x" if n == column else n for n in found.schema.names])
        case "numbers":
            found = found.set_column(place, column, pa.array(range(len(found))))
        case "words":
            found = found.set_column(place, column, pa.array(["x"] * len(found)))
        case "twice":
            found = found.append_column(column, found[column])
        case "null":
            found = found.set_column(place, column, pa.nulls(len(found)))
    pq.write_table(found, file)
    return f"{file.name}, column {column}: {what}"


# -- model folders ---------------------------------------------------------------------------------------------------


def model_case(folder: Path, chance: random.Random, made: Prepared) -> Case:
    """A model's folder with something missing, damaged or changed."""
    model = folder / "mine"
    shutil.copytree(made["model"], model)
    fails: bool | None = None
    weights = model / "model.safetensors"
    file = chance.choice(sorted(path.name for path in model.iterdir()))
    match pick(chance, "config config config bytes bytes gone tokenizer nan shapes less more pickle folder file same"):
        case "config":
            written = json.loads((model / "config.json").read_text())
            if chance.random() < 0.5:
                what = _replace_somewhere(written, chance)
            else:
                key = chance.choice(
                    ["model_type", "vocab_size", "hidden_size", "num_hidden_layers", "id2label", "problem_type"]
                )
                odd = chance.choice([0, -1, 1, 7, 10**9, "bert", "vit", "x", None, {"0": "a"}, [], 1.5])
                written[key], what = odd, f"{key} is {odd!r}"
            (model / "config.json").write_text(json.dumps(written))
            what = f"config.json: {what}"
        case "bytes":
            what = damage(model / file, chance)
        case "gone":
            (model / file).unlink()
            what = f"{file} is gone"
            fails = True if file in ("config.json", "model.safetensors", "tokenizer.json") else None
        case "tokenizer":
            name = chance.choice([n for n in ("tokenizer.json", "tokenizer_config.json") if (model / n).exists()])
            written = json.loads((model / name).read_text("utf-8"))
            written.get("model", {}).pop("vocab", None) if chance.random() < 0.2 else None
            what = f"{name}: {_replace_somewhere(written, chance)}"
            (model / name).write_text(json.dumps(written), "utf-8")
        case "nan" | "less" | "more" | "shapes" as how:
            tensors = load_file(weights)
            key = chance.choice(sorted(name for name in tensors if "classifier" not in name and "pooler" not in name))
            if how == "nan":
                tensors[key] = torch.full_like(tensors[key], float("nan"))
            elif how == "less":
                del tensors[key]
            elif how == "more":
                tensors["other"], fails = torch.zeros(3), False
            else:
                tensors[key] = torch.zeros(3, 5)
            fails = fails if how == "more" else True
            save_file(tensors, weights, {"format": "pt"})
            what = f"weights: {how} at {key}"
        case "pickle":
            torch.save(load_file(weights), model / "pytorch_model.bin")
            weights.unlink()
            what, fails = "weights in a pickle", True
        case "folder":
            weights.unlink()
            weights.mkdir()
            what, fails = "a folder in the place of the weights", True
        case "file":
            shutil.rmtree(model)
            model.write_bytes(chance.choice([b"", b"{}"]))
            what, fails = "a file in the place of the folder", True
        case _:
            (model / "notes.txt").write_text("x")
            what, fails = "one more file", False
    data = folder / "data.csv"
    write_csv(data, [["text", "label"], *map(list, ROWS)])
    case = reading(folder, data, ROWS, f"model folder: {what}", fails=fails, check=expect(folder / "run", ROWS))
    words = case.commands[0]
    words[words.index("--model") + 1] = chance.choice(["./mine", str(model)])
    case.named = ["mine", "--model", "model="]
    return case


def write_csv(file: Path, cells: list[list[str]], **options: Any) -> None:
    """Write a CSV file."""
    with open(file, "w", encoding=options.pop("encoding", "utf-8"), newline="") as out:
        csv.writer(out, **options).writerows(cells)


# -- query files -----------------------------------------------------------------------------------------------------


def prepare(folder: Path, format: str) -> list[str]:
    """The command after which a run waits in `run` for answers to six of twelve texts, in a file."""
    write_csv(folder / "texts.csv", [["text"], *([words] for words, _ in ROWS)])
    words = [*ASKED, "--data", "texts.csv", "--query_size", "3", "--seed_size", str(SEED)]
    words[words.index("--annotator") + 1] = format
    return words


def query_case(folder: Path, chance: random.Random, made: Prepared) -> Case:
    """A query's file in which people have written something."""
    format = chance.choice(["csv", "jsonl"])
    copy_run(made[format], folder)
    file = folder / "run" / f"query-001.{format}"
    rows = _read(file)
    true = dict(ROWS)
    wanted: dict[str, str | None] = {}
    for row in rows:
        said, meant = _said(true[row["text"]], chance)
        row["label"], wanted[row["id"]] = said, meant
    at = chance.randrange(len(rows))
    fails: bool | None = False
    delimiter, encoding = ",", "utf-8-sig"
    named = [f"line {at + 2}", f"row {at + 2}", f"line {at + 1}", rows[at]["id"]]
    raw = None
    match what := pick(
        chance,
        "filled filled filled order fewer unknown text id twice contradiction extra no-text no-id no-label "
        "semicolons utf16 latin bytes gone empty header comment comment-alone number list",
    ):
        case "order":
            chance.shuffle(rows)
        case "fewer":
            gone = rows.pop(at)
            wanted[gone["id"]] = None
        case "unknown":
            rows[at]["label"] = chance.choice(["neutral", "positive, negative", "1", "pos", "?", "possitive", "\x00"])
            fails, named = True, [*named, "expected"]
        case "text":
            rows[at]["text"] += " edited"
            rows[at]["label"], fails = NAMES[0], True
        case "id":
            rows[at]["id"] = chance.choice(["x", "", "0", rows[at]["id"] + "0"])
            rows[at]["label"], fails = NAMES[0], True
            named = [f"line {at + 2}", f"row {at + 2}", f"line {at + 1}", "id"]
        case "twice":
            rows.append(dict(rows[at]))
            fails = None
        case "contradiction":
            rows.append({**rows[at], "label": NAMES[0]})
            rows[at]["label"], fails = NAMES[1], True
            named = [rows[at]["id"], f"line {len(rows) + 1}", f"line {len(rows)}"]
        case "extra":
            rows = [{**row, "by": "me"} for row in rows]
        case "no-text":
            rows = [{name: value for name, value in row.items() if name != "text"} for row in rows]
        case "no-id" | "no-label":
            rows = [{name: value for name, value in row.items() if name != what[3:]} for row in rows]
            fails, named = (True if what == "no-id" else None), ["id", "label"]
            wanted = dict.fromkeys(wanted) if what == "no-label" else wanted
        case "semicolons":
            delimiter = ";"
        case "utf16":
            encoding, fails = "utf-16", (False if format == "csv" else None)
        case "latin":
            rows[at]["comment"], encoding, fails = "café", "latin-1", True
        case "bytes":
            _write(file, rows)
            raw, fails = damage(file, chance), None
        case "gone":
            file.unlink()
            raw, fails, wanted = "gone", None, dict.fromkeys(wanted)
        case "empty":
            file.write_bytes(b"")
            raw, fails = "empty", True
        case "header":
            rows, fails, wanted = rows[:0], None, dict.fromkeys(wanted)
        case "comment":
            rows[at] |= {"label": NAMES[1], "comment": "sure, = 1"}
            wanted[rows[at]["id"]] = NAMES[1]
        case "comment-alone":
            rows[at] |= {"label": "", "comment": "what?"}
            wanted[rows[at]["id"]] = None
        case "number" | "list":
            rows[at]["label"] = 1 if what == "number" else [NAMES[0]]
            fails = True if format == "jsonl" or what == "number" else None
    if raw is None:
        _write(file, rows, delimiter, encoding, header=["id", "text", "suggestion", "confidence", "label", "comment"])
    before = file.read_bytes() if file.exists() else None

    def check() -> str | None:
        found = labels_of(folder / "run")
        if what in ("bytes", "twice"):
            return part_of(folder / "run", ROWS)()
        expected = {i: label for i, label in wanted.items() if label is not None}
        return None if found == expected else f"labels are {found}, the file says {expected}"

    def after_error() -> str | None:
        if (file.read_bytes() if file.exists() else None) != before:
            return "the file was changed"
        return None if not labels_of(folder / "run") else "labels of a refused file were recorded"

    command = ["run", "run", "--rounds", "1"]
    return Case(f"{file.name}: {what}", [command], [file.name, *named], fails, check, after_error)


def _said(label: str, chance: random.Random) -> tuple[str, str | None]:
    """What somebody writes who means a label, and the label; or says that there is none."""
    return chance.choice(
        [
            *[(label, label)] * 6,
            (label.upper(), label),
            (f"  {label.capitalize()} ", label),
            (f"{label}\u00a0", label),
            ("skip", None),
            ("unsure", None),
            ("", None),
            (" ", None),
        ]
    )


def _read(file: Path) -> list[dict[str, Any]]:
    content = file.read_bytes().decode("utf-8-sig")
    if file.suffix == ".jsonl":
        return [json.loads(line) for line in content.splitlines()]
    return list(csv.DictReader(content.splitlines(keepends=True)))


def _write(
    file: Path,
    rows: list[dict[str, Any]],
    delimiter: str = ",",
    encoding: str = "utf-8-sig",
    header: list[str] | None = None,
) -> None:
    if file.suffix == ".jsonl":
        encoding = "utf-8" if encoding == "utf-8-sig" else encoding
        file.write_bytes("".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows).encode(encoding))
        return
    names = list(rows[0]) if rows else list(header or [])
    cells = [[str(row[name] or "") if name != "label" else str(row[name]) for name in names] for row in rows]
    write_csv(file, [names, *cells], delimiter=delimiter, encoding=encoding)


# -- run directories -------------------------------------------------------------------------------------------------


def run_case(folder: Path, chance: random.Random, made: Prepared) -> Case:
    """A run's folder after one round, with something missing, damaged or added."""
    copy_run(made["finished"], folder)
    run = folder / "run"
    labels, rows = labels_of(run), rows_of(run)
    files = sorted(path for path in run.rglob("*") if path.is_file())
    file = chance.choice([run / "labels.sqlite", run / "config.yaml", *files])
    fails: bool | None = None
    store_is_whole = True
    named = ["/run", "run/", file.name]
    match what := pick(chance, "gone bytes bytes version folder junk table cell config link busy same data model"):
        case "gone":
            file.unlink()
            what, store_is_whole = f"{file.name} is gone", file.name != "labels.sqlite"
        case "bytes":
            store_is_whole = file.name != "labels.sqlite"
            what = damage(file, chance)
        case "folder":
            file.unlink()
            file.mkdir()
            what, store_is_whole = f"a folder in the place of {file.name}", file.name != "labels.sqlite"
        case "version":
            number = chance.choice([-1, 0, 1, 99, 2**31 - 1])
            _sql(run, f"PRAGMA user_version = {number}")
            what, fails = f"version {number}", True
        case "table":
            tables = [row[0] for row in _sql(run, "SELECT name FROM sqlite_master WHERE type = 'table'")]
            gone = chance.choice([name for name in tables if not name.startswith("sqlite")])
            _sql(run, f"DROP TABLE {gone}")
            what, store_is_whole = f"table {gone} is gone", False
        case "cell":
            tables = ["answers", "queries", "queried", "rounds", "run"]
            name = chance.choice(
                [t for t in tables if _sql(run, f"SELECT name FROM sqlite_master WHERE name = '{t}'")]
            )
            column = chance.choice([row[1] for row in _sql(run, f"PRAGMA table_info({name})")])
            value = chance.choice(["NULL", "''", "'x'", "-1", "99", "x'ff'", "'{'"])
            _sql(
                run,
                f"UPDATE {name} SET {column} = {value} WHERE rowid = (SELECT min(rowid) FROM {name})",
                quietly=True,
            )
            what, store_is_whole = f"{name}.{column} is {value}", False
        case "config":
            line = chance.choice(
                ["", "data: gone.csv", "[", "labels: [a, b]", "rounds: x", "\x00", "strategy: margn", "text: no"]
            )
            (run / "config.yaml").write_text(f"{(run / 'config.yaml').read_text()}\n{line}\n")
            what, named = f"config.yaml with {line!r}", [*named, "--labels", "--rounds", "--text", "--strategy"]
        case "junk":
            (
                run / chance.choice(["x", "query-009.csv", "query-001.jsonl", "labels.sqlite-journal", "rounds/009"])
            ).write_text("x")
        case "link":
            shutil.move(run, folder / "elsewhere")
            named = [*named, "nowhere", "elsewhere"]
            run.symlink_to(chance.choice(["elsewhere", "nowhere", "run"]))
            fails = None
        case "busy":
            (run / "run.lock").write_text("x")
        case "data":
            (folder / "data.csv").write_text(chance.choice(["", "text,label\nother,positive\n", "x"]))
            what, named = "the data is another", [*named, "data.csv"]
        case "model":
            shutil.rmtree(run / "rounds", ignore_errors=True)
            what = "models are gone"
        case _:
            fails = False
    commands = [["status", "run"], ["export", "run", "--to", "out.jsonl"], ["run", "run", "--rounds", "2"]]
    commands = chance.sample(commands, chance.randint(1, 3))

    def kept() -> str | None:
        if not store_is_whole or not (run / "labels.sqlite").is_file() or (isinstance(fails, bool) and fails):
            return None
        lost = {i: label for i, label in labels.items() if labels_of(run).get(i) != label}
        return f"lost labels: {lost}" if lost else None

    def check() -> str | None:
        if not store_is_whole and what.endswith("labels.sqlite"):
            return None
        return kept() or (part_of(run, ROWS)() if store_is_whole else _true_labels(run, rows))

    return Case(f"run directory: {what}", commands, named, fails, check, kept)


def _true_labels(run: Path, rows: list[tuple[str, Any]]) -> str | None:
    """Check that no text has another label than it had, or than the data says."""
    true = dict(ROWS)
    wrong = [(words, label) for words, label in rows_of(run) if label is not None and true.get(words) != label]
    return f"wrong labels: {wrong[:3]}" if wrong else None


def _sql(run: Path, statement: str, quietly: bool = False) -> list[tuple[Any, ...]]:
    db = sqlite3.connect(run / "labels.sqlite", isolation_level=None)
    try:
        return db.execute(statement).fetchall()
    except sqlite3.Error:
        if not quietly:
            raise
        return []
    finally:
        db.close()
