"""Options of a run in which several people label."""

from dataclasses import dataclass, field

from hfal.store.run_info import AGGREGATIONS


@dataclass(kw_only=True)
class TeamOptions:
    """Options of a run in which several people label."""

    annotators: list[str] = field(
        default_factory=list,
        metadata={
            "help": "Who labels, where that is more than one person: anna,ben. On the page each says who they are; in "
            "files each has one. 'anybody': who comes to the page gives a name.",
            "metavar": "NAME,NAME",
        },
    )
    overlap: int = field(default=1, metadata={"help": "How many people label a text. The budget counts each of them."})
    overlap_share: float = field(
        default=1.0,
        metadata={"help": "Which share of the texts has so many; the others are labeled by one.", "metavar": "X"},
    )
    ask_again: bool = field(
        default=False,
        metadata={
            "help": "Ask another person about a labeled text where that is worth more than a new text, with "
            "select_with head (text classification)."
        },
    )
    error_rate: float = field(
        default=0.0, metadata={"help": "With simulated annotators: the share of their labels that is wrong."}
    )
    aggregate_labels: str | None = field(
        default=None,
        metadata={
            "help": "How one label is made of several people's: the latest, by majority, or weighing people by how "
            "reliable they are found to be, each by one number (one_coin), or by a matrix (dawid_skene). Default: "
            "majority with overlap or ask_again, else latest.",
            "choices": [*AGGREGATIONS],
        },
    )
    soft_labels: bool = field(
        default=False,
        metadata={
            "help": "Text classification: train on the probability of each label where it is made of several people's."
        },
    )
