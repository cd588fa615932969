"""Convert a verdict to plain data and back, as contracts/schema/verdict.json describes it."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from builder_contracts.errors import Location
from builder_contracts.redaction import redact, redact_data
from builder_contracts.verdict import Contradiction, Measurement, Origin, Outcome, Rung, Verdict, as_json

SCHEMA = "builder-contracts/verdict/v2"

Properties = list[tuple[str, str]]
"""A verdict as JUnit carries it; ``witness`` may repeat."""

_PLAIN = (
    "clause",
    "promise",
    "observation",
    "cause",
    "fix",
    "inspect",
    "why",
    "provable_here",
    "expected",
    "observed",
)


def to_data(verdict: Verdict) -> dict[str, Any]:
    """The verdict as plain data."""
    data: dict[str, Any] = {
        "schema": SCHEMA,
        "clause": verdict.clause,
        "builder": verdict.builder,
        "section": verdict.section,
        "outcome": verdict.outcome.value,
        "rung": verdict.rung.value if verdict.rung else None,
        "promise": verdict.promise,
        "expected": verdict.expected,
        "observation": verdict.observation,
        "observed": verdict.observed,
        "cause": verdict.cause,
        "fix": verdict.fix,
        "inspect": verdict.inspect,
        "why": verdict.why,
        "provable_here": verdict.provable_here,
        "set_by_run": verdict.set_by_run,
        "location": _place(verdict.location),
    }
    if verdict.checked is not None:
        data["checked"] = verdict.checked
    if verdict.total is not None:
        data["total"] = verdict.total
    data |= {
        "witnesses": list(verdict.witnesses),
        "one_witness": verdict.one_witness,
        "contradictions": [
            {
                **dataclasses.asdict(contradiction),
                "location": _place(contradiction.location),
                "other": _place(contradiction.other),
            }
            for contradiction in verdict.contradictions
        ],
        "measurements": [dataclasses.asdict(measurement) for measurement in verdict.measurements],
        **dataclasses.asdict(verdict.origin),
        "seconds": round(verdict.origin.seconds, 3),
    }
    plain: dict[str, Any] = as_json(data)
    return plain


def _place(location: Location) -> dict[str, Any]:
    return {"file": location.file, "line": location.line, "column": location.column}


def from_data(data: dict[str, Any]) -> Verdict:
    """The verdict that ``to_data`` gave. Raises KeyError, TypeError or ValueError for other data."""
    # A verdict of an earlier release has no start, and does not say what its run set.
    origin = {field.name: data[field.name] for field in dataclasses.fields(Origin) if field.name != "start"}
    return Verdict(
        **{name: data[name] for name in _PLAIN},
        outcome=Outcome(data["outcome"]),
        rung=Rung(data["rung"]) if data["rung"] else None,
        location=Location(**data["location"]),
        checked=data.get("checked"),
        total=data.get("total"),
        witnesses=tuple(data["witnesses"]),
        one_witness=data.get("one_witness", False),
        contradictions=tuple(
            Contradiction(
                **{
                    **contradiction,
                    "location": Location(**contradiction["location"]),
                    "other": Location(**contradiction["other"]),
                }
            )
            for contradiction in data["contradictions"]
        ),
        measurements=tuple(Measurement(**measurement) for measurement in data["measurements"]),
        origin=Origin(**origin, start=data.get("start", "")),
        set_by_run=data.get("set_by_run", False),
    )


def redacted(verdict: Verdict) -> Verdict:
    """The verdict without any secret that this process has learnt of."""
    hidden: Verdict = _redacted(verdict)
    return hidden


def _redacted(value: Any) -> Any:
    match value:
        case str():
            return redact(as_json(value))
        case tuple():
            return tuple(map(_redacted, value))
        case Verdict() | Origin() | Location() | Contradiction() | Measurement():
            return type(value)(**{name: _redacted(item) for name, item in vars(value).items()})
        case dict() | list():
            return redact_data(value)
        case _:
            return value


def to_properties(verdict: Verdict) -> Properties:
    """The verdict as pairs of text, for JUnit; what is data in the verdict is JSON."""
    data = to_data(verdict)
    pairs = [(name, _text(value)) for name, value in data.items() if name not in _NOT_PAIRS]
    pairs.append(("location", f"{data['location']['file']}:{data['location']['line']}"))
    for measurement in verdict.measurements:
        pairs.append((f"measured.{measurement.quantity}", repr(float(measurement.value))))
        if measurement.budget is not None:
            pairs.append((f"budget.{measurement.quantity}", repr(float(measurement.budget))))
    return pairs + [("witness", witness) for witness in data["witnesses"]]


_NOT_PAIRS = {"schema", "location", "witnesses", "contradictions", "measurements"}


def _text(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case str():
            return value
        case _:
            return json.dumps(value, ensure_ascii=False)
