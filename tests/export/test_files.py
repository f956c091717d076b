"""Files of an export: what each format makes of any text, what may be replaced, and what a crash leaves."""

import codecs
import csv
import io
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset, load_dataset

from hfal.errors import ArgumentError
from hfal.export.labels import export_labels
from hfal.store.annotator_names import name_problem
from hfal.store.store import Store
from hfal.tasks.conll import read_sentences
from hfal.utils.csv_files import restore
from support.exports import (
    FORMATS,
    TAG_FORMATS,
    Texts,
    add_query,
    answer,
    both_tasks,
    has_tags,
    ids_in,
    load,
    make_store,
    set_store,
    small_run,
)
from support.hostile import HOSTILE


# -- hostile texts -------------------------------------------------------------------------------------------------


def annotator_of(kind: str) -> str:
    """Return a name as hostile as a run records it."""
    return kind if name_problem(HOSTILE[kind][:1000]) else HOSTILE[kind][:1000]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A run whose texts, ids, labels, annotators, comments and text columns are all hostile."""
    folder = tmp_path_factory.mktemp("hostile")
    names = ["=1+1", "-1;@SUM(A1)", "null"]
    store = make_store(folder / "run", names)
    ids = {kind: text if 0 < len(text) < 1000 else kind for kind, text in HOSTILE.items()}
    assert len(set(ids.values())) == len(ids)
    texts = [{"text": text, "=2\t+2": text[:1000]} for text in HOSTILE.values()]
    add_query(store, list(ids.values()), texts=texts, score=-0.5, suggestion="=1+1", confidence=1e-7)
    for number, (kind, i) in enumerate(ids.items()):
        answer(store, i, names[number % 3], annotator_of(kind), comment=HOSTILE[kind][:1000], query=1)
    paths = [folder / f"labels.{format}" for format in FORMATS]
    for path in paths:
        export_labels(store.run_dir, path, annotator_names=True)
    loaded = load(folder, *paths)
    return {"folder": folder, "names": names, "ids": ids, "loaded": dict(zip(FORMATS, loaded, strict=True))}


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_text_is_loaded_as_it_was(hostile: dict[str, Any], kind: str, format: str) -> None:
    number = list(HOSTILE).index(kind)
    row = hostile["loaded"][format]["train"][number]
    text = HOSTILE[kind]
    expected = {"id": hostile["ids"][kind], "text": text, "=2\t+2": text[:1000], "label": hostile["names"][number % 3]}
    expected |= {"al_annotator": annotator_of(kind), "al_comment": text[:1000], "al_suggestion": "=1+1"}
    found = {name: "" if value is None else value for name, value in row.items()}
    if format == "csv":
        found = {restore(name): restore(value) if isinstance(value, str) else value for name, value in found.items()}
    assert {name: found[name] for name in expected} == expected
    assert (found["al_score"], found["al_confidence"], found["al_rank"]) == (-0.5, 1e-7, number)


def test_no_cell_of_the_csv_is_a_formula(hostile: dict[str, Any]) -> None:
    limit = csv.field_size_limit(2_000_000)
    try:
        content = (hostile["folder"] / "labels.csv").read_bytes().decode("utf-8-sig")
        header, *rows = csv.reader(io.StringIO(content, newline=""))
    finally:
        csv.field_size_limit(limit)
    score = header.index("al_score")
    assert {row[score] for row in rows} == {"-0.5"}  # of a number, which is in no quotes, a spreadsheet makes a number
    cells = [*header, *(cell for row in rows for column, cell in enumerate(row) if column != score)]
    starts = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20", "\t", "\r", "\n", "\0")
    assert [cell[:50] for cell in cells if cell.startswith(starts)] == []
    assert '"a;\'=cmd()"' in content


def test_every_line_of_json_lines_is_a_row_for_every_reader(hostile: dict[str, Any]) -> None:
    content = (hostile["folder"] / "labels.jsonl").read_text("utf-8")
    assert len(content.splitlines()) == len(HOSTILE)  # which also cuts at U+2028, U+0085 and their like


def test_hostile_words_ids_and_tags_are_exported_as_they_were(tmp_path: Path) -> None:
    odd = [*(text[:1500] for text in HOSTILE.values()), "-DOCSTART-", "#", "# id = x", "#a=b", "\\e", "\\u0020"]
    names = ["O", *(f"B-{text}" for text in odd if 0 < len(text) < 1000)]
    store = make_store(tmp_path / "run", names, of_tags=True)
    ids = [text if text.strip() and len(text) < 1000 else f"x{n}" for n, text in enumerate(odd)]
    texts = [[word, "and", word] for word in odd]
    tags = [[names[n % len(names)], "O", names[-1 - n % len(names)]] for n in range(len(odd))]
    add_query(store, ids, texts=[{"text": text} for text in texts], as_words=True)
    for i, label in zip(ids, tags, strict=True):
        answer(store, i, label)
    paths = [tmp_path / f"labels.{format}" for format in TAG_FORMATS]
    for path in paths * 2:  # also over itself
        export_labels(store.run_dir, path)
    expected = list(zip(ids, texts, tags, strict=True))
    for splits in load(tmp_path, *paths[:2]):
        assert [(row["id"], row["text"], row["label"]) for row in splits["train"]] == expected
    sentences = read_sentences(paths[2].read_bytes().decode(), "it")
    assert [(s.comments["id"], s.words, [tag for (tag,) in s.columns]) for s in sentences] == expected


def test_names_of_labels_in_sets_that_have_no_place_in_a_cell(tmp_path: Path) -> None:
    store = set_store(tmp_path / "run", ["=1+1", "a|b", "none"])
    add_query(store, ["a", "b"])
    answer(store, "a", ["a|b", "=1+1"])
    answer(store, "b", [])
    export_labels(store.run_dir, tmp_path / "labels.csv")
    with open(tmp_path / "labels.csv", encoding="utf-8-sig", newline="") as file:
        assert [restore(row["label"]) for row in csv.DictReader(file)] == ["=1+1; a|b", "[]"]
    store.set_meta("label_names", ["a|b", "c;d", "=1+1", "e,f"])
    with pytest.raises(ArgumentError, match="nothing is left to separate them in a cell: take a format with lists"):
        export_labels(store.run_dir, tmp_path / "other.csv")
    assert not (tmp_path / "other.csv").exists()
    export_labels(store.run_dir, tmp_path / "other.jsonl")
    with pytest.raises(
        ArgumentError, match=r"CoNLL files are for tags of words, .*; take \.parquet, \.jsonl or \.csv"
    ):
        export_labels(store.run_dir, tmp_path / "labels.conll")


# -- what is there already -----------------------------------------------------------------------------------------


def test_a_card_of_the_users_own_is_left_and_has_to_say_which_file_is_which(tmp_path: Path) -> None:
    store = small_run(tmp_path / "run")
    card = tmp_path / "all" / "README.md"
    card.parent.mkdir()
    for own in ("# Mine\n", "---\nlicense: mit\n---\n# Mine\n", "---\n: [\n---\n"):
        card.write_text(own)
        with pytest.raises(
            ArgumentError, match=r"README\.md is there, and does not say which file is which"
        ) as raised:
            export_labels(store.run_dir, card.parent, answers=True)
        assert [(p.name, p.read_text()) for p in card.parent.iterdir()] == [("README.md", own)]
    wanted = str(raised.value).partition("metadata:\n")[2]
    own = f"---\nlicense: mit\n{wanted}---\n# Mine\n"
    card.write_text(own)
    export_labels(store.run_dir, card.parent, answers=True)
    assert card.read_text() == own
    log = load_dataset(str(card.parent), "answers", cache_dir=str(tmp_path / "cache"))["train"]
    assert log["id"] == ["h", "a", "b"]


def test_unlabeled_texts_of_an_earlier_export_are_written_anew_or_left(tmp_path: Path) -> None:
    store = small_run(tmp_path / "run")
    folder = tmp_path / "all"
    export_labels(store.run_dir, folder, unlabeled=Texts("abchxy"))
    before = {path: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(
        ArgumentError, match=r"unlabeled\.parquet is there and may be .* pass unlabeled= \(--unlabeled\)"
    ):
        export_labels(store.run_dir, folder)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    answer(store, "c", "negative")
    export_labels(store.run_dir, folder, unlabeled=Texts("abchxy"))
    assert ids_in(folder / "unlabeled.parquet") == ["x", "y"]
    (folder / "unlabeled.parquet").unlink()
    export_labels(store.run_dir, folder)
    assert sorted(path.name for path in folder.iterdir()) == ["test.parquet", "train.parquet"]


@both_tasks
@pytest.mark.parametrize("name", ["labels", "folder"])
def test_export_is_replaced_by_a_later_one_of_the_same_run(
    tmp_path: Path, format: str, of_tags: bool, name: str
) -> None:
    store = small_run(tmp_path / "run", of_tags)
    add_query(store, ["=1+1", "-2"])
    answer(store, "=1+1", "positive")
    path = tmp_path / f"labels.{format}" if name == "labels" else tmp_path / "folder"
    first = path if name == "labels" else path / f"train.{format}"
    export_labels(store.run_dir, path, format)
    before = ids_in(first)
    answer(store, "-2", "positive")
    answer(store, "a", None, action="undo")
    export_labels(store.run_dir, path, format)
    expected = [i for i in [*before, "-2"] if i != "a"]
    assert [i.removeprefix("'") for i in ids_in(first)] == [i.removeprefix("'") for i in expected]
    assert not [p for p in path.parent.rglob("*") if p.name.endswith(".part")]


def _data_of_the_user(path: Path) -> None:
    if path.suffix == ".conll":
        path.write_text("# id = a\ntext B-PER\nof O\n\n# id = b\ntext O\n\n")
        return
    rows = {"id": ["a", "b"], "text": ["text of a", "text of b"], "label": [1, 0]}
    getattr(Dataset.from_dict(rows), {"parquet": "to_parquet", "csv": "to_csv", "jsonl": "to_json"}[path.suffix[1:]])(
        path
    )


def _export_of_another_run(path: Path) -> None:
    store = make_store(path.parent / "another run", of_tags=has_tags(Store(path.parent / "run")))
    add_query(store, ["a", "z"])
    answer(store, "a", "positive")
    answer(store, "z", "positive")
    export_labels(store.run_dir, path)


def _export_with_a_column_more(path: Path) -> None:
    export_labels(path.parent / "run", path)
    if path.suffix == ".conll":
        path.write_text(re.sub(r"\t", "\tmine\t", path.read_text()))
        return
    kind = {"parquet": "parquet", "csv": "csv", "jsonl": "json"}[path.suffix[1:]]
    data = load_dataset(kind, data_files=str(path), split="train", cache_dir=str(path.parent / "cache"))
    data = data.add_column("note", ["mine"] * len(data))
    getattr(data, {"parquet": "to_parquet", "csv": "to_csv", "json": "to_json"}[kind])(path)


def _something_else(path: Path) -> None:
    path.write_bytes(b"\xff\x00 not what its name says")


def _a_list(path: Path) -> None:
    path.write_text("[1]\n" * 3)


def _a_byte_order_mark(path: Path) -> None:
    path.write_bytes(codecs.BOM_UTF8)


def _a_line_break(path: Path) -> None:
    path.write_text("\n")


def _export_with_a_blank_line(path: Path) -> None:
    export_labels(path.parent / "run", path)
    path.write_bytes(path.read_bytes() + b"\r\n")


def _damaged_export(path: Path) -> None:
    export_labels(path.parent / "run", path)
    content = path.read_bytes()
    row_of_a_list = content.splitlines()[-1].replace(b'"id": "b"', b'"id": ["b"]') + b"\n"
    more = {".jsonl": row_of_a_list, ".csv": b'"never closed', ".parquet": b"PAR1", ".conll": b"# id = a\nx\tO\n"}
    path.write_bytes(content + more[path.suffix])


def _nested(path: Path) -> None:
    path.write_text("[" * 100_000)


def _a_folder(path: Path) -> None:
    (path / "inside").mkdir(parents=True)


def _a_pipe(path: Path) -> None:
    os.mkfifo(path)


def _export_with_a_comment(path: Path) -> None:
    export_labels(path.parent / "run", path)
    if path.suffix == ".conll":
        path.write_text(path.read_text().replace("# id = a\n", "# id = a\n# comment = mine\n"))
    else:
        path.write_bytes(path.read_bytes() + b"# mine\n")


@both_tasks
@pytest.mark.parametrize(
    "make",
    [
        _data_of_the_user,
        _export_of_another_run,
        _export_with_a_column_more,
        _export_with_a_comment,
        _something_else,
        _a_list,
        _a_byte_order_mark,
        _a_line_break,
        _export_with_a_blank_line,
        _damaged_export,
        _nested,
        _a_folder,
        _a_pipe,
    ],
)
def test_what_is_no_export_of_this_run_is_left_as_it_is(
    tmp_path: Path, format: str, of_tags: bool, make: Callable[[Path], None]
) -> None:
    store = small_run(tmp_path / "run", of_tags)
    file = tmp_path / f"train.{format}"
    make(file)
    content = file.read_bytes() if file.is_file() else None
    (tmp_path / "folder").mkdir()
    if make is not _a_folder:  # which would be a folder to write to
        with pytest.raises(ArgumentError, match=rf"train\.{format} is there and no export of this run, so it is left"):
            export_labels(store.run_dir, file)
    file.rename(tmp_path / "folder" / file.name)
    for other in (
        TAG_FORMATS if of_tags else FORMATS
    ):  # also where the export would have another name, since load_dataset would take both
        with pytest.raises(ArgumentError, match=rf"folder/train\.{format} is there and no export of this run"):
            export_labels(store.run_dir, tmp_path / "folder", other)
    file = tmp_path / "folder" / file.name
    assert list(file.parent.iterdir()) == [file]
    if content is not None:
        assert file.read_bytes() == content


def test_empty_file_is_replaced(tmp_path: Path) -> None:
    store = small_run(tmp_path / "run")
    (tmp_path / "labels.csv").touch()
    assert export_labels(store.run_dir, tmp_path / "labels.csv") == {tmp_path / "labels.csv": 3}


def test_link_is_followed(tmp_path: Path) -> None:
    store = small_run(tmp_path / "run")
    (tmp_path / "labels.csv").symlink_to(tmp_path / "elsewhere.csv")
    assert export_labels(store.run_dir, tmp_path / "labels.csv") == {tmp_path / "elsewhere.csv": 3}
    assert (tmp_path / "labels.csv").is_symlink()
    assert ids_in(tmp_path / "labels.csv") == ["h", "a", "b"]


@pytest.mark.parametrize("of_tags", [False, True], ids=["labels", "tags"])
def test_folder_keeps_nothing_of_an_earlier_export(tmp_path: Path, of_tags: bool) -> None:
    store = small_run(tmp_path / "run", of_tags)
    formats = TAG_FORMATS if of_tags else FORMATS
    folders = {format: tmp_path / format for format in formats}
    for folder in folders.values():
        for earlier in formats:
            export_labels(store.run_dir, folder, earlier)
        assert sorted(p.name for p in folder.iterdir()) == [f"test.{formats[-1]}", f"train.{formats[-1]}"]
        (folder / "README.md").write_text("mine")
        (folder / ".gitattributes").write_text("mine")
    answer(store, "h", None, action="undo")
    for format, folder in folders.items():
        assert export_labels(store.run_dir, folder, format) == {folder / f"train.{format}": 2}
        assert sorted(p.name for p in folder.iterdir()) == [".gitattributes", "README.md", f"train.{format}"]
    for splits in load(tmp_path, *(folder for format, folder in folders.items() if format != "conll")):
        assert {split: [row["id"] for row in rows] for split, rows in splits.items()} == {"train": ["a", "b"]}


def test_folder_with_other_things_is_left_as_it_is(tmp_path: Path) -> None:
    store = small_run(tmp_path / "run")
    folder = tmp_path / "folder"
    (folder / "test").mkdir(parents=True)  # of which load_dataset would make the split
    with pytest.raises(ArgumentError, match=r"folder has other things in it \(test\), which load_dataset might take"):
        export_labels(store.run_dir, folder)
    assert [p.name for p in folder.iterdir()] == ["test"]


# -- killed, and on a full disk ------------------------------------------------------------------------------------


def test_export_killed_while_it_writes_leaves_the_old_file(tmp_path: Path) -> None:
    store = make_store(tmp_path / "run")
    add_query(store, ["small"])
    answer(store, "small", "positive")
    export_labels(store.run_dir, tmp_path / "folder", "jsonl")
    old = (tmp_path / "folder" / "train.jsonl").read_bytes()
    ids = [f"x{n}" for n in range(30)]
    add_query(store, ids, texts=[{"text": "long " * 200_000} for _ in ids])
    for i in ids:
        answer(store, i, "positive")
    script = "import sys; from hfal.export.labels import export_labels; export_labels(*sys.argv[1:])"
    arguments = [sys.executable, "-c", script, store.run_dir, tmp_path / "folder", "jsonl"]
    with subprocess.Popen(arguments) as exporter:
        while not (parts := list((tmp_path / "folder").glob(".train.jsonl.*.part"))):
            assert exporter.poll() is None
            time.sleep(0.001)
        exporter.kill()
    assert exporter.returncode == -signal.SIGKILL
    assert parts[0].stat().st_size < 30_000_000  # it was cut off
    assert (tmp_path / "folder" / "train.jsonl").read_bytes() == old
    (splits,) = load(tmp_path, tmp_path / "folder")
    assert [row["id"] for row in splits["train"]] == ["small"]  # load_dataset does not see the half file

    mine = tmp_path / "folder" / f".train.jsonl.{os.getppid()}.part"  # of a process that lives
    mine.touch()
    export_labels(store.run_dir, tmp_path / "folder", "jsonl")
    assert ids_in(tmp_path / "folder" / "train.jsonl") == ["small", *ids]
    assert sorted(tmp_path.glob("folder/.*")) == [mine]


@both_tasks
def test_full_disk_leaves_the_old_file_and_no_half_one(tmp_path: Path, format: str, of_tags: bool) -> None:
    store = small_run(tmp_path / "run", of_tags)
    path = tmp_path / f"labels.{format}"
    export_labels(store.run_dir, path)
    old = path.read_bytes()
    add_query(store, ["long"], texts=[{"text": " ".join(map(str, range(50_000)))}])
    answer(store, "long", "positive")
    script = (
        "import resource, sys; from hfal.errors import ArgumentError; from hfal.export.labels import export_labels\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "try:\n"
        "    export_labels(*sys.argv[1:])\n"
        "except ArgumentError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, store.run_dir, path], capture_output=True, text=True, check=True
    )
    assert f"labels.{format}' cannot be written: [Errno 27] File too large" in done.stdout
    assert path.read_bytes() == old
    assert {p.name for p in tmp_path.iterdir()} == {"run", path.name}
