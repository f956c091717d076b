"""Errors of the Hub's client, and tokens: one line that says what to do, without the token in it."""

import json
from types import SimpleNamespace

import pytest
from huggingface_hub.errors import HfHubHTTPError

from hfal.errors import ArgumentError, HubError, HubUnreachableError
from hfal.export.hub import hub_name, push_to_hub
from hfal.export.hub_errors import hub_error_messages
from support.hub_server import TOKEN, WRONG, Failure, client
from support.published_run import TASKS


_FETCH = """
import json, sys
from hfal.export.restore import load_export
said = []
for source, options in json.load(sys.stdin):
    try:
        rows, history = load_export(source, **options)
        said.append(["", f"{len(rows)} rows"])
    except Exception as error:
        said.append([type(error).__name__, str(error)])
assert "torch" not in sys.modules
print("RESULT" + json.dumps(said))
"""


def test_what_cannot_be_is_refused_before_anything_is_sent(runs, monkeypatch, tmp_path):
    run = runs / TASKS[0]
    for name in ("reviews", "me/re views", "a/b/c", ""):
        with pytest.raises(ArgumentError):
            push_to_hub(run, name, token=TOKEN)
    with pytest.raises(ArgumentError, match="token has characters that no token has") as raised:
        push_to_hub(run, "me/reviews", token=f"{TOKEN}\n")
    assert TOKEN not in str(raised.value)
    with pytest.raises(ArgumentError, match="on the Hub they are Parquet"):
        push_to_hub(run, "me/reviews", token=TOKEN, format="csv")
    monkeypatch.setattr("huggingface_hub.get_token", lambda: f"{TOKEN}'ö")
    with pytest.raises(ArgumentError, match="HF_TOKEN, or what you logged in with, has characters") as raised:
        push_to_hub(run, "me/reviews")
    assert TOKEN not in str(raised.value)
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    with pytest.raises(HubError, match="no token"):
        push_to_hub(run, "me/reviews")
    with pytest.raises(HubError, match="HF_HUB_OFFLINE is set"):  # as in all tests
        push_to_hub(run, "me/reviews", token=TOKEN)
    assert hub_name("labels.csv") is None
    assert hub_name("hub:me/reviews") == "me/reviews"
    with pytest.raises(ArgumentError, match="'hub:' names nothing: expected hub:OWNER/NAME"):
        hub_name("hub:")


def test_what_cannot_be_had_from_the_hub_is_said_in_one_line(hub, tmp_path):
    whole = {"README.md": b"---\ntags: [hfal]\n---\n", "notes.md": b"no export"}
    for name in ("plain", "failing", "away"):
        hub.make("datasets", f"me/{name}", whole)
    hub.failures += [Failure("me/failing", 500, 99), Failure("me/away", "cut", 99)]
    steps = {
        "no file": ("me/plain", {}),
        "with hub:": ("hub:me/plain", {}),
        "no name": ("me/re..views", {}),
        "nothing there": ("me/nothing", {}),
        "one word": ("nothing", {}),
        "no revision": ("me/plain", {"revision": "v9"}),
        "wrong token": ("me/plain", {"token": WRONG}),
        "failing": ("me/failing", {}),
        "away": ("me/away", {}),
    }
    done = client(hub, tmp_path, "-c", _FETCH, input=json.dumps(list(steps.values())))
    assert done.returncode == 0, done.stderr
    said = dict(zip(steps, json.loads(done.stdout.rpartition("RESULT")[2]), strict=True))
    assert {name: error for name, (error, _) in said.items()} == {
        **dict.fromkeys(["no file", "with hub:", "no name"], "ArgumentError"),
        **dict.fromkeys(["nothing there", "one word", "no revision", "wrong token"], "HubError"),
        **dict.fromkeys(["failing", "away"], "HubUnreachableError"),
    }
    for _, (_, message) in said.items():
        assert message.startswith("source=")
        assert "\n" not in message
        assert not {TOKEN, WRONG} & set(message.split())
    for name in ("no file", "with hub:"):
        assert "has no hfal.json and answers.parquet" in said[name][1]
    assert "no such repository or revision" in said["nothing there"][1]


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, "the Hub does not accept the token (it said (token)): log in with `hf auth login`, or set HF_TOKEN"),
        (403, "the token may not do that (it said (token)): log in with `hf auth login`, or set HF_TOKEN"),
        (404, "the Hub has no such repository or revision, or does not show it to you (it said (token)): log in"),
        (409, "somebody else has changed the repository in this moment (it said (token)): start it again"),
        (412, "somebody else has changed the repository in this moment (it said (token)): start it again"),
        (418, "the Hub refused it with status 418: it said (token)"),
        (429, "the Hub has had too many requests (it said (token)): start it again in some minutes"),
        (500, "the Hub failed with status 500 (it said (token)): start it again"),
    ],
)
def test_each_status_says_what_to_do_without_the_token(status: int, message: str) -> None:
    response = SimpleNamespace(status_code=status, headers={}, request=SimpleNamespace(headers={"token": TOKEN}))
    with pytest.raises(HubError) as raised, hub_error_messages(TOKEN, ["the model me/model"]):
        raise HfHubHTTPError("a long message", response=response, server_message=f"it said\n  {TOKEN}")
    assert str(raised.value).startswith(message)
    assert str(raised.value).endswith(". Of this, the model me/model is up already")
    assert raised.value.__suppress_context__  # the client's error has the request in it


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (ConnectionError("cut\noff"), HubUnreachableError, "HF_HUB_OFFLINE is set"),  # as in all tests
        (
            ValueError("Expecting value: line 1"),
            HubError,
            r"the Hub's answer cannot be read \(Expecting value: line 1",
        ),
        (ValueError("Invalid metadata in README.md"), ArgumentError, "does not accept what the card says: Invalid"),
        (ArgumentError("one of ours"), ArgumentError, "^one of ours$"),
    ],
)
def test_other_errors_of_the_client(error: Exception, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message), hub_error_messages(None):
        raise error
