"""Wrap huggingface_hub: find the token, and turn client errors into one-line messages that never show it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from hfal.errors import ArgumentError, HubError, HubUnreachableError
from hfal.utils.spelling import message_of


_LOG_IN = (
    "log in with `hf auth login`, or set HF_TOKEN to a token that may write "
    "(https://huggingface.co/settings/tokens makes them)"
)
_OFFLINE = "HF_HUB_OFFLINE is set, so the Hub cannot be asked: unset it, and start again"


def token_for(token: str | None) -> str:
    """Return the token to publish with: the given one, or the user's login, or HF_TOKEN.

    Raises:
        ArgumentError: It is no token.
        HubError: There is none.
    """
    import huggingface_hub

    token = _check_token("token", token) or _check_token(
        "HF_TOKEN, or what you logged in with,", huggingface_hub.get_token()
    )
    if not token:
        raise HubError(f"there is no token for the Hub: {_LOG_IN}")
    return token


def check_can_publish() -> None:
    """Check what publishing needs, as far as that can be known without asking the Hub.

    Raises:
        ArgumentError: The token is none.
        HubError: There is no token, or HF_HUB_OFFLINE is set.
    """
    import huggingface_hub

    token_for(None)
    if huggingface_hub.is_offline_mode():
        raise HubUnreachableError(_OFFLINE)


def _check_token(where: str, token: str | None) -> str | None:
    if token is not None and (not token.isascii() or not token.isprintable() or " " in token):
        raise ArgumentError(f"{where} has characters that no token has: copy it again, without blanks and line ends")
    return token


@contextmanager
def hub_error_messages(token: str | None, up: Sequence[str] = ()) -> Iterator[None]:
    """Turn errors of the Hub's client into one line that says what to do, without the token in it.

    Args:
        token: The token, if there is one.
        up: What has been published when that happens.
    """
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
        problem = HubUnreachableError(_OFFLINE)
    except (LocalEntryNotFoundError, ConnectionError) as error:
        problem = _connection_error(error)
    except HfHubHTTPError as error:
        problem = _response_error(error)
    except HTTPError as error:  # of httpx, the base of all that happens before there is an answer
        problem = _connection_error(error)
    except ValueError as error:
        if isinstance(error, ArgumentError):
            raise
        if not str(error).startswith("Invalid metadata"):  # an answer that is no JSON
            problem = HubError(f"the Hub's answer cannot be read ({message_of(error)}): start it again")
        else:
            problem = ArgumentError(f"the Hub does not accept what the card says: {message_of(error)}")
    # Not from the client's error, which has the request in it, and with it the token.
    text = f"{problem}{f'. Of this, {up[0]} is up already' if up else ''}"
    raise type(problem)(text.replace(token, "(token)") if token else text) from None


def _connection_error(error: Exception) -> HubUnreachableError:
    from huggingface_hub import is_offline_mode

    if is_offline_mode():
        return HubUnreachableError(_OFFLINE)
    return HubUnreachableError(
        f"the Hub cannot be reached, or the connection was cut ({message_of(error)}): start it again; what has "
        "arrived is whole, and is not sent twice"
    )


def _response_error(error: Any) -> HubError:
    status = error.response.status_code
    said = message_of(error.server_message or "") or f"status {status}"
    if status == 401:
        return HubError(f"the Hub does not accept the token ({said}): {_LOG_IN}")
    if status == 403:
        return HubError(f"the token may not do that ({said}): {_LOG_IN}, or take a name of your own")
    if status == 404:
        return HubError(f"the Hub has no such repository or revision, or does not show it to you ({said}): {_LOG_IN}")
    if status in (409, 412):
        return HubError(f"somebody else has changed the repository in this moment ({said}): start it again")
    if status == 429:
        return HubError(f"the Hub has had too many requests ({said}): start it again in some minutes")
    if status >= 500:
        return HubError(f"the Hub failed with status {status} ({said}): start it again")
    return HubError(f"the Hub refused it with status {status}: {said}")
