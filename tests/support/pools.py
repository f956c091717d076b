"""Pools of four short texts."""

from datasets import Dataset

from hfal import Pool
from hfal.store.records import Origin, Queried, Query
from support.models import NAMES


def a_pool(run_dir, texts=("good", "bad", "fine", "awful"), labels=None, **options) -> Pool:
    columns = {"text": list(texts)}
    if labels is not None:
        columns["label"] = labels
        options.setdefault("label_column", "label")
    return Pool(Dataset.from_dict(columns), run_dir, "text", label_names=options.pop("label_names", NAMES), **options)


def query(pool: Pool, *ids: str, purpose: str = "round") -> None:
    origins = pool.store.origins()
    examples = tuple(
        Queried(i, pool.content(p), *pool.texts([p]), shown=pool.shown([p])[0], **origins.get(i, Origin())._asdict())
        for i, p in zip(ids, pool.positions(ids), strict=True)
    )
    pool.store.add_query(Query(int(purpose == "round"), purpose, "random", 0, examples))


def ids_of(pool: Pool) -> list[str]:
    return pool.ids.to_pylist()
