"""Judges promises about the certificate authorities that a job's programs trust."""

from __future__ import annotations

from builder_contracts.contract.promises.trust import Certificates
from builder_contracts.facts.model import Facts, Unseen
from builder_contracts.judge.explanation import RUNNER_LOST, Explanation
from builder_contracts.judge.unproven import unproven_because
from builder_contracts.verdict import Assessment, broken, kept


def judge(promise: Certificates, facts: Facts) -> Assessment:
    inspect = ".ca_bundle"
    bundle = facts.ca_bundle
    if isinstance(bundle, Unseen):
        return unproven_because(bundle, inspect)
    if not bundle.path:
        return broken("no CA bundle", "the image lacks package ca-certificates", inspect=inspect)
    seen = f"{bundle.certificates} certificates in {bundle.path}"
    if bundle.certificates >= promise.at_least:
        return kept(seen, inspect=inspect)
    return broken(seen, "the bundle was emptied or replaced; run update-ca-certificates", inspect=inspect)


def explain(promise: Certificates) -> Explanation:
    return Explanation(
        how="The certificates in SSL_CERT_FILE, or in the first bundle at a usual path, are counted. "
        "A TLS handshake is not tried: this shows that authorities are there, not that they verify a server.",
        unproven=f"{RUNNER_LOST}; or the bundle is not readable.",
        why="Without authorities, every download over TLS fails.",
        breaks="An image without ca-certificates, or an emptied bundle.",
        fix=f"Install ca-certificates with at least {promise.at_least} authorities.",
    )
