"""Judging the build of a canary: its cost, what was built, and what left the builder."""

from __future__ import annotations

import dataclasses
import tarfile
from pathlib import Path

import pytest

from builder_contracts.prove.canary.definition import Canary, CanaryBudget
from builder_contracts.prove.canary.judge import check_completeness, judge_artifacts, judge_builds, judge_runs
from builder_contracts.prove.canary.record import CanaryProducts
from builder_contracts.prove.check_result import CheckResult, judge_check
from builder_contracts.prove.unavailable import Unavailable
from builder_contracts.runner.protocol import CompletedCommand
from builder_contracts.verdict import Measurement, Outcome

CANARY = Canary(
    "flake", Path("/canaries/flake"), "nix", ("tinyland-nix",), ("nix", "build"), "nonce.txt", ("out",),
    CanaryBudget(60.0, 2**30, 2**30), run=("out/bin/hello",), says="hello NONCE",
)  # fmt: skip
GOOD = CanaryProducts(1.5, 2**20, 2**20, {"out/a": b"words"}, CompletedCommand(0, b"hello 42\n", b""), "42")
BUILDERS = ("/nix/store",)


def products(**changes: object) -> CanaryProducts:
    return dataclasses.replace(GOOD, **changes)  # type: ignore[arg-type]


def outcome(result: CheckResult | Unavailable) -> Outcome:
    return judge_check(result)[0].outcome


def observed(result: CheckResult | Unavailable) -> str:
    return judge_check(result)[0].observation


def test_good_build_keeps_everything() -> None:
    assert outcome(judge_builds(CANARY, GOOD, 0, "")) is Outcome.KEPT
    assert outcome(judge_runs(CANARY, GOOD)) is Outcome.KEPT
    assert outcome(judge_artifacts(CANARY, GOOD, BUILDERS)) is Outcome.KEPT


BUILDS: dict[str, tuple[CanaryProducts | Unavailable, int | None, str, Outcome, str]] = {
    "fails": (GOOD, 1, "status 1: error", Outcome.BROKEN, "the build exited with status 1: status 1: error"),
    "exceeds its budget in the engine": (GOOD, None, "no end within 60 s: CC a.o", Outcome.BROKEN, "no end within 60 s"),
    "exceeds its budget in the reworded engine": (GOOD, None, "no exit within 60 s", Outcome.BROKEN, "no exit within 60 s"),
    "exceeds its budget on this host": (GOOD, None, "env did not end within 60 s", Outcome.BROKEN, "did not end within 60 s"),
    "exceeds its budget on a busy host": (products(others=0.6), None, "no exit within 60 s", Outcome.UNPROVEN, "other work used 60% of the host's CPU"),
    "exceeds its budget on a host that is hardly busy": (products(others=0.2), None, "no exit within 60 s", Outcome.BROKEN, "no exit within 60 s"),
    "takes too long on a busy host": (products(seconds=61.0, others=0.6), 0, "", Outcome.UNPROVEN, "61 s of time (budget 60 s), while other work used 60%"),
    "takes too much memory on a busy host": (products(memory=2**31, others=0.6), 0, "", Outcome.BROKEN, "2Gi of memory"),
    "takes too much of both on a busy host": (products(seconds=61.0, memory=2**31, others=0.6), 0, "", Outcome.BROKEN, "61 s of time"),
    "loses its engine, and has printed that memory is short": (
        GOOD, None, "the engine lost the command: gone: gcc: killed (out of memory)", Outcome.UNPROVEN, "gone",
    ),
    "is killed at the memory limit": (
        GOOD, None, "the container died with status 137 (out of memory)", Outcome.BROKEN, "(out of memory)",
    ),
    "loses its connection": (GOOD, None, "the engine lost the command: Connection aborted", Outcome.UNPROVEN, "Connection aborted"),
    "loses its engine": (GOOD, None, "the engine lost the command: 500 Server Error", Outcome.UNPROVEN, "500 Server Error"),
    "loses its container": (GOOD, None, "the container died with status 137", Outcome.UNPROVEN, "status 137"),
    "is stopped with the run": (GOOD, None, "the run was stopped", Outcome.UNPROVEN, "the run was stopped"),
    "delivers nothing": (products(undelivered="tar: out: No such file"), 0, "", Outcome.BROKEN, "succeeded, but tar: out"),
    "loses the engine afterwards": (Unavailable("copying out the artifacts: gone"), 0, "", Outcome.UNPROVEN, "copying out the artifacts"),
    "takes too long": (products(seconds=61.0), 0, "", Outcome.BROKEN, "61 s of time (budget 60 s)"),
    "takes too much memory": (products(memory=2**31), 0, "", Outcome.BROKEN, "2Gi of memory (budget 1Gi)"),
    "takes too much disk": (products(disk=2**31), 0, "", Outcome.BROKEN, "2Gi of disk (budget 1Gi)"),
    "has no measured memory": (products(memory=None), 0, "", Outcome.UNPROVEN, "its use of memory is unknown: the host does not report it"),
    "has no measured disk": (products(disk=None), 0, "", Outcome.UNPROVEN, "its use of disk is unknown: the host does not report it"),
    "has no measured disk for a reason": (products(disk=None, unmeasured="gone"), 0, "", Outcome.UNPROVEN, "its use of disk is unknown: gone"),
    "shares its memory with others": (products(memory=None, shared=True), 0, "", Outcome.KEPT, "not measured on a shared machine"),
}  # fmt: skip


@pytest.mark.parametrize("row", BUILDS)
def test_build_that(row: str) -> None:
    build, status, output, expected, text = BUILDS[row]
    result = judge_builds(CANARY, build, status, output)
    assert outcome(result) is expected
    assert text in observed(result)


def test_lost_build_gives_no_advice_about_the_budget() -> None:
    finding = judge_check(judge_builds(CANARY, GOOD, None, "the engine lost the command: gone"))[0]
    assert finding.cause == ""
    assert finding.provable_here


RUNS: dict[str, tuple[CanaryProducts | Unavailable, Outcome, str]] = {
    "prints something else": (products(ran=CompletedCommand(0, b"hello 41\n", b"")), Outcome.BROKEN, "out/bin/hello failed: status 0"),
    "fails": (products(ran=CompletedCommand(1, b"hello 42\n", b"oops")), Outcome.BROKEN, "status 1: oops"),
    "is lost": (products(ran=CompletedCommand(None, b"hello 42\n", b"", "gone")), Outcome.UNPROVEN, "did not complete: gone"),
    "times out": (products(ran=CompletedCommand(None, b"", b"", "no end within 60 s")), Outcome.UNPROVEN, "no end within 60 s"),
    "is not defined": (products(ran=None), Outcome.UNPROVEN, "has no 'run'"),
    "was not delivered": (products(undelivered="no file"), Outcome.UNPROVEN, "no file"),
    "was not built": (Unavailable("no build"), Outcome.UNPROVEN, "no build"),
}  # fmt: skip


@pytest.mark.parametrize("row", RUNS)
def test_program_that(row: str) -> None:
    build, expected, text = RUNS[row]
    result = judge_runs(CANARY, build)
    assert outcome(result) is expected
    assert text in observed(result)


def link(name: str, target: str) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = tarfile.SYMTYPE, target
    return entry


@pytest.mark.parametrize(
    ("artifacts", "text"),
    [
        ({"out/a": link("out/a", "/nix/store/x")}, "a link to /nix/store/x"),
        ({"out/a": b"see /home/runner/x"}, "contains /home/runner"),
        ({"out/a": b""}, "is empty"),
        ({}, "missing artifacts: out"),
    ],
)
def test_incomplete_artifact(artifacts: dict[str, bytes | tarfile.TarInfo], text: str) -> None:
    result = check_completeness(artifacts, ("out",), ("/home/runner",))
    assert not result.good
    assert text in result.observed


def test_complete_artifact() -> None:
    result = check_completeness({"out/a": b"words"}, ("out",), ("/home/runner",))
    assert result.good
    assert result.measures == (Measurement("artifact_bytes", 5),)


@pytest.mark.parametrize(
    ("name", "complete"), [("out", True), ("out/a", True), ("output", False), ("other/out", False)]
)
def test_artifact_is_the_path_itself_or_under_it(name: str, complete: bool) -> None:
    assert check_completeness({name: b"words"}, ("out",), ("/home/runner",)).good is complete


@pytest.mark.parametrize(
    ("build", "origin"),
    [
        (GOOD, "copied from the runner, whose cgroup peaked at 1Mi"),
        (products(shared=True), "copied from the job's directory"),
    ],
    ids=["own runner", "shared machine"],
)
def test_witness_names_the_origin_of_the_artifacts(build: CanaryProducts, origin: str) -> None:
    witnesses = judge_check(judge_builds(CANARY, build, 0, ""))[1]
    assert witnesses[1].endswith(origin)


@pytest.mark.parametrize("build", [Unavailable("no build"), products(undelivered="no file")])
def test_missing_artifacts_are_unproven(build: CanaryProducts | Unavailable) -> None:
    assert outcome(judge_artifacts(CANARY, build, BUILDERS)) is Outcome.UNPROVEN


CHECKS: dict[str, tuple[CheckResult | Unavailable | None, Outcome]] = {
    "good": (CheckResult(True, "as promised"), Outcome.KEPT),
    "bad": (CheckResult(False, "not as promised", "a cause"), Outcome.BROKEN),
    "lost": (Unavailable("the engine is gone"), Outcome.UNPROVEN),
    "not run": (None, Outcome.UNPROVEN),
}


@pytest.mark.parametrize("row", CHECKS)
def test_check_result_becomes_an_assessment(row: str) -> None:
    result, expected = CHECKS[row]
    finding, witnesses = judge_check(result)
    assert finding.outcome is expected
    assert finding.cause == ("a cause" if row == "bad" else "")
    assert witnesses == ()


def test_check_result_keeps_witnesses_and_measures() -> None:
    measure = Measurement("cold_seconds", 1.0)
    result = CheckResult(True, "as promised", "", ("client: so",), (measure,))
    finding, witnesses = judge_check(result)
    assert (finding.measurements, witnesses) == ((measure,), ("client: so",))
