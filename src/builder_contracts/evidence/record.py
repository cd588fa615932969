"""One verdict as a flat record: JUnit properties, a line of evidence.jsonl, and text for a person."""

from __future__ import annotations

import dataclasses
import json
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from builder_contracts.errors import BuilderContractsError
from builder_contracts.evidence.verdict import Outcome, Rung, Verdict

Record = Mapping[str, str | float | list[str]]
"""The fields of a verdict by name; see contracts/schema/evidence.json."""

Properties = list[tuple[str, str]]
"""A record as JUnit and pytest's user_properties carry it; ``witness`` may repeat."""

SCHEMA = "builder-contracts/evidence/v1"


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
        ("environment", verdict.environment),
        ("started", verdict.started),
        ("seconds", f"{verdict.seconds:.3f}"),
        ("provable_here", "yes" if verdict.here else "no"),
    ]
    return pairs + [("witness", witness) for witness in verdict.witnesses]


def from_properties(pairs: Iterable[tuple[str, object]]) -> Verdict | None:
    """The verdict in a report's properties, or None when the report is of another test."""
    fields: dict[str, str] = {}
    witnesses: list[str] = []
    for name, value in pairs:
        if name == "witness":
            witnesses.append(str(value))
        else:
            fields[name] = str(value)
    if "clause" not in fields or "verdict" not in fields:
        return None
    names = {field.name for field in dataclasses.fields(Verdict)}
    plain = {
        name: value for name, value in fields.items() if name in names and name not in ("rung", "seconds")
    }
    return Verdict(
        **plain,
        outcome=Outcome(fields["verdict"]),
        rung=Rung(fields["rung"]) if fields.get("rung") else None,
        here=fields.get("provable_here") != "no",
        seconds=float(fields.get("seconds") or 0),
        witnesses=tuple(witnesses),
    )


def to_record(verdict: Verdict) -> Record:
    """The record of a verdict as evidence.jsonl holds it."""
    record: dict[str, str | float | list[str]] = {"schema": SCHEMA}
    record |= {name: value for name, value in to_properties(verdict) if name != "witness"}
    record["seconds"] = round(verdict.seconds, 3)
    record["witnesses"] = list(verdict.witnesses)
    return record


def write(folder: Path, verdicts: Sequence[Verdict]) -> Path:
    """Write ``evidence.jsonl`` into the folder, whole or not at all; the path of the file.

    Raises BuilderContractsError when the folder cannot be written.
    """
    target = folder / "evidence.jsonl"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", dir=folder, prefix=".evidence-", encoding="utf-8", delete=False
        ) as stream:
            for verdict in verdicts:
                stream.write(json.dumps(to_record(verdict), ensure_ascii=False) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
            # A temporary file is private; evidence is for everybody who reads reports.
            os.fchmod(stream.fileno(), 0o644)
        Path(stream.name).replace(target)
    except OSError as error:
        raise BuilderContractsError(f"{target} cannot be written: {error.strerror}") from None
    return target


def render(verdict: Verdict) -> str:
    """The verdict for a person at the moment something broke."""
    image = ""
    if verdict.image:
        image = f"   (image {verdict.image}@{verdict.image_digest[:19]}…, {verdict.seconds:.2f} s)"
    local = verdict.clause.split("/", 1)[1]
    lines = [f"{verdict.source}  {local}  {verdict.outcome.value.upper()}", f"  promised  {verdict.promised}"]
    lines.append(
        f"  {'seen' if verdict.outcome is not Outcome.UNPROVEN else 'because'}".ljust(12)
        + verdict.seen
        + image
    )
    lines += [f"  witness   {witness}" for witness in verdict.witnesses]
    for name, value in (("likely", verdict.likely), ("why", verdict.why), ("try", verdict.look)):
        if value:
            lines.append(f"  {name.ljust(8)}  {value}")
    return "\n".join(lines)
