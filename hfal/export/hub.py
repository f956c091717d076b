"""Push labels with their history, and the model trained on them, to the Hub, each in one commit."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import yaml

from hfal import __version__
from hfal.data.references import hub_name_problem
from hfal.errors import ArgumentError
from hfal.export.card import PICTURE, TAG, run_of_card
from hfal.export.files import ANSWERS, CARD, HISTORY, SPLITS
from hfal.export.hub_errors import hub_error_messages, token_for
from hfal.export.publication import describe_files, write_dataset, write_model
from hfal.store.store import reading
from hfal.utils.output import get_logger


if TYPE_CHECKING:
    from huggingface_hub import DatasetInfo, HfApi, ModelInfo

logger = get_logger(__name__)

_OURS = (*(f"{name}.parquet" for name in (*SPLITS, ANSWERS)), HISTORY, PICTURE)
_KINDS = {"dataset": "data set", "model": "model"}  # as the Hub calls them, and as people do
_ALLOWED_THERE = (".gitattributes", "LICENSE", "LICENSE.md", "LICENSE.txt")


def push_to_hub(
    run_dir: str | os.PathLike[str],
    repo_id: str,
    *,
    private: bool | None = None,
    token: str | None = None,
    license: str | None = None,
    language: str | Sequence[str] | None = None,
    model_repo_id: str | None = None,
    **contents: Any,
) -> str:
    """Publish the labels of a run as a data set on the Hub, with a card that says how they were made.

    Everything is written to a temporary folder first, and goes up in one commit, so that no repository is ever half
    done; after a failure simply call it again. What has not changed since the last time is not sent again. The
    repository is made if it is not there. In one that is there, only what an earlier export has put there is replaced
    or removed: one with a card that is not hfal's, with the export of another run, or with other data, is refused.

    Args:
        run_dir: The run directory, which is only read: another process may be working on it.
        repo_id: `"owner/name"`; the owner is you or an organization.
        private: Whether a new repository is private; by default as the Hub has it for you. One that is there stays
            what it is, and `True` refuses one that is public.
        token: A token that may write; by default the one that you are logged in with, or that HF_TOKEN has.
        license: The data's license, as the Hub writes it: `"cc-by-4.0"`. None is claimed without it.
        language: The language or languages of the texts, in ISO 639-1: `"en"`.
        model_repo_id: Publish the model of the last round too, as this model, with a card that links the data set. It
            is a commit of its own, before that of the data, when both repositories are there and may be written to. If
            only the first of the two succeeds, the error says so.
        **contents: What `export_labels` takes beside: which examples, and which columns. Comments of annotators, in
            which there may be names, stay out without `comments=True`.

    Returns:
        The address of the data set's commit. That of the model's is logged.

    Raises:
        ArgumentError: The Hub cannot have such a name, license or language; or something else is in the repository.
        RunDirectoryError: There is no run in `run_dir`, it has no label yet, or no model.
        HubError: The Hub refused the token, or failed.
        HubUnreachableError: The Hub cannot be reached, or the connection was cut.
    """
    _check_names(repo_id, model_repo_id)
    token = token_for(token)
    with (
        _written(run_dir, repo_id, license, language, model_repo_id, contents) as repositories,
        hub_error_messages(token, up := []),
    ):
        api, url = _api(token), ""
        made = [(_make(api, kind, name, private, files), kind, files) for kind, name, files in repositories]
        for info, kind, files in reversed(made):  # the model first, since the card of the data links it
            url = _commit(api, info, kind, files)
            up.append(f"the {_KINDS[kind]} {info.id}")
            logger.info("the %s: %s", _KINDS[kind], url)
    return url


def preview_push(
    run_dir: str | os.PathLike[str],
    repo_id: str,
    *,
    license: str | None = None,
    language: str | Sequence[str] | None = None,
    model_repo_id: str | None = None,
    **contents: Any,
) -> str:
    """Describe what `push_to_hub` would send: files, rows, sizes, columns, and the cards. The network is not touched.

    Args:
        run_dir: The run directory, which is only read.
        repo_id: As in `push_to_hub`, like what follows.
        license: The data's license.
        language: The language or languages of the texts.
        model_repo_id: The name of the model, if it is to be published.
        **contents: What `export_labels` takes beside.

    Raises:
        ArgumentError: The Hub cannot have such a name.
        RunDirectoryError: There is no run in `run_dir`, it has no label yet, or no model.
    """
    _check_names(repo_id, model_repo_id)
    parts = []
    with _written(run_dir, repo_id, license, language, model_repo_id, contents) as repositories:
        for kind, name, files in repositories:
            parts.append(f"This would go to the {_KINDS[kind]} {name}:\n{describe_files(files)}")
            parts += [file.read_text("utf-8") for file in files if file.name == CARD]
    return "\n\n".join(parts)


@contextmanager
def _written(
    run_dir: str | os.PathLike[str],
    repo_id: str,
    license: str | None,
    language: str | Sequence[str] | None,
    model_repo_id: str | None,
    contents: Mapping[str, Any],
) -> Iterator[list[tuple[str, str, list[Path]]]]:
    """Write the repositories for the length of a `with` block: the kind, the name and the files of each."""
    if contents.get("format") is not None:
        raise ArgumentError(f"format={contents['format']!r} is for files; on the Hub they are Parquet: leave it out")
    with TemporaryDirectory(prefix="hfal-") as temporary:
        data, model = Path(temporary, "dataset"), Path(temporary, "model")
        with reading(run_dir) as store:
            data.mkdir()
            files = write_dataset(store, data, repo_id, license, language, model_repo_id, **contents)
            repositories = [("dataset", repo_id, files)]
            if model_repo_id is not None:
                model.mkdir()
                files = write_model(store, model, model_repo_id, repo_id, language)
                repositories.append(("model", model_repo_id, files))
        yield repositories


def hub_name(target: str) -> str | None:
    """Return the name in `hub:owner/name`; `None` if the target is a path.

    Raises:
        ArgumentError: It is no name that the Hub can have.
    """
    if not target.startswith("hub:"):
        return None
    name = target.removeprefix("hub:")
    if not name:
        raise ArgumentError("'hub:' names nothing: expected hub:OWNER/NAME, such as hub:me/reviews")
    _check_names(name)
    return name


def _check_names(*names: str | None) -> None:
    for name in names:
        if name is None:
            continue
        if problem := hub_name_problem(name):
            raise ArgumentError(f"{name!r} cannot be a name on the Hub: {problem}")
        if "/" not in name:
            raise ArgumentError(f"{name!r} does not say whose it is: expected OWNER/NAME, such as me/reviews")


# -- one repository ------------------------------------------------------------------------------------------------


def _api(token: str) -> "HfApi":
    from huggingface_hub import HfApi

    return HfApi(token=token, library_name="hfal", library_version=__version__)


def _make(
    api: "HfApi", kind: str, repo_id: str, private: bool | None, files: Sequence[Path]
) -> "DatasetInfo | ModelInfo":
    """Make a repository, or check that these files may replace what is there; return the Hub's information on it."""
    repo_id = api.create_repo(repo_id, repo_type=kind, private=private, exist_ok=True).repo_id
    info = api.dataset_info(repo_id) if kind == "dataset" else api.model_info(repo_id)
    if private and not info.private:
        raise ArgumentError(
            f"private=True, but the {_KINDS[kind]} {repo_id} is there and public: make it private in its settings "
            "first, or take another name"
        )
    (card,) = [file.read_text("utf-8") for file in files if file.name == CARD]
    _check_may_be_replaced(api, repo_id, kind, _files_in(info), str(info.sha), card)
    return info


def _files_in(info: "DatasetInfo | ModelInfo") -> set[str]:
    return {file.rfilename for file in info.siblings or []}


def _commit(api: "HfApi", info: "DatasetInfo | ModelInfo", kind: str, files: Sequence[Path]) -> str:
    """Make a repository have these files, in one commit, and return its address."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    ours = _OURS if kind == "dataset" else ()
    outdated = _files_in(info).intersection(ours) - {file.name for file in files}
    commit = api.create_commit(
        info.id,
        [
            *(CommitOperationAdd(path_in_repo=file.name, path_or_fileobj=file) for file in files),
            *(CommitOperationDelete(path_in_repo=name) for name in sorted(outdated)),
        ],
        commit_message=f"Export of hfal {__version__}",
        repo_type=kind,
        parent_commit=info.sha,  # or somebody else's commit of this moment would be overwritten unseen
    )
    return str(commit.commit_url)


def _check_may_be_replaced(
    api: "HfApi", repo_id: str, kind: str, there: set[str], revision: str, new_card: str
) -> None:
    """Check that a repository is empty, or that its card has hfal's tag and is of the same run."""
    from huggingface_hub import DatasetCard, ModelCard

    card_class = DatasetCard if kind == "dataset" else ModelCard
    if CARD in there:
        with TemporaryDirectory(prefix="hfal-") as temporary:
            path = api.hf_hub_download(repo_id, CARD, repo_type=kind, revision=revision, local_dir=temporary)
            text = Path(path).read_text("utf-8", "replace")
        try:
            card = card_class(text, ignore_metadata_errors=True)
        except (TypeError, ValueError, yaml.YAMLError):
            pass  # unreadable, so not ours
        else:
            tags = card.data.to_dict().get("tags")
            if isinstance(tags, list) and TAG in tags:
                run = run_of_card(text)
                if run is None:  # somebody has edited it, but left the tag there
                    logger.warning("%s: its card does not say of which run it is, and is replaced", repo_id)
                if run in (None, run_of_card(new_card)):
                    return
                raise ArgumentError(
                    f"the {_KINDS[kind]} {repo_id} is there and of another run, so it is left as it is: take another "
                    "name, or delete that repository first"
                )
            if not card.text.strip():  # as it is where a repository is made on the Hub's page
                there = there - {CARD}
    others = sorted(there - set(_ALLOWED_THERE))
    if others:
        raise ArgumentError(
            f"the {_KINDS[kind]} {repo_id} is there and was not made by hfal, so it is left as it is (it has "
            f"{', '.join(others[:5])}{', …' if others[5:] else ''}): take another name, or remove these files"
        )
