"""What holds for every verdict that leaves the harness as data."""

from __future__ import annotations

from jsonschema import Draft202012Validator

from builder_contracts.contract import schemas
from builder_contracts.reporting.verdict_data import from_data, to_data
from builder_contracts.verdict import Verdict

VALIDATOR = Draft202012Validator(schemas.load("verdict"))


def assert_published(verdict: Verdict) -> None:
    """It is valid against the published schema, and survives its data."""
    data = to_data(verdict)
    VALIDATOR.validate(data)
    assert to_data(from_data(data)) == data
