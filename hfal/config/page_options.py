"""Options of the page that `--annotator web` serves, and `hfal label --web`."""

from dataclasses import dataclass, field, fields
from typing import Any


@dataclass(kw_only=True)
class PageOptions:
    """Options of the page; `WebAnnotator` says more of each."""

    host: str = field(
        default="127.0.0.1",
        metadata={
            "help": "Where the page is served: for this machine alone, or 0.0.0.0 for the network, where the link "
            "that is printed has a token.",
            "metavar": "HOST",
        },
    )
    port: int = field(default=0, metadata={"help": "The page's port. Default: one that is free."})
    allow_host: list[str] = field(
        default_factory=list,
        metadata={"help": "Other names by which the page is reached, such as that of a proxy.", "metavar": "NAME"},
    )
    embed: list[str] = field(
        default_factory=list,
        metadata={"help": "Origins whose pages may have the page in a frame.", "metavar": "ORIGIN"},
    )
    guidelines: str | None = field(
        default=None,
        metadata={"help": "A file in Markdown that the page shows beside the texts.", "metavar": "FILE.md"},
    )
    no_browser: bool = field(default=False, metadata={"help": "Only print the page's address."})
    idle_minutes: float | None = field(
        default=None,
        metadata={"help": "End the run when nobody has done anything on the page for so long. Default: never."},
    )
    lease_minutes: float = field(
        default=10.0,
        metadata={"help": "Several people: when somebody has done nothing for so long, others get the text."},
    )

    def page_arguments(self) -> dict[str, Any]:
        """Return the keyword arguments of `WebAnnotator`."""
        values = {option.name: getattr(self, option.name) for option in fields(PageOptions)}
        no_browser = values.pop("no_browser")
        return {**values, "open_browser": False if no_browser else None}
