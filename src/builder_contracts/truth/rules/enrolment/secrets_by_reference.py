"""Compares environment and arguments of containers, files of config maps, and GitHub's credentials, with
the rule that secrets are referenced only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from builder_contracts.errors import Location
from builder_contracts.facts.secret_names import SECRET_NAME
from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult, Undetermined
from builder_contracts.truth.model import ConfigMapFile, Pod, environment
from builder_contracts.truth.rule_context import RuleContext
from builder_contracts.truth.rules.registry import rule
from builder_contracts.truth.value import Known, Unknown, Value, fields, get, items, text, walk

_CREDENTIAL = re.compile(
    r"--?([\w.-]*(?:secret|password|passwd|token|access[_-]?key|key[_-]id)[\w.-]*)[=\s]", re.IGNORECASE
)
_CREDENTIAL_NAME = re.compile(
    r"[\w.-]*(?:secret|password|passwd|token|access[_-]?key|key[_-]id)[\w.-]*", re.IGNORECASE
)
# Variables that name a place or a method, not the secret.
_NOT_SECRET = ("_FILE", "_PATH", "_DIR", "_METHOD", "_TYPE", "_MODE", "_URL")
_IN_FILE = re.compile(
    rf"\s*-?\s*[\"']?({_CREDENTIAL_NAME.pattern})[\"']?\s*[:=]\s*[\"']?([^\s\"'#]+)", re.IGNORECASE
)


@rule("enrolment/secrets-by-reference", scope="own")
def check(context: RuleContext) -> Iterator[RuleResult]:
    facts = context.facts("enrolment")
    expected = Quote(facts.at(), "credentials must be references: valueFrom.secretKeyRef, or a secret name")
    for scale_set in context.model.scale_sets:
        secret = get(scale_set.values, "githubConfigSecret")
        if secret is None:
            continue
        written = [
            value for value in walk(secret) if isinstance(value, Known) and isinstance(value.data, str)
        ]
        if isinstance(secret, Unknown):
            yield Undetermined(secret.at, secret.reason)
        elif isinstance(secret.data, dict) and written:
            actual = Quote(written[0].at, f"scale set {scale_set.name} has GitHub credentials in its values")
            yield Contradicts(actual, expected, "move them to a secret and reference it")
        else:
            yield Agrees(secret.at)
    pods: list[tuple[str, Pod]] = [
        (f"scale set {scale_set.name}", scale_set.pod)
        for scale_set in context.model.scale_sets
        if scale_set.pod
    ]
    pods += [
        (f"{workload.kind} {text(workload.name) or '?'}", workload.pod)
        for workload in context.model.workloads
    ]
    for name, pod in pods:
        for container in pod.containers:
            yield from _container(name, container, expected)
    for setting in context.model.settings:
        yield from _setting(setting, expected)


def _setting(setting: ConfigMapFile, expected: Quote) -> Iterator[RuleResult]:
    """Credentials in a file that everybody who may read config maps can read, and that programs may not expand."""
    entries: list[tuple[str, str, Location]] = []
    written = text(setting.content)
    if written is not None:
        for number, line in enumerate(written.split("\n"), 1):
            if match := _IN_FILE.match(line):
                at = setting.content.at
                entries.append(
                    (match[1], match[2], Location(at.file, at.line + (number if "\n" in written else 0)))
                )
    for place in walk(setting.content):
        for key, value in fields(place).items():
            if (inner := text(value)) is not None and _CREDENTIAL_NAME.fullmatch(key):
                entries.append((key, inner, value.at))
    for key, value_text, at in entries:
        if re.search(r"(file|path|dir|name|ref|url|type)$", key, re.IGNORECASE) or not value_text:
            continue
        if value_text.startswith(("$", "{{", "/", "<")) or value_text in ("true", "false", "null", "~"):
            yield Agrees(at)
        else:
            yield Contradicts(
                Quote(at, f"{setting.file} in the config map contains {key}"),
                expected,
                "pass it as an environment variable from a secret, which the program supports",
            )


def _container(name: str, container: Value, expected: Quote) -> Iterator[RuleResult]:
    for variable, value in environment(container).items():
        if not SECRET_NAME.search(variable) or variable.endswith(_NOT_SECRET):
            continue
        written = text(value)
        if isinstance(value, Unknown):
            yield Undetermined(value.at, value.reason)
        elif written and not written.startswith(("$(", "/")):
            yield Contradicts(Quote(value.at, f"{name} sets {variable} to a literal value"), expected,
                              "use valueFrom with a secret")  # fmt: skip
        else:
            yield Agrees(value.at)
    whole = [get(container, "args"), get(container, "command")]
    yield from (Undetermined(part.at, part.reason) for part in whole if isinstance(part, Unknown))
    for argument in [argument for part in whole for argument in items(part)]:
        written = text(argument)
        if written is None:
            continue
        match = _CREDENTIAL.search(written + " ")
        if match and not re.search(r"(file|path|dir|name)$", match[1]):
            shown = Quote(argument.at, f"{name} receives a credential in the argument --{match[1]}")
            yield Contradicts(
                shown,
                expected,
                "pass it as an environment variable from a secret, which the program supports",
            )
