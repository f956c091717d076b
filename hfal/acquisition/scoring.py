"""One streaming pass of a model over examples, from which only what a strategy needs is kept.

Batches are cut from one global plan: examples sorted by length, the longest first, as many as fit a token budget. So
hardly anything is padded, memory is bounded, a batch that is too large shows at once, and results do not depend on the
order of the data. Several processes take the batches of this plan in turn, so that results do not depend on how many
they are, either.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from os import PathLike
from typing import Any

import datasets
import numpy as np
import torch
from accelerate.utils.memory import should_reduce_batch_size
from torch.utils.data import DataLoader
from tqdm.auto import tqdm

from hfal.acquisition.forward import Forward, eval_mode
from hfal.acquisition.token_batches import ACCELERATOR_TOKEN_BUDGET, CPU_TOKEN_BUDGET, plan_batches
from hfal.errors import ScoringError
from hfal.tasks.label_column import LABEL_COLUMNS
from hfal.tasks.text_classification import TextClassification
from hfal.utils.arrays import scratch_array
from hfal.utils.distributed import gather, merge_rows, rank_and_size, shared_failure
from hfal.utils.spelling import counted


_ROWS_AT_A_TIME = 100_000


class NonFiniteOutputError(ScoringError):
    """The model gave NaN or infinity for some examples; `rows` are their places in the call."""

    def __init__(self, rows: np.ndarray, what: str, probabilities_are_finite: bool = False):
        super().__init__(f"{what} for {counted(len(rows), 'example')}")
        self.rows = rows
        self.what = what
        self.probabilities_are_finite = probabilities_are_finite


class ScoringPass:
    """Runs a model over examples of a data set, and keeps only the signals that are asked for.

    The model is put into `eval()` for each run and back as it was; no random number is drawn.

    Args:
        model: A classifier whose output has `logits`, [B, C] or [B, L, C].
        dataset: The pool's data, with only the columns that `collate_fn` and the model take; no labels.
        lengths: Tokens of each row of it, int[N].
        collate_fn: Makes a padded batch of tensors from a list of rows (the Trainer's own).
        signals: What a batch's logits say: the method of this name of a task of `hfal.tasks`.
        token_budget: Tokens of a batch, padding included; 2,048 on CPU and 16,384 elsewhere by default.
        autocast: Run the forward pass under autocast to this type. Faster on hardware made for it; reorders near-ties.
        num_workers: Worker processes that fetch and collate.
        scratch_dir: Where results of over 256 MiB are memory-mapped; they vanish when no longer used.
        may_be_compiled: Whether `torch.compile` may have had the model: then no thread runs compiled models meanwhile.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        dataset: datasets.Dataset,
        lengths: np.ndarray,
        collate_fn: Callable[[list[Any]], Any],
        *,
        signals: Callable[..., dict[str, torch.Tensor]] = TextClassification.signals,
        token_budget: int | None = None,
        autocast: torch.dtype | None = None,
        num_workers: int = 0,
        scratch_dir: str | PathLike[str] | None = None,
        may_be_compiled: bool = True,
    ):
        self.model = model
        self.dataset = dataset
        self.lengths = lengths
        self.collate_fn = collate_fn
        self.signals = signals
        # Of a model spread over devices, the first that holds weights; those on "meta" come when they are needed.
        self.device = next((p.device for p in model.parameters() if p.device.type != "meta"), torch.device("cpu"))
        if token_budget is None:
            token_budget = CPU_TOKEN_BUDGET if self.device.type == "cpu" else ACCELERATOR_TOKEN_BUDGET
        self.token_budget = token_budget
        self.autocast = autocast
        self.num_workers = num_workers
        self.scratch_dir = scratch_dir
        self.may_be_compiled = may_be_compiled

    def run(
        self,
        positions: np.ndarray,
        *,
        keep: frozenset[str],
        score: Callable[..., torch.Tensor] | None = None,
        draws: Sequence[Callable[..., Any]] = (),
        progress: str | None = None,
    ) -> dict[str, np.ndarray]:
        """Run the model once over some examples.

        Args:
            positions: Rows of the dataset to score, int[n].
            keep: `"embeddings"`, `"entity_embeddings"`, `"features"`, and what the task's `signals` can say.
            score: The acquisition score, for `"scores"`: probabilities, or draws, on the device to float [B].
            draws: Each is called like the model, and stands for other parameters of it (see
                `hfal.acquisition.draws`).
            progress: Title of a progress bar, or `None` for none.

        Returns:
            Float32 arrays by name, rows in the order of `positions`: what `signals` says, such as `scores` [n] and
            `probabilities` [n, C]; `embeddings` [n, D], the mean over the unpadded tokens of the last hidden states
            (the decoder's, of an encoder-decoder), from the same pass; `entity_embeddings` [n, D], their mean over the
            first tokens of the words that the model takes for entities; `features` [n, H], what goes into the last
            layer.

        Raises:
            NonFiniteOutputError: Probabilities or scores are not finite.
            ScoringError: Not even one example fits the memory, or the model shows no hidden states for the tokens.
        """
        lengths = self.lengths[positions]
        rank, processes = rank_and_size()
        batches = plan_batches(lengths, self.token_budget)[rank::processes]
        loader = self._load([positions[rows] for rows in batches])
        results = _Results(len(positions), self.scratch_dir)
        forward = Forward(
            self.model,
            self.device,
            lengths,
            keep=keep,
            signals=self.signals,
            score=score,
            draws=draws,
            autocast=self.autocast,
        )
        with (
            shared_failure(),
            torch.inference_mode(),
            # A compiled model would be compiled again for these shapes, and may not call a hook that it does not know.
            torch.compiler.set_stance("force_eager") if self.may_be_compiled else nullcontext(),
            eval_mode(self.model),
            forward.hooks(),
            tqdm(
                total=sum(map(len, batches)), desc=progress, unit=" texts", leave=False, disable=progress is None
            ) as bar,
        ):
            fitting = self.token_budget  # halved when the memory turns out to be too small
            for rows, batch in zip(batches, loader, strict=True):
                longest = int(lengths[rows[0]])
                fitting = self._score_batch(rows, batch, longest, fitting, forward, results)
                bar.update(len(rows))
        results.merge()
        results.check_finite()
        return results.arrays

    def _load(self, batches: list[np.ndarray]) -> DataLoader:
        """Fetch and collate the batches of this process."""
        return DataLoader(
            self.dataset,
            batch_sampler=[rows.tolist() for rows in batches],
            collate_fn=self.collate_fn,
            num_workers=self.num_workers,
            pin_memory=self.device.type == "cuda",
            generator=torch.Generator(),  # else every pass would draw from the global one
        )

    def _score_batch(
        self,
        rows: np.ndarray,
        batch: Mapping[str, Any],
        longest: int,
        fitting: int,
        forward: Forward,
        results: "_Results",
    ) -> int:
        """Score a batch, in parts where it has more tokens than fit.

        Args:
            rows: The rows of the results that it fills.
            batch: What the collator made of them.
            longest: Tokens of the longest of them.
            fitting: Tokens that the memory is known to be large enough for.
            forward: The model.
            results: What is kept.

        Returns:
            `fitting`, or less where that was too much.
        """
        inputs = {
            name: tensor.to(self.device, non_blocking=True)
            for name, tensor in batch.items()
            if name not in LABEL_COLUMNS and isinstance(tensor, torch.Tensor)
        }
        words = next((batch[name] for name in LABEL_COLUMNS if name in batch), None)
        parts = [(0, len(rows))]
        while parts:
            start, stop = parts.pop(0)
            tokens = (stop - start) * longest
            if tokens > fitting and stop - start > 1:
                middle = (start + stop) // 2
                parts[:0] = [(start, middle), (middle, stop)]
                continue
            kept = self._score_part(inputs, words, start, stop, tokens, forward)
            if kept is None:
                forward.free_memory()
                fitting = tokens // 2
                parts.insert(0, (start, stop))
                continue
            results.write(rows[start:stop], kept)
        return fitting

    def _score_part(
        self,
        inputs: dict[str, torch.Tensor],
        words: torch.Tensor | None,
        start: int,
        stop: int,
        tokens: int,
        forward: Forward,
    ) -> dict[str, torch.Tensor] | None:
        """Score the rows from `start` to `stop` of a batch; return `None` if the memory is too small for them.

        The caller frees the memory, on which the traceback here still holds.
        """
        part = {name: tensor[start:stop] for name, tensor in inputs.items()}
        try:
            return forward(part, None if words is None else words[start:stop])
        except Exception as error:
            if not should_reduce_batch_size(error):
                raise
            if stop - start == 1:
                # Not the original error: `auto_find_batch_size` would take it and train the round again.
                raise ScoringError(
                    f"no memory to score even one example of {tokens} tokens: tokenize with a smaller "
                    f"max_length, or free memory on {self.device}"
                ) from error
            return None


class _Results:
    """The results of one run: float32 arrays by name, opened when the first batch shows their width.

    Args:
        size: How many examples there are.
        scratch_dir: See `ScoringPass`.
    """

    def __init__(self, size: int, scratch_dir: str | PathLike[str] | None):
        self.arrays: dict[str, np.ndarray] = {}
        self._finite = np.zeros(size, bool)
        self._scratch_dir = scratch_dir

    def write(self, rows: np.ndarray, kept: dict[str, torch.Tensor]) -> None:
        """Fill the rows of a batch."""
        self._finite[rows] = kept.pop("finite").cpu().numpy()
        for name, tensor in kept.items():
            if name not in self.arrays:
                self.arrays[name] = scratch_array((len(self._finite), *tensor.shape[1:]), self._scratch_dir)
            self.arrays[name][rows] = tensor.float().cpu().numpy()

    def merge(self) -> None:
        """Complete what this process computed by what the others did."""
        merge_rows(self._finite)
        shapes: dict[str, tuple[int, ...]] = {}
        for part in gather({name: array.shape for name, array in self.arrays.items()}):
            shapes.update(part)
        for name, shape in sorted(shapes.items()):
            if name not in self.arrays:  # there were fewer batches than processes
                self.arrays[name] = scratch_array(shape, self._scratch_dir)
            merge_rows(self.arrays[name])

    def check_finite(self) -> None:
        """Refuse NaN and infinity.

        Raises:
            NonFiniteOutputError: There are some.
        """
        if not self._finite.all():
            raise NonFiniteOutputError(np.flatnonzero(~self._finite), "the model's outputs are NaN or infinite")
        for name, values in self.arrays.items():
            for start in range(0, len(values), _ROWS_AT_A_TIME):
                rows = values[start : start + _ROWS_AT_A_TIME]
                bad = ~np.isfinite(rows).reshape(len(rows), -1).all(1)
                if bad.any():
                    raise NonFiniteOutputError(
                        start + np.flatnonzero(bad), f"the {name} are NaN or infinite", name == "scores"
                    )
