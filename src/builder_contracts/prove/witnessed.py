"""The result of a judge of a proof: an assessment, and its witnesses, one line each."""

from __future__ import annotations

from builder_contracts.prove.unavailable import Unavailable
from builder_contracts.verdict import Assessment, unproven

Witnessed = tuple[Assessment, tuple[str, ...]]
"""An assessment and its witnesses."""

NO_LOG = "server: deployed, log unavailable"
"""The witness line of a deployed server, whose log the run cannot read."""


def unavailable(lost: Unavailable | None) -> Witnessed:
    """Return the assessment of what could not be done, or was not: unproven for that reason, without witnesses."""
    lost = lost or Unavailable("the experiment did not run")
    return unproven(lost.reason, provable_here=lost.provable_here), ()
