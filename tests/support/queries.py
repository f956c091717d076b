"""Queries as `Acquisition` makes them."""

from transformers import DataCollatorForTokenClassification, DataCollatorWithPadding, TrainingArguments


TEXTS, SETS, WORDS = "text_classification", "multi_label_classification", "token_classification"


def propose(active, model, tokenizer, tmp_path, round_number=1):
    of_words = active.pool.task.words is not None
    collator = (DataCollatorForTokenClassification if of_words else DataCollatorWithPadding)(tokenizer)
    args = TrainingArguments(str(tmp_path / "out"), use_cpu=True, disable_tqdm=True, report_to="none")
    with active.pool.store.own():
        return active.acquisition.propose(model, collator, round_number, args)


def asked(query) -> list[tuple[str, float | None]]:
    return [(e.example_id, e.score) for e in query.examples]
