"""The summary of a session."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

from builder_contracts.evidence.record import to_properties
from builder_contracts.evidence.tally import SummaryLine, Tally
from builder_contracts.verdict import Outcome, Rung, Verdict


@dataclass
class Report:
    when: str = "call"
    outcome: str = "passed"
    user_properties: list[tuple[str, object]] = field(default_factory=list)


def verdict(clause: str, outcome: Outcome, rung: Rung | None = None, seen: str = "seen") -> Verdict:
    return Verdict(clause, outcome, rung, "promised", seen, "x.yaml:1")


def tally(*verdicts: Verdict) -> Tally:
    counted = Tally()
    for each in verdicts:
        phase = "setup" if each.outcome in (Outcome.UNPROVEN, Outcome.WAIVED) else "call"
        status = {Outcome.KEPT: "passed", Outcome.BROKEN: "failed"}.get(each.outcome, "skipped")
        counted.pytest_runtest_logreport(Report(phase, status, [*to_properties(each)]))
    return counted


def test_each_class_has_a_line_with_its_counts_and_rungs() -> None:
    lines = list(
        tally(
            verdict("nix/labels/nix", Outcome.KEPT, Rung.DECLARED),
            verdict("nix/toolchain/xz", Outcome.KEPT, Rung.OBSERVED),
            verdict("nix/toolchain/jq", Outcome.KEPT, Rung.OBSERVED),
            verdict("docker/toolchain/jq", Outcome.BROKEN, Rung.OBSERVED),
        ).lines()
    )
    assert lines == [
        SummaryLine("nix        3 kept (1 declared, 2 observed)   0 broken   0 unproven", "green"),
        SummaryLine("docker     0 kept   1 broken   0 unproven", "red"),
    ]


def test_unproven_is_never_green_and_is_told_with_its_reason() -> None:
    (line,) = tally(
        verdict("nix/toolchain/xz", Outcome.KEPT, Rung.OBSERVED),
        verdict("nix/resources/cpu-limit", Outcome.UNPROVEN, seen="the host has 2 CPUs"),
    ).lines()
    assert line.colour == "yellow"
    assert "1 unproven" in line.text
    assert "unproven  resources/cpu-limit: the host has 2 CPUs" in line.text


def test_a_cause_is_told_with_the_first_clause_that_it_takes_along() -> None:
    # Of two contracts outside of pytest's root the items have the same node ids.
    nix, dind = (
        Report("setup", "failed", [*to_properties(verdict(clause, Outcome.UNPROVEN, seen="no engine"))])
        for clause in ("nix/toolchain/xz", "dind/toolchain/xz")
    )
    counted = Tally()
    assert [counted.told_before(report) for report in (nix, dind, nix)] == [False, True, False]


def test_one_cause_is_one_line_however_many_clauses_it_takes_along() -> None:
    (line,) = tally(
        *(verdict(f"nix/toolchain/{n}", Outcome.UNPROVEN, seen="no engine\x1b[31m") for n in range(40))
    ).lines()
    assert line.text.count("\n") == 1
    assert "40 clauses, toolchain/0 and others: no engine\\x1b[31m" in line.text


def test_a_cause_of_few_clauses_names_each_of_them() -> None:
    (line,) = tally(
        *(verdict(f"nix/toolchain/{n}", Outcome.UNPROVEN, seen="no getent") for n in "abc")
    ).lines()
    assert "unproven  toolchain/a, toolchain/b, toolchain/c: no getent" in line.text


def test_a_waived_promise_is_neither_kept_nor_green() -> None:
    (line,) = tally(verdict("nix/toolchain/xz", Outcome.WAIVED, Rung.OBSERVED)).lines()
    assert line.colour == "yellow"
    assert "  0 kept" in line.text
    assert "1 waived" in line.text


def test_the_image_is_named() -> None:
    kept = dataclasses.replace(
        verdict("nix/toolchain/xz", Outcome.KEPT), image="sample", image_digest="sha256:" + "a" * 64
    )
    assert next(tally(kept).lines()).text.endswith("sample@sha256:aaaaaaaaaaaa")


def test_an_item_counts_once_at_the_phase_that_decides() -> None:
    counted = Tally()
    properties: list[tuple[str, object]] = [*to_properties(verdict("nix/toolchain/xz", Outcome.KEPT))]
    for when in ("setup", "call", "teardown"):
        counted.pytest_runtest_logreport(Report(when, "passed", properties))
    counted.pytest_runtest_logreport(Report("call", "passed", [("other", "test")]))
    assert counted.count(Outcome.KEPT) == len(counted.verdicts) == 1


def test_nothing_judged_is_no_summary() -> None:
    assert list(Tally().lines()) == []
