"""Whether a command that a time limit or a signal ended says anything about itself. Pure."""

from __future__ import annotations

from builder_contracts.facts.model import ENDED_FROM_OUTSIDE, HUNG, Seen, Unseen
from builder_contracts.verdict import Assessment, unproven

BUSY = 2.0
"""Seconds of a control command above which a runner is too busy to judge by its clock; idle, it takes a tenth of one."""


def doubt(command: str, status: int, control: Seen[float], inspect: str) -> Assessment | None:
    """Unproven, if ``status`` shows an end from outside and no control command in the same runner was in time; else None.

    ``control`` is the seconds of that command.
    """
    if status not in ENDED_FROM_OUTSIDE:
        return None
    ended = "did not end in time" if status == HUNG else f"was killed (status {status})"
    if isinstance(control, Unseen):
        return unproven(f"{command} {ended}, and no control shows why: {control.reason}", inspect=inspect)
    if control > BUSY:
        return unproven(
            f"{command} {ended}, but the runner was busy: a control command took {control:.1f} s",
            inspect=inspect,
        )
    return None
