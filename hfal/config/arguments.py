"""Define the options of `hfal run` and of the recipes.

Importing this module loads neither torch nor transformers: `hfal run --help` need not wait for them.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from hfal.acquisition.options import SEED_STRATEGIES, SELECT_WITH, QueryOptions
from hfal.annotators.registry import ANNOTATORS, PERSON, SIMULATION
from hfal.config.page_options import PageOptions
from hfal.config.team_options import TeamOptions
from hfal.errors import ArgumentError
from hfal.store.run_info import UNITS
from hfal.tasks.kinds import ESTIMATED, KINDS, kind_of
from hfal.training.options import CLASS_WEIGHTS, RETRAIN, WHEN_IDLE, LoopOptions
from hfal.utils.output import get_logger
from hfal.utils.spelling import counted, joined_names


if TYPE_CHECKING:
    from hfal.data.pool import Pool
    from hfal.stopping.criteria import Criterion

logger = get_logger(__name__)

_MIN_STEPS = 100
_HOLDOUT = {"examples": 50, "words": 1000}


@dataclass
class ActiveLearningArguments(PageOptions, TeamOptions):
    """Options of a recipe beside the `TrainingArguments`, whose `output_dir` is the run directory.

    A list is written `--labels negative,positive` or `--labels negative positive` on the command line, and as either
    of these or as a list in YAML; an item that has a comma itself needs the list in YAML.
    """

    data: str = field(
        metadata={
            "help": "CSV, TSV, JSON Lines, Parquet or CoNLL file, a folder of them, package:NAME/path, or a Hub name.",
            "metavar": "FILE",
        }
    )
    task: str | None = field(
        default=None,
        metadata={
            "help": "What is labeled: whole texts with one label or with several, or entities in them. Default: "
            "entities if the data has words, or spans; several labels if it has other lists of them; else one.",
            "choices": list(KINDS),
        },
    )
    text: list[str] = field(
        default_factory=lambda: ["text"],
        metadata={"help": "Column with the text, or its words; two for text pairs: a,b.", "metavar": "COLUMN"},
    )
    label: str | None = field(
        default=None,
        metadata={"help": "Column with labels, tags or spans, where the data has any.", "metavar": "COLUMN"},
    )
    labels: list[str] | None = field(
        default=None,
        metadata={
            "help": "Names of the labels, or of the entity types; needed where the data does not say them.",
            "metavar": "NAME,NAME",
        },
    )
    thresholds: list[str] | None = field(
        default=None,
        metadata={
            "help": "For several labels: from which probability on one is suggested, and counted by the metrics: one "
            "number for all, or LABEL=NUMBER,LABEL=NUMBER. Default: 0.5.",
            "metavar": "X",
        },
    )
    id: str | None = field(
        default=None, metadata={"help": "Column of unique ids; made from the text without it.", "metavar": "COLUMN"}
    )
    show: list[str] = field(
        default_factory=list,
        metadata={
            "help": "Other columns, to be shown beside the text and kept in exports: date,author.",
            "metavar": "COLUMN",
        },
    )
    split: str = field(default="train", metadata={"help": "The split that is the pool.", "metavar": "NAME"})
    pool_size: int | None = field(
        default=None, metadata={"help": "Use only so many examples, drawn at random. Default: all."}
    )
    eval_split: str | None = field(
        default=None, metadata={"help": "A labeled split to evaluate on.", "metavar": "NAME"}
    )
    eval_size: int | None = field(
        default=None,
        metadata={"help": "Without eval_split: evaluate on so many labeled examples, drawn at random."},
    )
    data_config: str | None = field(
        default=None, metadata={"help": "Configuration of a data set on the Hub.", "metavar": "NAME"}
    )
    data_filter: str | None = field(
        default=None, metadata={"help": "Keep only the rows like this.", "metavar": "COLUMN=VALUE"}
    )
    skip_blank: bool = field(
        default=False, metadata={"help": "Leave out rows without a text, which are an error without it."}
    )
    model: str = field(
        default="sentence-transformers/all-MiniLM-L6-v2",
        metadata={"help": "What is fine-tuned: Hub name, local folder, or package:NAME/path.", "metavar": "NAME"},
    )
    freeze_encoder: bool = field(
        default=False,
        metadata={
            "help": "Train only a linear head, on the model's embeddings of the texts, which are computed once: "
            "a round takes a second."
        },
    )
    start_from_probe: bool = field(
        default=False,
        metadata={
            "help": "Begin each round with the model's own pooling and a head that is fitted to the labels bought so "
            "far, on its embeddings, and fine-tune both."
        },
    )
    head_learning_rate_factor: float = field(
        default=1.0, metadata={"help": "How many times as fast as the encoder that head learns.", "metavar": "X"}
    )
    max_length: int = field(default=128, metadata={"help": "Tokens after which a text is cut."})
    embeddings: str = field(
        default="model",
        metadata={
            "help": "Where strategies get embeddings: 'model' is the one being trained (or frozen), 'entities' the "
            "same over the entities it finds; else a sentence-transformers model (Hub name, path, package:...). With "
            "select_with head the frozen encoder, which is --model by default.",
            "metavar": "NAME",
        },
    )
    embeddings_dir: str | None = field(
        default=None,
        metadata={
            "help": "Where embeddings that are computed once are kept; runs may share it. Default: the run directory.",
            "metavar": "FOLDER",
        },
    )
    token_budget: int | None = field(default=None, metadata={"help": "Tokens of a scoring batch."})
    bf16_scoring: bool = field(default=False, metadata={"help": "Score under bfloat16 autocast."})
    annotator: str | None = field(
        default=None,
        metadata={
            "help": "Who labels: you, here, on a page in the browser (web) or in files (csv for whole texts, "
            "conll for entities, jsonl for all), or the labels that the data has ('simulated', an experiment). "
            "Default: simulated if every example has a label, else terminal.",
            "choices": list(ANNOTATORS),
        },
    )
    annotator_name: str | None = field(
        default=None, metadata={"help": "Recorded with each answer: the name of who labels.", "metavar": "NAME"}
    )
    hide_suggestions: bool = field(
        default=False, metadata={"help": "Do not show, at first, what the model would answer."}
    )
    strategy: str = field(
        default="margin+kmeans",
        metadata={
            "help": "What to ask about: a strategy of README's table, or a score and what selects by it, "
            "entropy+kmeans.",
            "metavar": "NAME",
        },
    )
    candidates: int | None = field(
        default=None,
        metadata={"help": "Score only so many unlabeled texts, drawn anew at random in each round. Default: all."},
    )
    passes: int | None = field(
        default=None,
        metadata={
            "help": "Passes of Monte-Carlo dropout, for strategies that take draws, such as bald. Default: 10, or no "
            "pass with a committee."
        },
    )
    committee: int | None = field(
        default=None, metadata={"help": "Take these draws from the models of so many last rounds instead."}
    )
    aggregate: str = field(
        default="mean",
        metadata={
            "help": "For entities: how the scores of words become one of their sentence: mean, max, sum, or top, the "
            "mean of the top_words most uncertain ones. For several labels, how theirs become one of the text: mean, "
            "max, or rank, the mean of the ranks in the pool.",
            "choices": ["mean", "max", "sum", "top", "rank"],
        },
    )
    top_words: int = field(default=3, metadata={"help": "Of --aggregate top."})
    sure_outside: float | None = field(
        default=None,
        metadata={"help": "For entities: leave out words that are outside any with at least this probability."},
    )
    unit: str = field(
        default="examples",
        metadata={
            "help": "What query_size, seed_size, holdout and budget count: texts, or, for entities, their words.",
            "choices": [*UNITS],
        },
    )
    select_with: str = field(
        default="model",
        metadata={
            "help": "What picks the queries: the model being trained, or a linear head on a frozen encoder, fitted "
            "anew as soon as answers are in.",
            "choices": [*SELECT_WITH],
        },
    )
    queries_per_round: int = field(
        default=1, metadata={"help": "With select_with head: after how many queries the model is trained."}
    )
    when_idle: str = field(
        default="wait",
        metadata={
            "help": "What people do at the terminal or on the page while a round trains: wait, or answer more (ask), "
            "a head's picks with select_with head, else what the last model would have asked next.",
            "choices": [*WHEN_IDLE],
        },
    )
    train_after: int | None = field(
        default=None,
        metadata={
            "help": "With when_idle ask: after how many new labels, or words, a round trains. Default: those to "
            "queries_per_round queries."
        },
    )
    query_size: int | None = field(
        default=None, metadata={"help": "Texts that a round asks for, or words. Default: 50 texts, or 500 words."}
    )
    seed_size: int | None = field(
        default=None, metadata={"help": "Texts of the first query, or words. Default: query_size."}
    )
    seed_strategy: str | None = field(
        default=None,
        metadata={
            "help": "How the first query is picked. Default: kmeans for text classification, unless the strategy is "
            "random; else random.",
            "choices": [*SEED_STRATEGIES],
        },
    )
    holdout: int | None = field(
        default=None,
        metadata={
            "help": "Have so many texts labeled first, to evaluate on. "
            f"Default: {_HOLDOUT['examples']} (or {_HOLDOUT['words']} words), or a fifth of a small pool; 0 with a "
            "simulated annotator or data to evaluate on."
        },
    )
    rounds: int | None = field(
        default=None,
        metadata={
            "help": "Rounds in all. Default: until the budget is spent, the target or stop met, or all is labeled."
        },
    )
    budget: int | None = field(default=None, metadata={"help": "Labels to buy in all, or words."})
    target_metric: str | None = field(
        default=None, metadata={"help": "Stop when this metric reaches target.", "metavar": "NAME"}
    )
    target: float | None = field(default=None, metadata={"help": "Value of target_metric to stop at."})
    stop: str | None = field(
        default=None,
        metadata={
            "help": "When to stop beside that: kappa, change, f_change, uncertainty, plateau, budget, target, with "
            "arguments if need be, joined by and/or: 'kappa(0.98) or plateau(accuracy, 0.01)'. 'none' goes on with a "
            "run that this had ended.",
            "metavar": "CRITERIA",
        },
    )
    record_stability: bool = field(
        default=False,
        metadata={"help": "Record how predictions change from round to round also where stop does not need it."},
    )
    retrain: str = field(
        default="from_scratch",
        metadata={
            "help": "How a round begins: with fresh weights or the last round's.",
            "choices": [*RETRAIN],
        },
    )
    self_training: float | None = field(
        default=None,
        metadata={
            "help": "Also train on predictions that the last round's model is sure of; each counts so much beside a "
            "label, between 0 and 1 (text classification). Default: do not."
        },
    )
    self_training_threshold: float = field(
        default=0.95, metadata={"help": "From which probability on it is sure of one."}
    )
    keep_models: int | None = field(default=1, metadata={"help": "Of how many last rounds to keep the model."})
    min_steps: int | None = field(
        default=None,
        metadata={
            "help": "Gradient steps of a round at least: more epochs while there are few labels. "
            f"Default: {_MIN_STEPS}, or none where num_train_epochs or max_steps is set."
        },
    )
    estimate: bool = field(
        default=False,
        metadata={
            "help": "For those who hold no texts out: estimate after each round, by cross-validation on the labels "
            "bought, how well a linear head does on a frozen encoder: the one of embeddings, by default --model."
        },
    )
    class_weights: str | None = field(
        default=None,
        metadata={
            "help": "Train with a loss in which rare classes count as much as frequent ones.",
            "choices": [*CLASS_WEIGHTS],
        },
    )
    export: str | None = field(
        default=None,
        metadata={
            "help": "Where the labels go when the run ends: hub:OWNER/NAME, a file or a folder.",
            "metavar": "PATH",
        },
    )
    export_license: str | None = field(
        default=None,
        metadata={"help": "On the Hub: the license of the data, as the Hub writes it, cc-by-4.0.", "metavar": "NAME"},
    )
    export_language: list[str] | None = field(
        default=None,
        metadata={"help": "On the Hub: the language or languages of the texts, in ISO 639-1, en.", "metavar": "A,B"},
    )
    given: dict[str, Any] = field(init=False, repr=False, default_factory=dict)
    """The options of both dataclasses that the YAML file or the command line has set."""
    evaluated: bool = field(init=False, repr=False, default=True)
    """Whether rounds are evaluated on held-out texts, as far as it is known; see `settle`."""

    def __post_init__(self) -> None:
        """Check options that depend on each other.

        Raises:
            ArgumentError: Two of them do not go together, or an option has a value that it cannot have.
        """
        if self.freeze_encoder and self.start_from_probe:
            raise ArgumentError(
                "--start_from_probe fine-tunes the encoder that --freeze_encoder leaves as it is: leave one of them "
                "out, or turn it off (--freeze_encoder false)"
            )
        if self.freeze_encoder and self.select_with == "head" and not self.ask_again:
            raise ArgumentError(
                "--select_with head picks for a model that is fine-tuned, but with --freeze_encoder the head is the "
                "model: leave one of them out"
            )
        factor = self.head_learning_rate_factor
        if not (math.isfinite(factor) and factor > 0):
            raise ArgumentError(f"--head_learning_rate_factor is {factor}, expected a number above 0")
        if factor != 1 and not self.start_from_probe:
            raise ArgumentError(
                f"--head_learning_rate_factor is {factor}, which is for --start_from_probe: add that, or set it to 1"
            )

    def settle(self, pool: "Pool", evaluated: bool) -> None:
        """Decide what was left to the data: who labels, and how many examples are held out.

        Where a run has held some out, these stay, whatever is asked for now.

        Args:
            pool: The run's pool.
            evaluated: Whether there is data to evaluate on.
        """
        from hfal.utils.distributed import on_main  # which loads torch

        self.annotator, self.holdout = on_main(lambda: self._settled(pool, evaluated))
        self.evaluated = evaluated or self.holdout > 0

    def _settled(self, pool: "Pool", evaluated: bool) -> tuple[str, int]:
        from hfal.acquisition.first_queries import holdout_of

        kind = pool.task.kind
        person = PERSON if kind.screen else kind.formats[0]
        annotator = self.annotator or (SIMULATION if pool.store.info.labels_are_hidden else person)
        holdout, held = self.holdout, holdout_of(pool, self.unit)
        if held is not None and holdout is None:
            holdout = held.size
        elif held is not None and holdout and not held.fits(holdout):
            logger.warning("--holdout is %d, but %s: that stays", holdout, held)
            holdout = self.given["holdout"] = held.size
        elif holdout is None and (pool.store.queries() or evaluated or ANNOTATORS[annotator].is_simulation):
            holdout = 0
        elif holdout is None:
            sizes = [int(pool.costs(self.unit)[pool.unlabeled_positions()].sum())]
            sizes += [] if self.budget is None else [self.budget]
            holdout = min(_HOLDOUT[self.unit], *(size // 5 for size in sizes))
        logger.info(
            "%s in the pool%s, annotator %s, %s held out; all is kept in %s",
            counted(len(pool), "text"),
            f", labels {joined_names(pool.label_names)}" if pool.label_names else "",
            annotator,
            counted(holdout if held is None else held.size, "word" if self.unit == "words" else "text"),
            pool.run_dir,
        )
        return annotator, holdout

    def criterion(self, usual: str) -> "Criterion | None":
        """Parse `stop`, with what other options say where it leaves something out.

        Args:
            usual: The metric that `plateau` looks at where it does not say; its estimate, where that is all there is.

        Raises:
            ArgumentError: It cannot be read.
        """
        from hfal.stopping.expressions import parse_stop

        if self.stop is None:
            return None
        if self.estimate and not self.evaluated:
            usual = f"{ESTIMATED}{usual}"
        target = None if self.target_metric is None or self.target is None else (self.target_metric, self.target)
        return parse_stop(str(self.stop), metric=usual, budget=self.budget, unit=self.unit, target=target)

    def callback_options(self) -> dict[str, Any]:
        """Return the options that `ActiveLearningCallback` takes by the same name, once `settle` has been called."""
        names = {option.name for option in (*fields(QueryOptions), *fields(LoopOptions))}
        options = {option.name: getattr(self, option.name) for option in fields(self) if option.name in names}
        options["stop"] = self.criterion(kind_of(self.task).usual_metric)
        if (self.select_with == "head" or self.estimate) and self.embeddings == "model":
            options["embeddings"] = self.model
        if self.min_steps is None:
            options["min_steps"] = 0 if self.given.keys() & {"num_train_epochs", "max_steps"} else _MIN_STEPS
        if self.when_idle == "wait" and "when_idle" in self.given:
            options["train_after"] = None  # kept of an earlier start
        return options


@dataclass
class TrainingOptions:
    """Training options that people change, or whose default is not that of `TrainingArguments`.

    `hfal.config.training_arguments.RoundTrainingArguments` is made of these and of `TrainingArguments`.
    """

    output_dir: str | None = field(
        default=None,
        metadata={"help": "The run directory. Default: runs/ and the name of the data.", "metavar": "RUN_DIR"},
    )
    num_train_epochs: float = field(default=10.0, metadata={"help": "Epochs of each round."})
    learning_rate: float = field(default=1e-4, metadata={"help": "The highest learning rate, after the warm-up."})
    warmup_steps: float = field(
        default=0.1, metadata={"help": "Steps of warm-up; below 1, the part of all steps that it takes."}
    )
    per_device_train_batch_size: int = field(default=16, metadata={"help": "Examples of a training batch."})
    per_device_eval_batch_size: int = field(default=32, metadata={"help": "Examples of an evaluation batch."})
    bf16: bool = field(default=False, metadata={"help": "Train in bfloat16, on hardware made for it."})
    use_cpu: bool = field(default=False, metadata={"help": "Train on the CPU though there is a GPU."})
    seed: int = field(default=42, metadata={"help": "Seeds everything that is random."})
    save_strategy: str = field(
        default="no", metadata={"help": "When a round saves checkpoints: no, epoch, steps, best."}
    )
    logging_strategy: str = field(default="no", metadata={"help": "When the training loss is logged."})
    report_to: list[str] = field(
        default_factory=lambda: ["none"], metadata={"help": "Trackers: none, tensorboard, trackio, all, ..."}
    )
    log_level: str = field(default="error", metadata={"help": "What transformers says: error, warning, info, ..."})
    log_level_replica: str = field(
        default="error", metadata={"help": "The same for the processes of several that are not the main one."}
    )
    dataloader_pin_memory: bool = field(default=False, metadata={"help": "Whether to pin memory for a GPU."})


GROUPS = {
    "data": "data task text label labels thresholds id show split pool_size eval_split eval_size data_config "
    "data_filter skip_blank",
    "model": "model freeze_encoder start_from_probe head_learning_rate_factor max_length embeddings embeddings_dir "
    "token_budget bf16_scoring",
    "labeling": "annotator annotator_name hide_suggestions strategy candidates passes committee aggregate top_words "
    "sure_outside select_with queries_per_round when_idle train_after query_size seed_size seed_strategy holdout",
    "several people": "annotators overlap overlap_share ask_again aggregate_labels soft_labels error_rate",
    "page": "host port allow_host embed guidelines no_browser idle_minutes lease_minutes",
    "rounds": "rounds budget unit target_metric target stop record_stability estimate retrain self_training "
    "self_training_threshold keep_models export export_license export_language",
    "training": "output_dir num_train_epochs min_steps class_weights learning_rate warmup_steps "
    "per_device_train_batch_size per_device_eval_batch_size bf16 use_cpu seed save_strategy report_to",
}
"""The options that `hfal run --help` shows, in its order."""


def references_in(options: Mapping[str, Any]) -> dict[str, str]:
    """Return the options that name data or a model, which may be a path."""
    found = {name: options[name] for name in ("data", "model", "embeddings") if name in options}
    if found.get("embeddings") in ("model", "entities"):  # made by the model that is trained
        del found["embeddings"]
    return found
