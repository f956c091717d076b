"""What differs between the tasks: how the data has labels, what a pass of the model says, what is suggested.

Text classification has one label for each text (or pair of texts), multi-label classification a set of labels, token
classification a tag for each word.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from hfal.errors import ArgumentError, RowError, ScoringError
from hfal.label_set_columns import label_set_names_of, read_label_sets
from hfal.labels import label_indices, label_names_of, label_values
from hfal.strategies.scores import Stack, call_score, reads_draws
from hfal.tag_columns import count_words, infer_task, read_tags, tag_names_of
from hfal.tags import OUTSIDE
from hfal.thresholds import thresholds_of
from hfal.tokenization import NO_WORD, first_tokens


logger = logging.getLogger(__name__)

TASKS = ("text_classification", "multi_label_classification", "token_classification")
LABEL_COLUMNS = ("label", "labels", "label_ids")
"""What the Trainer and its collators call the labels."""


class _WholeTexts:
    """What the two tasks that label whole texts have in common."""

    words: np.ndarray | None = None
    outside = 0
    scheme: str | None = None
    thresholds: Mapping[str, float] | None = None
    head = "sequence classification head (AutoModelForSequenceClassification)"
    wrong_model = "ForTokenClassification"
    collator_hint = "let it do without labels"
    suggestion_signals = frozenset({"probabilities"})

    def __init__(self, dataset: datasets.Dataset, text_columns: Sequence[str], label_column: str | None):
        self.dataset = dataset
        self.label_column = label_column
        columns = ", ".join(f"batch[{name!r}]" for name in text_columns)
        self.how_to_tokenize = (
            f"    dataset = dataset.map(lambda batch: tokenizer({columns}, truncation=True), batched=True)"
        )

    def check_tokens(self, lengths: np.ndarray) -> None:
        """Nothing beside what the pool checks by itself."""

    def columns_to_score(self, columns: Sequence[str]) -> list[str]:
        """The columns that a scoring pass reads: those that the model takes."""
        return list(columns)

    def collator(self, collate_fn: Callable[[list[Any]], Any], columns: Sequence[str]) -> Callable[[list[Any]], Any]:
        """What makes the batches of a scoring pass: the Trainer's own collator."""
        return collate_fn

    def check_batch(self, batch: Mapping[str, Any], rows: Sequence[int]) -> None:
        """Nothing has to be in a batch beside what the model takes."""


class TextClassification(_WholeTexts):
    """One label for each text (or pair of texts). What pool, scoring and loop need to know of it.

    Args:
        dataset: The data.
        text_columns: Its columns with text.
        label_column: Its column with labels, if it has one.
        label_names: The names that the user gives, if any.
    """

    name = "text_classification"

    def __init__(
        self,
        dataset: datasets.Dataset,
        text_columns: Sequence[str],
        label_column: str | None,
        label_names: Sequence[str] | None,
    ):
        super().__init__(dataset, text_columns, label_column)
        self.label_names = label_names_of(dataset, label_column, label_names)

    def indices(self) -> np.ndarray:
        """The labels in the data set itself, as indices into `label_names`, int64[N]; -1 where it gives none."""
        if self.label_column is None:
            return np.full(len(self.dataset), -1, np.int64)
        return label_indices(self.dataset, self.label_column, self.label_names)

    def given(self) -> np.ndarray:
        """Which examples have a label in the data set itself, bool[N]."""
        return self.indices() >= 0

    def label_bytes(self) -> bytes:
        """All labels in the data set itself, for a hash of them."""
        return self.indices().tobytes()

    def label_at(self, row: int) -> str | None:
        """The label that the data set itself gives to an example."""
        if self.label_column is None:
            return None
        cell = self.dataset.select_columns([self.label_column]).with_format("arrow")[[row]][self.label_column]
        value = label_values(cell)[0].as_py()
        if value is None or value == -1:
            return None
        return value if isinstance(value, str) else self.label_names[value]

    def check_problem_type(self, problem_type: str | None) -> None:
        """Check that the model's configuration does not say that its labels are something else.

        Raises:
            ArgumentError: It was made for several labels.
        """
        if problem_type == "multi_label_classification":
            raise ArgumentError(
                f"the model's problem_type is {problem_type!r}, but the pool has one label for each text: load the "
                "model with problem_type='single_label_classification' (several labels for a text are lists in the "
                "label_column)"
            )

    def training_labels(self, rows: pa.Table, labels: Sequence[str]) -> tuple[pa.Array, Any]:
        """What the Trainer takes for the labels of some rows, and the column's feature."""
        index = {name: i for i, name in enumerate(self.label_names)}
        return pa.array([index[label] for label in labels], pa.int64()), datasets.ClassLabel(
            names=list(self.label_names)
        )

    def with_labels(self, dataset: datasets.Dataset, column: str) -> datasets.Dataset:
        """Another data set with its labels as the Trainer takes them, in `column`."""
        assert self.label_column is not None
        indices = label_indices(dataset, self.label_column, self.label_names)
        if (indices < 0).any():
            row = int(np.flatnonzero(indices < 0)[0])
            raise ArgumentError(
                f"row {row} has the label {dataset[row][self.label_column]!r}, expected one of "
                f"{', '.join(self.label_names)}"
            )
        feature = datasets.ClassLabel(names=list(self.label_names))
        return dataset.remove_columns(self.label_column).add_column(column, indices, feature=feature)

    def suggestions(self, arrays: Mapping[str, np.ndarray], rows: np.ndarray) -> list[tuple[str, float]]:
        """The most likely label of each example, and its probability, from probabilities float[n, C]."""
        probabilities = arrays["probabilities"]
        best = probabilities.argmax(axis=1)
        return [(self.label_names[c], float(probabilities[row, c])) for row, c in enumerate(best)]

    @staticmethod
    def signals(
        logits: torch.Tensor | None,
        drawn: torch.Tensor | None,
        words: torch.Tensor | None,
        keep: frozenset[str],
        score: Callable[..., torch.Tensor] | None,
    ) -> dict[str, torch.Tensor]:
        """What a batch's logits say.

        Args:
            logits: float[B, C]; `None` where all that is asked for is of draws.
            drawn: Those of T draws of the model's parameters, float[B, T, C], if there are any.
            words: Not used.
            keep: Any of `"scores"`, `"probabilities"` and `"draws"`.
            score: The acquisition score, of probabilities float32[B, C], or of draws float32[B, T, C].

        Returns:
            What is in `keep`, float[B, ...], and `finite`, bool[B].

        Raises:
            ArgumentError: The model is no sequence classifier.
            ScoringError: The score function did not return one number for each example.
        """
        probabilities = None if logits is None else class_probabilities(logits, 2, TextClassification.head)
        draws = None if drawn is None else class_probabilities(drawn, 3, TextClassification.head)
        found = {"finite": _finite(probabilities, draws)}
        if "probabilities" in keep:
            found["probabilities"] = _given(probabilities)
        if "draws" in keep:
            found["draws"] = _given(draws)
        if "scores" in keep:
            found["scores"] = _score(score, probabilities, draws, None)
        return found


class MultiLabelClassification(_WholeTexts):
    """A set of labels for each text (or pair of texts). What pool, scoring and loop need to know of it.

    Args:
        dataset: The data.
        text_columns: Its columns with text.
        label_column: Its column with lists of labels, if it has one.
        label_names: The names that the user gives, if any.
        thresholds: From which probability on a label is suggested; see `hfal.thresholds`.
    """

    name = "multi_label_classification"

    def __init__(
        self,
        dataset: datasets.Dataset,
        text_columns: Sequence[str],
        label_column: str | None,
        label_names: Sequence[str] | None,
        thresholds: float | Mapping[str, float] | None,
    ):
        super().__init__(dataset, text_columns, label_column)
        self.label_names = label_set_names_of(dataset, label_column, label_names)
        self.thresholds: dict[str, float] = thresholds_of(thresholds, self.label_names)
        self.sets = read_label_sets(dataset, label_column, self.label_names)

    def indices(self) -> np.ndarray:
        """There is no single label of a text."""
        raise ArgumentError("seed_strategy='stratified' is for text classification: take 'random' or 'kmeans'")

    def given(self) -> np.ndarray:
        """Which texts have a set of labels in the data set itself, bool[N]; it may be empty."""
        return self.sets.given

    def label_bytes(self) -> bytes:
        """All sets in the data set itself, for a hash of them."""
        return self.sets.indices.tobytes() + self.sets.offsets.tobytes() + self.sets.given.tobytes()

    def label_at(self, row: int) -> list[str] | None:
        """The labels that the data set itself gives to a text."""
        return self.sets.of(row)

    def check_problem_type(self, problem_type: str | None) -> None:
        """Check that the model will be trained with a binary cross-entropy for each label.

        Raises:
            ArgumentError: Its configuration says something else, or would be taken to say so.
        """
        if problem_type is None and len(self.label_names) > 1:
            return  # transformers tells it by the labels, which are floats
        if problem_type != self.name:
            why = " (with one label and no problem_type it would be a regression)" if problem_type is None else ""
            raise ArgumentError(
                f"the model's problem_type is {problem_type!r}, but the pool has sets of labels: load the model with "
                f"problem_type={self.name!r}{why}"
            )

    def training_labels(self, rows: pa.Table, labels: Sequence[Sequence[str]]) -> tuple[pa.Array, Any]:
        """What the Trainer takes for the labels of some rows, float32[L] each: 1 for those in the set; the feature."""
        hot = np.zeros((len(labels), len(self.label_names)), np.float32)
        index = {name: i for i, name in enumerate(self.label_names)}
        for row, names in enumerate(labels):
            hot[row, [index[name] for name in names]] = 1
        return pa.array(list(hot), pa.list_(pa.float32())), datasets.List(datasets.Value("float32"))

    def with_labels(self, dataset: datasets.Dataset, column: str) -> datasets.Dataset:
        """Another data set with its labels as the Trainer takes them, in `column`."""
        sets = read_label_sets(dataset, self.label_column, self.label_names)
        if not sets.given.all():
            row = int(np.flatnonzero(~sets.given)[0])
            raise RowError(
                row, f"no labels in column {self.label_column!r}: drop such rows; an empty list is none of them"
            )
        rows = [sets.of(row) or [] for row in range(len(dataset))]
        labels, feature = self.training_labels(dataset.data, rows)
        known = [name for name in {self.label_column, *LABEL_COLUMNS} if name in dataset.column_names]
        return dataset.remove_columns(known).add_column(column, labels, feature=feature)

    def suggestions(self, arrays: Mapping[str, np.ndarray], rows: np.ndarray) -> list[tuple[list[str], float]]:
        """The labels whose probability reaches their threshold, and how sure the model is of the whole set.

        That is the geometric mean, over all labels, of the probability of what was decided: of the label if it is
        suggested, of its absence if it is not.

        Args:
            arrays: `probabilities`, float[n, L].
            rows: Not used.
        """
        probabilities = arrays["probabilities"].astype(np.float64)
        chosen = probabilities >= np.array([*self.thresholds.values()])
        confidences = np.exp(np.log(np.where(chosen, probabilities, 1 - probabilities)).mean(axis=1))
        names = np.array(self.label_names, object)
        return [(names[row].tolist(), float(sure)) for row, sure in zip(chosen, confidences, strict=True)]

    @staticmethod
    def signals(
        logits: torch.Tensor | None,
        drawn: torch.Tensor | None,
        words: torch.Tensor | None,
        keep: frozenset[str],
        score: Callable[..., torch.Tensor] | None,
    ) -> dict[str, torch.Tensor]:
        """What a batch's logits say, each of one label by itself.

        Args:
            logits: float[B, L]; `None` where all that is asked for is of draws.
            drawn: Those of T draws of the model's parameters, float[B, T, L], if there are any.
            words: Not used.
            keep: Any of `"scores"`, `"probabilities"` and `"draws"`.
            score: The acquisition score, of probabilities float32[B, L], or of draws float32[B, T, L].

        Returns:
            What is in `keep`, float[B, ...], and `finite`, bool[B].

        Raises:
            ArgumentError: The model is no sequence classifier.
            ScoringError: The score function did not return one number for each example.
        """
        for tensor, dimensions in ((logits, 2), (drawn, 3)):
            if tensor is not None:
                _check_dimensions(tensor, dimensions, MultiLabelClassification.head)
        probabilities = None if logits is None else logits.float().sigmoid()
        draws = None if drawn is None else drawn.float().sigmoid()
        found = {"finite": _finite(logits, drawn)}  # of the logits: the sigmoid of infinity is 1
        if "probabilities" in keep:
            found["probabilities"] = _given(probabilities)
        if "draws" in keep:
            found["draws"] = _given(draws)
        if "scores" in keep:
            found["scores"] = _score(score, probabilities, draws, None)
        return found


class TokenClassification:
    """A tag for each word of a sentence. What pool, scoring and loop need to know of it.

    Args:
        dataset: The data, tokenized by `hfal.tokenize_words`.
        text_columns: Its one column with sentences, in words or as raw text.
        label_column: Its column with tags or spans, if it has one.
        label_names: The names that the user gives, of tags or of entity types, if any.
    """

    name = "token_classification"
    thresholds: Mapping[str, float] | None = None
    head = "token classification head (AutoModelForTokenClassification)"
    wrong_model = "ForSequenceClassification"
    collator_hint = "pass data_collator=DataCollatorForTokenClassification(tokenizer), which pads labels too"
    suggestion_signals = frozenset({"tags", "confidences"})

    def __init__(
        self,
        dataset: datasets.Dataset,
        text_columns: Sequence[str],
        label_column: str | None,
        label_names: Sequence[str] | None,
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
        self.tags = read_tags(dataset, self.text_column, label_column, self.label_names, self.words)
        self.scheme = self.tags.scheme
        self.outside = self.label_names.index(OUTSIDE) if OUTSIDE in self.label_names else -1

    def indices(self) -> np.ndarray:
        """There is no single label of a sentence."""
        raise ArgumentError("seed_strategy='stratified' is for text classification: take 'random' or 'kmeans'")

    def given(self) -> np.ndarray:
        """Which sentences have tags in the data set itself, bool[N]."""
        return self.tags.given

    def label_bytes(self) -> bytes:
        """All tags in the data set itself, for a hash of them."""
        return self.tags.indices.tobytes() + self.tags.offsets.tobytes()

    def label_at(self, row: int) -> list[str] | None:
        """The tags that the data set itself gives to a sentence."""
        return self.tags.of(row)

    def check_problem_type(self, problem_type: str | None) -> None:
        """Token classifiers do not have one."""

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
        for table in self.dataset.select_columns(["word_ids"]).with_format("arrow").iter(10_000):
            cells = table["word_ids"].combine_chunks()
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
                f"of {len(none)} sentences the tokenizer keeps no word at all (rows {', '.join(map(str, none[:5]))}; "
                f"the first is {self.dataset[int(none[0])][self.text_column]!r:.80}): drop these rows"
            )
        beyond = np.flatnonzero(last >= self.words)
        if len(beyond):
            raise ArgumentError(
                f"row {beyond[0]} has tokens of word {last[beyond[0]] + 1}, but only {self.words[beyond[0]]} words in "
                f"{self.text_column!r}: tokenize that very column, with hfal.tokenize_words"
            )
        cut = self.words - 1 - last
        dropped = self.words - seen - cut
        if cut.any():
            logger.warning(
                "%d words of %d sentences lie behind the length at which the tokenizer cuts: they are neither trained "
                "on nor scored, and O is suggested for them; a larger max_length keeps them",
                cut.sum(),
                (cut > 0).sum(),
            )
        if dropped.any():
            logger.warning(
                "the tokenizer makes no token of %d words in %d sentences (row %d for one): they are neither trained "
                "on nor scored, and O is suggested for them",
                dropped.sum(),
                (dropped > 0).sum(),
                np.flatnonzero(dropped)[0],
            )

    def training_labels(self, rows: pa.Table, labels: Sequence[Sequence[str]]) -> tuple[pa.Array, Any]:
        """What the Trainer takes for the tags of some rows, and the column's feature.

        For each token: the tag of its word if it is the first token of it, else -100, which no loss counts.
        """
        index = {name: i for i, name in enumerate(self.label_names)}
        aligned = [
            [NO_WORD if word == NO_WORD else index[tags[word]] for word in first_tokens(word_ids)]
            for word_ids, tags in zip(rows["word_ids"].to_pylist(), labels, strict=True)
        ]
        return pa.array(aligned, pa.list_(pa.int64())), datasets.List(datasets.Value("int64"))

    def with_labels(self, dataset: datasets.Dataset, column: str) -> datasets.Dataset:
        """Another data set with its tags as the Trainer takes them, in `column`."""
        other = TokenClassification(dataset, [self.text_column], self.label_column, self.label_names)
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
        known = [name for name in (self.label_column, *LABEL_COLUMNS) if name in dataset.column_names]
        return dataset.remove_columns(known).add_column(column, aligned, feature=feature)

    def columns_to_score(self, columns: Sequence[str]) -> list[str]:
        """The columns that a scoring pass reads: those that the model takes, and which word each token is of."""
        return list(dict.fromkeys([*columns, "word_ids"]))

    def collator(self, collate_fn: Callable[[list[Any]], Any], columns: Sequence[str]) -> Callable[[list[Any]], Any]:
        """What makes the batches of a scoring pass: the Trainer's collator, given the words in the place of labels.

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
        if labels is None or found != expected or labels.shape != batch["input_ids"].shape:
            raise ArgumentError(
                f"the Trainer's data collator does not keep labels beside their tokens: {self.collator_hint}"
            )

    def suggestions(self, arrays: Mapping[str, np.ndarray], rows: np.ndarray) -> list[tuple[list[str], float]]:
        """The model's own tags of some sentences, and the geometric mean of their probabilities.

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

    def signals(
        self,
        logits: torch.Tensor | None,
        drawn: torch.Tensor | None,
        words: torch.Tensor | None,
        keep: frozenset[str],
        score: Callable[..., torch.Tensor] | None,
    ) -> dict[str, torch.Tensor]:
        """What a batch's logits say of the words, each read from its first token.

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
        of_tokens = _given(draws if probabilities is None else probabilities)
        if of_tokens.shape[:2] != words.shape:
            raise ScoringError(
                f"the model's logits have shape {list(of_tokens.shape)} for tokens of shape {list(words.shape)}: not "
                "one row for each token"
            )
        mask = words.to(of_tokens.device) >= 0
        found = {"finite": _finite(probabilities, draws, mask)}
        if "scores" in keep:
            found["scores"] = _score(score, probabilities, draws, mask)
        if keep & {"tags", "confidences", "entity_words"}:
            best, tags = _given(probabilities).max(dim=-1)
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


Task = TextClassification | MultiLabelClassification | TokenClassification


def make_task(
    name: str | None,
    dataset: datasets.Dataset,
    text_columns: Sequence[str],
    label_column: str | None,
    label_names: Sequence[str] | None,
    thresholds: float | Mapping[str, float] | None = None,
) -> Task:
    """The task of a name, or the one that the columns are made for; see `hfal.tag_columns.infer_task`.

    Raises:
        ArgumentError: There is no such task, or the data or an argument does not fit it.
    """
    if name is not None and name not in TASKS:
        raise ArgumentError(f"task={name!r}, expected one of {', '.join(TASKS)}")
    if name is None:
        name = infer_task(dataset, text_columns, label_column)
    if name == "multi_label_classification":
        return MultiLabelClassification(dataset, text_columns, label_column, label_names, thresholds)
    if thresholds is not None:
        raise ArgumentError(f"thresholds={thresholds!r} is for multi-label classification, but this is {name}")
    cls = TokenClassification if name == "token_classification" else TextClassification
    return cls(dataset, text_columns, label_column, label_names)


def class_probabilities(logits: torch.Tensor, dimensions: int, head: str) -> torch.Tensor:
    """Softmax over the classes, in float32 whatever the logits' precision.

    Args:
        logits: float[..., C].
        dimensions: How many dimensions they should have.
        head: What a model needs to have for that, for the message.

    Raises:
        ArgumentError: They have another number of dimensions.
    """
    _check_dimensions(logits, dimensions, head)
    return logits.float().softmax(dim=-1)


def _check_dimensions(logits: torch.Tensor, dimensions: int, head: str) -> None:
    if logits.ndim != dimensions:
        expected = "[batch, classes]" if dimensions == 2 else "[batch, tokens, classes]"
        raise ArgumentError(
            f"the model's logits have shape {list(logits.shape)}, expected {expected}: use a model with a {head}"
        )


def _given(tensor: torch.Tensor | None) -> torch.Tensor:
    assert tensor is not None
    return tensor


def _finite(
    probabilities: torch.Tensor | None, draws: torch.Tensor | None, mask: torch.Tensor | None = None
) -> torch.Tensor:
    """Which examples of a batch have only finite probabilities, bool[B]; outside the mask it does not matter."""
    rows = []
    for tensor in (probabilities, draws):
        if tensor is not None:
            finite = tensor.isfinite()
            if mask is not None:
                finite = finite | ~mask.reshape(*mask.shape, *[1] * (tensor.ndim - 2))
            rows.append(finite.flatten(1).all(dim=1))
    return torch.stack(rows).all(dim=0)


def _score(
    score: Callable[..., torch.Tensor] | None,
    probabilities: torch.Tensor | None,
    draws: torch.Tensor | None,
    mask: torch.Tensor | None,
) -> torch.Tensor:
    """The acquisition scores of a batch, float[B], or float[B, S] of a `Stack` of S scores."""
    assert score is not None
    if reads_draws(score) and draws is None:
        raise ScoringError("the score is of draws of the model's parameters, and there are none: pass draws=")
    scores = call_score(score, probabilities, draws, mask)
    rows = len(_given(draws if probabilities is None else probabilities))
    shape = (rows, len(score.scores)) if isinstance(score, Stack) else (rows,)
    if not isinstance(scores, torch.Tensor) or scores.shape != shape:
        found = list(scores.shape) if isinstance(scores, torch.Tensor) else type(scores).__name__
        raise ScoringError(f"the score function returned {found} for {rows} examples, expected a tensor [{rows}]")
    return scores
