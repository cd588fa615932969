"""Promises about the environment variables of a job."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from builder_contracts.contract.document import Pointer
from builder_contracts.contract.promises.named_promise import NamedPromise, PromiseError
from builder_contracts.contract.value_patterns import PatternTimeout, found_in, pattern


@dataclass(frozen=True)
class EnvironmentVariable:
    """A variable is set or not, and what its value is."""

    name: str
    present: bool = True
    equals: str | None = None
    contains: str | None = None
    matches: re.Pattern[str] | None = None

    @property
    def text(self) -> str:
        if not self.present:
            return f"{self.name} is not set"
        conditions = []
        if self.equals is not None:
            conditions.append(f"is {self.equals!r}")
        if self.contains is not None:
            conditions.append(f"contains {self.contains!r}")
        if self.matches is not None:
            conditions.append(f"matches /{self.matches.pattern}/")
        return f"{self.name} {' and '.join(conditions) or 'is set'}"


@dataclass(frozen=True)
class ForbiddenValue:
    """A pattern that no variable's value matches."""

    name: str
    pattern: re.Pattern[str]

    @property
    def text(self) -> str:
        return f"no environment variable matches /{self.pattern.pattern}/"


PROXY_VARIABLES = ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy")
"""Variables that tell programs of a proxy; each also exists in capitals."""


@dataclass(frozen=True)
class ProxyVariables:
    """Exactly these proxy variables are set, as pairs of a name and its value."""

    variables: tuple[tuple[str, str], ...]

    @property
    def text(self) -> str:
        if not self.variables:
            return "no proxy variable is set"
        return f"the only proxy variables are {', '.join(name for name, _ in self.variables)}, as promised"


EnvironmentPromise = EnvironmentVariable | ForbiddenValue | ProxyVariables


def read(section: dict[str, Any], at: Pointer) -> Iterator[NamedPromise[EnvironmentPromise]]:
    for name, value in section.get("variables", {}).items():
        where = (*at, "variables", name)
        if isinstance(value, str):
            yield NamedPromise(name, EnvironmentVariable(name, present=value == "present"), where)
            continue
        equals, contains = value.get("equals"), value.get("contains")
        if equals is not None and contains is not None and contains not in equals:
            raise PromiseError(
                where, f"{name}: equals {equals!r} conflicts with contains {contains!r}", "remove one of them"
            )
        matches = pattern(value["matches"], (*where, "matches")) if "matches" in value else None
        if equals is not None and matches is not None:
            _reconcile(name, equals, matches, where)
        yield NamedPromise(
            name, EnvironmentVariable(name, equals=equals, contains=contains, matches=matches), where
        )
    if "proxy" in section:
        proxies = {} if section["proxy"] == "absent" else section["proxy"]
        yield NamedPromise("proxy", ProxyVariables(tuple(sorted(proxies.items()))), (*at, "proxy"))
    for name, text in section.get("forbidden_values", {}).items():
        where = (*at, "forbidden_values", name)
        yield NamedPromise(f"forbidden/{name}", ForbiddenValue(name, pattern(text, where)), where)


def _reconcile(name: str, equals: str, matches: re.Pattern[str], at: Pointer) -> None:
    try:
        both = found_in({name: equals}, matches)
    except PatternTimeout as slow:
        raise PromiseError((*at, "matches"), str(slow), "avoid nested repetition in the pattern") from None
    if not both:
        message = f"{name}: equals {equals!r} conflicts with matches /{matches.pattern}/"
        raise PromiseError(at, message, "remove one of them")
