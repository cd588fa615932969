"""Decide which builder class this host is a runner of, and by which signs.

Anyone can set the variables of a CI system, so no single variable is trusted. A host counts as a live runner
of a builder class only if independent records agree: the CI system reports a self-hosted runner, the host
has the runner's name, and the job was scheduled here for one of the labels of the class. One sign of a
different kind of host (a hosted runner, a battery) is enough to reject it.

External facts: variables of GitHub Actions and of GitLab CI as their references name them; a runner pod of
Actions Runner Controller has its runner's name as host name, and ``NAME-workflow`` in a job container;
``/imagegeneration`` is left on the machines of GitHub's hosted pool by the tool that builds their images.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

PLACEMENT = "BUILDER_CONTRACTS_PLACEMENT"
"""Names the file that ``builder-contracts nightly placement`` wrote: the CI system's record of the job."""

# Kubernetes and DNS cut host names at 63 characters, so a long runner name is compared up to there.
_HOST_NAME = 63
_HOSTED_TRACES = ("/imagegeneration",)
_PACKAGE_DATABASES = (
    "/etc/os-release",
    "/var/lib/dpkg/status",
    "/lib/apk/db/installed",
    "/var/lib/rpm/rpmdb.sqlite",
)


@dataclass(frozen=True)
class Placement:
    """The CI system's own record of the job on this host: its labels and its runner's name."""

    labels: tuple[str, ...]
    runner_name: str
    runner_group: str = ""


@dataclass(frozen=True)
class HostProfile:
    """The signs of this host; plain data, so that attribution needs no host.

    ``namespace`` is the Kubernetes namespace of the pod, empty elsewhere; ``traces`` are files that only
    hosted runners have; ``battery`` names a battery, empty if there is none; ``packages`` is a digest
    of the package database, ``sha256:…`` or empty.
    """

    environment: Mapping[str, str]
    host_name: str
    namespace: str = ""
    traces: tuple[str, ...] = ()
    battery: str = ""
    packages: str = ""
    placement: Placement | None = None


@dataclass(frozen=True)
class RunnerAttribution:
    """The runner that this host is. ``live`` only without an objection and with every needed record.

    ``name`` is the runner's name in its CI system. ``shown`` are the records that agree, ``objections``
    the reasons why this host does not count as a runner of the class.
    """

    name: str
    live: bool
    shown: tuple[str, ...] = ()
    objections: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        details = "; ".join(f"{key} {value}" for key, value in self.facts.items() if value)
        reasons = "; ".join(self.shown if self.live else self.objections)
        head = (
            f"{self.name or 'no runner'}: {'live' if self.live else 'not confirmed as a runner of the class'}"
        )
        return " · ".join(part for part in (f"{head} ({reasons})", details) if part)


def identify(labels: Sequence[str], machine: HostProfile) -> RunnerAttribution:
    """Decide whether this host is a live runner of the class with these ``runs-on`` labels."""
    env = machine.environment
    if env.get("GITHUB_ACTIONS") == "true":
        return _conclude(_github(labels, machine), machine)
    if env.get("GITLAB_CI") == "true":
        return _conclude(_gitlab(labels, machine), machine)
    claim = _Claim(objections=["no CI system identifies this machine as its runner"])
    return _conclude(claim, machine)


@dataclass
class _Claim:
    name: str = ""
    shown: list[str] = field(default_factory=list)
    objections: list[str] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)


def _github(labels: Sequence[str], machine: HostProfile) -> _Claim:
    env = machine.environment
    claim = _Claim(name=env.get("RUNNER_NAME", ""))
    kind = env.get("RUNNER_ENVIRONMENT", "")
    if kind == "self-hosted":
        claim.shown.append("GitHub reports self-hosted")
    else:
        claim.objections.append(
            f"GitHub reports this runner as {kind or 'of no stated kind'}, not self-hosted"
        )
    hosted = [name for name in ("ImageOS", "ImageVersion") if env.get(name)]
    if hosted:
        claim.objections.append(f"{' and '.join(hosted)} set, as on GitHub-hosted runners")
    _named(claim, machine)
    claim.facts |= {
        "group": machine.placement.runner_group if machine.placement else "",
        "os": env.get("RUNNER_OS", ""),
    }
    if machine.placement is not None:
        _placed(claim, labels, machine.placement)
    elif label := next((label for label in labels if claim.name.startswith(f"{label}-")), None):
        claim.shown.append(f"the runner's name starts with {label}")
    else:
        claim.objections.append(
            f"cannot link runner {claim.name or '(no name)'} to {_either(labels)}: its name does not start with it and {PLACEMENT} provides no GitHub record (run 'builder-contracts nightly placement' first)"
        )
    return claim


def _placed(claim: _Claim, labels: Sequence[str], placement: Placement) -> None:
    if placement.runner_name != claim.name:
        claim.objections.append(
            f"the job record names runner {placement.runner_name}, but RUNNER_NAME is {claim.name or 'nothing'}"
        )
    elif matching := [label for label in labels if label in placement.labels]:
        claim.shown.append(f"GitHub scheduled the job here for {matching[0]}")
    else:
        claim.objections.append(
            f"GitHub scheduled this job for {_either(placement.labels)}, but the class is {_either(labels)}"
        )


def _gitlab(labels: Sequence[str], machine: HostProfile) -> _Claim:
    env = machine.environment
    claim = _Claim(name=env.get("CI_RUNNER_DESCRIPTION") or env.get("CI_RUNNER_ID", ""))
    tags = _tags(env.get("CI_RUNNER_TAGS", ""))
    if matching := [label for label in labels if label in tags]:
        claim.shown.append(f"GitLab reports tag {matching[0]} on this runner")
    else:
        claim.objections.append(
            f"GitLab reports {_either(tags)} on this runner, but the class is {_either(labels)}"
        )
    if any(tag.startswith("saas-") for tag in tags) or "runners-manager.gitlab.com" in claim.name:
        claim.objections.append("the runner is a gitlab.com hosted runner")
    # GitLab's executor names the pod after the runner and the project, never after the runner alone.
    if machine.host_name.startswith("runner-"):
        claim.shown.append(f"the host name {machine.host_name} matches a GitLab runner job")
    else:
        claim.objections.append(
            f"the host name {machine.host_name} does not match a GitLab runner job (runner-…)"
        )
    claim.facts |= {
        "arch": env.get("CI_RUNNER_EXECUTABLE_ARCH", ""),
        "version": env.get("CI_RUNNER_VERSION", ""),
    }
    return claim


def _named(claim: _Claim, machine: HostProfile) -> None:
    """The host name is the one record here that a job's environment cannot change."""
    if not claim.name:
        claim.objections.append("RUNNER_NAME is not set")
        return
    workflow = "-workflow"
    if machine.host_name in (claim.name[:_HOST_NAME], claim.name[: _HOST_NAME - len(workflow)] + workflow):
        claim.shown.append(f"the host name matches the runner's name ({machine.host_name})")
    else:
        claim.objections.append(
            f"the host name is {machine.host_name}, but the runner's name is {claim.name}"
        )


def _conclude(claim: _Claim, machine: HostProfile) -> RunnerAttribution:
    objections = list(claim.objections)
    objections += [f"{trace} exists, as on hosted runners" for trace in machine.traces]
    if machine.battery:
        objections.append(
            f"a battery is present ({machine.battery}), so this is a laptop, not a pool machine"
        )
    facts = {
        "host": machine.host_name,
        "namespace": machine.namespace,
        **claim.facts,
        "packages": machine.packages,
    }
    return RunnerAttribution(
        name=claim.name,
        live=not objections and bool(claim.shown),
        shown=tuple(claim.shown),
        objections=tuple(objections),
        facts={key: value for key, value in facts.items() if value},
    )


def _tags(text: str) -> tuple[str, ...]:
    """The runner's tags: GitLab writes a JSON list, older servers a comma-separated one."""
    try:
        listed = json.loads(text)
    except ValueError:
        listed = None
    if isinstance(listed, list):
        return tuple(str(tag) for tag in listed)
    return tuple(tag.strip() for tag in text.split(",") if tag.strip())


def _either(names: Iterable[str]) -> str:
    return " or ".join(names) or "no label at all"


def this_machine(environment: Mapping[str, str] | None = None, root: Path = Path("/")) -> HostProfile:
    """Read the signs of this host. ``root`` and ``environment`` replace it in tests."""
    env = os.environ if environment is None else environment
    return HostProfile(
        environment=dict(env),
        host_name=platform.node(),
        namespace=_read(root / "var/run/secrets/kubernetes.io/serviceaccount/namespace"),
        traces=tuple(trace for trace in _HOSTED_TRACES if (root / trace.lstrip("/")).exists()),
        battery=_battery(root),
        packages=_packages(root),
        placement=_placement(env.get(PLACEMENT, "")),
    )


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace").strip()
    except OSError:
        return ""


def _battery(root: Path) -> str:
    supplies = root / "sys/class/power_supply"
    batteries = [path.parent.name for path in sorted(supplies.glob("*/type")) if _read(path) == "Battery"]
    return batteries[0] if batteries else ""


def _packages(root: Path) -> str:
    """A digest of the installed packages. A job cannot see the image's digest; this one changes with it."""
    digest = hashlib.sha256()
    any_database = False
    for name in _PACKAGE_DATABASES:
        try:
            content = (root / name.lstrip("/")).read_bytes()
        except OSError:
            continue
        any_database = True
        digest.update(name.encode() + b"\0" + hashlib.sha256(content).digest())
    return f"sha256:{digest.hexdigest()}" if any_database else ""


def _placement(file: str) -> Placement | None:
    """The CI system's record, or None if it is missing or cannot be read."""
    if not file:
        return None
    try:
        record = json.loads(Path(file).read_text("utf-8"))
        return Placement(
            tuple(str(label) for label in record["labels"]),
            str(record["runner_name"]),
            str(record.get("runner_group", "")),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
