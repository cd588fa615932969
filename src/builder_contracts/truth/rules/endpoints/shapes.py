"""Compares values of known settings with the form that their program takes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from builder_contracts.errors import Location
from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult
from builder_contracts.truth.model import environment
from builder_contracts.truth.prose import denies
from builder_contracts.truth.rule_context import RuleContext, declared, excerpt
from builder_contracts.truth.rules.endpoints.mentions import zone_words
from builder_contracts.truth.rules.registry import rule
from builder_contracts.truth.value import text


@rule("endpoints/shapes", scope="any", words=zone_words)
def check(context: RuleContext) -> Iterator[RuleResult]:
    facts = context.facts("endpoints")
    settings = facts.get("settings", default={})
    hosts = "|".join(re.escape(endpoint["host"]) for endpoint in facts.get("endpoints", default={}).values())
    if not settings or not hosts:
        return
    names = "|".join(map(re.escape, settings))
    pattern = re.compile(
        rf"\b(?P<name>{names})\b[\"'`]?\s*[:=]\s*[\"'`]?(?P<scheme>[a-z][a-z0-9+.-]*://)?(?P<address>(?:{hosts})(?::\d+)?)"
    )
    seen: set[tuple[str, int]] = set()

    def check_form(written: str, at: Location) -> Iterator[RuleResult]:
        for match in pattern.finditer(written):
            form = settings[match["name"]]
            seen.add((at.file, at.line))
            if (form == "url") == bool(match["scheme"]):
                yield Agrees(at)
                continue
            wants = "a URL (SCHEME://HOST:PORT)" if form == "url" else "HOST:PORT without a scheme"
            expected = declared(facts, "settings", match["name"], says=f"{match['name']} takes {wants}")
            yield Contradicts(Quote(at, excerpt(written)), expected, f"use {wants}")

    for line in context.lines:
        if not (line.prose and denies(line.text)):
            yield from check_form(line.text, line.at)
    for scale_set in context.model.scale_sets:
        for name, value in environment(scale_set.runner).items():
            if (value.at.file, value.at.line) not in seen and (written := text(value)):
                yield from check_form(f"{name}={written}", value.at)
