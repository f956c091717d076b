"""Linear probing, then fine-tuning: a classifier whose head starts as a probe of the labels bought so far.

Kumar et al., "Fine-Tuning can Distort Pretrained Features and Underperform Out-of-Distribution" (ICLR 2022): a head
with random weights sends large, meaningless gradients into the encoder; one that fits already sends small ones.
"""

import json
import math
from collections.abc import Callable
from typing import Any

import datasets
import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from transformers import AutoModel, PreTrainedTokenizerBase
from transformers.utils import cached_file

from hfal.acquisition.forward import eval_mode, forward_columns
from hfal.acquisition.token_batches import ACCELERATOR_TOKEN_BUDGET, CPU_TOKEN_BUDGET, plan_batches
from hfal.data.checkpoints import check_model, label_options, load_model, load_tokenizer
from hfal.data.given_dataset import check_tokenized
from hfal.data.pool import Pool
from hfal.data.references import absolute_reference, resolve_model
from hfal.errors import ArgumentError
from hfal.tasks.label_column import LABEL_COLUMNS
from hfal.tasks.tokenization import NO_WORD
from hfal.training.pooled_classifier import (
    PooledClassifierForSequenceClassification,
    PooledClassifierForTokenClassification,
)
from hfal.training.pooled_config import PooledClassifierConfig
from hfal.utils.single_thread import single_thread


PooledClassifier = PooledClassifierForSequenceClassification | PooledClassifierForTokenClassification


def probe_init(
    pool: Pool,
    encoder: str,
    *,
    c: float = 1.0,
    dropout: float = 0.1,
    head_learning_rate_factor: float = 1.0,
) -> Callable[[], PooledClassifier]:
    """Return a `model_init` for the Trainer: the encoder with its own pooling, and a probe of the labels as the head.

    The head of a round is scikit-learn's logistic regression on the vectors that the encoder, before it is trained,
    makes of the labeled examples that the round trains on: multinomial for one label, one regression for each label
    of sets. Of entities, the vector is the last state of a word's first token. For the regression, vectors are
    centered, and all divided by one number, so that their mean variance is 1; in the weights that is undone. A label
    that no example has yet begins with odds of 1 to the number of examples. Without labels, or with only one class of
    them, every class is as likely as the others.

    The labels are looked up whenever the Trainer asks for a model, those of a round that has begun as they were when
    it began. The same labels give the same head. With `retrain="continue"` the first round alone begins with a probe.

    Args:
        pool (`Pool`):
            The pool, whose data set is tokenized by the encoder's tokenizer.
        encoder (`str`):
            The encoder: its Hub name, a path, or `package:NAME/path`. Of a model of sentence-transformers pooling and
            normalization are as that says; of another one the mean over the tokens is taken. A prompt that
            sentence-transformers would set before a text is not.
        c (`float`, *optional*, defaults to 1.0):
            The inverse of the regularization: `C` of scikit-learn.
        dropout (`float`, *optional*, defaults to 0.1):
            The probability with which the head drops a number of the vector while the model is fine-tuned.
        head_learning_rate_factor (`float`, *optional*, defaults to 1.0):
            How many times as fast as the encoder the head learns in fine-tuning, under an optimizer of the Adam
            family. (Weight decay is that of the learning rate itself. `max_grad_norm` sees a gradient of the head that
            is larger by this factor.)

    Returns:
        A function without arguments that gives a `PooledClassifierForSequenceClassification`, or for entities a
        `PooledClassifierForTokenClassification`. Their checkpoints are loaded by the `Auto` classes of transformers
        after `import hfal`.

    Raises:
        ArgumentError: An argument has a value that it cannot have, the pool is not tokenized, or the encoder has a
            module behind its pooling that has no place in such a classifier.
        FileNotFoundError: There is no such encoder.
    """
    if not (math.isfinite(c) and c > 0):
        raise ArgumentError(f"c={c}, expected a number above 0: the inverse of the regularization")
    if not 0 <= dropout < 1:
        raise ArgumentError(f"dropout={dropout}, expected a probability below 1")
    if not (math.isfinite(head_learning_rate_factor) and head_learning_rate_factor > 0):
        raise ArgumentError(f"head_learning_rate_factor={head_learning_rate_factor}, expected a number above 0")
    kind = pool.task.kind
    if not kind.needs_names:
        raise ArgumentError(f"a probe tells apart a list of labels, but {pool.task.name} has none: load another model")
    check_tokenized(pool.dataset, pool.task.how_to_tokenize)
    checkpoint = resolve_model(encoder)
    tokenizer = load_tokenizer(checkpoint, "encoder")
    check_model(AutoModel, checkpoint, tokenizer, "encoder")
    pooling, normalize = ("mean", False) if kind.of_words else read_pooling(checkpoint)
    options: dict[str, Any] = {
        "pooling": pooling,
        "normalize": normalize,
        "classifier_dropout": dropout,
        "head_learning_rate_factor": head_learning_rate_factor,
        "encoder_name_or_path": absolute_reference(checkpoint),
        "name_or_path": absolute_reference(checkpoint),
        **label_options(pool.label_names),
    }
    if not kind.one_class:
        options["problem_type"] = "multi_label_classification"

    def make() -> PooledClassifier:
        body = load_model(AutoModel, checkpoint, tokenizer)
        if body.config.is_encoder_decoder:
            raise ArgumentError(f"encoder={encoder!r} has a decoder too: name an encoder, such as BERT or MiniLM")
        config = PooledClassifierConfig(body.config, pad_token_id=tokenizer.pad_token_id, **options)
        of_kind = (
            PooledClassifierForTokenClassification if kind.of_words else PooledClassifierForSequenceClassification
        )
        model: PooledClassifier = of_kind(config, body)
        rows = pool.labeled_until(_answers_seen(pool))
        if len(rows):
            inputs, labels = probe_data(model, rows, tokenizer)
            weight, bias = fit_head(inputs, labels, len(pool.label_names), c)
            model.classifier.set(torch.from_numpy(weight), torch.from_numpy(bias))
        return model

    return make


def read_pooling(checkpoint: str) -> tuple[str | list[str], bool]:
    """Return how sentence-transformers pools the states of an encoder, and whether it normalizes the result.

    Args:
        checkpoint: What `resolve_model` has returned; `("mean", False)` if it is none of sentence-transformers.

    Raises:
        ArgumentError: It has other modules, or its files cannot be read.
    """
    try:
        file = cached_file(checkpoint, "modules.json", _raise_exceptions_for_missing_entries=False)
        if file is None:
            return "mean", False
        with open(file, encoding="utf-8") as lines:
            modules = [(module["type"].rpartition(".")[2], module["path"]) for module in json.load(lines)]
        kinds = [kind for kind, _ in modules]
        if kinds[:2] == ["Transformer", "Pooling"] and kinds[2:] in ([], ["Normalize"]):
            from sentence_transformers.sentence_transformer.modules import Pooling  # which takes seconds

            mode = Pooling.load(checkpoint, subfolder=modules[1][1]).pooling_mode
            return mode if isinstance(mode, str) else list(mode), len(kinds) == 3
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ArgumentError(
            f"encoder is {checkpoint}, whose pooling cannot be read ({type(error).__name__}: {error}): copy the "
            "model again"
        ) from error
    raise ArgumentError(
        f"encoder is {checkpoint}, of the modules {', '.join(kinds)}; expected Transformer, Pooling and perhaps "
        "Normalize: name another encoder, or let a classifier of transformers begin with random weights"
    )


def _answers_seen(pool: Pool) -> int | None:
    """Return the last answer that a model made now is to know: of the round that has begun, or `None` for all."""
    records = pool.store.rounds()
    return records[-1].answers_seen if records and not records[-1].finished else None


def probe_data(
    model: PooledClassifier, rows: datasets.Dataset, tokenizer: PreTrainedTokenizerBase
) -> tuple[np.ndarray, np.ndarray]:
    """Return what goes into the head of a model for each labeled text, or word, and the labels.

    Args:
        model: The model.
        rows: The labeled view of a pool.
        tokenizer: The encoder's.

    Returns:
        float64[n, D], and classes int[n] or sets float[n, C], in the order of the rows.
    """
    of_words = isinstance(model, PooledClassifierForTokenClassification)
    labels = next(name for name in LABEL_COLUMNS if name in rows.column_names)
    rows = rows.with_format(None)
    tokens = rows.select_columns(forward_columns(model, rows.column_names))
    lengths = np.array([len(ids) for ids in tokens["input_ids"][:]])
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    budget = CPU_TOKEN_BUDGET if device.type == "cpu" else ACCELERATOR_TOKEN_BUDGET
    found: list[np.ndarray] = [np.empty(0)] * len(rows)
    model.to(device)
    with torch.inference_mode(), eval_mode(model):
        for batch in plan_batches(lengths, budget):
            inputs = tokenizer.pad(tokens[batch.tolist()], return_tensors="pt").to(device)
            states = model.head_inputs(**inputs).double().cpu().numpy()
            mask = inputs["attention_mask"].bool().cpu().numpy()
            for place, row in enumerate(batch):
                found[row] = states[place][mask[place]] if of_words else states[place]
    model.to("cpu")
    if not of_words:
        return np.stack(found), np.array(rows[labels][:])
    tags = np.concatenate([np.array(row) for row in rows[labels][:]])
    return np.concatenate(found)[tags != NO_WORD], tags[tags != NO_WORD]


def fit_head(inputs: np.ndarray, labels: np.ndarray, classes: int, c: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Fit a logistic regression, and write it as the weights of a linear layer on the inputs as they are.

    Args:
        inputs: float[n, D].
        labels: Classes int[n], or sets float[n, C] of 1 and 0.
        classes: How many classes there are in all, C.
        c: The inverse of the regularization, of inputs with a mean of 0 and a mean variance of 1.

    Returns:
        Weights float64[C, D] and biases float64[C]. A softmax, or for sets a sigmoid, of the logits gives
        scikit-learn's probabilities among the classes that there are examples of.
    """
    weight, bias = np.zeros((classes, inputs.shape[1])), np.zeros(classes)
    unseen = -math.log(max(len(labels), 1))
    if labels.ndim == 2:
        for number, column in enumerate(labels.T > 0.5):
            if column.all() or not column.any():
                bias[number] = -unseen if column.any() else unseen
            else:
                (weight[number],), (bias[number],) = _regression(inputs, column, c)
        return weight, bias
    seen = np.unique(labels)
    if len(seen) < 2:
        return weight, bias
    weights, biases = _regression(inputs, labels, c)
    if len(seen) == 2:  # one number says how much more the second is: half of it for the one, half against the other
        weights, biases = np.concatenate([-weights, weights]) / 2, np.concatenate([-biases, biases]) / 2
    bias[:] = unseen
    weight[seen], bias[seen] = weights, biases
    return weight, bias


def _regression(inputs: np.ndarray, labels: np.ndarray, c: float) -> tuple[np.ndarray, np.ndarray]:
    """Return coefficients and intercepts, of inputs as they are.

    All numbers of the input are divided by the same one: some encoders have some that hardly vary at all, in
    all-MiniLM-L6-v2 by 1e-33, and a weight that makes up for that would be of no use as soon as the encoder learns.

    By one thread: the matrices are small, and on a busy machine two threads wait for each other sixteen times as long
    as one takes. The weights then do not depend on how many there are, either.
    """
    mean, scale = inputs.mean(axis=0), math.sqrt(inputs.var(axis=0).mean()) or 1.0
    with single_thread():
        model = LogisticRegression(C=c, max_iter=1000).fit((inputs - mean) / scale, labels)
    return model.coef_ / scale, model.intercept_ - model.coef_ @ mean / scale
