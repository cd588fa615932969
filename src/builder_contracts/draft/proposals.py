"""The promises that one would want of a runner, as its facts suggest them. Pure.

Whether the runner keeps them is for the judges to say: a promise that it breaks is proposed as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from builder_contracts.draft.survey import SECRET_FOLDERS
from builder_contracts.facts.model import AccountFacts, Facts, ImageFacts, PackageFacts, ToolFacts, Unseen
from builder_contracts.redaction import redact_variable
from builder_contracts.tools.catalog import KnownTool, catalog
from builder_contracts.tools.versions import version_in


class Level(IntEnum):
    """How much a first contract promises."""

    MINIMAL = 1
    USUAL = 2
    ALL = 3


@dataclass(frozen=True)
class Proposal:
    """A promise by its path in the contract, its value, and why one would want it."""

    pointer: tuple[str, ...]
    value: Any
    why: str
    level: Level = Level.USUAL


# Their values change with every build of an image, and jobs need them to be there at most.
_PASSING = re.compile(r"(?i)version|sha|digest|checksum|gpg|keys?$|revision|commit|date|build")
_LONGEST = 200


def proposals(facts: Facts) -> Iterator[Proposal]:
    """All proposals, in the order of a contract's sections."""
    yield from _image(facts)
    yield from _identity(facts)
    yield from _toolchain(facts)
    yield from _environment(facts)
    yield from _filesystem(facts)
    yield from _isolation()
    yield from _process(facts)
    yield from _search_path()
    yield from _privileges(facts)
    yield from _packages(facts)
    yield from _accounts(facts)
    yield from _secrets(facts)
    yield from _rest(facts)


def _image(facts: Facts) -> Iterator[Proposal]:
    image = facts.image
    if isinstance(image, Unseen):
        return
    yield Proposal(("image", "platform"), image.platform, "programs of another platform do not start")
    yield Proposal(
        ("image", "max_size"), _rounded_up(image.size), "every new runner pulls it; a quarter is to spare"
    )
    yield Proposal(
        ("image", "entrypoint"), image.entrypoint, "a pool whose jobs start by it depends on it", Level.ALL
    )
    yield Proposal(("image", "cmd"), image.cmd, "as the image has it", Level.ALL)
    if image.workdir:
        yield Proposal(("image", "workdir"), image.workdir, "steps start there", Level.ALL)
    if image.user:
        yield Proposal(
            ("image", "user"), image.user, "jobs run as this user unless the pool says otherwise", Level.ALL
        )


def _rounded_up(size: int) -> str:
    """A quarter more, in steps of 50 MiB."""
    step = 50 * 2**20
    return f"{(size * 5 // 4 // step + 1) * 50}Mi"


def _identity(facts: Facts) -> Iterator[Proposal]:
    user = facts.identity
    if isinstance(user, Unseen):
        return
    # Nobody wants the promise that jobs run as root; the clause that they never do says that they do.
    if user.uid:
        if isinstance(user.user, str):
            yield Proposal(
                ("identity", "user"), user.user, "files and caches belong to this user", Level.MINIMAL
            )
        yield Proposal(
            ("identity", "uid"), user.uid, "volumes and caches are mounted for this number", Level.MINIMAL
        )
        yield Proposal(("identity", "gid"), user.gid, "its group, for the same reason")
    if user.home:
        yield Proposal(
            ("identity", "home"), user.home, "tools keep their caches and settings there", Level.MINIMAL
        )
    yield Proposal(
        ("identity", "shell"), "/bin/sh", "a step without a shell of its own runs in it", Level.MINIMAL
    )
    if not isinstance(facts.groups, Unseen):
        names = sorted({group.name for group in facts.groups if group.name} - {"root"})
        if names and user.uid:
            yield Proposal(
                ("identity", "groups"),
                {"allow": names, "forbid": ["docker", "root"]},
                "what docker's and root's groups may change is not a job's",
            )
    yield Proposal(
        ("identity", "root"), "never", "root may change the image under the next step", Level.MINIMAL
    )


def _toolchain(facts: Facts) -> Iterator[Proposal]:
    for name, tool in catalog().items():
        seen = facts.tools.get(name)
        if isinstance(seen, ToolFacts) and seen.path:
            version = _version(seen, tool)
            work = "tried at work" if tool.work else "not tried at work"
            why = f"{version} here, {work}" if version else work
            bounds = version_range(version, tool.order) if version else ""
            level = Level.MINIMAL if tool.work else Level.USUAL
            yield Proposal(("toolchain", name), {"version": bounds} if bounds else "present", why, level)


def _version(seen: ToolFacts, tool: KnownTool) -> str:
    if not isinstance(seen.output, str) or seen.status != 0:
        return ""
    version = version_in(seen.output, tool.name, tool.pattern, tool.order)
    return version.release if version else ""


def version_range(release: str, order: str = "numbers") -> str:
    """The range in which a release surely works: no older one, and not the next major one.

    Nothing for a release before its release, of which the language has no ranges.

    >>> version_range("2.47.3"), version_range("668"), version_range("0.29.2"), version_range("3.0rc1")
    ('>=2.47,<3', '>=668', '>=0.29,<1', '')
    """
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)*", release):
        return ""
    numbers = release.split(".")
    if order == "date" or len(numbers) == 1:
        return f">={release}"
    return f">={'.'.join(numbers[:2])},<{int(numbers[0]) + 1}"


def _environment(facts: Facts) -> Iterator[Proposal]:
    image, env = facts.image, facts.env
    if isinstance(env, Unseen):
        return
    names = ["LANG", "LC_ALL", "PATH"] if isinstance(image, Unseen) else list(image.env)
    for name in dict.fromkeys(names):
        if name not in env:
            continue
        pointer = ("environment", "variables", name)
        value = env[name]
        if redact_variable(name, value) != value:
            yield Proposal(
                pointer,
                "absent",
                "it looks like a secret: everybody who pulls the image reads it",
                Level.MINIMAL,
            )
        elif _PASSING.search(name) or len(value) > _LONGEST:
            yield Proposal(pointer, "present", "its value may change with every build", Level.ALL)
        else:
            yield Proposal(pointer, {"equals": value}, "the image sets it")
    for name, why in (
        ("DOCKER_HOST", "a daemon that jobs share is root on its host"),
        ("LD_PRELOAD", "it would change every program"),
    ):
        if name not in names:
            yield Proposal(("environment", "variables", name), "absent", why)
    if not any(name.lower().endswith("_proxy") for name in names):
        yield Proposal(
            ("environment", "proxy"), "absent", "a proxy of the build host breaks downloads elsewhere"
        )


def _filesystem(facts: Facts) -> Iterator[Proposal]:
    whys = {
        "/tmp": ({"type": "directory", "mode": "1777", "writable": True}, "tools write there without asking"),  # noqa: S108 # the runner's
        "/etc/passwd": ({"type": "file", "writable": False}, "who may write it becomes root"),
        "/nix": ({"type": "directory"}, "Nix installs into it"),
    }
    for path, state in facts.paths.items():
        if isinstance(state, Unseen) or not state.type:
            continue
        if path in whys:
            value, why = whys[path]
            yield Proposal(("filesystem", path), value, why)
        elif "/ld-linux" in path:
            yield Proposal(
                ("filesystem", path), "present", "programs built for glibc, such as downloads, start by it"
            )


def _isolation() -> Iterator[Proposal]:
    for field, value, why, level in (
        ("docker_socket", "absent", "the host's socket is root on the host", Level.MINIMAL),
        ("docker_daemon", "absent", "a job that builds images needs a daemon of its own", Level.USUAL),
        ("privileged", False, "a privileged container is no container", Level.USUAL),
        ("capabilities", {"forbid": ["ALL"]}, "builds need none", Level.USUAL),
        ("no_new_privileges", True, "set-ID programs then gain nothing", Level.USUAL),
        ("seccomp", "filtered", "the kernel refuses what builds never call", Level.USUAL),
        ("mount", "denied", "a mount could hide files from later steps", Level.ALL),
        ("unshare", "denied", "namespaces widen what a job reaches in the kernel", Level.ALL),
    ):
        yield Proposal(("isolation", field), value, why, level)


def _process(facts: Facts) -> Iterator[Proposal]:
    process = facts.process
    if not isinstance(process.directory, Unseen):
        yield Proposal(("process", "working_directory"), process.directory.path, "a checkout lands there")
    if isinstance(process.umask, int):
        yield Proposal(
            ("process", "umask"), f"{process.umask:04o}", "the mode of new files follows it", Level.ALL
        )
    if not isinstance(process.shared_memory, Unseen) and process.shared_memory.size:
        yield Proposal(
            ("process", "shm"), "64Mi", "browsers and databases keep shared memory there", Level.ALL
        )


def _search_path() -> Iterator[Proposal]:
    for rule, why in (
        ("relative", "a checkout could replace any tool"),
        ("writable_by_others", "anyone could replace any tool"),
        ("writable_by_job", "a step could replace the tools of later ones"),
    ):
        yield Proposal(("search_path", rule), "never", why)


def _privileges(facts: Facts) -> Iterator[Proposal]:
    seen = facts.privileges
    if isinstance(seen.set_id, dict):
        yield Proposal(
            ("privileges", "set_id"),
            sorted(seen.set_id),
            "no other program runs with rights that jobs lack",
            Level.ALL,
        )
    if isinstance(seen.file_capabilities, list):
        yield Proposal(
            ("privileges", "file_capabilities"),
            seen.file_capabilities,
            "the same, by capabilities",
            Level.ALL,
        )
    yield Proposal(("privileges", "sudo"), "absent", "with sudo a job is root")


def _packages(facts: Facts) -> Iterator[Proposal]:
    if isinstance(facts.packages, PackageFacts):
        for name, installed in facts.packages.packages.items():
            if installed:
                yield Proposal(("packages", name), "present", "installed", Level.ALL)
        if not facts.packages.packages.get("openssh-server"):
            yield Proposal(
                ("packages", "openssh-server"), "absent", "a way into the runner from outside", Level.ALL
            )


def _accounts(facts: Facts) -> Iterator[Proposal]:
    if isinstance(facts.accounts, AccountFacts):
        for name, group in facts.accounts.groups.items():
            if group is not None:
                yield Proposal(
                    ("accounts", "groups", name),
                    {"members": []},
                    "its members may change the system",
                    Level.ALL,
                )


def _secrets(facts: Facts) -> Iterator[Proposal]:
    yield Proposal(
        ("secrets", "environment"),
        "none",
        "everybody who may pull the image, or run a job, reads it",
        Level.MINIMAL,
    )
    if isinstance(facts.image, ImageFacts):
        yield Proposal(("secrets", "labels"), "none", "the same")
        yield Proposal(("secrets", "history"), "none", "the same: build arguments stay there")
    if not isinstance(facts.secret_files, Unseen):
        yield Proposal(
            ("secrets", "files"), list(SECRET_FOLDERS), "a file that a later layer removes is not searched"
        )


def _rest(facts: Facts) -> Iterator[Proposal]:
    if not isinstance(facts.ca_bundle, Unseen) and facts.ca_bundle.certificates:
        # Authorities come and go with every release.
        at_least = max(1, facts.ca_bundle.certificates // 2)
        yield Proposal(("trust", "certificates"), at_least, "without authorities, no download is trusted")
    if not isinstance(facts.env, Unseen):
        env = facts.env
        locale = next((env[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if env.get(name)), "C.UTF-8")
        yield Proposal(("localization", "locale"), locale, "tools read and write text by it")
    if isinstance(facts.time_zone, str):
        yield Proposal(("localization", "time_zone"), "UTC", "times in logs and artifacts compare", Level.ALL)
    yield Proposal(("ports", "others"), "absent", "what listens is a way into the job", Level.ALL)
    for name, setting in facts.nix_settings.items():
        if not isinstance(setting, Unseen) and setting.value is not None:
            yield Proposal(
                ("nix", "settings", name), setting.value.split(), "builds by Nix depend on it", Level.ALL
            )
