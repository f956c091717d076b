"""What the card of a run says of several people who have labeled the same texts."""

from collections import Counter
from collections.abc import Mapping
from math import isnan
from typing import Any

from hfal.export.history import OWN_NAMES
from hfal.store.answer_log import SETTLE
from hfal.store.run_info import RunPlan
from hfal.store.store import Store
from hfal.tasks.agreement import krippendorff_alpha, mean_of_defined
from hfal.tasks.opinions import opinion_tables
from hfal.utils.spelling import counted


_METHODS = {
    "latest": "the one that was given last holds",
    "majority": "the one that most people gave holds",
    "one_coin": "each counts by how reliable its annotator was found to be, one number for each person (one-coin "
    "Dawid-Skene)",
    "dawid_skene": "each counts by how reliable its annotator was found to be, a matrix of labels for each person "
    "(Dawid-Skene)",
}


def about_team(store: Store) -> str:
    """Describe how many people labeled the same texts, how far they agree, and how one label was made of theirs.

    Args:
        store: What the run knows.

    Returns:
        A paragraph without names; empty where no text has the labels of several people, and none was settled.
    """
    labels = {
        example_id: {name: answer.label for name, answer in of.items() if answer.label is not None}
        for example_id, of in store.opinions().items()
    }
    several = [of for of in labels.values() if len(of) > 1]
    settled = sum(answer.action == SETTLE for answer in store.current_answers().values())
    if not several and not settled:
        return ""
    people = {name for of in labels.values() for name in of}.difference(OWN_NAMES)
    things = store.kind.things
    labeled, opinions = sum(map(bool, labels.values())), sum(map(len, labels.values()))
    method = (store.plan or RunPlan()).aggregate_labels
    said = [
        f"{counted(len(people), 'person', 'people')} gave {counted(opinions, 'label')} to "
        f"{counted(labeled, things.removesuffix('s'))}; {len(several):,} of these got labels from more than one.",
        *([f"Of several labels {_METHODS[method]}."] if several else []),
        f"{counted(settled, 'label was', 'labels were')} settled by somebody afterwards." if settled else "",
        _agreement(store, several) if several else "",
    ]
    return " ".join(filter(None, said))


def _agreement(store: Store, opinions: list[dict[str, Any]]) -> str:
    alpha = agreement(store, opinions)
    of_what = (
        "of words" if store.kind.of_words else "as a mean over labels" if store.kind.is_table_for_each_name else ""
    )
    name = f"Krippendorff's alpha {of_what}".rstrip()
    if isnan(alpha):
        return f"{name} is undefined: all labels are the same."
    return f"{name}: {alpha:.3f} (1 is perfect agreement, 0 what chance would give)."


def agreement(store: Store, opinions: list[dict[str, Any]]) -> float:
    """Return Krippendorff's alpha of some opinions, of sets the mean over the labels for which it is defined; or NaN.

    Args:
        store: What the run knows.
        opinions: The labels of examples, by annotator.
    """
    tables = opinion_tables(store.kind, store.info.label_names, opinions)
    return float(mean_of_defined([krippendorff_alpha(table.opinions) for table in tables]))


def opinions_in_words(wanted: int | Mapping[str, int]) -> str:
    """Describe how many people a query asked to label its examples, without the ids of these.

    Args:
        wanted: A number for all, or by id.
    """
    if isinstance(wanted, int):
        return str(wanted)
    return ", ".join(f"{number} on {examples}" for number, examples in sorted(Counter(wanted.values()).items()))
