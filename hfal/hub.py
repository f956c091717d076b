"""To the Hub: a labeled set with its history, and the model that it has trained, each in one commit.

The room that talks to the Hub, and the only one that has a token, which no message of it shows.
"""

import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import yaml

from hfal import __version__
from hfal.card import PICTURE, TAG
from hfal.errors import ArgumentError, HubError, HubUnreachableError
from hfal.export_files import ANSWERS, CARD, HISTORY, SPLITS
from hfal.publication import describe_files, write_dataset, write_model
from hfal.references import hub_name_problem


if TYPE_CHECKING:
    from huggingface_hub import HfApi

logger = logging.getLogger(__name__)

_OURS = (*(f"{name}.parquet" for name in (*SPLITS, ANSWERS)), HISTORY, PICTURE)
_KINDS = {"dataset": "data set", "model": "model"}  # as the Hub calls them, and as people do
_MAY_LIE_THERE = (".gitattributes", "LICENSE", "LICENSE.md", "LICENSE.txt")
_LOG_IN = (
    "log in with `hf auth login`, or set HF_TOKEN to a token that may write "
    "(https://huggingface.co/settings/tokens makes them)"
)


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

    Everything is written to a temporary folder first, and goes up in one commit, so that nothing is ever half done;
    after a failure simply call it again. What has not changed since the last time is not sent again. The repository is
    made if it is not there. In one that is there, only what an earlier export has put there is replaced or removed:
    one with a card that is not hfal's, or with other data, is refused.

    Args:
        run_dir: The run directory, which is only read: another process may be working on it.
        repo_id: `"owner/name"`; the owner is you or an organization.
        private: Whether a new repository is private; by default as the Hub has it for you. One that is there stays
            what it is, and `True` refuses one that is public.
        token: A token that may write; by default the one that you are logged in with, or that HF_TOKEN has.
        license: The data's license, as the Hub writes it: `"cc-by-4.0"`. None is claimed without it.
        language: The language or languages of the texts, in ISO 639-1: `"en"`.
        model_repo_id: Publish the model of the last round too, as this model, with a card that links the data set. It
            is a commit of its own, after that of the data.
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
    token = _token(token)
    with (
        _written(run_dir, repo_id, license, language, model_repo_id, contents) as repositories,
        _said_plainly(token),
    ):
        api = _api(token)
        urls = []
        for kind, name, files in repositories:
            urls.append(_upload(api, files, name, kind, private))
            logger.info("the %s: %s", _KINDS[kind], urls[-1])
    return urls[0]


def preview_push(
    run_dir: str | os.PathLike[str],
    repo_id: str,
    *,
    license: str | None = None,
    language: str | Sequence[str] | None = None,
    model_repo_id: str | None = None,
    **contents: Any,
) -> str:
    """What `push_to_hub` would send: files, rows, sizes, columns, and the cards. The network is not touched.

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
    """The repositories to be: the kind, the name and the files of each, which lie there for the `with` block."""
    with TemporaryDirectory(prefix="hfal-") as temporary:
        data, model = Path(temporary, "dataset"), Path(temporary, "model")
        data.mkdir()
        files = write_dataset(run_dir, data, repo_id, license, language, model_repo_id, **contents)
        repositories = [("dataset", repo_id, files)]
        if model_repo_id is not None:
            model.mkdir()
            files = write_model(run_dir, model, model_repo_id, repo_id, language)
            repositories.append(("model", model_repo_id, files))
        yield repositories


def hub_name(target: str) -> str | None:
    """The name in `hub:owner/name`; `None` if the target is a path.

    Raises:
        ArgumentError: It is no name that the Hub can have.
    """
    if not target.startswith("hub:"):
        return None
    name = target.removeprefix("hub:")
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


def _upload(api: "HfApi", files: Sequence[Path], repo_id: str, kind: str, private: bool | None) -> str:
    """Make a repository have these files, in one commit; the address of it."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    repo_id = api.create_repo(repo_id, repo_type=kind, private=private, exist_ok=True).repo_id
    info = api.dataset_info(repo_id) if kind == "dataset" else api.model_info(repo_id)
    there = {file.rfilename for file in info.siblings or []}
    if private and not info.private:
        raise ArgumentError(
            f"private=True, but the {kind} {repo_id} is there and public: make it private in its settings first, or "
            "take another name"
        )
    _check_may_be_replaced(api, repo_id, kind, there, str(info.sha))
    ours = _OURS if kind == "dataset" else ()
    outdated = there.intersection(ours) - {file.name for file in files}
    commit = api.create_commit(
        repo_id,
        [
            *(CommitOperationAdd(path_in_repo=file.name, path_or_fileobj=file) for file in files),
            *(CommitOperationDelete(path_in_repo=name) for name in sorted(outdated)),
        ],
        commit_message=f"Export of hfal {__version__}",
        repo_type=kind,
        parent_commit=info.sha,  # or somebody else's commit of this moment would be overwritten unseen
    )
    return str(commit.commit_url)


def _check_may_be_replaced(api: "HfApi", repo_id: str, kind: str, there: set[str], revision: str) -> None:
    """A repository is ours if its card has our tag, or if nothing is in it yet."""
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
            if TAG in (card.data.to_dict().get("tags") or []):
                return
            if not card.text.strip():  # as it is where a repository is made on the Hub's page
                there = there - {CARD}
    others = sorted(there - set(_MAY_LIE_THERE))
    if others:
        raise ArgumentError(
            f"the {kind} {repo_id} is there and was not made by hfal, so it is left as it is (it has "
            f"{', '.join(others[:5])}{', …' if others[5:] else ''}): take another name, or remove these files"
        )


# -- what goes wrong -----------------------------------------------------------------------------------------------


def _token(token: str | None) -> str:
    from huggingface_hub import get_token

    if token is not None and (not token.isascii() or not token.isprintable() or " " in token):
        raise ArgumentError("token has characters that no token has: copy it again, without blanks and line ends")
    token = token or get_token()
    if not token:
        raise HubError(f"there is no token for the Hub: {_LOG_IN}")
    return token


@contextmanager
def _said_plainly(token: str) -> Iterator[None]:
    """Turn what the Hub's client raises into one line that says what to do, without the token in it."""
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HTTPError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
    )

    problem: Exception
    try:
        yield
        return
    except OfflineModeIsEnabled:
        problem = HubUnreachableError("HF_HUB_OFFLINE is set, so nothing can be uploaded: unset it, and start again")
    except (LocalEntryNotFoundError, ConnectionError) as error:
        problem = _cut(error)
    except HfHubHTTPError as error:
        problem = _refused(error)
    except HTTPError as error:  # of httpx, the base of all that happens before there is an answer
        problem = _cut(error)
    except ValueError as error:
        if isinstance(error, ArgumentError):
            raise
        if not str(error).startswith("Invalid metadata"):  # an answer that is no JSON
            problem = HubError(f"the Hub's answer cannot be read ({_one_line(error)}): start it again")
        else:
            problem = ArgumentError(f"the Hub does not accept what the card says: {_one_line(error)}")
    # Not from the client's error, which has the request in it, and with it the token.
    raise type(problem)(str(problem).replace(token, "(token)")) from None


def _cut(error: Exception) -> HubUnreachableError:
    return HubUnreachableError(
        f"the Hub cannot be reached, or the connection was cut ({_one_line(error)}): start it again; what has arrived "
        "is whole, and is not sent twice"
    )


def _refused(error: Any) -> HubError:
    status = error.response.status_code
    said = _one_line(error.server_message or "") or f"status {status}"
    if status == 401:
        return HubError(f"the Hub does not accept the token ({said}): {_LOG_IN}")
    if status == 403:
        return HubError(f"the token may not do that ({said}): {_LOG_IN}, or take a name of your own")
    if status in (409, 412):
        return HubError(f"somebody else has changed the repository in this moment ({said}): start it again")
    if status == 429:
        return HubError(f"the Hub has had too many requests ({said}): start it again in some minutes")
    if status >= 500:
        return HubError(f"the Hub failed with status {status} ({said}); nothing is half done: start it again")
    return HubError(f"the Hub refused it with status {status}: {said}")


def _one_line(error: object) -> str:
    return re.sub(r"\s+", " ", str(error)).strip()
