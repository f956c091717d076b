"""Command lines of small comparisons."""

from support.command import FAST


COMPARE = ["compare", "--data", "labeled.csv", "--text", "review", "--label", "sentiment", "--eval_size", "30", *FAST]
SMALL = [*COMPARE, "--query_size", "6", "--pool_size", "55", "--rounds", "3", "--learning_rate", "1e-3"]
GRID = [*SMALL, "--output_dir", "out", "--strategies", "random,margin", "--starts", "random", "--seeds", "2"]
