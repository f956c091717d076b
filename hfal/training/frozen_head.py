"""A linear head on the outputs of a frozen encoder that picks queries in the place of the model being trained.

Coleman et al., "Selection via Proxy: Efficient Data Selection for Deep Learning" (ICLR 2020): a small model picks the
examples, a large one is trained on them. Here the encoder runs over the pool once; after that a query takes a fit of
the head on the labels bought so far and one pass of a single layer over the pool, whatever the encoder.
"""

import contextlib
import copy
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import datasets
import numpy as np
import pyarrow as pa
import torch
from datasets.table import InMemoryTable
from scipy.special import softmax
from transformers import TrainingArguments

from hfal.acquisition.asking_again import OldTexts, old_texts
from hfal.acquisition.embeddings import embed_texts, embeddings_file, sentence_encoder
from hfal.acquisition.queries import Acquisition
from hfal.data.added_rows import append_rows
from hfal.data.checkpoints import label_options, load_tokenizer
from hfal.data.pool import Pool
from hfal.data.pool_examples import EMBEDDING, STATES, PoolExamples
from hfal.data.references import absolute_reference, resolve_model
from hfal.errors import ArgumentError
from hfal.store.records import HEAD, Query
from hfal.store.run_directory import embeddings_folder
from hfal.tasks.label_column import LABEL_COLUMNS
from hfal.tasks.tokenization import NO_WORD, tokenize_words
from hfal.training.cross_validation import out_of_fold
from hfal.training.frozen_encoder import (
    FrozenEncoderConfig,
    FrozenEncoderForSequenceClassification,
    FrozenEncoderForTokenClassification,
    embedding_column,
    pad_states,
    stack_rows,
)
from hfal.training.probe import fit_head
from hfal.training.token_states import load_states, sentence_means, with_token_states
from hfal.utils.distributed import on_main


if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Head = FrozenEncoderForSequenceClassification | FrozenEncoderForTokenClassification

_ROWS_TO_COMPARE = 8
_ROWS_AT_A_TIME = 10_000


class FrozenHead:
    """A linear head on a frozen encoder, fitted to the labels of a pool whenever it is asked for.

    Args:
        pool: The pool.
        encoder: A sentence-transformers model, its Hub name, a path, or `package:NAME/path`; or embeddings of the
            texts, float[N, D]. For entities the name of the encoder whose tokenizer has tokenized the pool: the head
            is on the states of tokens in its middle layer. A pool whose rows have these states already is taken as it
            is.
        folder: Where the outputs of the encoder are kept; in the run directory by default.
        progress: Whether a bar is shown while the encoder runs.

    Attributes:
        pool: The pool, of which each row is what the encoder gave for it: the same texts, ids, labels and store.
        collate_fn: Makes batches of its rows.

    Raises:
        ArgumentError: The encoder does not fit the pool.
    """

    def __init__(self, pool: Pool, encoder: Any, folder: Any = None, progress: bool = False):
        folder = embeddings_folder(pool.run_dir) if folder is None else folder
        self.collate_fn: Callable[[list[Any]], dict[str, torch.Tensor]]
        self.pool: Pool
        self._encoder: Any = None
        self._embeddings: list[np.ndarray]
        if pool.task.kind.of_words:
            self.collate_fn = pad_states
            if STATES in pool.dataset.column_names:
                self.pool = pool
            else:
                check_tokenizer(pool, encoder)
                rows = pool.dataset.with_format(None)
                states = load_states(rows, os.fspath(encoder), folder)
                self.pool = _EncodedPool(pool, with_token_states(rows, states), states)
            self._embeddings = [sentence_means(self.pool.dataset)]
            self._size = self.embeddings.shape[1]
            self._class: type[Head] = FrozenEncoderForTokenClassification
        else:
            self.collate_fn = stack_rows
            if isinstance(encoder, np.ndarray):
                self._embeddings = [encoder]
            else:
                self._encoder = encoder
                make = partial(embeddings_file, pool.dataset, pool.text_columns, encoder, folder, progress)
                self._embeddings = [np.load(on_main(make), mmap_mode="r", allow_pickle=False)]
            self.pool = _EncodedPool(pool, _embedding_rows(self.embeddings))
            self._size = self.embeddings.shape[1]
            self._class = FrozenEncoderForSequenceClassification
        _check_finite(pool, self.embeddings)
        kind, names = self.pool.task.kind, self.pool.label_names
        options: dict[str, Any] = label_options(names)
        if not kind.one_class:
            options["problem_type"] = "multi_label_classification"
        self._unfitted = self._class(FrozenEncoderConfig(self._size, **options))

    @property
    def embeddings(self) -> np.ndarray:
        """An embedding of each text, float32[N, D], in the order of the rows; for entities the mean of its tokens'."""
        if len(self._embeddings) > 1:
            self._embeddings = [np.concatenate(self._embeddings)]
        return self._embeddings[0]

    @property
    def can_embed(self) -> bool:
        """Whether `embed` works."""
        return self._encoder is not None

    @property
    def encoder(self) -> "SentenceTransformer":
        """The encoder; there is none where embeddings were given."""
        return sentence_encoder(self._encoder)

    @property
    def encoder_name(self) -> str:
        """The encoder's name in records; empty where embeddings were given."""
        if isinstance(self._encoder, str | os.PathLike):
            return absolute_reference(os.fspath(self._encoder))
        return type(self._encoder).__name__ if self.can_embed else ""

    def embed(self, texts: PoolExamples) -> np.ndarray:
        """Return the embeddings of texts that are not in the pool, float32[n, D].

        Args:
            texts: The texts. Those of words are not embedded, and nor are any where embeddings were given.
        """
        assert self._encoder is not None
        return embed_texts(texts.dataset, texts.text_columns, self._encoder)

    def follow(self, pool: Pool, embeddings: np.ndarray) -> None:
        """Take up examples that were added to the pool, of which the others are not embedded again.

        Args:
            pool: The pool that the head was made for, with these behind.
            embeddings: Of what was added, float32[n, D].
        """
        rows = append_rows(self.pool.dataset, _embedding_rows(embeddings))
        self.pool = _EncodedPool(pool, rows)
        self._embeddings.append(embeddings)

    def labeled(self, until: int | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return what the head is fitted to: one vector for each labeled text, or for each word of labeled sentences.

        Args:
            until: The number of the last answer to see; `None` for all.

        Returns:
            Vectors as the head takes them, float64[n, D]; classes int[n], or of sets float[n, C] of 1 and 0; and of
            which row of `pool.labeled_until(until)` each vector is, int[n], ascending.
        """
        rows = self.pool.labeled_until(until)
        labels = next(name for name in LABEL_COLUMNS if name in rows.column_names)
        if len(rows) == 0:
            return np.empty((0, self._size)), np.empty(0, np.int64), np.empty(0, np.int64)
        if not self.pool.task.kind.of_words:
            return head_inputs(np.stack(rows[EMBEDDING][:])), np.array(rows[labels][:]), np.arange(len(rows))
        tags = [np.array(row) for row in rows[labels][:]]
        is_word = np.concatenate(tags) != NO_WORD
        states = np.concatenate([np.asarray(row).reshape(-1, self._size) for row in rows[STATES][:]])
        return (
            head_inputs(states[is_word]),
            np.concatenate(tags)[is_word],
            np.repeat(np.arange(len(rows)), list(map(len, tags)))[is_word],
        )

    def fit(self, until: int | None = None) -> Head:
        """Return a head fitted to the labels bought so far; without any, each class is as likely as the others.

        Args:
            until: The number of the last answer to see; `None` for all.
        """
        # A copy: a new one would draw weights from the random numbers of a model that is trained meanwhile.
        head = copy.deepcopy(self._unfitted)
        inputs, labels, _ = self.labeled(until)
        if len(inputs):
            weight, bias = fit_head(inputs, labels, len(self.pool.label_names))
            with torch.no_grad():
                head.classifier.weight.copy_(torch.from_numpy(weight))
                head.classifier.bias.copy_(torch.from_numpy(bias))
        return head


class HeadQueries:
    """Makes queries with a frozen head, between the trainings of the Trainer's model.

    Args:
        acquisition: That of the run, for the strategies and options.

    Attributes:
        head: The head.
        acquisition: Makes the queries: the run's strategies on what the encoder gave for the pool.
    """

    def __init__(self, acquisition: Acquisition):
        options = acquisition.options
        self.head = FrozenHead(
            acquisition.pool, options.embeddings, options.embeddings_dir, progress=acquisition.show_progress
        )
        # What is for the Trainer's model is left out: its precision, its predictions.
        options = replace(
            options,
            embeddings=self.head.embeddings,
            bf16_scoring=False,
            self_training=None,
            record_stability=False,
        )
        self.acquisition = Acquisition(self.head.pool, acquisition.strategies, options)
        self.acquisition.show_progress = False  # a pass of one layer is over before a bar could be read
        self.acquisition.sources.embeddings_name = acquisition.sources.embeddings_name
        is_named = not isinstance(acquisition.options.embeddings, np.ndarray)
        self._encoder = acquisition.sources.embeddings_name if is_named else ""

    def propose(self, round_number: int, args: TrainingArguments) -> Query | None:
        """Fit the head to all labels that there are, and record the query that it makes.

        Called by all processes; the main one fits the head.

        Args:
            round_number: The last round that has ended, 0 before the first.
            args: The Trainer's arguments.

        Returns:
            The query, on every process; `None` if the budget is spent or nothing is left to ask.
        """
        store = self.head.pool.store
        seen, sequence = on_main(lambda: (store.last_answer(), 1 + store.count_queries(round_number, HEAD)))
        head = on_main(lambda: self.head.fit(seen))
        head.config.name_or_path = self._encoder
        old = None
        if self.acquisition.options.ask_again:
            old = on_main(lambda: self._old_texts(seen, (round_number, sequence)))
        args = copy.copy(args)  # the user's are for the data of their own model
        args.remove_unused_columns, args.dataloader_num_workers, args.bf16, args.fp16 = True, 0, False, False
        of_query = {"sequence": sequence, "answers_seen": seen}
        with _one_thread():
            return self.acquisition.propose(head, self.head.collate_fn, round_number, args, of_head=of_query, old=old)

    def _old_texts(self, until: int, key: Sequence[int]) -> OldTexts:
        """Return the texts with opinions, and what heads say of each that were not fitted to it."""
        pool = self.head.pool
        logits, labels, _ = out_of_fold(
            self.head, until, np.random.default_rng([self.acquisition.options.seed, 10, *key])
        )
        if logits is None:  # all labels so far are the same
            logits = np.zeros((len(labels), len(pool.label_names)))
        return old_texts(pool, list(pool.training_labels(until)), softmax(logits, axis=1), until)


def head_inputs(vectors: np.ndarray) -> np.ndarray:
    """Return vectors as `_Frozen` of `frozen_encoder` gives them to the head's layer, float64[..., D].

    Args:
        vectors: What the encoder gave, float[..., D].
    """
    vectors = vectors.astype(np.float64)
    lengths = np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
    return vectors / lengths * vectors.shape[-1] ** 0.5


def check_encoder_of_head(pool: Pool, encoder: Any) -> None:
    """Check, before anything is asked or embedded, that a head on an encoder can query a pool.

    Args:
        pool: The pool.
        encoder: As for `FrozenHead`.

    Raises:
        ArgumentError: It cannot.
    """
    if not pool.task.kind.needs_names:
        raise ArgumentError(
            f"select_with='head' tells apart a list of labels, but {pool.task.name} has none: pass 'model'"
        )
    if pool.task.kind.of_words:
        check_tokenizer(pool, encoder)


def _embedding_rows(embeddings: np.ndarray) -> datasets.Dataset:
    """Return a data set of embeddings, which are mapped, not copied."""
    column, feature = embedding_column(np.ascontiguousarray(embeddings, np.float32))
    info = datasets.DatasetInfo(features=datasets.Features({EMBEDDING: feature}))
    return datasets.Dataset(InMemoryTable(pa.table({EMBEDDING: column})), info).with_format("numpy")


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Have torch use one thread: a layer is too small for two, which wait for each other where the cores are busy."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


class _EncodedPool(Pool):
    """A pool of which each row is what an encoder gave for it; texts, ids, labels and store are another pool's.

    Args:
        pool: The other pool.
        dataset: The rows.
        states: Of sentences the states of all tokens, float16[T, D], which `dataset` has too.
    """

    def __init__(self, pool: Pool, dataset: datasets.Dataset, states: np.ndarray | None = None):
        pool.store  # noqa: B018  (opened once, for both)
        self.__dict__.update(pool.__dict__)
        self.__dict__.pop("lengths", None)
        self.dataset = dataset
        self._states = states

    def rows_to_score(self, columns: Sequence[str]) -> Any:
        """Return what `Pool.rows_to_score` does, in a form that is read faster where rows are sentences."""
        if self._states is None:
            return super().rows_to_score(columns)
        others = [column for column in self.task.columns_to_score(columns) if column != STATES]
        return _Sentences(self.dataset.select_columns(others).with_format(None), self._states, self.lengths)


class _Sentences:
    """Sentences for a scoring pass: `datasets` would take longer to format their states than the head to read them.

    Args:
        dataset: All columns but the states.
        states: The states of all tokens, float16[T, D], the sentences one behind the other.
        lengths: The tokens of each sentence, int[N].
    """

    def __init__(self, dataset: datasets.Dataset, states: np.ndarray, lengths: np.ndarray):
        self._dataset = dataset
        self._states = np.asarray(states)  # slices of a memory map take longer
        self._starts = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitems__(self, rows: list[int]) -> list[dict[str, Any]]:
        columns = self._dataset[rows]
        return [
            {
                STATES: self._states[self._starts[row] : self._starts[row + 1]].reshape(-1),
                **{name: values[place] for name, values in columns.items()},
            }
            for place, row in enumerate(rows)
        ]


def _check_finite(pool: Pool, embeddings: np.ndarray) -> None:
    for start in range(0, len(embeddings), _ROWS_AT_A_TIME):
        bad = start + np.flatnonzero(~np.isfinite(embeddings[start : start + _ROWS_AT_A_TIME]).all(axis=1))
        if len(bad):
            raise ArgumentError(
                f"embeddings has NaN or infinity for some examples (ids {pool.some_ids(bad)}), to which "
                "no head can be fitted: name another encoder, or make them again"
            )


def check_tokenizer(pool: Pool, encoder: Any) -> None:
    """Check that a pool of words was tokenized by the encoder's tokenizer, so that each token has a state.

    Args:
        pool: The pool.
        encoder: The encoder, as `FrozenHead` takes it.

    Raises:
        ArgumentError: It was tokenized otherwise, or the encoder is not given by its name.
    """
    if not isinstance(encoder, str | os.PathLike):
        raise ArgumentError(
            f"embeddings is a {type(encoder).__name__}, but for entities the head takes the states of tokens: pass "
            "the name or path of the encoder whose tokenizer has tokenized the pool"
        )
    tokenizer = load_tokenizer(resolve_model(str(encoder)), "embeddings", add_prefix_space=True)
    rows = pool.dataset.with_format(None).select(range(min(_ROWS_TO_COMPARE, len(pool))))
    ours = tokenize_words(rows[:], tokenizer=tokenizer, text_column=pool.text_columns[0])["input_ids"]
    for of_encoder, given in zip(ours, rows["input_ids"][:], strict=True):
        length = min(len(given), len(of_encoder)) - 1  # the last one of a text that was cut is another one
        if list(given)[:length] != list(of_encoder)[:length]:
            raise ArgumentError(
                f"embeddings={encoder!r} has another tokenizer than the one that tokenized the pool, but the head on "
                "it needs states of the pool's own tokens: name the encoder of that tokenizer"
            )
