"""What a user may write for a model or a data set: a Hub name, a path, or a file inside an installed package."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets
import huggingface_hub
from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError

from hfal.errors import ArgumentError, HubUnreachableError


_PACKAGE = "package:"
_LOADERS = {".csv": "csv", ".tsv": "csv", ".json": "json", ".jsonl": "json", ".parquet": "parquet"}
_LOCAL_HELP = (
    "name a local folder or file instead (./my-model, reviews.csv), or one inside an installed package "
    "(package:NAME/path/in/it)"
)


def resolve_path(reference: str) -> Path | None:
    """The local path that a reference means, or `None` if it can only be a Hub name.

    `package:NAME/path` is a file or folder inside an installed package, which is found without importing it.

    Raises:
        FileNotFoundError: The reference looks like a path or names a package, but nothing is there.
    """
    if reference.startswith(_PACKAGE):
        name, _, inside = reference.removeprefix(_PACKAGE).partition("/")
        spec = importlib.util.find_spec(name) if name.isidentifier() and name != "__main__" else None
        if spec is None or not spec.submodule_search_locations:
            raise FileNotFoundError(f"{reference}: no package {name!r} is installed; pip install the one that has it")
        path = Path(spec.submodule_search_locations[0], inside)
    else:
        path = Path(reference).expanduser()
        looks_local = reference.startswith((".", "/", "~")) or path.suffix in _LOADERS or reference.count("/") > 1
        if not path.exists() and not looks_local:
            return None
    if not path.exists():
        raise FileNotFoundError(f"{reference}: there is no {path.absolute()}")
    return path


def resolve_model(reference: str) -> str:
    """What `from_pretrained` takes for a model reference: a local path, or the Hub name it is.

    Raises:
        FileNotFoundError: A local path or package file is not there, or the Hub shows no such model.
        HubUnreachableError: It is a Hub name, is not in the cache, and the Hub cannot be reached.
    """
    path = resolve_path(reference)
    if path is not None:
        return str(path)
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
) -> datasets.Dataset:
    """Load one split of a data set.

    Args:
        reference: A CSV, TSV, JSON Lines or Parquet file, a folder with such files or one saved by `save_to_disk`,
            `package:NAME/path` for one inside an installed package, or a Hub name.
        split: The split, or a slice of it as `load_dataset` reads them (`"train[:1000]"`).
        config_name: The configuration of a data set on the Hub (`"sst2"` of `"nyu-mll/glue"`).
        columns: Columns that it has to have.

    Raises:
        FileNotFoundError: A local path or package file is not there, or the Hub shows no such data set.
        HubUnreachableError: It is a Hub name, is not in the cache, and the Hub cannot be reached.
        ArgumentError: A file cannot be read, there is no such split, or a column is missing.
    """
    path = resolve_path(reference)
    try:
        data = _load_from_hub(reference, split, config_name) if path is None else _load_local(path, split)
    except FileNotFoundError:
        raise
    except (datasets.exceptions.DatasetsError, ValueError, KeyError) as error:
        cause = error.__cause__ or error
        raise ArgumentError(f"{reference}, split {split!r}, cannot be loaded: {cause}") from error
    missing = [column for column in columns if column not in data.column_names]
    if missing:
        raise ArgumentError(
            f"{reference} has no column {missing[0]!r}; its columns are: {', '.join(data.column_names)}"
        )
    return data


def _load_from_hub(reference: str, split: str, config_name: str | None) -> datasets.Dataset:
    try:
        return datasets.load_dataset(reference, config_name, split=split)
    except datasets.exceptions.DatasetNotFoundError as error:
        raise FileNotFoundError(
            f"{reference!r} is neither a path that exists nor a data set that the Hub shows you: {_LOCAL_HELP}"
        ) from error
    except OSError as error:
        raise HubUnreachableError(_unreachable("data set", reference, error)) from error


def _load_local(path: Path, split: str) -> datasets.Dataset:
    if (path / "dataset_info.json").exists() or (path / "dataset_dict.json").exists():
        saved = datasets.load_from_disk(str(path))
        if not isinstance(saved, datasets.DatasetDict):
            saved = datasets.DatasetDict({split.partition("[")[0]: saved})
        sizes = {name: len(part) for name, part in saved.items()}
        slices = datasets.ReadInstruction.from_spec(split).to_absolute(sizes)
        return datasets.concatenate_datasets([saved[s.splitname].select(range(s.from_, s.to)) for s in slices])
    if path.is_dir():
        return datasets.load_dataset(str(path), split=split)
    if path.suffix not in _LOADERS:
        raise ArgumentError(f"{path} ends in {path.suffix!r}, expected one of {', '.join(_LOADERS)}")
    options: dict[str, Any] = {"sep": "\t"} if path.suffix == ".tsv" else {}
    name = split.partition("[")[0]
    return datasets.load_dataset(_LOADERS[path.suffix], data_files={name: str(path)}, split=split, **options)


def _unreachable(what: str, reference: str, error: Exception) -> str:
    reason = "offline mode is on" if huggingface_hub.is_offline_mode() else f"{type(error).__name__}: {error}"
    return (
        f"the Hub cannot be reached for the {what} {reference!r} ({reason}), and it is not in the local cache. "
        f"Go online, or {_LOCAL_HELP}"
    )
