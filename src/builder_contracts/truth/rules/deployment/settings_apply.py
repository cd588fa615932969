"""Compares settings with where their program reads them: GitLab Runner's pods in rendered templates, programs that
read nothing but their file of settings, and the values that a chart requires.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

from builder_contracts.errors import Location
from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult, Undetermined
from builder_contracts.truth.known_software import KnownFile, KnownProgram, known_software
from builder_contracts.truth.model import Pod, Release, ScaleSet, environment, split_reference
from builder_contracts.truth.readers import yaml
from builder_contracts.truth.rule_context import RuleContext
from builder_contracts.truth.rules.deployment import runner_config
from builder_contracts.truth.rules.registry import rule
from builder_contracts.truth.value import Known, Unknown, Value, get, items, text


@rule("deployment/settings-apply", scope="any")
def check(context: RuleContext) -> Iterator[RuleResult]:
    yield from runner_config.check(context.model)
    for workload in context.model.workloads:
        for container in workload.pod.containers:
            program = _program_of(container)
            if program is not None:
                name = f"{workload.kind} {text(workload.name) or '?'}"
                yield from _check_program(context, program, name, workload.pod, container)
    for release in context.model.releases:
        yield from _check_release(release)
    for file in known_software().files:
        yield from _check_file(context, file)
    for scale_set in context.model.scale_sets:
        if scale_set.runner is not None and not scale_set.is_left_out:
            yield from _check_template(scale_set)


def _program_of(container: Value) -> KnownProgram | None:
    """The program that a container runs, by its image, or by its own name if the image is named at run time."""
    reference = text(get(container, "image"))
    name = split_reference(reference)[0].rpartition("/")[2] if reference else text(get(container, "name"))
    return next(
        (program for program in known_software().programs if name in (*program.images, program.name)), None
    )


def _check_program(
    context: RuleContext, program: KnownProgram, name: str, pod: Pod, container: Value
) -> Iterator[RuleResult]:
    whole = [get(container, "command"), get(container, "args")]
    arguments = [argument for part in whole for argument in items(part)]
    written = [(text(argument) or "", argument.at) for argument in arguments]
    unknown = next((part for part in [*whole, *arguments] if isinstance(part, Unknown)), None)
    if unknown is not None:
        yield Undetermined(unknown.at, unknown.reason)
        return
    variables = [
        (variable, value.at)
        for variable, value in environment(container).items()
        if variable.startswith(program.environment)
        and not any(f"$({variable})" in argument for argument, _ in written)
    ]
    config = next(((argument, at) for argument, at in written if argument.startswith(program.config)), None)
    settings = [
        (argument, at)
        for argument, at in written
        if argument.startswith("--") and argument != (config or [""])[0]
    ]
    fine = True
    if config is not None:
        only = Quote(config[1], f"{config[0]}: {program.name} reads nothing else ({program.reference})")
        for names, kind in ((variables, "variables"), (settings, "arguments")):
            if names:
                fine = False
                shown = ", ".join(entry.partition("=")[0] for entry, _ in names)
                ignored = "is ignored" if len(names) == 1 else "are ignored"
                actual = Quote(names[0][1], f"{name}: {shown} {ignored}")
                yield Contradicts(actual, only, f"move the {kind} into the file, or drop {program.config}")
    file = _config_file(context, pod, container, config[0]) if config is not None else None
    for required in program.requires:
        used = [(argument, at) for argument, at in written if argument.startswith(required.arguments)]
        key = f"{required.arguments}{required.setting}"
        if used and not any(argument.startswith(key) for argument, _ in used):
            fine = False
            expected = Quote(
                used[0][1], f"{program.name} does not start without {key} ({required.reference})"
            )
            yield Contradicts(
                Quote(used[0][1], f"{name}: {used[0][0].partition('=')[0]}"), expected, f"add {key}"
            )
        table = get(file, required.table)
        if config is not None and table is not None and get(table, required.setting) is None:
            fine = False
            actual = Quote(table.at, f"{required.table} of {name} has no {required.setting}")
            missing = f"{program.name} does not start without {required.setting} ({required.reference})"
            yield Contradicts(
                actual,
                Quote(config[1], f"{config[0]}: {missing}"),
                f"set {required.table}.{required.setting}",
            )
    for host in program.hosts:
        prefix = f"{host.arguments}{host.setting}="
        table = get(file, host.table)
        value = get(table, host.setting)
        places = [
            (argument.removeprefix(prefix), at) for argument, at in written if argument.startswith(prefix)
        ]
        places += [(text(value) or "", table.at)] if table is not None and value is not None else []
        for address, at in places:
            if "://" in address:
                fine = False
                yield Contradicts(
                    Quote(at, f"{host.table}.{host.setting} of {name} is {address}"),
                    Quote(container.at, f"{program.name} reads a host and a port there ({host.reference})"),
                    "remove the scheme",
                )
    if fine and (config is not None or settings or variables):
        yield Agrees(container.at)


def _config_file(context: RuleContext, pod: Pod, container: Value, argument: str) -> Value | None:
    """The content of the file that an argument names, if a config map of this checkout is mounted there."""
    path = argument.partition("=")[2]
    folder, _, file = path.rpartition("/")
    mount = next(
        (mount for mount in items(get(container, "volumeMounts")) if text(get(mount, "mountPath")) == folder),
        None,
    )
    volume = next(
        (
            volume
            for volume in items(get(pod.spec, "volumes"))
            if mount is None or text(get(volume, "name")) == text(get(mount, "name"))
        ),
        None,
    )
    named = text(get(volume, "configMap", "name"))
    candidates = [setting for setting in context.model.settings if setting.file == file]
    for setting in candidates:
        same_name = named is not None and text(setting.name) == named
        if same_name or (named is None and setting.content.at.file == container.at.file):
            return _parsed(setting.content)
    return None


def _parsed(content: Value) -> Value | None:
    written = text(content)
    if written is None:
        return content
    try:
        # The first line of a heredoc's content follows the line that opens it.
        documents = yaml.read(written, content.at.file, content.at.line + (1 if "\n" in written else 0))
    except yaml.NotYaml:
        return None
    return documents[0] if documents else None


# A template of one's own replaces the chart's, which has both. Without a command, the image ends at once.
# Source: https://github.com/actions/actions-runner-controller/blob/gha-runner-scale-set-0.13.1/charts/gha-runner-scale-set/values.yaml#L231
_OF_THE_TEMPLATE = {"image": "ghcr.io/actions/actions-runner:latest", "command": '["/home/runner/run.sh"]'}


def _check_template(scale_set: ScaleSet) -> Iterator[RuleResult]:
    """What a scale set's own pod template must repeat of the chart's."""
    runner = scale_set.runner
    if not isinstance(runner, Known):
        return
    image = text(get(runner, "image"))
    for key, usual in _OF_THE_TEMPLATE.items():
        if get(runner, key) is None:
            if key == "command" and image and not split_reference(image)[0].endswith("/actions-runner"):
                continue  # An image of one's own may start the agent by itself.
            yield Contradicts(
                Quote(runner.at, f"the container runner of scale set {scale_set.name} has no {key}"),
                Quote(scale_set.at, f"its template replaces the chart's, which sets {key}"),
                f"set {key}: {usual}",
            )
        else:
            yield Agrees(runner.at)


def _check_file(context: RuleContext, expected: KnownFile) -> Iterator[RuleResult]:
    """Keys that a program needs of its file, unless a variable of a container or a key of a secret stands in."""
    provided = {setting.file for setting in context.model.settings}
    provided.update(
        *(
            environment(container)
            for workload in context.model.workloads
            for container in workload.pod.containers
        )
    )
    for setting in context.model.settings:
        written = text(setting.content)
        if setting.file != expected.name or written is None:
            continue
        try:
            data = tomllib.loads(written)
        except tomllib.TOMLDecodeError as error:
            yield Undetermined(setting.content.at, f"{expected.name} is not TOML: {error}")
            continue
        if not expected.tables <= data.keys():
            continue
        for key, variables in expected.requires.items():
            inner: Any = data
            for part in key.split("."):
                inner = inner.get(part) if isinstance(inner, dict) else None
            if inner is not None or provided & {*variables}:
                yield Agrees(setting.content.at)
                continue
            header = written.find(f"[{key.partition('.')[0]}]")
            line = setting.content.at.line + (written.count("\n", 0, header) + 1 if header >= 0 else 0)
            yield Contradicts(
                Quote(Location(setting.content.at.file, line), f"{expected.name} has no {key}"),
                Quote(
                    setting.content.at,
                    f"{expected.program} does not start without {key} or {variables[0]} ({expected.reference})",
                ),
                f"set {key}",
            )


def _check_release(release: Release) -> Iterator[RuleResult]:
    """The values that a chart requires, if the release's own are all known."""
    name = release.chart_name
    chart = known_software().charts.get(name)
    if chart is None or release.is_left_out:
        return
    if not isinstance(release.values, Known):
        reason = (
            release.values.reason if release.values is not None else "its values are not in this checkout"
        )
        yield Undetermined(release.at, reason)
        return
    for key in chart.requires:
        value = get(release.values, key)
        if value is None:
            at = release.values_at or release.at
            expected = Quote(at, f"the chart {name} requires {key} ({chart.reference})")
            actual = Quote(release.values.at, f"values of the release of {name} without {key}")
            yield Contradicts(actual, expected, f"set {key}")
        else:
            yield Agrees(value.at)
