"""Two witnesses of one fact: what they establish together, and when one alone does."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from builder_contracts.contract.promises import Promise
from builder_contracts.contract.promises.accounts import UserAccount
from builder_contracts.contract.promises.commands import JobCommand
from builder_contracts.contract.promises.daemon import DaemonListens, DaemonMtu
from builder_contracts.contract.promises.declarations import Label
from builder_contracts.contract.promises.environment import EnvironmentVariable, ForbiddenValue
from builder_contracts.contract.promises.filesystem import PathState
from builder_contracts.contract.promises.identity import Gid, Groups, Home, NotRoot, Shell, Uid, User
from builder_contracts.contract.promises.image import ImageReference
from builder_contracts.contract.promises.isolation import DockerSocket, Privileged
from builder_contracts.contract.promises.job import JobStart, StartWay
from builder_contracts.contract.promises.localization import TimeZone
from builder_contracts.contract.promises.nix import NixSetting
from builder_contracts.contract.promises.packages import PackagePromise
from builder_contracts.contract.promises.ports import OtherPorts
from builder_contracts.contract.promises.privileges import SetIdFiles
from builder_contracts.contract.promises.process import Bounds, Sysctl, Umask
from builder_contracts.contract.promises.processes import RunningProcess
from builder_contracts.contract.promises.toolchain import Tool
from builder_contracts.contract.version_ranges import VersionRange
from builder_contracts.errors import ExitCode
from builder_contracts.facts.model import (
    CONTRADICTION,
    NOT_ASKED,
    Facts,
    InstalledPackage,
    IsolationFacts,
    PackageFacts,
    PathFacts,
    ShellFacts,
    StepFacts,
    ToolFacts,
    Unseen,
    UserFacts,
)
from builder_contracts.judge.witnesses import shows_outside
from builder_contracts.reporting.tally import summarize
from builder_contracts.reporting.terminal import format_line, format_verdict
from builder_contracts.run.exit_status import exit_code
from builder_contracts.tools.work import ToolWork, WorkStep
from builder_contracts.verdict import Outcome, Verdict
from tests.unit.judge.observed import LOST, RUNNER, facts
from tests.unit.judge.test_verdicts import clause
from tests.unit.judge.test_verdicts import verdict as sample_verdict

KEPT, BROKEN, UNPROVEN = Outcome.KEPT, Outcome.BROKEN, Outcome.UNPROVEN
SILENT = Unseen("the observation did not complete: outside witness exited with status 1")
ONLY_INSIDE = Unseen("not visible from outside the runner", provable_here=False)


def user(uid: int) -> UserFacts:
    return UserFacts(uid, uid, "runner", "/home/runner", home_exists=True, home_writable=True)


NOBODY = UserFacts(1001, 0, "", "/", home_exists=True, home_writable=False)


def path(mode: int, free: int = 9) -> dict[str, PathFacts]:
    return {"/nix": PathFacts("directory", mode=mode, free=free, owner="runner")}


def verdict(promise: Promise, inside: Facts, outside: Facts | Unseen) -> Verdict:
    return sample_verdict(clause(promise), replace(inside, outside=outside))


UID = Uid(1001)
NIX = PathState("/nix", mode=0o755)
SOCKET = DockerSocket(present=False)
GIT = Tool("git")
ANY_SOCKET = DockerSocket(present=True)
SSH_ALONE = OtherPorts(frozenset({"22/tcp"}))
TEN = ForbiddenValue("ten", re.compile("10"))


@pytest.mark.parametrize(
    ("promise", "inside", "outside", "outcome", "one_witness"),
    [
        (UID, {"identity": user(1001)}, {"identity": user(1001)}, KEPT, False),
        (UID, {"identity": user(1001)}, {"identity": user(0)}, BROKEN, False),
        (UID, {"identity": user(0)}, {"identity": user(0)}, BROKEN, False),
        (UID, {"identity": user(0)}, {"identity": user(1001)}, UNPROVEN, False),
        (UID, {"identity": user(1001)}, {"identity": SILENT}, KEPT, True),
        (UID, {"identity": user(0)}, {"identity": SILENT}, BROKEN, True),
        (UID, {"identity": LOST}, {"identity": user(1001)}, KEPT, True),
        (UID, {"identity": LOST}, {"identity": user(0)}, BROKEN, True),
        (UID, {"identity": LOST}, {"identity": SILENT}, UNPROVEN, False),
        # The name is unknown outside, and belongs to a uid that is not the process's.
        (
            User("runner"),
            {"identity": user(1001)},
            {"identity": replace(user(0), user=Unseen("no entry"))},
            UNPROVEN,
            False,
        ),
        (
            User("runner"),
            {"identity": user(1001)},
            {"identity": replace(user(1001), user=Unseen("no entry"))},
            KEPT,
            True,
        ),
        # The engine's own home of a user without an entry explains itself, and no lie of the inside.
        (Home("/home/runner"), {"identity": NOBODY}, {"identity": NOBODY}, UNPROVEN, False),
        (Home("/home/runner"), {"identity": user(1001)}, {"identity": NOBODY}, BROKEN, False),
        # Both keep the promise, and cannot both be right.
        (NotRoot(), {"identity": user(1001)}, {"identity": user(1002)}, UNPROVEN, False),
        (NIX, {"paths": path(0o755)}, {"paths": path(0o755, free=8)}, KEPT, False),
        (NIX, {"paths": path(0o755)}, {"paths": path(0o777)}, BROKEN, False),
        (GIT, {"tools": {"git": ToolFacts("/bin/git")}}, {"tools": {"git": ToolFacts(None)}}, BROKEN, False),
        (
            GIT,
            {"tools": {"git": ToolFacts("/bin/git")}},
            {"tools": {"git": ToolFacts("/usr/bin/git")}},
            UNPROVEN,
            False,
        ),
        (
            SOCKET,
            {"isolation": IsolationFacts(sockets=[])},
            {"isolation": IsolationFacts(sockets=["/mnt/engine.sock"])},
            BROKEN,
            False,
        ),
        # Outside, more may be seen, and not less.
        (
            ANY_SOCKET,
            {"isolation": IsolationFacts(sockets=["/a"])},
            {"isolation": IsolationFacts(sockets=["/b", "/a"])},
            KEPT,
            False,
        ),
        (
            ANY_SOCKET,
            {"isolation": IsolationFacts(sockets=["/a", "/b"])},
            {"isolation": IsolationFacts(sockets=["/a"])},
            UNPROVEN,
            False,
        ),
        (SSH_ALONE, {"ports": {"22/tcp": ["::"]}}, {"ports": {"22/tcp": ["::"], "22/udp": []}}, KEPT, False),
        (SSH_ALONE, {"ports": {"22/tcp": ["::"]}}, {"ports": {"22/tcp": ["127.0.0.1"]}}, UNPROVEN, False),
        # A value that a shell changes is not the one that the kernel gave it.
        (TEN, {"env": {"SHLVL": "1"}}, {"env": {"SHLVL": "2"}}, KEPT, False),
        # Each shell adds variables of its own.
        (TEN, {"env": {"A": "1", "PWD": "/"}}, {"env": {"A": "1"}}, KEPT, False),
        # Only a run shows that a shell works: nothing outside is missing.
        (
            Shell("/bin/sh"),
            {"shells": {"/bin/sh": ShellFacts(True)}},
            {"shells": {"/bin/sh": ONLY_INSIDE}},
            KEPT,
            False,
        ),
        (
            Shell("/bin/sh"),
            {"shells": {"/bin/sh": ShellFacts(True)}},
            {"shells": {"/bin/sh": ShellFacts(False, "missing")}},
            BROKEN,
            False,
        ),
        # A witness that contradicts itself is not replaced by another.
        (
            UID,
            {"identity": Unseen(f"{CONTRADICTION}: 1001 and 0")},
            {"identity": user(1001)},
            UNPROVEN,
            False,
        ),
    ],
)
def test_two_witnesses_are_weighed(
    promise: Promise, inside: dict[str, Any], outside: dict[str, Any], outcome: Outcome, one_witness: bool
) -> None:
    result = verdict(promise, facts(**inside), facts(**outside))

    assert result.outcome is outcome, result
    assert result.one_witness is one_witness


def test_outside_that_disproves_shows_both_and_its_own_fact() -> None:
    result = verdict(UID, facts(identity=user(1001)), facts(identity=user(0)))

    assert result.observation == "uid 0"
    assert result.observed == 0
    assert result.witnesses == ("probe: uid 1001", "kernel: uid 0")
    assert "do not trust" in result.cause
    assert ".outside.identity.uid" in result.inspect
    assert "witness         kernel: uid 0" in format_verdict(result)


def test_disagreement_shows_both_values() -> None:
    result = verdict(NotRoot(), facts(identity=user(1001)), facts(identity=user(1002)))

    assert result.observation == "the witnesses disagree: probe: uid 1001; kernel: uid 1002"
    assert result.witnesses == ("probe: uid 1001", "kernel: uid 1002")
    assert ".identity.uid" in result.inspect


@pytest.mark.parametrize(
    ("promise", "inside", "outside", "witnesses"),
    [
        (UID, {"identity": user(1001)}, {"identity": user(1001)}, ("probe: uid 1001", "kernel: uid 1001")),
        (UID, {"identity": user(1001)}, {"identity": SILENT}, ("probe: uid 1001", f"kernel: no result: {SILENT.reason}")),
        (UID, {"identity": LOST}, {"identity": user(1001)}, (f"probe: no result: {LOST.reason}", "kernel: uid 1001")),
        (UID, {"identity": Unseen(f"{CONTRADICTION}: 1 and 0")}, {"identity": user(1001)}, ("kernel: uid 1001",)),
        (
            User("runner"),
            {"identity": user(1001)},
            {"identity": replace(user(0), user=Unseen("no entry"))},
            ("probe: user runner", "kernel: no entry"),
        ),
        (Shell("/bin/sh"), {"shells": {"/bin/sh": ShellFacts(True)}}, {"shells": {}}, ("probe: /bin/sh ran and computed 40 + 2",)),
        (TimeZone("UTC"), {"time_zone": "UTC"}, {"time_zone": "UTC"}, ("probe: time zone UTC",)),
        (Privileged(False), {"isolation": IsolationFacts(privileged=True)}, {"isolation": IsolationFacts(privileged=True)}, ("engine: privileged", "kernel: privileged")),
        (Label("x"), {}, {}, ()),
    ],
)  # fmt: skip
def test_a_verdict_names_the_witnesses(
    promise: Promise, inside: dict[str, Any], outside: dict[str, Any], witnesses: tuple[str, ...]
) -> None:
    assert verdict(promise, facts(**inside), facts(**outside)).witnesses == witnesses


@pytest.mark.parametrize(
    ("kind", "name"), [("docker", "engine"), ("kubernetes", "Kubernetes API"), ("local", "probe")]
)
def test_the_witness_of_an_image_has_its_name(kind: str, name: str) -> None:
    seen = verdict(ImageReference("sample"), facts(runner=replace(RUNNER, kind=kind)), NOT_ASKED)
    assert seen.witnesses == (f"{name}: {seen.observation}",)


def test_the_engine_is_the_witness_of_its_image() -> None:
    seen = verdict(ImageReference("sample"), facts(), NOT_ASKED)
    assert seen.witnesses == (f"engine: {seen.observation}",)
    assert verdict(ImageReference("sample"), facts(runner=LOST), NOT_ASKED).witnesses == (
        f"probe: {seen.observation}",
    )


def test_one_witness_is_marked_counted_and_strict() -> None:
    alone = verdict(UID, facts(identity=user(1001)), facts(identity=SILENT))
    both = verdict(UID, facts(identity=user(1001)), facts(identity=user(1001)))

    assert "(one witness)" in format_line(alone)
    assert "(one witness)" not in format_line(both)
    assert summarize([alone, both])[0].numbers[0] == "  2 kept (2 observed; 1 by one witness)"
    assert exit_code([alone], strict=True) is ExitCode.UNPROVEN
    assert exit_code([alone], strict=False) is ExitCode.KEPT
    assert exit_code([both], strict=True) is ExitCode.KEPT


def test_runner_without_outside_witness_is_not_marked() -> None:
    result = verdict(UID, facts(identity=user(1001)), NOT_ASKED)

    assert (result.outcome, result.one_witness) == (KEPT, False)
    assert result.witnesses == ("probe: uid 1001",)


@pytest.mark.parametrize(
    "promise",
    [
        Gid(1001),
        PathState("/x"),
        PathState("/x", present=False),
        GIT,
        Tool("git", version=VersionRange(">=2"), present=False),
        Umask(0o022),
        DaemonListens(2375),
        OtherPorts(frozenset()),
        PackagePromise("x"),
        UserAccount("x"),
        RunningProcess("x"),
    ],
)
def test_promise_that_both_witnesses_show(promise: Promise) -> None:
    assert shows_outside(promise)


@pytest.mark.parametrize(
    "promise",
    [
        Groups((), ("docker",)),
        JobStart(StartWay.IMAGE),
        JobCommand("x", ("true",)),
        PathState("/x", executable=True),
        Tool("git", version=VersionRange(">=2")),
        Tool("git", work=ToolWork((WorkStep(("-c",)),), "text")),
        Tool("git", features=(("flakes", ("eval",)),)),
        SetIdFiles(()),
        TimeZone("UTC"),
        Sysctl("kernel.pid_max", "1", Bounds()),
        NixSetting("sandbox", ("true",)),
        DaemonMtu(1500),
    ],
)
def test_promise_that_only_the_inside_shows(promise: Promise) -> None:
    assert not shows_outside(promise)


@pytest.mark.parametrize(("manager", "alone"), [("dpkg", True), ("rpm", False)])
def test_database_of_rpm_has_one_witness_that_is_possible(manager: str, alone: bool) -> None:
    packages = PackageFacts(manager, {"x": [InstalledPackage("1")]})
    seen = verdict(PackagePromise("x"), facts(packages=packages), facts(packages=ONLY_INSIDE))
    assert (seen.outcome, seen.one_witness) == (KEPT, alone)


def test_what_a_step_changes_counts_for_both_witnesses() -> None:
    promise = EnvironmentVariable("DOCKER_HOST", present=False)
    steps = {"bash -e": StepFacts({"DOCKER_HOST": "tcp://x:1"})}

    seen = verdict(promise, facts(env={}, steps=steps), facts(env={}))

    assert seen.outcome is BROKEN
    assert "in 'bash -e'" in seen.observation
    assert not seen.one_witness
