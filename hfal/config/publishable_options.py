"""Decide which of the options that a run was started with may be shown to others."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from hfal.config.arguments import references_in
from hfal.config.page_options import PageOptions
from hfal.data.references import is_local, without_paths
from hfal.store.run_info import PublishedOptions


_OF_NO_USE = (  # to run it again
    "output_dir",
    "embeddings_dir",
    "annotator_name",
    "export",
    "export_license",
    "export_language",
    *(option.name for option in fields(PageOptions)),
)
_NEVER_PUBLISHED = (*_OF_NO_USE, "data_filter", "annotators")
_NEVER_PATHS = ("labels", "thresholds", "text", "label", "id", "show", "stop", "strategy")  # whatever they look like


def publishable_options(options: Mapping[str, Any], others: Sequence[str]) -> PublishedOptions:
    """Return the options without all that says where something is, or who did it.

    Args:
        options: The options that a run was started with.
        others: The names of options about which nothing is known, so that their values stay out.
    """
    local = {name for name, reference in references_in(options).items() if is_local(reference)}
    tokens = {name for name in options if name.endswith("token")}
    private = {*_NEVER_PUBLISHED, *local, *tokens}
    published = {name: value for name, value in options.items() if name not in private}
    shown = {name: value if name in _NEVER_PATHS else without_paths(value) for name, value in published.items()}
    left_out = [name for name in options if name in private.difference(_OF_NO_USE, tokens)]
    return PublishedOptions(shown, [*left_out, *others])
