"""The configuration of GitLab Runner in rendered templates, against the tables and types that it reads."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult, Undetermined
from builder_contracts.truth.model import Model

# Settings of a job's pod that GitLab Runner reads from [runners.kubernetes] itself and nowhere below it.
# Source: https://docs.gitlab.com/runner/executors/kubernetes/#configuration-settings
_POD_SETTINGS = frozenset({"cpu_request", "cpu_limit", "memory_request", "memory_limit", "ephemeral_storage_request",
                           "ephemeral_storage_limit", "service_cpu_limit", "service_memory_limit", "helper_cpu_limit",
                           "helper_memory_limit", "pod_termination_grace_period_seconds", "poll_timeout"})  # fmt: skip
# Settings of the same table that are lists of tables.
_LISTS = frozenset({"pod_spec", "services", "host_aliases"})


@dataclass(frozen=True)
class _Mistake:
    """A key in the wrong place or of the wrong type: what it is, what the program reads, and the fix."""

    key: str
    actual: str
    expected: str
    fix: str


def check(model: Model) -> Iterator[RuleResult]:
    """Compare every template of the checkout that configures GitLab Runner."""
    for template in model.templates:
        try:
            pods = template.pods
        except tomllib.TOMLDecodeError as error:
            if not template.every_switch:
                yield Undetermined(template.at, f"the rendered template is not TOML: {error}")
            continue
        except RecursionError:
            yield Undetermined(template.at, "the rendered template is nested too deeply")
            continue
        mistakes = dict.fromkeys(mistake for table in pods for mistake in _mistakes(table))
        switches = " with every switch of the template on" if template.every_switch else ""
        for mistake in mistakes:
            yield Contradicts(
                Quote(template.line_of(mistake.key), mistake.actual + switches),
                Quote(template.line_of("[runners.kubernetes]"), mistake.expected),
                mistake.fix,
            )
        if not mistakes and not template.every_switch:
            yield Agrees(template.at)


def _mistakes(table: dict[str, Any]) -> Iterator[_Mistake]:
    for key, name in _misplaced(table, "runners.kubernetes"):
        yield _Mistake(
            key,
            f"{key} is in table [{name}]",
            f"GitLab Runner reads {key} from [runners.kubernetes]",
            "move it above the first nested table; a TOML key belongs to the header before it",
        )
    for key, value in table.items():
        if key in _POD_SETTINGS and isinstance(value, dict | list):
            yield _Mistake(
                key,
                f"{key} is a table",
                f"GitLab Runner reads {key} as one value of [runners.kubernetes]",
                f'write {key} = "…" below [runners.kubernetes]',
            )
        elif key in _LISTS and isinstance(value, dict):
            yield _Mistake(
                f"runners.kubernetes.{key}",
                f"{key} is a table",
                f"GitLab Runner reads {key} as a list of tables, and does not start with anything else",
                f"write [[runners.kubernetes.{key}]]",
            )
    services = table.get("services")
    for service in services if isinstance(services, list) else ():
        if isinstance(service, dict) and "env" in service:
            yield _Mistake(
                "services.env",
                "a service has env",
                "GitLab Runner reads the variables of a service from environment",
                'write environment = ["NAME=value"]',
            )


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
