"""Per kind: what is kept, what is broken with which cause, and what stays unproven with which reason."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from builder_contracts.contract.promises import READERS, Promise
from builder_contracts.contract.promises import identity as user
from builder_contracts.contract.promises import isolation as confined
from builder_contracts.contract.promises.caches import CacheProof
from builder_contracts.contract.promises.canaries import CanaryProof
from builder_contracts.contract.promises.daemon import DaemonEndpoint, DaemonOwn, DaemonReady, DaemonVersion
from builder_contracts.contract.promises.declarations import Label, Responsibility
from builder_contracts.contract.promises.environment import EnvironmentVariable, ForbiddenValue
from builder_contracts.contract.promises.filesystem import PathState
from builder_contracts.contract.promises.image import (
    ImageEntrypoint,
    ImageLabel,
    ImagePlatform,
    ImageReference,
    ImageSize,
)
from builder_contracts.contract.promises.job import JobStart, StartWay, StepShell
from builder_contracts.contract.promises.network import Denied, Egress, Reaches, Resolves
from builder_contracts.contract.promises.pod import (
    HostNamespaces,
    HostPaths,
    ImagePullPolicy,
    PriorityClass,
    QosClass,
)
from builder_contracts.contract.promises.process import Umask
from builder_contracts.contract.promises.publication import NoSecrets
from builder_contracts.contract.promises.resources import (
    CpuLimit,
    CpuRequest,
    MemoryLimit,
    MemoryRequest,
    PidsLimit,
)
from builder_contracts.contract.promises.toolchain import Tool
from builder_contracts.contract.version_ranges import VersionRange
from builder_contracts.facts import model
from builder_contracts.facts.model import (
    AttemptFacts,
    ConnectionFacts,
    ForbiddenHostFacts,
    IsolationFacts,
    NetworkFacts,
    ResourceFacts,
    StartFacts,
)
from builder_contracts.judge import find
from builder_contracts.judge.image import are_same_image
from builder_contracts.judge.interruption import BUSY, doubt
from builder_contracts.judge.pod import with_template_line
from builder_contracts.tools.work import ToolWork, WorkStep
from builder_contracts.verdict import Assessment, Outcome
from tests.unit.judge.detail_rows import DETAILS
from tests.unit.judge.observed import (
    GIB,
    IMAGE,
    LOST,
    NOT_HERE,
    POD,
    RUNNER,
    Row,
    broken,
    facts,
    kept,
    unproven,
)
from tests.unit.judge.pod_rows import POD_ROWS
from tests.unit.judge.promised_rows import PROMISED
from tests.unit.judge.settings_rows import DAEMON_ROWS, IMAGE_ROWS, NETWORK_ROWS, SECTIONS
from tests.unit.judge.system_rows import SYSTEM

TEMPLATE = "the pool's template does not set the value"


def tool(
    path: str | None = "/usr/bin/nix", output: str = "nix (Nix) 2.34.8", status: int = 0
) -> model.ToolFacts:
    return model.ToolFacts(path, status, output)


def worked(step: int, status: int, output: str, errors: str = "") -> model.ToolFacts:
    return model.ToolFacts("/usr/bin/xz", work=model.WorkFacts(step, status, output, errors))


def path(kind: str | None = "directory", **details: object) -> model.Facts:
    fields: dict[str, object] = {
        "writable": True,
        "mode": 0o755,
        "owner": "runner",
        "free": 4 * GIB,
        **details,
    }
    return facts(paths={"/nix": model.PathFacts(kind, **fields)})  # type: ignore[arg-type]  # a row gives any of them


def identity(**changes: object) -> model.Facts:
    sound = facts().identity
    assert isinstance(sound, model.UserFacts)
    return facts(identity=replace(sound, **changes))  # type: ignore[arg-type]  # a row gives any of them


def below(directory: str, mode: int, *, writable: bool) -> model.Facts:
    """Facts of a path that the job may not write, and of the directory above."""
    above = model.PathFacts("directory", writable=writable, mode=mode)
    return facts(paths={"/nix": model.PathFacts("directory", writable=False), directory: above})


def daemon(reachable: bool = True, how: str = "docker info: server 28.5.2", **more: object) -> model.Facts:
    details = {"id": "OWN", "version": "28.5.2", "ready_after": 1.5} if reachable else {}
    observed = model.DaemonFacts(reachable, how, **{**details, **more})  # type: ignore[arg-type]  # a row gives any of them
    return facts(daemon=observed, env={"DOCKER_HOST": "tcp://localhost:2375"})


def step(env: dict[str, str], *, name: str = "bash -e", found: dict[str, model.Seen[model.ToolFacts]] | None = None, **more: object) -> model.Facts:  # fmt: skip
    observed = model.StepFacts(env, **more)  # type: ignore[arg-type]  # a row gives any of them
    return facts(steps={name: observed}, tools=found or {})


def requesting(request: model.Seen[int | None]) -> model.Facts:
    pod = model.PodFacts(memory_request=request)
    return facts(runner=POD, pod=pod, resources=ResourceFacts(memory_reserved=None))


CONNECTED = ConnectionFacts("connected", "connected to it")
AWAY = ConnectionFacts("unreachable", "Network is unreachable")


def forbidden(control: model.Seen[ConnectionFacts] = CONNECTED, routes: model.Seen[list[str]] | None = None, **attempts: object) -> model.Facts:  # fmt: skip
    met: dict[str, object] = {"dotted": AWAY, "decimal": AWAY, **attempts}
    return facts(
        network=NetworkFacts(
            default_routes=routes or [],
            forbidden={"metadata": ForbiddenHostFacts(control, met)},  # type: ignore[arg-type]  # a row gives any of them
        )
    )


IDLE, LATE = model.ControlFacts(9, 0.2), model.ControlFacts(2, 3.1)
CURL = Tool("curl", version=VersionRange(">=8"))
WORK = ToolWork((WorkStep(("-c",), into="packed"), WorkStep(("-dc", "packed"))), "text")
XZ = Tool("xz", work=WORK)
NIX = Tool("nix", version=VersionRange(">=2.24,<3"), features=(("flakes", ("eval", "1")),), package="nix-bin")
DENIED = Denied("metadata")
BOUNDING_ALL = (1 << 41) - 1

TABLE = {
    "labels": [kept("declared", Label("sample"), facts(), "by this contract only")],
    "responsibilities": [kept("declared", Responsibility("works", ("a/b", "c/d")), facts(), "backed by a/b, c/d")],
    "image": [
        kept("present", ImageReference("sample"), facts(), "sample is sha256:4f1c4f1c4f1c…"),
        broken("no job can run", ImageReference("sample"), facts(start=StartFacts(True, False, "container exited with status 0", hopeless=True)), "no job of this class can run: container exited with status 0", "the start itself fails"),
        broken("ENTRYPOINT does not run a job", ImageEntrypoint(("/ep",)), facts(image=replace(IMAGE, entrypoint=["/ep"]), entrypoint=StartFacts(True, False, "container exited with status 1: boom", hopeless=True)), "container exited with status 1: boom", "does not run the command"),
        kept("ENTRYPOINT runs a job", ImageEntrypoint(("/ep",)), facts(image=replace(IMAGE, entrypoint=["/ep"]), entrypoint=StartFacts(True, True)), "entry point ['/ep']"),
        unproven("ENTRYPOINT could not be tried", ImageEntrypoint(("/ep",)), facts(image=replace(IMAGE, entrypoint=["/ep"]), entrypoint=StartFacts(True, False, "no space left")), "did not start by its ENTRYPOINT: no space left"),
        unproven("present and did not start", ImageReference("sample"), facts(start=StartFacts(True, False, "no space left")), "its container did not start: no space left"),
        unproven("present and not inspected", ImageReference("sample"), facts(image=LOST), "did not complete"),
        broken("absent", ImageReference("kubectl:1.31"), facts(start=StartFacts(False, False, "image kubectl:1.31 is not in the engine")), "image kubectl:1.31 is not in the engine", "was never built or pushed"),
        unproven("not asked", ImageReference("sample"), facts(start=LOST), "did not complete"),
        kept("in a pod", ImageReference("sample"), facts(image=NOT_HERE, start=StartFacts(True, True, image="docker.io/library/sample:latest", digest="sha256:" + "ab" * 32)), "sample:latest is sha256:abab"),
        broken("other image in a pod", ImageReference("sample"), facts(image=NOT_HERE, start=StartFacts(True, True, image="ghcr.io/me/sample:2", digest="sha256:ab")), "the pod runs ghcr.io/me/sample:2", "the contract names sample"),
        unproven("local", ImageReference("sample"), facts(start=NOT_HERE), "no runner of this kind", provable_here=False),
        kept("platform", ImagePlatform("linux/amd64"), facts(), "linux/amd64"),
        broken("other platform", ImagePlatform("linux/arm64"), facts(), "linux/amd64", "--platform linux/arm64"),
        broken("no platform", ImagePlatform("linux/arm64"), facts(image=replace(IMAGE, platform="")), "(no output)", "a different platform"),
        kept("the same platform", ImagePlatform("linux/arm64"), facts(image=replace(IMAGE, platform="linux/arm64/v8")), "linux/arm64/v8"),
        unproven("another promised platform", ImagePlatform("linux/arm64", ("linux/amd64",)), facts(), "pass --platform linux/arm64", provable_here=False),
        broken("no promised platform", ImagePlatform("linux/arm64", ("linux/s390x",)), facts(), "linux/amd64", "--platform linux/arm64"),
        unproven("no image", ImagePlatform("linux/arm64"), facts(image=NOT_HERE), "no runner", provable_here=False),
        kept("label", ImageLabel("title", "sample"), facts(), "'sample'"),
        kept("label with any value", ImageLabel("title", None), facts(), "'sample'"),
        broken("other label", ImageLabel("title", "other"), facts(), "'sample'", "another image"),
        broken("no label", ImageLabel("version", None), facts(), "not set; image labels: title", "LABEL line"),
        broken("no labels", ImageLabel("version", None), facts(image=replace(IMAGE, labels={})), "no labels", "LABEL"),
        kept("no such label", ImageLabel("debug", None, present=False), facts(), "not set"),
        broken("unwanted label", ImageLabel("title", None, present=False), facts(), "'sample'", "LABEL line"),
        kept("image has no entry point", ImageEntrypoint(()), facts(), "entry point []"),
        broken("entry point", ImageEntrypoint(()), facts(image=replace(IMAGE, entrypoint=["/init"])), "['/init']", "ENTRYPOINT"),
        kept("small", ImageSize(300 * 2**20), facts(), "300Mi"),
        broken("large", ImageSize(200 * 2**20), facts(), "300Mi, 100Mi over budget", "docker history"),
        *IMAGE_ROWS,
    ],
    "job": [
        kept("started", JobStart(StartWay.IMAGE), facts(start=StartFacts(True, True, way="ENTRYPOINT and CMD of the image")), "started: ENTRYPOINT and CMD of the image"),
        broken("cannot start", JobStart(StartWay.IMAGE), facts(start=StartFacts(True, False, "container exited with status 1: boom", hopeless=True)), "no job of this class can run: container exited with status 1: boom", "the start itself fails"),
        unproven("lost start", JobStart(StartWay.IMAGE), facts(start=StartFacts(True, False, "no space left")), "did not start: no space left"),
        unproven("a real runner started before", JobStart(StartWay.IMAGE), facts(start=NOT_HERE), "no runner of this kind", provable_here=False),
        kept("same shell", StepShell("bash -e"), step({"HOME": "/home/runner", "SHLVL": "2"}, tools={"git": "/usr/bin/git"}), "2 variables and 1 tools as in the job itself"),
        broken("other variable", StepShell("bash -e"), step({"HOME": "/home/runner", "DOCKER_HOST": "x", "BASH_ENV": "/etc/be.sh"}, startup={"DOCKER_HOST": ["/etc/profile", "/etc/be.sh"]}), "differs in 'bash -e': BASH_ENV, DOCKER_HOST", "/etc/be.sh (BASH_ENV) changes it"),
        broken("lost variable", StepShell("bash -e"), step({}), "differs in 'bash -e': HOME", "a startup file of the shell"),
        broken("the file of another variable", StepShell("bash -l"), step({"A": "b", "HOME": "/home/runner"}, name="bash -l", startup={"A": ["/etc/a.sh"]}), "differs in 'bash -l': A", "/etc/a.sh changes"),
        broken("PATH lost beside another", StepShell("bash -l"), replace(step({"A": "b", "HOME": "/home/runner"}, name="bash -l", startup={"PATH": ["/etc/profile"], "A": ["/etc/a.sh"]}), env={"HOME": "/home/runner", "PATH": "/bin"}), "differs in 'bash -l': A, PATH; PATH is '(not set)'", "/etc/profile changes"),
        broken("other PATH", StepShell("bash -l"), step({"HOME": "/home/runner", "PATH": "/nowhere"}, name="bash -l", startup={"PATH": ["/etc/profile", "/etc/profile.d/x.sh"]}), "PATH is '/nowhere'", "/etc/profile or /etc/profile.d/x.sh changes it"),
        broken("function from a variable", StepShell("bash -e"), replace(step({"HOME": "/home/runner"}, tools={"git": "function git"}), env={"HOME": "/home/runner", "BASH_FUNC_git%%": "() { :; }"}), "git is a function", "the variable BASH_FUNC_git%% defines it"),
        broken("function instead of a tool", StepShell("bash -e"), step({"HOME": "/home/runner"}, tools={"git": "function git"}), "differs in 'bash -e': git is a function", "a startup file of the shell defines it"),
        broken("-e turned off", StepShell("bash -e"), step({"HOME": "/home/runner"}, options="hBc"), "does not end a step in 'bash -e'", "a startup file of the shell turns the option -e off"),
        kept("-e stays on", StepShell("bash -e"), step({"HOME": "/home/runner"}, options="ehBc"), "as in the job itself"),
        kept("no -e to turn off", StepShell("bash -l"), step({"HOME": "/home/runner"}, name="bash -l", options="hBc"), "as in the job itself"),
        broken("no such shell", StepShell("bash -e"), step({}, failure="exited with status 127: not found", missing=True), "exited with status 127", "the image lacks 'bash'"),
        unproven("shell not asked", StepShell("pwsh"), facts(), "not part of this observation"),
        unproven("shell hangs", StepShell("bash -e"), facts(steps={"bash -e": LOST}), "did not complete"),
        unproven("job unseen", StepShell("bash -e"), replace(step({}), env=LOST), "did not complete"),
    ],
    "identity": [
        broken("no such user", user.User("runner"), facts(start=StartFacts(True, False, "unable to find user nosuch: no matching entries in passwd file", hopeless=True), identity=LOST), "unable to find user nosuch", "no entry in its /etc/passwd"),
        kept("user", user.User("runner"), facts(), "user runner"),
        broken("other user", user.User("builder"), facts(), "user runner", "USER line"),
        unproven("no passwd entry", user.User("runner"), identity(user=LOST), "did not complete"),
        broken("no entry for the uid", user.User("runner"), identity(user=""), "uid 1001 has no entry", "removed the entry"),
        unproven("the engine's HOME without an entry", user.Home("/home/runner"), identity(user="", home="/"), "HOME is '/', because uid 1001 has no entry"),
        broken("another HOME without an entry", user.Home("/home/runner"), identity(user="", home="/x"), "HOME is '/x'", "ENV line"),
        broken("the engine's HOME with an entry", user.Home("/home/runner"), identity(home="/"), "HOME is '/'", "ENV line"),
        unproven("the engine's group without an entry", user.Gid(1001), identity(user="", gid=0), "gid 0, because uid 1001"),
        broken("another group without an entry", user.Gid(1001), identity(user=LOST, gid=5), "gid 5", "runAsGroup"),
        unproven("groups without an entry", user.Groups((), ("root",)), replace(identity(user=""), groups=[model.GroupFacts(0, "root")] * 2), "groups root, because"),
        broken("more groups without an entry", user.Groups((), ("root",)), replace(identity(user=""), groups=[model.GroupFacts(0, "root"), model.GroupFacts(7, "x")]), "groups root, x", "to root"),
        kept("uid", user.Uid(1001), facts(), "uid 1001"),
        broken("other uid", user.Uid(1000), facts(), "uid 1001", "securityContext"),
        kept("not root", user.NotRoot(), facts(), "uid 1001"),
        broken("root", user.NotRoot(), identity(uid=0, user="root"), "uid 0", "builds that refuse root"),
        unproven("nobody looked", user.NotRoot(), facts(identity=LOST), "did not complete"),
        kept("home", user.Home("/home/runner"), facts(), "/home/runner, writable"),
        broken("other home", user.Home("/home/other"), facts(), "HOME is '/home/runner'", "/etc/passwd"),
        broken("no home set", user.Home("/home/runner"), identity(home=""), "HOME is ''", "/etc/passwd"),
        broken("home is absent", user.Home("/home/runner"), identity(home_exists=False), "does not exist", "--create-home"),
        broken("home is foreign", user.Home("/home/runner"), identity(home_writable=False), "not writable", "chown"),
        kept("shell", user.Shell("/bin/sh"), facts(shells={"/bin/sh": model.ShellFacts(True)}), "ran and computed 40 + 2"),
        broken("no shell", user.Shell("/bin/sh"), facts(shells={"/bin/sh": model.ShellFacts(False, "not there")}), "not there", "interpreter or libraries"),
        broken("dumb shell", user.Shell("/bin/sh"), facts(shells={"/bin/sh": model.ShellFacts(False)}), "it ran but did not compute 40 + 2", "missing"),
        broken("no shell to start with", user.Shell("/bin/sh"), facts(start=StartFacts(True, False, 'exec: "/bin/sh": no such file')), "no such file", "use a base image with a shell"),
        unproven("started with output that names the shell", user.Shell("/bin/sh"), facts(start=StartFacts(True, True, "/bin/sh")), "not part of this observation"),
        unproven("no image, and output that names the shell", user.Shell("/bin/sh"), facts(start=StartFacts(False, False, "/bin/sh")), "not part of this observation"),
        unproven("did not start for another reason", user.Shell("/bin/sh"), facts(start=StartFacts(True, False, "no space left")), "not part of this observation"),
        broken("no program at all", user.Shell("/bin/sh"), facts(start=StartFacts(True, False, "/bin/sh: exec format error")), "exec format error", "no usable /bin/sh"),
        unproven("shell not asked", user.Shell("/bin/zsh"), facts(), "not part of this observation"),
    ],
    "toolchain": [
        broken("not in a step", Tool("git"), step({"PATH": "/nowhere"}, tools={"git": ""}, found={"git": model.ToolFacts("/usr/bin/git")}), "not found in 'bash -e', whose PATH is '/nowhere'", "changes PATH for steps"),
        kept("in a step too", Tool("git"), step({}, tools={"git": "/usr/bin/git"}, found={"git": model.ToolFacts("/usr/bin/git")}), "/usr/bin/git", counted=(1, 2)),
        unproven("a tool that does not find its user", XZ, replace(identity(user=""), tools={"xz": worked(1, 1, "", "No user exists for uid 1001")}), "because uid 1001 has no entry"),
        broken("a tool that fails for another cause", XZ, replace(identity(user=""), tools={"xz": worked(1, 1, "", "boom")}), "boom", "its own message"),
        broken("alias in a step", Tool("git"), step({"BASH_ENV": "/be"}, tools={"git": "alias git"}, found={"git": model.ToolFacts("/usr/bin/git")}), "git is an alias in 'bash -e'", "/be (BASH_ENV) defines it for steps"),
        broken("not in the second of two shells", Tool("git"), replace(step({}, tools={"git": ""}, found={"git": model.ToolFacts("/usr/bin/git")}), steps={"sh -e": model.StepFacts({}, tools={"git": "/usr/bin/git"}), "bash -l": model.StepFacts({"PATH": "/a"}, tools={"git": ""}, startup={"PATH": ["/etc/profile"]})}), "not found in 'bash -l'", "/etc/profile changes PATH"),
        broken("not in a shell that lists no other tool", Tool("git"), facts(tools={"git": model.ToolFacts("/usr/bin/git")}, steps={"sh -e": model.StepFacts({}, tools={}), "bash -e": model.StepFacts({}, tools={"git": ""})}), "not found in 'bash -e', whose PATH is ''", "a startup file of the shell changes PATH"),
        broken("absent but for a step", Tool("docker", present=False), step({}, tools={"docker": "/opt/docker"}, found={"docker": model.ToolFacts(None)}), "/opt/docker in 'bash -e'", "changes PATH"),
        kept("a builtin is no tool", Tool("docker", present=False), step({}, tools={"docker": "docker"}, found={"docker": model.ToolFacts(None)}), "not found"),
        kept("present", Tool("xz"), facts(tools={"xz": model.ToolFacts("/usr/bin/xz")}), "/usr/bin/xz", counted=(1, 2)),
        kept("a version that nobody promised", Tool("xz"), facts(tools={"xz": tool("/usr/bin/xz", "xz 5.4")}), "/usr/bin/xz (not run)", counted=(1, 2)),
        kept("version by date", Tool("xz", version=VersionRange(">=2024.3"), order="date"), facts(tools={"xz": tool("/usr/bin/xz", "xz 2024-03-01")}), "/usr/bin/xz 2024-03-01", counted=(1, 2)),
        unproven("version unseen", CURL, facts(tools={"curl": model.ToolFacts("/usr/bin/curl", 0, LOST)}), "did not complete"),
        broken("feature crashes", NIX, facts(tools={"nix": replace(tool(), features={"flakes": model.FeatureFacts(139, "")})}), "flakes: status 139", "it crashes"),
        broken("feature lacks a library", NIX, facts(tools={"nix": replace(tool(), features={"flakes": model.FeatureFacts(127, "error while loading shared libraries: libx.so")})}), "flakes: status 127", "it lacks a library"),
        broken("absent", Tool("xz", package="xz-utils"), facts(tools={"xz": model.ToolFacts(None)}), "not found on /usr/local/bin:/usr/bin:/bin", "lacks package xz-utils"),
        broken("absent, no package named", Tool("jq"), facts(tools={"jq": model.ToolFacts(None)}, path=""), "not found on an empty PATH", "lacks package jq"),
        broken("absent, PATH unseen", Tool("jq"), facts(tools={"jq": model.ToolFacts(None)}, path=LOST), "not found on the job's PATH", "jq"),
        unproven("not asked", Tool("xz"), facts(), "not part of this observation"),
        kept("wanted absent", Tool("dockerd", present=False), facts(tools={"dockerd": model.ToolFacts(None)}), "not found on"),
        broken("unwanted", Tool("dockerd", present=False), facts(tools={"dockerd": model.ToolFacts("/usr/sbin/dockerd")}), "/usr/sbin/dockerd", "remove it"),
        kept("version and feature", NIX, facts(tools={"nix": replace(tool(), features={"flakes": model.FeatureFacts(0, "1")})}), "/usr/bin/nix 2.34.8 with flakes"),
        broken("old", NIX, facts(tools={"nix": tool(output="nix (Nix) 2.18.1")}), "/usr/bin/nix is version 2.18.1", "does not satisfy >=2.24,<3; pin or upgrade package nix-bin"),
        broken("no version", NIX, facts(tools={"nix": tool(output="usage: nix")}), "no version in the output of /usr/bin/nix: usage: nix", "set version_command"),
        broken("silent", NIX, facts(tools={"nix": tool(output="")}), "no output", "version_command"),
        broken("does not run", NIX, facts(tools={"nix": tool(output="libboost.so: cannot open\nmore", status=127)}), "status 127: libboost.so: cannot open", "'nix --version' fails to run"),
        unproven("hung", NIX, facts(tools={"nix": model.ToolFacts("/usr/bin/nix", LOST, LOST)}), "did not complete"),
        broken("feature off", NIX, facts(tools={"nix": replace(tool(), features={"flakes": model.FeatureFacts(1, "error: disabled")})}), "flakes: status 1: error: disabled", "try nix eval 1"),
        unproven("feature not tried", NIX, facts(tools={"nix": tool()}), "not part of this observation"),
        kept("not run", Tool("xz"), facts(tools={"xz": model.ToolFacts("/usr/bin/xz")}), "/usr/bin/xz (not run)", counted=(1, 2)),
        kept("version only", CURL, facts(tools={"curl": tool("/usr/bin/curl", "curl 8.1")}), "/usr/bin/curl 8.1 (curl 8.1) (version only)", counted=(1, 2)),
        kept("does its work", XZ, facts(tools={"xz": worked(2, 0, "text")}), "/usr/bin/xz; it does its work"),
        broken("other output", XZ, facts(tools={"xz": worked(2, 0, "tex")}), "'xz -dc packed' printed 'tex', not 'text'", "another program"),
        broken("more output", XZ, facts(tools={"xz": worked(2, 0, "welcome\ntext")}), "printed 'welcome", "a startup file"),
        broken("other line breaks", XZ, facts(tools={"xz": worked(2, 0, "text\r\n")}), "printed 'text", "its configuration"),
        broken("prepared output", replace(XZ, work=replace(WORK, output="a {nonce}")), facts(tools={"xz": worked(2, 0, "a 1")}), "printed 'a 1', not 'a {nonce}', whose {nonce} is a number that is new in each run", "another program"),
        broken("no work", XZ, facts(tools={"xz": worked(1, 1, "", "xz: internal error\nmore")}), "/usr/bin/xz does not do its work: 'xz -c' exited with status 1: xz: internal error", "its own message names the cause"),
        broken("library lost at work", XZ, facts(tools={"xz": worked(1, 127, "", "xz: error while loading shared libraries: liblzma.so.5")}), "status 127", "it lacks a library"),
        broken("musl library lost", XZ, facts(tools={"xz": worked(1, 127, "", "Error loading shared library liblzma.so.5: No such file")}), "status 127", "it lacks a library"),
        broken("interpreter lost", XZ, facts(tools={"xz": worked(1, 127, "", "timeout: failed to run command: No such file or directory")}), "127", "its interpreter, its loader"),
        broken("other architecture", XZ, facts(tools={"xz": worked(1, 126, "", "/usr/bin/xz: Exec format error")}), "126", "another architecture"),
        broken("file capability", XZ, facts(tools={"xz": worked(1, 126, "", "/usr/bin/xz: Operation not permitted")}), "126", "file capabilities"),
        broken("no daemon", XZ, facts(tools={"xz": worked(1, 1, "", "error: cannot connect to socket at '/nix/var/nix/daemon-socket/socket': No such file or directory")}), "socket", "NIX_REMOTE"),
        broken("not executable", XZ, facts(tools={"xz": worked(1, 126, "", "Permission denied")}), "126", "mounted noexec"),
        broken("killed by memory", XZ, facts(tools={"xz": worked(1, 137, "")}, control=IDLE), "status 137: no output", "memory limit"),
        unproven("killed on a busy host", XZ, facts(tools={"xz": worked(1, 137, "")}, control=LATE), "'xz -c' was killed (status 137), but the runner was busy: a control command took 3.1 s"),
        broken("crash", XZ, facts(tools={"xz": worked(1, 139, "")}), "139", "segmentation fault"),
        broken("hangs", XZ, facts(tools={"xz": worked(1, model.HUNG, "no exit within 20 s")}, control=IDLE), "did not end in time: no exit within 20 s", "it hangs"),
        broken("broken configuration", XZ, facts(tools={"xz": worked(1, 128, "", "fatal: bad config line 1 in file /home/runner/.gitconfig")}), "128", "a configuration file that it reads is broken"),
        broken("headers lost", XZ, facts(tools={"xz": worked(1, 1, "", "work.c:1:10: fatal error: stdio.h: No such file or directory")}), "stdio.h", "header files are missing"),
        unproven("work unseen", XZ, facts(tools={"xz": model.ToolFacts("/usr/bin/xz", work=LOST)}), "did not complete"),
        unproven("work ended early", XZ, facts(tools={"xz": worked(1, 0, "")}), "its work ended early, after 'xz -c'"),
        unproven("other work", XZ, facts(tools={"xz": worked(3, 0, "text")}), "step 3 of other work"),
        broken("version is broken before work is unseen", replace(CURL, work=XZ.work), facts(tools={"curl": replace(tool("/usr/bin/curl", "curl 7.1"), work=LOST)}), "is version 7.1", "pin or upgrade"),
        broken("version hangs", CURL, facts(tools={"curl": tool("/usr/bin/curl", "no exit within 20 s", model.HUNG)}, control=IDLE), "did not end in time", "it hangs"),
        unproven("version hangs on a busy host", CURL, facts(tools={"curl": tool("/usr/bin/curl", "", model.HUNG)}, control=LATE), "'curl --version' did not end in time, but the runner was busy"),
        unproven("work hangs and no control ran", XZ, facts(tools={"xz": worked(1, model.HUNG, "")}, control=LOST), "no control shows why: the observation did not complete"),
        broken("feature hangs", NIX, facts(tools={"nix": replace(tool(), features={"flakes": model.FeatureFacts(model.HUNG, "")})}, control=IDLE), "flakes: status 124", "it hangs"),
        unproven("feature is killed on a busy host", NIX, facts(tools={"nix": replace(tool(), features={"flakes": model.FeatureFacts(143, "")})}, control=LATE), "flakes was killed (status 143)"),
        kept("does its work at the second try", XZ, facts(tools={"xz": worked(2, 0, "text")}, control=model.ControlFacts(9, 0.1, ["xz"])), "it does its work; at the second try"),
        unproven("number that nothing explains", CURL, facts(tools={"curl": tool("/usr/bin/curl", "build 7 of 8.1 today")}), "no line of 'curl --version' says that its number is the version of curl: build 7 of 8.1 today"),
        broken("pre-release", replace(CURL, version=VersionRange(">=8.1")), facts(tools={"curl": tool("/usr/bin/curl", "curl 8.1.0rc1")}), "is version 8.1.0rc1 (curl 8.1.0rc1)", "does not satisfy"),
        unproven("feature hung", NIX, facts(tools={"nix": replace(tool(), features={"flakes": LOST})}), "did not complete"),
    ],
    "environment": [
        broken("set by BASH_ENV", EnvironmentVariable("DOCKER_HOST", present=False), step({"DOCKER_HOST": "tcp://x:1", "BASH_ENV": "/etc/be.sh"}), "in 'bash -e': DOCKER_HOST='tcp://x:1'", "/etc/be.sh (BASH_ENV) changes it for steps"),
        broken("set by ENTRYPOINT", EnvironmentVariable("DOCKER_HOST", present=False), step({"DOCKER_HOST": "x"}, name="ENTRYPOINT"), "in a job that ENTRYPOINT starts: DOCKER_HOST", "the program in ENTRYPOINT"),
        broken("lost in a step", EnvironmentVariable("HOME", equals="/home/runner"), step({}), "in 'bash -e': not set", "changes it for steps"),
        broken("forbidden in a step", ForbiddenValue("stale", re.compile("attic-api")), step({"MIRROR": "attic-api"}), "in 'bash -e': MIRROR matches (value hidden)", "changes it"),
        unproven("HOME without an entry for the user", EnvironmentVariable("HOME", equals="/home/runner"), replace(identity(user="", home="/"), env={"HOME": "/"}), "HOME='/', because uid 1001 has no entry"),
        kept("the same in a step", EnvironmentVariable("HOME", equals="/home/runner"), step({"HOME": "/home/runner"}), "HOME='/home/runner'"),
        kept("a listed shell is missing", EnvironmentVariable("HOME"), step({}, failure="not found", missing=True), "HOME="),
        unproven("steps fail", EnvironmentVariable("HOME"), step({}, failure="exited with status 1: boom"), "no step runs in 'bash -e': exited with status 1: boom"),
        unproven("steps unseen", EnvironmentVariable("HOME"), facts(steps={"bash -e": LOST}), "did not complete"),
        unproven("steps that no runner shows", EnvironmentVariable("HOME"), facts(steps={"bash -e": NOT_HERE}), "no runner", provable_here=False),
        broken("BASH_ENV of another shell", EnvironmentVariable("DOCKER_HOST", present=False), step({"DOCKER_HOST": "x", "BASH_ENV": "/etc/be.sh"}, name="zsh"), "in 'zsh': DOCKER_HOST", "a startup file of the shell"),
        broken("set by a file of a profile", EnvironmentVariable("DOCKER_HOST", present=False), step({"DOCKER_HOST": "x"}, name="bash -l", startup={"DOCKER_HOST": ["/etc/profile.d/x.sh"]}), "in 'bash -l': DOCKER_HOST", "/etc/profile.d/x.sh changes"),
        broken("set by a profile", EnvironmentVariable("DOCKER_HOST", present=False), step({"DOCKER_HOST": "x"}, name="bash -l"), "in 'bash -l': DOCKER_HOST", "a file that /etc/profile reads"),
        broken("startup file that is not BASH_ENV", EnvironmentVariable("DOCKER_HOST", present=False), step({"DOCKER_HOST": "x", "BASH_ENV": "/etc/be.sh"}, startup={"DOCKER_HOST": ["/etc/profile"]}), "DOCKER_HOST", "/etc/be.sh (BASH_ENV)"),
        broken("the file of the variable", EnvironmentVariable("DOCKER_HOST", present=False), step({"DOCKER_HOST": "x", "BASH_ENV": "/etc/be.sh"}, startup={"DOCKER_HOST": ["/etc/be.sh"]}), "DOCKER_HOST", "/etc/be.sh (BASH_ENV) changes"),
        unproven("a pattern that does not end in a step", EnvironmentVariable("A", matches=re.compile("(a|aa)+$")), replace(step({"A": "a" * 60 + "!"}), env={"A": "a"}), "took longer than 1 s"),
        broken("a comment is no setting", EnvironmentVariable("NIX_CONFIG", contains="flakes"), facts(env={"NIX_CONFIG": "a = b\n  # flakes"}), "flakes", "a different value"),
        kept("a setting between comments", EnvironmentVariable("NIX_CONFIG", contains="x = y\nflakes"), facts(env={"NIX_CONFIG": "x = y\n# no\nflakes # here"}), "flakes"),
        kept("a promised comment", EnvironmentVariable("NIX_CONFIG", contains="# flakes"), facts(env={"NIX_CONFIG": "# flakes"}), "flakes"),
        kept("a name that no shell writes", EnvironmentVariable("a.b", equals="c"), facts(env={"a.b": "c"}), "a.b='c'"),
        kept("present", EnvironmentVariable("HOME"), facts(), "HOME='/home/runner'"),
        kept("absent", EnvironmentVariable("DOCKER_HOST", present=False), facts(), "not set"),
        kept("equals nothing", EnvironmentVariable("A", equals=""), facts(env={"A": ""}), "A=''"),
        kept("all conditions", EnvironmentVariable("A", equals="abc", contains="b", matches=re.compile("^a")), facts(env={"A": "abc"}), "A='abc'"),
        broken("missing", EnvironmentVariable("NIX_CONFIG"), facts(), "not set", "no ENV line or pool template sets it"),
        broken("unwanted", EnvironmentVariable("HOME", present=False), facts(), "HOME='/home/runner'", "remove it there"),
        broken("unequal", EnvironmentVariable("A", equals="b"), facts(env={"A": "b\n"}), "A='b\\n'", "a different value"),
        broken("does not contain", EnvironmentVariable("A", contains="flakes"), facts(env={"A": "flake"}), "A='flake'", "a different value"),
        broken("does not match", EnvironmentVariable("A", matches=re.compile("^x")), facts(env={"A": "ax"}), "A='ax'", "a different value"),
        broken("secret stays secret", EnvironmentVariable("ATTIC_TOKEN", present=False), facts(env={"ATTIC_TOKEN": "hunter2"}), "ATTIC_TOKEN is set (value hidden)", "remove"),
        unproven("unseen", EnvironmentVariable("A"), facts(env=LOST), "did not complete"),
        unproven("a pattern that does not end", EnvironmentVariable("A", matches=re.compile("(a|aa)+$")), facts(env={"A": "a" * 60 + "!"}), "matching /(a|aa)+$/ against A took longer than 1 s"),
        unproven("a pattern that does not end on many values", ForbiddenValue("slow", re.compile("(a|aa)+$")), facts(env={f"A{n}": "a" * 60 + "!" for n in range(1000)}), "against A0 took longer than 1 s"),
        broken("braces are braces", ForbiddenValue("template", re.compile("x{e}")), facts(env={"A": "y", "B": "x{e}"}), "B matches (value hidden)", "still contains"),
        kept("nothing forbidden", ForbiddenValue("stale", re.compile("fuzzy")), facts(), "none of 1 variables matches"),
        broken("forbidden", ForbiddenValue("stale", re.compile("fuzzy")), facts(env={"A": "x", "B": "nix-cache.fuzzy-dev"}), "B matches (value hidden)", "still contains the forbidden value"),
        unproven("forbidden unseen", ForbiddenValue("stale", re.compile("fuzzy")), facts(env=LOST), "did not complete"),
    ],
    "filesystem": [
        kept("present", PathState("/nix"), path(), "directory"),
        kept("absent", PathState("/nix", present=False), path(None), "does not exist"),
        kept("everything", PathState("/nix", type="directory", mode=0o755, owner="runner", writable=True, free=GIB), path(), "directory, writable, mode 0755, owned by runner, 4Gi free"),
        kept("a link", PathState("/nix", type="symlink"), path("directory", symlink=True), "directory"),
        broken("missing", PathState("/nix"), path(None), "does not exist", "package or Dockerfile instruction that creates it"),
        broken("unwanted", PathState("/nix", present=False), path("socket"), "a socket", "creates it"),
        broken("another type", PathState("/nix", type="file"), path(), "a directory", "a different kind of file"),
        broken("a copy", PathState("/nix", type="symlink"), path(), "not a symbolic link", "a copy replaced the link"),
        broken("another mode", PathState("/nix", mode=0o1777), path(), "mode 0755", "chmod 1777 /nix"),
        broken("another owner", PathState("/nix", owner="root"), path(), "owned by runner", "chown it to root"),
        broken("read only", PathState("/nix", writable=True), path(writable=False), "not writable", "owner or mode differs"),
        broken("too open", PathState("/nix", writable=False), path(), "writable", "a different user"),
        kept("closed, and above as well", PathState("/nix", writable=False), below("/", 0o755, writable=False), "not writable"),
        kept("below a sticky directory", PathState("/nix", writable=False), below("/", 0o1777, writable=True), "not writable"),
        broken("can be replaced", PathState("/nix", writable=False), below("/", 0o777, writable=True), "not writable, but / is", "chmod or chown"),
        unproven("directory above unseen", PathState("/nix", writable=False), path(writable=False), "not part of"),
        broken("everybody writes", PathState("/nix", writable_by_others=False), path(mode=0o777), "mode 0777", "too broadly"),
        kept("nobody else writes", PathState("/nix", writable_by_others=False), path(), "mode 0755"),
        broken("full", PathState("/nix", free=5 * GIB), path(), "4Gi free", "disk is full"),
        kept("just enough space", PathState("/nix", free=4 * GIB), path(), "4Gi free"),
        broken("a link to nothing", PathState("/nix"), path("symlink", symlink=True), "a dangling symbolic link", "missing from the image"),
        kept("a promised link to nothing", PathState("/nix", type="symlink"), path("symlink", symlink=True), "symlink"),
        broken("another mode beside what holds", PathState("/nix", writable=True, mode=0o700), path(), "mode 0755", "chmod 0700"),
        broken("everybody writes what may be written", PathState("/nix", writable=True, writable_by_others=False), path(mode=0o777), "mode 0777", "too broadly"),
        unproven("owner unknown without an entry", PathState("/nix", owner="root"), replace(identity(user=""), paths=path(owner="UNKNOWN").paths), "owned by UNKNOWN, because uid 1001 has no entry"),
        broken("another owner without an entry", PathState("/nix", owner="root"), replace(identity(user=""), paths=path().paths), "owned by runner", "chown it to root"),
        broken("another owner beside what holds", PathState("/nix", writable=True, owner="root"), path(), "owned by runner", "chown"),
        broken("full beside what holds", PathState("/nix", writable=True, free=5 * GIB), path(), "4Gi free", "disk is full"),
        unproven("not asked", PathState("/nix"), facts(), "not part of this observation"),
        unproven("no stat: mode", PathState("/nix", mode=0o755), path(mode=LOST), "did not complete"),
        unproven("no stat: owner", PathState("/nix", owner="runner"), path(owner=LOST), "did not complete"),
        unproven("no stat: space", PathState("/nix", free=1), path(free=LOST), "did not complete"),
        broken("what was seen counts before what was not", PathState("/nix", type="file", mode=0o755), path(mode=LOST), "a directory", "a different kind of file"),
    ],
    "isolation": [
        kept("unprivileged", confined.Privileged(False), facts(isolation=IsolationFacts(privileged=False)), "not privileged"),
        broken("privileged", confined.Privileged(False), facts(isolation=IsolationFacts(privileged=True)), "privileged", "securityContext.privileged"),
        unproven("privilege unseen", confined.Privileged(False), facts(), "not part of this observation"),
        kept("no capability", confined.Capabilities(("ALL",), ()), facts(isolation=IsolationFacts(bounding=0)), "bounding set: empty"),
        broken("the first bit without a name", confined.Capabilities(("ALL",), ()), facts(isolation=IsolationFacts(bounding=1 << 41)), "bit 41", "bit 41"),
        broken("some capability", confined.Capabilities(("ALL",), ()), facts(isolation=IsolationFacts(bounding=1 << 13)), "bounding set: NET_RAW", "drop does not list NET_RAW"),
        kept("not this one", confined.Capabilities(("SYS_ADMIN",), ()), facts(isolation=IsolationFacts(bounding=1 << 13)), "NET_RAW"),
        broken("this one", confined.Capabilities(("SYS_ADMIN",), ()), facts(isolation=IsolationFacts(bounding=BOUNDING_ALL)), "SYS_ADMIN", "drop does not list SYS_ADMIN"),
        kept("required", confined.Capabilities((), ("NET_RAW",)), facts(isolation=IsolationFacts(bounding=1 << 13)), "NET_RAW"),
        broken("required and missing", confined.Capabilities((), ("NET_RAW",)), facts(isolation=IsolationFacts(bounding=0)), "empty", "add does not list NET_RAW"),
        broken("a bit without a name", confined.Capabilities(("ALL",), ()), facts(isolation=IsolationFacts(bounding=1 << 63)), "bit 63", "bit 63"),
        unproven("bounding unseen", confined.Capabilities(("ALL",), ()), facts(isolation=IsolationFacts(bounding=LOST)), "did not complete"),
        kept("no new privileges", confined.NoNewPrivileges(True), facts(isolation=IsolationFacts(no_new_privileges=True)), "no_new_privs is 1"),
        broken("new privileges", confined.NoNewPrivileges(True), facts(isolation=IsolationFacts(no_new_privileges=False)), "no_new_privs is 0", "allowPrivilegeEscalation"),
        unproven("flag unseen", confined.NoNewPrivileges(True), facts(), "not part of this observation"),
        kept("filter", confined.Seccomp(True), facts(isolation=IsolationFacts(seccomp=2)), "seccomp filter active"),
        kept("no filter wanted", confined.Seccomp(False), facts(isolation=IsolationFacts(seccomp=0)), "no seccomp filter (mode 0)"),
        broken("no filter", confined.Seccomp(True), facts(isolation=IsolationFacts(seccomp=0)), "no seccomp filter (mode 0)", "seccompProfile"),
        broken("strict mode is no filter", confined.Seccomp(True), facts(isolation=IsolationFacts(seccomp=1)), "no seccomp filter (mode 1)", "seccomp="),
        unproven("mode unseen", confined.Seccomp(True), facts(), "not part of this observation"),
        kept("no socket", confined.DockerSocket(False), facts(isolation=IsolationFacts(sockets=[])), "no socket at the standard paths"),
        broken("socket", confined.DockerSocket(False), facts(isolation=IsolationFacts(sockets=["/run/docker.sock"])), "/run/docker.sock", "any job controls the host"),
        broken("wanted socket", confined.DockerSocket(True), facts(isolation=IsolationFacts(sockets=[])), "no socket", "volume that shares"),
        unproven("sockets unseen", confined.DockerSocket(False), facts(), "not part of this observation"),
        kept("no daemon", confined.DockerDaemon(False), facts(), "no client; no socket responds"),
        broken("daemon", confined.DockerDaemon(False), daemon(), "server 28.5.2", "an unpromised daemon"),
        broken("no daemon where wanted", confined.DockerDaemon(True), facts(), "no client", "did not start"),
        unproven("daemon unseen", confined.DockerDaemon(False), facts(daemon=LOST), "did not complete"),
        kept("device", confined.Device("/dev/kvm", True), facts(paths={"/dev/kvm": model.PathFacts("character-device")}), "a character-device"),
        kept("no device", confined.Device("/dev/mem", False), facts(paths={"/dev/mem": model.PathFacts(None)}), "does not exist"),
        kept("a file is no device", confined.Device("/dev/mem", False), facts(paths={"/dev/mem": model.PathFacts("file")}), "a file"),
        broken("unwanted device", confined.Device("/dev/mem", False), facts(paths={"/dev/mem": model.PathFacts("block-device")}), "a block-device", "passes the device through"),
        broken("missing device", confined.Device("/dev/kvm", True), facts(paths={"/dev/kvm": model.PathFacts(None)}), "does not exist", "does not pass the device through"),
        unproven("device unseen", confined.Device("/dev/kvm", True), facts(), "not part of this observation"),
        kept("cannot mount", confined.Mount(False), facts(isolation=IsolationFacts(mount=AttemptFacts(False, "permission denied"))), "permission denied"),
        kept("silence is told as such", confined.Mount(False), facts(isolation=IsolationFacts(mount=AttemptFacts(False, ""))), "failed"),
        broken("can mount", confined.Mount(False), facts(isolation=IsolationFacts(mount=AttemptFacts(True, "mounted a tmpfs"))), "mounted a tmpfs", "more than promised"),
        kept("can unshare", confined.Unshare(True), facts(isolation=IsolationFacts(unshare=AttemptFacts(True, "made a namespace"))), "made a namespace"),
        broken("cannot unshare", confined.Unshare(True), facts(isolation=IsolationFacts(unshare=AttemptFacts(False, "denied"))), "denied", "block what is promised"),
        unproven("no mount(8)", confined.Mount(False), facts(isolation=IsolationFacts(mount=LOST)), "did not complete"),
    ],
    "daemon": [
        kept("endpoint", DaemonEndpoint("tcp://localhost:2375"), daemon(), "server 28.5.2"),
        broken("endpoint elsewhere", DaemonEndpoint("tcp://localhost:2376"), daemon(), "DOCKER_HOST='tcp://localhost:2375'", "does not set tcp://localhost:2376"),
        broken("no endpoint", DaemonEndpoint("tcp://localhost:2375"), replace(daemon(), env={}), "DOCKER_HOST is not set", "does not set tcp://localhost:2375"),
        broken("nobody listens", DaemonEndpoint("tcp://localhost:2375"), daemon(False, "ports are closed"), "ports are closed", "did not start"),
        broken("an open port is no daemon", DaemonEndpoint("tcp://localhost:2375"), daemon(version=""), "server", "does not listen on DOCKER_HOST"),
        broken("the daemon refuses the client's release", DaemonEndpoint("tcp://localhost:2375"), daemon(version="", how="client version 1.12 is too old"), "too old", "DOCKER_API_VERSION"),
        broken("no certificates", DaemonEndpoint("tcp://localhost:2375"), daemon(version="", how="open /root/.docker/ca.pem: no such file"), "ca.pem", "DOCKER_TLS_VERIFY"),
        broken("no such context", DaemonEndpoint("tcp://localhost:2375"), daemon(version="", how='context "gone": context not found'), "gone", "DOCKER_CONTEXT"),
        unproven("environment unseen", DaemonEndpoint("tcp://localhost:2375"), replace(daemon(), env=LOST), "did not complete"),
        unproven("daemon unseen", DaemonEndpoint("tcp://localhost:2375"), facts(daemon=LOST), "did not complete"),
        kept("ready", DaemonReady(2), daemon(), "responded after 1.5 s"),
        broken("slow", DaemonReady(1), daemon(), "responded after 1.5 s", "overloaded"),
        kept("ready at the last moment", DaemonReady(2), daemon(ready_after=2.0), "responded after 2"),
        broken("never ready", DaemonReady(1), daemon(failure="no response within 1 s; end of its log: boom", ready_after=LOST), "end of its log: boom", "did not start"),
        unproven("not started by us", DaemonReady(1), daemon(ready_after=NOT_HERE), "no runner of this kind", provable_here=False),
        kept("version", DaemonVersion(VersionRange(">=28")), daemon(), "server 28.5.2"),
        broken("other version", DaemonVersion(VersionRange(">=29")), daemon(), "server 28.5.2", "a different release"),
        unproven("no version", DaemonVersion(VersionRange(">=29")), daemon(False, "ports are closed"), "ports are closed"),
        kept("own", DaemonOwn(), daemon(), "daemon ID OWN, engine ID HOST"),
        broken("the host's", DaemonOwn(), daemon(id="HOST"), "that of the engine running this job", "any job controls the host"),
        unproven("no id", DaemonOwn(), daemon(False, "ports are closed"), "ports are closed"),
        unproven("no engine known", DaemonOwn(), replace(daemon(), runner=replace(RUNNER, engine_id="")), "is unknown", provable_here=False),
        unproven("no runner", DaemonOwn(), replace(daemon(), runner=LOST), "did not complete"),
        *DAEMON_ROWS,
    ],
    "network": [
        kept("no way out", Egress(False), facts(), "no default route"),
        kept("a way out", Egress(True), facts(network=NetworkFacts(default_routes=["eth0"])), "default route via eth0"),
        broken("unwanted way out", Egress(False), facts(network=NetworkFacts(default_routes=["eth0"])), "via eth0", "routes outside"),
        unproven("way out of a real runner", Egress(False), facts(network=NetworkFacts(default_routes=["eth0"]), runner=replace(RUNNER, kind="local")), "a policy lets through", provable_here=False),
        kept("no way out of a real runner", Egress(False), facts(runner=replace(RUNNER, kind="local")), "no default route"),
        broken("no way out where wanted", Egress(True), facts(), "no default route", "internal"),
        unproven("routes unseen", Egress(False), facts(network=NetworkFacts(default_routes=LOST)), "did not complete"),
        kept("resolves", Resolves("attic"), facts(network=NetworkFacts(resolve={"attic": ["10.0.0.2"]})), "10.0.0.2"),
        broken("does not resolve", Resolves("attic-api"), facts(network=NetworkFacts(resolve={"attic-api": []})), "does not know this name", "letter by letter"),
        broken("resolves to nothing", Resolves("attic"), facts(network=NetworkFacts(resolve={"attic": [""]})), "does not know this name", "letter"),
        unproven("no getent", Resolves("attic"), facts(network=NetworkFacts(resolve={"attic": LOST})), "did not complete"),
        unproven("name not asked", Resolves("attic"), facts(), "not part of this observation"),
        unproven("forbidden host not asked", Denied("elsewhere"), forbidden(), "not part of this observation"),
        kept("reaches", Reaches("attic", 80), facts(network=NetworkFacts(connect={"attic:80": CONNECTED})), "connected to it"),
        kept("reaches in silence", Reaches("attic", 80), facts(network=NetworkFacts(connect={"attic:80": ConnectionFacts("connected", "")})), "connected"),
        broken("refused", Reaches("attic", 8080), facts(network=NetworkFacts(connect={"attic:8080": ConnectionFacts("refused", "Connection refused")})), "refused: Connection refused", "the port is wrong"),
        broken("unresolved", Reaches("attic", 80), facts(network=NetworkFacts(connect={"attic:80": ConnectionFacts("unresolved", "not known")})), "unresolved", "the name is wrong"),
        broken("unreachable", Reaches("attic", 80), facts(network=NetworkFacts(connect={"attic:80": AWAY})), "unreachable", "no route"),
        broken("hangs", Reaches("attic", 80), facts(network=NetworkFacts(connect={"attic:80": ConnectionFacts("timeout", "5 s")})), "timeout", "hangs"),
        unproven("no way to try", Reaches("attic", 80), facts(), "not part of this observation"),
        kept("denied", DENIED, forbidden(), "dotted unreachable, decimal unreachable; positive control connected"),
        broken("reached in one spelling", DENIED, forbidden(octal=CONNECTED), "connected to octal", "not one notation of it"),
        broken("reached though nobody answered elsewhere", DENIED, forbidden(control=LOST, octal=CONNECTED), "connected to octal", "not one notation"),
        broken("routed", DENIED, forbidden(routes=["eth0"]), "default route via eth0 leads there; no packet was sent", "routes outside"),
        kept("denied, routes unseen", DENIED, forbidden(routes=LOST), "dotted unreachable, decimal unreachable; positive control connected"),
        broken("reached, routes unseen", DENIED, forbidden(routes=LOST, octal=CONNECTED), "connected to octal", "block the address itself"),
        unproven("no attempt, routes unseen", DENIED, forbidden(routes=LOST, octal=LOST), "did not complete"),
        unproven("no positive control", DENIED, forbidden(control=ConnectionFacts("failed", "no answer")), "the positive control failed (failed: no answer), so"),
        unproven("control unseen", DENIED, forbidden(control=LOST), "did not complete"),
        unproven("a time-out shows nothing", DENIED, forbidden(octal=ConnectionFacts("timeout", "5 s")), "octal: timeout"),
        unproven("a failed look-up shows nothing", DENIED, forbidden(octal=ConnectionFacts("unresolved", "?")), "octal: unresolved"),
        unproven("one spelling untried", DENIED, forbidden(octal=LOST), "did not complete"),
        unproven("nothing tried", DENIED, facts(network=NetworkFacts(default_routes=[], forbidden={"metadata": ForbiddenHostFacts(CONNECTED, {})})), "none made"),
        unproven("no stand-in", DENIED, facts(network=NetworkFacts(forbidden={"metadata": NOT_HERE})), "no runner", provable_here=False),
        *NETWORK_ROWS,
    ],
    "resources": [
        kept("cpu", CpuLimit(2000), facts(resources=ResourceFacts(cpu=2000)), "2"),
        broken("cpu beyond any number of the kernel", CpuLimit(2000), facts(resources=ResourceFacts(cpu=10**400)), "1000", "exceed their share"),
        kept("cpu at the edge", CpuLimit(1000), facts(resources=ResourceFacts(cpu=990)), "990m"),
        broken("cpu beyond the edge", CpuLimit(1000), facts(resources=ResourceFacts(cpu=989)), "989m", "fail under load"),
        kept("host as large as the cpu limit", CpuLimit(4000), facts(resources=ResourceFacts(cpu=4000)), "4"),
        unproven("host smaller by a thousandth", CpuLimit(4001), facts(resources=ResourceFacts(cpu=4001)), "the host has 4 CPUs", provable_here=False),
        kept("memory of the host unknown", MemoryLimit(GIB), facts(runner=replace(RUNNER, memory=0), resources=ResourceFacts(memory=GIB)), "1Gi"),
        kept("host as large as the memory limit", MemoryLimit(16 * GIB), facts(resources=ResourceFacts(memory=16 * GIB)), "16Gi"),
        kept("shares, rounded", CpuRequest(500), facts(resources=ResourceFacts(cpu_shares=513)), "cpu.shares 513"),
        broken("shares beyond the edge", CpuRequest(500), facts(resources=ResourceFacts(cpu_shares=514)), "cpu.shares 514, expected 512", TEMPLATE),
        broken("least shares", CpuRequest(1), facts(resources=ResourceFacts(cpu_shares=1024)), "expected 2", TEMPLATE),
        broken("shares of a CPU", CpuRequest(1000), facts(resources=ResourceFacts(cpu_shares=2)), "cpu.shares 2, expected 1024", TEMPLATE),
        broken("weight of a CPU", CpuRequest(1000), facts(resources=ResourceFacts(cpu_weight=500)), "expected 39 or 100", TEMPLATE),
        broken("weight below the largest", CpuRequest(255998), facts(resources=ResourceFacts(cpu_weight=100)), "expected 9999 or 10000", TEMPLATE),
        broken("weight of many CPUs", CpuRequest(256000), facts(resources=ResourceFacts(cpu_weight=100)), "expected 10000", TEMPLATE),
        kept("cpu, rounded by the kernel", CpuLimit(1501), facts(resources=ResourceFacts(cpu=1500)), "1500m"),
        broken("no cpu limit", CpuLimit(2000), facts(resources=ResourceFacts(cpu=None)), "no limit is set", TEMPLATE),
        broken("less cpu", CpuLimit(2000), facts(resources=ResourceFacts(cpu=500)), "500m", "fail under load"),
        broken("more cpu", CpuLimit(2000), facts(resources=ResourceFacts(cpu=4000)), "4", "exceed their share"),
        unproven("small host", CpuLimit(8000), facts(resources=ResourceFacts(cpu=4000)), "the host has 4 CPUs", provable_here=False),
        unproven("cpu unseen", CpuLimit(2000), facts(), "not part of this observation"),
        kept("memory", MemoryLimit(8 * GIB), facts(resources=ResourceFacts(memory=8 * GIB)), "8Gi"),
        broken("memory limit never applied", MemoryLimit(8 * GIB), facts(resources=ResourceFacts(memory=GIB)), "1Gi", "a misplaced key"),
        broken("no memory limit", MemoryLimit(8 * GIB), facts(resources=ResourceFacts(memory=None)), "no limit is set", TEMPLATE),
        unproven("little memory", MemoryLimit(32 * GIB), facts(resources=ResourceFacts(memory=16 * GIB)), "the host has 16Gi of memory", provable_here=False),
        kept("reservation", MemoryRequest(GIB), facts(resources=ResourceFacts(memory_reserved=GIB)), "1Gi"),
        broken("no reservation", MemoryRequest(GIB), facts(resources=ResourceFacts(memory_reserved=None)), "no memory request is set", TEMPLATE),
        unproven("reservation unseen", MemoryRequest(GIB), facts(), "not part of this observation"),
        kept("request of the pod", MemoryRequest(GIB), requesting(GIB), "1Gi"),
        broken("other request of the pod", MemoryRequest(2 * GIB), requesting(GIB), "1Gi", "jobs fail under load"),
        broken("pod without a request", MemoryRequest(GIB), requesting(None), "no memory request is set", TEMPLATE),
        unproven("request of the pod unseen", MemoryRequest(GIB), requesting(LOST), "did not complete"),
        unproven("the pod itself unseen", MemoryRequest(GIB), replace(requesting(None), pod=LOST), "did not complete"),
        unproven("no pids limit in a pod", PidsLimit(4096), facts(runner=POD, resources=ResourceFacts(pids=None)), "the kubelet's podPidsLimit", provable_here=False),
        broken("other pids limit in a pod", PidsLimit(4096), facts(runner=POD, resources=ResourceFacts(pids=100)), "100", TEMPLATE),
        kept("limit where the capacity is unknown", CpuLimit(4000), facts(runner=replace(POD, cpus=0), resources=ResourceFacts(cpu=4000)), "4"),
        kept("pids", PidsLimit(4096), facts(resources=ResourceFacts(pids=4096)), "4096"),
        broken("no pids limit", PidsLimit(4096), facts(resources=ResourceFacts(pids=None)), "no limit is set", TEMPLATE),
        unproven("pids unseen", PidsLimit(4096), facts(), "not part of this observation"),
        kept("shares", CpuRequest(500), facts(resources=ResourceFacts(cpu_shares=512)), "cpu.shares 512"),
        kept("weight, linear", CpuRequest(500), facts(resources=ResourceFacts(cpu_weight=20)), "cpu.weight 20"),
        kept("weight, logarithmic", CpuRequest(500), facts(resources=ResourceFacts(cpu_weight=59)), "cpu.weight 59"),
        broken("other shares", CpuRequest(500), facts(resources=ResourceFacts(cpu_shares=1024)), "cpu.shares 1024, expected 512", TEMPLATE),
        broken("other weight", CpuRequest(500), facts(resources=ResourceFacts(cpu_weight=100)), "cpu.weight 100, expected 20 or 59", TEMPLATE),
        unproven("no shares", CpuRequest(500), facts(), "not part of this observation"),
        unproven("no controller", CpuRequest(500), facts(resources=ResourceFacts(cpu_shares=None, cpu_weight=None)), "no cpu cgroup controller"),
    ],
    **PROMISED,
    **SECTIONS,
    **SYSTEM,
    **POD_ROWS,
    "caches": [unproven("by facts alone", CacheProof("nix", "read", "unsigned"), facts(), "needs a proof")],
    "publication": [unproven("by facts alone", NoSecrets(), facts(), "needs a proof")],
    "canaries": [unproven("by facts alone", CanaryProof("flake", "builds"), facts(), "needs a proof")],
}  # fmt: skip

ROWS = [
    pytest.param(row, id=f"{kind}: {row.name}")
    for kind, rows in TABLE.items()
    for row in (*rows, *DETAILS.get(kind, ()))
]


@pytest.mark.parametrize("row", ROWS)
def test_judge(row: Row) -> None:
    row.check()


@pytest.mark.parametrize(
    ("promise", "seen", "inspect"),
    [
        (EnvironmentVariable("HOME", equals="/a"), step({"HOME": "/b"}), '.env.HOME'),
        (EnvironmentVariable("HOME", equals="/home/runner"), step({"HOME": "/b"}), '.steps["bash -e"].env.HOME'),
        (Tool("git"), step({}, tools={"git": ""}, found={"git": model.ToolFacts("/git")}), '.steps["bash -e"].tools'),
        (Tool("git"), step({}, tools={"git": "alias git"}, found={"git": model.ToolFacts("/git")}), '.steps["bash -e"].tools'),
        (StepShell("bash -e"), step({"HOME": "/home/runner"}, options="hB"), '.steps["bash -e"].options'),
        (Umask(0o022), replace(step({}, umask=0), process=model.ProcessFacts(umask=0o022)), '.steps["bash -e"].umask'),
        (PathState("/a", uid=1), facts(paths={"/a": model.PathFacts("file")}, files={"/a": model.FileFacts(False, uid=0)}), '.files["/a"].uid'),
    ],
)  # fmt: skip
def test_broken_promise_leads_to_the_fact_that_breaks_it(
    promise: Promise, seen: model.Facts, inspect: str
) -> None:
    assert find(promise, seen).inspect == inspect


LINES: dict[str, list[Promise]] = {
    "volumes": [HostPaths(()), confined.DockerSocket(False)],
    "hostNamespaces": [HostNamespaces(())],
    "resources": [QosClass("Guaranteed"), CpuLimit(1), MemoryRequest(1)],
    "imagePullPolicy": [ImagePullPolicy("Always")],
    "priorityClassName": [PriorityClass("ci")],
    "securityContext": [
        confined.Privileged(False),
        confined.Capabilities((), ()),
        confined.NoNewPrivileges(True),
        confined.Seccomp(True),
        user.User("runner"),
        user.Uid(1),
        user.Gid(1),
        user.NotRoot(),
    ],
    "env": [EnvironmentVariable("HOME")],
    "image": [ImageReference("sample"), ImageSize(1)],
}
DECIDED = [(promise, field) for field, promises in LINES.items() for promise in promises]


@pytest.mark.parametrize(("promise", "field"), DECIDED)
def test_broken_promise_names_the_line_of_its_template(promise: Promise, field: str) -> None:
    template = facts(pod=model.PodFacts(lines={name: f"pool.yaml:{name}" for name in LINES}))
    found = Assessment(Outcome.BROKEN, "seen", "cause")
    named = replace(found, cause=f"cause; the template decides it at pool.yaml:{field}")
    assert with_template_line(promise, found, template) == named


@pytest.mark.parametrize(
    ("promise", "outcome", "pod"),
    [
        (confined.DockerSocket(False), Outcome.KEPT, model.PodFacts(lines={"volumes": "pool.yaml:9"})),
        (confined.DockerSocket(False), Outcome.BROKEN, model.PodFacts(lines={"env": "pool.yaml:9"})),
        (confined.DockerSocket(False), Outcome.BROKEN, NOT_HERE),
        (Tool("git"), Outcome.BROKEN, model.PodFacts(lines=dict.fromkeys(LINES, "pool.yaml:9"))),
    ],
    ids=["kept", "not of the template", "no pod", "of the image"],
)
def test_nothing_else_names_a_line_of_a_template(promise: Promise, outcome: Outcome, pod: Any) -> None:
    found = Assessment(outcome, "seen", "cause")
    assert with_template_line(promise, found, facts(pod=pod)) == found


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ("sample", "docker.io/library/sample:latest", True),
        ("localhost:5000/sample", "localhost:5000/sample:latest", True),
        ("sample@sha256:ab", "docker.io/sample@sha256:ab", True),
        ("sample:1", "sample", False),
        ("a/sample", "b/sample", False),
    ],
)
def test_references_name_the_same_image(left: str, right: str, same: bool) -> None:
    assert are_same_image(left, right) is same


def test_a_runner_that_answers_in_time_is_no_excuse() -> None:
    assert doubt("'xz'", 124, BUSY, ".a") is None
    assert doubt("'xz'", 124, BUSY + 0.1, ".a") is not None


def test_every_kind_has_rows() -> None:
    assert TABLE.keys() == READERS.keys()


@pytest.mark.parametrize(
    "kind", sorted(TABLE.keys() - {"labels", "responsibilities", "caches", "publication", "canaries"})
)
def test_observed_section_has_all_three_outcomes(kind: str) -> None:
    assert {row.outcome.value for row in TABLE[kind]} == {"kept", "broken", "unproven"}
    # What cannot fail in two ways at least may be failing for the one reason that was thought of.
    assert sum(row.outcome is Outcome.BROKEN for row in TABLE[kind]) >= 2
