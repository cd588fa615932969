"""Reads evidence.jsonl, the record beside JUnit: one verdict a line, by the same names."""

from __future__ import annotations

import json
from typing import Any, NoReturn, Protocol

from builder_contracts.dashboard.history.result import Measurement, Result
from builder_contracts.dashboard.junit import (
    MAX_NUMBER,
    MAX_RESULTS,
    MAX_TOKEN,
    number,
    parts,
    shorten,
    stated,
)
from builder_contracts.errors import InputError, Problem, Source
from builder_contracts.evidence.verdict import Outcome, Rung

_NEEDED = ("clause", "verdict", "started")
_TEXTS = ("promised", "seen", "source", "likely", "look", "why", "image", "image_digest", "contract_digest")
_ALSO = ("engine", "host", "runner", "identity")


class Lines(Protocol):
    """The part of a binary stream that is used here."""

    def readline(self, limit: int, /) -> bytes: ...


def read(stream: Lines, name: str) -> list[Result]:
    """All results of a stream of bytes that is called ``name`` in messages.

    Raises InputError, naming the line, when a line is not an evidence record; OSError.
    """
    results: list[Result] = []
    at = 0
    while line := stream.readline(MAX_TOKEN + 1):
        at += 1
        if len(line) > MAX_TOKEN:
            _refuse(name, at, f"is longer than {MAX_TOKEN // 1024} KiB")
        if at > MAX_RESULTS:
            _refuse(name, at, f"is one of more than {MAX_RESULTS:,}")
        if line.strip():
            results.append(_result(name, at, line))
    return results


def _refuse(file: str, line: int, what: str) -> NoReturn:
    mend = "a line is one JSON object as 'builder-contracts schema evidence' describes it"
    raise InputError([Problem(Source(file, line), f"this line {what}", mend)])


def _result(file: str, at: int, line: bytes) -> Result:
    try:
        record = json.loads(line)
        # JSON can spell half of a surrogate pair, which is no character and can be written nowhere.
        json.dumps(record, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        _refuse(file, at, "holds half of a surrogate pair, which is no character")
    except (ValueError, RecursionError) as error:
        _refuse(file, at, f"is not JSON: {error}")
    if not isinstance(record, dict):
        _refuse(file, at, "is not a JSON object")
    missing = [name for name in _NEEDED if not isinstance(record.get(name), str)]
    if missing:
        _refuse(file, at, f"lacks {', '.join(missing)}")
    try:
        builder, kind, name = parts(record["clause"])
    except ValueError:
        _refuse(file, at, f"has the clause {record['clause'][:80]!r}, and a clause id is CLASS/KIND/NAME")
    try:
        verdict = Outcome(record["verdict"])
        rung = Rung(record["rung"]) if record.get("rung") else None
        started = stated(record["started"])
    except (ValueError, OverflowError) as error:
        _refuse(file, at, f"holds a value that no record has: {error}")
    return Result(
        environment=shorten(_text(record, "environment") or "default", 200),
        builder=builder,
        kind=kind,
        name=name,
        verdict=verdict,
        rung=None if verdict is Outcome.UNPROVEN else rung,
        host_limit=verdict is Outcome.UNPROVEN and record.get("provable_here") in (False, "no"),
        started=started,
        seconds=_number(file, at, record.get("seconds", 0)),
        simulated=record.get("simulated") in (True, "true"),
        witnesses=tuple(shorten(str(witness)) for witness in _list(record.get("witnesses"))),
        measurements=tuple(_measurements(file, at, record)),
        **{field: _text(record, field) for field in (*_TEXTS, *_ALSO)},
    )


def _text(record: dict[str, Any], name: str) -> str:
    value = record.get(name, "")
    return shorten(value) if isinstance(value, str) else ""


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _number(file: str, line: int, value: object) -> float:
    try:
        return number(str(value))
    except ValueError:
        _refuse(
            file, line, f"has the number {str(value)[:40]!r}, which is not one from zero to {MAX_NUMBER:g}"
        )


def _measurements(file: str, line: int, record: dict[str, Any]) -> list[Measurement]:
    found = []
    for name, value in record.items():
        if name.startswith("measured."):
            quantity = name.removeprefix("measured.")
            limit = record.get(f"budget.{quantity}")
            budget = None if limit is None else _number(file, line, limit)
            found.append(Measurement(shorten(quantity, 100), _number(file, line, value), budget))
    return found
