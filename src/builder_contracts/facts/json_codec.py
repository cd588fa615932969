"""Convert facts to JSON and back, without secrets."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from builder_contracts.contract.files import read_text
from builder_contracts.facts.model import SCHEMA, Facts, ImageFacts, StepFacts
from builder_contracts.facts.typed_json import from_plain, is_reason, load_data
from builder_contracts.redaction import learn_data, redact_data, redact_variable

MAX_BYTES = 16_000_000
"""The facts of the largest contract in its largest runner are a hundredth of it."""

_FIX = "save facts with 'builder-contracts facts'"

_V1 = "builder-contracts/facts/v1"


def _from_v1(value: Any) -> Any:
    """Facts of version 1 with the field names of version 2."""
    match value:
        case {"unseen": reason, "here": bool(provable)}:
            return {"reason": reason, "provable_here": provable}
        case dict():
            answer = isinstance(value.get("said"), str) and value.keys() <= _V1_ANSWERS
            names = {"said": "output"} if answer else {}
            return {names.get(key, key): _from_v1(item) for key, item in value.items()}
        case list():
            return [_from_v1(item) for item in value]
        case _:
            return value


# Names of tools and variables are keys as well: only a record with these fields has the old name.
_V1_ANSWERS = {"exists", "started", "said", "way", "hopeless", "worked", "outcome", "path", "status"}


def to_data(facts: Facts) -> dict[str, Any]:
    """The facts as plain data without secrets."""
    data = dataclasses.asdict(facts)
    learn_data(data)
    redacted = redact_data(data)
    if isinstance(facts.env, dict):
        redacted["env"] = _redact_variables(facts.env)
    if isinstance(facts.outside, Facts):
        redacted["outside"] = to_data(facts.outside)
    for shell, step in facts.steps.items():
        if isinstance(step, StepFacts):
            redacted["steps"][shell]["env"] = _redact_variables(step.env)
    if isinstance(facts.image, ImageFacts):
        redacted["image"]["labels"] = _redact_variables(facts.image.labels)
        redacted["image"]["env"] = _redact_variables(facts.image.env)
    return redacted


def _redact_variables(variables: dict[str, str]) -> dict[str, str]:
    return {name: redact_variable(name, value) for name, value in variables.items()}


def to_json(facts: Facts) -> str:
    """The facts as indented JSON, secrets redacted, in ASCII: a terminal acts on nothing of it."""
    return json.dumps(to_data(facts), indent=2, sort_keys=True)


def load_facts(path: Path) -> Facts:
    """The facts in a file that ``builder-contracts facts`` wrote. Raises InputError."""
    return from_json(read_text(path, MAX_BYTES), str(path))


def from_json(text: str, file: str) -> Facts:
    """Facts that ``to_json`` wrote. Raises InputError for anything else."""
    data = load_data(text, file, _FIX)
    if isinstance(data, dict) and data.get("schema") == _V1:
        data = _from_v1(data) | {"schema": SCHEMA}
    # Facts of an older release, or of another program, may hold what they should not.
    learn_data(data)
    facts: Facts = from_plain(data, Facts, file, "facts", _FIX)
    return facts


def flatten(facts: Facts) -> dict[str, str]:
    """Every fact under its path (``tools.xz.path``), as text: what two observations are compared by."""
    flat: dict[str, str] = {}

    def walk(value: Any, path: str) -> None:
        if is_reason(value):
            flat[path] = f"not observed: {value['reason']}"
        elif isinstance(value, dict) and value:
            for key, inner in value.items():
                walk(inner, f"{path}.{key}" if path else str(key))
        else:
            flat[path] = json.dumps(value, ensure_ascii=False)

    walk(to_data(facts), "")
    return flat
