"""Command lines that cannot be meant: told in one line, before anything slow is loaded, and nothing is made."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from support.command import Result, environment


SLOW = ["torch", "transformers", "datasets", "numpy", "pandas", "sklearn"]
REFUSED = {  # the words, and what the one line begins with
    "run --data missing.csv --query_sze 5": "unknown option '--query_sze'. Did you mean 'query_size'?",
    "run --lables a,b": "unknown option '--lables'. Did you mean 'labels'?",
    "run --data d --weight_decy=1 --rouds 3": "unknown options '--weight_decy' (Did you mean 'weight_decay'?), '--rou",
    "run --data d --query 5": "unknown option '--query'. Did you mean 'query_size'?",
    "run --data d --query-sze 5": "unknown option '--query-sze'. Did you mean 'query_size'?",
    "run --data d --strategies random": "unknown option '--strategies'. Did you mean 'strategy'",  # of compare
    "run --data d --query_size five": "argument --query_size/--query-size: invalid int value: 'five'",
    "run --data d --weight_decay five": "argument --weight_decay/--weight-decay: invalid float value: 'five'",
    "run --data=": "--data is empty: expected a path or a name",
    "status s3://me:pass@host": "RUN_DIR is the address 's3://(hidden)@host', which hfal does not open",
    "run --data d --budget": "argument --budget: expected one argument",
    "run --data d --labels a --labels b": "--labels is given 2 times",
    "run --data d --text a -- b": "'--' belongs to no option",
    "run --data d --hub_token a b": "a word belongs to no option",  # which may be a part of the token
    "run --data d --strategy entrpy": "--strategy is 'entrpy': unknown strategy 'entrpy'. Did you mean 'entropy'?",
    "run --data d --stop kapa": "stop='kapa': there is no criterion 'kapa' (did you mean 'kappa'?)",
    "run --data d --annotator termnal": "argument --annotator: invalid choice: 'termnal'",
    "run --data d --task text_clasification": "argument --task: invalid choice: 'text_clasification'",
    "run config.yaml": "config.yaml has the unknown keys 'stratgy' (Did you mean 'strategy'?), 'weight_decy' (Did",
    "run twice.yaml": "twice.yaml is no valid YAML (line 1): 'data' stands there twice",
    "run --data https://me:pass@host/x.csv?sig=1": "--data is the address 'https://(hidden)@host/x.csv?(hidden)', whi",
    "run --data d --output_dir s3://key:pass@bucket": "--output_dir is the address 's3://(hidden)@bucket', which hfal",
    "run --data d --run_name https://me:pass@host": "--run_name has an address with a password or the like in it",
    "-- run --data d --rouds 3": "unknown option '--rouds'. Did you mean 'rounds'?",
    "compare --data d --wrokers 2": "unknown option '--wrokers'. Did you mean 'workers'?",
    "compare --data d --weight_decy 2": "unknown option '--weight_decy'. Did you mean 'weight_decay'?",
    "compare --data d --strategies random,mragin": "--strategies has 'mragin': unknown strategy 'mragin'. Did you",
    "compare --data d --arms a/b --stop kapa": "stop='kapa': there is no criterion 'kapa'",  # and not the grid
    "compare --data d --arms a/b --annotator x": "argument --annotator: invalid choice: 'x'",
    "compare config.yaml": "config.yaml has the unknown keys 'stratgy'",
    "runn": "unknown command 'runn'. Did you mean 'run'?",
    "": "the following arguments are required: COMMAND",
    "--verson": "unknown option '--verson'. Did you mean 'version'?",
    "status": "the following arguments are required: RUN_DIR",
    "status runs/x --verbose": "unknown option '--verbose'.",
    "export runs/x --too labels.csv": "unknown option '--too'. Did you mean 'to'?",
    "export runs/x --to x --lic mit": "unknown option '--lic'. Did you mean 'license'?",
    "export runs/x --to x --query_size 3": "unknown option '--query_size'.",  # of run
    "export runs/x --to x --format xls": "argument --format: invalid choice: 'xls'",
    "export runs/x": "the following arguments are required: --to",
    "import runs/x --revison 3": "unknown option '--revison'. Did you mean 'revision'?",
    "label runs/x --anotator_name me": "unknown option '--anotator_name'. Did you mean 'annotator_name'?",
}
UNREADABLE = (
    *("unknown option", "unknown command", "argument ", "the following arguments"),
    *("'--' belongs to no", "a word belongs to no", "--labels is given 2 times"),
)

CODE = f"""
import json, sys
from hfal.cli.main import main
for words in json.load(sys.stdin):
    code = main(words)
    print(json.dumps([code, sorted(set(sys.modules) & set({SLOW}))]), flush=True)
"""


def test_it_is_told_before_anything_slow_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("stratgy: random\nweight_decy: 0.1\nmodel: some/model\n")
    (tmp_path / "twice.yaml").write_text("data: a\ndata: b\n")
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        cwd=tmp_path,
        env=environment(tmp_path),
        input=json.dumps([words.split() for words in REFUSED]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    outcomes = [json.loads(line) for line in done.stdout.splitlines()]
    lines = done.stderr.splitlines()
    assert len(lines) == len(outcomes) == len(REFUSED), done.stderr
    for (words, begins), (code, slow), line in zip(REFUSED.items(), outcomes, lines, strict=True):
        assert line.startswith(f"hfal: error: {begins}"), words
        assert (code, slow) == (2 if begins.startswith(UNREADABLE) else 1, []), words
    assert not {"pass", "key:"} & set(done.stderr.replace("/", " ").split())
    assert {path.name for path in tmp_path.iterdir()} == {"config.yaml", "twice.yaml"}


def test_a_strategy_by_another_name_is_known(hfal: Callable[..., Result], folder: Path) -> None:
    refused = hfal("run", "--data", "reviews.csv", "--strategy", "qbc")
    assert "unknown strategy 'qbc'. Did you mean 'vote_entropy'?" in refused.stderr
    assert not (folder / "runs").exists()


def test_a_recipe_that_is_started_by_itself_says_it_too_in_one_line(tmp_path: Path) -> None:
    path = Path(__file__).parents[2] / "recipes" / "text_classification.py"
    words = [sys.executable, str(path), "--data", "missing.csv", "--query_sze", "5"]
    done = subprocess.run(words, cwd=tmp_path, env=environment(tmp_path), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "hfal: error: unknown option '--query_sze'. Did you mean 'query_size'?\n"
    assert list(tmp_path.iterdir()) == []
