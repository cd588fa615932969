"""A verdict as plain data and back."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import replace

import pytest
from hypothesis import given
from jsonschema import Draft202012Validator

from builder_contracts.contract import schemas
from builder_contracts.contract.promises.toolchain import Tool
from builder_contracts.contract.version_ranges import VersionRange
from builder_contracts.errors import Location
from builder_contracts.reporting.verdict_data import from_data, to_data, to_properties
from builder_contracts.verdict import Measurement, Origin, Verdict, as_json
from tests.unit.reporting.samples import CONTRADICTED, KEPT, SAMPLE, UNPROVEN, VERDICTS

VALIDATOR = Draft202012Validator(schemas.load("verdict"))


@given(VERDICTS)
def test_a_verdict_survives_its_data(verdict: Verdict) -> None:
    assert from_data(to_data(verdict)) == verdict


@given(VERDICTS)
def test_a_verdict_survives_json(verdict: Verdict) -> None:
    assert from_data(json.loads(json.dumps(to_data(verdict)))) == verdict


@given(VERDICTS)
def test_data_is_valid_against_the_schema(verdict: Verdict) -> None:
    VALIDATOR.validate(to_data(verdict))


def test_schema_has_every_field_and_no_other() -> None:
    whole = replace(SAMPLE, checked=1, total=2)
    properties = schemas.load("verdict")["properties"]
    assert to_data(whole).keys() == properties.keys()
    assert to_data(SAMPLE).keys() == properties.keys() - {"checked", "total"}
    assert schemas.load("verdict")["required"] == [*to_data(SAMPLE)]


def test_schema_refuses_an_unknown_field() -> None:
    assert not VALIDATOR.is_valid({**to_data(SAMPLE), "seen": "x"})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("outcome", "guilty"),
        ("rung", "C9"),
        ("location", None),
        ("measurements", [{"quantity": 1}]),
        ("contradictions", [1]),
    ],
)
def test_other_data_is_not_a_verdict(field: str, value: object) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        from_data({**to_data(SAMPLE), field: value})


def test_text_that_is_not_unicode_is_spelled_out() -> None:
    odd = replace(
        SAMPLE,
        location=Location("contracts/\udcff.yaml", 1),
        witnesses=("\ud800",),
        observed={"\udc80": ["\udcff"]},
    )
    data = to_data(odd)
    assert data["location"]["file"] == r"contracts/\udcff.yaml"
    assert data["observed"] == {r"\udc80": [r"\udcff"]}
    assert json.dumps([data, to_properties(odd)], ensure_ascii=False).encode()


def test_properties_are_text_under_the_names_of_the_data() -> None:
    measured = replace(
        SAMPLE,
        measurements=(Measurement("cold_seconds", 2, 5),),
        witnesses=("client", "server"),
        expected={"name": "xz"},
    )
    pairs = to_properties(measured)
    properties = dict(pairs)
    assert [text for name, text in pairs if name == "witness"] == ["client", "server"]
    assert properties["outcome"] == "broken"
    assert properties["rung"] == "C1"
    assert properties["location"] == "contracts/tinyland-nix.yaml:21"
    assert properties["provable_here"] == "yes"
    assert properties["expected"] == '{"name": "xz"}'
    assert (properties["measured.cold_seconds"], properties["budget.cold_seconds"]) == ("2.0", "5.0")
    fields = to_data(measured).keys() - {"schema", "witnesses", "contradictions", "measurements"}
    assert properties.keys() == fields | {"witness", "measured.cold_seconds", "budget.cold_seconds"}


def test_every_sample_has_properties_of_text() -> None:
    for verdict in (SAMPLE, KEPT, UNPROVEN, CONTRADICTED):
        assert all(isinstance(text, str) for pair in to_properties(verdict) for text in pair)


def test_promises_become_data() -> None:
    tool = Tool("xz", version=VersionRange(">=5.2"), features=(("multi", ("-T", "2")),))
    assert as_json(tool) == {
        "name": "xz",
        "present": True,
        "version": {"text": ">=5.2"},
        "version_command": ["--version"],
        "pattern": "",
        "order": "numbers",
        "features": [["multi", ["-T", "2"]]],
        "work": None,
        "package": None,
    }
    assert as_json({"b": {2, 1}, "a": (Location("x", 1),)}) == {
        "b": [1, 2],
        "a": [{"file": "x", "line": 1, "column": 1}],
    }


def test_origin_fields_are_all_in_the_data() -> None:
    assert {field.name for field in dataclasses.fields(Origin)} <= to_data(SAMPLE).keys()
