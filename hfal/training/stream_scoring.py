"""Score texts that are not in the pool: with the model of a Trainer, or with a head on a frozen encoder."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from transformers import Trainer

from hfal.acquisition.embeddings import embed_texts
from hfal.acquisition.forward import eval_mode, forward_columns
from hfal.acquisition.provenance import model_name
from hfal.acquisition.scoring import ScoringPass
from hfal.data.pool import Pool
from hfal.data.pool_examples import PoolExamples
from hfal.errors import ArgumentError, DivergedError
from hfal.strategies import Strategy
from hfal.strategies.registry import FAMILIES
from hfal.strategies.resolve import resolve_strategy
from hfal.strategies.selection import top_k
from hfal.tasks.base import Task
from hfal.tasks.kinds import TASK_OF_FAMILY
from hfal.training.frozen_encoder import FrozenEncoderForSequenceClassification
from hfal.training.frozen_head import FrozenHead, Head


class Scored(NamedTuple):
    """The result of a pass over texts.

    Attributes:
        scores: The acquisition scores, float64[n].
        suggested: What the model says of each, and how sure it is.
    """

    scores: np.ndarray
    suggested: Sequence[tuple[Any, float]]


class Scorer(Protocol):
    """Scores texts that are not in the pool."""

    prepared: bool
    """Whether the texts need the columns that the Trainer's model takes."""

    round: int
    """The last round that has ended, 0 before the first."""

    @property
    def model(self) -> str:
        """The model's name, for records."""
        ...

    def begin(self) -> None:
        """Take up what was answered and trained since the last call.

        Raises:
            ArgumentError: There is no model yet.
        """
        ...

    def signals(
        self, texts: PoolExamples, keep: frozenset[str], score: Callable[..., torch.Tensor] | None
    ) -> dict[str, np.ndarray]:
        """Return `"scores"`, `"embeddings"`, and what the task's `signals` can say, float32[n, ...], by name."""
        ...

    def score(self, texts: PoolExamples) -> Scored:
        """Score texts."""
        ...

    def added(self, rows: np.ndarray) -> None:
        """Note that some rows of the texts that were scored last are in the pool now, int[k], in this order."""
        ...


def stream_strategy(strategy: Any, pool: Pool) -> Strategy:
    """Return the strategy that a name or a function stands for, if it scores each text by itself.

    Args:
        strategy: As `hfal.strategies.resolve.resolve_strategy` takes it.
        pool: The pool, whose task it has to fit.

    Raises:
        ArgumentError: It compares texts, or takes several passes.
    """
    family = pool.task.kind.family
    found = resolve_strategy(strategy, family, pool.task.outside, TASK_OF_FAMILY)
    if _scores_alone(found):
        return found
    resolved = {name: resolve_strategy(name, family, pool.task.outside) for name in FAMILIES[family].scores}
    names = ", ".join(name for name, one in resolved.items() if _scores_alone(one))
    raise ArgumentError(
        f"strategy={found.name!r} compares texts or takes several passes, but those of a stream are decided on one by "
        f"one: take a score of one pass, {names}"
    )


def _scores_alone(strategy: Strategy) -> bool:
    if strategy.score is None or strategy.rescore is not None or strategy.among is not None or strategy.draws:
        return False
    return strategy.select is top_k and strategy.needs == {"scores"}


def make_scorer(pool: Pool, source: Trainer | FrozenHead, strategy: Strategy) -> Scorer:
    """Return what scores with the model of a Trainer, or with a head.

    Raises:
        TypeError: `source` is neither.
        ArgumentError: It is a head that cannot embed other texts, or is of another pool.
    """
    if isinstance(source, Trainer):
        return _TrainerScorer(pool, source, strategy)
    if isinstance(source, FrozenHead):
        return _HeadScorer(pool, source, strategy)
    raise TypeError(f"trainer_or_head is a {type(source).__name__}, expected a Trainer or a FrozenHead")


class _TrainerScorer:
    """Scores with the model of a Trainer, as it is."""

    round = 0

    def __init__(self, pool: Pool, trainer: Trainer, strategy: Strategy):
        self._pool = pool
        self._trainer = trainer
        self._strategy = strategy
        self.prepared = not isinstance(trainer.model, FrozenEncoderForSequenceClassification)

    def begin(self) -> None:
        self.round = self._pool.store.last_finished()
        if not self.round:
            raise ArgumentError(
                f"the Trainer has no trained model yet: no round has ended in {self._pool.run_dir}; train one first, "
                "active.run(trainer, rounds=1)"
            )

    @property
    def model(self) -> str:
        return model_name(self._trainer.model)

    def signals(
        self, texts: PoolExamples, keep: frozenset[str], score: Callable[..., torch.Tensor] | None
    ) -> dict[str, np.ndarray]:
        model, args, task = self._trainer.model, self._trainer.args, texts.task
        if not self.prepared:  # `prepare` would keep their embeddings on the disk
            vectors = embed_texts(texts.dataset, texts.text_columns, model.config.encoder_name_or_path)
            return _signals_of_head(model, vectors, task, keep, score)
        columns = [name for name in texts.columns_without_labels if name != self._pool.label_column]
        if args.remove_unused_columns:
            columns = forward_columns(model, columns)
        scoring = ScoringPass(
            model,
            texts.rows_to_score(columns),
            texts.lengths,
            task.collator(self._trainer.data_collator, columns),
            signals=task.signals,
            autocast=torch.bfloat16 if args.bf16 else torch.float16 if args.fp16 else None,
        )
        return scoring.run(np.arange(len(texts)), keep=keep, score=score)

    def score(self, texts: PoolExamples) -> Scored:
        return _scored(self, texts, self._strategy)

    def added(self, rows: np.ndarray) -> None:
        """Nothing: the Trainer's model reads the pool when it is trained."""


class _HeadScorer:
    """Scores with a head on a frozen encoder, fitted anew when there are other answers."""

    prepared = False
    round = 0

    def __init__(self, pool: Pool, head: FrozenHead, strategy: Strategy):
        if head.pool.store is not pool.store:
            raise ArgumentError("the FrozenHead was made for another pool: pass FrozenHead(pool, encoder)")
        if pool.task.kind.of_words:
            raise ArgumentError("a FrozenHead cannot score new texts with entities: pass a Trainer")
        if not head.can_embed:
            raise ArgumentError(
                "the FrozenHead was made of embeddings, and cannot embed new texts: pass FrozenHead(pool, encoder) "
                "with the name or path of a sentence-transformers model"
            )
        self._pool = pool
        self._head = head
        self._strategy = strategy
        self._seen: int | None = None
        self._vectors = np.empty((0, 0), np.float32)
        self._fitted: Head

    def begin(self) -> None:
        store, known = self._pool.store, len(self._head.pool)
        if known < len(self._pool):  # added by others than this stream
            added = self._pool.unseen(self._pool.texts(range(known, len(self._pool))), prepared=False)
            self._head.follow(self._pool, self._head.embed(added))
        self.round = store.last_finished()
        seen = store.last_answer()
        if seen == self._seen:
            return
        if not store.training_answers():
            raise ArgumentError(
                f"the head has nothing to be fitted to: no example is labeled in {self._pool.run_dir}; have some "
                "labeled first"
            )
        self._fitted, self._seen = self._head.fit(seen), seen

    @property
    def model(self) -> str:
        return f"head on {self._head.encoder_name}"

    def signals(
        self, texts: PoolExamples, keep: frozenset[str], score: Callable[..., torch.Tensor] | None
    ) -> dict[str, np.ndarray]:
        self._vectors = self._head.embed(texts)
        return _signals_of_head(self._fitted, self._vectors, texts.task, keep, score)

    def score(self, texts: PoolExamples) -> Scored:
        return _scored(self, texts, self._strategy)

    def added(self, rows: np.ndarray) -> None:
        self._head.follow(self._pool, self._vectors[rows])


def _scored(scorer: Scorer, texts: PoolExamples, strategy: Strategy) -> Scored:
    task = texts.task
    arrays = scorer.signals(texts, frozenset({"scores"}) | task.suggestion_signals, strategy.score)
    return Scored(arrays["scores"].astype(np.float64), task.suggestions(arrays, np.arange(len(texts))))


def _signals_of_head(
    head: Any, vectors: np.ndarray, task: Task, keep: frozenset[str], score: Callable[..., torch.Tensor] | None
) -> dict[str, np.ndarray]:
    """Return what a head on a frozen encoder says of texts, by their embeddings, float32[n, D]."""
    with torch.inference_mode(), eval_mode(head):
        device = next(head.parameters()).device
        logits = head(torch.from_numpy(vectors).to(device)).logits
        signals = task.signals(logits, None, None, keep - {"embeddings"}, score)
    arrays = {name: values.cpu().numpy() for name, values in signals.items()}
    if not arrays.pop("finite").all():
        raise DivergedError("the head's outputs are NaN or infinite for some texts: name another encoder")
    return {**arrays, "embeddings": vectors} if "embeddings" in keep else arrays
