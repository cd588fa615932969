"""Judges promises about how a job starts and about the shells of its steps."""

from __future__ import annotations

from typing import assert_never

from builder_contracts.contract.promises.job import JobPromise, JobStart, StepShell
from builder_contracts.facts.model import NOT_ASKED, Facts, StepFacts, Unseen
from builder_contracts.judge.explanation import RUNNER_LOST, Explanation
from builder_contracts.judge.step_differences import definer, hidden_tools, inspect_path, origin
from builder_contracts.judge.unproven import unproven_because
from builder_contracts.redaction import hide_forms
from builder_contracts.verdict import Assessment, broken, kept, unproven

# A shell keeps its own books in these.
_BOOKKEEPING = {"_", "LINENO", "OLDPWD", "PWD", "SHLVL"}

_START_CAUSE = "the start itself fails; run the image by hand in the same way"


def judge(promise: JobPromise, facts: Facts) -> Assessment:
    match promise:
        case JobStart():
            return _start(facts)
        case StepShell():
            return _shell(promise, facts)
        case _:
            assert_never(promise)


def _start(facts: Facts) -> Assessment:
    start = facts.start
    if isinstance(start, Unseen):
        return unproven_because(start, ".start")
    if start.started:
        return kept(f"started: {start.way or 'by its own command'}", inspect=".start")
    if start.hopeless:
        return broken(f"no job of this class can run: {start.output}", _START_CAUSE, inspect=".start")
    return unproven(f"the job did not start: {start.output}", inspect=".start")


def _shell(promise: StepShell, facts: Facts) -> Assessment:
    shell = promise.shell
    inspect = inspect_path(shell)
    step = facts.steps.get(shell, NOT_ASKED)
    if isinstance(step, Unseen):
        return unproven_because(step, inspect)
    if step.failure:
        return broken(
            step.failure,
            f"the image lacks '{shell.split()[0]}', or a startup file of the shell fails",
            inspect=inspect,
        )
    if isinstance(facts.env, Unseen):
        return unproven_because(facts.env, inspect)
    changed = _changed_variables(facts.env, step)
    if changed:
        first = "PATH" if "PATH" in changed else changed[0]
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        value = (
            f"; PATH is {hide_forms(step.env.get('PATH', '(not set)'))[:200]!r}" if first == "PATH" else ""
        )
        return broken(
            f"differs in '{shell}': {', '.join(changed[:3])}{more}{value}",
            f"{origin(shell, step, first)} changes it for steps",
            inspect=inspect,
        )
    if " -e" in shell and step.options and "e" not in step.options:
        return broken(
            f"a command that fails does not end a step in '{shell}'",
            f"{origin(shell, step)} turns the option -e off",
            inspect=inspect_path(shell, "options"),
        )
    if hidden := hidden_tools(step):
        listed = ", ".join(f"{name} is {kind}" for name, kind in sorted(hidden.items())[:3])
        return broken(
            f"differs in '{shell}': {listed}",
            f"{definer(facts, shell, step, min(hidden))} defines it for steps",
            inspect=inspect,
        )
    return kept(
        f"{len(step.env)} variables and {len(step.tools)} tools as in the job itself",
        inspect=inspect,
    )


def _changed_variables(env: dict[str, str], step: StepFacts) -> list[str]:
    return sorted(
        name
        for name in env.keys() | step.env.keys()
        # A shell drops names that it cannot write.
        if name.isidentifier() and name not in _BOOKKEEPING and env.get(name) != step.env.get(name)
    )


def explain(promise: JobPromise) -> Explanation:
    match promise:
        case JobStart():
            return Explanation(
                how="The run starts the image in this way. The container must keep running, and with ENTRYPOINT the "
                "job's command must run. User, directory and variables of that process are what other clauses judge.",
                unproven=f"{RUNNER_LOST} for a reason outside of the image; or on a real runner, which was started "
                "before (skipped).",
                why="An entry point that fails, or that never runs the job's command, leaves every job of the class waiting.",
                breaks="An ENTRYPOINT line in the image or its base, a command that the image lacks, or a USER without "
                "an entry in /etc/passwd.",
                fix="Run the image with 'docker run' in the same way, and fix what it prints.",
            )
        case StepShell():
            return Explanation(
                how="The shell starts as the forge starts it and lists its variables and where it finds each tool of the "
                "contract; both must equal those of the job itself. No alias and no function may stand for a tool, and -e must "
                "still be on.",
                unproven=f"{RUNNER_LOST}; or the shell did not complete.",
                why="Steps run in shells, and a startup file (BASH_ENV, /etc/profile.d) can give them another PATH than "
                "the image has.",
                breaks="A file named by BASH_ENV, or a file in /etc/profile.d that sets variables or PATH.",
                fix="Set the variable with ENV in the image, and remove it from the startup file.",
            )
        case _:
            assert_never(promise)
