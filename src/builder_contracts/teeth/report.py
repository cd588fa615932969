"""The trials of a builder class as lines of text and as plain data. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from builder_contracts.errors import printable
from builder_contracts.redaction import redact_data
from builder_contracts.teeth.trial import ClauseTrials, Reaction, Trial
from builder_contracts.verdict import Json


def lines(builder: str, taken: str, clauses: Sequence[ClauseTrials]) -> Iterator[str]:
    """A line per clause, below it a line per mutant that is not red, and the totals."""
    yield f"{builder}  facts of {taken or 'an unknown time'}"
    for tried in clauses:
        yield f"  {printable(_summary(tried))}"
        for trial in tried.trials:
            if trial.reaction is not Reaction.RED:
                yield f"      {printable(f'{trial.change}: {_reaction(trial)}')}"
    totals = _totals(clauses)
    yield (
        f"{builder}: {totals['red']} of {totals['mutants']} mutants red, {totals['stayed_kept']} STAYED KEPT, "
        f"{totals['kept_for_a_reason']} kept for a reason, {totals['not_answered']} not answered by the facts; "
        f"{totals['clauses_with_red']} of {totals['clauses']} clauses have a red mutant"
    )
    untried = Counter(tried.reason.partition(":")[0] for tried in clauses if not tried.trials)
    for reason, count in untried.most_common():
        yield f"    {count} without mutants: {printable(reason)}"


def _summary(tried: ClauseTrials) -> str:
    if not tried.trials:
        return f"{tried.clause.local_id}  no mutants: {tried.reason}"
    note = "  (set by this run)" if tried.set_by_run else ""
    return f"{tried.clause.local_id}  red {tried.count(Reaction.RED)} of {len(tried.trials)}{note}"


def _reaction(trial: Trial) -> str:
    if trial.stayed_kept:
        return "STAYED KEPT"
    return f"{trial.reaction.value}: {trial.reason}"


def data(builder: str, taken: str, clauses: Sequence[ClauseTrials]) -> Json:
    """The same as plain data without secrets."""
    return redact_data(
        {
            "class": builder,
            "taken": taken,
            "clauses": [
                {
                    "id": tried.clause.id,
                    "promised": tried.clause.promise.text,
                    "source": str(tried.clause.source),
                    "set_by_run": tried.set_by_run,
                    "reason": tried.reason,
                    "red": tried.count(Reaction.RED),
                    "stayed_kept": tried.stayed_kept,
                    "mutants": [
                        {"change": trial.change, "reaction": trial.reaction.value, "reason": trial.reason}
                        for trial in tried.trials
                    ],
                }
                for tried in clauses
            ],
            "totals": _totals(clauses),
        }
    )


def _totals(clauses: Sequence[ClauseTrials]) -> dict[str, int]:
    stayed_kept = sum(tried.stayed_kept for tried in clauses)
    return {
        "clauses": len(clauses),
        "clauses_with_red": sum(tried.count(Reaction.RED) > 0 for tried in clauses),
        "mutants": sum(len(tried.trials) for tried in clauses),
        "red": sum(tried.count(Reaction.RED) for tried in clauses),
        "stayed_kept": stayed_kept,
        "kept_for_a_reason": sum(tried.count(Reaction.KEPT) for tried in clauses) - stayed_kept,
        "not_answered": sum(tried.count(Reaction.UNANSWERED) for tried in clauses),
    }
