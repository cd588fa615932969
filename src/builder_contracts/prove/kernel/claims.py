"""The claim ladder of the real-time kernel: packaged is not booted, booted is not real-time.

Its owner's rungs, see docs/canaries/linux-xr.md. A canary in an emulator can show the first two; those that
need a headset's host are never claimed here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from builder_contracts.prove.records import CheckResult, Unavailable


class KernelClaim(Enum):
    """What may be said of a kernel."""

    NONE = "nothing may be claimed"
    PACKAGED = "C0: the package exists"
    REALTIME = "C1: it boots and uname -v says PREEMPT_RT"


_NEEDS: tuple[tuple[KernelClaim, tuple[str, ...]], ...] = (
    (KernelClaim.PACKAGED, ("package", "package-release")),
    (KernelClaim.REALTIME, ("boot", "boot-release", "boot-realtime")),
)


@dataclass(frozen=True)
class ClaimReached:
    """The highest rung, and why not the next."""

    claim: KernelClaim
    missing: str

    def __str__(self) -> str:
        return f"{self.claim.value}; {self.missing}"


def climb(findings: Mapping[str, CheckResult | Unavailable]) -> ClaimReached:
    """The highest claim of which every part was shown, and those below it."""
    claim = KernelClaim.NONE
    for rung, needs in _NEEDS:
        for need in needs:
            found = findings.get(need, Unavailable("it was not looked at"))
            if isinstance(found, Unavailable):
                return ClaimReached(claim, f"not {rung.value}: linux-xr-{need} is unproven, {found.reason}")
            if not found.good:
                return ClaimReached(claim, f"not {rung.value}: linux-xr-{need} is broken, {found.said}")
        claim = rung
    return ClaimReached(claim, "not C2: no host's configuration was validated here")
