"""Evidence, keys and envelopes for tests of attestations."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from builder_contracts.attest import envelope, statement
from builder_contracts.attest.statement import Evidence
from builder_contracts.verdict import Origin, Outcome, Rung, Verdict
from tests.unit.reporting.samples import SAMPLE

IMAGE = "sha256:" + "4f" * 32
CONTRACT = "sha256:" + "1" * 64
STARTED = datetime(2026, 3, 12, 2, 0, 11, tzinfo=UTC)
NOW = STARTED + timedelta(hours=3)

KEY = generate_private_key(SECP256R1())
OTHER_KEY = Ed25519PrivateKey.generate()


def verdict(local_id: str, outcome: Outcome = Outcome.KEPT, **changes: object) -> Verdict:
    origin = Origin(
        image="ghcr.io/me/runner:1", image_digest=IMAGE, contract_digest=CONTRACT, runner="docker",
        started=STARTED.isoformat(),
    )  # fmt: skip
    rung = None if outcome is Outcome.UNPROVEN else Rung.OBSERVED
    plain = dataclasses.replace(
        SAMPLE, clause=f"tinyland-nix/{local_id}", outcome=outcome, rung=rung, observation=f"seen of {local_id}",
        origin=origin,
    )  # fmt: skip
    return dataclasses.replace(plain, **changes)  # type: ignore[arg-type] # fields by name


KEPT_VERDICTS = (
    verdict("declarations/labels", rung=Rung.DECLARED),
    verdict("toolchain/xz"),
    verdict("caches/nix", rung=Rung.EXERCISED),
)


def evidence(verdicts: Sequence[Verdict] = KEPT_VERDICTS, **changes: object) -> Evidence:
    gathered = statement.gather(verdicts, {"tinyland-nix": len(verdicts)}, "abc123")
    return dataclasses.replace(gathered, **changes)  # type: ignore[arg-type] # fields by name


def signed(given: Evidence, key: envelope.PrivateKey = KEY) -> str:
    return envelope.sign(json.dumps(statement.to_data(given)).encode(), key)
