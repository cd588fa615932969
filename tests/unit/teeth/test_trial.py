"""The trial of a clause: red, kept with a reason or without one, and not answered."""

from __future__ import annotations

from dataclasses import replace

import pytest

from builder_contracts.contract.promises import JobCommand, Promise
from builder_contracts.contract.promises.declarations import Label
from builder_contracts.contract.promises.identity import NotRoot, Uid
from builder_contracts.contract.promises.image import ImageReference
from builder_contracts.contract.promises.isolation import Seccomp
from builder_contracts.contract.promises.privileges import SetIdFiles
from builder_contracts.contract.promises.publication import NoSecrets
from builder_contracts.contract.promises.toolchain import Tool
from builder_contracts.contract.version_ranges import VersionRange
from builder_contracts.facts.model import (
    CommandFacts,
    Facts,
    FeatureFacts,
    IsolationFacts,
    PrivilegeFacts,
    ToolFacts,
    WorkFacts,
)
from builder_contracts.judge.witnesses import WeighedAssessment
from builder_contracts.observe.asked_words import digests
from builder_contracts.teeth import report
from builder_contracts.teeth.contrary_facts import contrary_facts
from builder_contracts.teeth.trial import Reaction, Trial, try_clause
from builder_contracts.tools.work import ToolWork, WorkStep
from builder_contracts.verdict import kept
from tests.unit.judge.observed import facts
from tests.unit.teeth.clauses import clause_of

GIT = Tool("git", version=VersionRange(">=2.30,<3"))
SEEN = facts(tools={"git": ToolFacts("/usr/bin/git", 0, "git version 2.39.5")}, asked=digests([GIT]))


def keep_everything(promise: Promise, facts: Facts) -> WeighedAssessment:
    """A judge without teeth."""
    return WeighedAssessment(kept("it looks fine"), facts)


def test_a_false_promise_is_red() -> None:
    tried = try_clause(clause_of(GIT), SEEN)
    assert tried.trials == (
        Trial("absent", Reaction.RED),
        Trial("version <2.30", Reaction.RED),
        Trial("version >=3", Reaction.RED),
    )


def test_a_judge_that_keeps_everything_is_caught() -> None:
    tried = try_clause(clause_of(GIT), SEEN, keep_everything)
    assert (tried.count(Reaction.RED), tried.stayed_kept) == (0, 3)
    text = "\n".join(report.lines("sample", "", [tried]))
    assert text.count("STAYED KEPT") == 4
    assert "kind/name  red 0 of 3" in text


def test_an_unused_allowance_is_a_reason() -> None:
    seen = facts(privileges=PrivilegeFacts(set_id={"/bin/su": 0o4755}), asked=[])
    tried = try_clause(clause_of(SetIdFiles(("/bin/su", "/bin/ping"))), seen)
    assert tried.stayed_kept == 0
    assert tried.trials == (
        Trial("without /bin/ping", Reaction.KEPT, "/bin/ping is allowed, and not in use"),
        Trial("without /bin/su", Reaction.RED),
        Trial("were it so: a file more", Reaction.RED),
    )


def test_another_question_is_not_answered() -> None:
    promise = ImageReference("sample")
    trial, _ = try_clause(clause_of(promise), replace(SEEN, asked=digests([promise]))).trials
    assert trial == Trial("another image", Reaction.UNANSWERED, "the facts are answers to other words")


@pytest.mark.parametrize(
    "change",
    [
        replace(GIT, version_command=("version",)),
        replace(GIT, features=(("lfs", ("lfs", "--version")),)),
    ],
)
def test_facts_of_other_words_judge_nothing(change: Tool) -> None:
    tried = try_clause(clause_of(change), SEEN)
    assert tried.trials == ()
    assert "answers to other words" in tried.reason


def test_the_words_of_a_command_are_all_of_it() -> None:
    command = JobCommand("sum", ("sh", "-c", "a"))
    others = [
        replace(command, arguments=("sh", "-ca")),
        replace(command, stdin=""),
        replace(command, environment=(("a", "b"),)),
        replace(command, within=11),
    ]
    assert len({digests([promise])[0] for promise in (command, *others)}) == 5
    assert digests([replace(command, status=3)]) == digests([command])


def test_no_secret_of_a_command_stands_in_facts() -> None:
    command = JobCommand("login", ("login",), stdin="a-secret-word")
    assert "a-secret-word" not in str(digests([command]))


@pytest.mark.parametrize(
    ("promise", "reason"),
    [
        (Label("nix"), "declared: nothing checks it"),
        (NoSecrets(), "shown by doing"),
        (Uid(7), "broken on these facts: uid 1001"),
        (JobCommand("x", ("x",)), "answers to other words"),
    ],
)
def test_a_clause_without_mutants_says_why(promise: Promise, reason: str) -> None:
    tried = try_clause(clause_of(promise), SEEN)
    assert tried.trials == ()
    assert reason in tried.reason


def test_facts_change_where_no_promise_can_be_the_contrary() -> None:
    tried = try_clause(clause_of(NotRoot()), SEEN)
    assert tried.trials == (Trial("were it so: uid 0", Reaction.RED),)
    assert try_clause(clause_of(NotRoot()), SEEN, keep_everything).stayed_kept == 1


def test_what_was_not_seen_is_not_changed() -> None:
    assert list(contrary_facts(SetIdFiles(()), facts())) == []


def test_a_feature_and_work_that_fail_are_red() -> None:
    lfs = replace(GIT, features=(("lfs", ("lfs",)),), work=ToolWork((WorkStep(("init",)),)))
    tool = ToolFacts(
        "/usr/bin/git", 0, "git version 2.39.5", WorkFacts(1, 0, ""), {"lfs": FeatureFacts(0, "")}
    )
    tried = try_clause(clause_of(lfs), facts(tools={"git": tool}, asked=digests([lfs])))
    assert {"were it so: its work fails", "were it so: lfs fails"} <= {trial.change for trial in tried.trials}
    assert tried.count(Reaction.RED) == len(tried.trials)


def test_what_the_run_set_itself_is_named() -> None:
    tried = try_clause(clause_of(Seccomp(True)), facts(isolation=IsolationFacts(seccomp=2), asked=[]))
    assert tried.count(Reaction.RED) == 1
    assert "red 1 of 1  (set by this run)" in "\n".join(report.lines("sample", "", [tried]))


def test_totals_add_up() -> None:
    command = JobCommand("x", ("x",))
    seen = replace(
        SEEN, commands={"x": CommandFacts(0, "")}, asked=digests([GIT, command, ImageReference("sample")])
    )
    promises = (GIT, command, ImageReference("sample"), NotRoot())
    totals = report.data("sample", "", [try_clause(clause_of(promise), seen) for promise in promises])[
        "totals"
    ]
    assert totals == {
        "clauses": 4,
        "clauses_with_red": 4,
        "mutants": 7,
        "red": 6,
        "stayed_kept": 0,
        "kept_for_a_reason": 0,
        "not_answered": 1,
    }
