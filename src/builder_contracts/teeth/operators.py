"""The table of operators: for each kind of promise, the changes that make it false. Pure."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from typing import assert_never

from builder_contracts.contract.promises import (
    AccountPromise,
    DaemonPromise,
    Declaration,
    EnvironmentPromise,
    IdentityPromise,
    ImagePromise,
    IsolationPromise,
    JobCommand,
    JobPromise,
    LocalizationPromise,
    NetworkPromise,
    NixSetting,
    PackagePromise,
    PathState,
    PodPromise,
    PortPromise,
    PrivilegePromise,
    ProcessPromise,
    Promise,
    ProofPromise,
    ResourcePromise,
    RunningProcess,
    SearchPathRule,
    SecretPromise,
    Tool,
    TrustPromise,
    daemon,
    environment,
    identity,
    image,
    isolation,
    job,
    network,
    pod,
    ports,
    privileges,
    process,
    resources,
    trust,
)
from builder_contracts.contract.promises.commands import OutputPatterns
from builder_contracts.contract.promises.localization import Locale, TimeZone
from builder_contracts.contract.version_ranges import VersionRange
from builder_contracts.teeth.mutant import (
    HUGE,
    OTHER,
    Mutant,
    allowed,
    changed,
    contrary_bounds,
    contrary_ranges,
    exact_list,
)
from builder_contracts.tools.package_order import PackageRange


def mutants_of(promise: Promise) -> list[Mutant]:
    """The mutants of a promise; none where the contract language has no words for the contrary.

    A kind without operators does not type-check.
    """
    return list(_mutants(promise))


def _mutants(promise: Promise) -> Iterator[Mutant]:
    if isinstance(promise, Declaration | ProofPromise | SearchPathRule | SecretPromise):
        return iter(())
    if isinstance(promise, ImagePromise):
        return _image(promise)
    if isinstance(promise, JobPromise):
        return _job(promise)
    if isinstance(promise, IdentityPromise):
        return _identity(promise)
    if isinstance(promise, Tool):
        return _tool(promise)
    if isinstance(promise, EnvironmentPromise):
        return _environment(promise)
    if isinstance(promise, PathState):
        return _path(promise)
    if isinstance(promise, IsolationPromise):
        return _isolation(promise)
    if isinstance(promise, DaemonPromise):
        return _daemon(promise)
    if isinstance(promise, ProcessPromise):
        return _process(promise)
    if isinstance(promise, PrivilegePromise):
        return _privileges(promise)
    if isinstance(promise, PackagePromise):
        return _package(promise)
    if isinstance(promise, AccountPromise):
        return _account(promise)
    if isinstance(promise, RunningProcess):
        return _running(promise)
    if isinstance(promise, JobCommand):
        return _command(promise)
    if isinstance(promise, TrustPromise):
        return _trust(promise)
    if isinstance(promise, LocalizationPromise):
        return _localization(promise)
    if isinstance(promise, NetworkPromise):
        return _network(promise)
    if isinstance(promise, PortPromise):
        return _port(promise)
    if isinstance(promise, NixSetting):
        return _nix(promise)
    if isinstance(promise, PodPromise):
        return _pod(promise)
    if isinstance(promise, ResourcePromise):
        return _resource(promise)
    assert_never(promise)


def _image(promise: ImagePromise) -> Iterator[Mutant]:
    match promise:
        case image.ImageReference():
            yield changed(promise, "another image", reference=f"{promise.reference}-{OTHER}")
        case image.ImagePlatform():
            yield changed(promise, "another platform", platform=f"plan9/{OTHER}", others=())
        case image.ImageLabel():
            yield changed(
                promise, "absent" if promise.present else "present", present=not promise.present, value=None
            )
            if promise.value is not None:
                yield changed(promise, "another value", value=promise.value + OTHER)
        case image.ImageEntrypoint():
            yield from exact_list(promise, "arguments")
        case image.ImageSetting():
            yield from exact_list(promise, "values")
        case image.ImageHealthcheck():
            yield changed(promise, "none" if promise.declared else "declared", declared=not promise.declared)
        case image.ImageSize():
            yield changed(promise, "at most 1 byte", most=1)
        case _:
            assert_never(promise)


def _job(promise: JobPromise) -> Iterator[Mutant]:
    match promise:
        case job.JobStart():
            for way in job.StartWay:
                if way is not promise.way:
                    yield changed(promise, f"start: {way.value}", way=way)
        case job.StepShell():
            yield changed(promise, "another shell", shell=OTHER)
        case _:
            assert_never(promise)


def _identity(promise: IdentityPromise) -> Iterator[Mutant]:
    match promise:
        case identity.User():
            yield changed(promise, "another user", name=f"{promise.name}-{OTHER}")
        case identity.Uid():
            yield changed(promise, "another uid", uid=promise.uid + 1)
        case identity.Gid():
            yield changed(promise, "another gid", gid=promise.gid + 1)
        case identity.Groups():
            yield changed(promise, f"only {OTHER}", allow=(OTHER,))
            yield from allowed(promise, "allow") if len(promise.allow) > 1 else ()
        case identity.Home():
            yield changed(promise, "another directory", path=f"{promise.path}/{OTHER}")
        case identity.Shell():
            yield changed(promise, "another shell", path=f"/{OTHER}")
        case identity.NotRoot():
            yield from ()
        case _:
            assert_never(promise)


def _tool(promise: Tool) -> Iterator[Mutant]:
    yield Mutant("absent" if promise.present else "present", Tool(promise.name, present=not promise.present))
    for text in contrary_ranges(promise.version.text) if promise.version else ():
        yield changed(promise, f"version {text}", version=VersionRange(text))
    if promise.work and promise.work.output is not None:
        work = dataclasses.replace(promise.work, output=promise.work.output + OTHER)
        yield changed(promise, "other output of its work", work=work)


def _environment(promise: EnvironmentPromise) -> Iterator[Mutant]:
    match promise:
        case environment.EnvironmentVariable():
            present = not promise.present
            yield Mutant(
                "set" if present else "not set", environment.EnvironmentVariable(promise.name, present)
            )
            if promise.equals is not None:
                yield changed(promise, "another value", equals=promise.equals + OTHER)
            if promise.contains is not None:
                # Nothing else may fail: a variable of one clause has one value.
                yield changed(promise, "contains another text", contains=promise.contains + OTHER * 2)
            if promise.matches is not None:
                yield changed(promise, "matches nothing", matches=re.compile("(?!)"))
        case environment.ForbiddenValue():
            yield changed(promise, "no value at all", pattern=re.compile(""))
        case environment.ProxyVariables():
            yield from _proxies(promise)
        case _:
            assert_never(promise)


def _proxies(promise: environment.ProxyVariables) -> Iterator[Mutant]:
    variables = promise.variables
    unset = next(
        (name for name in environment.PROXY_VARIABLES if name not in dict(variables)), f"{OTHER}_proxy"
    )
    yield changed(promise, f"also {unset}", variables=(*variables, (unset, OTHER)))
    for index, (name, value) in enumerate(variables):
        before, after = variables[:index], variables[index + 1 :]
        yield changed(promise, f"without {name}", variables=before + after)
        yield changed(promise, f"another {name}", variables=(*before, (name, value + OTHER), *after))


def _path(promise: PathState) -> Iterator[Mutant]:
    present = not promise.present
    yield Mutant("exists" if present else "does not exist", PathState(promise.path, present))
    if promise.type is not None:
        kind = "file" if promise.type == "directory" else "directory"
        # A link to a directory is both: its target is what has another kind.
        kept_too = "the link leads to a directory" if promise.type == "symlink" else ""
        yield Mutant(f"a {kind}", dataclasses.replace(promise, type=kind), kept_too)
    for name in ("owner", "group", "target", "sha256", "contains"):
        if (text := getattr(promise, name)) is not None:
            yield changed(promise, f"another {name}", **{name: text + OTHER})
    for name in ("uid", "gid"):
        if (number := getattr(promise, name)) is not None:
            yield changed(promise, f"another {name}", **{name: number + 1})
    for name in ("writable", "writable_by_others", "executable"):
        if (value := getattr(promise, name)) is not None:
            yield changed(promise, f"{'not ' if value else ''}{name}", **{name: not value})
    if promise.mode is not None:
        yield changed(promise, "another mode", mode=promise.mode ^ 0o400)
    if promise.free is not None:
        yield changed(promise, "more free space than there is", free=HUGE)
    if promise.matches is not None:
        yield changed(promise, "matches nothing", matches=re.compile("(?!)"))


def _isolation(promise: IsolationPromise) -> Iterator[Mutant]:
    match promise:
        case isolation.Privileged(value):
            yield changed(promise, "not privileged" if value else "privileged", privileged=not value)
        case isolation.Capabilities():
            yield from _capabilities(promise)
        case isolation.NoNewPrivileges(value):
            yield changed(promise, "not set" if value else "set", wanted=not value)
        case isolation.Seccomp(value):
            yield changed(promise, "no filter" if value else "a filter", filtered=not value)
        case isolation.DockerSocket(value) | isolation.Device(_, value):
            yield changed(promise, "absent" if value else "present", present=not value)
        case isolation.DockerDaemon(value):
            yield changed(promise, "unreachable" if value else "reachable", reachable=not value)
        case isolation.Mount(value) | isolation.Unshare(value):
            yield changed(promise, "forbidden" if value else "allowed", allowed=not value)
        case _:
            assert_never(promise)


def _capabilities(promise: isolation.Capabilities) -> Iterator[Mutant]:
    for name in promise.forbid:
        required = "SYS_ADMIN" if name == "ALL" else name
        forbid = tuple(other for other in promise.forbid if other not in (name, required))
        yield changed(promise, f"always {required}", forbid=forbid, require=(*promise.require, required))
    for name in promise.require:
        require = tuple(other for other in promise.require if other != name)
        yield changed(promise, f"never {name}", forbid=(*promise.forbid, name), require=require)


def _daemon(promise: DaemonPromise) -> Iterator[Mutant]:
    match promise:
        case daemon.DaemonEndpoint():
            yield changed(promise, "another endpoint", endpoint=f"{promise.endpoint}-{OTHER}")
        case daemon.DaemonReady():
            yield changed(promise, "within 0 s", seconds=0)
        case daemon.DaemonVersion():
            for text in contrary_ranges(promise.version.text):
                yield changed(promise, f"version {text}", version=VersionRange(text))
        case daemon.DaemonOwn():
            yield from ()
        case daemon.DaemonListens():
            yield changed(promise, "another port", port=promise.port % 65535 + 1)
        case daemon.DaemonStorageDriver():
            yield changed(promise, "another driver", drivers=(OTHER,))
        case daemon.DaemonInsecureRegistries():
            yield from exact_list(promise, "registries")
        case daemon.DaemonMtu():
            yield changed(promise, "another MTU", bytes=promise.bytes + 1)
        case daemon.DaemonNetworks():
            yield from exact_list(promise, "names")
        case _:
            assert_never(promise)


def _process(promise: ProcessPromise) -> Iterator[Mutant]:
    match promise:
        case process.WorkingDirectory():
            yield changed(promise, "another directory", path=f"{promise.path}/{OTHER}")
        case process.Umask():
            yield changed(promise, "another mask", mask=promise.mask ^ 0o001)
        case process.Ulimit():
            for text, bounds in contrary_bounds(promise.bounds):
                yield changed(promise, text, bounds=bounds)
        case process.Sysctl():
            if promise.value is not None:
                yield changed(promise, "another value", value=f"{promise.value} {OTHER}")
            for text, bounds in contrary_bounds(promise.bounds):
                yield changed(promise, text, bounds=bounds)
        case process.SharedMemory():
            yield changed(promise, "more than there is", bytes=HUGE)
        case _:
            assert_never(promise)


def _privileges(promise: PrivilegePromise) -> Iterator[Mutant]:
    match promise:
        case privileges.SetIdFiles() | privileges.FileCapabilities():
            yield from allowed(promise, "allow")
        case privileges.Sudo(value):
            yield changed(promise, "absent" if value else "passwordless", passwordless=not value)
        case _:
            assert_never(promise)


def _package(promise: PackagePromise) -> Iterator[Mutant]:
    present = not promise.present
    yield Mutant("installed" if present else "not installed", PackagePromise(promise.name, present))
    for text in contrary_ranges(promise.version.text) if promise.version else ():
        yield changed(promise, f"version {text}", version=PackageRange(text))


def _account(promise: AccountPromise) -> Iterator[Mutant]:
    present = not promise.present
    yield Mutant("exists" if present else "does not exist", type(promise)(promise.name, present))
    for name, value in promise.fields:
        match value:
            case int():
                yield changed(promise, f"another {name}", **{name: value + 1})
            case str():
                yield changed(promise, f"another {name}", **{name: f"{value}-{OTHER}"})
            case tuple():
                yield from exact_list(promise, name)
            case _:
                pass


def _running(promise: RunningProcess) -> Iterator[Mutant]:
    running = not promise.running
    yield changed(promise, "runs" if running else "does not run", running=running, user=None)
    if promise.user is not None:
        yield changed(promise, "another user", user=f"{promise.user}-{OTHER}")


def _command(promise: JobCommand) -> Iterator[Mutant]:
    yield changed(promise, "another status", status=(promise.status + 1) % 256)
    for name in ("stdout", "stderr"):
        patterns: OutputPatterns = getattr(promise, name)
        for pattern in patterns.all:
            expected = pattern in patterns.matches
            matches, forbids = (
                tuple(other for other in side if other != pattern)
                for side in (patterns.matches, patterns.forbids)
            )
            turned = (
                OutputPatterns(matches, (*forbids, pattern))
                if expected
                else OutputPatterns((*matches, pattern), forbids)
            )
            verb = "does not match" if expected else "matches"
            yield changed(promise, f"{name} {verb} /{pattern.pattern}/", **{name: turned})


def _trust(promise: TrustPromise) -> Iterator[Mutant]:
    match promise:
        case trust.Certificates():
            yield changed(promise, "more than there are", at_least=HUGE)
        case trust.TlsTool():
            yield changed(promise, "another tool", name=OTHER)
        case _:
            assert_never(promise)


def _localization(promise: LocalizationPromise) -> Iterator[Mutant]:
    match promise:
        case Locale() | TimeZone():
            yield changed(promise, "another name", name=f"{promise.name}-{OTHER}")
        case _:
            assert_never(promise)


def _network(promise: NetworkPromise) -> Iterator[Mutant]:
    match promise:
        case network.Egress(value):
            yield changed(promise, "none" if value else "any", allowed=not value)
        case network.Resolves() | network.Denied():
            yield changed(promise, "another host", host=f"{OTHER}.invalid")
        case network.Reaches():
            yield changed(promise, "another port", port=promise.port % 65535 + 1)
        case network.Responds():
            yield changed(promise, "another status", status=promise.status + 1)
        case _:
            assert_never(promise)


def _port(promise: PortPromise) -> Iterator[Mutant]:
    match promise:
        case ports.Port():
            state = "present" if promise.state == "absent" else "absent"
            yield changed(promise, state, state=state)
            if promise.state not in ("absent", "present"):
                # TEST-NET-1 of RFC 5737, which no runner has.
                yield changed(promise, "another address", state="192.0.2.1")
        case ports.OtherPorts():
            yield from allowed(promise, "named")
        case _:
            assert_never(promise)


def _nix(promise: NixSetting) -> Iterator[Mutant]:
    yield changed(promise, f"also {OTHER}", words=(*promise.words, OTHER))
    for index, word in enumerate(promise.words if promise.match != "contains" else ()):
        yield changed(promise, f"without {word}", words=promise.words[:index] + promise.words[index + 1 :])


def _pod(promise: PodPromise) -> Iterator[Mutant]:
    match promise:
        case pod.HostPaths() | pod.HostNamespaces():
            yield from allowed(promise, "allow")
        case pod.QosClass():
            yield changed(promise, "another class", name=_OTHER_QOS[promise.name])
        case pod.ImagePullPolicy():
            yield changed(promise, "another policy", name=_OTHER_PULL[promise.name])
        case pod.PriorityClass():
            yield changed(promise, "another class", name=f"{promise.name}{OTHER}")
        case _:
            assert_never(promise)


_OTHER_QOS = {"Guaranteed": "Burstable", "Burstable": "BestEffort", "BestEffort": "Guaranteed"}
_OTHER_PULL = {"Always": "Never", "IfNotPresent": "Always", "Never": "IfNotPresent"}


def _resource(promise: ResourcePromise) -> Iterator[Mutant]:
    # A larger limit may be more than the host has, which is unproven; half of it is not.
    match promise:
        case resources.CpuLimit():
            yield changed(promise, "half of it", milli=promise.milli // 2)
        case resources.CpuRequest():
            # The scales of runtimes overlap below a factor of 4.
            yield changed(promise, "many times as much", milli=promise.milli * 16 + 1000)
        case resources.MemoryLimit() | resources.MemoryRequest():
            yield changed(promise, "half of it", bytes=promise.bytes // 2)
        case resources.PidsLimit():
            yield changed(promise, "twice as many", most=promise.most * 2)
        case _:
            assert_never(promise)
