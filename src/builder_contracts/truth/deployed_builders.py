"""Judge builder classes by their deployment and their build, with the judges of live runners.

A pod template does not determine everything, such as the contents of the image or the kernel. Such facts stay unseen,
so their clauses are *unproven*.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import date

from builder_contracts.contract.model import Clause, Contract
from builder_contracts.contract.promises.daemon import DaemonEndpoint
from builder_contracts.contract.promises.environment import EnvironmentVariable, ForbiddenValue
from builder_contracts.contract.promises.identity import NotRoot, Uid
from builder_contracts.contract.promises.isolation import (
    Capabilities,
    DockerDaemon,
    DockerSocket,
    NoNewPrivileges,
    Privileged,
    Seccomp,
)
from builder_contracts.contract.promises.resources import CpuLimit, CpuRequest, MemoryLimit, MemoryRequest
from builder_contracts.contract.promises.toolchain import Tool
from builder_contracts.contract.quantities import byte_count, millicpus
from builder_contracts.errors import Location
from builder_contracts.facts.model import (
    DaemonFacts,
    Facts,
    IsolationFacts,
    ResourceFacts,
    Seen,
    Unseen,
    UserFacts,
)
from builder_contracts.judge import find, under_waiver
from builder_contracts.judge.isolation import CAPABILITIES
from builder_contracts.judge.resources import shares
from builder_contracts.truth import image_builds
from builder_contracts.truth.finding import Finding, Quote
from builder_contracts.truth.model import ScaleSet, environment
from builder_contracts.truth.rule_context import RuleContext
from builder_contracts.truth.scale_set_image import ScaleSetImage, image_of, judge_tool
from builder_contracts.truth.value import Unknown, Value, get, items, number, text
from builder_contracts.verdict import Assessment as Judged
from builder_contracts.verdict import Origin, Outcome, Rung, Verdict, kept, unproven

_CANNOT = "not decidable from a checkout; check a runner"
_NO_TEMPLATE = Unseen("the scale set's template does not specify it", provable_here=False)
_SOCKETS = ("docker.sock", "containerd.sock", "podman.sock")
_NODE_SOCKETS = (
    "/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock", "/run/podman/podman.sock",
)  # fmt: skip
# The only listener of the daemon that the chart gha-runner-scale-set runs for containerMode dind (its values.yaml).
_CHART_DIND = "unix:///var/run/docker.sock"
_AMOUNTS = (CpuLimit, CpuRequest, MemoryLimit, MemoryRequest)
# Promises that a pod template decides.
_DECIDED = (
    *_AMOUNTS, EnvironmentVariable, ForbiddenValue, NotRoot, Uid, Privileged,
    NoNewPrivileges, Seccomp, Capabilities, DockerSocket, DockerDaemon, DaemonEndpoint,
)  # fmt: skip


def judge_deployed_builders(context: RuleContext, today: date) -> Iterator[tuple[Verdict, Finding | None]]:
    """The verdicts of the clauses of every class that has a scale set or a Dockerfile in the checkout.

    A broken one comes with its contradiction: the line of the deployment, and the line that promises.
    """
    for contract in context.classes:
        labels = {label.lower() for label in contract.labels}
        scale_sets = [scale_set for scale_set in context.model.scale_sets if scale_set.labels & labels]
        for scale_set in _distinct(scale_sets):
            facts = facts_of(scale_set)
            image = image_of(context, scale_set)
            for clause in contract.clauses:
                if isinstance(clause.promise, Tool) and isinstance(image, ScaleSetImage):
                    assessment, at = judge_tool(clause.promise, image), image.at
                else:
                    assessment, at = _assess(clause, facts), _deciding_location(clause, scale_set)
                yield _verdict(clause, contract, assessment, at, scale_set.variant, today)
        # Scale sets that are like the class keep its promises, except amounts: those have a declaration of their own.
        for scale_set in _distinct(_extra_scale_sets(context, contract)):
            facts = facts_of(scale_set)
            for clause in contract.clauses:
                if isinstance(clause.promise, _DECIDED) and not isinstance(clause.promise, _AMOUNTS):
                    assessment, at = _assess(clause, facts), _deciding_location(clause, scale_set)
                    yield _verdict(clause, contract, assessment, at, scale_set.variant, today)
        over = _overrides(scale_sets)
        for build in image_builds.builds_of(context, contract):
            for clause in contract.clauses:
                if isinstance(clause.promise, image_builds.DECIDED):
                    assessment, where = image_builds.judge_image_build(clause, build, context, over)
                    yield _verdict(clause, contract, assessment, where, build.path, today)


def _extra_scale_sets(context: RuleContext, contract: Contract) -> list[ScaleSet]:
    """The scale sets that are declared to keep the promises of a class that is not their own."""
    extra = context.facts("enrolment").get("extra_scale_sets", default={})
    labels = {label.lower() for label, data in extra.items() if data["like"] == contract.name}
    return [
        scale_set for scale_set in context.model.scale_sets if (text(scale_set.label) or "").lower() in labels
    ]


def _overrides(scale_sets: list[ScaleSet]) -> dict[str, Location]:
    """Locations of what pod templates override in the image: variables, and USER for a user."""
    over: dict[str, Location] = {}
    for scale_set in scale_sets:
        over.update({name: value.at for name, value in environment(scale_set.runner).items()})
        if (user := _security(scale_set, "runAsUser")) is not None:
            over["USER"] = user.at
    return over


def _distinct(scale_sets: list[ScaleSet]) -> list[ScaleSet]:
    """Drop scale sets whose facts are the same in another variant."""
    kept: dict[str, ScaleSet] = {}
    for scale_set in scale_sets:
        kept.setdefault(repr((facts_of(scale_set), scale_set.name)), scale_set)
    return list(kept.values())


def _verdict(
    clause: Clause, contract: Contract, assessment: Judged, location: Location, variant: str, today: date
) -> tuple[Verdict, Finding | None]:
    assessment = under_waiver(clause, assessment, today)
    decided = assessment.outcome is not Outcome.UNPROVEN
    finding = None
    if assessment.outcome is Outcome.BROKEN:
        actual, promised = (
            Quote(location, assessment.observation),
            Quote(clause.source, f"promised: {clause.promise.text}"),
        )
        fix = "; ".join(filter(None, (assessment.cause, assessment.fix)))
        finding = Finding(clause.id, clause.promise.text, clause.why or "", "", actual, promised, fix)
    seen = f"{assessment.observation}   ({location})" if decided else assessment.observation
    verdict = Verdict.of(
        clause,
        dataclasses.replace(assessment, observation=seen, measurements=()),
        Origin(contract_digest=contract.digest, runner="checkout", environment=variant),
        rung=Rung.DECLARED,
        witnesses=(finding.witness,) if finding else (),
    )
    return verdict, finding


def _assess(clause: Clause, facts: Facts) -> Judged:
    promise = clause.promise
    if not isinstance(promise, _DECIDED):
        return unproven(_CANNOT, provable_here=False)
    if (
        isinstance(promise, EnvironmentVariable)
        and not isinstance(facts.env, Unseen)
        and promise.name not in facts.env
    ):
        return unproven("the template does not set it, but the image may", provable_here=False)
    if isinstance(promise, ForbiddenValue) and (assessment := find(promise, facts)).outcome is Outcome.KEPT:
        return unproven(
            f"{assessment.observation} in the template, but the image may set others", provable_here=False
        )
    if (
        isinstance(promise, DaemonEndpoint)
        and isinstance(facts.daemon, DaemonFacts)
        and facts.daemon.reachable
    ):
        # A template shows only that the two addresses agree; only a runner proves that the daemon responds.
        return (
            kept(facts.daemon.how, declared=True)
            if _docker_host(facts) == promise.endpoint
            else find(promise, facts)
        )
    return find(promise, facts)


def _docker_host(facts: Facts) -> str | None:
    return None if isinstance(facts.env, Unseen) else facts.env.get("DOCKER_HOST")


def _deciding_location(clause: Clause, scale_set: ScaleSet) -> Location:
    """The line of the deployment that decides a clause."""
    runner = scale_set.runner
    value: Value | None = None
    match clause.promise:
        case CpuLimit() | MemoryLimit():
            value = get(
                runner, "resources", "limits", "cpu" if isinstance(clause.promise, CpuLimit) else "memory"
            )
        case CpuRequest() | MemoryRequest():
            value = get(
                runner, "resources", "requests", "cpu" if isinstance(clause.promise, CpuRequest) else "memory"
            )
        case EnvironmentVariable():
            value = environment(runner).get(clause.promise.name)
        case DaemonEndpoint():
            value = environment(runner).get("DOCKER_HOST")
        case ForbiddenValue():
            pattern = clause.promise.pattern
            value = next(
                (
                    variable
                    for variable in environment(runner).values()
                    if pattern.search(text(variable) or "")
                ),
                None,
            )
        case DockerSocket():
            paths = [get(volume, "hostPath", "path") for volume in _volumes(scale_set)]
            value = next((path for path in paths if (text(path) or "").endswith(_SOCKETS)), None)
        case _:
            value = get(runner, "securityContext")
    return value.at if value is not None else scale_set.at


def facts_of(scale_set: ScaleSet) -> Facts:
    """The facts about runners that a scale set's template determines; everything else is unseen."""
    unseen = Unseen(_CANNOT, provable_here=False)
    runner = scale_set.runner
    env: dict[str, str] = {}
    unknown_reason: str | None = None
    for name, value in environment(runner).items():
        written = text(value)
        if written is not None:
            env[name] = written
        elif isinstance(value, Unknown):
            unknown_reason = f"{name}: {value.reason}"
    whole = get(runner, "env")
    if isinstance(whole, Unknown):
        unknown_reason = whole.reason
    return Facts(
        runner=unseen,
        image=unseen,
        start=unseen,
        identity=_identity(scale_set),
        env=Unseen(unknown_reason) if unknown_reason is not None else env,
        isolation=_isolation(scale_set),
        daemon=_daemon(scale_set, env, unknown_reason),
        resources=_resources(runner),
    )


def _resources(runner: Value | None) -> ResourceFacts:
    def amount(edge: str, what: str) -> Seen[int | None]:
        value = get(runner, "resources", edge, what)
        if isinstance(value, Unknown):
            return Unseen(value.reason)
        written = text(value)
        if written is None:
            # Kubernetes sets no limit if the template has none.
            return None if runner is not None else _NO_TEMPLATE
        try:
            return millicpus(written) if what == "cpu" else byte_count(written)
        except ValueError as error:
            return Unseen(str(error))

    request = amount("requests", "cpu")
    return ResourceFacts(
        cpu=amount("limits", "cpu"),
        memory=amount("limits", "memory"),
        memory_reserved=amount("requests", "memory"),
        cpu_shares=shares(request) if isinstance(request, int) else request,
    )


def _security(scale_set: ScaleSet, key: str) -> Value | None:
    """A field of the container's security context, or of the pod's."""
    own = get(scale_set.runner, "securityContext", key)
    return (
        own if own is not None else get(scale_set.pod.spec, "securityContext", key) if scale_set.pod else None
    )


def _identity(scale_set: ScaleSet) -> Seen[UserFacts]:
    uid = _security(scale_set, "runAsUser")
    if isinstance(uid, Unknown):
        return Unseen(uid.reason)
    given = number(uid)
    if given is None:
        return Unseen("the template sets no user, so the image's user applies", provable_here=False)
    return UserFacts(
        given, 0, Unseen(_CANNOT, provable_here=False), "", home_exists=False, home_writable=False
    )


def _isolation(scale_set: ScaleSet) -> IsolationFacts:
    if scale_set.runner is None:
        return IsolationFacts(*(_NO_TEMPLATE for _ in dataclasses.fields(IsolationFacts)))
    escalation = _security(scale_set, "allowPrivilegeEscalation")
    seccomp = text(get(_security(scale_set, "seccompProfile"), "type"))
    privileged = _security(scale_set, "privileged")
    stated = IsolationFacts(
        bounding=_bounding(scale_set),
        no_new_privileges=_NO_TEMPLATE if text(escalation) is None else text(escalation) == "false",
        seccomp=_NO_TEMPLATE if seccomp is None else 0 if seccomp == "Unconfined" else 2,
        privileged=text(privileged) == "true",
        sockets=_sockets(scale_set),
        mount=_NO_TEMPLATE,
        unshare=_NO_TEMPLATE,
    )
    if isinstance(privileged, Unknown):
        unknown = Unseen(privileged.reason)
        return dataclasses.replace(
            stated, bounding=unknown, no_new_privileges=unknown, seccomp=unknown, privileged=unknown
        )
    if stated.privileged:
        # The runtime then ignores what else the template says of these.
        return dataclasses.replace(
            stated, bounding=(1 << len(CAPABILITIES)) - 1, no_new_privileges=False, seccomp=0
        )
    return stated


def _volumes(scale_set: ScaleSet) -> list[Value]:
    return items(get(scale_set.pod.spec, "volumes")) if scale_set.pod else []


def _sockets(scale_set: ScaleSet) -> Seen[list[str]]:
    """The sockets of the node's engines that the runner's volumes show to jobs."""
    volumes = get(scale_set.pod.spec, "volumes") if scale_set.pod else None
    mounts = get(scale_set.runner, "volumeMounts")
    mounted = [get(mount, "name") for mount in items(mounts)]
    sockets: list[str] = []
    doubts = [value.reason for value in (volumes, mounts, *mounted) if isinstance(value, Unknown)]
    for volume in items(volumes):
        path = get(volume, "hostPath", "path")
        node_path = text(path)
        if isinstance(path, Unknown):
            doubts.append(path.reason)
        elif node_path is None or text(get(volume, "name")) not in map(text, mounted):
            continue
        elif node_path.endswith(_SOCKETS):
            sockets.append(node_path)
        elif any(standard.startswith(f"{node_path.rstrip('/')}/") for standard in _NODE_SOCKETS):
            doubts.append(f"jobs see {node_path} of the node, which may have a socket of an engine in it")
    if _has_chart_daemon(scale_set):
        doubts.append("in its mode dind the chart shares the socket of the pod's own daemon with jobs")
    return sockets if sockets or not doubts else Unseen(doubts[0], provable_here=False)


def _bounding(scale_set: ScaleSet) -> Seen[int]:
    capabilities = get(scale_set.runner, "securityContext", "capabilities")
    names: dict[str, list[str]] = {}
    for key in ("drop", "add"):
        listed = get(capabilities, key)
        for value in (listed, *items(listed)):
            if isinstance(value, Unknown):
                return Unseen(value.reason)
        names[key] = [(text(value) or "").removeprefix("CAP_") for value in items(listed)]
    if "ALL" not in names["drop"]:
        return Unseen(
            "the template does not drop ALL capabilities, so the runtime's defaults apply",
            provable_here=False,
        )
    added = CAPABILITIES if "ALL" in names["add"] else names["add"]
    return sum(1 << CAPABILITIES.index(name) for name in set(added) if name in CAPABILITIES)


def _has_chart_daemon(scale_set: ScaleSet) -> bool:
    """Whether the chart adds its own daemon to the pod, whose socket it shares with the runner."""
    return text(scale_set.container_mode) == "dind" and not scale_set.is_rendered


def _daemon(scale_set: ScaleSet, env: dict[str, str], unknown_reason: str | None) -> Seen[DaemonFacts]:
    """Whether a daemon listens at the address in the job's DOCKER_HOST."""
    mode = scale_set.container_mode
    if isinstance(mode, Unknown):
        return Unseen(mode.reason)
    by_chart = _has_chart_daemon(scale_set)
    sidecars = _daemons(scale_set, by_chart=by_chart)
    if not by_chart and not sidecars:
        if unknown_reason is not None:
            return Unseen(unknown_reason)
        host = env.get("DOCKER_HOST")
        return DaemonFacts(
            False,
            f"no daemon next to the runner, DOCKER_HOST is {host}"
            if host
            else "no daemon next to the runner",
        )
    if unknown_reason is not None:
        return Unseen(unknown_reason)
    listeners = [listener for sidecar in sidecars for listener in _listeners(sidecar)]
    if by_chart:
        listeners.append(_CHART_DIND)
    # In its own mode the chart sets DOCKER_HOST if the template does not; otherwise the image decides.
    host = env.get("DOCKER_HOST", _CHART_DIND if by_chart else None)
    if host is None:
        return Unseen("the template does not set DOCKER_HOST, but the image may", provable_here=False)
    reached = any(_same_listener(host, listener) for listener in listeners)
    where = ", ".join(listeners)
    if reached:
        return DaemonFacts(True, f"{host}, where the daemon listens")
    return DaemonFacts(False, f"DOCKER_HOST is {host}, but the daemon listens only on {where}")


def _daemons(scale_set: ScaleSet, *, by_chart: bool) -> list[Value]:
    """The containers of the template that run a daemon; the chart's own replaces one of its name among the containers."""
    if scale_set.pod is None:
        return []
    spec = scale_set.pod.spec
    starting, beside = items(get(spec, "initContainers")), items(get(spec, "containers"))
    if by_chart:
        beside = [container for container in beside if text(get(container, "name")) != "dind"]
    return [
        container
        for container in (*starting, *beside)
        if text(get(container, "name")) == "dind" or "dockerd" in _started_with(container)
    ]


def _started_with(container: Value) -> list[str]:
    return [text(word) or "" for key in ("command", "args") for word in items(get(container, key))]


def _listeners(container: Value) -> list[str]:
    words = _started_with(container)
    listeners = [word.partition("=")[2] for word in words if word.startswith(("--host=", "-H="))]
    listeners += [words[i + 1] for i, word in enumerate(words[:-1]) if word in ("--host", "-H")]
    return listeners or [_CHART_DIND]


def _same_listener(host: str, listener: str) -> bool:
    if host == listener:
        return True
    anywhere = listener.replace("0.0.0.0", "localhost").replace("127.0.0.1", "localhost")  # noqa: S104 - compared, never bound
    return host.replace("127.0.0.1", "localhost") == anywhere
