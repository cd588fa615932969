"""Read evidence.jsonl: one verdict per line, of the current version or the previous one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NoReturn, Protocol

from builder_contracts.dashboard.history.junit_reader import (
    MAX_NUMBER,
    MAX_RESULTS,
    MAX_TOKEN,
    TEXTS,
    cause_and_fix,
    first_of,
    number,
    parts,
    shorten,
    stated,
)
from builder_contracts.dashboard.history.result import ONE_WITNESS, MeasurementRow, Result
from builder_contracts.errors import InputError, Location, Problem
from builder_contracts.reporting.verdict_data import SCHEMA
from builder_contracts.verdict import Outcome, Rung


class Lines(Protocol):
    """The part of a binary stream that is used here."""

    def readline(self, limit: int, /) -> bytes: ...


def read(stream: Lines, name: str) -> list[Result]:
    """All results of a stream of bytes that is called ``name`` in messages.

    Raises InputError, naming the line, when a line is not an evidence record; OSError.
    """
    results: list[Result] = []
    line_number = 0
    while line := stream.readline(MAX_TOKEN + 1):
        line_number += 1
        if len(line) > MAX_TOKEN:
            _refuse(name, line_number, f"exceeds {MAX_TOKEN // 1024} KiB")
        if line_number > MAX_RESULTS:
            _refuse(name, line_number, f"exceeds the limit of {MAX_RESULTS:,} lines")
        if line.strip():
            results.append(_result(name, line_number, line))
    return results


def _refuse(file: str, line: int, what: str) -> NoReturn:
    fix = "each line must be a JSON object matching 'builder-contracts schema verdict'"
    raise InputError([Problem(Location(file, line), f"this line {what}", fix)])


def _result(file: str, line_number: int, line: bytes) -> Result:
    try:
        record = json.loads(line)
        # JSON can contain half of a surrogate pair, which is not a character and cannot be written.
        json.dumps(record, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        _refuse(file, line_number, "contains an unpaired surrogate")
    except (ValueError, RecursionError) as error:
        _refuse(file, line_number, f"is not valid JSON: {error}")
    if not isinstance(record, dict):
        _refuse(file, line_number, "is not a JSON object")
    outcome_name = "outcome" if record.get("schema") == SCHEMA else "verdict"
    missing = [
        field for field in ("clause", outcome_name, "started") if not isinstance(record.get(field), str)
    ]
    if missing:
        _refuse(file, line_number, f"is missing {', '.join(missing)}")
    try:
        builder, kind, name = parts(record["clause"])
    except ValueError:
        _refuse(file, line_number, f"has clause {record['clause'][:80]!r}, expected CLASS/KIND/NAME")
    try:
        verdict = Outcome(record[outcome_name])
        rung = Rung(record["rung"]) if record.get("rung") else None
        started = stated(record["started"])
    except (ValueError, OverflowError) as error:
        _refuse(file, line_number, f"contains an invalid value: {error}")
    texts = {field: shorten(value) for field, value in record.items() if isinstance(value, str)}
    texts["location"] = _location(record.get("location"))
    return Result(
        environment=shorten(texts.get("environment") or "default", 200),
        builder=builder,
        kind=kind,
        name=name,
        verdict=verdict,
        rung=None if verdict is Outcome.UNPROVEN else rung,
        host_limit=verdict is Outcome.UNPROVEN and record.get("provable_here") in (False, "no"),
        started=started,
        seconds=_number(file, line_number, record.get("seconds", 0)),
        simulated=record.get("simulated") in (True, "true"),
        witnesses=(
            *(shorten(str(witness)) for witness in _list(record.get("witnesses"))),
            *([ONE_WITNESS] if record.get("one_witness") is True else ()),
        ),
        measurements=tuple(_measurements(file, line_number, record)),
        likely=cause_and_fix(texts),
        **{field: first_of(texts, names) for field, names in TEXTS.items()},
    )


def _location(value: object) -> str:
    """The location of the promise, as in the previous version: ``file:line``."""
    return f"{value.get('file')}:{value.get('line')}" if isinstance(value, dict) else ""


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _number(file: str, line: int, value: object) -> float:
    try:
        return number(str(value))
    except ValueError:
        _refuse(file, line, f"has number {str(value)[:40]!r}, expected 0 to {MAX_NUMBER:g}")


def _measurements(file: str, line: int, record: dict[str, Any]) -> Iterator[MeasurementRow]:
    for item in _list(record.get("measurements")):
        if not isinstance(item, dict) or not isinstance(item.get("quantity"), str):
            _refuse(file, line, f"has measurement {str(item)[:40]!r}, expected an object with a quantity")
        yield _measurement(file, line, item["quantity"], item.get("value"), item.get("budget"))
    # The version before had a field per quantity.
    for name, value in record.items():
        if name.startswith("measured."):
            quantity = name.removeprefix("measured.")
            yield _measurement(file, line, quantity, value, record.get(f"budget.{quantity}"))


def _measurement(file: str, line: int, quantity: str, value: object, limit: object) -> MeasurementRow:
    budget = None if limit is None else _number(file, line, limit)
    return MeasurementRow(shorten(quantity, 100), _number(file, line, value), budget)
