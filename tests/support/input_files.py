"""Files of data, good and bad: CSV, JSON Lines and Parquet."""

import csv
import io
import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from support.input_grammar import ASKED, REVEALED, Case, Row, damaged, expect, part_of, pick, rows_of, table
from support.models import NAMES


def reading(folder: Path, file: Path, rows: list[Row], what: str, **known: Any) -> Case:
    """A run on a file that has all labels."""
    command = [*REVEALED, "--data", file.name, "--query_size", "50", "--seed_size", "50"]
    known = {"check": expect(folder / "run", rows), **known}
    return Case(what, [command], named=(*known.pop("named", ()), file.name), **known)


def of_damaged(folder: Path, file: Path, rows: list[Row], chance: random.Random) -> Case:
    """A run on a file with damaged bytes: whatever is accepted must be in the file."""
    content, what = damaged(file.read_bytes(), chance)
    file.write_bytes(content)
    return reading(folder, file, rows, f"{file.suffix}, {what}", check=lambda: None)


# -- CSV -------------------------------------------------------------------------------------------------------------


def csv_case(folder: Path, chance: random.Random) -> Case:
    """A CSV or TSV file."""
    rows = table(chance)
    return chance.choice([_good_csv, _unlabeled_csv, _bad_csv, _bad_csv])(folder, chance, rows)


def _dump(
    rows: list[list[str]], delimiter: str = ",", end: str = "\r\n", all_quoted: bool = False, encoding: str = "utf-8"
) -> bytes:
    out = io.StringIO(newline="")
    # Python leaves a lone carriage return without quotes, and whoever reads it takes it for the end of a row.
    lone = any("\r" in cell for row in rows for cell in row)
    quoting = csv.QUOTE_ALL if all_quoted or lone else csv.QUOTE_MINIMAL
    csv.writer(out, delimiter=delimiter, lineterminator=end, quoting=quoting).writerows(rows)
    return out.getvalue().encode(encoding)


def _good_csv(folder: Path, chance: random.Random, rows: list[Row]) -> Case:
    delimiter = chance.choice(",,,;\t|")
    encoding = chance.choice(["utf-8", "utf-8", "utf-8-sig", "utf-16"])
    end = chance.choice(["\n", "\r\n"])
    columns = ["text", "label", *chance.sample(["id", "note", "Ünï", "a b", "n"], chance.randint(0, 3))]
    chance.shuffle(columns)
    cells = []
    for number, (words, label) in enumerate(rows):
        given = {"text": words, "label": label}
        cells.append([given.get(name, chance.choice(["", str(number), "x, y", '"'])) for name in columns])
    names = [f" {name} " if chance.random() < 0.1 else name for name in columns]
    all_quoted = chance.random() < 0.3
    blank_lines = end * chance.choice([0, 0, 2])
    file = folder / chance.choice(["data.csv", "data.csv", "DATA.CSV", "data.tsv", "ä b.csv"])
    content = _dump([names, *cells], delimiter, end, all_quoted, encoding)
    file.write_bytes(content if encoding == "utf-16" else content + blank_lines.encode())
    what = f"{file.name}: {delimiter!r}, {encoding}, {end!r}, columns {names}, all quoted {all_quoted}"
    return reading(folder, file, rows, what, fails=False)


def _unlabeled_csv(folder: Path, chance: random.Random, rows: list[Row]) -> Case:
    file = folder / "data.csv"
    file.write_bytes(_dump([["text"], *([words] for words, _ in rows)], end=chance.choice(["\n", "\r\n"])))
    command = [*ASKED, "--data", file.name, "--query_size", "50", "--seed_size", "50"]
    return Case("a file of texts", [command], fails=False, check=expect(folder / "run", rows, labeled=False))


def _bad_csv(folder: Path, chance: random.Random, rows: list[Row]) -> Case:
    cells = [["text", "label"], *map(list, rows)]
    at = chance.randrange(1, len(cells))
    file = folder / "data.csv"
    defect = pick(
        chance,
        "quote after-quote long short blank label-blank latin utf16-cut twice no-text no-label empty header "
        "bytes unknown-label one-label damaged nul folder link 1MB wide lone-cr capitals quotes-inside "
        "nameless",
    )
    fails: bool | None = True
    named: list[str] = [f"line {at + 1}", f"row {at + 1}"]
    check: Callable[[], str | None] = expect(folder / "run", rows)
    content = None
    match defect:
        case "quote":
            content = _dump(cells) + b'"never closed,positive\r\n'
        case "after-quote":
            content = _dump(cells) + b'"a" b,positive\r\n'
        case "long":
            cells[at] = [*cells[at], "", "more"]
        case "short":
            cells[at] = cells[at][:1]
            check = part_of(folder / "run", rows)
        case "blank":
            cells[at][0] = chance.choice(["", " ", "\t ", "\u00a0", "\n"])
        case "label-blank":
            cells[at][1] = chance.choice(["", " "])
        case "latin":
            cells[at][0] += " café"
            content = _dump(cells, encoding="latin-1") if _is_latin(cells) else _dump(cells) + b"caf\xe9,positive\n"
        case "utf16-cut":
            content = _dump(cells, encoding="utf-16")[:-3]
        case "twice":
            cells = [[*row, row[0]] for row in cells]
            named = ["'text'"]
        case "no-text":
            cells[0][0] = chance.choice(["txet", "review", "", "text;label"])
            named = ["'text'"]
        case "no-label":
            cells[0][1] = chance.choice(["lable", "y", ""])
            named = ["'label'"]
        case "empty":
            content = chance.choice([b"", b"\n", b"\xef\xbb\xbf", b"\r\n\r\n"])
        case "header":
            cells = cells[:1]
        case "bytes":
            content = chance.randbytes(400)
        case "unknown-label":
            cells[at][1] = "neutral"
            named = ["neutral"]
        case "one-label":
            cells[1:] = [[words, NAMES[0]] for words, _ in cells[1:]]
            named = ["negative", "label"]
        case "damaged":
            file.write_bytes(_dump(cells))
            return of_damaged(folder, file, rows, chance)
        case "nul":
            cells[at][0] += "\x00"
            rows[at - 1] = (cells[at][0], rows[at - 1][1])
            fails = False
        case "folder":
            file.mkdir()
        case "link":
            file.symlink_to(chance.choice(["nowhere.csv", "data.csv", "/dev/null"]))
        case "1MB":
            cells[at][0] += " long" * 200_000
            rows[at - 1] = (cells[at][0], rows[at - 1][1])
            fails = False
        case "wide":
            cells = [
                [*row, *([f"c{n}" if number == 0 else "" for n in range(300)])] for number, row in enumerate(cells)
            ]
            fails = False
        case "lone-cr":
            content, fails = _dump(cells, end="\r"), None
        case "capitals":
            cells[0][0] = "Text"
            named = ["'text'", "'Text'"]
        case "quotes-inside":
            cells[at][0] = f'{at} a "quoted" word'
            rows[at - 1] = (cells[at][0], rows[at - 1][1])
            content = "".join(
                f"{','.join(row)}\n" for row in ([c.replace("\n", " ") for c in r] for r in cells)
            ).encode()
            simple = all(not set(words) & set(',"\r\n') for words, _ in rows[: at - 1] + rows[at:])
            fails = False if simple else None
            check = expect(folder / "run", rows) if simple else (lambda: None)
        case "nameless":
            cells = [[*row, "x" if number else ""] for number, row in enumerate(cells)]
            fails = False
    if defect not in ("folder", "link"):
        file.write_bytes(_dump(cells) if content is None else content)
    command = "--labels" if defect == "unknown-label" else None
    case = reading(folder, file, rows, f"CSV: {defect} at row {at + 1}", fails=fails, check=check, named=named)
    if command:
        case.commands[0] += [command, ",".join(NAMES)]
    return case


def _is_latin(cells: list[list[str]]) -> bool:
    try:
        _dump(cells, encoding="latin-1")
    except UnicodeEncodeError:
        return False
    return True


# -- JSON Lines ------------------------------------------------------------------------------------------------------


def jsonl_case(folder: Path, chance: random.Random) -> Case:
    """A file of JSON, one object a line, or a list of them."""
    rows = table(chance)
    lines: list[Any] = [{"text": words, "label": label} for words, label in rows]
    file = folder / chance.choice(["data.jsonl", "data.jsonl", "data.json"])
    at = chance.randrange(len(lines))
    defect = pick(
        chance,
        "none none list indented ascii crlf bom extra nested missing-text missing-label null-text null-label "
        "number-text number-label bool-label list-text broken cut twice-key not-object blank-lines latin "
        "damaged empty deep big columns-differ utf16 nan trailing",
    )
    fails: bool | None = True
    check: Callable[[], str | None] = expect(folder / "run", rows)
    named: list[str] = [f"line {at + 1}", f"row {at + 1}"]
    content: bytes | None = None
    match defect:
        case "none":
            fails = False
            for line in lines:
                line |= {"n": chance.random()} if chance.random() < 0.5 else {}
        case "list":
            content, fails = json.dumps(lines).encode(), False
        case "indented":
            content, fails = json.dumps(lines, indent=2).encode(), False
        case "ascii":
            content, fails = "".join(f"{json.dumps(line)}\n" for line in lines).encode(), False
        case "crlf":
            content, fails = "".join(f"{json.dumps(line)}\r\n" for line in lines).encode(), False
        case "bom":
            content, fails = b"\xef\xbb\xbf" + "".join(f"{json.dumps(line)}\n" for line in lines).encode(), None
        case "extra":
            lines = [{**line, "meta": {"a": [1, {"b": None}]}, "tags": []} for line in lines]
            fails = False
        case "nested":
            lines = [{"data": line} for line in lines]
            named = ["'text'"]
        case "missing-text" | "missing-label":
            del lines[at][defect.removeprefix("missing-")]
        case "null-text" | "null-label":
            lines[at][defect.removeprefix("null-")] = None
        case "number-text":
            lines[at]["text"], rows[at], fails = 17, ("17", rows[at][1]), None
        case "number-label":
            lines = [{**line, "label": NAMES.index(line["label"])} for line in lines]
            rows = [(words, str(NAMES.index(label))) for words, label in rows]
            fails, check = None, expect(folder / "run", rows)
        case "bool-label":
            lines = [{**line, "label": line["label"] == NAMES[1]} for line in lines]
            fails, check = None, _two_classes(folder, rows)
        case "list-text":
            lines[at]["text"] = ["a", "b"]
        case "broken":
            content = _lines(lines[:at]) + b'{"text": "a", "label": \n' + _lines(lines[at:])
        case "cut":
            content = _lines(lines)[:-9]
        case "twice-key":
            content, fails = _lines(lines) + b'{"text": "a", "text": "b", "label": "positive"}\n', None
            check = lambda: None  # noqa: E731
        case "not-object":
            lines.insert(at, chance.choice([1, "text", ["text"], None, True]))
        case "blank-lines":
            content, fails = _lines(lines).replace(b"\n", b"\n\n"), False
        case "latin":
            content = _lines(lines) + '{"text": "café", "label": "positive"}\n'.encode("latin-1")
        case "damaged":
            file.write_bytes(_lines(lines))
            return of_damaged(folder, file, rows, chance)
        case "empty":
            content = chance.choice([b"", b"\n", b"[]", b"{}", b"null"])
        case "deep":
            content = _lines(lines) + b'{"text": ' + b"[" * 3000 + b"]" * 3000 + b', "label": "positive"}\n'
        case "big":
            lines[at]["text"] += " long" * 200_000
            rows[at] = (lines[at]["text"], rows[at][1])
            fails = False
        case "columns-differ":
            lines = [{**line, f"c{number}": number} for number, line in enumerate(lines)]
            fails = None
        case "utf16":
            content, fails = _lines(lines).decode().encode("utf-16"), None
        case "nan":
            content = _lines(lines) + b'{"text": NaN, "label": "positive"}\n'
        case "trailing":
            content = b",\n".join(_lines([line]).rstrip() for line in lines)
    file.write_bytes(_lines(lines) if content is None else content)
    return reading(
        folder, file, rows, f"{file.name}: {defect} at line {at + 1}", fails=fails, check=check, named=named
    )


def _lines(lines: list[Any]) -> bytes:
    return "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines).encode("utf-8", "surrogatepass")


def _two_classes(folder: Path, rows: list[Row]) -> Callable[[], str | None]:
    """Check that the texts are labeled as they are, whatever the two labels are called."""

    def check() -> str | None:
        found = dict(rows_of(folder / "run"))
        pairs = {(label, found.get(words)) for words, label in rows}
        return None if len(pairs) == len({b for _, b in pairs}) == 2 and None not in found.values() else f"{pairs}"

    return check


# -- Parquet ---------------------------------------------------------------------------------------------------------


def parquet_case(folder: Path, chance: random.Random) -> Case:
    """A Parquet file."""
    rows = table(chance)
    file = folder / "data.parquet"
    words, labels = pa.array([w for w, _ in rows]), pa.array([label for _, label in rows])
    at = chance.randrange(len(rows))
    defect = pick(
        chance,
        "none large view dictionary groups compressed class-label metadata integers booleans null-text null- "
        "label binary-text list-text no-text no-rows damaged damaged nested-extra dates twice float-label "
        "wrong-name csv more-columns folder",
    )
    fails: bool | None = False
    check: Callable[[], str | None] = expect(folder / "run", rows)
    named: list[str] = [f"row {at + 1}", "'text'", "'label'"]
    options: dict[str, Any] = {}
    found = {"text": words, "label": labels}
    metadata = None
    match defect:
        case "large":
            found = {name: column.cast(pa.large_string()) for name, column in found.items()}
        case "view":
            found = {name: column.cast(pa.string_view()) for name, column in found.items()}
            fails = None
        case "dictionary":
            found = {name: column.dictionary_encode() for name, column in found.items()}
            fails = None
        case "groups":
            options = {"row_group_size": 1}
        case "compressed":
            options = {"compression": chance.choice(["gzip", "zstd", "brotli", "none", "lz4"])}
        case "class-label":
            found["label"] = pa.array([NAMES.index(label) for _, label in rows])
            kind = {"names": NAMES, "_type": "ClassLabel"}
            features = {"text": {"dtype": "string", "_type": "Value"}, "label": kind}
            metadata = {"huggingface": json.dumps({"info": {"features": features}})}
        case "metadata":
            metadata = {"huggingface": chance.choice(["{", "[]", '{"info": {"features": {"text": 1}}}', "\x00"])}
            fails = None
        case "integers" | "float-label":
            numbers = [NAMES.index(label) + 1 for _, label in rows]
            found["label"] = pa.array(numbers, pa.int8() if defect == "integers" else pa.float64())
            fails, check = None, _two_classes(folder, rows)
        case "booleans":
            found["label"] = pa.array([label == NAMES[1] for _, label in rows])
            fails, check = None, _two_classes(folder, rows)
        case "null-text" | "null-label":
            name = defect.removeprefix("null-")
            values = found[name].to_pylist()
            values[at] = None
            found[name], fails = pa.array(values), True
        case "binary-text":
            found["text"], fails = words.cast(pa.binary()), None
        case "list-text":
            found["text"], fails = pa.array([[w] for w, _ in rows]), None
            check = lambda: None  # noqa: E731
        case "no-text":
            found, fails = {"txt": words, "label": labels}, True
        case "no-rows":
            found, fails = {name: column[:0] for name, column in found.items()}, True
        case "nested-extra":
            found["meta"] = pa.array([{"a": [{"b": number}]} for number in range(len(rows))])
        case "dates":
            found["when"] = pa.array([number * 10**9 for number in range(len(rows))], pa.timestamp("ns", "UTC"))
        case "wrong-name":
            found, fails = {"text": words, "label": labels}, None
            file = folder / "data.json"
        case "more-columns":
            found |= {f"c{n}": pa.nulls(len(rows)) for n in range(200)}
    made = pa.table(found)
    if defect == "twice":
        made, fails = made.append_column("text", words), True
    if metadata is not None:
        made = made.replace_schema_metadata(metadata)
    if defect == "folder":
        os.mkdir(file)
        pq.write_table(made, file / "train.parquet")
        fails = None
    elif defect == "csv":
        file.write_text("text,label\na,positive\n")
        fails = True
    else:
        pq.write_table(made, file, **options)
    if defect == "damaged":
        return of_damaged(folder, file, rows, chance)
    return reading(folder, file, rows, f"{file.name}: {defect} at row {at + 1}", fails=fails, check=check, named=named)
