"""Hide secrets in text that is shown or kept: tokens of the Hub, credentials in addresses and in headers."""

import os
import re


HIDDEN = "(hidden)"
"""What stands in the place of a secret."""

_ENVIRONMENT = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
_TOKEN = re.compile(r"\b(?:hf|api_org)_[A-Za-z0-9]{20,}")
# Two words alone may be a label, "Basic Materials": a token has digits, or capitals inside.
_LIKE_A_TOKEN = r"(?=[\w.~+/-]*(?:[\d=]|[a-z][A-Z]))"
_HEADER = re.compile(
    rf"((?i:authorization\W+(?:bearer|basic)\s+)|\b(?i:bearer|basic)\s+{_LIKE_A_TOKEN})[\w.~+/=-]{{8,}}"
)
# `Path` makes one slash of two, so that a message may have `https:/user:password@host`.
_USER = re.compile(r"(?i)(\b[a-z][a-z0-9+.-]+:/+)(?:[^\s/@:'\"<>]+:[^\s'\"<>]+|[^\s/@]+)@")
_QUERY = re.compile(r"(?i)(\b[a-z][a-z0-9+.-]+:/+[^\s?#'\"<>]*)\?(?!\(hidden\))[^\s'\"<>]*[^\s'\"<>:,.;)]")


def without_secrets(text: str) -> str:
    """Return a text with every secret in it replaced by `HIDDEN`.

    Secrets are the token that the environment has, whatever looks like a token of the Hub, the value of a header that
    proves who asks, and of an address the user, the password and all behind the question mark: links that give access
    have their signature there.
    """
    for name in _ENVIRONMENT:
        token = os.environ.get(name, "").strip()
        if len(token) >= 8:  # a shorter one is none, and may be part of any word
            text = text.replace(token, HIDDEN)
    text = _TOKEN.sub(HIDDEN, text)
    text = _HEADER.sub(rf"\1{HIDDEN}", text)
    text = _USER.sub(rf"\1{HIDDEN}@", text)
    return _QUERY.sub(rf"\1?{HIDDEN}", text)


def has_credentials(text: str) -> bool:
    """Whether an address has a user, a password or a query in it."""
    return bool(_USER.search(text) or _QUERY.search(text))
