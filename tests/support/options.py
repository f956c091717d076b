"""What the tests of options begin with."""

from hfal.config.arguments import ActiveLearningArguments
from hfal.config.training_arguments import RoundTrainingArguments


NEEDED = "model: some-model\ndata: reviews.csv\n"
BOTH = (ActiveLearningArguments, RoundTrainingArguments)
