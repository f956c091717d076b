"""Training settings that suit a few hundred labels."""

import contextlib
import json
from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import Any

from transformers import ProgressCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.integrations import get_reporting_integration_callbacks

from hfal.config.arguments import TrainingOptions
from hfal.errors import ArgumentError
from hfal.training.argument_values import check_argument_values
from hfal.training.option_errors import refusing


@dataclass
class RoundTrainingArguments(TrainingOptions, TrainingArguments):
    """`TrainingArguments` with defaults for fine-tuning on tens to hundreds of examples, many times in a row.

    Settings that are safe rather than best: with 100 random labels of movie-review sentences, all-MiniLM-L6-v2 reached
    accuracies of 0.62 and 0.68 (two seeds); with the defaults of `TrainingArguments` 0.49 and 0.56.

    These defaults differ from those of `TrainingArguments`:
        num_train_epochs: 10 instead of 3. 50 examples in batches of 8 make 19 steps in 3 epochs, in which a new
            classification head learns next to nothing.
        learning_rate: 1e-4 instead of 5e-5. Small encoders need more; base-size ones bear it with the warm-up.
        warmup_steps: 0.1 instead of 0: the first tenth of the steps, however few they are. Without it some of the
            runs on little data fail altogether (Mosbach et al., 2021).
        per_device_train_batch_size: 16 instead of 8.
        per_device_eval_batch_size: 32 instead of 8.
        save_strategy: "no" instead of every 500 steps. hfal saves the final model of each round by itself; a round
            that was interrupted begins again, which for rounds of minutes is cheaper than checkpoints.
        logging_strategy: "no" instead of every 500 steps. The metrics of each round are logged all the same.
        log_level: "error" instead of "passive": no report on the new classification head in every round.
        log_level_replica: "error" instead of "warning".
        dataloader_pin_memory: False instead of True, which warns where there is no GPU, and brings nothing here.

    Raises:
        ArgumentError: An option has a value that it cannot have, or the library of a tracker is missing.
    """

    def __post_init__(self) -> None:
        """Check the options, and derive others from them, as `TrainingArguments` does."""
        check_argument_values(self)
        if self.resume_from_checkpoint is not None:
            raise ArgumentError(
                f"resume_from_checkpoint={self.resume_from_checkpoint!r}: a run goes on by itself from the last "
                "checkpoint of its round: leave it out, and start the run again"
            )
        for name in self._VALID_DICT_FIELDS:
            _check_json(name, getattr(self, name))
        with refusing(self, "an option has a value that it cannot have"):
            super().__post_init__()
        with refusing(self, f"report_to={self.report_to!r}", ("report_to",)):
            for callback in get_reporting_integration_callbacks(self.report_to):
                callback()  # which looks for its library, and begins nothing yet

    def get_warmup_steps(self, num_training_steps: int) -> int:
        """The number of warm-up steps, never all of them: in the first of these the learning rate is 0."""
        return min(int(super().get_warmup_steps(num_training_steps)), max(num_training_steps - 1, 0))


def _check_json(name: str, value: Any) -> None:
    if isinstance(value, str) and value.startswith("{"):  # else it is the name of a file
        try:
            json.loads(value)
        except ValueError as error:
            raise ArgumentError(f"{name}={value!r} is no JSON: {error}") from None


@contextlib.contextmanager
def option_errors(args: TrainingArguments) -> Iterator[None]:
    """Have the Trainer, which is made in this `with` block, say in one line which of its options cannot be.

    Args:
        args: The Trainer's arguments.

    Raises:
        ArgumentError: It refuses one of them.
    """
    with refusing(args, "the Trainer cannot be made"):
        yield


FROZEN_ENCODER = {
    "learning_rate": 1e-2,
    "per_device_train_batch_size": 32,
    "per_device_eval_batch_size": 1024,
}
"""What suits a linear head on a frozen encoder, trained for 10 epochs and at least 100 steps.

On three sets of texts with 25 to 300 labels the mean macro-F1 was 0.639, 0.658, 0.662 and 0.655 with learning rates of
1e-3, 3e-3, 1e-2 and 3e-2, and within 0.004 of that of 1e-2 with 50 or 200 steps, batches of 16 or 64, a weight decay
of 0.1 or 1, or dropout of 0.1 or 0.3. For entities, too, none of these changed much.
"""


def suit_frozen_encoder(args: TrainingArguments, given: Container[str]) -> None:
    """Set what suits a linear head on a frozen encoder, for all that the user has not set.

    Args:
        args: The arguments, which are changed.
        given: The names of those that the user has set.
    """
    for name, value in FROZEN_ENCODER.items():
        if name not in given:
            setattr(args, name, value)


class RoundProgress(ProgressCallback):
    """The Trainer's progress bars, which vanish in the end, without its summary of each training."""

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Show the bar of a training."""
        super().on_train_begin(args, state, control, **kwargs)
        if self.training_bar is not None:
            self.training_bar.leave = False

    def on_prediction_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Show the bar of an evaluation."""
        super().on_prediction_step(args, state, control, **kwargs)
        if self.prediction_bar is not None:
            self.prediction_bar.leave = False

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Print what is logged on the way."""
        if logs is not None and "train_runtime" not in logs:
            super().on_log(args, state, control, logs=logs, **kwargs)
