"""Promises about the directories on a job's PATH."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from builder_contracts.contract.document import Pointer
from builder_contracts.contract.promises.named_promise import NamedPromise

RULES = {
    "relative": "no entry of PATH depends on the working directory",
    "writable_by_others": "no directory on PATH is writable by everybody",
    "writable_by_job": "the job can write to no directory on PATH",
}


@dataclass(frozen=True)
class SearchPathRule:
    """What no directory on PATH is: relative, writable_by_others or writable_by_job."""

    rule: str

    @property
    def text(self) -> str:
        return RULES[self.rule]


def read(section: dict[str, Any], at: Pointer) -> Iterator[NamedPromise[SearchPathRule]]:
    for rule in section:
        yield NamedPromise(rule.replace("_", "-"), SearchPathRule(rule), (*at, rule))
