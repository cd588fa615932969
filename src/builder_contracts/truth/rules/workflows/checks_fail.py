"""Compares probes of endpoints whose failure is swallowed, scripts that succeed after bad news, lazy
parsers that are never read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from builder_contracts.errors import Location
from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult
from builder_contracts.truth.rule_context import RuleContext, excerpt
from builder_contracts.truth.rules.registry import rule
from builder_contracts.truth.value import text

_SWALLOWED = re.compile(r"\|\|\s*(?:echo|true|:|printf|exit 0)\b")
_PROBE = re.compile(r"\b(curl|wget|nc|ncat|getent|nslookup|dig|ping|grpcurl|attic|nix)\b")
_BAD_NEWS = re.compile(
    r"\b(echo|printf)\b.*\b(DEGRADED|UNHEALTHY|UNREACHABLE|FAIL(ED|URE)?|ERROR|DOWN|BROKEN)\b"
)
_LAZY = re.compile(r"yaml\.(?:safe_)?load_all\(")
_CONSUMED = re.compile(
    r"(?:list|tuple|any|all|sorted|next|len|sum)\(\s*yaml\.(?:safe_)?load_all\(|\bin\s+yaml\.(?:safe_)?load_all\("
)


@rule("workflows/checks-fail", scope="any")
def check(context: RuleContext) -> Iterator[RuleResult]:
    endpoints = context.facts("endpoints")
    zones = "|".join(map(re.escape, endpoints.get("zones", default={})))
    settings = "|".join(map(re.escape, endpoints.get("settings", default={})))
    # A setting counts where its value is used, not where its name is read.
    endpoint = re.compile("|".join(filter(None, (zones, settings and rf"\$\{{?(?:{settings})\b"))) or r"(?!)")
    expected = Quote(endpoints.at("endpoints"), "an endpoint check must be able to fail")
    runs = [step.run for job in context.model.jobs for step in job.steps if step.run is not None]
    runs += [step.run for action in context.model.actions for step in action.steps if step.run is not None]
    for run in runs:
        script = text(run) or ""
        block = 1 if "\n" in script else 0
        for number, line in enumerate(script.replace("\\\n", " \x00").split("\n")):
            at = Location(run.at.file, run.at.line + number + block + line.count("\0"))
            about = _PROBE.search(line) and endpoint.search(line)
            if about and _SWALLOWED.search(line):
                fix = "propagate the command's status: remove the part after ||, or end it with 'exit 1'"
                yield Contradicts(Quote(at, excerpt(line)), expected, fix)
            elif about:
                yield Agrees(at)
            if _LAZY.search(line) and not _CONSUMED.search(line):
                parser = Quote(at, "load_all() is lazy: it parses only when its result is consumed")
                yield Contradicts(
                    Quote(at, excerpt(line)), parser, "consume the result: list(yaml.safe_load_all(…))"
                )
    for script_file in context.model.scripts:
        yield from _check_script(script_file.path, script_file.text) if context.ours else ()


def _check_script(path: str, script: str) -> Iterator[RuleResult]:
    """A script that prints bad news and then ends with success."""
    lines = script.split("\n")
    for number, line in enumerate(lines):
        if not _BAD_NEWS.search(line) or line.lstrip().startswith("#"):
            continue
        for later, following in enumerate(lines[number + 1 : number + 4], number + 1):
            word = following.strip()
            if word in ("exit 0", "return 0"):
                actual = Quote(Location(path, later + 1), word)
                bad = Quote(Location(path, number + 1), excerpt(line))
                yield Contradicts(actual, bad, "exit with a non-zero status on failure")
                break
            if re.match(r"(exit|return) [1-9]", word) or word in ("else", "fi", ";;", "}"):
                yield Agrees(Location(path, number + 1))
                break
