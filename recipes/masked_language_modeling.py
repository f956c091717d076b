"""Goes on pre-training an encoder on the texts of the pool, by masked language modeling, before anything is labeled.

    python recipes/masked_language_modeling.py --data reviews.csv --text review --label sentiment --eval_size 200 \\
        --model google-bert/bert-base-uncased --output_dir models/reviews
    hfal run --data reviews.csv --text review --label sentiment --eval_size 200 --model models/reviews

Give it the options of the run that is to follow, and the same seed: texts that the run evaluates on are then left out.
Those that hfal itself has labeled for that (--holdout) are left out where --run_dir names the run that asked for them.
A YAML file sets defaults, the command line overrides them; all options of TrainingArguments work. Beside them:

    --output_dir FOLDER     where the model goes; what --model then takes
    --run_dir RUN_DIR       a run that has begun, whose held-out texts are left out
    --mlm_probability 0.15  the part of the tokens that is to be guessed
    --new_head              begin with a fresh head, where the model has none for masked words

Task-adaptive pre-training: Gururangan et al., 2020; in active learning: Margatina et al., 2022.
"""

import sys
from collections.abc import Sequence

from transformers import DataCollatorForLanguageModeling, Trainer, set_seed

from hfal.config.arguments import ActiveLearningArguments
from hfal.config.kept_config import parse_arguments
from hfal.config.pretraining import (
    PretrainingArguments,
    load_masked_language_model,
    load_texts,
    save_encoder,
    tokenize_texts,
)
from hfal.config.setup import start_logging
from hfal.data.checkpoints import load_tokenizer
from hfal.data.references import resolve_model
from hfal.errors import ArgumentError
from hfal.tasks.kinds import kind_of
from hfal.utils.output import say


def main(argv: Sequence[str] | None = None) -> None:
    """Pre-train as the configuration and the command line say."""
    argv = sys.argv[1:] if argv is None else argv
    if {"-h", "--help"} & set(argv):
        say(*__doc__.split("\n"))
        return
    start_logging()
    al, args = parse_arguments((ActiveLearningArguments, PretrainingArguments), argv)
    if "output_dir" not in al.given:
        raise ArgumentError("--output_dir is missing: where the model is to go")

    checkpoint = resolve_model(al.model)
    tokenizer = load_tokenizer(checkpoint, add_prefix_space=True)
    set_seed(args.seed)  # of a fresh head
    model = load_masked_language_model(checkpoint, tokenizer, args.new_head)
    if tokenizer.mask_token is None:
        raise ArgumentError(f"the tokenizer of {al.model} has no token for what is masked: name another --model")
    texts = load_texts(al, args.run_dir, args.seed)
    data = tokenize_texts(texts.pool, tokenizer, al.max_length, kind_of(texts.task).of_words)
    say(f"{len(data):,} texts for {args.num_train_epochs:g} epochs")

    trainer = Trainer(
        model=model,
        args=args,
        train_dataset=data,
        processing_class=tokenizer,
        data_collator=DataCollatorForLanguageModeling(tokenizer, mlm_probability=args.mlm_probability),
    )
    trainer.train(resume_from_checkpoint=args.resume_from_checkpoint)

    if trainer.is_world_process_zero():
        save_encoder(trainer.accelerator.unwrap_model(trainer.model), checkpoint, args.output_dir)
        tokenizer.save_pretrained(args.output_dir)
        say(f"The model is in {args.output_dir}: hfal run ... --model {args.output_dir}")


if __name__ == "__main__":
    main()
