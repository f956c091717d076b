"""Membership query synthesis in a run: texts that are made near the decision boundary are asked like others."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase, Trainer

from hfal.acquisition.embeddings import sentence_encoder
from hfal.acquisition.label_budget import LabelBudget
from hfal.acquisition.provenance import Made, record_query
from hfal.acquisition.synthesis import Labeled, MadeText, Rewrite, synthesize, without_copies
from hfal.acquisition.word_neighbors import WordNeighbors
from hfal.data.pool import Pool
from hfal.data.pool_examples import PoolExamples
from hfal.errors import ArgumentError
from hfal.store.records import SYNTHESIS, Query
from hfal.store.run_info import RunPlan
from hfal.strategies import Signals, Strategy, resolve_strategy
from hfal.tasks.kinds import TASK_OF_FAMILY
from hfal.tasks.words import plain_text
from hfal.training.frozen_encoder import FrozenEncoderForSequenceClassification
from hfal.training.frozen_head import FrozenHead
from hfal.training.loop import owned
from hfal.training.stream_scoring import make_scorer
from hfal.utils.distributed import is_main, on_main
from hfal.utils.output import get_logger
from hfal.utils.spelling import counted


logger = get_logger(__name__)

_SIGNALS = frozenset({"scores", "probabilities", "embeddings"})
_LABELED = 20  # labeled texts that are looked at, for each text that is asked for
_CONTEXTS = 20_000  # texts of the pool in which pairs of words are looked up


class Synthesizer:
    """Makes texts near a model's decision boundary, adds them to the pool, and records the query that asks about them.

    Parts of two labeled texts that the model tells apart are joined, and words are replaced by neighbors in the
    encoder's input embeddings, searching for the least margin: see `hfal.acquisition.synthesis`. Copies and near
    copies of texts of the pool are left out, and nothing is made of held-out texts. The texts are meant to be English:
    of others fewer can be joined, and a stop word may be replaced. Some of what is made makes no sense.

    Args:
        pool (`Pool`):
            The pool, made with `prepare`, for text classification with or without several labels, and with one text
            column.
        trainer_or_head (`transformers.Trainer` or `hfal.training.frozen_head.FrozenHead`):
            The model: that of a Trainer as it is now, such as at the end of `run`, or a linear head on a frozen
            encoder, which is fitted to the labels that there are.
        size (`int`, *optional*, defaults to 50):
            How many texts to ask for.
        strategy (`str`, or as for `ActiveLearningCallback`, *optional*, defaults to `"margin"`):
            Chooses among the texts that were made, of which there are up to four times as many: a score, or a score
            and a selection that reads embeddings of the candidates alone, such as `"margin+kmeans"`.
        seed (`int`, *optional*, defaults to 0):
            Seeds every choice.
        overlap (`int`, *optional*, defaults to 1):
            How many people are to label each text.
        rewrite (`Callable`, *optional*):
            Makes more texts: see `hfal.acquisition.synthesis.Rewrite`.

    Raises:
        ArgumentError: The pool, the model or an argument does not fit.
        TypeError: `trainer_or_head` is neither.
    """

    def __init__(
        self,
        pool: Pool,
        trainer_or_head: Trainer | FrozenHead,
        *,
        size: int = 50,
        strategy: Any = "margin",
        seed: int = 0,
        overlap: int = 1,
        rewrite: Rewrite | None = None,
    ):
        kind = pool.task.kind
        if kind.of_words or not kind.needs_names:
            raise ArgumentError(f"texts are made up for text classification, but the pool is one of {pool.task.name}")
        if len(pool.text_columns) > 1:
            raise ArgumentError(
                f"texts are made up where one column has them, but the pool has {', '.join(pool.text_columns)}"
            )
        if not pool.can_grow:
            raise ArgumentError(
                "the pool cannot take up texts that are made up: pass the data as it is, and Pool(..., "
                "prepare=lambda rows: rows.map(tokenize, batched=True))"
            )
        for name, value, least in (("size", size, 1), ("overlap", overlap, 1), ("seed", seed, 0)):
            if value < least:
                raise ArgumentError(f"{name}={value}, expected at least {least}")
        self.pool = pool
        self.size = size
        self.seed = seed
        self.overlap = overlap
        self.rewrite = rewrite
        self.strategy = _checked(resolve_strategy(strategy, kind.family, called=TASK_OF_FAMILY))
        self._source = trainer_or_head
        self._scorer = make_scorer(pool, trainer_or_head, resolve_strategy("margin", kind.family))

    def propose(self) -> Query | None:
        """Make texts, add those that the strategy chooses to the pool, and record the query; called by all processes.

        Not while `rounds()` is going on, but between two calls of it. The next one asks about the texts, and trains on
        the answers.

        Returns:
            The query; `None` if the budget is spent, or no text could be made.

        Raises:
            ArgumentError: Nothing is labeled, no round is finished, or the pool has no `prepare`.
            RunDirectoryBusyError: Another process works in the run directory.
        """
        with owned(self.pool):
            size = on_main(self._affordable)
            if size == 0:
                logger.info("no text is made up: the budget is spent")
                return None
            self._scorer.begin()
            ids, labeled = on_main(self._labeled_texts)
            labeled = self._with_predictions(labeled)
            made = self._make(labeled)
            if not made:
                logger.info("no text is made up: %s give none that is new", counted(len(labeled), "labeled text"))
                return None
            return self._record(*self._choose(made, size), ids)

    def _affordable(self) -> int:
        """Return how many texts are asked for, and paid for by what is left of the budget."""
        plan = self.pool.store.plan or RunPlan()
        left = LabelBudget(self.pool, plan.unit, plan.budget).left()
        return self.size if left is None else min(self.size, left // self.overlap)

    # -- from what ---------------------------------------------------------------------------------------------------

    def _labeled_texts(self) -> tuple[list[str], list[Labeled]]:
        """Return the ids of labeled texts, and the texts, drawn at random if there are many.

        Neither held-out texts are among them, nor copies of these, nor texts that were made up.
        """
        pool, labels = self.pool, self.pool.training_labels()
        origins = pool.store.origins()
        ids = [i for i in sorted(labels) if i not in origins or origins[i].origin != SYNTHESIS]
        positions = pool.positions(ids)
        is_free = ~self._is_held_out()[positions]
        drawn = np.sort(self._rng(1).permutation(np.flatnonzero(is_free))[: _LABELED * self.size])
        if len(drawn) == 0:
            raise ArgumentError("texts are made up of labeled ones, but none is labeled: train a round before")
        chosen = [ids[row] for row in drawn]
        texts = [plain_text(row[pool.text_columns[0]]) for row in pool.texts(positions[drawn])]
        return chosen, [Labeled(text, _hashable(labels[i]), None) for i, text in zip(chosen, texts, strict=True)]

    def _is_held_out(self) -> np.ndarray:
        """Return whether each text of the pool is held out, or a copy of such a text, bool[N]."""
        return self.pool.has_text_of(self.pool.positions(sorted(self.pool.store.holdout_ids())))

    def _with_predictions(self, labeled: Sequence[Labeled]) -> list[Labeled]:
        predicted = self._scorer.score(self._unseen([one.text for one in labeled])).suggested
        return [replace(one, predicted=_hashable(label)) for one, (label, _) in zip(labeled, predicted, strict=True)]

    def _unseen(self, texts: Sequence[str]) -> PoolExamples:
        return self.pool.unseen([{self.pool.text_columns[0]: text} for text in texts], self._scorer.prepared)

    # -- the texts ---------------------------------------------------------------------------------------------------

    def _make(self, labeled: Sequence[Labeled]) -> list[MadeText]:
        def score(texts: Sequence[str]) -> np.ndarray:
            return self._scorer.score(self._unseen(texts)).scores

        neighbors, words = None, word_embeddings(self._source)
        if words is None:
            logger.warning("no word is replaced: the model has no embeddings of words, or the Trainer no tokenizer")
        else:
            held_out = on_main(self._is_held_out)
            texts = (text for text, is_held in zip(self._texts(), held_out, strict=True) if not is_held)
            neighbors = WordNeighbors(*words, islice(texts, _CONTEXTS))
        made = synthesize(labeled, score, self.size, self._rng(2), neighbors, self.rewrite)
        return without_copies(made, labeled, self._texts())

    def _texts(self) -> Iterator[str]:
        return (plain_text(texts[self.pool.text_columns[0]]) for _, texts in self.pool.examples())

    def _choose(
        self, made: Sequence[MadeText], size: int
    ) -> tuple[list[MadeText], np.ndarray | None, list[tuple[Any, float]]]:
        """Return the texts to ask about, their scores, and what the model says of them."""
        task, needs = self.pool.task, self.strategy.needs
        texts = self._unseen([one.text for one in made])
        arrays = self._scorer.signals(texts, needs | task.suggestion_signals, self.strategy.score)
        signals = Signals(len(made), **{name: arrays[name] for name in needs})
        signals = self.strategy.scored(signals, self._rng(3))
        rows = self.strategy.pick(signals, min(size, len(made)), self._rng(4))
        scores = None if signals.scores is None else signals.scores[rows]
        suggested = task.suggestions({name: arrays[name][rows] for name in task.suggestion_signals}, rows)
        return [made[row] for row in rows], scores, list(suggested)

    def _record(
        self,
        chosen: Sequence[MadeText],
        scores: np.ndarray | None,
        suggested: Sequence[tuple[Any, float]],
        ids: Sequence[str],
    ) -> Query:
        """Add texts to the pool, and record the query, both or nothing."""
        pool, store = self.pool, self.pool.store
        with store.at_once() if is_main() else contextlib.nullcontext():
            new = pool.add(
                [{pool.text_columns[0]: one.text} for one in chosen],
                SYNTHESIS,
                parents=[ids[one.parent] for one in chosen],
                methods=[one.method for one in chosen],
            )
            ends = {name: ids[one.other] for name, one in zip(new, chosen, strict=True) if one.other is not None}
            settings = {**self.strategy.settings, "unit": "examples", "ends_like": ends}
            made = Made(SYNTHESIS, self._scorer.round, self.strategy.name, self._scorer.model, settings, self.seed)
            opinions = np.full(len(new), self.overlap)
            return on_main(lambda: record_query(pool, made, pool.positions(new), opinions, scores, suggested))

    def _rng(self, key: int) -> np.random.Generator:
        # Called again, it makes other texts.
        return np.random.default_rng([self.seed, key, on_main(lambda: len(self.pool.store.added_examples()))])


def word_embeddings(source: Trainer | FrozenHead) -> tuple[PreTrainedTokenizerBase, np.ndarray] | None:
    """Return the tokenizer of a model's encoder, and the weights of its input layer, float[V, D]; `None` without any.

    Args:
        source: A Trainer, of whose model they are, or a head on a frozen encoder.
    """
    model: Any
    if isinstance(source, FrozenHead):
        model = source.encoder
        tokenizer = model.tokenizer
    elif isinstance(source.model, FrozenEncoderForSequenceClassification):
        model = sentence_encoder(source.model.config.encoder_name_or_path)
        tokenizer = model.tokenizer
    else:
        model, tokenizer = source.model, source.processing_class
    tables = [part for part in model.modules() if isinstance(part, torch.nn.Embedding)]
    if not tables or not isinstance(tokenizer, PreTrainedTokenizerBase):
        return None
    words = max(tables, key=lambda table: table.num_embeddings).weight  # positions and types of tokens are fewer
    return None if words.device.type == "meta" else (tokenizer, words.detach().float().cpu().numpy())


def _checked(strategy: Strategy) -> Strategy:
    if strategy.draws or strategy.among is not None or strategy.needs - _SIGNALS:
        raise ArgumentError(
            f"strategy={strategy.name!r} needs more than a model says of one text: take a score of probabilities, "
            "such as 'margin' or 'entropy', or 'margin+kmeans'"
        )
    return strategy


def _hashable(label: Any) -> Any:
    return tuple(sorted(label)) if isinstance(label, list) else label
