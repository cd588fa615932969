"""Compares settings of GitLab Runner's pods, in rendered templates, with the table that they are read from."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

from builder_contracts.errors import Location
from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult, Undetermined
from builder_contracts.truth.model import Template
from builder_contracts.truth.rule_context import RuleContext
from builder_contracts.truth.rules.registry import rule

# Settings of a job's pod that GitLab Runner reads from [runners.kubernetes] itself and nowhere below it.
# Source: https://docs.gitlab.com/runner/executors/kubernetes/#configuration-settings
_POD_SETTINGS = frozenset({"cpu_request", "cpu_limit", "memory_request", "memory_limit", "ephemeral_storage_request",
                           "ephemeral_storage_limit", "service_cpu_limit", "service_memory_limit", "helper_cpu_limit",
                           "helper_memory_limit", "pod_termination_grace_period_seconds", "poll_timeout"})  # fmt: skip


@rule("deployment/settings-apply", scope="any")
def check(context: RuleContext) -> Iterator[RuleResult]:
    for template in context.model.templates:
        try:
            data = tomllib.loads(template.text)
        except tomllib.TOMLDecodeError as error:
            yield Undetermined(template.at, f"the rendered template is not TOML: {error}")
            continue
        except RecursionError:
            yield Undetermined(template.at, "the rendered template is nested too deeply")
            continue
        misplaced = [misplacement for runner in data.get("runners", []) if isinstance(runner, dict)
                     for misplacement in _misplaced(runner.get("kubernetes", {}), "runners.kubernetes")]  # fmt: skip
        for key, table in misplaced:
            actual = Quote(_line(template, key), f"{key} is in table [{table}]")
            expected = Quote(
                _line(template, "[runners.kubernetes]"),
                f"GitLab Runner reads {key} from [runners.kubernetes]",
            )
            yield Contradicts(
                actual,
                expected,
                "move it above the first nested table; a TOML key belongs to the header before it",
            )
        if not misplaced:
            yield Agrees(template.at)


def _misplaced(table: Any, name: str) -> Iterator[tuple[str, str]]:
    """Settings of the pod in tables below the one that has them."""
    inner = table.items() if isinstance(table, dict) else enumerate(table) if isinstance(table, list) else ()
    for key, value in inner:
        below = f"{name}.{key}" if isinstance(key, str) else name
        if isinstance(value, dict):
            for setting in value:
                if setting in _POD_SETTINGS:
                    yield setting, below
        if isinstance(value, dict | list):
            yield from _misplaced(value, below)


def _line(template: Template, words: str) -> Location:
    place = template.raw.find(words)
    return Location(
        template.at.file, template.at.line + (template.raw.count("\n", 0, place) if place >= 0 else 0)
    )
