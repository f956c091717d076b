"""The task in which each word of a sentence gets a tag."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from hfal.errors import ArgumentError, ScoringError
from hfal.strategies.token_scores import TokenScore
from hfal.tasks.kinds import KINDS, Tags
from hfal.tasks.label_column import LABEL_COLUMNS, with_label_column
from hfal.tasks.outputs import class_probabilities, finite, required, scores_of
from hfal.tasks.tag_column import count_words, read_tags, tag_names_of
from hfal.tasks.tags import OUTSIDE, f_of_entities
from hfal.tasks.tokenization import NO_WORD, first_tokens
from hfal.utils.arrow import cells_of
from hfal.utils.output import get_logger
from hfal.utils.spelling import counted


logger = get_logger(__name__)


class TokenClassification:
    """A tag for each word of a sentence; see `hfal.tasks.base.Task`.

    Args:
        dataset: The data, tokenized by `hfal.tokenize_words`.
        text_columns: Its one column with sentences, in words or as raw text.
        label_column: Its column with tags or spans, if it has one.
        label_names: The names that the user gives, of tags or of entity types, if any.
        names_may_be_counted: Whether numbers may count these: not where they are those of a pool, and only sorted.
    """

    name = Tags.task
    kind = KINDS[Tags.task]
    thresholds: Mapping[str, float] | None = None
    label_columns = ("labels",)  # DataCollatorForTokenClassification pads `label` too, but models do not take it
    head = "token classification head (AutoModelForTokenClassification)"
    wrong_model = "ForSequenceClassification"
    collator_hint = "pass data_collator=DataCollatorForTokenClassification(tokenizer), which pads labels too"
    suggestion_signals = frozenset({"tags", "confidences"})
    prediction_signals = frozenset({"tags", "scores"})
    prediction_score = TokenScore("entropy", aggregate="sum")

    def __init__(
        self,
        dataset: datasets.Dataset,
        text_columns: Sequence[str],
        label_column: str | None,
        label_names: Sequence[str] | None,
        names_may_be_counted: bool = True,
    ):
        if len(text_columns) != 1:
            raise ArgumentError(
                f"text_column={list(text_columns)!r}: token classification takes one column with sentences"
            )
        self.dataset = dataset
        self.how_to_tokenize = (
            "    from hfal import tokenize_words\n    dataset = dataset.map(tokenize_words, batched=True, "
            f"fn_kwargs={{'tokenizer': tokenizer, 'text_column': {text_columns[0]!r}}})"
        )
        self.text_column = text_columns[0]
        self.label_column = label_column
        self.words: np.ndarray = count_words(dataset, self.text_column)
        self.label_names = tag_names_of(dataset, label_column, label_names)
        self.tags = read_tags(
            dataset, self.text_column, label_column, self.label_names, self.words, names_may_be_counted
        )
        feature = None if label_column is None else dataset.features[label_column]
        is_fixed = isinstance(getattr(feature, "feature", None), datasets.ClassLabel)
        self._may_be_counted = label_names is not None or is_fixed
        self.scheme = self.tags.scheme
        self.outside = self.label_names.index(OUTSIDE) if OUTSIDE in self.label_names else -1

    def indices(self) -> np.ndarray:
        """Refuse, since a sentence has no single label."""
        raise ArgumentError("seed_strategy='stratified' is for text classification: take 'random' or 'kmeans'")

    def given(self) -> np.ndarray:
        """Return which sentences have tags in the data set itself, bool[N]."""
        return self.tags.given

    def label_bytes(self) -> bytes:
        """Return all tags in the data set itself, for a hash of them."""
        return self.tags.indices.tobytes() + self.tags.offsets.tobytes()

    def label_at(self, row: int) -> list[str] | None:
        """Return the tags that the data set itself gives to a sentence."""
        return self.tags.of(row)

    def check_problem_type(self, problem_type: str | None) -> None:
        """Check nothing: token classifiers do not have one."""

    def check_evaluation(self, dataset: datasets.Dataset, column: str) -> None:
        """Check nothing: a trial of the evaluation finds labels of another form."""

    def check_tokens(self, lengths: np.ndarray) -> None:
        """Check that each token is known to be of a word, and count the words that have no token.

        Raises:
            ArgumentError: There is no column `word_ids`, it does not fit the tokens, or a sentence has no word left.
        """
        if "word_ids" not in self.dataset.column_names:
            raise ArgumentError(
                "the pool's dataset has no column 'word_ids', which says of what word each token is; tokenize with\n"
                f"{self.how_to_tokenize}"
            )
        seen = np.empty(len(lengths), np.int64)
        last = np.empty(len(lengths), np.int64)
        row = 0
        for cells in cells_of(self.dataset, "word_ids"):
            sizes = pc.list_value_length(cells).to_numpy(zero_copy_only=False)
            flat = pc.fill_null(cells.flatten(), -1).to_numpy(zero_copy_only=False).astype(np.int64)
            ends = np.cumsum(sizes)
            begins = flat >= 0
            begins[1:] &= flat[1:] != flat[:-1]
            begins[ends - sizes] = flat[ends - sizes] >= 0
            until = np.concatenate([[0], np.cumsum(begins)])
            here = slice(row, row + len(sizes))
            if (sizes != lengths[here]).any():
                place = row + int(np.flatnonzero(sizes != lengths[here])[0])
                raise ArgumentError(
                    f"row {place} has {sizes[place - row]} word_ids for {lengths[place]} tokens: tokenize it again "
                    "with hfal.tokenize_words"
                )
            seen[here] = until[ends] - until[ends - sizes]
            last[here] = np.maximum.reduceat(flat, ends - sizes)
            row += len(sizes)
        none = np.flatnonzero(seen == 0)
        if len(none):
            raise ArgumentError(
                f"of {counted(len(none), 'sentence')} the tokenizer keeps no word at all (rows "
                f"{', '.join(map(str, none[:5]))}; the first is "
                f"{self.dataset[int(none[0])][self.text_column]!r:.80}): drop these rows"
            )
        beyond = np.flatnonzero(last >= self.words)
        if len(beyond):
            raise ArgumentError(
                f"row {beyond[0]} has tokens of word {last[beyond[0]] + 1}, but only "
                f"{counted(self.words[beyond[0]], 'word')} in {self.text_column!r}: tokenize that very column, with "
                "hfal.tokenize_words"
            )
        cut = self.words - 1 - last
        dropped = self.words - seen - cut
        if cut.any():
            logger.warning(
                "%s of %s beyond the length at which the tokenizer cuts: they are neither trained on nor scored, and "
                "O is suggested for them; a larger max_length keeps them",
                counted(cut.sum(), "word"),
                counted((cut > 0).sum(), "sentence"),
            )
        if dropped.any():
            logger.warning(
                "the tokenizer makes no token of %s in %s (row %d for one): they are neither trained "
                "on nor scored, and O is suggested for them",
                counted(dropped.sum(), "word"),
                counted((dropped > 0).sum(), "sentence"),
                np.flatnonzero(dropped)[0],
            )

    def training_labels(self, rows: pa.Table, labels: Sequence[Sequence[str]]) -> tuple[pa.Array, Any]:
        """Return the labels that the Trainer takes for the tags of some rows, and the column's feature.

        For each token: the tag of its word if it is the first token of it, else -100, which no loss counts.
        """
        index = {name: i for i, name in enumerate(self.label_names)}
        aligned = [
            [NO_WORD if word == NO_WORD else index[tags[word]] for word in first_tokens(word_ids)]
            for word_ids, tags in zip(rows["word_ids"].to_pylist(), labels, strict=True)
        ]
        return pa.array(aligned, pa.list_(pa.int64())), datasets.List(datasets.Value("int64"))

    def with_labels(self, dataset: datasets.Dataset, column: str) -> datasets.Dataset:
        """Return another data set with its tags as `training_labels` has them, in `column`."""
        other = TokenClassification(
            dataset, [self.text_column], self.label_column, self.label_names, self._may_be_counted
        )
        if not other.tags.given.all():
            row = int(np.flatnonzero(~other.tags.given)[0])
            raise ArgumentError(f"row {row} has no tags in column {self.label_column!r}: drop such rows")
        if "word_ids" not in dataset.column_names:
            raise ArgumentError("the dataset has no column 'word_ids': tokenize it with hfal.tokenize_words")
        ids = dataset.select_columns(["word_ids"]).with_format("arrow")[:]["word_ids"]
        other.check_tokens(pc.list_value_length(ids).to_numpy())
        tags = [other.tags.of(row) for row in range(len(dataset))]
        rows = dataset.select_columns(["word_ids"]).with_format("arrow")[:]
        aligned, feature = self.training_labels(rows, tags)  # type: ignore[arg-type]
        return with_label_column(dataset, self.label_column, column, aligned, feature)

    def columns_to_score(self, columns: Sequence[str]) -> list[str]:
        """Return the columns that the model takes, and which word each token is of."""
        return list(dict.fromkeys([*columns, "word_ids"]))

    def collator(self, collate_fn: Callable[[list[Any]], Any], columns: Sequence[str]) -> Callable[[list[Any]], Any]:
        """Return the Trainer's collator, given the words in the place of labels.

        It has to put labels where their tokens are, on whatever side it pads, and so it does with the words.

        Args:
            collate_fn: The Trainer's collator.
            columns: The columns that it takes beside the labels.
        """
        return _WordCollator(collate_fn, columns)

    def check_batch(self, batch: Mapping[str, Any], rows: Sequence[int]) -> None:
        """Check that a batch of some rows has the words where their tokens are.

        Raises:
            ArgumentError: The collator lost them, or changed their order.
        """
        labels = next((batch[name] for name in LABEL_COLUMNS if name in batch), None)
        ids = self.dataset.select_columns(["word_ids"]).with_format(None)[list(rows)]["word_ids"]
        expected = [[word for word in first_tokens(word_ids) if word >= 0] for word_ids in ids]
        found = [] if labels is None else [[int(word) for word in row if word >= 0] for row in labels]
        tokens = batch.get("input_ids", batch.get("attention_mask"))
        if labels is None or tokens is None or found != expected or labels.shape != tokens.shape:
            raise ArgumentError(
                f"the Trainer's data collator does not keep labels beside their tokens: {self.collator_hint}"
            )

    def suggestions(self, arrays: Mapping[str, np.ndarray], rows: np.ndarray) -> list[tuple[list[str], float]]:
        """Return the model's own tags of some sentences, and the geometric mean of their probabilities.

        Args:
            arrays: `tags`, float[n, L], one more than the index of the tag for each word that has a token, in their
                order; and `confidences`, float[n].
            rows: The sentences, int[n]. Words without a token get O, or the first tag if there is no O.
        """
        outside = self.label_names[max(self.outside, 0)]
        word_ids = self.dataset.select_columns(["word_ids"]).with_format(None)[[int(row) for row in rows]]["word_ids"]
        found = []
        for row, its_words, tags, confidence in zip(
            rows, word_ids, arrays["tags"], arrays["confidences"], strict=True
        ):
            path = [outside] * int(self.words[row])
            seen = [word for word in first_tokens(its_words) if word != NO_WORD]
            for word, tag in zip(seen, tags, strict=False):
                path[word] = self.label_names[int(tag) - 1]
            found.append((path, float(confidence)))
        return found

    def predictions(self, arrays: Mapping[str, np.ndarray]) -> tuple[np.ndarray, float]:
        """Return the tags to compare between rounds, int[n, W], -1 where there is no word, and the mean uncertainty.

        That is the mean entropy of all words, from 0 to 1. Words without a token are in neither.

        Args:
            arrays: `tags` as `suggestions` takes them, and `scores`, float[n]: the entropies of a sentence's words,
                summed up.
        """
        tags = arrays["tags"].astype(int) - 1
        words = (tags >= 0).sum()
        most = words * np.log(max(len(self.label_names), 2))
        uncertainty = min(float(arrays["scores"].astype(np.float64).sum() / most), 1.0)  # rounding may say more
        return tags[:, (tags >= 0).any(axis=0)], uncertainty

    @property
    def f_measure(self) -> Callable[[np.ndarray, np.ndarray], float]:
        """The F measure of some predictions, were others right."""
        return f_of_entities(self.label_names)

    def signals(
        self,
        logits: torch.Tensor | None,
        drawn: torch.Tensor | None,
        words: torch.Tensor | None,
        keep: frozenset[str],
        score: Callable[..., torch.Tensor] | None,
    ) -> dict[str, torch.Tensor]:
        """Return what a batch's logits say of the words, each read from its first token.

        Args:
            logits: float[B, L, C]; `None` where all that is asked for is of draws.
            drawn: Those of T draws of the model's parameters, float[B, L, T, C], if there are any.
            words: The number of the word that each token begins, int[B, L]; negative for other tokens.
            keep: Any of `"scores"`, `"tags"`, `"confidences"` and `"entity_words"`.
            score: The acquisition score, of probabilities float32[B, L, C] or draws float32[B, L, T, C], and a mask
                bool[B, L] of the words' first tokens.

        Returns:
            What is in `keep` (`tags` and `confidences` as `suggestions` takes them, `entity_words` bool[B, L]: the
            words that the model takes for a part of an entity, or all words where there is none), and `finite`,
            bool[B].

        Raises:
            ArgumentError: The model is no token classifier.
            ScoringError: The collator lost the words, or the score function did not return one number for each
                sentence.
        """
        if words is None:
            raise ScoringError(
                "the Trainer's data_collator gives no labels, without which nobody knows where the words are: pass "
                "data_collator=DataCollatorForTokenClassification(tokenizer)"
            )
        probabilities = None if logits is None else class_probabilities(logits, 3, TokenClassification.head)
        draws = None if drawn is None else class_probabilities(drawn, 4, TokenClassification.head)
        of_tokens = required(draws if probabilities is None else probabilities)
        if of_tokens.shape[:2] != words.shape:
            raise ScoringError(
                f"the model's logits have shape {list(of_tokens.shape)} for tokens of shape {list(words.shape)}: not "
                "one row for each token"
            )
        mask = words.to(of_tokens.device) >= 0
        found = {"finite": finite(probabilities, draws, mask)}
        if "scores" in keep:
            found["scores"] = scores_of(score, probabilities, draws, mask)
        if keep & {"tags", "confidences", "entity_words"}:
            best, tags = required(probabilities).max(dim=-1)
            if "tags" in keep:
                place = (mask.cumsum(dim=1) - 1).clamp(min=0)
                found["tags"] = torch.zeros_like(best).scatter_add(1, place, (tags + 1) * mask.to(best))
            if "confidences" in keep:
                logarithms = torch.where(mask, best, 1.0).log().sum(dim=1)
                found["confidences"] = (logarithms / mask.sum(dim=1).clamp(min=1)).exp()
            if "entity_words" in keep:
                inside = mask & (tags != self.outside)
                found["entity_words"] = torch.where(inside.any(dim=1, keepdim=True), inside, mask)
        return found


class _WordCollator:
    """Hands rows to a collator with the words of their tokens as labels."""

    def __init__(self, collate_fn: Callable[[list[Any]], Any], columns: Sequence[str]):
        self.collate_fn = collate_fn
        self.columns = columns

    def __call__(self, rows: list[dict[str, Any]]) -> Any:
        return self.collate_fn(
            [
                {
                    **{column: row[column] for column in self.columns},
                    "labels": first_tokens(_integers(row["word_ids"])),
                }
                for row in rows
            ]
        )


def _integers(word_ids: Iterable[Any]) -> list[int | None]:
    """Also of a data set in a format of tensors, in which a missing number is NaN."""
    return [None if word is None or word != word else int(word) for word in word_ids]
