"""Command lines and YAML files, good and bad."""

import json
import random
from pathlib import Path
from typing import Any

import yaml

from hfal.config.arguments import ActiveLearningArguments, TrainingOptions
from hfal.config.option_fields import options_of
from hfal.utils.output import shown_line
from support.input_damage import ROWS, Prepared, copy_run, write_csv
from support.input_grammar import REVEALED, Case, expect, odd_number, odd_value, odd_word, part_of, pick
from support.models import NAMES


NUMBERS = str.split(
    """
    pool_size eval_size max_length token_budget candidates passes committee top_words sure_outside query_size
    seed_size holdout rounds budget target self_training self_training_threshold keep_models min_steps
    num_train_epochs learning_rate warmup_steps per_device_train_batch_size per_device_eval_batch_size seed
    weight_decay max_steps gradient_accumulation_steps max_grad_norm save_total_limit logging_steps eval_steps
    label_smoothing_factor head_learning_rate_factor queries_per_round
    """
)
WORDS = str.split(
    """
    data task text label labels thresholds id split eval_split data_config data_filter model embeddings
    embeddings_dir annotator annotator_name strategy aggregate unit seed_strategy target_metric stop retrain
    class_weights export export_license output_dir save_strategy report_to log_level lr_scheduler_type optim
    eval_strategy select_with
    """
)
FLAGS = [
    "freeze_encoder",
    "start_from_probe",
    "bf16_scoring",
    "hide_suggestions",
    "record_stability",
    "estimate",
    "bf16",
    "use_cpu",
]
NO_NUMBER = ("nan", "", "x", "0x10", "1,5", "1 2", "½", "None", "True")
BASE = [*REVEALED, "--data", "data.csv", "--query_size", "6", "--seed_size", "6"]


def option_case(folder: Path, chance: random.Random) -> Case:
    """`hfal run` with an odd value of an option, or an option that there is not."""
    write_csv(folder / "data.csv", [["text", "label"], *map(list, ROWS)])
    known = options_of((ActiveLearningArguments, TrainingOptions))
    fails: bool | None = None
    check = part_of(folder / "run", ROWS)
    match kind := pick(chance, "number number number word word word misspelt missing twice flag stray same"):
        case "number":
            name, value = chance.choice(NUMBERS), odd_number(chance)
            fails = True if value in NO_NUMBER else None
        case "word":
            name, value = chance.choice(WORDS), odd_word(chance)
        case "misspelt":
            name, value = chance.choice(sorted(known)), "1"
            place = chance.randrange(1, len(name))
            name = chance.choice(
                [name[:place] + "x" + name[place:], name[:place] + name[place + 1 :], f"{name}s", name.upper()]
            )
            fails = True if name not in known and len(name) > 2 else None
        case "missing":
            name, value = chance.choice([*NUMBERS, *WORDS]), None
            fails = True if name in NUMBERS else None
        case "twice":
            name, value = chance.choice(["text", "labels"]), "text"
        case "flag":
            name, value = chance.choice(FLAGS), chance.choice(["maybe", "2", "", "yes", "0"])
            fails = True if value in ("maybe", "2", "") else None
        case "stray":
            name, value = chance.choice(["", "x"]), chance.choice(["x", "data.csv", "-x", "--", "run", "a=b"])
        case _:
            name, value, fails, check = "seed", "7", False, part_of(folder / "run", ROWS)
    words = list(BASE)
    style = chance.randrange(3)
    if kind == "stray":
        words.insert(chance.choice([1, len(words)]), str(value))
    elif value is None:
        words.append(f"--{name}")
    elif style == 0 or (value.startswith("-") and style == 1):
        words.append(f"--{name}={value}")
    else:
        words += [f"--{name}", value]
    return Case(f"option --{name} {value!r}", [words], [name, repr(value)[1:-1] or name, str(value)], fails, check)


def yaml_case(folder: Path, chance: random.Random) -> Case:
    """`hfal run config.yaml` with a file that may not be what it should."""
    write_csv(folder / "data.csv", [["text", "label"], *map(list, ROWS)])
    given: dict[str, Any] = {
        "data": "data.csv",
        "text": "text",
        "label": "label",
        "labels": NAMES,
        "annotator": "simulated",
    }
    given |= {"holdout": 0, "rounds": 1, "seed_strategy": "random", "strategy": "random", "output_dir": "run"}
    given |= {
        "model": "./model",
        "max_length": 16,
        "num_train_epochs": 1,
        "use_cpu": True,
        "query_size": 12,
        "seed_size": 12,
    }
    fails: bool | None = False
    check = expect(folder / "run", ROWS)
    content: bytes | None = None
    named = ["config.yaml"]
    match defect := pick(
        chance,
        "good good value value value key tabs broken list scalar empty binary latin utf16 twice deep alias "
        "bomb date huge merge tag documents comment flow json quoted null folder number-key bool-key unicode "
        "colon",
    ):
        case "value":
            name = chance.choice(sorted(given))
            given[name] = odd_value(chance)
            defect, fails, check, named = (
                f"{name}: {str(given[name])[:40]!r}",
                None,
                part_of(folder / "run", ROWS),
                [name],
            )
        case "key":
            name = chance.choice(["stratgy", "evaluation_strategy", "x", "Text", "label names", ""])
            given[name], fails, named = 1, True, [name or "''"]
        case "tabs":
            content, fails = b"data: data.csv\n\ttext: text\n", True
        case "broken":
            content, fails = (
                _dump(given) + chance.choice([b"a: [\n", b"'x\n", b"x: y: z\n", b"}\n", b"- a\n", b"%x\n"]),
                True,
            )
        case "list":
            content, fails = yaml.safe_dump(list(given)).encode(), True
        case "scalar":
            content, fails = chance.choice([b"data.csv", b"1", b"text", b"true"]), True
        case "empty":
            content, fails, named = chance.choice([b"", b"# nothing\n", b"---\n", b"{}"]), True, ["--data"]
        case "binary":
            content, fails = chance.randbytes(200), True
        case "latin":
            content, fails = _dump(given) + "# café\n".encode("latin-1"), None
        case "utf16":
            content, fails = _dump(given).decode().encode("utf-16"), None
        case "twice":
            content, fails, named = _dump(given) + b"rounds: 2\n", None, ["rounds"]
            check = part_of(folder / "run", ROWS)
        case "deep":
            content, fails = _dump(given) + b"labels: " + b"[" * 3000 + b"]" * 3000 + b"\n", True
            named = ["config.yaml", "labels"]
        case "alias":
            content = _dump({**given, "text": "text"}) + b"export_license: &a x\nannotator_name: *a\n"
        case "bomb":
            levels = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9))
            content, fails, named = b"a0: &a0 [x]\n" + levels.encode() + _dump(given), True, ["a0", "config.yaml"]
        case "date":
            name = chance.choice(["text", "labels", "seed", "data", "annotator_name"])
            given[name], fails, named = "DATE", True, [name]
            content = _dump(given).replace(b"DATE", b"2024-01-01")
            if name == "annotator_name":
                fails = None
        case "huge":
            name = chance.choice(["rounds", "seed", "query_size", "max_length"])
            given[name], fails, named = "HUGE", None, [name]
            content = _dump(given).replace(b"HUGE", b"9" * chance.choice([25, 5000]))
            check = part_of(folder / "run", ROWS)
        case "merge":
            content = b"base: &base\n  rounds: 1\n<<: *base\n" + _dump(given)
            fails, named = None, ["base"]
        case "tag":
            content = _dump(given) + chance.choice(
                [b"seed: !!python/object:os.system x\n", b"seed: !x 1\n", b"seed: !!set {a}\n"]
            )
            fails = True
            named = ["config.yaml", "seed"]
        case "documents":
            content, fails = _dump(given) + b"---\nrounds: 2\n", True
        case "comment":
            content = b"# a\n" + _dump(given).replace(b"\n", b"  # why\n")
        case "flow" | "json":
            content = json.dumps(given).encode()
        case "quoted":
            given |= {"rounds": "1", "max_length": "16", "use_cpu": "true"}
        case "null":
            given |= {"budget": None, "eval_split": None}
        case "folder":
            (folder / "config.yaml").mkdir()
            fails = True
        case "number-key" | "bool-key":
            content, fails, named = (
                _dump(given) + (b"1: x\n" if defect == "number-key" else b"yes: x\n"),
                True,
                ["1", "True"],
            )
        case "unicode":
            given["annotator_name"] = "Zoë 北京"
        case "colon":
            content = b"\xef\xbb\xbf" + _dump(given)
    if defect != "folder":
        (folder / "config.yaml").write_bytes(_dump(given) if content is None else content)
    return Case(f"YAML: {defect}", [["run", "config.yaml"]], [*named, "config.yaml"], fails, check)


def _dump(given: dict[str, Any]) -> bytes:
    return yaml.safe_dump(given, allow_unicode=True, sort_keys=False).encode("utf-8", "surrogatepass")


def command_case(folder: Path, chance: random.Random, made: Prepared) -> Case:
    """The other commands, with odd words behind them, on a run of one round."""
    copy_run(made["finished"], folder)
    word = odd_word(chance)
    fails: bool | None = None
    options = ["--unlabeled", "--answers", "--no_provenance", "--annotator_names", "--no_comments", "--dry-run"]
    match pick(chance, "status export export to to format label import import compare unknown option good"):
        case "status":
            words = ["status", word]
        case "export":
            words = ["export", word, "--to", "out.csv"]
        case "to":
            words = ["export", "run", "--to", word, *chance.sample(options, chance.randint(0, 2))]
        case "format":
            word = chance.choice(["xlsx", "", "CSV", "parquet", "csv"])
            words = ["export", "run", "--to", chance.choice(["out", "out.csv"]), "--format", word]
        case "label":
            words = ["label", word]
        case "import":
            words = chance.choice([["import", word, "--to", "new"], ["import", "run", "--to", word], ["import", word]])
        case "compare":
            words = chance.choice(
                [["compare", word], ["compare", "config.yaml", f"--seeds={word}"], ["compare", "run"]]
            )
        case "unknown":
            words, fails = [chance.choice(["runs", "exprot", "Status", "data.csv", "run.py"])], True
            word = words[0]
        case "option":
            word = chance.choice(["--xo", "--to", "--format", "-x", "--verbose", "--help-me"])
            words, fails = [chance.choice(["status", "export", "import", "label"]), "run", word], True
        case _:
            to = chance.choice(["out.csv", "out.jsonl", "out.parquet", "out"])
            words, fails = ["export", "run", "--to", to, *(["--answers"] if to == "out" else [])], False
    said = [
        word.removeprefix("hub:"),
        shown_line(word),
        " ".join(word.split()),
        "--to" if "--to" not in words else word,
    ]
    named = [word, repr(word)[1:-1], *said, *words[1:], "RUN_DIR", "run_dir", "SOURCE", "run directory", str(folder)]
    named += [f"no run in {(folder / word).resolve()} "] if "\0" not in word else []
    check = part_of(folder / "run", ROWS)
    return Case(f"hfal {' '.join(words)!r}", [words], [n for n in named if n], fails, check, check)
