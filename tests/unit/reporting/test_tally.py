"""Counting verdicts."""

from __future__ import annotations

from dataclasses import replace

from builder_contracts.errors import Location
from builder_contracts.reporting.tally import summarize
from builder_contracts.verdict import Outcome, Rung, Verdict
from tests.unit.reporting.samples import KEPT, SAMPLE, clauses


def verdict(clause: str, outcome: Outcome, rung: Rung | None = None) -> Verdict:
    return Verdict(clause, outcome, rung, "promise", "seen", Location("x.yaml", 1))


def test_each_builder_class_has_its_counts_and_rungs() -> None:
    nix, docker = summarize(
        [
            verdict("nix/labels/nix", Outcome.KEPT, Rung.DECLARED),
            verdict("nix/toolchain/xz", Outcome.KEPT, Rung.OBSERVED),
            verdict("docker/toolchain/jq", Outcome.BROKEN, Rung.OBSERVED),
            verdict("nix/toolchain/jq", Outcome.KEPT, Rung.OBSERVED),
        ]
    )
    assert nix.numbers == ("  3 kept (1 declared, 2 observed)", "0 broken", "0 unproven")
    assert nix.worst is Outcome.KEPT
    assert docker.numbers == ("  0 kept", "1 broken", "0 unproven")
    assert docker.worst is Outcome.BROKEN


def test_what_this_run_set_is_counted_apart() -> None:
    declared = verdict("nix/labels/nix", Outcome.KEPT, Rung.DECLARED)
    set_by_run = replace(declared, clause="nix/isolation/seccomp", set_by_run=True)
    broken = replace(set_by_run, clause="nix/isolation/privileged", outcome=Outcome.BROKEN)
    (line,) = summarize([declared, set_by_run, broken])
    assert line.numbers == ("  2 kept (1 declared, 1 set by this run)", "1 broken", "0 unproven")
    assert line.set_by_run == 1


def test_rung_of_a_broken_clause_is_not_counted() -> None:
    (line,) = summarize([SAMPLE, replace(KEPT, clause="tinyland-nix/toolchain/jq")])
    assert line.rungs == {Rung.OBSERVED: 1}


def test_waived_is_neither_kept_nor_without_mention() -> None:
    (line,) = summarize(clauses(Outcome.WAIVED, ["nix/toolchain/xz"]))
    assert line.numbers == ("  0 kept", "0 broken", "0 unproven", "1 waived")
    assert line.worst is Outcome.WAIVED


def test_one_cause_is_one_reason() -> None:
    (line,) = summarize(clauses(Outcome.UNPROVEN, [f"nix/toolchain/{n}" for n in range(40)], "no engine"))
    (reason,) = line.reasons
    assert (reason.subject, reason.text) == ("40 clauses including toolchain/0", "no engine")


def test_cause_of_few_clauses_names_all_of_them() -> None:
    (line,) = summarize(clauses(Outcome.UNPROVEN, [f"nix/toolchain/{n}" for n in "abc"], "no getent"))
    assert line.reasons[0].subject == "toolchain/a, toolchain/b, toolchain/c"


def test_limit_and_failure_with_one_text_stay_apart() -> None:
    first, second = clauses(Outcome.UNPROVEN, ["nix/resources/cpu", "nix/resources/memory"])
    (line,) = summarize([first, replace(second, provable_here=False)])
    assert [reason.provable_here for reason in line.reasons] == [True, False]


def test_image_is_named_with_its_digest() -> None:
    assert summarize([KEPT])[0].image == "tinyland-nix@sha256:4f1c00000000"


def test_platform_clauses_are_counted_by_area() -> None:
    lines = summarize(clauses(Outcome.KEPT, ["platform/endpoints/ports", "platform/state/backends"]))
    assert [line.name for line in lines] == ["endpoints", "state"]


def test_nothing_judged_is_no_summary() -> None:
    assert summarize([]) == []
