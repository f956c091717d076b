"""The number of epochs of a round."""

import math

from transformers import TrainingArguments


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
