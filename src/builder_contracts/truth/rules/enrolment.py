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
    there = declared(facts, "charts", "versions", says=f"supported: {supported.text}")
    chart = facts.get("charts", "controller")
    controllers: list[tuple[str, Value]] = []
    for release in context.model.releases:
        if (text(release.chart) or "").rpartition("/")[2] == chart and release.version is not None:
            yield from _version(release.version, f"controller {chart}", supported, there)
            if (version := text(release.version)) is not None:
                controllers.append((version, release.version))
    for scale_set in context.model.scale_sets:
        version = text(scale_set.chart_version)
        if scale_set.chart_version is None or left_out(scale_set):
            continue
        other = next((pair for pair in controllers if version is not None and pair[0] != version), None)
        if other is not None:
            here = Side(scale_set.chart_version.at, f"scale set {scale_set.name} from chart {version}")
            controller = Side(other[1].at, f"controller from chart {other[0]}")
            yield Contradicts(here, controller, "use the same chart version for both")
        else:
            yield from _version(scale_set.chart_version, f"scale set {scale_set.name}", supported, there)


def _version(value: Value, what: str, supported: VersionRange, there: Side) -> Iterator[Observation]:
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
            Side(value.at, f"{what} from chart {version}"), there, "install a supported version"
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
            known = ", ".join([*context.labels, *extra])
            there = Side(facts.at("extra_scale_sets"), f"labels of classes and declared scale sets: {known}")
            yield Contradicts(
                Side(at, f"scale set {scale_set.name} has label {label!r}"),
                there,
                "declare the label, or use a known one",
            )
    if not served or unknown:
        return
    for label, contract in context.labels.items():
        if label not in served:
            here = Side(context.model.scale_sets[0].at, f"scale sets here: {', '.join(sorted(served))}")
            there = Side(contract.source, f"class {contract.name} promises label {label!r}")
            yield Contradicts(here, there, "deploy a scale set for the class, or withdraw its contract")


def declared_resources(context: Context) -> Iterator[Observation]:
    facts = context.facts("enrolment")
    for scale_set in context.model.scale_sets:
        label = text(scale_set.label)
        for what, read in (("cpu", millicpus), ("memory", byte_count)):
            for edge, wanted in facts.get("extra_scale_sets", label or "", what, default={}).items():
                value = get(scale_set.runner, "resources", f"{edge}s", what)
                written = text(value)
                at = value.at if value is not None else scale_set.at
                if isinstance(value, Unknown):
                    yield Unseen(at, value.reason)
                    continue
                try:
                    same = written is not None and read(written) == read(wanted)
                except ValueError:
                    yield Unseen(at, f"{written!r} is not an amount")
                    continue
                if same:
                    yield Agrees(at)
                    continue
                here = Side(at, f"scale set {scale_set.name} has {written or 'no'} {what} {edge}")
                there = declared(
                    facts,
                    "extra_scale_sets",
                    label or "",
                    what,
                    edge,
                    says=f"declared: {what} {edge} {wanted}",
                )
                yield Contradicts(here, there, f"set {what} {edge} to {wanted}, or update the declaration")


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
        if any(deployed(one) for one in sets):
            yield Agrees(at)
        elif all(left_out(one) for one in sets):
            if not _NOT_DEPLOYED.search(" ".join(cells)):
                there = Side(sets[0].deployed.at, f"scale set {sets[0].name} is disabled by default")
                yield Contradicts(
                    Side(at, excerpt(" | ".join(cells))), there, "state that it is off, or enable it"
                )
        else:
            reason = next(one.deployed.reason for one in sets if isinstance(one.deployed, Unknown))
            yield Unseen(at, reason)
    count = {
        label for label, sets in by_label.items() if any(deployed(one) for one in sets)
    } & context.labels.keys()
    off = [
        one
        for sets in by_label.values()
        for one in sets
        if left_out(one) and text(one.label) in context.labels
    ]
    for sentence in context.sentences:
        found = _SETS.search(sentence.text)
        if (
            not found
            or denies(sentence.text)
            or intends(sentence.text)
            or _NOT_DEPLOYED.search(sentence.text)
        ):
            continue
        said = _NUMBERS.get(found[1].lower(), int(found[1]) if found[1].isdecimal() else -1)
        if said == len(count):
            yield Agrees(sentence.at)
        elif off and said > len(count):
            there = Side(
                off[0].deployed.at, f"{len(count)} are deployed; {off[0].name} is disabled by default"
            )
            yield Contradicts(
                Side(sentence.at, excerpt(sentence.text)),
                there,
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
            here = Side(value.at, f"scale set {scale_set.name} registers with {url}")
            there = Side(facts.at("scopes"), f"enrolled: {', '.join(patterns)}")
            yield Contradicts(here, there, "enrol the organisation or account first, or fix the URL")


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
            here = Side(value.at, f"scale set {scale_set.name} joins the group {text(value)!r}")
            there = Side(facts.at("runner_groups"), f"declared groups: {', '.join(groups)}")
            yield Contradicts(here, there, "declare the group and the repositories allowed to use it")


def secrets_by_reference(context: Context) -> Iterator[Observation]:
    facts = context.facts("enrolment")
    there = Side(facts.at(), "credentials must be references: valueFrom.secretKeyRef, or a secret name")
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
            here = Side(written[0].at, f"scale set {scale_set.name} has GitHub credentials in its values")
            yield Contradicts(here, there, "move them to a secret and reference it")
        else:
            yield Agrees(secret.at)
    pods: list[tuple[str, Pod]] = [
        (f"scale set {one.name}", one.pod) for one in context.model.scale_sets if one.pod
    ]
    pods += [(f"{one.kind} {text(one.name) or '?'}", one.pod) for one in context.model.workloads]
    for name, pod in pods:
        for container in pod.containers:
            yield from _container(name, container, there)
    for setting in context.model.settings:
        yield from _setting(setting, there)


def _setting(setting: Setting, there: Side) -> Iterator[Observation]:
    """Credentials in a file that everybody who may read config maps can read, and that programs may not expand."""
    found: list[tuple[str, str, Source]] = []
    written = text(setting.content)
    if written is not None:
        for number, line in enumerate(written.split("\n"), 1):
            if match := _IN_FILE.match(line):
                at = setting.content.at
                found.append(
                    (match[1], match[2], Source(at.file, at.line + (number if "\n" in written else 0)))
                )
    for place in walk(setting.content):
        for key, value in fields(place).items():
            if (inner := text(value)) is not None and _CREDENTIAL_NAME.fullmatch(key):
                found.append((key, inner, value.at))
    for key, said, at in found:
        if re.search(r"(file|path|dir|name|ref|url|type)$", key, re.IGNORECASE) or not said:
            continue
        if said.startswith(("$", "{{", "/", "<")) or said in ("true", "false", "null", "~"):
            yield Agrees(at)
        else:
            yield Contradicts(
                Side(at, f"{setting.file} in the config map contains {key}"),
                there,
                "pass it as an environment variable from a secret, which the program supports",
            )


def _container(name: str, container: Value, there: Side) -> Iterator[Observation]:
    for variable, value in environment(container).items():
        if not SECRET_NAME.search(variable) or variable.endswith(("_FILE", "_PATH", "_DIR")):
            continue
        written = text(value)
        if isinstance(value, Unknown):
            yield Unseen(value.at, value.reason)
        elif written and not written.startswith(("$(", "/")):
            yield Contradicts(Side(value.at, f"{name} sets {variable} to a literal value"), there,
                              "use valueFrom with a secret")  # fmt: skip
        else:
            yield Agrees(value.at)
    whole = [get(container, "args"), get(container, "command")]
    yield from (Unseen(one.at, one.reason) for one in whole if isinstance(one, Unknown))
    for argument in [argument for one in whole for argument in items(one)]:
        written = text(argument)
        if written is None:
            continue
        found = _CREDENTIAL.search(written + " ")
        if found and not re.search(r"(file|path|dir|name)$", found[1]):
            shown = Side(argument.at, f"{name} receives a credential in the argument --{found[1]}")
            yield Contradicts(
                shown, there, "pass it as an environment variable from a secret, which the program supports"
            )


def linux_builder(context: Context) -> Iterator[Observation]:
    facts = context.facts("enrolment")
    canary = facts.get("canary")
    if canary is None:
        return
    there = declared(facts, "canary", says=f"{canary['name']} builds on {canary['builder']}")
    contract = next((one for one in context.classes if one.name == canary["builder"]), None)
    if contract is not None:
        yield Agrees(contract.source)
    elif context.classes:
        here = Side(context.classes[0].source, f"classes: {', '.join(one.name for one in context.classes)}")
        yield Contradicts(here, there, "write a contract for the class")
    else:
        yield Unseen(there.at, "no builder class contracts were given")
    said = next((line.at for line in context.lines if canary["name"] in line.text and line.prose), None)
    if said is not None:
        yield Agrees(said)
    elif context.documents:
        here = Side(context.entrance, f"the documentation does not mention {canary['name']}")
        yield Contradicts(here, there, f"state which class heavy Linux builds such as {canary['name']} use")
