"""Queries that several people answer in files: which texts each of them has, and how their files are called."""

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from hfal.annotators.base import OpenQuery, Question
from hfal.store.run_directory import query_file


_LONGEST = 40  # characters of a person's name in that of a file


class Part(NamedTuple):
    """The texts of a query that one person is to label in one file.

    Attributes:
        name: The person.
        number: Which file of this query it is for that person, counted from 1; more than one has who is given texts
            of somebody who labels no more.
        example_ids: The ids of the texts, in the order in which to ask.
    """

    name: str
    number: int
    example_ids: Sequence[str]

    def path(self, folder: Path, query: int, format: str) -> Path:
        """Return the file of this part."""
        more = "" if self.number == 1 else f".{self.number}"
        return query_file(folder, query, format, f".{file_name_of(self.name)}{more}")


def file_name_of(name: str) -> str:
    """Return what stands for a person in the names of files: the name, if it has only letters, digits, - and _.

    Else these of it, with a hash of the name by which no other name gives the same. Names that differ in capitals
    alone, which some file systems hold for the same, are not told apart: `check_team_names` refuses them.
    """
    plain = unicodedata.normalize("NFC", "".join(c if c.isalnum() or c in "-_" else "-" for c in name))[:_LONGEST]
    if plain == name:
        return name
    return f"{plain.strip('-') or '_'}.{blake2b(name.encode(), digest_size=5).hexdigest()}"


def files_of_people(folder: Path, formats: Iterable[str], people: Iterable[str]) -> dict[Path, str]:
    """Return the files of queries in a folder that are of these people, each with its person, by their queries."""
    named = {file_name_of(name): name for name in people}
    found = []
    for path in (path for format in formats if named for path in folder.glob(f"query-*.{format}")):
        # Some file systems take the letters of a name apart. A number of a part is shorter than any hash.
        parts = re.fullmatch(r"query-(\d+)\.(.+?)(?:\.(\d{1,4}))?", unicodedata.normalize("NFC", path.stem))
        if parts is not None and parts[2] in named:
            found.append((int(parts[1]), parts[2], int(parts[3] or 1), path))
    return {path: named[name] for _, name, _, path in sorted(found)}


def is_of_a_person(file: Path) -> bool:
    """Whether the file of a query is that of one person of several."""
    return "." in file.stem


def said_by(query: OpenQuery) -> set[tuple[str, str]]:
    """Return who has answered what, as `(example_id, annotator)`."""
    return {(answer.example_id, str(answer.annotator)) for answer in query.answers()}


def further_parts(query: OpenQuery, people: Sequence[str], parts: Sequence[Part]) -> list[Part]:
    """Give the open questions of a query that too few people have to others, as evenly as that goes.

    Nobody gets a text that they have answered, or have already. Who has the fewest gets the next one; of several with
    as many it is drawn by the ids of examples, so that all pairs of people get texts together.

    Args:
        query: The query.
        people: Their names.
        parts: What they, and maybe others, have already.
    """
    said = said_by(query)
    open_ids = {question.example_id for question in query.questions}
    count = dict.fromkeys(people, 0)
    has: dict[str, set[str]] = {name: set() for name in people}
    for part in parts:
        if part.name in has:
            has[part.name].update(part.example_ids)
            count[part.name] += sum(i in open_ids and (i, part.name) not in said for i in part.example_ids)
    added: dict[str, list[str]] = {name: [] for name in people}
    for question in query.questions:
        example_id = question.example_id
        open_to = [name for name in people if (example_id, name) not in said]
        free = sorted(
            (name for name in open_to if example_id not in has[name]),
            key=lambda name: (count[name], blake2b(f"{example_id}\n{name}".encode(), digest_size=8).digest()),
        )
        for name in free[: max(question.opinions - len(open_to) + len(free), 0)]:
            added[name].append(example_id)
            count[name] += 1
    number = {name: 1 + sum(part.name == name for part in parts) for name in people}
    return [Part(name, number[name], ids) for name, ids in added.items() if ids]


def questions_of(
    query: OpenQuery, parts: Iterable[Part], people: Collection[str]
) -> list[tuple[Part, tuple[Question, ...]]]:
    """Return the parts of people who label now, each with its questions that are still open.

    Args:
        query: The query.
        parts: The parts of it, those of others among them.
        people: Who labels now.
    """
    said, asked = said_by(query), {question.example_id: question for question in query.questions}
    times: Counter[str] = Counter()  # more may have a question than are still to answer it: others have, elsewhere
    found = []
    for part in parts:
        if part.name in people:
            ids = [i for i in part.example_ids if i in asked and (i, part.name) not in said]
            found.append((part, tuple(asked[i] for i in ids if times[i] < asked[i].opinions)))
            times.update(ids)
    return found
