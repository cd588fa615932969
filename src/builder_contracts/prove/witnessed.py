"""What the judge of a proof returns: an assessment, and its witnesses, one line each."""

from __future__ import annotations

from builder_contracts.evidence.verdict import Finding, unproven
from builder_contracts.prove.unavailable import Lost

Witnessed = tuple[Finding, tuple[str, ...]]
"""An assessment and its witnesses."""

NO_LOG = "server: deployed, log unavailable"
"""The server's line where the server is deployed: it keeps its log to itself."""


def unavailable(lost: Lost) -> Witnessed:
    """The assessment of what could not be done: unproven for that reason, with nobody to witness it."""
    return unproven(lost.reason, here=lost.provable_here), ()
