"""Who may use the runners, and how scale sets are registered."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator

from builder_contracts.contract.promises.versions import VersionRange
from builder_contracts.contract.quantity import byte_count, millicpus
from builder_contracts.errors import Source
from builder_contracts.facts.secret import SECRET_NAME
from builder_contracts.truth.context import Context, declared, excerpt, rows_of
from builder_contracts.truth.finding import Agrees, Contradicts, Observation, Side, Unseen
from builder_contracts.truth.model import Pod, ScaleSet, Setting, environment
from builder_contracts.truth.speech import denies, intends
from builder_contracts.truth.value import Known, Unknown, Value, fields, get, items, text, walk

_NUMBERS = {
    word: number
    for number, word in enumerate("zero one two three four five six seven eight nine ten".split())
}
_SETS = re.compile(r"\b(\d+|" + "|".join(_NUMBERS) + r")\b(?:\s+\w+){0,3}\s+scale sets\b", re.IGNORECASE)
_CREDENTIAL = re.compile(
    r"--?([\w.-]*(?:secret|password|passwd|token|access[_-]?key|key[_-]id)[\w.-]*)[=\s]", re.IGNORECASE
)
_CREDENTIAL_NAME = re.compile(
    r"[\w.-]*(?:secret|password|passwd|token|access[_-]?key|key[_-]id)[\w.-]*", re.IGNORECASE
)
_IN_FILE = re.compile(
    rf"\s*-?\s*[\"']?({_CREDENTIAL_NAME.pattern})[\"']?\s*[:=]\s*[\"']?([^\s\"'#]+)", re.IGNORECASE
)
_NOT_DEPLOYED = re.compile(
    r"\b(off|opt-in|optional\w*|disabled|not deployed|on request|planned)\b", re.IGNORECASE
)


def deployed(scale_set: ScaleSet) -> bool:
    """Whether a scale set is known to be there."""
    return isinstance(scale_set.deployed, Known) and scale_set.deployed.data is True


def left_out(scale_set: ScaleSet) -> bool:
    """Whether a toggle is known to leave a scale set out."""
    return isinstance(scale_set.deployed, Known) and scale_set.deployed.data is False


def chart_versions(context: Context) -> Iterator[Observation]:
    facts = context.facts("enrolment")
    supported = VersionRange(facts.get("charts", "versions"))
    expected = declared(facts, "charts", "versions", says=f"supported: {supported.text}")
    chart = facts.get("charts", "controller")
    controllers: list[tuple[str, Value]] = []
    for release in context.model.releases:
        if (text(release.chart) or "").rpartition("/")[2] == chart and release.version is not None:
            yield from _version(release.version, f"controller {chart}", supported, expected)
            if (version := text(release.version)) is not None:
                controllers.append((version, release.version))
    for scale_set in context.model.scale_sets:
        version = text(scale_set.chart_version)
        if scale_set.chart_version is None or left_out(scale_set):
            continue
        other = next((pair for pair in controllers if version is not None and pair[0] != version), None)
        if other is not None:
            actual = Side(scale_set.chart_version.at, f"scale set {scale_set.name} from chart {version}")
            controller = Side(other[1].at, f"controller from chart {other[0]}")
            yield Contradicts(actual, controller, "use the same chart version for both")
        else:
            yield from _version(scale_set.chart_version, f"scale set {scale_set.name}", supported, expected)


def _version(value: Value, what: str, supported: VersionRange, expected: Side) -> Iterator[Observation]:
    version = text(value)
    if isinstance(value, Unknown) or version is None:
        yield Unseen(value.at, value.reason if isinstance(value, Unknown) else "the version is not text")
        return
    try:
        holds = supported.holds(version)
    except ValueError:
        yield Unseen(value.at, f"{version!r} is not a single version")
        return
    if holds:
        yield Agrees(value.at)
    else:
        yield Contradicts(
            Side(value.at, f"{what} from chart {version}"), expected, "install a supported version"
        )


def labels(context: Context) -> Iterator[Observation]:
    facts = context.facts("enrolment")
    extra = facts.get("extra_scale_sets", default={})
    served: set[str] = set()
    unknown = False
    for scale_set in context.model.scale_sets:
        label = text(scale_set.label)
        if label is None:
            unknown = True
            reason = (
                scale_set.label.reason if isinstance(scale_set.label, Unknown) else "the label is not text"
            )
            yield Unseen(scale_set.at, reason)
            continue
        served.add(label)
        at = scale_set.label.at if scale_set.label is not None else scale_set.at
        if label in context.labels or label in extra:
            yield Agrees(at)
        else:
            declared_labels = ", ".join([*context.labels, *extra])
            expected = Side(
                facts.at("extra_scale_sets"), f"labels of classes and declared scale sets: {declared_labels}"
            )
            yield Contradicts(
                Side(at, f"scale set {scale_set.name} has label {label!r}"),
                expected,
                "declare the label, or use a known one",
            )
    if not served or unknown:
        return
    for label, contract in context.labels.items():
        if label not in served:
            actual = Side(context.model.scale_sets[0].at, f"scale sets here: {', '.join(sorted(served))}")
            expected = Side(contract.source, f"class {contract.name} promises label {label!r}")
            yield Contradicts(actual, expected, "deploy a scale set for the class, or withdraw its contract")


def declared_resources(context: Context) -> Iterator[Observation]:
    facts = context.facts("enrolment")
    for scale_set in context.model.scale_sets:
        label = text(scale_set.label)
        for what, read in (("cpu", millicpus), ("memory", byte_count)):
            for edge, amount in facts.get("extra_scale_sets", label or "", what, default={}).items():
                value = get(scale_set.runner, "resources", f"{edge}s", what)
                written = text(value)
                at = value.at if value is not None else scale_set.at
                if isinstance(value, Unknown):
                    yield Unseen(at, value.reason)
                    continue
                try:
                    same = written is not None and read(written) == read(amount)
                except ValueError:
                    yield Unseen(at, f"{written!r} is not an amount")
                    continue
                if same:
                    yield Agrees(at)
                    continue
                actual = Side(at, f"scale set {scale_set.name} has {written or 'no'} {what} {edge}")
                expected = declared(
                    facts,
                    "extra_scale_sets",
                    label or "",
                    what,
                    edge,
                    says=f"declared: {what} {edge} {amount}",
                )
                yield Contradicts(
                    actual, expected, f"set {what} {edge} to {amount}, or update the declaration"
                )


def documented_sets(context: Context) -> Iterator[Observation]:
    """Labels and numbers of scale sets in the documentation against the toggles of the deployment."""
    by_label: dict[str, list[ScaleSet]] = {}
    for scale_set in context.model.scale_sets:
        if (label := text(scale_set.label)) is not None:
            by_label.setdefault(label, []).append(scale_set)
    if not by_label:
        return
    for headers, (at, cells) in rows_of(context):
        if not headers or not re.search(r"\b(label|runs-on)\b", headers[0]):
            continue
        label = cells[0].strip("` ")
        sets = by_label.get(label)
        if sets is None:
            continue
        if any(deployed(scale_set) for scale_set in sets):
            yield Agrees(at)
        elif all(left_out(scale_set) for scale_set in sets):
            if not _NOT_DEPLOYED.search(" ".join(cells)):
                expected = Side(sets[0].deployed.at, f"scale set {sets[0].name} is disabled by default")
                yield Contradicts(
                    Side(at, excerpt(" | ".join(cells))), expected, "state that it is off, or enable it"
                )
        else:
            reason = next(
                scale_set.deployed.reason for scale_set in sets if isinstance(scale_set.deployed, Unknown)
            )
            yield Unseen(at, reason)
    count = {
        label for label, sets in by_label.items() if any(deployed(scale_set) for scale_set in sets)
    } & context.labels.keys()
    off = [
        scale_set
        for sets in by_label.values()
        for scale_set in sets
        if left_out(scale_set) and text(scale_set.label) in context.labels
    ]
    for sentence in context.sentences:
        match = _SETS.search(sentence.text)
        if (
            not match
            or denies(sentence.text)
            or intends(sentence.text)
            or _NOT_DEPLOYED.search(sentence.text)
        ):
            continue
        stated_count = _NUMBERS.get(match[1].lower(), int(match[1]) if match[1].isdecimal() else -1)
        if stated_count == len(count):
            yield Agrees(sentence.at)
        elif off and stated_count > len(count):
            expected = Side(
                off[0].deployed.at, f"{len(count)} are deployed; {off[0].name} is disabled by default"
            )
            yield Contradicts(
                Side(sentence.at, excerpt(sentence.text)),
                expected,
                "list what is deployed, or enable the others",
            )


def _texts(context: Context, key: str) -> Iterator[tuple[ScaleSet, Value]]:
    for scale_set in context.model.scale_sets:
        value = get(scale_set.values, key)
        if value is not None:
            yield scale_set, value


def scopes(context: Context) -> Iterator[Observation]:
    facts = context.facts("enrolment")
    patterns = facts.get("scopes")
    for scale_set, value in _texts(context, "githubConfigUrl"):
        url = text(value)
        if url is None:
            yield Unseen(value.at, value.reason if isinstance(value, Unknown) else "not text")
        elif any(fnmatch.fnmatchcase(url.rstrip("/").lower(), pattern.lower()) for pattern in patterns):
            yield Agrees(value.at)
        else:
            actual = Side(value.at, f"scale set {scale_set.name} registers with {url}")
            expected = Side(facts.at("scopes"), f"enrolled: {', '.join(patterns)}")
            yield Contradicts(actual, expected, "enrol the organisation or account first, or fix the URL")


def runner_groups(context: Context) -> Iterator[Observation]:
    facts = context.facts("enrolment")
    groups = facts.get("runner_groups", default=["default"])
    for scale_set in context.model.scale_sets:
        value = get(scale_set.values, "runnerGroup")
        if value is None or text(value) in groups:
            yield Agrees(value.at if value is not None else scale_set.at)
        elif isinstance(value, Unknown):
            yield Unseen(value.at, value.reason)
        else:
            actual = Side(value.at, f"scale set {scale_set.name} joins the group {text(value)!r}")
            expected = Side(facts.at("runner_groups"), f"declared groups: {', '.join(groups)}")
            yield Contradicts(actual, expected, "declare the group and the repositories allowed to use it")


def secrets_by_reference(context: Context) -> Iterator[Observation]:
    facts = context.facts("enrolment")
    expected = Side(facts.at(), "credentials must be references: valueFrom.secretKeyRef, or a secret name")
    for scale_set in context.model.scale_sets:
        secret = get(scale_set.values, "githubConfigSecret")
        if secret is None:
            continue
        written = [
            value for value in walk(secret) if isinstance(value, Known) and isinstance(value.data, str)
        ]
        if isinstance(secret, Unknown):
            yield Unseen(secret.at, secret.reason)
        elif isinstance(secret.data, dict) and written:
            actual = Side(written[0].at, f"scale set {scale_set.name} has GitHub credentials in its values")
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


def _setting(setting: Setting, expected: Side) -> Iterator[Observation]:
    """Credentials in a file that everybody who may read config maps can read, and that programs may not expand."""
    entries: list[tuple[str, str, Source]] = []
    written = text(setting.content)
    if written is not None:
        for number, line in enumerate(written.split("\n"), 1):
            if match := _IN_FILE.match(line):
                at = setting.content.at
                entries.append(
                    (match[1], match[2], Source(at.file, at.line + (number if "\n" in written else 0)))
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
                Side(at, f"{setting.file} in the config map contains {key}"),
                expected,
                "pass it as an environment variable from a secret, which the program supports",
            )


def _container(name: str, container: Value, expected: Side) -> Iterator[Observation]:
    for variable, value in environment(container).items():
        if not SECRET_NAME.search(variable) or variable.endswith(("_FILE", "_PATH", "_DIR")):
            continue
        written = text(value)
        if isinstance(value, Unknown):
            yield Unseen(value.at, value.reason)
        elif written and not written.startswith(("$(", "/")):
            yield Contradicts(Side(value.at, f"{name} sets {variable} to a literal value"), expected,
                              "use valueFrom with a secret")  # fmt: skip
        else:
            yield Agrees(value.at)
    whole = [get(container, "args"), get(container, "command")]
    yield from (Unseen(part.at, part.reason) for part in whole if isinstance(part, Unknown))
    for argument in [argument for part in whole for argument in items(part)]:
        written = text(argument)
        if written is None:
            continue
        match = _CREDENTIAL.search(written + " ")
        if match and not re.search(r"(file|path|dir|name)$", match[1]):
            shown = Side(argument.at, f"{name} receives a credential in the argument --{match[1]}")
            yield Contradicts(
                shown,
                expected,
                "pass it as an environment variable from a secret, which the program supports",
            )


def linux_builder(context: Context) -> Iterator[Observation]:
    facts = context.facts("enrolment")
    canary = facts.get("canary")
    if canary is None:
        return
    expected = declared(facts, "canary", says=f"{canary['name']} builds on {canary['builder']}")
    contract = next((contract for contract in context.classes if contract.name == canary["builder"]), None)
    if contract is not None:
        yield Agrees(contract.source)
    elif context.classes:
        actual = Side(
            context.classes[0].source, f"classes: {', '.join(contract.name for contract in context.classes)}"
        )
        yield Contradicts(actual, expected, "write a contract for the class")
    else:
        yield Unseen(expected.at, "no builder class contracts were given")
    location = next((line.at for line in context.lines if canary["name"] in line.text and line.prose), None)
    if location is not None:
        yield Agrees(location)
    elif context.documents:
        actual = Side(context.entrance, f"the documentation does not mention {canary['name']}")
        yield Contradicts(
            actual, expected, f"state which class heavy Linux builds such as {canary['name']} use"
        )
