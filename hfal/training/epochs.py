"""The number of epochs of a round, and of the steps that they make."""

import math

from transformers import TrainingArguments

from hfal.errors import ArgumentError
from hfal.utils.spelling import counted


def epochs_of(args: TrainingArguments, examples: int, min_steps: int) -> float:
    """Return a round's epochs: those of the arguments, or as many more as make `min_steps` steps and no step more.

    Args:
        args: The arguments.
        examples: How many examples there are to train on.
        min_steps: Gradient steps.
    """
    batches = examples / (args.train_batch_size * args.world_size)
    batches = math.floor(batches) if args.dataloader_drop_last else math.ceil(batches)
    steps = max(math.ceil(batches / args.gradient_accumulation_steps), 1)  # of an epoch, as the Trainer counts
    return max(args.num_train_epochs, (min_steps - 0.5) / steps)  # the Trainer rounds up to whole steps


def check_batches(args: TrainingArguments, examples: int) -> None:
    """Check that so many examples make at least one training batch.

    Raises:
        ArgumentError: They do not: `dataloader_drop_last` leaves out a last batch that is not full.
    """
    batch = args.train_batch_size * args.world_size
    if args.dataloader_drop_last and examples < batch:
        raise ArgumentError(
            f"dataloader_drop_last=True leaves out every batch that is not full, and {examples} labeled examples do "
            f"not fill one of {batch}, so nothing would be trained: leave it out, have more examples labeled first "
            "(seed_size), or lower per_device_train_batch_size"
        )


def check_steps(args: TrainingArguments, steps: int, examples: int) -> None:
    """Check that a training that has ended made a step: else its model knows nothing of the labels.

    Args:
        args: The arguments.
        steps: The steps that were made, those before a checkpoint included.
        examples: How many examples there were to train on.

    Raises:
        ArgumentError: It made none.
    """
    if steps > 0:
        return
    check_batches(args, examples)
    raise ArgumentError(
        f"the training ended without a single step on {counted(examples, 'example')} "
        f"(num_train_epochs={args.num_train_epochs:g}, max_steps={args.max_steps}), so the round is not recorded as "
        "trained: set one of them to more than 0"
    )
