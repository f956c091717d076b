"""A process that trains, considers the first half of a stream, trains again, and considers the rest."""

from typing import Any

import torch
from datasets import load_from_disk
from transformers import Trainer, TrainingArguments

from hfal import ActiveLearningCallback, Pool, Stream
from support.crash_run import InstantsOfTraining, Kill, LoggingAnnotator, Places, start
from support.models import opinionated_model_init
from support.texts import load_tokenizer


POOL, BATCH, HALF = 40, 20, 120


def run(places: Places, kill: Kill | None = None) -> None:
    """One process: all that a user's script does, which passes over what was decided before.

    The texts of the first half have ids, those of the second come from a file, of which a hundred bytes are a text.

    Args:
        places: Where everything is.
        kill: When to die; `None` to go on to the end.
    """
    instants = start(places, kill)
    torch.set_num_threads(1)  # the machine's other cores are the other tests'
    reviews = load_from_disk(str(places.data / "reviews")).select_columns(["text", "label"])
    tokenizer = load_tokenizer()

    def tokenize(batch: dict[str, Any]) -> Any:
        return tokenizer(batch["text"], truncation=True, max_length=32)

    pool = Pool(
        reviews.select(range(POOL)),
        places.run_dir,
        "text",
        "label",
        prepare=lambda rows: rows.map(tokenize, batched=True),
    )
    active = ActiveLearningCallback(
        pool, strategy="margin", annotator=LoggingAnnotator(pool, places.log, instants), query_size=6, holdout=4
    )
    args = TrainingArguments(
        output_dir=str(places.run_dir / "trainer"),
        num_train_epochs=1,
        per_device_train_batch_size=4,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        use_cpu=True,
        dataloader_pin_memory=False,
    )
    trainer = Trainer(
        model_init=opinionated_model_init,
        args=args,
        processing_class=tokenizer,
        callbacks=[InstantsOfTraining(instants), active],
    )
    texts = reviews.select(range(POOL, POOL + 2 * HALF)).to_list()
    active.run(trainer, rounds=1)
    stream = Stream(pool, trainer, budget=0.2, random_share=0.2)
    for begin in range(0, HALF, BATCH):
        instants.reach("batch with ids")
        stream.consider(texts[begin : begin + BATCH], ids=range(begin, begin + BATCH))
    active.run(trainer, rounds=2)
    for begin in range(HALF + stream.state.offsets.get("log", 0) // 100, 2 * HALF, BATCH):
        instants.reach("batch of a file")
        end = begin + BATCH
        stream.consider(texts[begin:end], source=("log", 100 * (end - HALF)))
    active.run(trainer, rounds=3)
    instants.reach("end")
