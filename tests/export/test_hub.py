"""Pushing through the real client of the Hub, over HTTP, to a stand-in on loopback."""

import json
import re
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from hfal.export.labels import export_labels
from hfal.store.store import Store
from support.hub_server import TOKEN, WRONG, Failure, Hub, client
from support.published_run import SECRET_NAME, TASKS


FILES = {"README.md", "learning_curve.png", "test.parquet", "train.parquet"}
EVERYTHING = {"answers": True, "annotator_names": True, "comments": True}

# Every step has a repository of its own, by whose name the stand-in knows what is to go wrong.
STEPS: list[tuple[str, str, dict[str, Any]]] = [
    ("fresh", "text_classification", {"license": "mit", "language": "en", "private": True}),
    ("again", "text_classification", {}),
    ("again", "text_classification", {}),
    ("fails", "text_classification", {}),
    ("fails", "text_classification", {}),
    ("hiccup", "text_classification", {}),
    ("cut", "text_classification", {}),
    ("cut", "text_classification", {}),
    ("cut-late", "text_classification", {}),
    ("cut-late", "text_classification", {}),
    ("refused", "text_classification", {"token": WRONG}),
    ("forbidden", "text_classification", {}),
    ("echo", "text_classification", {}),
    ("overtaken", "text_classification", {}),
    ("overtaken", "text_classification", {}),
    ("license", "text_classification", {"license": "my-own"}),
    ("empty", "text_classification", {}),
    ("theirs", "text_classification", {}),
    ("tag-in-a-word", "text_classification", {}),
    ("data-only", "text_classification", {}),
    ("public", "text_classification", {"private": True}),
    ("outdated", "text_classification", {}),
    ("again", "multi_label_classification", {}),
    ("log", "text_classification", EVERYTHING),
    ("sets", "multi_label_classification", EVERYTHING),
    ("tags", "token_classification", EVERYTHING),
    ("private", "text_classification", {"answers": True}),
    ("with-model", "text_classification", {"model_repo_id": "me/the-model"}),
    ("no-model", "text_classification", {"model_repo_id": "me/no-model-model"}),
    ("no-model", "text_classification", {"model_repo_id": "me/no-model-model"}),
    ("no-data", "text_classification", {"model_repo_id": "me/no-data-model"}),
    ("their-model", "text_classification", {"model_repo_id": "me/their-model-model"}),
]
_PUSH = """
import json, logging, sys
logging.basicConfig(level=logging.DEBUG)
from hfal.export.hub import push_to_hub
said = []
for name, run, options in json.load(sys.stdin):
    try:
        said.append(["", push_to_hub(run, f"me/{name}", **options)])
    except Exception as error:
        said.append([type(error).__name__, str(error)])
assert "torch" not in sys.modules
print("RESULT" + json.dumps(said))
"""
_LOAD = """
import json, sys, datasets
datasets.disable_progress_bars()
loaded = {}
for name in sys.argv[1:]:
    data = datasets.load_dataset(f"me/{name}")
    loaded[name] = {split: part.to_list() for split, part in data.items()}
    loaded[name]["features"] = {c: str(f) for c, f in data["train"].features.items()}
assert "hfal" not in sys.modules
print(json.dumps(loaded, default=str))
"""
_LOAD_LOGS = """
import json, sys, datasets
datasets.disable_progress_bars()
loaded = []
for path, config, files in json.loads(sys.argv[1]):
    data = datasets.load_dataset(path, config, data_files=files)
    (log,) = data.values()
    label = log.features["label"]
    rows = log.to_list()
    for row in rows:
        value = row["label"]
        if value is not None:
            of_one = getattr(label, "feature", label).int2str
            row["label"] = [of_one(v) for v in value] if isinstance(value, list) else of_one(value)
        row["time"] = row["time"].isoformat(timespec="microseconds")
    loaded.append([str(log.features["label"]), rows])
assert "hfal" not in sys.modules
print(json.dumps(loaded))
"""
_GO_ON = """
import json, sys
from datasets import Dataset, load_dataset
from hfal import Answer, Pool
from hfal.cli.main import main
from hfal.config.arguments import ActiveLearningArguments
from hfal.config.setup import export
from hfal.store.store import Store
texts = [f"text number {i}" for i in range(12)]
data = Dataset.from_dict({"text": texts, "input_ids": [[1, i] for i in range(12)]})
pool = Pool(data, f"{sys.argv[1]}/first", "text", label_names=["no", "yes"])
for i, label in enumerate(["yes", "no", "yes"]):
    pool.record(Answer(pool.ids[i].as_py(), label, annotator="Anna"))
pool.record(Answer(pool.ids[3].as_py(), None, "skip", annotator="Anna"))
pool.push_to_hub("me/going-on", unlabeled=True, answers=True)
options = {"export": "hub:me/by-recipe", "export_license": "mit", "export_language": ["en", "de"]}
export(ActiveLearningArguments(data="-", **options), pool)
there = load_dataset("me/going-on")
log = load_dataset("me/going-on", "answers", split="train")
again = Pool.from_export("hub:me/going-on", f"{sys.argv[1]}/second")
assert main(["import", "hub:me/going-on", "--to", f"{sys.argv[1]}/third"]) == 0
imported = Store(f"{sys.argv[1]}/third", read_only=True).answers() == again.store.answers()
again.record(Answer(again.ids[4].as_py(), "no", annotator="annotator-1"))
again.push_to_hub("me/going-on", unlabeled=True, answers=True)  # the same run, though in another folder
print(json.dumps({
    "splits": {name: len(part) for name, part in there.items()},
    "unlabeled labels": list(there["unlabeled"]["label"]),
    "log": [[row["action"], row["annotator"]] for row in log],
    "same labels": pool.labels() == {i: label for i, label in again.labels().items() if i != again.ids[4].as_py()},
    "left": [len(p.unlabeled_positions()) for p in (pool, again)],
    "label names": list(again.label_names),
    "imported": imported,
}))
"""


@pytest.fixture(scope="module")
def played(hub: Hub, runs: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What came of the steps: for each name its outcomes, as (kind of error, message or address)."""
    hub.make("datasets", "me/empty", {"README.md": b"---\nlicense: mit\n---\n"})
    hub.make("datasets", "me/theirs", {"README.md": b"---\ntags: [mine]\n---\n# Mine\n"})
    hub.make("datasets", "me/tag-in-a-word", {"README.md": b"---\ntags: not-hfal-at-all\n---\n# Mine\n"})
    hub.make("datasets", "me/data-only", {"train.parquet": b"theirs"})
    hub.make("datasets", "me/public")
    hub.make("models", "me/their-model-model", {"model.safetensors": b"theirs"})
    ours = {"README.md": b"---\ntags: [hfal]\n---\n# old\n", "unlabeled.parquet": b"old", "notes.md": b"kept"}
    hub.make("datasets", "me/outdated", ours)
    hub.make("datasets", "me/overtaken", {"README.md": ours["README.md"]})
    hub.failures += [
        Failure("me/fails/commit", 500),
        Failure("me/hiccup/preupload", 500),
        Failure("me/cut/commit", "cut"),
        Failure("me/cut-late/commit", "cut late"),
        Failure("me/forbidden/commit", 403),
        Failure("me/echo/commit", "echo"),
        Failure("me/overtaken/commit", "overtaken"),
        Failure("models/me/no-model-model/commit", 500),
        Failure("datasets/me/no-data/commit", 500),
    ]
    steps = json.dumps([(name, str(runs / task), options) for name, task, options in STEPS])
    done = client(hub, tmp_path_factory.mktemp("home"), "-c", _PUSH, input=steps)
    assert done.returncode == 0, done.stderr
    output, _, result = done.stdout.rpartition("RESULT")
    outcomes: dict[str, Any] = {"output": output + done.stderr + result}
    for (name, _, _), outcome in zip(STEPS, json.loads(result), strict=True):
        outcomes.setdefault(name, []).append(tuple(outcome))
    return outcomes


def changed(hub: Hub, name: str) -> list[set[str]]:
    """What each commit but the first has changed."""
    return [set(commit.changed) for commit in hub.dataset(f"me/{name}").commits[1:]]


def test_one_commit_holds_data_card_and_picture(hub, played):
    ((error, url),) = played["fresh"]
    assert not error
    repository = hub.dataset("me/fresh")
    assert url == f"{hub.url}/datasets/me/fresh/commit/{repository.commits[-1].sha}"
    assert changed(hub, "fresh") == [FILES]
    assert repository.private
    assert repository.files["learning_curve.png"].startswith(b"\x89PNG")
    assert b"license: mit" in repository.files["README.md"]
    assert repository.commits[-1].header["parentCommit"] == repository.commits[0].sha


def test_what_has_not_changed_is_not_committed_again(hub, played):
    first, second, _ = played["again"]
    assert first == second
    assert changed(hub, "again") == [FILES]


@pytest.mark.parametrize(
    ("name", "kind", "says"),
    [
        ("fails", "HubError", "failed with status 500 .* start it again"),
        ("cut", "HubUnreachableError", "connection was cut .* start it again"),
        ("cut-late", "HubUnreachableError", "connection was cut .* start it again"),
    ],
)
def test_a_failed_upload_is_repeated_and_ends_well(hub, played, name, kind, says):
    (error, message), (no_error, url) = played[name]
    assert error == kind
    assert re.search(says, message)
    assert not no_error
    assert changed(hub, name) == [FILES]
    assert url.endswith(hub.dataset(f"me/{name}").commits[-1].sha)


def test_the_client_repeats_some_requests_by_itself(hub, played):
    assert played["hiccup"][0][0] == ""
    assert changed(hub, "hiccup") == [FILES]


def test_a_refused_token_says_what_to_do_and_leaves_nothing(hub, played):
    ((error, message),) = played["refused"]
    assert error == "HubError"
    assert re.search(r"does not accept the token .*`hf auth login`.*HF_TOKEN", message)
    assert ("datasets", "me/refused") not in hub.repositories
    ((error, message),) = played["forbidden"]
    assert (error, changed(hub, "forbidden")) == ("HubError", [])
    assert "may not do that" in message


def test_an_error_that_repeats_the_token_is_shown_without_it(played):
    ((error, message),) = played["echo"]
    assert error == "HubError"
    assert re.search(r"authorization: Bearer \(token\)", message, re.IGNORECASE)
    assert TOKEN not in message


def test_a_commit_that_somebody_else_has_overtaken_changes_nothing(hub, played):
    (error, message), (no_error, _) = played["overtaken"]
    assert (error, no_error) == ("HubError", "")
    assert re.search(r"somebody else has changed the repository .*start it again", message)
    assert changed(hub, "overtaken") == [{"notes.md"}, FILES]
    assert hub.dataset("me/overtaken").files["notes.md"] == b"theirs"


def test_metadata_that_the_hub_does_not_accept_is_named(hub, played):
    ((error, message),) = played["license"]
    assert (error, changed(hub, "license")) == ("ArgumentError", [])
    assert '"license" must be one of' in message


def test_a_repository_that_is_there(hub, played):
    """An empty one is filled, one with something of others is left alone, one that is ours is brought up to date."""
    assert played["empty"][0][0] == "", played["empty"]
    assert changed(hub, "empty") == [FILES]
    for name in ("theirs", "tag-in-a-word", "data-only"):
        ((error, message),) = played[name]
        assert (error, changed(hub, name)) == ("ArgumentError", [])
        assert "was not made by hfal, so it is left as it is" in message
    ((error, message),) = played["public"]
    assert (error, changed(hub, "public")) == ("ArgumentError", [])
    assert "there and public" in message
    assert played["outdated"][0][0] == ""
    assert changed(hub, "outdated") == [FILES | {"unlabeled.parquet"}]
    assert "me/outdated: its card does not say of which run it is, and is replaced" in played["output"]
    assert set(hub.dataset("me/outdated").files) == {*FILES, ".gitattributes", "notes.md"}


def test_the_export_of_another_run_is_left_as_it_is(hub, played):
    _, _, (error, message) = played["again"]
    assert error == "ArgumentError"
    assert "the data set me/again is there and of another run" in message
    assert changed(hub, "again") == [FILES]


def test_the_model_goes_up_with_a_link_to_the_data(hub, played):
    assert played["with-model"][0][0] == ""
    files = hub.repositories["models", "me/the-model"].files
    assert set(files) == {".gitattributes", "README.md", "config.json", "model.safetensors"}
    assert b"datasets:\n- me/with-model" in files["README.md"]
    assert b"[me/the-model](https" in hub.dataset("me/with-model").files["README.md"]


def test_of_a_model_and_its_data_the_error_says_what_is_up(hub, played):
    models = {name: repository for (kind, name), repository in hub.repositories.items() if kind == "models"}
    (error, message), (no_error, _) = played["no-model"]
    assert (error, no_error) == ("HubError", "")
    assert message == "the Hub failed with status 500 (it went wrong): start it again"
    assert changed(hub, "no-model") == [FILES]  # by the second call: no card has ever named a model that is not there
    assert len(models["me/no-model-model"].commits) == 2
    ((error, message),) = played["no-data"]
    assert error == "HubError"
    assert message.endswith("start it again. Of this, the model me/no-data-model is up already")
    assert changed(hub, "no-data") == []
    assert len(models["me/no-data-model"].commits) == 2
    ((error, message),) = played["their-model"]
    assert (error, changed(hub, "their-model")) == ("ArgumentError", [])
    assert "the model me/their-model-model is there and was not made by hfal" in message


def test_no_output_has_a_token_or_a_path(hub, runs, played):
    assert TOKEN not in played["output"]
    assert WRONG not in played["output"]
    for repository in hub.repositories.values():
        assert not any(str(runs).encode() in data or TOKEN.encode() in data for data in repository.files.values())


def test_names_and_comments_are_published_only_if_asked(hub, played):
    published = {}
    for name in ("private", "log"):
        assert played[name][0][0] == ""
        files = hub.dataset(f"me/{name}").files
        tables = [pq.read_table(BytesIO(files[f"{table}.parquet"])) for table in ("train", "answers")]
        published[name] = str([table.to_pylist() for table in tables]) + files["README.md"].decode()
        assert ("al_comment" in tables[0].column_names) == (name == "log")
    for secret in (SECRET_NAME, "Dr. Who", "no | doubt"):
        assert secret in published["log"]
        assert secret not in published["private"]


def test_plain_datasets_reads_what_the_store_has(hub, runs, played, tmp_path):
    names = {"again": TASKS[0], "sets": TASKS[1], "tags": TASKS[2]}
    done = client(hub, tmp_path, "-c", _LOAD, *names)
    assert done.returncode == 0, done.stderr
    loaded = json.loads(done.stdout)
    for name, task in names.items():
        store = Store(runs / task, read_only=True)
        label_names, held_out = store.meta("label_names"), store.holdout_ids()
        answers = {i: a.label for i, a in store.current_answers().items() if a.label is not None}
        texts = {i: store.texts(i) for i in answers}
        store.close()
        found = {}
        for split in ("train", "test"):
            for row in loaded[name][split]:
                assert (row["id"] in held_out) == (split == "test")
                value = row["label"]
                found[row["id"]] = [label_names[v] for v in value] if isinstance(value, list) else label_names[value]
                assert {column: row[column] for column in texts[row["id"]]} == texts[row["id"]]
        assert found == answers
        assert "ClassLabel" in loaded[name]["features"]["label"]


def test_plain_datasets_reads_the_log_that_the_store_has(hub, runs, played, tmp_path):
    """The configuration `answers`, of a folder, of one file and from the Hub: every answer, for each task."""
    names = {"log": TASKS[0], "sets": TASKS[1], "tags": TASKS[2]}
    wanted = []
    for name, task in names.items():
        folder = tmp_path / name
        export_labels(runs / task, folder, answers=True, annotator_names=True)
        file = str(folder / "answers.parquet")
        wanted += [(str(folder), "answers", None), ("parquet", None, file), (f"me/{name}", "answers", None)]
    done = client(hub, tmp_path / "home", "-c", _LOAD_LOGS, json.dumps(wanted))
    assert done.returncode == 0, done.stderr
    loaded = json.loads(done.stdout)
    for number, task in enumerate(names.values()):
        store = Store(runs / task, read_only=True)
        answers, label_names = store.answers(), store.meta("label_names")
        store.close()
        assert [a.action for a in answers[-4:]] == ["correct", "label", "unsure", "undo"]
        expected = [
            {
                "answer": a.number,
                "id": a.example_id,
                "annotator": a.annotator,
                "action": a.action,
                "label": a.label,
                "comment": a.comment,
                "time": a.time,
                "query": a.query,
                "probability": None,
            }
            for a in answers
        ]
        feature = f"ClassLabel(names={label_names!r})"
        for found_feature, rows in loaded[3 * number : 3 * number + 3]:
            assert rows == expected
            assert found_feature == (feature if task == TASKS[0] else f"List({feature})")


def test_the_command_shows_and_sends(hub, runs, tmp_path):
    export = ["-m", "hfal", "export", str(runs / TASKS[0]), "--to", "hub:me/by-command", "--license", "mit"]
    before = len(hub.requests)
    shown = client(hub, tmp_path, *export, "--dry-run")
    assert shown.returncode == 0, shown.stderr
    assert re.search(r"go to the data set me/by-command:\n  README\.md .* bytes\n", shown.stdout)
    assert re.search(r"train\.parquet +[\d,]+ bytes +3 rows\n      columns: id, text, label", shown.stdout)
    assert "license: mit" in shown.stdout
    assert not [r for r in hub.requests[before:] if "agent-harnesses" not in r]
    sent = client(hub, tmp_path, *export, "--private", "--model", "hub:me/by-command-model")
    assert sent.returncode == 0, sent.stderr
    url, model = sent.stdout.split()
    assert url.endswith(hub.dataset("me/by-command").commits[-1].sha)
    assert model == f"{hub.url}/me/by-command-model"
    assert hub.dataset("me/by-command").private
    assert TOKEN not in sent.stdout + sent.stderr + shown.stdout


def test_a_pool_is_pushed_whole_and_another_goes_on_from_it(hub, tmp_path):
    done = client(hub, tmp_path / "home", "-c", _GO_ON, str(tmp_path))
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert said == {
        "splits": {"train": 3, "unlabeled": 9},
        "unlabeled labels": [None] * 9,
        "log": [["label", "annotator-1"]] * 3 + [["skip", "annotator-1"]],
        "same labels": True,
        "left": [8, 7],
        "label names": ["no", "yes"],
        "imported": True,
    }
    files, later = changed(hub, "going-on")
    assert later == files
    assert files == {"README.md", "train.parquet", "unlabeled.parquet", "answers.parquet", "hfal.json"}
    assert "license: mit" in (card := hub.dataset("me/by-recipe").files["README.md"].decode())
    assert "language:\n- en\n- de" in card
    assert not [name for name, content in hub.dataset("me/going-on").files.items() if b"Anna" in content]
