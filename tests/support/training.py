"""What rounds of training begin with, and what interrupts them."""

import os
import signal

import torch
from transformers import TrainerCallback


BEST_EPOCH = {
    "learning_rate": 0.05,
    "eval_strategy": "epoch",
    "save_strategy": "epoch",
    "load_best_model_at_end": True,
    "metric_for_best_model": "eval_loss",
    "greater_is_better": True,  # so that the last epoch is surely not the best
}


class Watch(TrainerCallback):
    """Notes what a round begins with."""

    def __init__(self) -> None:
        self.learning_rates: list[float] = []
        self.adam_steps: list[int] = []
        self.first_weights: list[torch.Tensor] = []
        self.sizes: list[int] = []

    def on_train_begin(self, args, state, control, model=None, optimizer=None, train_dataloader=None, **kwargs):
        self.first_weights.append(model.classifier.weight.detach().clone())
        self.sizes.append(len(train_dataloader.dataset))
        self.learning_rates.append(optimizer.param_groups[0]["lr"])
        self.adam_steps.append(len(optimizer.state))


class InterruptAt(TrainerCallback):
    """Raises Ctrl-C, or sends SIGTERM, in the middle of round 2."""

    def __init__(self, how: str):
        self.how = how
        self.trains = 0

    def on_train_begin(self, args, state, control, **kwargs):
        self.trains += 1

    def on_step_end(self, args, state, control, **kwargs):
        if self.trains == 2 and state.global_step == 2:
            self.trains += 1  # once
            if self.how == "ctrl-c":
                raise KeyboardInterrupt
            os.kill(os.getpid(), signal.SIGTERM)
