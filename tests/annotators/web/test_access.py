"""The rules by which requests are let in, without a server."""

import pytest

from hfal.annotators.web.access import make_access, split_host
from hfal.errors import ArgumentError


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", ("localhost", None)),
        ("Label.Example.org:8080", ("label.example.org", 8080)),
        ("[::1]:80", ("::1", 80)),
        ("[::1]", ("::1", None)),
        ("::1", ("", None)),
        ("a:b", ("", None)),
        ("a:1:2", ("", None)),
        ("user@a", ("user@a", None)),
    ],
)
def test_hosts_are_split(host: str, expected: tuple[str, int | None]) -> None:
    assert split_host(host) == expected


def test_another_host_than_this_machine_takes_a_token() -> None:
    assert [make_access(host).token for host in ("127.0.0.1", "localhost", "::1", "[::1]", "127.8.8.8")] == [None] * 5
    tokens = [make_access(host).token for host in ("0.0.0.0", "::", "10.0.0.7", "example.org", "0.0.0.0")]
    assert all(token is not None and len(token) >= 43 for token in tokens)
    assert len(set(tokens)) == 5
    assert make_access("127.0.0.1", ["label.example.org"]).token is not None
    access = make_access("0.0.0.0")
    assert not access.knows_token("")
    assert not access.knows_token("\ud800")
    assert access.knows_token(str(access.token))


def test_a_server_for_the_network_is_known_by_addresses_but_not_by_any_name() -> None:
    access = make_access("0.0.0.0")
    assert [access.is_our_host(host) for host in ("10.0.0.7:8000", "[fe80::1]", "evil.example")] == [True, True, False]
    assert not make_access("127.0.0.1").is_our_host("10.0.0.7")
    assert not access.is_our_origin("http://10.0.0.8", "10.0.0.7")
    assert access.is_our_origin("http://10.0.0.7", "10.0.0.7:80")


@pytest.mark.parametrize("name", ["https://a.org", "a.org:80", "a b", "", "*", "a/b", "-a"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ArgumentError, match=r"allow_host has .*, expected the name of a host"):
        make_access("127.0.0.1", [name])


@pytest.mark.parametrize(
    "origin", ["a.org", "*", "https://a.org/page", "https://a.org; script-src *", "ftp://a.org", "https://u@a.org", ""]
)
def test_an_origin_that_is_none_is_refused(origin: str) -> None:
    with pytest.raises(ArgumentError, match=r"embed has .*, expected an origin"):
        make_access("127.0.0.1", (), [origin])
