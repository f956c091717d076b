"""Formats of files in which a text has a label, or several."""

import pytest


@pytest.fixture(params=["jsonl", "csv"])
def format(request: pytest.FixtureRequest) -> str:
    return request.param
