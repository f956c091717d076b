"""A stream and the rounds of its run: texts are considered until enough are asked, and then a round is trained."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from transformers import Trainer

from hfal.annotators.file.annotator import FileAnnotator
from hfal.data.pool import Pool
from hfal.data.pool_examples import EMBEDDING
from hfal.data.stream_files import Batch
from hfal.errors import ArgumentError
from hfal.store.stream_log import StreamPlan
from hfal.strategies.stream_budgets import BudgetManager, FixedThreshold
from hfal.tasks.words import plain_text
from hfal.training.callback import ActiveLearningCallback
from hfal.training.frozen_encoder import embeddings_of
from hfal.training.frozen_head import FrozenHead
from hfal.training.stream import Stream, stream_parts
from hfal.utils.output import get_logger
from hfal.utils.spelling import counted, joined_names


logger = get_logger(__name__)

_LEAST, _MOST = 50, 1000  # texts of a batch


def batch_size(plan: StreamPlan) -> int:
    """Return how many texts are considered at a time: some of those after which a round trains."""
    return int(min(max(plan.train_after / plan.budget / 2, _LEAST), _MOST))


def row_of(pool: Pool) -> Callable[[Any], Mapping[str, Any] | None]:
    """Return a function that makes the columns of a text of a JSON value: an object, or the text itself.

    Of a pool with one text column, the text may be in `text` too. A blank text gives `None`.
    """
    names = pool.text_columns

    def columns(value: Any) -> Mapping[str, Any] | None:
        row = value if isinstance(value, Mapping) else {names[0]: value} if len(names) == 1 else {}
        if len(names) == 1 and names[0] not in row and "text" in row:
            row = {**row, names[0]: row["text"]}
        missing = [name for name in names if row.get(name) is None]
        if missing:
            has = f"it has {joined_names(row)}" if row else "it is no object"
            raise ArgumentError(f"there is no text in {joined_names(missing)}; {has}")
        for name in names:
            text = row[name]
            in_words = pool.task.kind.of_words and isinstance(text, list)
            if not (isinstance(text, str) or (in_words and all(isinstance(word, str) for word in text))):
                raise ArgumentError(f"{name!r} is a {type(text).__name__}, expected a text")
        return row if all(plain_text(row[name]).strip() for name in names) else None

    return columns


class StreamRounds:
    """Considers a stream, and trains a round whenever as many texts were asked as the plan says.

    Args:
        active: The callback of the run, with its annotator.
        trainer: Its Trainer.
        plan: What is asked of the stream; kept, once it is known to fit.

    Raises:
        ArgumentError: It does not.
    """

    def __init__(self, active: ActiveLearningCallback, trainer: Trainer, plan: StreamPlan):
        if plan.train_after < 1:
            raise ArgumentError(f"train_after={plan.train_after}, expected at least 1 text")
        self._manager: str | BudgetManager = plan.manager
        if plan.threshold is not None:
            self._manager = FixedThreshold(plan.threshold)
        stream_parts(active.pool, plan.strategy, plan.budget, self._manager, plan.random_share)  # before it trains
        active.pool.store.set_stream_plan(plan)
        active.options = replace(active.options, when_idle="wait", train_after=None)
        self.active = active
        self.trainer = trainer
        self.plan = plan
        self._store = active.pool.store
        # Whoever fills in files cannot be waited for where the texts would be gone meanwhile.
        self._in_files = isinstance(active.annotator, FileAnnotator)
        self._waits = plan.data != "-" or not self._in_files

    def run(self, batches: Callable[[Mapping[str, int]], Iterable[Batch]]) -> None:
        """Train the first round, where there is none, and consider the stream to its end.

        Args:
            batches: Reads the texts, given how many bytes of each file were decided on.

        Raises:
            AnswersPending: People have to answer first.
            ArgumentError: A text does not fit.
        """
        with self._store.own(), self._size_of_pool_is_kept():
            self._run_rounds(max(self._store.last_finished(), 1))
            stream = self._stream()
            for batch in batches(stream.state.offsets):
                if self._waits and self._is_due and not self._train():
                    return
                if batch.rows or batch.source is not None:
                    stream.consider(batch.rows, source=batch.source)
                elif self._store.open_queries() and not self._in_files:
                    self.active.annotate()  # nothing new has come, so there is time
            if not self._is_due and self._store.open_queries():
                self.active.annotate()
            if self._is_due:
                self._train()

    @contextlib.contextmanager
    def _size_of_pool_is_kept(self) -> Iterator[None]:
        """Record at the end how many examples the pool has, for those who only read the store."""
        try:
            yield
        finally:
            if self._store.plan is not None:
                self._store.set_plan(replace(self._store.plan, pool_size=len(self.active.pool)))

    @property
    def _is_due(self) -> bool:
        """Whether enough was asked since the last round began: what was answered, and what is open."""
        asked = self._store.labels_bought() + sum(self._store.opinions_asked().values())
        return asked - self._store.rounds()[-1].labels >= self.plan.train_after

    def _train(self) -> bool:
        """Have what is asked answered, and train a round; return whether the run goes on."""
        before = self._store.last_finished()
        self._run_rounds(before + 1)
        if self._store.last_finished() > before:
            return True
        logger.info("no other round is trained, and the stream stops: %s", self._store.why_ended())
        return False

    def _run_rounds(self, rounds: int) -> None:
        pool, acquisition = self.active.pool, self.active.acquisition
        vectors = acquisition.options.embeddings
        if isinstance(vectors, np.ndarray) and len(vectors) < len(pool):  # the frozen encoder's
            acquisition.options = replace(acquisition.options, embeddings=embeddings_of(pool.dataset))
        self.active.run(self.trainer, rounds=rounds)

    def _stream(self) -> Stream:
        plan, pool, options = self.plan, self.active.pool, self.active.acquisition.options
        source: Trainer | FrozenHead = self.trainer
        if EMBEDDING in pool.dataset.column_names:
            source = FrozenHead(pool, self.trainer.model.config.encoder_name_or_path, options.embeddings_dir)
        elif options.select_with == "head" and not pool.task.kind.of_words:
            source = FrozenHead(pool, options.embeddings, options.embeddings_dir)
        logger.info(
            "%s: a round is trained whenever %s asked", plan.data, counted(plan.train_after, "text is", "texts are")
        )
        return Stream(
            pool,
            source,
            strategy=plan.strategy,
            budget=plan.budget,
            manager=self._manager,
            random_share=plan.random_share,
            overlap=options.overlap,
            seed=options.seed,
        )
