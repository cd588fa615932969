"""One verdict as a flat record: JUnit properties, a line of evidence.jsonl, and text for a person."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from builder_contracts.contract import files
from builder_contracts.errors import BuilderContractsError, printable
from builder_contracts.evidence.verdict import Measure, Outcome, Rung, Verdict
from builder_contracts.redaction import redact

Record = Mapping[str, str | float | list[str]]
"""The fields of a verdict by name; see contracts/schema/evidence.json."""

Properties = list[tuple[str, str]]
"""A record as JUnit and pytest's user_properties carry it; ``witness`` may repeat."""

SCHEMA = "builder-contracts/evidence/v1"
FILE = "evidence.jsonl"

_OUTCOMES = {outcome.value for outcome in Outcome}
_MEASURED, _BUDGET = "measured.", "budget."


def to_properties(verdict: Verdict) -> Properties:
    """The record of a verdict as pairs of text."""
    builder, kind, _ = verdict.clause.split("/", 2)
    pairs = [
        ("clause", verdict.clause),
        ("builder", builder),
        ("kind", kind),
        ("verdict", verdict.outcome.value),
        ("rung", verdict.rung.value if verdict.rung else ""),
        ("promised", verdict.promised),
        ("seen", verdict.seen),
        ("source", verdict.source),
        ("likely", verdict.likely),
        ("look", verdict.look),
        ("why", verdict.why),
        ("image", verdict.image),
        ("image_digest", verdict.image_digest),
        ("contract_digest", verdict.contract_digest),
        ("engine", verdict.engine),
        ("host", verdict.host),
        ("runner", verdict.runner),
        ("identity", verdict.identity),
        ("environment", verdict.environment),
        ("started", verdict.started),
        ("seconds", f"{verdict.seconds:.3f}"),
        ("provable_here", "yes" if verdict.here else "no"),
    ]
    for measure in verdict.measures:
        pairs.append((f"{_MEASURED}{measure.quantity}", repr(float(measure.value))))
        if measure.budget is not None:
            pairs.append((f"{_BUDGET}{measure.quantity}", repr(float(measure.budget))))
    pairs += [("witness", witness) for witness in verdict.witnesses]
    # What is no Unicode, such as a file name of other bytes, can be neither printed nor sent to a worker.
    return [(name, redact(text).encode("utf-8", "backslashreplace").decode()) for name, text in pairs]


def from_properties(pairs: Iterable[tuple[str, object]]) -> Verdict | None:
    """The verdict in a report's properties, or None when the report is of another test."""
    fields: dict[str, str] = {}
    witnesses: list[str] = []
    for name, value in pairs:
        if name == "witness":
            witnesses.append(str(value))
        else:
            fields[name] = str(value)
    if (
        not {"clause", "promised", "seen", "source"} <= fields.keys()
        or fields.get("verdict") not in _OUTCOMES
    ):
        return None
    names = {field.name for field in dataclasses.fields(Verdict)} - {"rung", "seconds"}
    budgets = {
        name.removeprefix(_BUDGET): float(text) for name, text in fields.items() if name.startswith(_BUDGET)
    }
    measured = [
        (name.removeprefix(_MEASURED), float(text))
        for name, text in fields.items()
        if name.startswith(_MEASURED)
    ]
    return Verdict(
        **{name: value for name, value in fields.items() if name in names},
        outcome=Outcome(fields["verdict"]),
        rung=Rung(fields["rung"]) if fields.get("rung") else None,
        here=fields.get("provable_here") != "no",
        seconds=float(fields.get("seconds") or 0),
        witnesses=tuple(witnesses),
        measures=tuple(Measure(quantity, value, budgets.get(quantity)) for quantity, value in measured),
    )


def to_record(verdict: Verdict) -> Record:
    """The record of a verdict as evidence.jsonl holds it."""
    properties = list(to_properties(verdict))
    record: dict[str, str | float | list[str]] = {"schema": SCHEMA}
    record |= {name: value for name, value in properties if name != "witness"}
    record |= {name: float(text) for name, text in properties if name.startswith((_MEASURED, _BUDGET))}
    record["seconds"] = round(verdict.seconds, 3)
    record["witnesses"] = [text for name, text in properties if name == "witness"]
    return record


def write(folder: Path, verdicts: Sequence[Verdict]) -> Path:
    """Write ``evidence.jsonl`` into the folder, whole or not at all; the path of the file.

    Raises BuilderContractsError when the folder cannot be written.
    """
    target = folder / FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lines = (json.dumps(to_record(verdict), ensure_ascii=False) + "\n" for verdict in verdicts)
        files.write(target, "".join(lines).encode())
    except OSError as error:
        raise BuilderContractsError(f"{target} cannot be written: {error.strerror}") from None
    return target


def render(verdict: Verdict) -> str:
    """The verdict for a person at the moment something broke."""
    image = ""
    if verdict.image:
        image = f"   (image {verdict.image}@{verdict.image_digest[:19]}…, {verdict.seconds:.2f} s)"
    local = verdict.clause.split("/", 1)[1]
    lines = [f"{verdict.source}  {local}  {verdict.outcome.value.upper()}"]
    seen = "because" if verdict.outcome is Outcome.UNPROVEN else "seen"
    told = [("promised", verdict.promised), (seen, verdict.seen + image)]
    told += [("witness", witness) for witness in verdict.witnesses]
    told += [("likely", verdict.likely), ("why", " ".join(verdict.why.split())), ("try", verdict.look)]
    lines += [f"  {name:8}  {value}" for name, value in told if value]
    return "\n".join(map(printable, lines))
