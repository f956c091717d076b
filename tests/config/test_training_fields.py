"""The options of `TrainingArguments`, read from its source, are those of the class."""

from transformers import HfArgumentParser

from hfal.config.arguments import ActiveLearningArguments
from hfal.config.training_arguments import RoundTrainingArguments
from hfal.config.training_fields import hf_argument_parser, round_training_options


def test_options_read_from_the_source_are_written_like_those_of_the_class() -> None:
    found = [
        parser([ActiveLearningArguments, options], add_help=False)._option_string_actions  # type: ignore[call-arg]
        for parser, options in (
            (hf_argument_parser(), round_training_options()),
            (HfArgumentParser, RoundTrainingArguments),
        )
    ]
    early, late = ({name: (action.dest, action.nargs) for name, action in one.items()} for one in found)
    assert early == late
    plain = {"int", "float", "str", "string_to_bool"}
    types = [{name: getattr(action.type, "__name__", None) for name, action in one.items()} for one in found]
    assert {n: t for n, t in types[1].items() if t in plain} == {
        n: t for n, t in types[0].items() if types[1][n] in plain
    }
    assert {"int", "float", "string_to_bool"} <= set(types[0].values())
