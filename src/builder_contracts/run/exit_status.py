"""The table of exit codes, and the function that chooses the exit code of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from builder_contracts.errors import ExitCode
from builder_contracts.runner.interrupts import Terminated
from builder_contracts.runner.leftovers import Leftovers
from builder_contracts.verdict import Outcome, Verdict

MEANINGS: Mapping[ExitCode, str] = {
    ExitCode.KEPT: "every clause that was judged is kept or waived; for other commands: nothing is wrong",
    ExitCode.BROKEN: "a clause is broken; for 'diff': something changed; for 'select': no class fits; for 'teeth': a false promise stayed kept",
    ExitCode.UNPROVEN: "no clause is broken, but a clause provable here is unproven; with --strict, any unproven clause and any of one witness where two were possible",
    ExitCode.BAD_INPUT: "a file or an argument cannot be used; the message has file, line and fix",
    ExitCode.CANNOT_RUN: "cannot run here: no runner could be had, such as without a Docker Engine, or output cannot be "
    "written or is not read to its end; see 'doctor'",
    ExitCode.NOTHING_SELECTED: "nothing selected, or nothing to judge: no clause was kept or broken, and none is "
    "provable here",
    ExitCode.LEFT_BEHIND: "something that the run created is still there, here or in a deployment, whatever the verdicts are; "
    "standard error names it",
    ExitCode.REFUSED: "for 'verify': the evidence is not about this image, class or contract, is too old, or no given key "
    "signed it as it stands",
    ExitCode.INTERRUPTED: "interrupted; what the run had created is removed",
    ExitCode.TERMINATED: "terminated by SIGTERM or SIGHUP; what the run had created is removed",
}

SHORT: Mapping[ExitCode, str] = {
    ExitCode.KEPT: "all clauses kept",
    ExitCode.BROKEN: "a clause is broken",
    ExitCode.UNPROVEN: "none broken, but a clause provable here is unproven",
    ExitCode.BAD_INPUT: "bad input",
    ExitCode.CANNOT_RUN: "cannot run here (see doctor)",
    ExitCode.NOTHING_SELECTED: "nothing selected or nothing to judge",
    ExitCode.LEFT_BEHIND: "something that the run created is still there",
    ExitCode.REFUSED: "evidence refused",
    ExitCode.INTERRUPTED: "interrupted",
    ExitCode.TERMINATED: "terminated",
}


def fails(verdict: Verdict, *, strict: bool) -> bool:
    """Whether a verdict is a reason for a run not to end with 0."""
    unproven = verdict.outcome is Outcome.UNPROVEN and (verdict.provable_here or strict)
    return verdict.outcome is Outcome.BROKEN or unproven or (strict and verdict.one_witness)


def exit_code(verdicts: Iterable[Verdict], *, strict: bool) -> ExitCode:
    """The exit code of a run that judged these clauses: broken before unproven before kept."""
    verdicts = list(verdicts)
    if any(verdict.outcome is Outcome.BROKEN for verdict in verdicts):
        return ExitCode.BROKEN
    if any(fails(verdict, strict=strict) for verdict in verdicts):
        # Where no runner could be had, nothing was asked of the classes: this machine lacks something.
        lost = any(
            verdict.provable_here for verdict in verdicts if verdict.outcome is Outcome.UNPROVEN
        ) and not any(verdict.origin.runner for verdict in verdicts)
        return ExitCode.CANNOT_RUN if lost else ExitCode.UNPROVEN
    judged = any(verdict.outcome is not Outcome.UNPROVEN for verdict in verdicts)
    return ExitCode.KEPT if judged else ExitCode.NOTHING_SELECTED


def interrupted_by(error: BaseException | None) -> ExitCode:
    """The exit code of a run that was ended from outside."""
    return ExitCode.TERMINATED if isinstance(error, Terminated) else ExitCode.INTERRUPTED


def after_removal(code: ExitCode, leftovers: Leftovers) -> ExitCode:
    """The exit code of a run that would end with ``code``.

    What the engine refused to remove outweighs every verdict. What nobody could check outweighs only success: an
    engine that is gone has a code of its own.
    """
    fine = code in (ExitCode.KEPT, ExitCode.NOTHING_SELECTED)
    return ExitCode.LEFT_BEHIND if leftovers.refused or (leftovers.unchecked and fine) else code
