"""The options of `hfal compare`, beside those of `hfal run`. Nothing here loads torch or transformers."""

from dataclasses import dataclass, field

from hfal.config.option_fields import options_of
from hfal.config.parser import option_help


USUAL_COMPARISON = "margin+kmeans/kmeans"
"""What is tested where nothing else is named."""


@dataclass
class CompareOptions:
    """The options of a comparison and of its report. All else is as in `hfal run`, and the same for every run."""

    strategies: list[str] = field(
        default_factory=lambda: ["random", "margin+kmeans"],
        metadata={"help": "The query strategies.", "metavar": "NAME,NAME"},
    )
    starts: list[str] = field(
        default_factory=lambda: ["random", "kmeans"],
        metadata={"help": "How the seed sets are picked, as seed_strategy of hfal run.", "metavar": "NAME,NAME"},
    )
    arms: list[str] | None = field(
        default=None,
        metadata={
            "help": "Only these of the strategies and starts. Default: every strategy after every start.",
            "metavar": "STRATEGY/START,...",
        },
    )
    seeds: int = field(
        default=5,
        metadata={
            "help": "Runs of each strategy after each start, with the seeds 42, 43, ... or those from --seed on. Runs "
            "with the same start and seed begin with the same seed set."
        },
    )
    full_runs: int = field(
        default=1, metadata={"help": "Runs that are trained on the whole pool once, for the score to compare with."}
    )
    comparison: str | None = field(
        default=None,
        metadata={
            "help": "The one comparison that is tested, named before there are results: this against the baseline. "
            f"Default: {USUAL_COMPARISON}, if it is among what is compared when the first run begins.",
            "metavar": "STRATEGY/START",
        },
    )
    baseline: str = field(
        default="random/random", metadata={"help": "What the others are compared with.", "metavar": "STRATEGY/START"}
    )
    metric: str | None = field(
        default=None,
        metadata={
            "help": "The metric of the report. Default: accuracy, f1_micro for several labels, f1 for entities.",
            "metavar": "NAME",
        },
    )
    seconds_per_label: float | None = field(
        default=None, metadata={"help": "What a label costs an annotator, for the table of costs."}
    )
    seconds_per_word: float | None = field(
        default=None, metadata={"help": "The same for each word of the texts, for entities."}
    )
    hourly_rate: float | None = field(
        default=None, metadata={"help": "What an annotator's hour costs, in the currency of your choice."}
    )
    workers: int = field(
        default=1, metadata={"help": "Processes that train at a time; each has its part of the machine's cores."}
    )

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The strategies and starts that are compared, in the order of the grid."""
        pairs = [(strategy, start) for start in self.starts for strategy in self.strategies]
        return [pair for pair in pairs if self.arms is None or "/".join(pair) in self.arms]

    @property
    def usual_comparison(self) -> str | None:
        """Return the arm to test if none is named; `None` if it is not compared."""
        names = {"/".join(pair) for pair in self.pairs} - {self.baseline}
        return USUAL_COMPARISON if USUAL_COMPARISON in names else None


GROUPS = {
    "what is compared": "strategies starts arms seeds full_runs",
    "the report": "comparison baseline metric seconds_per_label seconds_per_word hourly_rate",
    "work": "workers",
}
"""The options that `hfal compare --help` shows, in its order."""

_USAGE = """hfal compare CONFIG.yaml [--OPTION VALUE ...]
       hfal compare --data FILE --text COLUMN --label COLUMN --eval_size N --rounds N [--OPTION VALUE ...]
       hfal compare OUT [--OPTION VALUE ...]"""

_DESCRIPTION = """Find out on labeled data how many labels each strategy would have saved: run active learning with a
simulated annotator for every strategy, start and seed, and report on all of them. Started again, it goes on where it
was stopped, and runs only what is missing; `hfal compare OUT` does so too, and writes the report anew.

examples:
  hfal compare configs/compare_demo.yaml
      everything in a YAML file, with the names below and those of hfal run
  hfal compare --data labeled.csv --text review --label sentiment --eval_size 500 --rounds 9 --query_size 25
      random against the default strategy after two kinds of start, five times each
  hfal compare runs/reviews-compare --seeds 10 --strategies random,margin+kmeans,badge
      adds seeds and strategies to what is there"""

_EPILOG = """The other options are those of hfal run (hfal run --help), and the same for every run: data, model,
rounds, seed_size, query_size, ..., but not strategy and seed_strategy. output_dir is the result directory OUT.
The data has to have a label for every text, and eval_size or eval_split says what to evaluate on."""


def compare_help() -> str:
    """Return the text of `hfal compare --help`."""
    return option_help("hfal compare", _USAGE, _DESCRIPTION, _EPILOG, GROUPS, options_of((CompareOptions,)))
