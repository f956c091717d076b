"""What the campaign of faults plays: each thing that a run, an import or an export does at some time."""

import random
import shutil
import sqlite3
from pathlib import Path

from hfal.store.store import Store
from made_by_0_1.make import fill_in
from support.campaign import Scenario, Step, a_command, a_script, at_a_terminal, code
from support.command import FAST, read_csv, write_csv
from support.crash_run import Mode
from support.models import MINILM, NAMES, save_tiny_encoder
from support.texts import load_reviews, load_sentences, save_tiny_model


MADE = Path(__file__).parents[1] / "made_by_0_1"


def write_data(folder: Path) -> None:
    """What all scenarios need: a tiny model, files of texts, and tokenized texts for scripts."""
    save_tiny_model(folder)
    rows = [(row["text"], NAMES[row["label"]]) for row in load_reviews(60)]
    write_csv(folder / "labeled.csv", ["text", "label"], rows)
    write_csv(folder / "texts.csv", ["text"], [row[:1] for row in rows])
    load_reviews(120).save_to_disk(str(folder / "reviews"))
    load_sentences(120).save_to_disk(str(folder / "sentences"))
    save_tiny_encoder(folder / "encoder", "mean", normalize=True)


def texts(work: Path, data: Path) -> None:
    """A folder in which somebody begins."""
    (work / "model").symlink_to(data / "model")
    for name in ("labeled.csv", "texts.csv"):
        shutil.copy(data / name, work)


def older_runs(version: int, work: Path) -> None:
    """Runs of hfal 0.1, or what the version before it would have left of them."""
    shutil.copytree(MADE, work, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    for config in work.glob("runs/*/config.yaml"):
        config.write_text(config.read_text("utf-8").replace("FOLDER", str(work)), "utf-8")
    fill_in(work / "runs" / "names", 2)
    for store in work.glob("runs/*/labels.sqlite") if version == 3 else ():
        db = sqlite3.connect(store, isolation_level=None)
        db.execute("DROP TABLE stability")
        db.execute("PRAGMA user_version = 3")
        db.close()


# -- people --------------------------------------------------------------------------------------------------------


def fill_in_all(work: Path) -> None:
    """Answer all questions in the files of queries with what is true of the text."""
    _fill_in(work, wrong=False)


def fill_in_some(work: Path) -> None:
    """Answer the first three questions of the first file with what nobody else would say."""
    _fill_in(work, wrong=True, count=3)


def _fill_in(work: Path, wrong: bool, count: int | None = None) -> None:
    true = {row["text"]: row["label"] for row in read_csv(work / "labeled.csv")}
    for file in sorted((work / "run").glob("query-*.csv")):
        rows = read_csv(file)
        for row in rows[:count]:
            row["label"] = next(name for name in NAMES if (name == true[row["text"]]) != wrong)
        write_csv(file, list(rows[0]), [row.values() for row in rows])


def kept_what_was_filled_in(work: Path) -> None:
    """See that what `fill_in_some` wrote is what the run knows of these texts, and that nobody was asked again."""
    said = {row["id"]: row["label"] for row in read_csv(work / "run" / "query-001.csv") if row["label"]}
    store = Store(work / "run", read_only=True)
    labels = {id_: answer.label for id_, answer in store.current_answers().items()}
    store.close()
    assert len(said) == 3
    assert {id_: labels.get(id_) for id_ in said} == said, "answers in query-001.csv are not read"
    for other in (work / "run").glob("query-001.jsonl"):
        assert not any(id_ in other.read_text() for id_ in said), "somebody is asked again"


def damage_newest_checkpoint(work: Path, chance: random.Random) -> None:
    """Do what a power cut does to files that were never flushed to the disk: leave less of one."""
    checkpoints = sorted(work.glob("run/rounds/*/checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    if not checkpoints:
        return
    files = [file for file in sorted(checkpoints[-1].iterdir()) if file.name in _WEIGHED]
    if files:
        file = chance.choice(files)
        content = file.read_bytes()
        file.write_bytes(chance.choice([b"", b"{}", content[: len(content) // 2], bytes(len(content))]))


_WEIGHED = ("model.safetensors", "optimizer.pt", "scheduler.pt", "trainer_state.json", "rng_state.pth", "config.json")


# -- the scenarios -------------------------------------------------------------------------------------------------

RUN = ["run", "--text", "text", "--output_dir", "run", *FAST, "--query_size", "5", "--seed_size", "5"]
ASKED = [*RUN, "--data", "texts.csv", "--labels", ",".join(NAMES), "--holdout", "4", "--rounds", "2"]
REVEALED = [*RUN, "--data", "labeled.csv", "--label", "label", "--eval_size", "10", "--rounds", "2"]
CHECKPOINTS = ["--save_strategy", "steps", "--save_steps", "1", "--per_device_train_batch_size", "2"]
HOLDOUT = "question holdout 0"


def _script(name: str, mode: Mode, *ways: str, **options) -> Scenario:
    return Scenario(name, (Step(a_script(mode), **options),), **({"ways": ways} if ways else {}))


def _older(version: int, name: str, code: int, *options: str) -> Scenario:
    run_dir = f"runs/{name}"
    step = Step(a_command("run", run_dir, *options), code, until=f"open {run_dir}/config.yaml")
    return Scenario(f"migration-{version}-{name}", (step,), run_dir, lambda work, data: older_runs(version, work))


_HALF_ANSWERED = Step(a_command(*ASKED, "--annotator", "csv"), 75, fill_in_some)
_ANSWER_AND_GO_ON = Step(a_command("run", "run"), 75, fill_in_all)
_IMPORT = a_command("import", "exports/reviews", "--to", "runs/imported")
_GO_ON = a_command("run", "runs/imported", *FAST, "--annotator", "jsonl")
_FROM_EXPORT = code("from hfal import Pool; Pool.from_export('exports/names', 'runs/pool').store.close()")
_SWITCHED = {"prepare": texts, "struck": (1,), "check": kept_what_was_filled_in}

SCENARIOS = [
    # From nothing to the first query.
    Scenario("creation-command", (Step(a_command(*ASKED, "--annotator", "csv"), 75),), prepare=texts),
    _script("creation-script", Mode("model_init", "from_scratch"), until=HOLDOUT),
    _older(3, "reviews", 0, "--rounds", "3"),
    _older(4, "reviews", 0, "--rounds", "3"),
    _older(3, "names", 75),
    Scenario(
        "import-command",
        (Step(_IMPORT), Step(_IMPORT), Step(_GO_ON, 75)),
        "runs/imported",
        lambda work, data: (older_runs(4, work), texts(work, data))[0],
    ),
    Scenario("import-script", (Step(_FROM_EXPORT),), "runs/pool", lambda work, data: older_runs(4, work)),
    # Somebody fills in half of a spreadsheet, and somebody else goes on.
    Scenario("switch-jsonl", (_HALF_ANSWERED, Step(a_command("run", "run", "--annotator", "jsonl"), 75)), **_SWITCHED),
    Scenario(
        "switch-simulated",
        (
            Step(a_command(*REVEALED, "--annotator", "csv"), 75, fill_in_some),
            Step(a_command("run", "run", "--annotator", "simulated")),
        ),
        **_SWITCHED,
    ),
    Scenario(
        "switch-terminal",
        (_HALF_ANSWERED, Step(at_a_terminal("1", "run", "run", "--annotator", "terminal", "--rounds", "1"))),
        **_SWITCHED,
    ),
    # While weights are saved, and after a power cut.
    _script("weights-torn", Mode("model", "continue"), "torn write", at=r"step|(open|rename) .*(checkpoint|model)"),
    _script(
        "weights-damaged",
        Mode("model_init", "from_scratch"),
        "instant",
        at=r"step|end of training|open .*checkpoint",
        after_death=damage_newest_checkpoint,
    ),
    # Anywhere.
    _script("run-labels", Mode("model_init", "from_scratch")),
    _script("run-continue", Mode("model", "continue")),
    _script("run-entities", Mode("model_init", "from_scratch", of_words=True)),
    _script("run-head", Mode("model_init", "from_scratch", head=2)),
    _script("run-self-training", Mode("model_init", "from_scratch", self_training=0.4)),
    Scenario(
        "run-spreadsheet",
        (
            Step(a_command(*ASKED, "--annotator", "csv"), 75, fill_in_all),
            _ANSWER_AND_GO_ON,
            Step(a_command("run", "run")),
        ),
        prepare=texts,
    ),
    Scenario(
        "run-export",
        (
            Step(a_command(*REVEALED, *CHECKPOINTS, "--export", "labels.jsonl")),
            Step(a_command("export", "run", "--to", "out", "--unlabeled", "--answers")),
            Step(a_command("export", "run", "--to", "labels.csv")),
        ),
        prepare=texts,
    ),
    Scenario(
        "run-frozen-encoder",
        (Step(a_command(*REVEALED, "--model", MINILM, "--freeze_encoder")),),
        prepare=texts,
    ),
]
