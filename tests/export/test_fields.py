"""Types and ranges of values in exports."""

import pytest

from hfal.errors import ArgumentError
from hfal.export.fields import ANSWER_FIELDS, QUERY_FIELDS, ROUND_FIELDS, check_fields, is_whole


@pytest.mark.parametrize(("value", "fits"), [(0, True), (2**63 - 1, True), (2**63, False), (-1, False), (True, False)])
def test_whole_numbers(value, fits):
    assert is_whole(value) == fits
    assert not is_whole(0, least=1)


@pytest.mark.parametrize(
    ("fields", "name", "value", "fits"),
    [
        (QUERY_FIELDS, "time", "2026-01-02T03:04:05+00:00", True),
        (QUERY_FIELDS, "time", "2026-01-02T03:04:05", False),
        (QUERY_FIELDS, "model", None, True),
        (QUERY_FIELDS, "model", "half \ud800", False),
        (ROUND_FIELDS, "metrics", {"eval_f1": 0.5, "eval_loss": None}, True),
        (ROUND_FIELDS, "metrics", {"eval_f1": float("inf")}, False),
        (ANSWER_FIELDS, "probability", 1.5, False),
    ],
)
def test_a_value_is_named_with_what_was_expected(fields, name, value, fits):
    if fits:
        check_fields("here", {name: value}, {name: fields[name]})
        return
    with pytest.raises(ArgumentError, match=rf"^here: {name} is .*, expected "):
        check_fields("here", {name: value}, {name: fields[name]})


def test_what_an_older_hfal_did_not_write_may_be_missing():
    fields = {name: ROUND_FIELDS[name] for name in ("number", "words")}
    check_fields("here", {"number": 1}, fields)
    with pytest.raises(ArgumentError, match="here: number is missing, expected a whole number from 1"):
        check_fields("here", {"words": 1}, fields)
    with pytest.raises(ArgumentError, match=r"here is \[\], expected an object"):
        check_fields("here", [], fields)
