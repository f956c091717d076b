"""Parse the command line of `hfal compare`. Nothing here loads torch or transformers."""

from collections.abc import Sequence

from hfal.acquisition.options import check_strategy_name
from hfal.comparison.options import CompareOptions
from hfal.config.arguments import ActiveLearningArguments, TrainingOptions
from hfal.config.option_fields import options_of
from hfal.config.parser import parse_values
from hfal.config.training_fields import round_training_options
from hfal.store.run_directory import COMPARE_NAME


def read_ahead(argv: Sequence[str]) -> tuple[CompareOptions, ActiveLearningArguments, TrainingOptions]:
    """Return the options of a comparison: of itself, of its runs, and of their training, as far as hfal knows these.

    The `output_dir` of the last is the result directory. `given` of the second has all that was given.

    Args:
        argv: The command line behind `hfal compare`.

    Raises:
        ArgumentError: An option is unknown or has a value that it cannot have, or a strategy or the stopping criterion
            is unknown.
        FileNotFoundError: There is no such configuration or result directory.
    """
    types = (CompareOptions, ActiveLearningArguments, round_training_options())
    values, given = parse_values(types, argv, config_name=COMPARE_NAME)
    if "output_dir" not in given:
        values["output_dir"] = f"{values['output_dir']}-compare"
    options = CompareOptions(**{name: values[name] for name in options_of((CompareOptions,))})
    al = ActiveLearningArguments(**{name: values[name] for name in options_of((ActiveLearningArguments,))})
    training = TrainingOptions(**{name: values[name] for name in options_of((TrainingOptions,))})
    al.given = given
    for strategy in options.strategies:
        check_strategy_name(strategy, "--strategies has")
    al.criterion(options.metric or "accuracy")
    return options, al, training
