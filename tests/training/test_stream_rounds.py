"""What stands in a line of a stream becomes the columns of a text, or an error that says what is missing."""

import pytest

from hfal.errors import ArgumentError
from hfal.store.stream_log import StreamPlan
from hfal.training.stream_rounds import batch_size, row_of
from support.pools import a_pool


def test_a_line_is_an_object_with_the_text_or_the_text_itself(tmp_path):
    columns = row_of(a_pool(tmp_path))
    assert columns("good") == {"text": "good"}
    assert columns({"text": "good", "day": 3}) == {"text": "good", "day": 3}
    assert columns({"text": " "}) is None
    for value, problem in {
        3: "'text' is a int, expected a text",
        None: "there is no text in text; it has text",
    }.items():
        with pytest.raises(ArgumentError, match=problem):
            columns(value)
    with pytest.raises(ArgumentError, match="there is no text in text; it has body"):
        columns({"body": "good"})
    with pytest.raises(ArgumentError, match="'text' is a list, expected a text"):
        columns(["a", "b"])


def test_a_batch_is_a_part_of_what_a_round_waits_for():
    assert batch_size(StreamPlan("-", budget=0.05, train_after=50)) == 500
    assert batch_size(StreamPlan("-", budget=1.0, train_after=5)) == 50
    assert batch_size(StreamPlan("-", budget=0.001, train_after=500)) == 1000
