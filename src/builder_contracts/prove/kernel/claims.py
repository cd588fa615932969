"""The claim ladder of the real-time kernel: packaged is not booted, booted is not real-time.

The rungs are the kernel owner's, see docs/explanation/kernel-canary.md. A canary in an emulator can prove the first two; the
others need a headset's host and are never claimed here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from builder_contracts.prove.check_result import CheckResult
from builder_contracts.prove.unavailable import Unavailable


class KernelClaim(Enum):
    """A claim about a kernel."""

    NONE = "nothing can be claimed"
    PACKAGED = "C0: the package exists"
    REALTIME = "C1: boots, and uname -v reports PREEMPT_RT"


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


def highest_claim(results: Mapping[str, CheckResult | Unavailable]) -> ClaimReached:
    """The highest claim of which every part is proved, and those below it."""
    claim = KernelClaim.NONE
    for rung, needs in _NEEDS:
        for need in needs:
            result = results.get(need, Unavailable("not checked"))
            if isinstance(result, Unavailable):
                return ClaimReached(claim, f"not {rung.value}: linux-xr-{need} is unproven ({result.reason})")
            if not result.good:
                return ClaimReached(claim, f"not {rung.value}: linux-xr-{need} is broken ({result.observed})")
        claim = rung
    return ClaimReached(claim, "not C2: no host configuration was validated")
